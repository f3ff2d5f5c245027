"""PSKC (RFC 6030): hardware tokens, in plain or encrypted."""

import re
from typing import Any

from .. import _native
from .._tracebacks import without_frames
from ._common import OnError, fault, taken
from ._contents import Contents, contents
from ._frame import Results
from .account import Account
from .errors import MalformedError, UnsupportedError

FORMAT = "pskc"
_ENCODING = re.compile(r"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']""")


@without_frames
def decode(
    data: bytes | str, key: bytes | None = None, password: str | None = None, on_error: OnError | None = None
) -> list[Account]:
    """The HOTP and TOTP keys of a document. An account's name is the key's user or, if it has none, its identifier.

    :param key: the pre-shared AES key, of 16, 24 or 32 bytes
    :param password: the password, where the document derives its key from one
    :param on_error: called with each key's error, and the others are read; else the first error is raised
    :raises WrongKeyError: if the key or password does not open it, or its MAC does not fit
    :raises EncryptedError: if it is encrypted, and no key is given
    :raises UnsupportedError: for another version, a DTD, an encryption without a MAC, another cipher than AES-CBC, a
        policy that forbids use, and for keys that are neither HOTP nor TOTP, unless they are another key's PIN
    """
    return list(taken(read(contents(data), key, password), FORMAT, on_error))


def read(document: Contents, key: bytes | None, password: str | None) -> Results:
    """The keys of a document, which is parsed whole: its MAC key stands before them, and a fault may behind."""
    if key is not None and password is not None:
        raise TypeError("either a key or a password")
    try:
        answer = _native.pskc_read(_text(document), key, password)
    except UnicodeEncodeError:  # a lone surrogate
        raise MalformedError("the text is not UTF-8", FORMAT) from None
    if isinstance(answer, tuple):
        raise fault(answer, FORMAT)
    answer.reverse()
    return _results(answer)


def _results(answer: list[tuple[Any, ...]]) -> Results:
    while answer:  # each is let go as soon as it is read
        fields = answer.pop()
        yield fault(fields, FORMAT) if len(fields) == 4 else _account(fields)


def _text(document: Contents) -> str:
    """Feitian and others write UTF-8 and say so. A mark at the beginning decides, else what the document says."""
    declared = None if document.is_text else _ENCODING.match(document.start(200).decode("ascii", "replace"))
    encoding = declared[1].lower() if declared else "utf-8"
    if encoding in ("iso-8859-1", "windows-1252"):
        return document.whole(FORMAT).decode(encoding, "replace")
    if encoding not in ("utf-8", "us-ascii", "ascii"):
        raise UnsupportedError("the document's encoding is not UTF-8, ISO-8859-1 or windows-1252", FORMAT)
    return document.text(FORMAT).read()


def _account(
    fields: tuple[bytes, str, str | None, str | None, str | None, str | None, str, int, str, int],
) -> Account:
    secret, id_, serial, manufacturer, issuer, user, algorithm, digits, kind, moving = fields
    is_totp = kind == "totp"
    return Account(
        secret=secret,
        name=user or id_,
        issuer=issuer or manufacturer,
        kind="totp" if is_totp else "hotp",
        algorithm=algorithm,
        digits=digits,
        period=moving if is_totp else 30,
        counter=0 if is_totp else moving,
        serial=serial,
    )
