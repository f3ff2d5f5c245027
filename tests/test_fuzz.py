"""Fuzzing finds nothing in a moment. `make fuzz` looks for longer."""

import subprocess
import sys
from pathlib import Path

from programs import needs

ROOT = Path(__file__).resolve().parents[1]


@needs("c++", "g++")
def test_fuzzing_finds_nothing_in_a_moment() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "fuzz/run.py", "--quick"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    inputs = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in done.stdout.splitlines()}
    assert {*inputs} == {path.stem for path in (ROOT / "fuzz/targets").glob("*.rs")}
    assert min(inputs.values()) > 1000, inputs


def test_fuzzing_other_apps_files_finds_nothing_in_a_moment() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "fuzz/files.py", "--quick"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name, count = done.stdout.split()[:2]
    assert name == "files" and int(count.replace(",", "")) > 100
