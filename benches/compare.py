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
import statistics
import subprocess
import sys
import sysconfig
import time
import timeit
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import plots
import report
from programs import programs
from results import Result, results

ROOT = Path(__file__).resolve().parents[1]
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B
KEY = base64.b32decode(SECRET)
NAME, ISSUER = "alice@example.com", "ACME Co"
WRONG = "000000"  # digits: some libraries refuse anything else unhashed
TIME = 1_700_000_000
OBJECTS = 20_000
BATCH = {"ferrotp": 8192, "pyotp": 64}  # what a batch is for each: enough, and not too long
SAMPLE = 0.001  # seconds: short, so that the samples of a round meet the same machine
IMPORT_ROUNDS = 15
# Time that other programs take from this one is no cost of a call. Where that clock is coarse, time on the wall.
CLOCK = "process_time" if time.get_clock_info("process_time").resolution <= 1e-6 else "perf_counter"

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


# Whatever can be made once is made outside the loop. totp-rs and mintotp keep no object: totp-rs is given the key's
# bytes, which spares it the base32; mintotp takes base32 only. rust-totp keeps the window in the object.
# passlib counts windows in seconds and raises for a wrong code, so `matches` catches. totp-rs and totp-strict end at
# the first hit, and begin with the earliest step: so a code of each step of a window is timed, and one of none.
# ferrotp hashes all of it in any case: its time does not tell which step a code is of.
# `ferrotp.utils` is imported, as it is in every program that has once been typed full-width digits: the guard has more
# to look at then. `construct and verify` begins with base32 for all that take it: it is what an application has.
# otplib's are JavaScript, in a node of its own, oathtool a process: see programs.py.
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
        {"pyotp": 26},
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
            "otplib": "o.generateSync({secret: KEY})",
        },
        {"pyotp": 33, "totp-rs": 1.3, "rust-totp": 1},
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
            "otplib": "o.generateSync({secret: KEY, epoch: t})",
            "oathtool": "--window",
        },
        {"pyotp": 40, "totp-rs": 1.6, "rust-totp": 1},
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
            "otplib": "o.generateSync({secret: KEY, epoch: t, algorithm: 'sha256'})",
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
            "otplib": "o.generateSync({secret: KEY, epoch: t, algorithm: 'sha512'})",
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
            "otplib": "o.verifySync({secret: KEY, epoch: t, token: code}).valid",
        },
        {"pyotp": 44, "totp-rs": 1, "rust-totp": 1},
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
                "otplib": f"o.verifySync({{secret: KEY, epoch: t, token: wrong, epochTolerance: {30 * window}}}).valid",
            },
            targets,
        )
        for window, title, targets in (
            (0, "miss", {"totp-rs": 1.0, "rust-totp": 1.0}),
            (1, "±1, miss", {"pyotp": 85.0, "totp-rs": 1.8, "rust-totp": 1.0}),
            (10, "±10, miss", {"pyotp": 180.0, "totp-rs": 1.0, "rust-totp": 1.0}),
        )
    ),
    *(
        Row(
            f"verify, ±1, {title}",
            {
                "ferrotp": f"f.verify({typed}, t, 1)",
                "pyotp": f"p.verify({typed}, for_time=t, valid_window=1)",
                "totp-rs": f"T.totp_verify(KEY, {typed}, time=t, window=1)",
                "rust-totp": f"r1.check({typed}, t)",
                "passlib": f"matches({typed}, t, 30)",
                "totp-strict": f"x.verify({typed}, t, 1)",
                "otplib": f"o.verifySync({{secret: KEY, epoch: t, token: {typed}, epochTolerance: 30}}).valid",
            },
        )
        for title, typed in (("hit", "code"), ("earlier hit", "earlier"))
    ),
    *(
        Row(
            f"construct and verify, ±1, {title}",  # what a server does for each login
            {
                "ferrotp": f"F.TOTP(S).verify({typed}, t, 1)",
                "pyotp": f"P.TOTP(S).verify({typed}, for_time=t, valid_window=1)",
                "totp-rs": f"T.totp_verify(S, {typed}, time=t)",
                "rust-totp": f"R.TOTP(secret=KEY, skew=1).check({typed}, t)",
            },
            targets,
        )
        for title, typed, targets in (
            ("hit", "code", {"pyotp": 34.0}),
            ("earlier hit", "earlier", {}),
            ("miss", "wrong", {"totp-rs": 1.15}),
        )
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
            "otplib": "o.generateSync({strategy: 'hotp', secret: KEY, counter: 5})",
        },
    ),
    Row(
        "HOTP verify, hit",
        {
            "ferrotp": "fh.verify(fifth, 5)",
            "pyotp": "ph.verify(fifth, 5)",
            "totp-rs": "T.totp_verify(KEY, fifth, time_window=5, window=0)",
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
    names |= {"T": modules.get("totp-rs"), "M": modules.get("mintotp")}
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
    names["earlier"] = names["p"].at(t, counter_offset=-1)
    names["fifth"] = names["ph"].at(5)
    names["uri"] = names["p"].provisioning_uri(name=NAME, issuer_name=ISSUER)
    return names


def load() -> dict[str, Any]:
    """The libraries that are installed; the rest is named on stderr."""
    importlib.import_module("ferrotp.utils")
    modules = {}
    for library, (module, distribution) in LIBRARIES.items():
        try:
            modules[library] = importlib.import_module(module)
        except ImportError:
            if library in DROP_INS:
                raise
            print(f"not installed, left out: {distribution}", file=sys.stderr)
    if not modules["pyotp"].TOTP.__module__.startswith("pyotp."):
        raise SystemExit("pyotp is ferrotp's alias here: nothing to compare with")
    return modules


def plain(names: dict[str, Any]) -> dict[str, Any]:
    """The names that other languages know."""
    return {name: names[name] for name in ("t", "code", "earlier", "wrong")}


def check(rows: Iterable[Row], modules: dict[str, Any], others: dict[str, Any]) -> None:
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
                # The expressions are this file's own.
                answers = {library: row.canon(eval(call, names)) for library, call in calls.items()}
                answers |= {
                    name: others[name].answer(call, plain(names)) for name, call in row.calls.items() if name in others
                }
                if len(set(answers.values())) == 1:
                    break
            else:
                raise SystemExit(f"{row.title} at {t}: the libraries disagree: {answers}")


def alternated(samplers: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Samples of each, one a round, in an order that changes from round to round."""
    samples: dict[str, list[float]] = {library: [] for library in samplers}
    order = list(samplers)
    for _ in range(rounds):
        for library in order:
            samples[library].append(samplers[library]())
        order = order[1:] + order[:1]
    return samples


def call_timer(call: str, names: dict[str, Any], items: int = 1) -> Callable[[], float]:
    """Measures nanoseconds per call, over as many calls as make a sample. timeit turns the collector off."""
    timer = timeit.Timer(call, timer=getattr(time, CLOCK), globals=names)
    count = 1
    while (took := timer.timeit(count)) < SAMPLE / 4:
        count *= 2
    count = max(1, round(count * SAMPLE / took))
    return lambda: timer.timeit(count) / count / items * 1e9


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


def floor(names: dict[str, Any]) -> dict[str, Callable[[], float]]:
    """Measures `now()`, and what cannot be spared of it: a new string, the clock, and two compressions of SHA-1 as
    OpenSSL does them, one after the other."""
    names = {**names, "ascii": b"287082", "clock": time.time, "sha1": hashlib.sha1(), "blocks": bytes(64 << 10)}
    parts = call_timer("ascii.decode()", names, 1), call_timer("clock()", names, 1)
    two_blocks = call_timer("sha1.update(blocks)", names, (64 << 10) // 64 // 2)
    return {
        "ferrotp": call_timer("f.now()", names, 1),
        "floor": lambda: two_blocks() + sum(part() for part in parts),
    }


def measure(modules: dict[str, Any], others: dict[str, Any], quick: bool) -> Iterator[Result]:
    """All rows, one after the other."""
    names = names_at(TIME, modules)
    rounds = 15 if quick else 201
    gc.collect()
    gc.disable()
    for row in ROWS:
        calls = {library: call for library, call in row.calls.items() if library in modules}
        timers = {library: call_timer(call, names, row.items.get(library, 1)) for library, call in calls.items()}
        for name, call in row.calls.items():
            if name in others:
                timers[name] = others[name].timer(call, plain(names))
        samples = alternated(timers, rounds)
        targets = row.targets
        if row.limit is not None:
            samples["limit"], targets = [row.limit] * rounds, {**targets, "limit": 1}
        yield from results(row.title, samples, targets)
    # 0.77: at most 1.3 times the floor.
    yield from results("now() beside its floor", alternated(floor(names), rounds), {"floor": 0.77})
    gc.enable()
    if (os.cpu_count() or 1) > 1:
        yield from results("batch: codes_into, 2 threads", alternated(scaling(), rounds), {"one thread": 1.7})

    importers = {library: import_timer(LIBRARIES[library][0]) for library in modules}
    alternated(importers, 1)  # the files are now compiled and cached
    import_rounds = IMPORT_ROUNDS // 2 if quick else 2 * IMPORT_ROUNDS
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


def by_window(modules: dict[str, Any], rounds: int) -> plots.Lines:
    """What a wrong code costs by the steps that are accepted before and after, in nanoseconds."""
    windows = [0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    lines: plots.Lines = {library: [] for library in ("ferrotp", "pyotp", "totp-rs", "rust-totp") if library in modules}
    for window in windows:
        names = names_at(TIME, modules)
        calls = {
            "ferrotp": f"f.verify(wrong, t, {window})",
            "pyotp": f"p.verify(wrong, for_time=t, valid_window={window})",
            "totp-rs": f"T.totp_verify(KEY, wrong, time=t, window={window})",
            "rust-totp": "r.check(wrong, t)",
        }
        if "rust-totp" in modules:
            names["r"] = modules["rust-totp"].TOTP(secret=KEY, skew=window)
        timers = {library: call_timer(calls[library], names) for library in lines}
        for library, samples in alternated(timers, rounds).items():
            lines[library].append((window, statistics.median(samples)))
    return lines


def by_size(modules: dict[str, Any], rounds: int, largest: int) -> plots.Lines:
    """What a code costs by how many are made in a call, in nanoseconds of CPU, on one thread."""
    batch, names = importlib.import_module("ferrotp.batch"), names_at(TIME, modules)
    lines: plots.Lines = {"KeySet.codes_into": [], "batch.codes, strings": [], "TOTP.at, one by one": []}
    size = 1
    while size <= largest:
        secrets = (SECRETS * (size // len(SECRETS) + 1))[:size]
        keys = batch.KeySet(secrets)
        names |= {"keys": keys, "secrets": secrets, "buffer": bytearray(size * keys.width)}
        names["objects"] = [modules["ferrotp"].TOTP(secret) for secret in secrets[:10_000]]
        calls = {
            "KeySet.codes_into": ("keys.codes_into(buffer, t, threads=1)", size),
            "batch.codes, strings": ("B.codes(secrets, t, threads=1)", size),
            "TOTP.at, one by one": ("[o.at(t) for o in objects]", min(size, 10_000)),
        }
        timers = {title: call_timer(call, names, items) for title, (call, items) in calls.items()}
        few = rounds if size < 10_000 else 5
        for title, samples in alternated(timers, few).items():
            lines[title].append((size, statistics.median(samples)))
        size *= 10
    return lines


def by_threads(rounds: int) -> plots.Lines:
    """Millions of codes and of checks in a second on the wall, by threads."""
    cores = os.cpu_count() or 1
    keys, batch = key_set(32), importlib.import_module("ferrotp.batch")
    secrets, buffer = SECRETS * 8, bytearray(len(keys) * keys.width)
    typed = list(keys.codes(TIME)[: len(secrets)])
    calls = {
        "KeySet.codes_into": (lambda threads: keys.codes_into(buffer, TIME, threads=threads), len(keys)),
        "batch.verify ±1, strings": (
            lambda threads: batch.verify(secrets, typed, TIME, 1, threads=threads),
            len(secrets),
        ),
    }

    def timer(run: Callable[[int], object], threads: int, items: int) -> Callable[[], float]:
        def sample() -> float:
            start = time.perf_counter()
            run(threads)
            return items / (time.perf_counter() - start) / 1e6

        return sample

    lines: plots.Lines = {}
    for title, (run, items) in calls.items():
        timers = {str(count): timer(run, count, items) for count in sorted({1, 2, *range(4, cores + 1, 4), cores})}
        samples = alternated(timers, rounds)
        lines[title] = [(int(count), statistics.median(taken)) for count, taken in samples.items()]
    return lines


def machine(modules: dict[str, Any], others: dict[str, Any]) -> dict[str, str]:
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
        "system": f"{platform.system()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}, "
        f"configured {optimized} --enable-optimizations, {linked} libpython",
        "libraries": ", ".join(f"{LIBRARIES[library][1]} {version(LIBRARIES[library][1])}" for library in modules),
    } | ({"programs": ", ".join(other.name for other in others.values())} if others else {})


def main() -> None:
    """Checks, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="less than a minute, and less exact")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    options = parser.parse_args()

    modules = load()
    others = programs()
    facts = machine(modules, others)
    head = "".join(f"{name + ':':<10} {fact}\n" for name, fact in facts.items())
    print(head, end="")
    check(ROWS, modules, others)
    print("answers:   the same from all of them\n")

    start = time.monotonic()
    done = report.print_table(measure(modules, others, options.quick))
    gc.disable()
    rounds = 5 if options.quick else 41
    curves = {
        "threads": by_threads(rounds),
        "window": by_window(modules, rounds),
        "size": by_size(modules, rounds, 10_000 if options.quick else 1_000_000),
    }
    print(report.closing(done, time.monotonic() - start))
    # A quick run is not exact enough for the pages.
    folder = ROOT / "target/bench" if options.quick else ROOT / "docs"
    report.write(folder, head, done, curves, pages=not options.quick)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "results": [asdict(result) for result in done]}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
