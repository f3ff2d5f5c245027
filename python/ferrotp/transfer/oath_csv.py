"""The CSV files that token vendors ship: OATH's shape without a header, and those with one, as for Azure."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Literal

from .._tracebacks import without_frames
from ._common import OnError, base32, collect, text_of
from .account import Account, Kind
from .errors import LimitError, MalformedError, TransferError, UnknownFormatError, UnsupportedError

FORMAT = "oath-csv"
_MAX_FIELD = 10_000
Encoding = Literal["hex", "base32"]

# Headers, as letters and digits alone.
_COLUMNS = {
    "serial": {"serial", "serialnumber", "serialno", "tokenserial", "sn"},
    "secret": {"secret", "secretkey", "seed", "key", "secrethex", "seedhex", "secretbase32", "seedbase32", "hexseed"},
    "name": {"upn", "user", "username", "name", "account", "email"},
    "kind": {"type", "tokentype"},
    "digits": {"digits", "length", "otplength", "otplen"},
    "period": {"timeinterval", "timestep", "interval", "period", "timeintervalseconds"},
    "counter": {"counter", "movingfactor"},
    "algorithm": {"algorithm", "algo", "hash", "hashalgorithm"},
    "issuer": {"issuer"},
    "manufacturer": {"manufacturer"},
}
_WITHOUT_HEADER = {"serial": 0, "secret": 1, "kind": 2, "digits": 3, "period": 4}


@without_frames
def decode(
    data: bytes | str,
    encoding: Encoding | None = None,
    kind: Kind | None = None,
    on_error: OnError | None = None,
) -> list[Account]:
    """The tokens of a file. Without a header its columns are serial, secret (hexadecimal), type, digits, period.

    :param encoding: how secrets are written, where the file does not tell and they could be either
    :param kind: the kind of the tokens, where the file does not say it
    :param on_error: called with each line's error, and the others are read; else the first error is raised
    :raises UnknownFormatError: if the secrets' encoding or the tokens' kind cannot be told
    :raises MalformedError: with the line, for a secret in neither encoding, a number that is none, a missing column
    :raises UnsupportedError: for a type other than TOTP and HOTP, and an unknown algorithm
    """
    text = text_of(data, FORMAT)
    rows = list(_rows(text))
    if not rows:
        raise MalformedError("the file has no lines", FORMAT)
    columns, told = _WITHOUT_HEADER, encoding
    header = _header(rows[0][1])
    if header is None:
        told = encoding or "hex"
    else:
        columns, said = header
        told = encoding or said
        del rows[0]
    if told is None:
        told = _tell([row[columns["secret"]] for _, row in rows if len(row) > columns["secret"]])
    return collect(_accounts(rows, columns, told, kind), FORMAT, on_error)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if any(map(len, row)) and not row[0].startswith("#"):
                if max(map(len, row)) > _MAX_FIELD:
                    raise LimitError(f"a field over {_MAX_FIELD} characters", FORMAT, f"line {reader.line_num}")
                yield reader.line_num, [field.strip() for field in row]
    except csv.Error:
        raise MalformedError("not CSV", FORMAT, f"line {reader.line_num}") from None


def _header(row: list[str]) -> tuple[dict[str, int], Encoding | None] | None:
    plain = [re.sub(r"[^a-z0-9]", "", field.lower()) for field in row]
    columns: dict[str, int] = {}
    for place, field in enumerate(plain):
        for column, names in _COLUMNS.items():
            if field in names:
                if column in columns:
                    raise MalformedError(f"two columns for the {column}", FORMAT, "line 1")
                columns[column] = place
    if "secret" not in columns:
        return None
    secret = plain[columns["secret"]]
    if "hex" in secret:
        return columns, "hex"
    # Azure's file has these columns, and base32 by definition.
    azure = {"name", "serial", "secret", "period", "manufacturer"} <= columns.keys()
    return columns, "base32" if "base32" in secret or azure else None


def _tell(secrets: list[str]) -> Encoding:
    """The one encoding in which all secrets can be read."""
    fits_hex = all(_hex(secret) is not None for secret in secrets)
    fits_base32 = all(base32(secret) is not None for secret in secrets)
    if fits_hex and fits_base32:
        raise UnknownFormatError("the secrets could be hexadecimal or base32: say which, by encoding=", FORMAT)
    return "hex" if fits_hex else "base32"


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.isascii() else None
    except ValueError:
        return None


def _accounts(
    rows: list[tuple[int, list[str]]], columns: dict[str, int], encoding: Encoding, kind: Kind | None
) -> Iterator[Account | TransferError]:
    for line, row in rows:
        try:
            result: Account | TransferError = _account(row, columns, encoding, kind, f"line {line}")
        except TransferError as error:
            result = error
        yield result


def _account(row: list[str], columns: dict[str, int], encoding: Encoding, kind: Kind | None, place: str) -> Account:
    def field(column: str) -> str:
        at = columns.get(column)
        return row[at] if at is not None and at < len(row) else ""

    serial = field("serial")
    label = serial or field("name")

    def number(column: str, default: int, least: int, most: int) -> int:
        text = field(column)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            raise MalformedError(f"the {column} is not a number", FORMAT, place, label)
        if not least <= int(text) <= most:
            raise UnsupportedError(f"the {column} is not between {least} and {most}", FORMAT, place, label)
        return int(text)

    if columns["secret"] >= len(row):
        raise MalformedError("the line has no secret", FORMAT, place, label)
    secret = _hex(field("secret")) if encoding == "hex" else base32(field("secret"))
    if not secret:
        raise MalformedError(
            f"the secret is not {'hexadecimal' if encoding == 'hex' else 'base32'}", FORMAT, place, label
        )
    written = field("kind").lower().removeprefix("oath-")
    if written in ("totp", "hotp"):
        kind = "totp" if written == "totp" else "hotp"
    elif written:
        raise UnsupportedError("the type is neither TOTP nor HOTP", FORMAT, place, label)
    elif kind is None:
        if columns is _WITHOUT_HEADER or "period" not in columns:
            raise UnknownFormatError("the line does not say its type: give it by kind=", FORMAT, place, label)
        kind = "totp"
    algorithm = (field("algorithm").upper().replace("-", "").removeprefix("HMAC")) or "SHA1"
    if algorithm not in ("SHA1", "SHA256", "SHA512"):
        raise UnsupportedError("the algorithm is not SHA1, SHA256 or SHA512", FORMAT, place, label)
    # Without a header the fifth column of an HOTP token is its counter, if it is there.
    moving = "period" if kind != "hotp" or columns is not _WITHOUT_HEADER else "counter"
    if moving == "counter":
        columns = {**columns, "counter": columns["period"]}
    return Account(
        secret=secret,
        name=field("name"),
        issuer=field("issuer") or field("manufacturer") or None,
        kind=kind,
        algorithm=algorithm,
        digits=number("digits", 6, 1, 10),
        period=30 if kind == "hotp" else number("period", 30, 1, 1 << 31),
        counter=number("counter", 0, 0, (1 << 64) - 1) if kind == "hotp" else 0,
        serial=serial or None,
    )
