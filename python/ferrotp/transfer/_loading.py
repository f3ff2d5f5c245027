"""Which format contents are of, told by what is in them, never by a file's name. What is not read is named, too."""

import re
from typing import Any

from .._tracebacks import without_frames
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
from ._common import MAX_BYTES, OnError, collect, read_json, text_of
from ._containers import Csv, Xml, read_csv, read_zip, root_of
from ._frame import Export, Options
from .account import Account
from .errors import LimitError, MalformedError, UnknownFormatError, WrongKeyError

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


@without_frames
def read(data: "bytes | str", options: Options, on_error: OnError | None) -> list[Account]:
    """The accounts of contents in any format.

    :raises UnknownFormatError: for contents in none, by what they are and with what to do
    """
    if len(data) > MAX_BYTES:
        raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", "text")
    if isinstance(data, bytes):
        if data.startswith(PICTURES):
            options.title("a picture of QR codes")
            return scan.decode(data, on_error)
        for mark, what in _FOREIGN:
            if data.startswith(mark):
                raise UnknownFormatError(what, "unknown")
        if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            found = _through("zip", read_zip(data, "zip"), options, on_error)
            if found is None:
                raise UnknownFormatError("a ZIP archive: unpack it first, and give the file that is in it", "zip")
            return found
        found = _through("bytes", data, options, on_error)
        if found is not None:
            return found
        if _is_binary(data):
            return _binary(data, options, on_error)
    if _begins_with(data) == "<":
        return _read_xml(data, options, on_error)
    text = text_of(data, "text")
    start = text.lstrip()[:1]
    if start in ("{", "["):
        values = read_json(text, "json")
        found = _through("json", values, options, on_error)
        if found is not None:
            return found
        raise UnknownFormatError(
            "JSON of a kind that ferrotp does not know: nothing in it says which app wrote it", "json"
        )
    first = next((line for line in text.splitlines() if not uris.is_comment(line)), "")
    if uris.begins(first):
        options.title("a list of URIs")
        return uris.decode(text, on_error, on_note=options.on_note)
    return _read_csv(text, options, on_error)


def _through(container: str, contents: Any, options: Options, on_error: OnError | None) -> list[Account] | None:
    for export in EXPORTS:
        if export.container == container and export.known(contents):
            options.title(export.title)
            return collect(export.read(contents, options), export.name, on_error)
    return None


def _begins_with(data: "bytes | str") -> str:
    start = data[:200]
    if isinstance(start, bytes):
        start = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "ignore")
        start = start.removeprefix("ï»¿")
    return start.lstrip("\ufeff \t\r\n")[:1]


def _read_xml(data: "bytes | str", options: Options, on_error: OnError | None) -> list[Account]:
    root = root_of(data)
    if root == "KeyContainer":
        options.title("a PSKC file of hardware tokens")
        return pskc.decode(data, options.key, options.password, on_error)
    found = _through("xml", Xml(data, root), options, on_error)
    if found is not None:
        return found
    if root.lower() == "html":
        raise UnknownFormatError("a web page: export the accounts from the app or the site as a file", "html")
    if not root:
        # It may be a PSKC document all the same; its own reader says what is wrong.
        return pskc.decode(data, options.key, options.password, on_error)
    raise UnknownFormatError(
        "XML of a kind that ferrotp does not know: neither PSKC, SafeNet's, KeePass' nor an app's", "xml"
    )


def _read_csv(text: str, options: Options, on_error: OnError | None) -> list[Account]:
    file: Csv = read_csv(text, "csv")
    found = _through("csv", file, options, on_error)
    if found is not None:
        return found
    if set(file.heading) >= _PASSWORDS:
        raise UnknownFormatError(
            "a CSV of passwords, as browsers and password managers write it, with no column for a second factor: "
            "export from the authenticator app", "csv",
        )  # fmt: skip
    first = next((line for line in text.splitlines() if line.strip()), "")
    if len(file.heading) > 1 or re.fullmatch(r"\s*\S{1,40}\s+[0-9A-Fa-f]{20,256}\s*", first):
        options.title("a CSV of hardware tokens")
        return collect(oath_csv.read(file, options), oath_csv.FORMAT, on_error)
    raise UnknownFormatError(
        "none of the formats that ferrotp reads: export from the app as a file, or scan its QR code", "text"
    )


def _is_binary(data: bytes) -> bool:
    """Whether bytes are no text: neither UTF-16 with its mark, nor mostly letters."""
    start = data[:200]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        odd = sum(byte < 9 or 13 < byte < 32 or byte > 126 for byte in start)
        return b"\0" in start or odd * 5 > len(start)
    return b"\0" in start


def _binary(data: bytes, options: Options, on_error: OnError | None) -> list[Account]:
    """andOTP's encrypted backups have no mark: only the password tells."""
    marked = andotp.could_be_sealed(data)
    if marked or options.password is not None:
        try:
            options.title(andotp.SEALED.title)
            return collect(andotp.SEALED.read(data, options), andotp.FORMAT, on_error)
        except (MalformedError, WrongKeyError):
            if marked and options.password is not None:
                raise
    raise UnknownFormatError(
        "a binary file that ferrotp does not know: export from the app as a file. An encrypted backup of an old andOTP "
        "opens with its password", "unknown",
    )  # fmt: skip
