"""Breaks the Python of ferrotp in many places, one at a time, and says which changes no test notices.

``python benches/mutants.py [file ...]``: mutmut changes the files, of `FILES` unless some are named, and runs the fast
tests in the same process. What survives is killed by a test, or listed with the reason why it is harmless in
``tests/mutants.md``. Exits with 1 where a survivor is neither.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ferrotp

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "target" / "mutants-python"
LIST = ROOT / "tests" / "mutants.md"
MUTMUT = Path(sys.executable).with_name("mutmut")

# Files, and the tests that run on each of their mutants: those that run in this process and in seconds, where the store
# is in memory, or SQLite. The suite for stores is itself a test.
SHARED = [
    "tests/mfa/test_service.py",
    "tests/mfa/test_memory_store.py",
    "tests/mfa/test_no_leaks.py",
    "tests/mfa/test_pool.py",
    "tests/mfa/test_waiting.py",
    "tests/web/test_floor.py",
    "tests/web/flask/test_extension.py",
    "tests/web/flask/test_attacks.py",
    "tests/web/starlette/test_router.py",
]
FILES = [
    "ferrotp/mfa/*.py",
    "ferrotp/mfa/stores/base.py",
    "ferrotp/mfa/stores/memory.py",
    "ferrotp/mfa/stores/pool.py",
    "ferrotp/mfa/stores/waiting.py",
    "ferrotp/web/*.py",
    "ferrotp/flask/extension.py",
    "ferrotp/flask/auth.py",
    "ferrotp/starlette/api.py",
    "ferrotp/starlette/guards.py",
    "ferrotp/starlette/tokens.py",
]
DJANGO_TESTS = [
    "tests/in_django/test_login.py",
    "tests/in_django/test_pages.py",
    "tests/in_django/test_routes.py",
    "tests/in_django/test_admin.py",
]
DJANGO_FILES = ["ferrotp/django/auth.py", "ferrotp/django/middleware.py"]
NOT = ["ferrotp/mfa/testing.py"]

# A mutant is known by its function and the lines that it takes and puts, since its number changes with the code.
Mutant = tuple[str, str, str]


def prepare(files: list[str], tests: list[str], isolation: str) -> None:
    """A copy of the package, with its library, and of the tests, in which mutmut may write."""
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(ROOT / "python/ferrotp", PLACE / "ferrotp")
    for library in Path(ferrotp.__file__).parent.glob("_native*"):
        shutil.copy(library, PLACE / "ferrotp")
    for folder in ("tests", "examples", "benches"):
        shutil.copytree(ROOT / folder, PLACE / folder)
    there = [test for test in tests if (ROOT / test).exists()]
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pytest_settings = re.search(r"^\[tool\.pytest\.ini_options\]\n.*?(?=^\[)", settings, re.M | re.S)
    assert pytest_settings
    (PLACE / "pyproject.toml").write_text(
        f"{pytest_settings[0]}\n[tool.mutmut]\nsource_paths = ['ferrotp']\n"
        f"only_mutate = {files}\ndo_not_mutate = {NOT}\n"
        f"also_copy = ['examples', 'benches']\nuse_git_change_detection = false\n{isolation}"
        f"pytest_add_cli_args = ['-m', 'not races', '-p', 'no:xdist']\npytest_add_cli_args_test_selection = {there}\n",
        encoding="utf-8",
    )


def survivors() -> dict[Mutant, str]:
    """What no test noticed, each with mutmut's name for it."""
    results = subprocess.run([MUTMUT, "results"], cwd=PLACE, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in re.findall(r"^\s*(\S+): (?:survived|no tests|suspicious)$", results, re.M):
        shown = subprocess.run([MUTMUT, "show", name], cwd=PLACE, capture_output=True, text=True, check=True).stdout
        lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "#"))]
        taken = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
        put = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
        found[function(name), taken, put] = name
    return found


def function(name: str) -> str:
    """``ferrotp.web.gate.Gate.begin`` of mutmut's ``ferrotp.web.gate.xǁGateǁbegin__mutmut_3``."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def harmless() -> set[Mutant]:
    """The rows of the list: function, the lines it takes, the lines it puts, the reason."""
    rows = re.findall(r"^\| `(.+?)` \| `(.*?)` \| `(.*?)` \| .+ \|$", LIST.read_text(encoding="utf-8"), re.M)
    return {(name, taken.replace(r"\|", "|"), put.replace(r"\|", "|")) for name, taken, put in rows}


def tried(files: list[str], tests: list[str], jobs: str, isolation: str = "") -> dict[Mutant, str]:
    """The survivors among the mutants of some files."""
    prepare(files, tests, isolation)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([MUTMUT, "run", "--max-children", jobs], cwd=PLACE, env=environment, check=True)
    return survivors()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="file", help="such as ferrotp/web/gate.py; all unless named")
    parser.add_argument("--jobs", default="2", help="how many at a time")
    options = parser.parse_args()
    files = options.files or [*FILES, *DJANGO_FILES]
    in_django = [file for file in files if file.startswith("ferrotp/django/")]
    found: dict[Mutant, str] = {}
    if rest := [file for file in files if file not in in_django]:
        found |= tried(rest, SHARED, options.jobs)
    if in_django:
        # A site is made where it is imported, and its users once: each mutant has a process that imports it anew.
        anew = "process_isolation = 'forkserver'\nforkserver_warmup = 'none'\n"
        found |= tried(in_django, DJANGO_TESTS, options.jobs, anew)
    listed = harmless()
    unexplained = {mutant: name for mutant, name in found.items() if mutant not in listed}
    for (where, taken, put), name in unexplained.items():
        print(f"{where} survives ({name}):\n  - {taken}\n  + {put}")
    print(f"{len(found)} survive, {len(unexplained)} of them unexplained")
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main())
