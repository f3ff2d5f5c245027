"""Holds ferrotp against the newest pyotp that the package index has: ``python tests/pyotp/newest.py``.

It runs that release's own suite on ``ferrotp``, and the differential test against it, and says what is new beside the
release that ferrotp mirrors: names, and files that differ. The exit code is 1 if a test fails.
"""

import difflib
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest has them
sys.path.insert(0, str(Path(__file__).parent))

import releases
from test_suites import outcome


def names(version: str) -> set[str]:
    """What a release's modules and classes have, by dotted names."""
    found = set()
    package = releases.load(version)
    modules = [module for name, module in sys.modules.items() if f"{name}.".startswith(f"{package.__name__}.")]
    for module in modules:
        place = module.__name__.removeprefix(package.__name__).lstrip(".") or "pyotp"
        for name, value in vars(module).items():
            if name.startswith("_") or not getattr(value, "__module__", "").startswith(package.__name__):
                continue
            found.add(f"{place}.{name}")
            if isinstance(value, type):
                found |= {f"{place}.{name}.{member}" for member in vars(value) if not member.startswith("__")}
    return found


def changed_lines(before: str, after: str) -> list[str]:
    """A line for each file of the sources that is not the same."""
    old, new = (releases.unpacked(version) / "src" / "pyotp" for version in (before, after))
    files = sorted({path.relative_to(root) for root in (old, new) for path in root.rglob("*.py")})
    lines = []
    for file in files:
        texts = [
            (root / file).read_text(encoding="utf-8").splitlines() if (root / file).exists() else []
            for root in (old, new)
        ]
        diff = [line for line in difflib.ndiff(*texts) if line[0] in "+-"]
        if diff:
            added = sum(line[0] == "+" for line in diff)
            lines.append(f"{file.as_posix()}: {added} lines added, {len(diff) - added} removed")
    return lines


def main() -> int:
    """Prints what was found."""
    newest = releases.add_newest()
    print(f"newest pyotp: {newest} (sha256 {releases.SHA256[newest]}); ferrotp mirrors {releases.MIRRORED}")
    verdicts = outcome(newest, "ferrotp")
    print(f"its own suite on ferrotp: {verdicts['run']} run, {len(verdicts['failed'])} failed")
    for name, why in verdicts["failed"].items():
        print(f"  {name}: {why.strip().splitlines()[-1]}")
    if newest == releases.MIRRORED:
        print("nothing is new")
    else:
        added, gone = names(newest) - names(releases.MIRRORED), names(releases.MIRRORED) - names(newest)
        for title, lines in (
            ("new names", sorted(added)),
            ("names that are gone", sorted(gone)),
            ("changed files", changed_lines(releases.MIRRORED, newest)),
        ):
            print(f"{title}:", *(lines or ["none"]), sep="\n  ")
    differential = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(Path(__file__).with_name("test_differential.py"))],
        env={**os.environ, "FERROTP_PYOTP": newest},
        check=False,
    )
    return 1 if verdicts["failed"] or differential.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
