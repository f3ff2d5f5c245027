"""What ferrotp costs beside pyotp and others, measured side by side: ``python benches/compare.py [--quick]``.

Machines are shared and noisy, so only ratios taken together count: every round times each library once, in changing
order, and a ratio is the median over the rounds. Nothing is timed before all libraries have given the same answers.
A missed target is marked and no failure; a wrong answer is one.
"""

from __future__ import annotations

import argparse
import base64
import functools
import gc
import hashlib
import importlib
import json
import os
import platform
import random
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

from measuring import CLOCK, Spread, alternated, call_timer
from peers import Oathtool, Otplib

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B
KEY = base64.b32decode(SECRET)
NAME, ISSUER = "alice@example.com", "ACME Co"
WRONG = "000000"  # digits: some libraries refuse anything else unhashed
TIME = 1_700_000_000
OBJECTS = 20_000
BATCH = {"ferrotp": 8192, "pyotp": 64}  # what a batch is for each: enough, and not too long
IMPORT_ROUNDS = 15

SECRETS = [base64.b32encode(hashlib.sha1(b"%d" % i).digest()).decode() for i in range(BATCH["ferrotp"])]

# Library: the module that it is imported by, its distribution.
LIBRARIES = {
    "ferrotp": ("ferrotp", "ferrotp"),
    "pyotp": ("pyotp", "pyotp"),
    "totp-rs": ("totp_rs", "totp-rs"),
    "rust-totp": ("rust_totp", "rust-totp"),
    "passlib": ("passlib.totp", "libpass"),
    "mintotp": ("mintotp", "mintotp"),
    "totp-strict": ("totp_strict", "totp-strict"),
}
PROGRAMS: dict[str, Callable[[], Otplib | Oathtool]] = {"otplib": Otplib, "oathtool": Oathtool}
DROP_INS = ["ferrotp", "pyotp"]  # the two of one interface


def same(answer: Any) -> Any:
    """The answer itself."""
    return answer


def code_of(otp: Any) -> str:
    """The code that an object makes at a fixed time, whichever library it is from."""
    code = otp.at(TIME) if hasattr(otp, "at") else otp.generate(TIME)
    return str(getattr(code, "token", code))


def is_secret(text: str) -> bool:
    """Whether it has the form of a secret of 160 bits."""
    return re.fullmatch("[A-Z2-7]{32}", text) is not None


@dataclass(frozen=True)
class Row:
    """A thing to do: for each library the expression that its users would write, over `names_at`."""

    title: str
    calls: dict[str, str]
    targets: dict[str, float] = field(default_factory=dict)  # peer: how many times as fast ferrotp is to be
    canon: Callable[[Any], Any] = same  # what of the answers must be equal
    items: dict[str, int] = field(default_factory=dict)  # library: how many things a call does; costs are those of one
    limit: float | None = None  # nanoseconds that ferrotp may take


def otplib_verify(code: str, window: int, secret: str = "KEY") -> str:
    """otplib counts windows in seconds, too."""
    return f"O.verifySync({{secret: {secret}, token: {code}, epoch: t, epochTolerance: {30 * window}}}).valid"


# Whatever can be made once is made outside the loop. totp-rs and mintotp keep no object: totp-rs is given the key's
# bytes, which spares it the base32; mintotp takes base32 only. rust-totp keeps the window in the object. otplib's
# calls are JavaScript, in a process of node's; oathtool's are the arguments of a run that prints a thousand codes.
# passlib counts windows in seconds and raises for a wrong code, so `matches` catches.
ROWS = (
    Row(
        "construct",
        {
            "ferrotp": "F.TOTP(S)",
            "pyotp": "P.TOTP(S)",
            "rust-totp": "R.TOTP(secret=KEY)",
            "passlib": "L.TOTP(S)",
            "totp-strict": "X.TOTP(KEY)",
        },
        {"pyotp": 20},
        code_of,
    ),
    Row(
        "construct with names",
        {
            "ferrotp": "F.TOTP(S, name=NAME, issuer=ISSUER)",
            "pyotp": "P.TOTP(S, name=NAME, issuer=ISSUER)",
            "rust-totp": "R.TOTP(secret=KEY, account_name=NAME, issuer=ISSUER)",
            "passlib": "L.TOTP(S, label=NAME, issuer=ISSUER)",
        },
        {},
        code_of,
    ),
    Row(
        "now()",
        {
            "ferrotp": "f.now()",
            "pyotp": "p.now()",
            "totp-rs": "T.totp_generate(KEY)",
            "rust-totp": "r0.generate_currnet()",  # its spelling
            "passlib": "l.generate().token",
            "mintotp": "M.totp(S)",
            "totp-strict": "x.now()",
            "otplib": "O.generateSync({secret: KEY})",
        },
        {"pyotp": 38, "totp-rs": 1.3, "rust-totp": 1},
    ),
    Row(
        "at(int)",
        {
            "ferrotp": "f.at(t)",
            "pyotp": "p.at(t)",
            "totp-rs": "T.totp_generate(KEY, time=t)",
            "rust-totp": "r0.generate(t)",
            "passlib": "l.generate(t).token",
            "mintotp": "M.hotp(S, t // 30)",
            "totp-strict": "x.at(t)",
            "otplib": "O.generateSync({secret: KEY, epoch: t})",
            "oathtool": "--totp -N @{t}",
        },
        {"pyotp": 45, "totp-rs": 1.6, "rust-totp": 1},
    ),
    Row(
        "at(int), SHA-256",
        {
            "ferrotp": "f256.at(t)",
            "pyotp": "p256.at(t)",
            "totp-rs": "T.totp_generate(KEY, algorithm='sha256', time=t)",
            "rust-totp": "r256.generate(t)",
            "passlib": "l256.generate(t).token",
            "mintotp": "M.hotp(S, t // 30, 6, 'sha256')",
            "totp-strict": "x256.at(t)",
            "otplib": "O.generateSync({secret: KEY, epoch: t, algorithm: 'sha256'})",
            "oathtool": "--totp=sha256 -N @{t}",
        },
    ),
    Row(
        "at(int), SHA-512",
        {
            "ferrotp": "f512.at(t)",
            "pyotp": "p512.at(t)",
            "totp-rs": "T.totp_generate(KEY, algorithm='sha512', time=t)",
            "rust-totp": "r512.generate(t)",
            "passlib": "l512.generate(t).token",
            "mintotp": "M.hotp(S, t // 30, 6, 'sha512')",
            "totp-strict": "x512.at(t)",
            "otplib": "O.generateSync({secret: KEY, epoch: t, algorithm: 'sha512'})",
            "oathtool": "--totp=sha512 -N @{t}",
        },
    ),
    Row(
        "verify, hit",
        {
            "ferrotp": "f.verify(code, t)",
            "pyotp": "p.verify(code, for_time=t)",
            "totp-rs": "T.totp_verify(KEY, code, time=t, window=0)",
            "rust-totp": "r0.check(code, t)",
            "passlib": "matches(code, t, 0)",
            "totp-strict": "x.verify(code, t, 0)",
            "otplib": "O.verifySync({secret: KEY, token: code, epoch: t}).valid",
        },
        {"pyotp": 45, "totp-rs": 1, "rust-totp": 1},
    ),
    *(
        Row(
            f"verify, {title}",
            {
                "ferrotp": f"f.verify(wrong, t, {window})",
                "pyotp": f"p.verify(wrong, for_time=t, valid_window={window})",
                "totp-rs": f"T.totp_verify(KEY, wrong, time=t, window={window})",
                "rust-totp": f"r{window}.check(wrong, t)",
                "passlib": f"matches(wrong, t, {30 * window})",
                "totp-strict": f"x.verify(wrong, t, {window})",
                "otplib": otplib_verify("wrong", window),
            },
            targets,
        )
        for window, title, targets in (
            (0, "miss", {"totp-rs": 1.0, "rust-totp": 1.0}),
            (1, "±1, miss", {"pyotp": 80.0, "totp-rs": 1.8, "rust-totp": 1.0}),
            (10, "±10, miss", {"pyotp": 150.0, "totp-rs": 1.0, "rust-totp": 1.0}),
        )
    ),
    Row(
        "construct and verify, ±1",  # what a server does for each login
        {
            "ferrotp": "F.TOTP(S).verify(code, t, 1)",
            "pyotp": "P.TOTP(S).verify(code, for_time=t, valid_window=1)",
            "totp-rs": "T.totp_verify(S, code, time=t)",
            "rust-totp": "R.TOTP(secret=KEY).check(code, t)",
            "passlib": "L.TOTP(S).match(code, t).counter == t // 30",
            "totp-strict": "X.TOTP(b32decode(S)).verify(code, t)",
            "otplib": otplib_verify("code", 1, "S"),
        },
    ),
    Row(
        "verify_and_get_timecode, ±1",
        {
            "ferrotp": "f.verify_and_get_timecode(code, t, 1)",
            "pyotp": "p.verify_and_get_timecode(code, for_time=t, valid_window=1)",
            "passlib": "l.match(code, t, 30).counter",
        },
    ),
    Row(
        "HOTP at",
        {
            "ferrotp": "fh.at(5)",
            "pyotp": "ph.at(5)",
            "totp-rs": "T.totp_generate(KEY, time_window=5)",
            "mintotp": "M.hotp(S, 5)",
            "totp-strict": "xh.at(5)",
            "otplib": "O.generateSync({strategy: 'hotp', secret: KEY, counter: 5})",
            "oathtool": "--hotp -c 5",
        },
    ),
    Row(
        "HOTP verify, hit",
        {
            "ferrotp": "fh.verify(fifth, 5)",
            "pyotp": "ph.verify(fifth, 5)",
            "totp-rs": "T.totp_verify(KEY, fifth, time_window=5, window=0)",
            "totp-strict": "xh.verify(fifth, 5)",
            "otplib": "O.verifySync({strategy: 'hotp', secret: KEY, token: fifth, counter: 5}).valid",
        },
    ),
    Row(
        "provisioning_uri",
        {
            "ferrotp": "f.provisioning_uri(name=NAME, issuer_name=ISSUER)",
            "pyotp": "p.provisioning_uri(name=NAME, issuer_name=ISSUER)",
            "rust-totp": "r0.get_url()",  # the names are the object's
            "passlib": "l.to_uri(NAME, ISSUER)",
        },
        {"pyotp": 35},
        unquote,  # passlib leaves the @ as it is
    ),
    Row(
        "parse_uri",
        {
            "ferrotp": "F.parse_uri(uri)",
            "pyotp": "P.parse_uri(uri)",
            "rust-totp": "R.TOTP.from_url(uri)",
            "passlib": "L.TOTP.from_uri(uri)",
        },
        {"pyotp": 35},
        code_of,
    ),
    Row(
        "batch: KeySet.codes_into",
        {
            "ferrotp": "keys.codes_into(buffer, t, threads=1) or buffer",
            "pyotp": "''.join([p.at(t) for p in ps]).encode()",
        },
        canon=lambda codes: bytes(codes[: 6 * BATCH["pyotp"]]),
        items=BATCH,
        limit=1e3 / 19,
    ),
    Row(
        "batch: codes, strings",
        {"ferrotp": "B.codes(secrets, t, threads=1)", "pyotp": "[P.TOTP(s).at(t) for s in few]"},
        canon=lambda results: tuple(results[: BATCH["pyotp"]]),
        items=BATCH,
    ),
    Row(
        "batch: verify ±1, strings",
        {
            "ferrotp": "B.verify(secrets, typed, t, 1, threads=1)",
            "pyotp": "[P.TOTP(s).verify(c, for_time=t, valid_window=1) for s, c in zip(few, typed)]",
        },
        canon=lambda results: tuple(results[: BATCH["pyotp"]]),
        items=BATCH,
        limit=1e3 / 4,
    ),
    Row(
        "HOTP resync over 1,000",
        {
            "ferrotp": "B.resync(fh, wrong, wrong, 0, 999)",
            "pyotp": "next((n + 1 for n in range(1000) if ph.verify(wrong, n) and ph.verify(wrong, n + 1)), None)",
        },
        limit=50_000,
    ),
    Row("random_base32", {"ferrotp": "F.random_base32()", "pyotp": "P.random_base32()"}, {"pyotp": 100}, is_secret),
)


@functools.cache
def key_set(times: int = 1) -> Any:
    """The batch's keys, so many times over."""
    return importlib.import_module("ferrotp.batch").KeySet(SECRETS * times)


def scaling() -> dict[str, Callable[[], float]]:
    """Measures a large set on one thread and on two, in nanoseconds on the wall for each code."""
    keys = key_set(32)
    buffer = bytearray(len(keys) * keys.width)

    def timer(threads: int) -> Callable[[], float]:
        def sample() -> float:
            start = time.perf_counter()
            keys.codes_into(buffer, TIME, threads=threads)
            return (time.perf_counter() - start) / len(keys) * 1e9

        return sample

    return {"ferrotp": timer(2), "one thread": timer(1)}


def names_at(t: int, modules: dict[str, Any]) -> dict[str, Any]:
    """What the expressions may use: modules by capital letters, their objects by small ones, and a time's answers."""
    names: dict[str, Any] = {"S": SECRET, "KEY": KEY, "NAME": NAME, "ISSUER": ISSUER, "t": t, "wrong": WRONG}
    for letter, library in (("f", "ferrotp"), ("p", "pyotp")):
        module = names[letter.upper()] = modules[library]
        names[letter] = module.TOTP(SECRET)
        names[f"{letter}256"] = module.TOTP(SECRET, digest=hashlib.sha256)
        names[f"{letter}512"] = module.TOTP(SECRET, digest=hashlib.sha512)
        names[f"{letter}h"] = module.HOTP(SECRET)
    names |= {"T": modules.get("totp-rs"), "M": modules.get("mintotp"), "b32decode": base64.b32decode}
    if strict := modules.get("totp-strict"):
        names |= {"X": strict, "x": strict.TOTP(KEY), "xh": strict.HOTP(KEY)}
        names |= {f"x{bits}": strict.TOTP(KEY, algorithm=f"sha{bits}") for bits in (256, 512)}
    if rust := modules.get("rust-totp"):
        names["R"] = rust
        for skew in (0, 1, 10):
            names[f"r{skew}"] = rust.TOTP(secret=KEY, skew=skew, issuer=ISSUER, account_name=NAME)
        names["r256"] = rust.TOTP(algorithm=rust.Algorithm.SHA256, secret=KEY)
        names["r512"] = rust.TOTP(algorithm=rust.Algorithm.SHA512, secret=KEY)
    if passlib := modules.get("passlib"):
        totp, mismatch = passlib.TOTP(SECRET), passlib.TokenError

        def matches(code: str, t: int, window: int) -> bool:
            try:
                totp.match(code, t, window)
            except mismatch:
                return False
            return True

        names |= {"L": passlib, "l": totp, "matches": matches}
        names |= {"l256": passlib.TOTP(SECRET, alg="sha256"), "l512": passlib.TOTP(SECRET, alg="sha512")}
    batch, keys = importlib.import_module("ferrotp.batch"), key_set()
    few = SECRETS[: BATCH["pyotp"]]
    names |= {"B": batch, "secrets": SECRETS, "few": few, "keys": keys, "buffer": bytearray(len(keys) * keys.width)}
    names |= {"ps": [names["P"].TOTP(secret) for secret in few], "typed": list(keys.codes(t))}
    names["code"] = names["p"].at(t)
    names["fifth"] = names["ph"].at(5)
    names["uri"] = names["p"].provisioning_uri(name=NAME, issuer_name=ISSUER)
    return names


def load() -> dict[str, Any]:
    """The libraries that are installed; the rest is named on stderr."""
    modules = {}
    for library, (module, distribution) in LIBRARIES.items():
        try:
            modules[library] = importlib.import_module(module)
        except ImportError:
            if library in DROP_INS:
                raise
            print(f"not installed, left out: {distribution}", file=sys.stderr)
    for library, start in PROGRAMS.items():
        try:
            modules[library] = start()
        except FileNotFoundError:
            print(f"not installed, left out: {library}", file=sys.stderr)
    if not modules["pyotp"].TOTP.__module__.startswith("pyotp."):
        raise SystemExit("pyotp is ferrotp's alias here: nothing to compare with")
    return modules


def answer(library: str, call: str, names: dict[str, Any], modules: dict[str, Any]) -> Any:
    """What a call yields."""
    # The expressions are this file's own.
    return modules[library].answer(call, names) if library in PROGRAMS else eval(call, names)


def timer(
    library: str, call: str, names: dict[str, Any], modules: dict[str, Any], items: int = 1
) -> Callable[[], float]:
    """Measures nanoseconds per call."""
    return modules[library].timer(call, names) if library in PROGRAMS else call_timer(call, names, items)


def check(rows: Iterable[Row], modules: dict[str, Any]) -> None:
    """Ends the run unless every library answers as ferrotp does, at many times, the borders of a step among them."""
    rng = random.Random(6238)
    for t in (TIME, 59, 60, 89, 90, 1_234_567_890, 20_000_000_000, *(rng.randrange(2_000, 2**32) for _ in range(50))):
        names = names_at(t, modules)
        if any(names["f"].at(t, offset) == WRONG for offset in range(-10, 11) if t // 30 + offset >= 0):
            raise SystemExit(f"{WRONG} is a code near {t}: choose another time")
        for row in rows:
            calls = {library: call for library, call in row.calls.items() if library in modules}
            if "±10" in row.title and t < 300:  # pyotp refuses a window that reaches before 1970
                continue
            for _ in range(3):  # a step may end between two answers to now()
                answers = {library: row.canon(answer(library, call, names, modules)) for library, call in calls.items()}
                if len(set(answers.values())) == 1:
                    break
            else:
                raise SystemExit(f"{row.title} at {t}: the libraries disagree: {answers}")


def fresh(code: str) -> float:
    """The number that a new interpreter prints. Isolated from the user's settings; `site` runs, for all alike."""
    return float(subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout)


def import_timer(module: str, then: str = "") -> Callable[[], float]:
    """Measures an import, and what `then` does with the module `m`, in milliseconds."""
    code = f"from time import {CLOCK} as clock; start = clock(); import {module} as m; {then}\n"
    return lambda: fresh(code + "print((clock() - start) * 1e3)")


TRACED = "tracemalloc.get_traced_memory()[0]"
# What tracemalloc does not see is in this one: native heaps, and what allocators round up.
RESIDENT = "int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')"


def memory_meter(library: str, gauge: str, used: bool) -> Callable[[], float]:
    """Measures bytes per object, its place in a list not counted; `used` objects have made a code."""
    module = LIBRARIES[library][0]
    construct, use = ("TOTP(secret=KEY)", "o.generate(0)") if library == "rust-totp" else ("TOTP(S)", "o.at(0)")
    code = f"""
import os, tracemalloc, {module} as m
S, KEY = {SECRET!r}, {KEY!r}
o = m.{construct}
{use}
objects = [None] * {OBJECTS}
{"tracemalloc.start()" if gauge == TRACED else ""}
start = {gauge}
for i in range({OBJECTS}):
    o = objects[i] = m.{construct}
    {use if used else ""}
print(({gauge} - start) / {OBJECTS})
"""
    return lambda: fresh(code)


@dataclass(frozen=True)
class Result:
    """ferrotp beside one peer. `ratio` says how many times the peer's cost is ours, or for bytes ours the peer's."""

    row: str
    unit: str
    peer: str
    ferrotp_cost: Spread
    peer_cost: Spread
    ratio: Spread
    target: float | None
    met: bool | None


def results(row: str, samples: dict[str, list[float]], targets: dict[str, float], unit: str = "ns") -> Iterator[Result]:
    """One result for each peer."""
    ours = samples["ferrotp"]
    for peer, theirs in samples.items():
        if peer == "ferrotp":
            continue
        pairs = zip(ours, theirs, strict=True)
        ratio = Spread.of([our / their if unit == "bytes" else their / our for our, their in pairs])
        target = targets.get(peer)
        met = None if target is None else ratio.median <= target if unit == "bytes" else ratio.median >= target
        yield Result(row, unit, peer, Spread.of(ours), Spread.of(theirs), ratio, target, met)


def measure(modules: dict[str, Any], quick: bool) -> Iterator[Result]:
    """All rows, one after the other."""
    names = names_at(TIME, modules)
    rounds = 31 if quick else 201
    gc.collect()
    gc.disable()
    for row in ROWS:
        calls = {library: call for library, call in row.calls.items() if library in modules}
        timers = {
            library: timer(library, call, names, modules, row.items.get(library, 1)) for library, call in calls.items()
        }
        samples = alternated(timers, rounds)
        targets = row.targets
        if row.limit is not None:
            samples["limit"], targets = [row.limit] * rounds, {**targets, "limit": 1}
        yield from results(row.title, samples, targets)
    gc.enable()
    if (os.cpu_count() or 1) > 1:
        yield from results("batch: codes_into, 2 threads", alternated(scaling(), rounds), {"one thread": 1.7})

    importers = {library: import_timer(module) for library, (module, _) in LIBRARIES.items() if library in modules}
    alternated(importers, 1)  # the files are now compiled and cached
    import_rounds = IMPORT_ROUNDS if quick else 2 * IMPORT_ROUNDS
    yield from results("import", alternated(importers, import_rounds), {"pyotp": 20}, "ms")
    first = {library: import_timer(LIBRARIES[library][0], f"m.TOTP({SECRET!r}).now()") for library in DROP_INS}
    yield from results("import, first code", alternated(first, import_rounds), {}, "ms")

    for title, gauge, used, libraries in (
        ("memory of an object", TRACED, False, DROP_INS),
        ("memory after a code", TRACED, True, DROP_INS),
        ("resident after a code", RESIDENT, True, [*DROP_INS, "rust-totp"]),
    ):
        if gauge == RESIDENT and not os.path.exists("/proc/self/statm"):
            continue
        meters = {library: memory_meter(library, gauge, used) for library in libraries if library in modules}
        yield from results(title, alternated(meters, 1 if quick else 3), {"pyotp": 1.5}, "bytes")


def machine(modules: dict[str, Any]) -> dict[str, str]:
    """Where this was measured."""
    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), cpu)
    except OSError:
        pass
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimized = "with" if "--enable-optimizations" in arguments else "without"
    linked = "shared" if sysconfig.get_config_var("Py_ENABLE_SHARED") else "static"
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}, "
        f"configured {optimized} --enable-optimizations, {linked} libpython",
        "libraries": ", ".join(
            str(module) if library in PROGRAMS else f"{LIBRARIES[library][1]} {version(LIBRARIES[library][1])}"
            for library, module in modules.items()
        ),
    }


def spread(value: Spread, unit: str) -> str:
    """A median, and how far off the farther quartile is."""
    off = max(value.high - value.median, value.median - value.low) / value.median
    return f"{value.median:,.{2 if unit == 'ms' else 0}f} {unit.replace('bytes', 'B')} ±{off:.0%}"


def print_table(rows: Iterable[Result]) -> list[Result]:
    """Prints results as they come."""
    line = "{:<28} {:<10} {:>15} {:>17} {:>8} {:<14} {:<9} {}"
    print(line.format("", "peer", "ferrotp", "peer", "ratio", "(quartiles)", "target", "").rstrip())
    done: list[Result] = []
    for result in rows:
        first = not done or done[-1].row != result.row
        compare = "<=" if result.unit == "bytes" else ">="
        print(
            line.format(
                result.row if first else "",
                result.peer,
                spread(result.ferrotp_cost, result.unit) if first else "",
                spread(result.peer_cost, result.unit),
                f"{result.ratio.median:.2f}x" if result.ratio.median < 10 else f"{result.ratio.median:.1f}x",
                f"({result.ratio.low:.1f}-{result.ratio.high:.1f})",
                "" if result.target is None else f"{compare} {result.target:g}x",
                {None: "", True: "met", False: "NOT MET"}[result.met],
            ).rstrip(),
            flush=True,
        )
        done.append(result)
    return done


def main() -> None:
    """Checks, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="less than a minute, and less exact")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    options = parser.parse_args()

    modules = load()
    facts = machine(modules)
    for name, fact in facts.items():
        print(f"{name + ':':<10} {fact}")
    check(ROWS, modules)
    print("answers:   the same from all of them\n")

    start = time.monotonic()
    done = print_table(measure(modules, options.quick))
    wanted = [result for result in done if result.met is not None]
    print(f"""
{sum(bool(result.met) for result in wanted)} of {len(wanted)} targets met, in {time.monotonic() - start:.0f} s. \
A ratio is the peer's time over ferrotp's, for memory ferrotp's bytes over the peer's:
the median of the rounds' own ratios. ± is the farther quartile. The targets are for a CPython that its user
configured without --enable-optimizations. Others run pyotp faster, Debian's by a fifth (whose configuration does not
name that flag either), and the ratios to pyotp are as much lower.""")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "results": [asdict(result) for result in done]}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
