"""A Rust toolchain that has other machines' standard library: Debian's, unpacked, since the machine's own may have only
its own. A standard library that Debian has not is compiled from Debian's sources of it.

zig, from PyPI, links for other systems and brings their C libraries' symbols.
"""

from __future__ import annotations

import os
from pathlib import Path

import debian

MATURIN, ZIG, ZIGBUILD = "maturin==1.16.0", "ziglang==0.17.1", "cargo-zigbuild==0.24.1"
# From 1.13 to 1.16 it asks zig to export `PyInit_ferrotp._native`, with the package's name (PyO3/maturin#3274).
MATURIN_FOR_WINDOWS = "maturin==1.12.6"
# Whose standard library Debian has. The others' is compiled with the wheel, from Debian's sources.
TARGETS = {"aarch64-unknown-linux-gnu": "arm64", "x86_64-unknown-linux-gnu": "amd64"}


def toolchain(*targets: str, compile_std: bool = False) -> dict[str, str]:
    """What to set in the environment so that cargo compiles for `targets` too.

    `compile_std` has the standard library compiled with the rest even where Debian has it, and so by the same options.
    """
    root = debian.unpack("rust", "rustc", "libstd-rust-dev")
    adopted = root / ".adopted"
    if not adopted.exists():
        libraries = root.glob("usr/lib/*/lib*.so*")
        # These have paths of their own, which would hide the rest.
        large = [path for path in libraries if path.name.startswith(("libLLVM", "librustc_driver", "libxml2"))]
        programs = [root / "usr/bin/rustc", root / "usr/bin/rustdoc"]
        debian.adopt(root, *programs, *(path for path in large if not path.is_symlink()))
        adopted.touch()
    more = {}
    for target in targets:
        place = root / "usr/lib/rustlib" / target
        if compile_std or target not in TARGETS:
            sources = debian.unpack("rust-src", "rust-src", alone=True)
            link(root / "usr/lib/rustlib/src", sources / "usr/lib/rustlib/src")
            # What makes a nightly's options known to this compiler, which is as new as it says.
            more = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_STD": "std,panic_unwind"}
        elif not place.exists():
            other = debian.unpack(f"rust-{TARGETS[target]}", f"libstd-rust-dev:{TARGETS[target]}", alone=True)
            link(place, other / "usr/lib/rustlib" / target)
    if any("apple" in target for target in targets):
        _lend_objcopy(root)
    windows = any("windows" in target for target in targets)
    name, maturin = ("rust-windows", MATURIN_FOR_WINDOWS) if windows else ("rust", MATURIN)
    programs = debian.tools(name, maturin, ZIG, ZIGBUILD) / "bin"
    return {
        **os.environ,
        **more,
        "RUSTC": str(root / "usr/bin/rustc"),
        "RUSTDOC": str(root / "usr/bin/rustdoc"),
        "CARGO_TARGET_DIR": str(debian.WORK / "build"),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }


def _lend_objcopy(root: Path) -> None:
    """What rustc strips Apple's files with is not in Debian's packages of it: the machine's own toolchain has one."""
    sysroot = Path(debian.run("rustc", "--print", "sysroot", cwd=debian.ROOT).stdout.strip())
    found = next(sysroot.glob("lib/rustlib/*/bin/rust-objcopy"), None)
    if found is None:
        raise debian.NotHere("a wheel for macOS wants the rust-objcopy of a rustup toolchain")
    place = root / "usr/lib/rustlib" / found.parts[-3] / "bin" / found.name
    place.parent.mkdir(exist_ok=True)
    link(place, found)


def link(place: Path, to: Path) -> None:
    """Makes `place` a link, whatever link was there."""
    if place.is_symlink():
        place.unlink()
    if not place.exists():
        place.symlink_to(to)


def wheel(environment: dict[str, str], target: str, compatibility: str | None) -> Path:
    """The abi3 wheel for a target, as it ships; `compatibility` is Linux' alone."""
    out = debian.WORK / "wheels" / "-".join([target, *([compatibility] if compatibility else [])])
    for old in out.glob("*.whl"):
        old.unlink()
    debian.say(f"building the wheel for {out.name}")
    command = ["maturin", "build", "--quiet", "--release", "--locked", "--zig", "--target", target, "--out", out]
    tag = ["--compatibility", compatibility] if compatibility else []
    debian.run(*command, *tag, cwd=debian.ROOT, env=environment)
    (built,) = out.glob("*.whl")
    return built
