"""The contract, sound, batch, vault and service suites on an unpacked interpreter, with the wheel as it ships."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from debian import ROOT, WORK, run, say

SUITES = [
    "tests/contract",
    "tests/sound",
    "tests/batch",
    "tests/vault",
    "tests/test_vectors.py",
    "tests/mfa/test_service.py",
    "tests/mfa/test_memory_store.py",
]
# What these suites import, of requirements/test.txt.
WANTED = re.compile(r"(argon2-cffi|cryptography|Django|freezegun|hypothesis|pyotp|pytest|time-machine)==")
GLIBC = (17, 24, 26, 27, 28, 31, 34, 35, 39)


def requirements() -> list[str]:
    """Pinned as for this machine's own tests."""
    lines = [
        line.partition("#")[0].strip()
        for name in ("build.txt", "test.txt")
        for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if WANTED.match(line)))


def built() -> Path:
    """The wheel of `make wheel`."""
    wheels = sorted((ROOT / "target" / "wheels").glob("*-abi3-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"one wheel was to be in target/wheels, and there are {len(wheels)}: make wheel")
    return wheels[0]


def environment(name: str, python: Path, version: str, machine: str, wheel: Path) -> Path:
    """A virtual environment of `python`, filled by this machine's pip: the Python itself needs none."""
    folder = WORK / "environments" / name
    inside, stamp = folder / "bin" / "python", folder / ".filled"
    wanted = "\n".join(requirements())
    packages = folder / "lib" / f"python{version}" / "site-packages"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        run("rm", "-rf", folder)
        run(python, "-m", "venv", "--without-pip", "--symlinks", folder)
        say(f"filling {folder.relative_to(ROOT)}")
        install(packages, version, machine, *requirements())
        stamp.write_text(wanted, encoding="utf-8")
    install(packages, version, machine, "--upgrade", "--no-deps", str(wheel))
    return inside


def install(packages: Path, version: str, machine: str, *what: str) -> None:
    """Installs wheels for another Python or another machine. Nothing is compiled."""
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in GLIBC)]
    platforms = [f"--platform={tag}_{machine}" for tag in tags]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    chosen = [f"--python-version={version}", "--implementation=cp", "--only-binary=:all:", f"--target={packages}"]
    run(sys.executable, "-m", "pip", "install", *quiet, *chosen, *platforms, *what)


def releases() -> None:
    """pyotp's releases, which the contract is compared with, fetched by this machine's pip."""
    code = "import releases; [releases.unpacked(version) for version in releases.SHA256]"
    run(sys.executable, "-c", code, cwd=ROOT / "tests" / "pyotp")


def test(python: Path, arguments: list[str], **environ: str) -> str:
    """Runs the suites, shows what fails, and returns pytest's last line. A failure ends the verb."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or SUITES)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env={**clean, **environ}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-4000:], sep="\n")
        sys.exit(done.returncode)
    for line in done.stdout.splitlines():
        if line.startswith("SKIPPED"):
            print(f"  {line}")
    return done.stdout.strip().splitlines()[-1].strip("= ")


def each(python: Path, arguments: list[str], **environ: str) -> None:
    """Runs the suites one after the other, for a machine so slow that their counts are wanted as they come."""
    failed = []
    for suite in arguments or SUITES:
        try:
            print(f"  {suite}: {test(python, [suite], **environ)}", flush=True)
        except SystemExit:
            failed.append(suite)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def said(python: Path) -> str:
    """What an interpreter and the extension in it say of themselves."""
    code = (
        "import platform, ferrotp._native as n; "
        "print('CPython', platform.python_version(), 'on', platform.machine() + '; kernels', *n.kernels())"
    )
    return run(python, "-c", code, cwd=WORK).stdout.strip()
