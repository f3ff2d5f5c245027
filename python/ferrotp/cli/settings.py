"""What a secret and the options make: an `Account`, and the object that makes its codes."""

import dataclasses
import datetime
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..transfer import Account, Note, RefusedError, TransferError, uris
from ..transfer._common import base32
from . import output
from .errors import InputError

ALGORITHMS = ("SHA1", "SHA256", "SHA512")
END_OF_TIME = 253_402_214_400  # 9999-12-31, as far as ferrotp.legacy goes


def is_uri(text: str) -> bool:
    """Whether it was meant as one: base32 has no colon."""
    return ":" in text


def account_of(text: str, tells: bool = True) -> Account:
    """The account of a URI, or of a secret in base32 with the defaults of apps.

    :param tells: says beside the output what was odd in a URI, and could have been read otherwise
    """
    if not is_uri(text):
        secret = base32("".join(text.split()))
        if not secret:
            raise InputError("the secret is not base32: letters and the digits 2 to 7, as apps show it")
        return Account(secret)
    notes: list[Note] = []
    try:
        accounts = uris.decode([text], on_note=notes.append)
    except TransferError as error:
        # One URI needs no line number.
        raise InputError(error.reason) from None
    for note in notes:
        if note.matters and tells:
            output.note(note.message, "note")
    if len(accounts) != 1:
        raise InputError(f"the URI holds {len(accounts)} accounts: `ferrotp import` shows them, `export` splits them")
    return accounts[0]


@dataclasses.dataclass
class Settings:
    """Options of a verb. What is said here counts more than what a URI says."""

    digits: int | None = None
    interval: int | None = None
    algorithm: str | None = None
    counter: int | None = None
    steam: bool = False
    legacy: bool = False

    def are_said(self) -> bool:
        """Whether they change anything of an account."""
        return self.steam or any(
            value is not None for value in (self.digits, self.interval, self.algorithm, self.counter)
        )

    def account(self, text: str) -> Account:
        """The account of a text, with the options laid over it."""
        account = account_of(text)
        if self.counter is not None and is_uri(text) and account.kind != "hotp":
            raise InputError("--counter is for HOTP, and the URI's kind is another", "usage")
        return self.of(account)

    def of(self, account: Account, name: str | None = None, issuer: str | None = None) -> Account:
        """An account with what was said laid over it."""
        said = {
            "kind": "steam" if self.steam else "hotp" if self.counter is not None else None,
            "digits": 5 if self.steam and self.digits is None else self.digits,
            "period": self.interval,
            "algorithm": self.algorithm,
            "counter": self.counter,
            "name": name,
            "issuer": issuer,
        }
        changes: dict[str, Any] = {field: value for field, value in said.items() if value is not None}
        if self.steam and (self.counter is not None or account.kind == "hotp"):
            raise InputError("--steam is another kind than HOTP", "usage")
        account = dataclasses.replace(account, **changes)
        if account.kind == "steam" and (self.digits, self.interval, self.algorithm) != (None, None, None):
            raise InputError("Steam's codes are of one sort: no --digits, --interval or --algorithm", "usage")
        if account.kind == "hotp" and self.interval is not None:
            raise InputError("--interval is for TOTP, and this is HOTP", "usage")
        return account

    def otp(self, account: Account) -> Any:
        """The object that makes its codes. Without --legacy it has to keep today's rules."""
        try:
            return account.otp(legacy=self.legacy)
        except RefusedError as error:
            reason, _, old = error.reason.partition("; pyotp before 2.12")
            raise InputError(f"{reason}; --legacy takes it" if old else reason, "refused") from None


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.4 only


class Number(_ParamType):
    """A whole number. click's own would write its range into the help, however long."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            number = int(value)
        except ValueError:
            self.fail("it is not a number", param, ctx)
        if not self._least <= number <= self._most:
            self.fail(f"it is not between {self._least} and {self._most}", param, ctx)
        return number


_OPTIONS = {
    "digits": click.option("--digits", type=Number(1, 10), metavar="N", help="Digits of a code.  [default: 6]"),
    "interval": click.option(
        "--interval", "--period", type=Number(1, 1 << 32), metavar="S", help="Seconds of a time step.  [default: 30]"
    ),
    "algorithm": click.option(
        "--algorithm", type=click.Choice(ALGORITHMS, case_sensitive=False), help="Hash.  [default: SHA1]"
    ),
    "counter": click.option(
        "--counter", type=Number(0, (1 << 64) - 1), metavar="N", help="Makes it HOTP: the counter to use."
    ),
    "steam": click.option("--steam", is_flag=True, help="Steam Guard's codes."),
    "legacy": click.option("--legacy", is_flag=True, help="Take secrets under 112 bits and steps over 120 seconds."),
}


def with_settings(*without: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Gives a verb the options that say what sort of account it is, and calls it with `Settings`.

    :param without: those that have no sense there
    """
    options = {name: option for name, option in _OPTIONS.items() if name not in without}

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def wrapper(**arguments: Any) -> int:
            said = {name: arguments.pop(name) for name in options}
            return function(settings=Settings(**said), **arguments)

        decorated: Callable[..., int] = wrapper
        for option in reversed(options.values()):
            decorated = option(decorated)
        return decorated

    return decorate


class Moment(_ParamType):
    """Seconds since 1970, or an ISO 8601 time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        if isinstance(value, (int, float)):
            return value
        try:
            seconds = float(value)
        except ValueError:
            seconds = self._parsed(value, param, ctx)
        if not 0 <= seconds < END_OF_TIME:  # false for NaN, too
            self.fail("it is before 1970, or after the year 9999", param, ctx)
        return seconds

    def _parsed(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            self.fail("neither seconds since 1970 nor a time such as 2026-11-24T08:30:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail("say the time's zone: Z or +02:00 at the end", param, ctx)
        return moment.timestamp()


at_option = click.option(
    "--at", type=Moment(), metavar="TIME", help="As if it were then: seconds since 1970, or ISO 8601."
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON, one object a line.")
