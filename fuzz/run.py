"""Fuzzes what reads foreign bytes: ``python fuzz/run.py [--quick] [target ...]``.

Each target runs for a while (a minute; `--quick`: one second) from its seeds and from what earlier runs found. A
finding is left in ``fuzz/artifacts`` and shown with the command that repeats it. libFuzzer and the compiler's coverage
work with a stable toolchain; they want a C++ compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = [path.stem for path in sorted((HERE / "targets").glob("*.rs"))]
FORMATS = HERE.parent / "tests/transfer/corpus"
SEEDS = {
    "migration": [FORMATS / "google/good", FORMATS / "google/bad"],
    "pskc": [FORMATS / "pskc/good", FORMATS / "pskc/bad"],
}
# What takes long is long: namespaces, attributes, levels.
LONGEST = {"pskc": 8000}
# On a busy machine a second is soon over: a target runs again until it has tried so many.
FEWEST = 1500
# As cargo-fuzz has them; without a sanitizer of memory, which wants a nightly toolchain.
COVERAGE = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
]


# Two of libFuzzer's files have a function of one name, and one wants C's names without its headers.
ALONE = {"FuzzerFork.cpp", "FuzzerInterceptors.cpp"}


def build_libfuzzer(host: str, quick: bool) -> Path:
    """libFuzzer itself, of the sources that its crate has.

    The crate compiles each of 26 files by itself; almost all of that is the headers of the standard library, 26 times.
    """
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", host]
    described = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    [crate] = [crate for crate in json.loads(described.stdout)["packages"] if crate["name"] == "libfuzzer-sys"]
    sources = {path.name: path for path in sorted(Path(crate["manifest_path"]).parent.glob("libfuzzer/*.cpp"))}
    folder = HERE / "target" / f"libfuzzer-{crate['version']}{'-quick' * quick}"
    library = folder / "libfuzzer.a"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    together = folder / "together.cpp"
    together.write_text("".join(f'#include "{path}"\n' for name, path in sources.items() if name not in ALONE))
    options = ["-std=c++17", "-fno-omit-frame-pointer", "-w", "-O0" if quick else "-O2"]
    alone = [path for name, path in sources.items() if name in ALONE]
    subprocess.run(["c++", *options, "-c", together, *alone], cwd=folder, check=True)
    subprocess.run(["ar", "crs", library, *folder.glob("*.o")], check=True)
    return library


def build(quick: bool) -> Path:
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = re.findall(r"^host: (.*)$", version, re.MULTILINE)[0]
    profile, folder = ("dev", HERE.parent / "target") if quick else ("release", HERE / "target")
    # With a target named, build scripts and macros are compiled without coverage, which they do not link.
    command = ["cargo", "build", "--quiet", "--locked", "--profile", profile, "--target", host, "--target-dir", folder]
    environment = {**os.environ, "RUSTFLAGS": " ".join(COVERAGE)}
    environment["CUSTOM_LIBFUZZER_PATH"] = str(build_libfuzzer(host, quick))
    subprocess.run(command, cwd=HERE, env=environment, check=True)
    return folder / host / ("debug" if quick else "release")


def fuzz(programs: Path, target: str, seconds: int) -> bool:
    corpus, artifacts = HERE / "corpus" / target, HERE / "artifacts"
    corpus.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(exist_ok=True)
    command = [
        str(programs / target),
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST.get(target, 2000)}",
        "-timeout=2",
        f"-artifact_prefix={artifacts}/{target}-",
        "-print_final_stats=1",
        str(corpus),
        *map(str, filter(Path.is_dir, SEEDS.get(target, [HERE / "seeds" / target]))),
    ]
    tried = 0
    while tried < FEWEST:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        covered = re.findall(r"cov: (\d+)", done.stderr)
        runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
        if done.returncode or not covered or not runs or runs[-1] == "0":
            print(f"{target}: FOUND SOMETHING\n{done.stderr[-4000:]}")
            return False
        tried += int(runs[-1])
    print(f"{target:<12}{tried:>12,} inputs, {covered[-1]} edges")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"one of {', '.join(TARGETS)}; all unless named")
    parser.add_argument("--quick", action="store_true", help="a second each instead of a minute")
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    if unknown := {*arguments.targets} - {*TARGETS}:
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    programs = build(arguments.quick)
    seconds = 1 if arguments.quick else arguments.seconds
    fine = [fuzz(programs, target, seconds) for target in arguments.targets or TARGETS]
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
