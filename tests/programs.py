"""Programs that a laptop may lack. Where CI=true their absence is an error, not a skip."""

import os
import shutil

import pytest

IN_CI = os.environ.get("CI") == "true"
# Programs that the interpreter cannot be run with, by name: an emulated one cannot be counted.
WITHOUT = os.environ.get("FERROTP_WITHOUT", "").split()


CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The first draws no window and takes a third less of the processor; Debian has both."""


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """A mark for tests that start `program`, which Debian's `package` has."""
    if program in WITHOUT:
        return pytest.mark.skip(reason=f"without {program} here")
    missing = shutil.which(program) is None and not IN_CI
    return pytest.mark.skipif(missing, reason=f"{program} is not installed: apt-get install {package}")
