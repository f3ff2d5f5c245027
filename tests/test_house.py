"""The house's floors: what may know of what."""

import re
import subprocess
import sys
from pathlib import Path

import ferrotp

ROOT = Path(__file__).parent.parent
CORE = [path for path in (ROOT / "src").rglob("*.rs") if "python" not in path.relative_to(ROOT / "src").parts]
# What an extra installs, and the only file that may know it.
EXTRAS = {"redis.py": {"redis"}}


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


def test_the_base_install_needs_no_other_package() -> None:
    stdlib = set(sys.stdlib_module_names) | {"ferrotp"}
    for path in (ROOT / "python" / "ferrotp").rglob("*.py"):
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.M):
            assert name in stdlib or name in EXTRAS.get(path.name, ()), (path, name)


def test_the_service_loads_no_store_s_driver() -> None:
    assert not loaded_by("import ferrotp.mfa") & {"redis", "sqlalchemy"}


def test_the_version_is_said_once() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f'version = "{ferrotp.__version__}"' in cargo
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
