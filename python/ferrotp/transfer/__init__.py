"""Accounts in and out: exports of authenticator apps, and what vendors ship with hardware tokens.

``import ferrotp`` does not load it. `load` tells the format by the contents; each module below reads those of one app,
and `google.encode`, `targets.uri` and `Account.uri` write.
"""

import os
from collections.abc import Iterable, Iterator

from .._tracebacks import init_without_frames, without_frames
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
from ._common import OnError
from ._contents import Contents, opened
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
    "Stream",
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
    "stream",
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
    with _contents_of(source) as file:
        return list(_loading.read(file, Options(password, key, on_note), on_error))


@without_frames
def stream(
    source: "bytes | str | os.PathLike[str]",
    *,
    key: bytes | None = None,
    password: str | None = None,
    on_error: OnError | None = None,
    on_note: OnNote | None = None,
) -> "Stream":
    """The same accounts as `load` gives, one at a time: memory does not grow with their number. docs/transfer.md says
    of which formats that holds. A file is open until the last account is read, or `Stream.close` is called.

    Nothing of a file is handed out that is not well-formed to its end. An entry that cannot be taken raises its error
    when its turn comes, after others have been handed out: who must have all or none uses `load`.
    """
    return Stream(source, Options(password, key, on_note), on_error)


@init_without_frames
class Stream(Iterator[Account]):
    """What `stream` returns."""

    def __init__(self, source: "bytes | str | os.PathLike[str]", options: Options, on_error: OnError | None) -> None:
        self._file = _contents_of(source)
        try:
            self._accounts = _loading.read(self._file, options, on_error)
        except BaseException:
            self.close()
            raise

    @without_frames
    def __next__(self) -> Account:
        try:
            return next(self._accounts)
        except BaseException:  # StopIteration among them
            self.close()
            raise

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


def _contents_of(source: "bytes | str | os.PathLike[str]") -> Contents:
    if isinstance(source, os.PathLike):
        return opened(source)
    if isinstance(source, bytes) or "\n" in source or uris.begins(source):
        return Contents(source)
    if source.lstrip("\ufeff \t\r\n").startswith(("{", "[", "<")):
        return Contents(source)
    if not os.path.isfile(source):
        # Not FileNotFoundError: the text in it might be a secret, and no path.
        raise UnknownFormatError("neither the path of a file nor a text in a known format")
    return opened(_Path(source))


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
    if iter(accounts) is accounts:  # it can be gone through once
        accounts = list(accounts)
    seen: set[int] = set()
    again: set[int] = set()
    for number in (hash(mark) for kept in accounts for mark in _marks(kept)):
        (again if number in seen else seen).add(number)
    groups: dict[tuple[str, object], list[int]] = {}
    for place, kept in enumerate(accounts) if again else ():
        for mark in _marks(kept):
            if hash(mark) in again:
                groups.setdefault(mark, []).append(place)
    found = {tuple(places) for places in groups.values() if len(places) > 1}
    return [list(places) for places in sorted(found)]


def _marks(account: Account) -> Iterator[tuple[str, object]]:
    yield "secret", account.secret
    if account.serial:
        yield "serial", account.serial
