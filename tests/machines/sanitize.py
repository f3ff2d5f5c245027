"""``make miri``, ``make test-asan`` and ``make test-tsan``: what a tool that watches memory or threads says.

The sanitizers' compiler is Debian's, and so are the sources of the standard library, which is watched with the rest.
Miri wants a nightly toolchain and its component; where there is none, the verb says so and fails: nothing was shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import debian
import rust
import suites

TARGET = "x86_64-unknown-linux-gnu"
MIRI = ["--lib", "--", "lanes", "algorithm", "secret", "window", "wipe"]


def miri() -> None:
    """The core's own tests, by each kernel that Miri knows; those that it does not, the CPU that it plays has not."""
    if subprocess.run(["cargo", "+nightly", "miri", "--version"], capture_output=True, check=False).returncode:
        raise debian.NotHere("no nightly toolchain with Miri (rustup +nightly component add miri rust-src)")
    for features in ("", "+sha,+sse4.1,+ssse3", "+avx2", "+avx512f"):
        flags = f"-Ctarget-feature={features}" if features else ""
        environment = {**os.environ, "RUSTFLAGS": flags, "PROPTEST_CASES": "4", "MIRIFLAGS": "-Zmiri-disable-isolation"}
        command = ["cargo", "+nightly", "miri", "test", "--locked", *MIRI]
        subprocess.run(command, cwd=debian.ROOT, env=environment, check=True)
        print(f"Miri, {features or 'portable'}: nothing found", flush=True)


def library(name: str) -> str:
    """gcc's runtime of a sanitizer, which is loaded before Python."""
    found = debian.run("gcc", f"-print-file-name={name}").stdout.strip()
    if not os.path.isabs(found):
        raise debian.NotHere(f"no {name} beside gcc")
    return str(Path(found).resolve())


# What LLVM calls by a name of its own, and gcc's runtime watches under the C library's.
NAMES = """
#include <string.h>
void *__tsan_memcpy(void *to, const void *from, size_t size) { return memcpy(to, from, size); }
void *__tsan_memmove(void *to, const void *from, size_t size) { return memmove(to, from, size); }
void *__tsan_memset(void *to, int byte, size_t size) { return memset(to, byte, size); }
"""


def names_of_llvm() -> str:
    """A library with LLVM's names for gcc's ThreadSanitizer."""
    library = debian.WORK / "thread" / "names.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    source = library.with_suffix(".c")
    source.write_text(NAMES, encoding="utf-8")
    debian.run("gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", library, source)
    return str(library)


def extension(sanitizer: str) -> Path:
    """A virtual environment with the extension compiled to be watched, and Rust's standard library with it.

    A standard library that is not watched hides how its threads wait for each other, and so looks like a race.
    """
    work = debian.WORK / sanitizer
    environment = {
        **rust.toolchain(TARGET, compile_std=True),
        "RUSTFLAGS": f"-Zsanitizer={sanitizer} -Zexternal-clangrt",
        "CARGO_TARGET_DIR": str(work / "build"),
    }
    folder = debian.tools(sanitizer, rust.MATURIN, *suites.requirements())
    # With a target named, build scripts and macros are compiled unwatched: no program that runs them has the runtime.
    command = [folder / "bin/maturin", "build", "--quiet", "--locked", "--profile", "dev", "--target", TARGET]
    debian.run(*command, "--compatibility", "linux", "--out", work / "wheels", cwd=debian.ROOT, env=environment)
    (wheel,) = (work / "wheels").glob("*.whl")
    debian.run(folder / "bin/python", "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", wheel)
    return folder / "bin" / "python"


def watched(sanitizer: str, runtime: str, what: list[str], *more: str, **options: str) -> None:
    """Runs suites with the runtime loaded, and more libraries.

    A finding ends the process that made it, and so fails its test; what was found lies in a file beside the build.
    """
    preload = " ".join([library(runtime), *more])
    python = extension(sanitizer)
    said = debian.WORK / sanitizer / "found"
    print(f"{sanitizer}: what is found is written to {said.relative_to(debian.ROOT)}.*", flush=True)
    name = f"{sanitizer[0].upper()}SAN_OPTIONS"
    options[name] += f":log_path={said}"  # pytest keeps what is printed, and does not come to its end
    print(f"{sanitizer}: {suites.test(python, what, LD_PRELOAD=preload, **options)}; nothing found")


def main() -> None:
    verb, *arguments = sys.argv[1:]
    if verb == "miri":
        miri()
    elif verb == "address":
        # CPython keeps what it has until its end: nothing is said of leaks.
        options = "detect_leaks=0:halt_on_error=1:allocator_may_return_null=1"
        what = arguments or ["tests/contract"]
        watched("address", "libasan.so", what, ASAN_OPTIONS=options, PYTHONMALLOC="malloc")
    else:
        # Python itself is not watched; that it takes its lock by pthread's functions is seen.
        options = "halt_on_error=1:ignore_noninstrumented_modules=1"
        what = arguments or ["tests/batch", "tests/contract/test_threads.py"]
        watched("thread", "libtsan.so", what, names_of_llvm(), TSAN_OPTIONS=options)


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
