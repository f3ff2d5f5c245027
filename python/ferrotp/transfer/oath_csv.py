"""The CSV files that token vendors ship: OATH's shape without a header, and those with one, as for Azure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

from .._tracebacks import without_frames
from ._common import OnError, algorithm_of, base32, hexadecimal, taken, tried
from ._csv import Csv, plain_name, read_csv
from ._frame import Options, Results
from ._masking import label_without
from .account import Account, Kind
from .errors import MalformedError, TransferError, UnknownFormatError, UnsupportedError

FORMAT = "oath-csv"
Encoding = Literal["hex", "base32"]

# Headers, as letters and digits alone.
_COLUMNS = {
    "serial": {"serial", "serialnumber", "serialno", "tokenserial", "sn"},
    "secret": {"secret", "secretkey", "seed", "key", "secrethex", "seedhex", "secretbase32", "seedbase32", "hexseed"},
    "name": {"upn", "user", "username", "name", "account", "email"},
    "kind": {"type", "tokentype", "otptype"},
    "digits": {"digits", "length", "otplength", "otplen", "otpdigits", "codelength"},
    "period": {
        "timeinterval",
        "timestep",
        "interval",
        "period",
        "timeintervalseconds",
        "timeintervalinseconds",
        "timestepsize",
        "timeperiod",
        "periodseconds",
        "otpperiod",
        "step",
    },
    "counter": {"counter", "movingfactor"},
    "algorithm": {
        "algorithm",
        "algo",
        "hash",
        "hashalgorithm",
        "hashfunction",
        "hashtype",
        "otpalgorithm",
        "hmac",
        "sha",
    },
    "issuer": {"issuer"},
    "manufacturer": {"manufacturer"},
}
_WITHOUT_HEADER = {"serial": 0, "secret": 1, "kind": 2, "digits": 3, "period": 4, "algorithm": 5}
_HASHES = {"SHA256", "SHA512", "HMACSHA256", "HMACSHA512"}
_HARMLESS = {
    "model",
    "description",
    "comment",
    "comments",
    "note",
    "notes",
    "startdate",
    "enddate",
    "expirydate",
    "status",
}


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
    :raises UnsupportedError: for a type other than TOTP and HOTP, an unknown algorithm, and a column that could be one
    """
    return list(taken(read(read_csv(data, FORMAT), Options(kind=kind, encoding=encoding)), FORMAT, on_error))


def read(file: Csv, options: Options) -> Results:
    """The tokens of a file that has been recognised as CSV. It is gone through once for each question."""
    first = next(_rows(file), None)
    if first is None:
        raise MalformedError("the file has no lines", FORMAT)
    header = _header(first[1])
    if header is None:
        if options.encoding is None and not any(_looks_like_a_seed(row) for _, row in islice(_rows(file), 20)):
            raise UnknownFormatError(
                "a CSV file of a kind that ferrotp does not know: no heading names a column for the secret, and the "
                "second column is not hexadecimal", FORMAT,
            )  # fmt: skip
        columns = _WITHOUT_HEADER
        told: Encoding = options.encoding or "hex"
    else:
        columns, said = header
        _refuse_strangers(file, first, columns)
        _note_strangers(first[1], columns, options)
        at = columns["secret"]
        told = options.encoding or said or _tell(row[at] for _, row in islice(_rows(file), 1, None) if at < len(row))
    width = len(file.heading) if header else 0
    layout = _Layout(columns, told, options.kind, options.period, width)
    return tried(partial(_account, layout), islice(_rows(file), 1 if header else 0, None))


@dataclass(frozen=True)
class _Layout:
    """What is known of all lines.

    - `columns`: the place of each
    - `kind`, `period`: what the caller says, where the file does not
    - `width`: the columns of the heading; 0 without one
    """

    columns: dict[str, int]
    encoding: Encoding
    kind: Kind | None
    period: int | None
    width: int


def _rows(file: Csv) -> Iterator[tuple[int, list[str]]]:
    return ((line, _split(row)) for line, row in file.rows(FORMAT))


def _split(row: list[str]) -> list[str]:
    """Feitian's two columns have a space between, or several."""
    return row[0].split() if len(row) == 1 and re.fullmatch(r"\S{1,40}\s+[0-9A-Fa-f]{20,256}", row[0]) else row


def _looks_like_a_seed(row: list[str]) -> bool:
    """Whether the second column was meant as hexadecimal, maybe after a spreadsheet has spoilt it: 1.23E+20."""
    return len(row) > 1 and re.fullmatch(r"[0-9A-Fa-f ]{15,}.?|\d\.\d+E\+\d+", row[1]) is not None


def _strangers(heading: list[str], columns: dict[str, int]) -> list[int]:
    """The columns that say nothing known. The name of a heading is shown nowhere: it may be no heading at all."""
    known = set(columns.values())
    return [place for place, name in enumerate(heading) if place not in known and plain_name(name) not in _HARMLESS]


def _refuse_strangers(file: Csv, heading: tuple[int, list[str]], columns: dict[str, int]) -> None:
    """A column of hashes whose heading is unknown must not be passed over: all codes would be wrong."""
    strangers = _strangers(heading[1], columns)
    for _, row in islice(_rows(file), 1, None) if strangers else ():
        for place in strangers:
            if place < len(row) and row[place].upper().replace("-", "") in _HASHES:
                raise UnsupportedError(
                    "a column has algorithms in it, under a heading that ferrotp does not know: call it algorithm",
                    FORMAT, f"line {heading[0]}, column {place + 1}",
                )  # fmt: skip


def _note_strangers(heading: list[str], columns: dict[str, int], options: Options) -> None:
    for place in _strangers(heading, columns):
        if heading[place]:
            options.note("unknown-column", "a column was passed over, whose heading is unknown", f"column {place + 1}")


def _header(row: list[str]) -> tuple[dict[str, int], Encoding | None] | None:
    plain = [plain_name(field) for field in row]
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


def _tell(secrets: Iterable[str]) -> Encoding:
    """The one encoding in which all secrets can be read."""
    fits_hex = fits_base32 = True
    for secret in secrets:
        fits_hex = fits_hex and hexadecimal(secret) is not None
        fits_base32 = fits_base32 and base32(secret) is not None
    if fits_hex and fits_base32:
        raise UnknownFormatError("the secrets could be hexadecimal or base32: say which, by encoding=", FORMAT)
    return "hex" if fits_hex else "base32"


def _account(layout: _Layout, item: tuple[int, list[str]]) -> Account:
    line, row = item
    place, columns, kind, encoding = f"line {line}", layout.columns, layout.kind, layout.encoding

    def field(column: str) -> str:
        at = columns.get(column)
        return row[at] if at is not None and at < len(row) else ""

    serial = field("serial")
    # Without a header nothing says that the first column is a serial number, and no secret; nor in a row of another
    # length than the header's.
    label = label_without(serial or field("name"), field("secret")) or None if len(row) == layout.width else None
    if len(row) > len(_WITHOUT_HEADER) and columns is _WITHOUT_HEADER and any(row[len(_WITHOUT_HEADER) :]):
        raise UnsupportedError(
            "the line has more than six columns: serial, secret, type, digits, period or counter, algorithm",
            FORMAT, f"{place}, column 7",
        )  # fmt: skip

    def wrong(kind: type[TransferError], reason: str, column: str) -> TransferError:
        at = columns.get(column)
        return kind(reason, FORMAT, place if at is None else f"{place}, column {at + 1}", label)

    def number(column: str, default: int, least: int, most: int) -> int:
        text = field(column)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            raise wrong(MalformedError, f"the {column} is not a number", column)
        if not least <= int(text) <= most:
            raise wrong(UnsupportedError, f"the {column} is not between {least} and {most}", column)
        return int(text)

    if columns["secret"] >= len(row):
        raise MalformedError("the line has no secret", FORMAT, place, label)
    secret = hexadecimal(field("secret")) if encoding == "hex" else base32(field("secret"))
    if not secret:
        raise wrong(MalformedError, f"the secret is not {'hexadecimal' if encoding == 'hex' else 'base32'}", "secret")
    written = field("kind").lower().removeprefix("oath-")
    if written in ("totp", "hotp"):
        kind = "totp" if written == "totp" else "hotp"
    elif written:
        raise wrong(UnsupportedError, "the type is neither TOTP nor HOTP", "kind")
    elif kind is None:
        if columns is _WITHOUT_HEADER or "period" not in columns:
            raise UnknownFormatError(
                "the line does not say its type, TOTP or HOTP: give it by kind=", FORMAT, place, label
            )
        kind = "totp"
    algorithm = algorithm_of(field("algorithm"))
    if algorithm is None:
        raise wrong(UnsupportedError, "the algorithm is not SHA1, SHA256 or SHA512", "algorithm")
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
        period=30 if kind == "hotp" else number("period", layout.period or 30, 1, 1 << 31),
        counter=number("counter", 0, 0, (1 << 64) - 1) if kind == "hotp" else 0,
        serial=serial or None,
    )
