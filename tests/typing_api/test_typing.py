"""The annotations are right for who uses them, for the package itself, and for the native module."""

import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
# An application as somebody would write it, and hooks that PyInstaller loads: neither is a module of the package's.
APART = "(demo-flask|__pyinstaller)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What mypy says in strict mode, and stubtest after it, in one process that reads everything once."""
    folder = tmp_path_factory.mktemp("mypy")
    settings = folder / "mypy.ini"
    settings.write_text(f"[mypy]\nexclude = {APART}\n", encoding="utf-8")
    files = [str(HERE / name) for name in ("api.py", "wrong.py")]
    options = ["--concise", "--ignore-unused-allowlist", "--allowlist", str(HERE / "allowlist.txt")]
    options += ["--mypy-config-file", str(settings)]
    # Elsewhere, so that the package is found where it is installed, and the project's settings are not.
    return subprocess.run(
        [sys.executable, str(HERE / "stubtest.py"), *files, "--", *options, "ferrotp"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def errors(report: subprocess.CompletedProcess[str]) -> list[str]:
    """mypy's, each in a line."""
    return re.findall(r"^\S+\.pyi?:\d.*: error: .*$", report.stdout, re.MULTILINE)


def test_typed_user_code_passes_in_strict_mode(report: subprocess.CompletedProcess[str]) -> None:
    assert not [error for error in errors(report) if "api.py:" in error]
    assert report.returncode == 0, report.stdout + report.stderr  # it was looked at


def test_wrong_user_code_is_refused_line_by_line(report: subprocess.CompletedProcess[str]) -> None:
    lines = enumerate((HERE / "wrong.py").read_text(encoding="utf-8").splitlines(), start=1)
    expected = {number for number, line in lines if line.endswith("# error")}
    found = {int(number) for number in re.findall(r"wrong\.py:(\d+): error", report.stdout)}
    assert found == expected, report.stdout + report.stderr


def test_the_package_passes_in_strict_mode(report: subprocess.CompletedProcess[str]) -> None:
    assert not [error for error in errors(report) if "wrong.py:" not in error]
    assert report.returncode == 0, report.stdout + report.stderr


def test_the_annotations_are_those_of_what_runs(report: subprocess.CompletedProcess[str]) -> None:
    assert report.returncode == 0, report.stdout + report.stderr


def test_every_native_function_has_an_annotation() -> None:
    import ferrotp

    path = pathlib.Path(ferrotp.__file__).with_name("_native.pyi")
    text = path.read_text(encoding="utf-8")
    for name in dir(ferrotp._native):
        if not name.startswith("__"):
            assert re.search(rf"^(?:(?:def|class) )?{name}\b", text, re.MULTILINE), name
