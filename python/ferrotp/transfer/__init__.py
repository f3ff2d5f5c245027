"""Accounts in and out: exports of authenticator apps, and what vendors ship with hardware tokens.

``import ferrotp`` does not load it. `load` tells the format by the contents; each module below reads those of one app,
and `google.encode`, `targets.uri` and `Account.uri` write.
"""

import os
from collections.abc import Iterable

from .._tracebacks import without_frames
from . import (
    _loading,
    account,
    aegis,
    andotp,
    authy,
    bitwarden,
    duo,
    ente,
    errors,
    freeotp,
    google,
    keepass,
    lastpass,
    notes,
    oath_csv,
    onepassword,
    proton,
    pskc,
    raivo,
    safenet,
    scan,
    stratum,
    targets,
    twofas,
    uris,
    yubico,
)
from ._common import MAX_BYTES, OnError
from ._frame import Options
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
from .notes import Note, OnNote

__all__ = [
    "Account",
    "BatchError",
    "EncryptedError",
    "LimitError",
    "MalformedError",
    "MissingExtraError",
    "Note",
    "RefusedError",
    "TransferError",
    "UnknownFormatError",
    "UnsupportedError",
    "WrongKeyError",
    "account",
    "aegis",
    "andotp",
    "authy",
    "bitwarden",
    "duo",
    "duplicates",
    "ente",
    "errors",
    "freeotp",
    "google",
    "keepass",
    "lastpass",
    "load",
    "notes",
    "oath_csv",
    "onepassword",
    "proton",
    "pskc",
    "raivo",
    "safenet",
    "scan",
    "stratum",
    "targets",
    "twofas",
    "uris",
    "yubico",
]


@without_frames
def load(
    source: "bytes | str | os.PathLike[str]",
    *,
    key: bytes | None = None,
    password: str | None = None,
    on_error: OnError | None = None,
    on_note: OnNote | None = None,
) -> list[Account]:
    """The accounts of an export in any of the formats, told by its contents. Duplicates stay: see `duplicates`.

    :param source: the contents, or the path of a file. A text is contents if it begins as a URI, with ``{``, ``[`` or
        ``<``, or has more than one line; otherwise it is a path
    :param key: the pre-shared key of an encrypted PSKC document
    :param password: the password of an encrypted file
    :param on_error: called with the error of each entry that cannot be taken, and the others are read; without it the
        first such error is raised, so that nothing is left out in silence
    :param on_note: called with a `Note` for what is odd in an entry that is read
    :raises UnknownFormatError: if it is none of the formats
    :raises TransferError: one of its kinds, for what is wrong with an export
    :raises OSError: if the file cannot be read
    """
    if isinstance(source, str) and not (
        source.lstrip("\ufeff \t\r\n").startswith(("{", "[", "<")) or uris.begins(source) or "\n" in source
    ):
        if not os.path.isfile(source):
            # Not FileNotFoundError: the text in it might be a secret, and no path.
            raise UnknownFormatError("neither the path of a file nor a text in a known format")
        source = _Path(source)
    if isinstance(source, os.PathLike):
        with open(source, "rb") as file:
            source = file.read(MAX_BYTES + 1)
    return _loading.read(source, Options(password, key, on_note), on_error)


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
