"""Which format contents are of, told by what is in them, never by a file's name. What is not read is named, too."""

import re
from collections.abc import Iterator
from typing import Any

from . import (
    aegis,
    andotp,
    authy,
    bitwarden,
    duo,
    ente,
    freeotp,
    keepass,
    lastpass,
    oath_csv,
    onepassword,
    proton,
    pskc,
    raivo,
    safenet,
    scan,
    stratum,
    twofas,
    uris,
    yubico,
)
from ._common import OnError, taken
from ._contents import PIECE, Contents
from ._csv import read_csv
from ._frame import Export, Options
from ._json import read_json
from ._xml import Xml, root_of
from ._zip import read_zip
from .account import Account
from .errors import MalformedError, UnknownFormatError, WrongKeyError

PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
EXPORTS: tuple[Export, ...] = (
    aegis.EXPORT,
    twofas.EXPORT,
    andotp.EXPORT,
    freeotp.EXPORT,
    stratum.EXPORT,
    ente.EXPORT,
    bitwarden.EXPORT,
    onepassword.EXPORT,
    lastpass.EXPORT,
    proton.EXPORT,
    raivo.EXPORT,
    duo.EXPORT,
    keepass.EXPORT,
    authy.EXPORT,
    authy.SERVER,
    freeotp.TOKENS,
    safenet.EXPORT,
    bitwarden.TABLE,
    onepassword.TABLE,
    keepass.TABLE,
    lastpass.TABLE,
    yubico.EXPORT,
    onepassword.ARCHIVE,
    raivo.ARCHIVE,
    stratum.SEALED,
    freeotp.SEALED,
)
"""In the order in which they are asked."""

# What people have, and ferrotp does not read: by its first bytes, and what to do.
_FOREIGN = (
    (b"\x03\xd9\xa2\x9a", "a KeePass database: export it as XML or CSV from KeePass or KeePassXC"),
    (b"SQLite format 3\0", "an app's own database: export the accounts from the app itself"),
    (b"-----BEGIN PGP", "a file under OpenPGP: decrypt it with gpg first"),
    (b"%PDF", "a PDF: take a screenshot of the QR codes in it, or export the accounts from the app itself"),
    (b"\x1f\x8b", "a file under gzip: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"ANDROID BACKUP", "an Android backup: export the accounts from the app itself"),
    (b"bplist00", "a property list of Apple's: export the accounts from the app itself"),
)
_PASSWORDS = {"url", "username", "password"}


def read(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account]:
    """The accounts of contents in any format, one at a time.

    :raises UnknownFormatError: for contents in none, by what they are and with what to do
    """
    file.check("text")
    if not file.is_text:
        found = _read_bytes(file, options, on_error)
        if found is not None:
            return found
    if _first_letter(file) == "<":
        return _read_xml(file, options, on_error)
    if _first_text(file) in ("{", "["):
        found = _through("json", read_json(file, "json"), options, on_error)
        if found is not None:
            return found
        raise UnknownFormatError(
            "JSON of a kind that ferrotp does not know: nothing in it says which app wrote it", "json"
        )
    if uris.are_uris(file):
        options.title("a list of URIs")
        return uris.read(file.lines(uris.FORMAT), options, on_error)
    return _read_csv(file, options, on_error)


def _read_bytes(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account] | None:
    """What is no text; None if it could be one."""
    start = file.start(16)
    if start.startswith(PICTURES):
        options.title("a picture of QR codes")
        return iter(scan.decode(file.whole(scan.FORMAT), on_error))
    for mark, what in _FOREIGN:
        if start.startswith(mark):
            raise UnknownFormatError(what, "unknown")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        found = _through("zip", read_zip(file, "zip"), options, on_error)
        if found is None:
            raise UnknownFormatError("a ZIP archive: unpack it first, and give the file that is in it", "zip")
        return found
    found = _through("bytes", file, options, on_error)
    if found is None and _is_binary(file):
        return _read_unmarked(file, options, on_error)
    return found


def _through(container: str, contents: Any, options: Options, on_error: OnError | None) -> Iterator[Account] | None:
    for export in EXPORTS:
        if export.container == container and export.known(contents):
            options.title(export.title)
            return taken(export.read(contents, options), export.name, on_error)
    return None


def _first_letter(file: Contents) -> str:
    """As XML begins, whose encoding may be another one."""
    encoding, mark = file.encoding()
    return file.start(200)[mark:].decode("latin-1" if encoding == "utf-8" else encoding, "ignore").lstrip()[:1]


def _first_text(file: Contents) -> str:
    text = file.text("text")
    while piece := text.read(PIECE):
        if letters := piece.lstrip():
            return letters[0]
    return ""


def _read_xml(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account]:
    root = root_of(file)
    if root == "KeyContainer":
        options.title("a PSKC file of hardware tokens")
        return _read_pskc(file, options, on_error)
    found = _through("xml", Xml(file, root), options, on_error)
    if found is not None:
        return found
    if root.lower() == "html":
        raise UnknownFormatError("a web page: export the accounts from the app or the site as a file", "html")
    if not root:
        # It may be a PSKC document all the same; its own reader says what is wrong.
        return _read_pskc(file, options, on_error)
    raise UnknownFormatError(
        "XML of a kind that ferrotp does not know: neither PSKC, SafeNet's, KeePass' nor an app's", "xml"
    )


def _read_pskc(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account]:
    return taken(pskc.read(file, options.key, options.password), pskc.FORMAT, on_error)


def _read_csv(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account]:
    table = read_csv(file, "csv")
    found = _through("csv", table, options, on_error)
    if found is not None:
        return found
    if set(table.heading) >= _PASSWORDS:
        raise UnknownFormatError(
            "a CSV of passwords, as browsers and password managers write it, with no column for a second factor: "
            "export from the authenticator app", "csv",
        )  # fmt: skip
    first = next((line for line in file.lines("text") if line.strip()), "")
    if len(table.heading) > 1 or re.fullmatch(r"\s*\S{1,40}\s+[0-9A-Fa-f]{20,256}\s*", first):
        options.title("a CSV of hardware tokens")
        return taken(oath_csv.read(table, options), oath_csv.FORMAT, on_error)
    raise UnknownFormatError(
        "none of the formats that ferrotp reads: export from the app as a file, or scan its QR code", "text"
    )


def _is_binary(file: Contents) -> bool:
    """Whether bytes are no text: neither UTF-16 with its mark, nor mostly letters."""
    start = file.start(200)
    if file.encoding()[0] != "utf-8":
        return False
    try:
        file.text("text")
    except MalformedError:
        odd = sum(byte < 9 or 13 < byte < 32 or byte > 126 for byte in start)
        return b"\0" in start or odd * 5 > len(start)
    return b"\0" in start


def _read_unmarked(file: Contents, options: Options, on_error: OnError | None) -> Iterator[Account]:
    """andOTP's encrypted backups have no mark: only the password tells."""
    marked = andotp.could_be_sealed(file)
    if marked or options.password is not None:
        try:
            options.title(andotp.SEALED.title)
            return taken(andotp.SEALED.read(file, options), andotp.FORMAT, on_error)
        except (MalformedError, WrongKeyError):
            if marked and options.password is not None:
                raise
    raise UnknownFormatError(
        "a binary file that ferrotp does not know: export from the app as a file. An encrypted backup of an old andOTP "
        "opens with its password", "unknown",
    )  # fmt: skip
