"""What lies in the memory of another process, and what an HMAC's midstates look like there."""

import base64
import os
import re
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pausing import pause

CHUNK = 1 << 22


def writable_maps(process_id: int) -> Iterator[tuple[int, int]]:
    """Beginning and end of each piece of memory that the process can write."""
    for line in Path(f"/proc/{process_id}/maps").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if match and "[v" not in line:  # the kernel's own pages cannot be read
            yield int(match[1], 16), int(match[2], 16)


def copies(process_id: int, needles: list[bytes]) -> int:
    """How many times the needles lie in what the process can write, its stack included."""
    found = 0
    longest = max(map(len, needles))
    with Path(f"/proc/{process_id}/mem").open("rb", buffering=0) as memory:
        for start, end in writable_maps(process_id):
            tail = b""
            for place in range(start, end, CHUNK):
                memory.seek(place)
                try:
                    chunk = memory.read(min(CHUNK, end - place))
                except OSError:
                    break  # reserved and never touched
                text = tail + chunk
                found += sum(text.count(needle) - tail.count(needle) for needle in needles)
                tail = text[-longest + 1 :]
    return found


def midstates(secret: str) -> list[bytes]:
    """The inner and the outer state of HMAC-SHA-1 after the key's block, as words in the machine's order."""
    key = base64.b32decode(secret).ljust(64, b"\0")
    return [struct.pack("=5I", *_sha1_block(bytes(byte ^ pad for byte in key))) for pad in (0x36, 0x5C)]


def _sha1_block(block: bytes) -> list[int]:
    """One compression of SHA-1 (FIPS 180-4, section 6.1.2). `hashlib` shows no state."""

    def rotated(word: int, bits: int) -> int:
        return (word << bits | word >> 32 - bits) & 0xFFFFFFFF

    start = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]
    words = list(struct.unpack(">16I", block))
    for place in range(16, 80):
        words.append(rotated(words[place - 3] ^ words[place - 8] ^ words[place - 14] ^ words[place - 16], 1))
    a, b, c, d, e = start
    for place, word in enumerate(words):
        if place < 20:
            mixed, constant = b & c | ~b & d, 0x5A827999
        elif place < 40:
            mixed, constant = b ^ c ^ d, 0x6ED9EBA1
        elif place < 60:
            mixed, constant = b & c | b & d | c & d, 0x8F1BBCDC
        else:
            mixed, constant = b ^ c ^ d, 0xCA62C1D6
        a, b, c, d, e = (rotated(a, 5) + mixed + e + constant + word) & 0xFFFFFFFF, a, rotated(b, 30), c, d
    return [(before + after) & 0xFFFFFFFF for before, after in zip(start, (a, b, c, d, e), strict=True)]


class Program:
    """A Python program that stops at each ``pause()`` until it is told to go on."""

    def __init__(self, code: str) -> None:
        prelude = "def pause():\n    print('paused', flush=True)\n    input()\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", prelude + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def copies(self, needles: list[bytes]) -> int:
        """Waits for the next pause, counts, and lets the program go on."""
        assert self.process.stdin is not None and self.process.stdout is not None
        assert self.process.stdout.readline() == "paused\n"
        pause(self.process.pid)  # it is on its way to `input()`, and may still give memory back
        found = copies(self.process.pid, needles)
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return found
