"""Accounts in and out: exports of authenticator apps, and what vendors ship with hardware tokens.

``import ferrotp`` does not load it. `load` tells the format by the contents; each module below reads one, and
`google.encode` and `Account.uri` write.
"""

import os
from collections.abc import Iterable

from .._tracebacks import without_frames
from . import account, aegis, errors, google, oath_csv, pskc, scan, twofas, uris
from ._common import MAX_BYTES, OnError, read_json, text_of
from .account import Account
from .errors import (
    BatchError,
    EncryptedError,
    LimitError,
    MalformedError,
    MissingExtraError,
    RefusedError,
    TransferError,
    UnknownFormatError,
    UnsupportedError,
    WrongKeyError,
)

__all__ = [
    "Account",
    "BatchError",
    "EncryptedError",
    "LimitError",
    "MalformedError",
    "MissingExtraError",
    "RefusedError",
    "TransferError",
    "UnknownFormatError",
    "UnsupportedError",
    "WrongKeyError",
    "account",
    "aegis",
    "duplicates",
    "errors",
    "google",
    "load",
    "oath_csv",
    "pskc",
    "scan",
    "twofas",
    "uris",
]

_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")


@without_frames
def load(
    source: "bytes | str | os.PathLike[str]",
    *,
    key: bytes | None = None,
    password: str | None = None,
    on_error: OnError | None = None,
) -> list[Account]:
    """The accounts of an export in any of the formats, told by its contents. Duplicates stay: see `duplicates`.

    :param source: the contents, or the path of a file. A text is contents if it begins with ``otpauth``, ``{`` or
        ``<`` or has more than one line; otherwise it is a path
    :param key: the pre-shared key of an encrypted PSKC document
    :param password: the password of one
    :param on_error: called with the error of each entry that cannot be taken, and the others are read; without it the
        first such error is raised, so that nothing is left out in silence
    :raises UnknownFormatError: if it is none of the formats
    :raises TransferError: one of its kinds, for what is wrong with an export
    :raises OSError: if the file cannot be read
    """
    if isinstance(source, str) and not (
        source.lstrip("\ufeff \t\r\n").startswith(("otpauth", "{", "<")) or "\n" in source
    ):
        if not os.path.isfile(source):
            # Not FileNotFoundError: the text in it might be a secret, and no path.
            raise UnknownFormatError("neither the path of a file nor a text in a known format")
        source = _Path(source)
    if isinstance(source, os.PathLike):
        with open(source, "rb") as file:
            source = file.read(MAX_BYTES + 1)
    if isinstance(source, bytes) and source.startswith(_PICTURES):
        return scan.decode(source, on_error)
    text = text_of(source, "text") if isinstance(source, str) or not source[:200].lstrip().startswith(b"<") else "<"
    start = text.lstrip()[:100]
    if start.startswith("<"):
        return pskc.decode(source, key, password, on_error)
    if start.startswith("otpauth"):
        return uris.decode(text, on_error)
    if start.startswith("{"):
        values = read_json(text, "json")
        if "services" in values:
            return twofas.read(values, on_error)
        if "db" in values:
            return aegis.read(values, on_error)
        raise UnknownFormatError("JSON, but neither of Aegis nor of 2FAS")
    if any(delimiter in text for delimiter in ",;\t"):
        return oath_csv.decode(text, on_error=on_error)
    raise UnknownFormatError("none of: otpauth URIs, Aegis, 2FAS, PSKC, OATH CSV, a picture")


class _Path(os.PathLike[str]):
    """A path in a text, of which no frame shows the text."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


def duplicates(accounts: Iterable[Account]) -> list[list[int]]:
    """Which of the accounts share a secret, or the serial number of a token: their places, a list for each group.

    Readers keep duplicates, since only the reader's user knows which one to drop.
    """
    groups: dict[tuple[str, object], list[int]] = {}
    for place, kept in enumerate(accounts):
        groups.setdefault(("secret", kept.secret), []).append(place)
        if kept.serial:
            groups.setdefault(("serial", kept.serial), []).append(place)
    found = {tuple(places) for places in groups.values() if len(places) > 1}
    return [list(places) for places in sorted(found)]
