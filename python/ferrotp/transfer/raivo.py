"""Raivo OTP's export: JSON, in which every value is a text. The app packs it into a ZIP archive, encrypted
with AES."""

from typing import Any

from ._frame import Entry, Export, Options, Results, each, lists
from ._json import read_json
from ._zip import Zip, read_zip

FORMAT = "raivo"
_ENTRY = Entry(name=("account",), kind="kind", period="timer", texts=True)
_MEMBER = "raivo-otp-export.json"


def _read(values: list[Any], options: Options) -> Results:
    return each(values, FORMAT, "$", _ENTRY.read)


def _read_zip(archive: Zip, options: Options) -> Results:
    return _read(read_json(archive.member(_MEMBER, FORMAT, lambda: options.secret_password(ARCHIVE)), FORMAT), options)


EXPORT = Export(FORMAT, "a Raivo export", "json", lists("secret", "kind", "timer"), _read, read_json)
ARCHIVE = Export(FORMAT, "a Raivo export", "zip", lambda archive: _MEMBER in archive.names, _read_zip, read_zip)
decode = EXPORT.decode
decode_zip = ARCHIVE.decode
