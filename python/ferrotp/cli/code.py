"""``ferrotp code``"""

import time
from typing import Any

import click

from ..transfer import Account
from . import accounts, output
from .errors import InputError
from .settings import Settings, at_option, json_option, with_settings
from .sources import Source, secret_source


@click.command()
@secret_source
@click.option("--watch", is_flag=True, help="Go on, with a countdown, until Ctrl-C.")
@at_option
@with_settings()
@json_option
def code(source: Source, watch: bool, at: float | None, settings: Settings, as_json: bool) -> int:
    """Show the code of now.

    SECRET is base32 or an otpauth:// URI. Left out, it is asked for, or read from a pipe.
    """
    if watch and at is not None:
        raise InputError("--watch is of now: no --at", "usage")
    account = settings.account(source.read())
    otp = settings.otp(account)
    if account.kind == "hotp":
        if watch or at is not None:
            raise InputError("--watch and --at are for TOTP: an HOTP code does not change with time", "usage")
        value = otp.at(0)
        if as_json:
            output.emit({"code": value, "counter": account.counter})
        else:
            output.say(value)
        return 0
    if watch:
        _watch(account, otp, as_json)
    now = time.time() if at is None else at
    _say(account, otp, now, as_json, hint=at is None)
    return 0


def _say(account: Account, otp: Any, now: float, as_json: bool, hint: bool) -> None:
    """One code in a line. On a terminal, how long it is valid stands behind."""
    step, into = divmod(now, account.period)
    value = otp.at(int(now))
    if as_json:
        start = int(step) * account.period
        output.emit(
            {
                "code": value,
                "step": int(step),
                "valid_from": start,
                "valid_until": start + account.period,
                "seconds_left": round(account.period - into, 3),
            }
        )
    else:
        left = f"  valid for {int(account.period - into) or 1} s" if hint and output.is_terminal() else ""
        output.say(value + output.styled(left, dim=True))


def _watch(account: Account, otp: Any, as_json: bool) -> None:
    """Never returns: Ctrl-C ends it, or the end of the pipe."""
    redraws = output.is_terminal() and not as_json
    last = -1.0
    try:
        while True:
            now = time.time()
            step, into = divmod(now, account.period)
            left = account.period - into
            if redraws:
                output.say("\r" + _line(account, otp.at(int(now)), left) + "\x1b[K", end="")
                time.sleep(left % 1 or 1)  # the next whole second
            else:
                if step != last:
                    _say(account, otp, now, as_json, hint=False)
                last = step
                time.sleep(left)
    finally:
        if redraws:
            output.say("\r\x1b[K", end="")


def _line(account: Account, value: str, left: float) -> str:
    seconds = max(1, round(left))
    colour = "red" if seconds <= account.period // 6 else "yellow" if seconds <= account.period // 3 else "green"
    tail = f"{seconds:{len(str(account.period))}} s"  # of one width, or the line would jump
    label = accounts.label(account)
    # One column is left empty, or some terminals wrap.
    space = output.columns() - 1 - len(value) - 2 - len(tail)
    parts = [output.styled(value, bold=True)]
    if label and output.width(label) + 2 <= space:
        parts.insert(0, label)
        space -= output.width(label) + 2
    size = min(30, space - 2)
    if size >= 5:
        full, empty = ("█", "░") if output.can_draw() else ("#", "-")
        filled = -(-size * seconds // account.period)
        parts.append(output.styled(full * filled + empty * (size - filled), fg=colour))
    return "  ".join([*parts, tail])
