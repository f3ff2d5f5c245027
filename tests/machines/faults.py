"""``make faults``: each fault that was mended on 27 November 2026 was in the release before, and is gone.

The tests that hold a mend run on the wheel of the commit before all of them, and on the wheel as built, on this
machine's CPython and on Debian's 3.14. A fault is shown where some of its tests fail before, and none now. What is
not seen from Python is shown by a Rust program for the crate as it was; ``cargo test`` holds that it is gone. Number 5,
a claim that could not be shown, was taken back: it is read from the sources.

``ARGS=FILE`` takes that wheel for the one before, and does not build it; a second file is the one of now.
``ARGS="4 7"`` leaves only those numbers.
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import debian
import pythons
import rust
import suites

COMMIT = "45bf631"
# By the number that the fault had when it was found: what it was, and pytest's arguments for the tests of its mend.
FAULTS = {
    1: ("midstates outlive their object", ["tests/sound/test_memory.py"]),
    2: (
        "a second interpreter, and a second import",
        ["tests/sound/test_interpreters.py", "tests/sound/test_imports.py"],
    ),
    3: ("Python code under the state's lock", ["tests/sound/test_reentrancy.py"]),
    4: (
        "a name swapped on a public class goes unseen",
        ["tests/contract/test_swaps.py", "-k", "put_in_its_place or drops_another or every_pair"],
    ),
    6: (
        "PSKC: namespaces, twins, foreign elements",
        ["tests/transfer/test_corpus.py", "tests/transfer/test_hostile.py", "-k", "(bad_file and pskc) or many_levels"],
    ),
    7: ("the C boundary", ["tests/sound/test_boundary.py", "-k", "not unwinder"]),
    8: ("six codes for one text", ["tests/vault/test_recovery.py", "-k", "one_text"]),
}
# Number 8 as a Rust program sees it, in the crate as it was: each of these would fail today.
OF_RUST = """
use ferrotp::batch::{KeySet, Numbers};
use ferrotp::{Algorithm, Digits, HmacKey, hotp};

fn set() -> KeySet {
    let mut set = KeySet::default();
    for byte in [1, 2] {
        let numbers = Numbers { digits: Digits::new(8).unwrap(), period: 30, steam: false };
        set.push(&HmacKey::new(Algorithm::Sha1, &[byte; 20]), numbers);
    }
    set
}

#[test]
fn a_short_buffer_keeps_its_zeros_and_nobody_is_told() {
    let mut codes = [b'0'; 15];
    let () = set().codes(0..2, 59, 8, &mut codes);
    assert_eq!(codes[8..], [b'0'; 7]);
    let mut right = [None; 2];
    let () = set().verify(0..2, 59, 1, &[], &mut right);
}

#[test]
fn a_code_is_cut_by_the_next_one_where_the_width_is_too_small() {
    let mut codes = [b'x'; 14];
    set().codes(0..2, 59, 6, &mut codes);
    let first = hotp::code(&HmacKey::new(Algorithm::Sha1, &[1; 20]), 1, Digits::new(8).unwrap());
    assert_ne!(codes[..8], *first.as_str().as_bytes());
}

#[test]
fn codes_that_show_the_same_are_unequal() {
    let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
    let code = |counter| hotp::code(&key, counter, Digits::SIX);
    let mut seen = std::collections::HashMap::new();
    let unequal = (0..100_000u64).any(|counter| {
        seen.insert(code(counter).as_str().to_owned(), counter).is_some_and(|before| code(before) != code(counter))
    });
    assert!(unequal);
}
"""


def sources() -> Path:
    """The commit before the mends, unpacked from git."""
    folder = debian.WORK / "before"
    if not (folder / "Cargo.toml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["git", "archive", COMMIT], cwd=debian.ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder)
    return folder


def wheel_before() -> Path:
    """The wheel of that commit, built as `make wheel` does."""
    folder = sources()
    out = folder / "wheels"
    if not list(out.glob("*.whl")):
        maturin = debian.tools("maturin", rust.MATURIN) / "bin" / "maturin"
        debian.say(f"building the wheel of {COMMIT}")
        command = [maturin, "build", "--quiet", "--release", "--locked", "--interpreter", sys.executable, "--out", out]
        debian.run(*command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(folder / "target")})
    (wheel,) = out.glob("*.whl")
    return wheel


def outcome(python: Path, arguments: list[str]) -> tuple[int, list[str]]:
    """How many tests ran, and what became of each that failed."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        done = subprocess.run(
            [str(part) for part in command], cwd=debian.ROOT, env=clean, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1):  # it did not start, or found no test
            raise RuntimeError(done.stdout[-4000:] + done.stderr[-4000:])
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = []
    for case in cases:
        if case.find("error") is not None:
            raise RuntimeError(f"{case.get('name')}: {case.find('error').get('message')}")  # type: ignore[union-attr]
        if (failure := case.find("failure")) is not None:
            failed.append(f"{case.get('name')}: {reason(failure.get('message') or '')}")
    return sum(case.find("skipped") is None for case in cases), failed


def reason(message: str) -> str:
    """What a failure comes to, in a line: of a program that was run, what it said last."""
    if "Timeout (" in message:
        return "hangs"
    first, *rest = [line.strip() for line in message.strip().splitlines() if line.strip()] or ["?"]
    return (rest[-1] if rest and first.startswith("AssertionError: exit") else first)[:120]


def of_rust() -> str:
    """Runs the Rust program for the crate as it was."""
    folder = sources()
    (folder / "tests" / "as_it_was.rs").write_text(OF_RUST, encoding="utf-8")
    command = ["cargo", "test", "--locked", "--test", "as_it_was"]
    done = debian.run(*command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(folder / "target")})
    return next(line for line in done.stdout.splitlines() if line.startswith("test result"))


def claim(source: str) -> str:
    """What the module says of the GIL."""
    (line,) = [line for line in source.splitlines() if line.startswith("#[pymodule(")]
    return line


def main() -> None:
    numbers = [number for number in FAULTS if str(number) in sys.argv[1:]] or list(FAULTS)
    files = [Path(argument).resolve() for argument in sys.argv[1:] if not argument.isdigit()]
    before = files[0] if files else wheel_before()
    now = files[1] if files[1:] else suites.built()
    suites.releases()
    own = ".".join(platform.python_version_tuple()[:2])
    wrong = []
    for version, interpreter in ((own, Path(sys.executable)), ("3.14", pythons.interpreter("3.14"))):
        pair = [
            suites.environment(f"{name}-{version}", interpreter, version, platform.machine(), wheel)
            for name, wheel in (("before", before), ("now", now))
        ]
        print(f"{suites.said(pair[1])}; failed of all, at {COMMIT} and now", flush=True)
        for number in numbers:
            fault, arguments = FAULTS[number]
            (ran, failed), (ran_now, failed_now) = (outcome(python, arguments) for python in pair)
            print(f"  {number}. {fault}: {len(failed)} of {ran}, {len(failed_now)} of {ran_now}", flush=True)
            for line in failed:
                print(f"       {line}", flush=True)
            if not failed or failed_now or not ran_now:
                wrong.append(f"{number} on {version}: {failed_now}")
    place = "src/python/mod.rs"
    claims = [debian.run("git", "show", f"{COMMIT}:{place}", cwd=debian.ROOT).stdout, (debian.ROOT / place).read_text()]
    was, now_is = map(claim, claims)
    print(f"  5. free-threading is claimed and was not shown: {was}, and now {now_is}")
    if "true" not in now_is:
        wrong.append("5")
    print(f"8 in Rust, the faults in the crate as it was: {of_rust()}")
    if wrong:
        sys.exit("not shown: " + "; ".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
