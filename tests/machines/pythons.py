"""``make test-pythons``: the suites on newer CPythons of Debian, with the one abi3 wheel that is built here."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import debian
import suites

VERSIONS = ("3.13", "3.14", "3.15")


def interpreter(version: str) -> Path:
    """An unpacked CPython that starts on this machine."""
    root = debian.unpack(f"python-{version}", f"python{version}")
    program = root / "usr" / "bin" / f"python{version}"
    adopted = root / ".adopted"
    if not adopted.exists():
        debian.adopt(root, program)
        adopted.touch()
    return program


def main() -> None:
    wheel = suites.built()
    versions = [argument for argument in sys.argv[1:] if argument in VERSIONS] or VERSIONS
    arguments = [argument for argument in sys.argv[1:] if argument not in VERSIONS]
    suites.releases()
    for version in versions:
        python = suites.environment(f"python-{version}", interpreter(version), version, platform.machine(), wheel)
        print(suites.said(python), flush=True)
        print(f"  {suites.test(python, arguments)}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
