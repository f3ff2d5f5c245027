"""The house's floors: what may know of what."""

import re
import subprocess
import sys
from pathlib import Path

import ferrotp

ROOT = Path(__file__).parent.parent
CORE = [path for path in (ROOT / "src").rglob("*.rs") if "python" not in path.relative_to(ROOT / "src").parts]
PACKAGE = ROOT / "python" / "ferrotp"
# What an extra installs, and the only places that may know it. `__main__` only asks whether click is there.
EXTRAS = {
    "__main__.py": {"click"},
    "adapters/allauth/": {"allauth", "django"},
    "adapters/django_otp/": {"django", "django_otp"},
    "adapters/flask_security/": {"flask", "flask_security"},
    "adapters/two_factor/": {"django", "django_otp", "two_factor"},
    "cli/": {"click"},
    "django/": {"django", "asgiref"},
    "flask/": {"flask", "flask_wtf", "wtforms"},
    "mfa/imports/": {"cryptography", "sqlalchemy"},
    "mfa/stores/redis.py": {"redis"},
    "mfa/stores/sql": {"sqlalchemy", "psycopg"},
    "starlette/": {"anyio", "fastapi", "itsdangerous", "pydantic", "starlette"},
}


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads into a fresh interpreter."""
    code = f"import sys; before = {{*sys.modules}}; {statement}; print(*{{*sys.modules}} - before)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_the_core_knows_no_python() -> None:
    assert CORE
    for path in CORE:
        text = path.read_text(encoding="utf-8")
        assert "pyo3" not in text, path
        if path.name != "lib.rs":
            assert "crate::python" not in text, path


def test_unsafe_code_stays_in_the_kernels_and_the_bindings() -> None:
    for path in CORE:
        if "lanes" not in path.parts:
            code = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
            assert not re.search(r"\bunsafe\b(?!_)", code), path


def test_importing_ferrotp_loads_nothing_heavy() -> None:
    loaded = loaded_by("import ferrotp")
    assert {name for name in loaded if name.startswith("ferrotp")} == {
        "ferrotp",
        "ferrotp._native",
        "ferrotp.otp",
        "ferrotp.totp",
    }
    heavy = {
        "hashlib",
        "hmac",
        "types",
        "typing",
        "datetime",
        "re",
        "urllib.parse",
        "unicodedata",
        "secrets",
        "random",
        "base64",
    }
    assert not loaded & heavy


def test_ordinary_use_loads_nothing_heavy_either() -> None:
    loaded = loaded_by(
        "import ferrotp; t = ferrotp.TOTP(ferrotp.random_base32()); t.verify(t.now());"
        " ferrotp.parse_uri(t.provisioning_uri('a', 'b'))"
    )
    assert not loaded & {"hashlib", "hmac", "typing", "datetime", "urllib.parse", "unicodedata", "secrets"}


CLI = PACKAGE / "cli"


def imports_of(path: Path) -> list[str]:
    """What a file imports at any place, by the first names; from its own package with a dot."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^if TYPE_CHECKING:\n(?:    .*\n)+", "", text, flags=re.M)  # only a type checker reads it
    return re.findall(r"^\s*(?:from|import) (\.*\w+)", text, re.M)


def test_the_base_install_needs_no_other_package() -> None:
    stdlib = set(sys.stdlib_module_names) | {"ferrotp"}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        allowed = {name for prefix, names in EXTRAS.items() if place.startswith(prefix) for name in names}
        for name in imports_of(path):
            assert name.startswith(".") or name in stdlib | allowed, (path, name)


def test_frameworks_do_not_know_each_other() -> None:
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).parts[0]
        names = {name.lstrip(".") for name in imports_of(path) if name.startswith(".")}
        assert not names & {"flask", "starlette"} - {place}, path
        assert place == "starlette" or "ferrotp.starlette" not in path.read_text(encoding="utf-8"), path


def test_the_json_api_needs_no_fastapi() -> None:
    assert not loaded_by("import ferrotp.starlette") & {"fastapi", "pydantic", "flask"}


def test_the_service_loads_no_store_s_driver() -> None:
    assert not loaded_by("import ferrotp.mfa") & {"psycopg", "redis", "sqlalchemy", "sqlite3"}
    loaded = loaded_by("from ferrotp.mfa import open_store; open_store('sqlite:///nowhere/mfa.db')")
    assert "sqlalchemy" in loaded and not loaded & {"psycopg", "redis"}


FRAMEWORKS = ("flask", "django", "starlette", "adapters")


def test_nothing_imports_a_framework_and_frameworks_not_each_other() -> None:
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).parts[0]
        for framework in FRAMEWORKS:
            if place not in (framework, "adapters", "cli"):
                text = path.read_text(encoding="utf-8")
                assert not re.search(rf"^\s*(?:from|import) (?:ferrotp)?\.+{framework}\b", text, re.M), path


def test_the_web_floor_loads_no_framework() -> None:
    loaded = loaded_by("import ferrotp.web, ferrotp.web.pages")
    assert not {name.partition(".")[0] for name in loaded} & {"flask", "jinja2", "werkzeug", "django", "starlette"}
    assert not {name for name in loaded if name.startswith(("ferrotp.flask", "ferrotp.django", "ferrotp.starlette"))}


def test_nothing_but_the_program_knows_the_command_line() -> None:
    for path in PACKAGE.rglob("*.py"):
        if CLI not in path.parents and path != PACKAGE / "__main__.py":
            assert not any(name.lstrip(".") == "cli" for name in imports_of(path)), path
            assert "ferrotp.cli" not in path.read_text(encoding="utf-8"), path
    loaded = loaded_by("import ferrotp, ferrotp.transfer, ferrotp.qr, ferrotp.legacy, ferrotp.__main__")
    assert not {name for name in loaded if name.startswith(("ferrotp.cli", "click"))}


def test_no_framework_knows_another_and_nothing_below_knows_one() -> None:
    frameworks = {"django", "flask", "starlette"}
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0]
        if own == "adapters":  # which put one framework's ferrotp under another's package
            own = "flask" if "flask_security" in path.as_posix() else "django"
        text = path.read_text(encoding="utf-8")
        for other in frameworks - {own}:
            assert f"ferrotp.{other}" not in re.sub(r'"""(?:.|\n)*?"""|#.*', "", text), path
            assert not re.search(rf"^\s*(?:from|import) \.*{other}\b", text, re.M), path


def test_importing_the_django_package_loads_no_django() -> None:
    """`INSTALLED_APPS` imports it before the applications are loaded."""
    assert "django" not in loaded_by("import ferrotp, ferrotp.mfa, ferrotp.web, ferrotp.vault")
    assert "django" not in loaded_by("import ferrotp.django")


def test_the_version_is_said_once() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f'version = "{ferrotp.__version__}"' in cargo
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
