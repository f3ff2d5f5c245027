"""How many instructions the hot calls take, counted by callgrind: ``python benches/count.py [--record | --check]``.

Instructions are repeatable where time is not: for the same binaries the count is the same, whatever else the machine
does. `counts.json` has what was recorded, and with which compiler, interpreter and peers of them. A check fails when a
call has grown by more than 5 %. Counts of other tools are not comparable: then the check says so, and does not fail.

callgrind's CPU has neither the SHA extensions nor AVX-512. So everything is counted with `FERROTP_KERNEL=portable`, and
what goes by groups once more with `avx2`. `all` has the interpreter's instructions; `own` are those of ferrotp's
library less the hashes of the call, which are most of it on that path and would hide the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD = Path(__file__).with_name("counts.json")
GROWTH = 0.05
CALLS = 50
CPUINFO = Path("/proc/cpuinfo")

# Name of the call: the call, how many things it does, and how many codes of it are not its own.
SINGLE = {
    "construct": ("F.TOTP(S)", 1, 0),
    "now()": ("f.now()", 1, 1),
    "at(int)": ("f.at(t)", 1, 1),
    "verify, hit": ("f.verify(code, t)", 1, 1),
    "verify, ±1, miss": ("f.verify(wrong, t, 1)", 1, 3),
    "verify, ±10, miss": ("f.verify(wrong, t, 10)", 1, 21),
    "HOTP at": ("h.at(5)", 1, 1),
    "provisioning_uri": ("f.provisioning_uri(name=N, issuer_name=N)", 1, 0),
    "parse_uri": ("F.parse_uri(uri)", 1, 0),
    "random_base32": ("F.random_base32()", 1, 0),
    "Keyring.match_totp, ±1": ("keyring.match_totp(OWNER, sealed, wrong, t, 1, 1)", 1, 3),
}
BATCHES = {
    "batch.codes": ("B.codes(secrets, t, threads=1)", 256, 0),
    "batch.verify, ±1": ("B.verify(secrets, typed, t, 1, threads=1)", 256, 0),
    "KeySet.codes_into": ("keys.codes_into(buffer, t, threads=1)", 256, 0),
    "resync over 1,000": ("B.resync(h, wrong, wrong, 0, 999)", 1, 0),
}
KERNELS = {"portable": {**SINGLE, **BATCHES}, "avx2": BATCHES}

# Run under valgrind. getpid is the marker: whenever the C library's is entered, callgrind writes what it has counted
# since. An empty loop stands first.
WORKLOAD = """
import gc, json, os, sys
import ferrotp as F, ferrotp.batch as B, ferrotp.vault as V
S, N, t, wrong = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "alice@example.com", 1_700_000_000, "000000"
f, h = F.TOTP(S), F.HOTP(S)
code, uri = f.at(t), f.provisioning_uri(name=N, issuer_name=N)
OWNER = ("acme", "alice", "phone")
keyring = V.Keyring.generate()
sealed = keyring.new_secret(OWNER)
secrets = [S[i % 32:] + S[:i % 32] for i in range(256)]
keys = B.KeySet(secrets)
typed, buffer = list(keys.codes(t)), bytearray(6 * 256)
wanted, times = json.loads(sys.argv[1]), int(sys.argv[2])
runs = []
for call in ["None", *wanted]:
    space = dict(globals())
    exec(f"def run(times):\\n for _ in range(times): {call}\\n", space)
    space["run"](5)  # the interpreter specializes, keys are made
    runs.append(space["run"])
gc.disable()
for run in runs:
    os.getpid()
    run(times)
    os.getpid()
"""


def tools() -> dict[str, str]:
    """What a count depends on."""
    rustc = subprocess.run(["rustc", "--version"], check=False, capture_output=True, text=True).stdout.strip()
    valgrind = subprocess.run(["valgrind", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "machine": platform.machine(),
        "rustc": rustc,
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "libc": " ".join(platform.libc_ver()),
        "valgrind": valgrind,
    }


def instructions(dump: Path) -> tuple[int, int]:
    """Those of a dump, in ferrotp's library and in all."""
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


def count(kernel: str) -> dict[str, dict[str, int]]:
    """Instructions of each call."""
    calls = KERNELS[kernel]
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--dump-before=getpid", f"--callgrind-out-file={folder}/out"]
        # The interpreter itself, and not a script that starts it.
        command += [
            os.path.realpath(sys.executable),
            "-c",
            WORKLOAD,
            json.dumps([call for call, _, _ in calls.values()]),
        ]
        environment = {"FERROTP_KERNEL": kernel, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        environment |= {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([*command, str(CALLS)], env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the workload failed under valgrind:\n{done.stderr[-2000:]}")
        dumps = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        # Each marker ends a dump: what is before a run, the run, and so on.
        found = [instructions(dump) for dump in dumps[1::2]]
    if len(found) != len(calls) + 1:
        raise SystemExit(f"callgrind wrote {len(dumps)} dumps for {len(calls)} calls")
    (empty_library, empty_total), *found = found
    counts = {
        name: ((library - empty_library) / CALLS / items, (total - empty_total) / CALLS / items)
        for (name, (_, items, _)), (library, total) in zip(calls.items(), found, strict=True)
    }
    code = 0.0
    if kernel == "portable":  # no lanes there: a window of ten steps has eighteen codes more than one of one
        code = (counts["verify, ±10, miss"][0] - counts["verify, ±1, miss"][0]) / 18
    return {
        name: {"own": round(library - calls[name][2] * code), "all": round(total)}
        for name, (library, total) in counts.items()
    }


def counted() -> dict[str, dict[str, dict[str, int]]]:
    """Every kernel's counts that can be counted here."""
    has_avx2 = CPUINFO.exists() and " avx2 " in CPUINFO.read_text(encoding="utf-8")
    return {kernel: count(kernel) for kernel in KERNELS if kernel == "portable" or has_avx2}


def main() -> int:
    """Prints the counts beside the recorded ones."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    parser.add_argument("--record", action="store_true", help="write them to counts.json")
    parser.add_argument("--check", action="store_true", help="fail when one has grown by more than 5 %%")
    options = parser.parse_args()

    here, counts = tools(), counted()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"tools": {}, "counts": {}}
    grown = []
    for kernel, calls in counts.items():
        print(f"{kernel + ':':<28}{'own':>10}{'all':>10}{'recorded':>10}{'change':>9}")
        for name, now in calls.items():
            before = record["counts"].get(kernel, {}).get(name)
            line = f"  {name:<26}{now['own']:>10,}{now['all']:>10,}"
            if before:
                changes = {part: now[part] / before[part] - 1 for part in now if before[part]}
                line += f"{before['all']:>10,}{changes['all']:>9.1%}"
                if max(changes.values()) > GROWTH:
                    grown.append(name)
                    line += "  GROWN"
            print(line)
    if options.record:
        text = json.dumps({"tools": here, "counts": counts}, indent=1, ensure_ascii=False)
        RECORD.write_text(text + "\n", encoding="utf-8")
        return 0
    other = {name: tool for name, tool in here.items() if tool != record["tools"].get(name)}
    if other:
        print("The recorded counts are of other tools, so nothing is held against them. Here:", other)
    elif grown and options.check:
        print(
            f"More than 5 % above benches/counts.json: {', '.join(grown)}."
            " Where that is wanted: make count ARGS=--record"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
