"""The house's floors (`floors.py`): what may know of what."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from floors import EXTRAS, FLOORS, STRANGERS

import ferrotp

ROOT = Path(__file__).parent.parent
RUST = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / "src").rglob("*.rs")}
CORE = {place: text for place, text in RUST.items() if not place.startswith("src/python/")}
PYTHON = {
    path.relative_to(ROOT / "python").as_posix(): path.read_text("utf-8")
    for path in (ROOT / "python" / "ferrotp").rglob("*.py")
} | {"ferrotp/_native.pyi": ""}  # the bindings: what their stub imports is for type checkers only


# What a file imports


def module_of(place: str) -> str:
    """The module of a file: "ferrotp.mfa" of "ferrotp/mfa/__init__.py"."""
    return place.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")


@cache
def imported_names(place: str, text: str) -> frozenset[str]:
    """The full names that a file imports at any place in it: at its top, in a function, for a type checker, by name."""
    return frozenset(_imported_names(place, text))


def _imported_names(place: str, text: str) -> Iterator[str]:
    package = module_of(place).split(".")
    if not place.endswith("__init__.py"):
        package.pop()
    for node in ast.walk(ast.parse(text, place)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(name.value) for name in node.args[:1] if isinstance(name, ast.Constant))


def imports(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Which files each file of Python imports."""
    places = {module_of(place): place for place in files}
    graph: dict[str, set[str]] = {}
    for place, text in files.items():
        named = imported_names(place, text)
        found = {places.get(name) or places.get(name.rpartition(".")[0]) for name in named}
        graph[place] = {target for target in found if target is not None and target != place}
    return graph


def rust_imports(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Which files each file of Rust names. A folder's face (`mod.rs`) names its rooms, and is not looked at."""
    places = {place.removesuffix(".rs").removeprefix("src/"): place for place in files if not place.endswith("mod.rs")}
    graph: dict[str, set[str]] = {}
    for place, text in files.items():
        folder = place.removeprefix("src/").rpartition("/")[0]
        code = re.sub(r"//.*", "", text.partition("#[cfg(test)]\nmod tests")[0])
        found = set()
        for start, names in re.findall(r"\b(crate|super)::(\{[^;]*?\}|[\w:]+)", code):
            for name in re.findall(r"(?:^|[{,]\s*)((?:\w+::)*\w+)", names):
                path = name.replace("::", "/") if start == "crate" or not folder else f"{folder}/{name}"
                while path:
                    found |= {places[path]} if path in places else set()
                    path = path.rpartition("/")[0]
        graph[place] = found - {place}
    return graph


# Floors


def floor_of(place: str) -> int:
    """The number of the floor that a file stands on."""
    fitting = [(start, number) for number, (_, starts) in enumerate(FLOORS) for start in starts]
    return max((len(start), number) for start, number in fitting if place.startswith(start))[1]


def are_strangers(place: str, other: str) -> bool:
    """Whether two files are in rooms that never know each other."""
    rooms = [{room for room in group if file.startswith(room)} for group in STRANGERS for file in (place, other)]
    return any(mine and yours and mine != yours for mine, yours in zip(rooms[::2], rooms[1::2], strict=True))


def wrong_imports(files: Mapping[str, str]) -> set[tuple[str, str]]:
    """The imports that point up, or to a stranger."""
    return {
        (place, target)
        for place, targets in imports(files).items()
        for target in targets
        if floor_of(target) > floor_of(place) or are_strangers(place, target)
    }


def circle_of(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of imports, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_point_down() -> None:
    assert not wrong_imports(PYTHON)


@pytest.mark.parametrize(
    ("place", "line", "target"),
    [
        ("ferrotp/mfa/service.py", "from ..web import Gate", "ferrotp/web/__init__.py"),
        ("ferrotp/transfer/uris.py", "from ferrotp.mfa.errors import MFAError", "ferrotp/mfa/errors.py"),
        ("ferrotp/mfa/stores/memory.py", "from .. import service", "ferrotp/mfa/service.py"),
        ("ferrotp/vault.py", "import ferrotp.mfa.policy", "ferrotp/mfa/policy.py"),
        (
            "ferrotp/web/gate.py",
            "from importlib import import_module; import_module('ferrotp.cli.app')",
            "ferrotp/cli/app.py",
        ),
        ("ferrotp/flask/views.py", "from ..starlette import problems", "ferrotp/starlette/problems.py"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "def later():\n    {}", "if TYPE_CHECKING:\n    {}"])
def test_an_import_upwards_is_found_wherever_it_stands(place: str, line: str, target: str, form: str) -> None:
    planted = {**PYTHON, place: PYTHON[place] + "\n" + form.format(line)}
    assert wrong_imports(planted) - wrong_imports(PYTHON) == {(place, target)}


def test_no_imports_form_a_circle() -> None:
    assert not circle_of(imports(PYTHON))
    assert not circle_of(rust_imports(RUST))


@pytest.mark.parametrize(
    ("files", "place", "line"),
    [(PYTHON, "ferrotp/web/login.py", "from .gate import Gate"), (RUST, "src/hotp.rs", "use crate::totp::Totp;")],
    ids=["python", "rust"],
)
def test_a_circle_is_found(files: dict[str, str], place: str, line: str) -> None:
    graph = imports if place.endswith(".py") else rust_imports
    assert place in circle_of(graph({**files, place: line + "\n" + files[place]}))


def test_contributing_quotes_the_floors() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [
        f"{number}. **{name}**: {', '.join(f'`{start}`' for start in starts)}"
        for number, (name, starts) in enumerate(FLOORS, 1)
    ]
    for row in rows:
        assert row in page, row


def test_the_core_knows_no_python() -> None:
    for place, text in CORE.items():
        assert "pyo3" not in text, place
        assert "crate::python" not in text or place == "src/lib.rs", place


def test_unsafe_code_stays_in_the_kernels_and_the_bindings() -> None:
    for place, text in CORE.items():
        if not place.startswith("src/lanes/"):
            assert not re.search(r"\bunsafe\b(?!_)", re.sub(r"//.*", "", text)), place


def test_only_its_own_room_knows_what_an_extra_installs() -> None:
    stdlib = set(sys.stdlib_module_names) | {"ferrotp"}
    for place, text in PYTHON.items():
        allowed = {name for start, names in EXTRAS.items() if place.startswith(start) for name in names}
        assert {name.partition(".")[0] for name in imported_names(place, text)} <= stdlib | allowed, place


# What an import loads


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads into a fresh interpreter."""
    code = f"import sys; before = {{*sys.modules}}; {statement}; print(*{{*sys.modules}} - before)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


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


def test_the_program_loads_with_its_verbs_only() -> None:
    loaded = loaded_by("import ferrotp, ferrotp.transfer, ferrotp.qr, ferrotp.legacy, ferrotp.__main__")
    assert not {name for name in loaded if name.startswith(("ferrotp.cli", "click"))}


def test_the_service_loads_no_store_s_driver() -> None:
    assert not loaded_by("import ferrotp.mfa") & {"psycopg", "redis", "sqlalchemy", "sqlite3"}
    loaded = loaded_by("from ferrotp.mfa import open_store; open_store('sqlite:///nowhere/mfa.db')")
    assert "sqlalchemy" in loaded and not loaded & {"psycopg", "redis"}


def test_no_framework_is_loaded_below_its_own_room() -> None:
    def frameworks(statement: str) -> set[str]:
        names = {"django", "fastapi", "flask", "jinja2", "pydantic", "starlette", "werkzeug"}
        return {name.partition(".")[0] for name in loaded_by(statement)} & names

    assert not frameworks("import ferrotp, ferrotp.mfa, ferrotp.vault, ferrotp.web, ferrotp.web.pages")
    assert not frameworks("import ferrotp.django")  # INSTALLED_APPS does, before the applications are loaded
    assert frameworks("import ferrotp.starlette") == {"starlette"}


def test_the_version_is_said_once() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f'version = "{ferrotp.__version__}"' in cargo
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_release_tests_are_compiled_as_what_ships_is() -> None:
    """Of the same crates and by the same profile, in a package without what the other tests use."""
    whole, apart = ROOT, ROOT / "tests" / "release"
    profiles = [
        re.findall(r"^\[profile\.release\].*\n((?:\w.*\n)+)", (place / "Cargo.toml").read_text(), re.M)
        for place in (whole, apart)
    ]
    assert profiles[0] == profiles[1] != []
    crates = [
        {*re.findall(r'^name = "(.+)"\nversion = "(.+)"$', (place / "Cargo.lock").read_text(), re.M)}
        for place in (whole, apart)
    ]
    assert crates[1] - crates[0] == {("ferrotp-release-tests", "0.0.0")}


@pytest.mark.parametrize("apart", ["fuzz", "tests/model"])
def test_crates_that_are_compiled_into_one_folder_are_compiled_once(apart: str) -> None:
    """Their versions are ferrotp's own, where these would do."""
    ours, others = [
        re.findall(r'^name = "(.+)"\nversion = "((?:0\.)*\d+)(.*)"$', (place / "Cargo.lock").read_text(), re.M)
        for place in (ROOT, ROOT / apart)
    ]
    same = {(name, compatible): rest for name, compatible, rest in ours}
    for name, compatible, rest in others:
        assert same.get((name, compatible), rest) == rest, name


def test_each_decision_has_a_date_and_a_status_and_stands_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in folder.glob("*.md"):
        for title, dated in re.findall(r"^## (.*)\n\n(.*)$", page.read_text(encoding="utf-8"), re.M):
            if page.name != "README.md":
                assert f"- {title}\n" in index, title
                assert re.match(r"\d{4}-\d{2}-\d{2} · (in force|replaced by )", dated), title


def test_speed_is_claimed_in_the_table_of_measurements_only() -> None:
    pages = [ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8").partition("<!-- claims")[0]
        assert page.name == "benchmarks.md" or not re.search(r"\d\s+times\s+(as\s+fast|faster)", text), page
