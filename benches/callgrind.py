"""How many instructions pieces of Python take, counted by callgrind.

Instructions are repeatable where time is not: for the same binaries the count is the same, whatever else the machine
does. callgrind's CPU has neither the SHA extensions nor AVX-512, so name the kernel: `portable`, or `avx2`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# Until it is asked to count, callgrind is three times as fast: at imports, set-up and warming up. It is asked by
# instructions that do nothing elsewhere (`VALGRIND_DO_CLIENT_REQUEST` of valgrind.h, as on x86-64): `request` takes the
# address of a request and its five arguments.
START = """
import ctypes as _ctypes, mmap as _mmap
_request = _mmap.mmap(-1, 4096, prot=_mmap.PROT_READ | _mmap.PROT_WRITE | _mmap.PROT_EXEC)
_request.write(bytes.fromhex(
    "4889f8"  # mov rax, rdi
    "31d2"  # xor edx, edx
    "48c1c703" "48c1c70d" "48c1c73d" "48c1c733"  # rol rdi, 3; 13; 61; 51
    "4887db"  # xchg rbx, rbx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
))
_address = _ctypes.addressof(_ctypes.c_char.from_buffer(_request))
_START_INSTRUMENTATION = (_ctypes.c_ulong * 6)((ord("C") << 24 | ord("T") << 16) + 4)
_ctypes.CFUNCTYPE(_ctypes.c_ulong, _ctypes.c_void_p)(_address)(_ctypes.addressof(_START_INSTRUMENTATION))
"""

# getpid is the marker: whenever the C library's is entered, callgrind writes what it has counted since.
WARMED = """
import gc as _gc, json as _json, os as _os, sys as _sys
_pieces = []
for _piece in _json.loads(_sys.argv[1]):
    _space = dict(globals())
    exec("def _run(times):\\n for _ in range(times): " + _piece + "\\n", _space)
    _pieces.append(_space["_run"])
    for _ in range(int(_sys.argv[3])):
        _pieces[-1](1)
"""
COUNTED = """
_gc.disable()
for _run in _pieces:
    _os.getpid()
    _run(int(_sys.argv[2]))
    _os.getpid()
"""


class Instructions(NamedTuple):
    """What a piece takes each time."""

    own: float
    """In ferrotp's library."""
    all: float
    """In the process: the interpreter, the C library and ferrotp."""


def count(
    setup: str, pieces: Mapping[str, str], *, times: int = 1, warm_up: int = 5, kernel: str = "portable"
) -> dict[str, Instructions]:
    """The instructions of each piece, a simple statement that sees what `setup` has made.

    Each is run `warm_up` times first (the interpreter specializes, keys are made), and then `times` times. What an
    empty loop takes is taken off.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--dump-before=getpid", f"--callgrind-out-file={folder}/out"]
        program = setup + WARMED + COUNTED
        if platform.machine() == "x86_64":
            command.append("--instr-atstart=no")
            program = setup + WARMED + START + COUNTED
        # The interpreter itself, and not a script that starts it.
        command += [os.path.realpath(sys.executable), "-c", program]
        command += [json.dumps(["None", *pieces.values()]), str(times), str(warm_up)]
        environment = {
            "FERROTP_KERNEL": kernel,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        environment |= {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the pieces failed under valgrind:\n{done.stderr[-2000:]}")
        dumps = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        # Each marker ends a dump: what is before a run, the run, and so on.
        found = [_read(dump) for dump in dumps[1::2]]
    if len(found) != len(pieces) + 1:
        raise RuntimeError(f"callgrind wrote {len(dumps)} dumps for {len(pieces)} pieces")
    (empty_own, empty_all), *found = found
    return {
        name: Instructions((own - empty_own) / times, (total - empty_all) / times)
        for name, (own, total) in zip(pieces, found, strict=True)
    }


def _read(dump: Path) -> tuple[int, int]:
    """The instructions of a dump, in ferrotp's library and in all."""
    library = total = 0
    here, names, calls = "", {}, False
    for line in dump.read_text("utf-8", "replace").splitlines():
        if match := re.match(r"ob=(\(\d+\))(?: (.*))?", line):
            number, name = match.groups()
            here = names.setdefault(number, name or "")
        elif match := re.match(r"cob=(\(\d+\)) (.*)", line):
            names.setdefault(*match.groups())
        elif line.startswith("calls="):
            calls = True  # the next line has what was called: counted where it is
        elif match := re.match(r"[+*\-\d][^ ]* (\d+)$", line):
            if not calls:
                total += int(match[1])
                library += int(match[1]) if "/ferrotp/_native" in here else 0
            calls = False
    return library, total
