"""Aegis Authenticator's export in plain JSON."""

from typing import Any

from .._tracebacks import without_frames
from ._common import Fields, OnError, collect, entries, read_json
from .account import Account, Kind
from .errors import EncryptedError, UnsupportedError

FORMAT = "aegis"
_KINDS: dict[str, Kind] = {"totp": "totp", "hotp": "hotp", "steam": "steam"}


@without_frames
def decode(data: bytes | str, on_error: OnError | None = None) -> list[Account]:
    """The accounts of an export.

    :param on_error: called with each entry's error, and the others are read; else the first error is raised
    :raises EncryptedError: if it is an encrypted export: export again, without a password
    :raises UnsupportedError: for an entry of another kind than totp, hotp and steam, and for another version
    """
    return read(read_json(data, FORMAT), on_error)


def read(values: dict[str, Any], on_error: OnError | None) -> list[Account]:
    """The accounts of an export whose JSON has been read."""
    top = Fields(values, FORMAT, "$")
    header, db = values.get("header"), values.get("db")
    if isinstance(db, str) or (isinstance(header, dict) and header.get("slots")):
        raise EncryptedError("the export is encrypted; export it from Aegis without encryption", FORMAT)
    if top.number("version", 1, 0, 1 << 63) != 1:
        raise UnsupportedError("the export has another version than 1", FORMAT, "$.version")
    database = top.inner("db")
    if database.number("version", 1, 0, 1 << 63) not in (1, 2, 3):
        raise UnsupportedError("the database has another version than 1, 2 and 3", FORMAT, "$.db.version")
    return collect(entries(values["db"].get("entries"), FORMAT, "$.db.entries", _entry), FORMAT, on_error)


def _entry(value: object, place: str) -> Account:
    entry = Fields(value, FORMAT, place)
    name, issuer = entry.text("name"), entry.text("issuer")
    entry.account = ":".join(filter(None, (issuer, name)))
    kind = _KINDS.get(entry.text("type").lower())
    if kind is None:
        raise entry.wrong(UnsupportedError, "the kind is not totp, hotp or steam", "type")
    info = entry.inner("info")
    return Account(
        secret=info.secret("secret"),
        name=name,
        issuer=issuer or None,
        kind=kind,
        algorithm=info.algorithm("algo"),
        digits=info.number("digits", 5 if kind == "steam" else 6, 1, 10),
        period=info.number("period", 30, 1, 1 << 31),
        counter=info.number("counter", 0, 0, (1 << 64) - 1) if kind == "hotp" else 0,
    )
