"""The annotations are right for who uses them, for the package itself, and for the native module."""

import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
APART = "(demo-flask|__pyinstaller)"
MYPY = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-pretty", "--no-color-output"]


def run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    # Elsewhere, so that the package is found where it is installed, and the project's settings are not.
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    # One for all, for mypy's cache.
    return tmp_path_factory.mktemp("mypy")


def test_typed_user_code_passes_in_strict_mode(folder: pathlib.Path) -> None:
    done = run([*MYPY, str(HERE / "api.py")], folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_user_code_is_refused_line_by_line(folder: pathlib.Path) -> None:
    path = HERE / "wrong.py"
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    expected = {number for number, line in lines if line.endswith("# error")}
    done = run([*MYPY, str(path)], folder)
    found = {int(number) for number in re.findall(r"wrong\.py:(\d+): error", done.stdout)}
    assert found == expected, done.stdout + done.stderr


def test_the_package_passes_in_strict_mode(folder: pathlib.Path) -> None:
    # An application as somebody would write it, and hooks that PyInstaller loads: neither is a module of the package's.
    done = run([*MYPY, "--exclude", APART, "-p", "ferrotp"], folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_annotations_are_those_of_what_runs(folder: pathlib.Path) -> None:
    allowed = ["--allowlist", str(HERE / "allowlist.txt")]
    (folder / "mypy.ini").write_text(f"[mypy]\nexclude = {APART}\n", encoding="utf-8")
    stubtest = [sys.executable, str(HERE / "stubtest.py"), "--concise", "--ignore-unused-allowlist"]
    stubtest += ["--mypy-config-file", str(folder / "mypy.ini")]
    done = run([*stubtest, *allowed, "ferrotp"], folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_native_function_has_an_annotation() -> None:
    import ferrotp

    path = pathlib.Path(ferrotp.__file__).with_name("_native.pyi")
    text = path.read_text(encoding="utf-8")
    for name in dir(ferrotp._native):
        if not name.startswith("__"):
            assert re.search(rf"^(?:(?:def|class) )?{name}\b", text, re.MULTILINE), name
