"""Fuzzes what reads foreign bytes: ``python fuzz/run.py [--quick] [target ...]``.

Each target runs for a while (a minute; `--quick`: two seconds) from its seeds and from what earlier runs found. A
finding is left in ``fuzz/artifacts`` and shown with the command that repeats it. libFuzzer and the compiler's coverage
work with a stable toolchain; they want a C++ compiler.
"""

from __future__ import annotations

import argparse
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


def build(quick: bool) -> Path:
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = re.findall(r"^host: (.*)$", version, re.MULTILINE)[0]
    # With a target named, build scripts and macros are compiled without coverage, which they do not link.
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--target", host]
    environment = {**os.environ, "RUSTFLAGS": " ".join(COVERAGE)}
    if quick:  # compiling takes longer than the two seconds
        environment |= {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_DEBUG": "false"}
    subprocess.run(command, cwd=HERE, env=environment, check=True)
    return HERE / "target" / host / "release"


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
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode or not covered or not runs:
        print(f"{target}: FOUND SOMETHING\n{done.stderr[-4000:]}")
        return False
    print(f"{target:<12}{int(runs[-1]):>12,} inputs, {covered[-1]} edges")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"one of {', '.join(TARGETS)}; all unless named")
    parser.add_argument("--quick", action="store_true", help="two seconds each instead of a minute")
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    if unknown := {*arguments.targets} - {*TARGETS}:
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    programs = build(arguments.quick)
    seconds = 2 if arguments.quick else arguments.seconds
    fine = [fuzz(programs, target, seconds) for target in arguments.targets or TARGETS]
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
