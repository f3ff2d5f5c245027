"""Fuzzes the readers of other apps' files, which are Python: ``python fuzz/files.py [--quick] [--seconds N]``.

Files of the corpus are cut, spliced and changed, many times. Each is read or a `TransferError`; in no error stands the
secret that every file of the corpus has. A finding is left in ``fuzz/artifacts``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from ferrotp import transfer

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "tests/transfer/corpus"
SECRETS = ("GEZDGNBVGY3T", "3132333435363738")
MARKS = r"""" { } [ ] , ; < > & ? = : % // null -1 1e999 \ud800 secret SHA256 ]]>"""
WORDS = (
    *(mark.encode() for mark in MARKS.split()),
    *(b"\t", b"\n", b"\xff", b"\0", b"\xef\xbb\xbf", b"PK\x03\x04", b"AUTHENTICATORPRO", b"\xac\xed\x00\x05"),
    *(b"otpauth://totp/", b"steam://", b"<!DOCTYPE a>", b"9" * 21),
)


def changed(data: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A file with a few things done to it."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at, length = draw.randint(0, len(out)), draw.choice((1, 1, 2, 8, 60))
        match draw.randint(0, 6):
            case 0:
                del out[at : at + length]
            case 1:
                out[at:at] = draw.choice(WORDS)
            case 2:
                out[at : at + length] = draw.choice(WORDS)
            case 3 if out:
                out[at % len(out)] ^= 1 << draw.randint(0, 7)
            case 4:
                other = draw.choice(others)
                start = draw.randint(0, len(other))
                out[at:at] = other[start : start + draw.choice((10, 100, 1000))]
            case 5:
                out[at:at] = out[at : at + length] * draw.choice((1, 2, 50))
            case 6:
                del out[at:]
    return bytes(out[:20_000])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a second instead of a minute")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="the same files again")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    draw = random.Random(seed)
    # Encrypted files cost a key each: without a password they end before it.
    seeds = [path.read_bytes() for path in sorted(CORPUS.glob("*/*/*")) if path.name != "expected.json"]
    seeds = [data for data in seeds if len(data) < 50_000]
    end = time.monotonic() + (1 if arguments.quick else arguments.seconds)
    count = read = 0
    while time.monotonic() < end:
        data = changed(draw.choice(seeds), seeds, draw)
        said: list[object] = []
        try:
            read += bool(transfer.load(data, on_error=said.append, on_note=said.append))
        except transfer.TransferError as error:
            said.append(error)
        except BaseException as error:
            finding(data, seed, repr(error))
            raise
        if any(secret in f"{thing!r}{thing}" for thing in said for secret in SECRETS):
            finding(data, seed, "a secret in an error or a note")
            sys.exit(1)
        count += 1
    print(f"{'files':<12}{count:>12,} inputs, {read:,} with accounts")


def finding(data: bytes, seed: int, what: str) -> None:
    artifacts = HERE / "artifacts"
    artifacts.mkdir(exist_ok=True)
    path = artifacts / f"files-{seed}"
    path.write_bytes(data)
    print(f"files: FOUND SOMETHING ({what}) in {path.relative_to(HERE.parent)}, seed {seed}")


if __name__ == "__main__":
    main()
