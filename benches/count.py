"""How many instructions the hot calls take, counted by callgrind: ``python benches/count.py [--record | --check]``.

`counts.json` has what was recorded, and with which compiler, interpreter and peers of them. A check fails when a
call has grown by more than 5 %. Counts of other tools are not comparable: then the check says so, and does not fail.

Everything is counted with `FERROTP_KERNEL=portable`, and what goes by groups once more with `avx2` (`callgrind.py` says
why). `all` has the interpreter's instructions; `own` are those of ferrotp's library less the hashes of the call, which
are most of it on that path and would hide the rest.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import callgrind

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
    "construct and verify, ±1": ("F.TOTP(S).verify(code, t, 1)", 1, 3),
    "batch.verify_one, ±1": ("B.verify_one(S, code, t, 1)", 1, 3),
    "construct HOTP": ("F.HOTP(S)", 1, 0),
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

SETUP = """
import ferrotp as F, ferrotp.utils, ferrotp.batch as B, ferrotp.vault as V
S, N, t, wrong = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "alice@example.com", 1_700_000_000, "000000"
f, h = F.TOTP(S), F.HOTP(S)
code, uri = f.at(t), f.provisioning_uri(name=N, issuer_name=N)
OWNER = ("acme", "alice", "phone")
keyring = V.Keyring.generate()
sealed = keyring.new_secret(OWNER)
secrets = [S[i % 32:] + S[:i % 32] for i in range(256)]
keys = B.KeySet(secrets)
typed, buffer = list(keys.codes(t)), bytearray(6 * 256)
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


def count(kernel: str) -> dict[str, dict[str, int]]:
    """Instructions of each call."""
    calls = KERNELS[kernel]
    found = callgrind.count(SETUP, {name: call for name, (call, _, _) in calls.items()}, times=CALLS, kernel=kernel)
    counts = {name: (found[name].own / items, found[name].all / items) for name, (_, items, _) in calls.items()}
    code = 0.0
    if kernel == "portable":  # no lanes there: a window of ten steps has eighteen codes more than one of one
        code = (counts["verify, ±10, miss"][0] - counts["verify, ±1, miss"][0]) / 18
    return {
        name: {"own": round(own - calls[name][2] * code), "all": round(total)} for name, (own, total) in counts.items()
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
