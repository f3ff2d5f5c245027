"""docs/threats.md names the test that shows each row. None of them may go unseen."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_the_threats_name_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")))
    files = [
        *(ROOT / "tests").rglob("test_*.py"),
        *(ROOT / "tests").rglob("*.rs"),
        ROOT / "python/ferrotp/mfa/testing.py",
    ]
    there = {
        name for file in files for name in re.findall(r"\b(?:def|fn) (test_\w+)", file.read_text(encoding="utf-8"))
    }
    assert named
    assert not named - there
