"""The log of the YubiKey Personalization Tool: CSV without a heading, in its traditional form or Yubico's own. Only
slots with OATH-HOTP hold accounts; Yubico OTP and static passwords are another kind, and an error each.
"""

from functools import partial

from ._common import hexadecimal, tried
from ._csv import Csv, read_csv
from ._frame import Export, Options, Results
from .account import Account
from .errors import MalformedError, UnsupportedError

FORMAT = "yubico"
_EVENTS = {"oathhotp", "yubicootp", "staticpassword", "challengeresponse"}
_OTHERS = "Yubico OTP, static passwords and challenge-response are no HOTP codes, and are not read"


def _known(file: Csv) -> bool:
    heading = file.heading
    if heading and heading[0] in _EVENTS | {"loggingstart"}:
        return True
    # Yubico's form: serial, public ID, private ID, key, access code, time.
    return len(heading) in (6, 7) and heading[0].isdigit() and len(heading[5]) in (14, 15) and heading[5][8:9] == "t"


def _read(file: Csv, options: Options) -> Results:
    return tried(partial(_slot, options), file.rows(FORMAT))


def _slot(options: Options, item: tuple[int, list[str]]) -> Account | None:
    line, row = item
    event = "".join(filter(str.isalnum, row[0].lower()))
    if event == "loggingstart":
        return None
    return _traditional(event, row, f"line {line}") if event in _EVENTS else _yubico(row, f"line {line}", options)


def _traditional(event: str, row: list[str], place: str) -> Account:
    """Event, time, slot, public ID, private ID, key, two access codes, and flags, of which the fourth is the digits."""
    if event != "oathhotp":
        raise UnsupportedError(_OTHERS, FORMAT, place)
    if len(row) < 12:
        raise MalformedError("the line is cut off", FORMAT, place)
    digits = row[11]
    if digits not in ("6", "8"):
        raise UnsupportedError("the digits are not 6 or 8", FORMAT, f"{place}, column 12")
    secret = hexadecimal(row[5])
    if not secret:
        raise MalformedError("the key is not hexadecimal", FORMAT, f"{place}, column 6")
    return Account(secret, kind="hotp", digits=int(digits), serial=_public(row[3]))


def _yubico(row: list[str], place: str, options: Options) -> Account:
    if len(row) < 6 or not row[0].isdigit():
        raise MalformedError("not a line of the log", FORMAT, place)
    if row[2] != "0":
        raise UnsupportedError(_OTHERS, FORMAT, place)
    secret = hexadecimal(row[3])
    if not secret:
        raise MalformedError("the key is not hexadecimal", FORMAT, f"{place}, column 4")
    options.note("no-digits", "this form of the log does not say the digits: 6 was taken", place, matters=True)
    return Account(secret, kind="hotp", serial=row[0])


def _public(text: str) -> str | None:
    """The token's identifier: letters of modhex, with a prefix of two; what is none is not shown."""
    return text if 0 < len(text) <= 16 and text.isascii() and text.isalnum() else None


EXPORT = Export(FORMAT, "a YubiKey log", "csv", _known, _read, read_csv)
decode = EXPORT.decode
