"""Duo Mobile's ``accounts.json``, from the app's own folder: with a counter an HOTP, without one a TOTP."""

from typing import Any

from ._common import Fields
from ._frame import Entry, Export, Options, Results, each, lists
from ._json import read_json
from .account import Account

FORMAT = "duo"
_TOTP = Entry("otpGenerator.otpSecret", ("name",), (), None, None, None, None, None)
_HOTP = Entry(
    "otpGenerator.otpSecret", ("name",), (), "otpGenerator.kind", None, None, None, "otpGenerator.counter",
    kinds={"": "hotp"},
)  # fmt: skip


def _entry(fields: Fields) -> Account:
    return (_TOTP if fields.get("otpGenerator.counter") is None else _HOTP).read(fields)


def _read(values: list[Any], options: Options) -> Results:
    return each(values, FORMAT, "$", _entry)


EXPORT = Export(FORMAT, "Duo Mobile's accounts.json", "json", lists("otpGenerator"), _read, read_json)
decode = EXPORT.decode
