"""KeePass' and KeePassXC's exports: XML, unencrypted, and KeePassXC's CSV. Entries without a code are passed over, and
so is an entry's history.
"""

import base64
import binascii
from functools import partial

from ._common import algorithm_of, base32, hexadecimal, tried
from ._csv import read_csv
from ._frame import MAX_COUNTER, MAX_PERIOD, Export, Options, Results
from ._masking import label_without
from ._vaults import VaultCsv
from ._xml import Record, Xml, xml
from .account import Account, Kind
from .errors import MalformedError, UnsupportedError
from .uris import value_account

FORMAT = "keepass"
_ENCODINGS = {"-Base32": "base32", "-Hex": "hexadecimal", "-Base64": "base64", "": "UTF-8"}


def _read(document: Xml, options: Options) -> Results:
    return tried(partial(_entry, options), enumerate(document.records(FORMAT, "Entry", skip="History"), 1))


def _entry(options: Options, item: tuple[int, Record]) -> Account | None:
    number, record = item
    place = f"Entry[{number}]"
    said: dict[str, str] = {}
    key = ""
    for path, text, _ in record.leaves:
        if path == "String/Key":
            key = text
        elif path == "String/Value":
            if key in said:
                raise MalformedError("a field stands twice", FORMAT, place)
            said[key], key = text, ""
    title, name = said.get("Title", ""), said.get("UserName", "")
    private = (said.get("Password"), said.get("Notes"))
    for field in ("otp", "TOTP Seed", "TOTP"):
        if text := said.get(field, "").strip():
            if field == "TOTP Seed" and (settings := said.get("TOTP Settings", "").strip()):
                return _tray(text, settings, title, name, private, place)
            return value_account(text, FORMAT, f"{place}/String[{field}]", options, title, name, private)
    kinds: list[tuple[str, Kind]] = [("TimeOtp", "totp"), ("HmacOtp", "hotp")]
    for prefix, kind in kinds:
        for ending, encoding in _ENCODINGS.items():
            if text := said.get(f"{prefix}-Secret{ending}", "").strip():
                return _own(said, prefix, kind, text, encoding, title, name, private, place)
    return None


def _own(
    said: dict[str, str], prefix: str, kind: Kind, text: str, encoding: str, title: str, name: str,
    private: tuple[object, ...], place: str,
) -> Account:  # fmt: skip
    """Fields of KeePass 2.47 and later."""
    label = label_without(":".join(filter(None, (title, name))), text, *private) or None

    def number(field: str, default: int, least: int, most: int) -> int:
        return _number(said.get(f"{prefix}-{field}", ""), f"{prefix}-{field}", default, least, most, place, label)

    secret = _secret(text, encoding)
    if not secret:
        raise MalformedError(f"the secret is not {encoding}", FORMAT, f"{place}/String[{prefix}-Secret]", label)
    algorithm = algorithm_of(said.get(f"{prefix}-Algorithm", ""))
    if algorithm is None:
        where = f"{place}/String[{prefix}-Algorithm]"
        raise UnsupportedError("the algorithm is not SHA1, SHA256 or SHA512", FORMAT, where, label)
    digits = number("Length", 6, 1, 10) if kind == "totp" else 6
    period = number("Period", 30, 1, MAX_PERIOD) if kind == "totp" else 30
    counter = number("Counter", 0, 0, MAX_COUNTER) if kind == "hotp" else 0
    return Account(secret, name, title or None, kind, algorithm, digits, period, counter)


def _tray(text: str, settings: str, title: str, name: str, private: tuple[object, ...], place: str) -> Account:
    """Fields of the plugins KeeTrayTOTP and of older KeePassXC: a secret, and ``30;6`` or ``30;S`` for Steam."""
    label = label_without(":".join(filter(None, (title, name))), text, *private) or None
    period, _, rest = settings.partition(";")
    digits = rest.partition(";")[0].strip()
    secret = base32(text)
    if not secret:
        raise MalformedError("the secret is not base32", FORMAT, f"{place}/String[TOTP Seed]", label)
    seconds = _number(period, "TOTP Settings", 30, 1, MAX_PERIOD, place, label)
    if digits.upper() == "S":
        if seconds != 30:
            raise UnsupportedError("Steam's codes have 30 seconds", FORMAT, f"{place}/String[TOTP Settings]", label)
        return Account(secret, name, title or None, "steam", digits=5)
    length = _number(digits, "TOTP Settings", 6, 1, 10, place, label)
    return Account(secret, name, title or None, digits=length, period=seconds)


def _number(text: str, field: str, default: int, least: int, most: int, place: str, label: str | None) -> int:
    text = text.strip()
    if not text:
        return default
    where = f"{place}/String[{field}]"
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise MalformedError("not a whole number", FORMAT, where, label)
    if not least <= int(text) <= most:
        raise UnsupportedError(f"not between {least} and {most}", FORMAT, where, label)
    return int(text)


def _secret(text: str, encoding: str) -> bytes | None:
    if encoding == "base32":
        return base32(text)
    if encoding == "hexadecimal":
        return hexadecimal(text)
    if encoding == "UTF-8":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


_CSV = VaultCsv(FORMAT, "totp", ("title",), ("username",), ("password", "notes"), ("group", "title", "username"))
EXPORT = Export(FORMAT, "a KeePass XML export", "xml", lambda document: document.root == "KeePassFile", _read, xml)
TABLE = Export(FORMAT, "a KeePassXC CSV", "csv", _CSV.known, _CSV.read, read_csv)
decode = EXPORT.decode
decode_csv = TABLE.decode
