"""Aegis Authenticator's export, plain or encrypted: JSON, whose database is under a key that a password opens."""

import math
from collections.abc import Iterator
from typing import Any

from ._common import Fields
from ._frame import Entry, Export, Options, Results, each, has
from ._json import read_json
from ._opening import MOST_WORK, Budget, aes_gcm, scrypt
from .errors import EncryptedError, MalformedError, TransferError, UnsupportedError, WrongKeyError

FORMAT = "aegis"
_ENTRY = Entry("info.secret", algorithm="info.algo", digits="info.digits", period="info.period", counter="info.counter")
_PASSWORD_SLOT = 1
_MOST_SLOTS = 20


def _read(values: dict[str, Any], options: Options) -> Results:
    top = Fields(values, FORMAT, "$")
    if top.number("version", 1, 0, 1 << 63) != 1:
        raise UnsupportedError("the export has another version than 1", FORMAT, "$.version")
    header = values.get("header")
    if isinstance(values["db"], str) or (isinstance(header, dict) and header.get("slots")):
        values = {"db": read_json(_opened(top, options), FORMAT)}
    database = Fields(values, FORMAT, "$").inner("db")
    if database.number("version", 1, 0, 1 << 63) not in (1, 2, 3):
        raise UnsupportedError("the database has another version than 1, 2 and 3", FORMAT, "$.db.version")
    return each(values["db"].get("entries"), FORMAT, "$.db.entries", _ENTRY.read)


def _opened(top: Fields, options: Options) -> bytes:
    """The database in clear. Each password has a slot with the database's key in it, under a key of its own."""
    password = options.secret_password(EXPORT).encode()
    header = top.inner("header")
    slots = header.get("slots")
    if not isinstance(slots, list) or len(slots) > _MOST_SLOTS:
        raise header.wrong(MalformedError, "not a list of keys", "slots")
    [sealed] = top.base64_parts("db", ":")
    wrong: TransferError = EncryptedError(
        "only a fingerprint opens it: set a password in Aegis, and export again", FORMAT
    )
    for key in _keys(slots, password):
        if isinstance(key, TransferError):
            wrong = key
            continue
        parameters = header.inner("params")
        return aes_gcm(FORMAT, key, parameters.hex("nonce"), sealed + parameters.hex("tag"))
    raise wrong


def _keys(slots: list[Any], password: bytes) -> Iterator["bytes | TransferError"]:
    budget = Budget(FORMAT, MOST_WORK)
    for number, value in enumerate(slots):
        slot = Fields(value, FORMAT, f"$.header.slots[{number}]")
        if slot.number("type", 0, 0, 1 << 31) != _PASSWORD_SLOT:
            continue
        cost = [slot.number(name, 0, 0, 1 << 31) for name in "nrp"]
        budget.spend(128 * math.prod(cost))
        parameters = slot.inner("key_params")
        sealed = slot.hex("key") + parameters.hex("tag")
        try:
            own = scrypt(FORMAT, password, slot.hex("salt"), *cost)
            yield aes_gcm(FORMAT, own, parameters.hex("nonce"), sealed)
        except WrongKeyError as error:
            yield error


EXPORT = Export(FORMAT, "an Aegis export", "json", has("db"), _read, read_json)
decode = EXPORT.decode
