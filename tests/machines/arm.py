"""``make test-arm``: cargo's tests and the suites on ARM, under emulation.

The compiler and the standard library are Debian's, which has them for ARM; zig links. The Python is Debian's for ARM,
and qemu runs both. The wheel is the one that ``make wheels`` makes for manylinux2014 on ARM. Emulation shows that codes
are right; it shows nothing about speed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import debian
import rust
import suites

TARGET = "aarch64-unknown-linux-gnu"
PYTHON = "3.13"
KERNELS = ("armv8", "neon", "portable")
# It counts with valgrind, which does not run under qemu.
SKIPPED = "where_a_code_is_wrong_and_which_counter_matched_takes_the_same_instructions"


def emulator(root: Path, *options: str) -> str:
    """The command that runs a program for ARM."""
    qemu = debian.unpack("qemu", "qemu-user", alone=True) / "usr" / "bin" / "qemu-aarch64"
    return " ".join([str(qemu), "-L", str(root), *options])


def interpreter(root: Path) -> Path:
    """A script that is the ARM Python: it can be started by its path, by a symlink and as `sys.executable`."""
    script = root / "run" / "python"
    script.parent.mkdir(exist_ok=True)
    text = f'#!/bin/sh\nexec {emulator(root)} -0 "$0" {root}/usr/bin/python{PYTHON} "$@"\n'
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    return script


def cargo_test(environment: dict[str, str], root: Path, *arguments: str, **more: str) -> str:
    """Runs cargo's tests for ARM, and returns how many passed."""
    runner = {"CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER": emulator(root)}
    command = ["cargo-zigbuild", "test", "--locked", "--target", TARGET, *arguments]
    done = subprocess.run(
        command, cwd=debian.ROOT, env={**environment, **runner, **more}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-4000:], sep="\n")
        sys.exit(done.returncode)
    passed = sum(map(int, re.findall(r"test result: ok\. (\d+) passed", done.stdout)))
    if not passed:
        sys.exit(f"no test ran:\n{done.stdout}")
    return f"{passed} passed"


def main() -> None:
    arguments = sys.argv[1:]
    root = debian.unpack("python-arm64", f"python{PYTHON}:arm64")
    environment = rust.toolchain(TARGET)
    if not arguments:
        rest = ["--lib", "--tests", "--", "--skip", SKIPPED]
        print(f"cargo test on ARM, without {SKIPPED}: {cargo_test(environment, root, *rest)}", flush=True)
        for kernel in KERNELS:
            chosen = ["--lib", "--test", "properties", "--test", "vectors"]
            print(f"  {kernel} alone: {cargo_test(environment, root, *chosen, FERROTP_KERNEL=kernel)}", flush=True)
    wheel = rust.wheel(environment, TARGET, "manylinux2014")
    suites.releases()
    python = suites.environment("python-arm64", interpreter(root), PYTHON, "aarch64", wheel)
    print(suites.said(python), flush=True)
    suites.each(python, arguments, FERROTP_WITHOUT="valgrind strace")


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
