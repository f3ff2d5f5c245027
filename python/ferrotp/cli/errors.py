"""What can go wrong, and the one place that words it: never with a secret, never with a traceback."""

import errno
import os
import re
import sys
import traceback

import click

from ..qr import QRError
from ..transfer import (
    BatchError,
    EncryptedError,
    LimitError,
    MalformedError,
    RefusedError,
    TransferError,
    UnsupportedError,
    WrongKeyError,
)
from ..transfer._masking import likenesses

DONE, REFUSED, USAGE, UNEXPECTED, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 70, 130, 141


class InputError(Exception):
    """Something given cannot be used. The message says what is wrong and what to do, and holds nothing secret."""

    def __init__(self, message: str, kind: str = "input") -> None:
        super().__init__(message)
        self.kind = kind


def describe(error: BaseException) -> tuple[int, dict[str, str | None]]:
    """The exit code of an exception, and what there is to say of it."""
    if isinstance(error, InputError):
        return USAGE, {"kind": error.kind, "message": redacted(str(error))}
    if isinstance(error, TransferError):
        return USAGE, transfer_fields(error)
    if isinstance(error, QRError):
        return USAGE, {"kind": "qr", "message": redacted(str(error))}
    if isinstance(error, click.ClickException):
        return USAGE, {"kind": "usage", "message": redacted(error.format_message())}
    if isinstance(error, UnicodeError):  # bytes among the arguments, or in a variable, that the locale cannot read
        return USAGE, {"kind": "input", "message": "a text is not UTF-8"}
    if isinstance(error, OSError):
        name = "" if error.filename is None else f"{error.filename}: "
        reason = error.strerror or type(error).__name__
        return USAGE, {"kind": "file", "message": redacted(f"{name}{reason}")}
    # Where it happened, and no more: an exception's own text, and locals, may hold anything.
    frames = traceback.extract_tb(error.__traceback__)
    where = f", line {frames[-1].lineno} of {frames[-1].name}" if frames else ""
    message = f"an unexpected {type(error).__name__}{where}: please report this (without your secret)"
    return UNEXPECTED, {"kind": "unexpected", "message": message}


def transfer_fields(error: TransferError) -> dict[str, str | None]:
    """An importer's error. Its kind is the name of its class, in hyphens."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()
    return {
        "kind": kind,
        "message": redacted(in_options(str(error))),
        "format": error.format or None,
        "place": error.place,
        "account": error.account,
        "next": what_next(error),
    }


def in_options(message: str) -> str:
    """A message in which parameters of functions are the options that say the same."""
    return message.replace("by kind=", "by --token-type").replace("by encoding=", "by --token-encoding")


def what_next(error: TransferError) -> str:
    """What somebody can do whose file, or an entry of it, was refused."""
    if isinstance(error, WrongKeyError):
        return "check the password, and that the file is whole; import a file with another password by itself"
    if isinstance(error, EncryptedError):
        return (
            "give its password by --password-file, --password-env or at the prompt"
            if "none was given" in error.reason
            else error.reason
        )
    if isinstance(error, MalformedError):
        return "export the file again, or correct the entry; --keep-going reads the others"
    if isinstance(error, UnsupportedError):
        return "set this account up anew with the site, and scan its QR code; --keep-going reads the others"
    return _NEXT.get(type(error), in_options(error.reason))


_NEXT: dict[type[TransferError], str] = {
    BatchError: "give all QR codes of the export; --keep-going reads those that are there",
    LimitError: "split the file",
    RefusedError: "set this account up anew with the site, and scan its QR code",
}


def is_broken_pipe(error: BaseException) -> bool:
    """Whether the reader of our output has gone, as ``head`` does. Windows says EINVAL."""
    return isinstance(error, OSError) and (
        error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)
    )


def redacted(message: str) -> str:
    """A message without what could be a secret that was typed in another thing's place. A user who
    types ``--digits JBSWY3DPEHPK3PXP`` does not want it in a log."""
    words: set[str] = set()
    for argument in sys.argv[1:]:
        if not os.path.lexists(argument):
            words.update(likenesses(argument))
    for word in sorted(words, key=len, reverse=True):
        message = message.replace(word, "…")
    return message
