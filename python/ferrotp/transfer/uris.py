"""Texts of URIs, one a line: ``otpauth://``, and ``otpauth-migration://`` among them."""

from collections.abc import Iterable, Iterator
from typing import Any

from .._tracebacks import without_frames
from .._uri import parse
from . import google
from ._common import OnError, base32, collect, text_of
from .account import Account, Kind
from .errors import MalformedError, TransferError, UnsupportedError

FORMAT = "uris"


@without_frames
def decode(data: bytes | str | Iterable[str], on_error: OnError | None = None) -> list[Account]:
    """The accounts of a text with a URI in each line, or of a list of URIs. Empty lines do not count.

    :param on_error: called with each line's error, and the others are read; else the first error is raised
    :raises MalformedError: with the line, for what is no such URI
    """
    lines: list[str] = text_of(data, FORMAT).splitlines() if isinstance(data, (bytes, str)) else list(data)
    migrations = [line for line in lines if line.strip().startswith(google.PREFIX)]
    accounts = collect(_accounts(lines), FORMAT, on_error)
    return accounts + (google.decode(migrations, on_error) if migrations else [])


def _accounts(lines: list[str]) -> Iterator[Account | TransferError]:
    for number, line in enumerate(lines, 1):
        uri = line.strip()
        if uri and not uri.startswith(google.PREFIX):
            try:
                result: Account | TransferError = _account(uri, f"line {number}")
            except TransferError as error:
                result = error
            yield result


def _account(uri: str, place: str) -> Account:
    def taker(kind: Kind) -> Any:
        return lambda secret, **fields: (kind, secret, fields)

    try:
        # pyotp's reader, and none of the rules that its classes have for secrets.
        kind, text, fields = parse(uri, taker("totp"), taker("hotp"), taker("steam"))
    except ValueError as error:
        raise MalformedError(_why(str(error)), FORMAT, place) from None
    label = ":".join(filter(None, (fields.get("issuer"), fields.get("name"))))
    secret = base32(text)
    if not secret:
        raise MalformedError("the secret is not base32", FORMAT, place, label)
    try:
        return Account(
            secret=secret,
            name=fields.get("name", ""),
            issuer=fields.get("issuer"),
            kind=kind,
            algorithm=fields["digest"]().name.upper() if "digest" in fields else "SHA1",
            digits=fields.get("digits", 5 if kind == "steam" else 6),
            period=fields.get("interval", 30),
            counter=fields.get("initial_count", 0),
        )
    except TransferError as error:
        raise UnsupportedError(error.reason, FORMAT, place, label) from None


def _why(reason: str) -> str:
    """pyotp's reason, unless it quotes what could be a secret in the wrong place."""
    if reason == "Not an otpauth URI":
        return "not an otpauth URI"
    return "not a valid otpauth URI: " + ("a value is wrong" if "'" in reason else reason[:1].lower() + reason[1:])
