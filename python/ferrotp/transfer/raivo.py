"""Raivo OTP's export: JSON, in which every value is a text. The app packs it into an encrypted ZIP archive."""

from typing import Any

from ._common import read_json
from ._containers import Zip, read_zip
from ._frame import Entry, Export, Options, Results, each, lists

FORMAT = "raivo"
_ENTRY = Entry(name=("account",), kind="kind", period="timer", texts=True)
_MEMBER = "raivo-otp-export.json"


def _read(values: list[Any], options: Options) -> Results:
    return each(values, FORMAT, "$", _ENTRY.read)


def _read_zip(archive: Zip, options: Options) -> Results:
    return _read(read_json(archive.member(_MEMBER, FORMAT), FORMAT), options)


EXPORT = Export(FORMAT, "a Raivo export", "json", lists("secret", "kind", "timer"), _read, read_json)
ARCHIVE = Export(FORMAT, "a Raivo export", "zip", lambda archive: _MEMBER in archive.names, _read_zip, read_zip)
decode = EXPORT.decode
decode_zip = ARCHIVE.decode
