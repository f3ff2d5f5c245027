"""``ferrotp verify``"""

import time
from typing import Any

import click

from ..transfer import Account
from . import output
from .errors import DONE, REFUSED, InputError
from .settings import END_OF_TIME, Number, Settings, at_option, json_option, with_settings
from .sources import Source, from_stdin, secret_source

code_option = click.option("--code", metavar="CODE", help="The code. Left out, it is asked for, or read from a pipe.")


def read_code(said: str | None, account: Account) -> str:
    """The code, which apps show with a space in it, and Steam in capitals."""
    code = "".join((said if said is not None else from_stdin("the code", hidden=False)).split())
    if not code:
        raise InputError("no code was given")
    return code.upper() if account.kind == "steam" else code


@click.command()
@secret_source
@code_option
@click.option(
    "--window",
    type=Number(0, 10_000),
    metavar="N",
    help="TOTP: time steps before and after  [default: 1]. HOTP: counters ahead  [default: 0].",
)
@at_option
@with_settings()
@json_option
def verify(
    source: Source, code: str | None, window: int | None, at: float | None, settings: Settings, as_json: bool
) -> int:
    """Check a code.

    Exit code 0: it is right; 1: it is not. SECRET is base32 or an otpauth:// URI. In a pipe, the secret is a line and
    the code the next.
    """
    account = settings.account(source.read())
    otp = settings.otp(account)
    typed = read_code(code, account)
    now = time.time() if at is None else at
    if account.kind == "hotp":
        if at is not None:
            raise InputError("--at is for TOTP: an HOTP code does not change with time", "usage")
        offset = _look_ahead(otp, typed, window or 0)
        place = {"counter": None if offset is None else account.counter + offset}
    else:
        offset = nearest(otp, typed, now, 1 if window is None else window)
        place = {"step": None if offset is None else int(now) // account.period + offset}
    if as_json:
        output.emit({"valid": offset is not None, "offset": offset, **place})
    elif offset is None:
        hint = ""
        if len(typed) != account.digits:
            hint = f": it has {len(typed)} characters, and {account.digits} are right"
        output.say(output.styled("no", fg="red", bold=True) + hint)
    else:
        output.say(
            output.styled("yes", fg="green", bold=True) + _verdict_text(account.kind, offset, place.get("counter"))
        )
    return REFUSED if offset is None else DONE


def nearest(otp: Any, code: str, now: float, window: int) -> int | None:
    """How many steps from now a code's step is; None if it is farther than the window."""
    for distance in range(window + 1):
        for offset in sorted({-distance, distance}):
            moment = int(now) + offset * otp.interval
            if 0 <= moment < END_OF_TIME and otp.verify(code, moment):
                return offset
    return None


def _look_ahead(otp: Any, code: str, window: int) -> int | None:
    for ahead in range(window + 1):
        if otp.verify(code, ahead):
            return ahead
    return None


def _verdict_text(kind: str, offset: int, counter: int | None) -> str:
    if kind == "hotp":
        return f": the code of counter {counter}. The next is {(counter or 0) + 1}"
    if offset == 0:
        return ": the code of now"
    many = "one step" if abs(offset) == 1 else f"{abs(offset)} steps"
    return f": the code of {many} {'ago' if offset < 0 else 'ahead'}"
