"""``ferrotp doctor``"""

import os
import platform
import sys
import time
from typing import Any

import click

from .. import __version__, _native, alias
from ..transfer import Account
from ..vault import Keyring, KeyringError
from . import output
from .errors import DONE, REFUSED, InputError
from .extras import extras, is_there
from .settings import Number, Settings, json_option, with_settings
from .sources import Source, secret_source
from .store import examine
from .verify import code_option, nearest, read_code


@click.command()
@secret_source
@click.option("--clock", is_flag=True, help="Compare the clock with a code: asks for a secret and a code.")
@code_option
@click.option("--store", metavar="URL", help="Look at a store of ferrotp.mfa, and whether its keys are at hand.")
@click.option("--keys-file", metavar="FILE", help="The store's keys.  [default: the variable FERROTP_KEYS]")
@click.option("--hours", type=Number(1, 240), default=24, metavar="N", help="How far to look.  [default: 24]")
@with_settings("counter")
@json_option
def doctor(
    source: Source,
    clock: bool,
    code: str | None,
    store: str | None,
    keys_file: str | None,
    hours: int,
    settings: Settings,
    as_json: bool,
) -> int:
    """Show versions, extras, kernels and keys, and check the clock.

    With --clock or a SECRET it asks for the code that a phone shows now, and tells how far the two clocks are apart:
    exit code 1 if the code is that of no time near. With --store it looks at a store: whether its tables are there and
    of this version, who may read and write it, its clock, and whether the keys open a record of each key; exit code 1
    if anything is wrong. It goes through all records.
    """
    facts = _facts()
    if store is not None:
        return _tell_of_store(store, keys_file, facts["clock_problem"], as_json=as_json)
    comparison = None
    if clock or code is not None or source.is_said():
        account = settings.account(source.read())
        if account.kind == "hotp":
            raise InputError("an HOTP code says nothing of a clock", "usage")
        otp = settings.otp(account)
        comparison = _compare(otp, read_code(code, account), account, hours * 3600)
    if as_json:
        output.emit({**facts, "comparison": comparison})
    else:
        _show(facts, comparison, hours)
    return REFUSED if comparison and not comparison["found"] else DONE


def _tell_of_store(where: str, keys_file: str | None, clock_problem: str | None, *, as_json: bool) -> int:
    seen = examine(where, keys_file)
    faults = [*([f"the clock is wrong: {clock_problem}"] if clock_problem else []), *seen["faults"]]
    if as_json:
        output.emit({**seen, "faults": faults})
    else:
        output.fields([("store", seen["store"]), *((f"key {key}", f"{n} records") for key, n in seen["keys"].items())])
        for fault in faults:
            output.note(fault)
        if not faults:
            output.say(f"\n{output.styled('good', fg='green', bold=True)}: nothing is wrong with it")
    return REFUSED if faults else DONE


def _facts() -> dict[str, Any]:
    now = time.time()
    return {
        "ferrotp": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "kernels": _native.kernels(),
        "extras": extras(),
        "pyotp_alias": alias.status(),
        "keys": _keys(),
        "store": _store(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "clock_problem": _clock_problem(now),
    }


def _keys() -> dict[str, Any]:
    """The keys of the environment, by their ids. No keys are no problem: not everybody seals secrets."""
    if not os.environ.get("FERROTP_KEYS"):
        return {"key_ids": [], "problem": None}
    try:
        return {"key_ids": list(Keyring.from_env().key_ids), "problem": None}
    except KeyringError as error:
        return {"key_ids": [], "problem": str(error)}


def _store() -> str | None:
    """What kind of store the environment names. A URL may hold a password, and is not repeated."""
    return os.environ.get("FERROTP_STORE", "").partition(":")[0] or None


def _clock_problem(now: float) -> str | None:
    """What can be told without a network."""
    installed = os.stat(_native.__file__).st_mtime
    if now < installed - 86_400:
        day = time.strftime("%Y-%m-%d", time.gmtime(installed))
        return f"it stands before the day on which ferrotp was installed, {day}"
    if not 2026 <= time.gmtime(now).tm_year < 2100:
        return "its year is wrong"
    return None


def _compare(otp: Any, code: str, account: Account, reach: int) -> dict[str, Any]:
    """Looks for a code's time step, from now outwards."""
    now = time.time()
    steps = nearest(otp, code, now, reach // account.period + 1)
    if steps is None:
        return {"found": False, "steps": None, "ahead_at_least": None, "ahead_at_most": None, "chance": None}
    # The phone's clock stands somewhere in that step.
    start = steps * account.period - now % account.period
    codes = 26**5 if account.kind == "steam" else 10**account.digits
    return {
        "found": True,
        "steps": steps,
        "ahead_at_least": round(start, 1),
        "ahead_at_most": round(start + account.period, 1),
        # That another code than the right one is found as near.
        "chance": min(1.0, (2 * abs(steps) + 1) / codes),
    }


def _show(facts: dict[str, Any], comparison: dict[str, Any] | None, hours: int) -> None:
    kernels = [kernel for kernel in facts["kernels"] if kernel != "portable"]
    keys, store = facts["keys"], facts["store"]
    rows = [
        ("ferrotp", facts["ferrotp"]),
        ("Python", f"{facts['python']} ({sys.executable})"),
        ("platform", facts["platform"]),
        ("kernels", f"{', '.join(kernels)}: several codes at once" if kernels else "portable: this CPU has no other"),
        *((f"[{name}]", _extra(name, packages)) for name, packages in facts["extras"].items()),
        (
            "import pyotp",
            {"none": "pyotp's own", "modern": "ferrotp", "legacy": "ferrotp.legacy"}[facts["pyotp_alias"]],
        ),
        ("keys", f"{', '.join(keys['key_ids'])}: of FERROTP_KEYS" if keys["key_ids"] else "none in FERROTP_KEYS"),
        ("store", f"FERROTP_STORE, {store}" if store else "not said: ferrotp doctor --store URL looks at one"),
        ("clock", f"{facts['time']}. Time zones do not matter: codes count seconds in UTC"),
    ]
    output.fields(rows)
    if facts["clock_problem"]:
        output.note(f"the clock is wrong: {facts['clock_problem']}")
    if keys["problem"]:
        output.note(f"FERROTP_KEYS: {keys['problem']}")
    if store:
        output.say('\nferrotp doctor --store "$FERROTP_STORE" looks at the store, and whether the keys are its own.')
    if comparison is None:
        output.say("\nferrotp doctor --clock compares the clock with a code from a phone.")
    elif not comparison["found"]:
        bad = output.styled("no match", fg="red", bold=True)
        output.say(f"\n{bad}: the code is of no time within {hours} hours. Another secret, or other digits?")
    else:
        output.say("\n" + _verdict(comparison))


def _extra(name: str, packages: dict[str, str | None]) -> str:
    if is_there(packages):
        return ", ".join(f"{package} {version}" for package, version in packages.items())
    missing = ", ".join(package for package, version in packages.items() if version is None)
    return f'not there (wants {missing}): pip install "ferrotp[{name}]"'


def _verdict(comparison: dict[str, Any]) -> str:
    low, high, steps = comparison["ahead_at_least"], comparison["ahead_at_most"], comparison["steps"]
    if steps == 0:
        good = output.styled("good", fg="green", bold=True)
        return f"{good}: the clocks agree, to within a time step"
    if steps > 0:
        between, which = f"{_duration(low)} to {_duration(high)}", "ahead of"
    else:
        between, which = f"{_duration(-high)} to {_duration(-low)}", "behind"
    told = f"the phone is {between} {which} this machine"
    if abs(steps) == 1:
        return f"{output.styled('fair', fg='yellow', bold=True)}: {told}, or the code was typed late. Servers take it"
    if comparison["chance"] > 0.001:
        told += f". By chance that happens once in {round(1 / comparison['chance'])}: try with another code"
    return f"{output.styled('apart', fg='red', bold=True)}: {told}. Set both clocks by the network"


def _duration(seconds: float) -> str:
    seconds = round(seconds)
    parts = [f"{seconds // 3600} h", f"{seconds % 3600 // 60} min", f"{seconds % 60} s"]
    return " ".join(parts[0 if seconds >= 3600 else 1 if seconds >= 60 else 2 :])
