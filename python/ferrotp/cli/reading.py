"""Exports from files, pipes and pictures: what `scan`, `import` and `export` read."""

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from .. import transfer
from ..transfer import Account, TransferError, google, scan, uris
from ..transfer._common import MAX_BYTES, OnError, text_of
from . import output
from .errors import InputError, redacted
from .sources import Source, from_stdin, is_asked

_PICTURES = transfer._PICTURES


@dataclasses.dataclass
class Found:
    """What was read, and what could not be."""

    accounts: list[Account]
    errors: list[TransferError]

    def tell(self) -> None:
        """The errors, beside the output."""
        for error in self.errors:
            output.note(redacted(str(error)), "left out")


@dataclasses.dataclass
class Reader:
    """The places to read, and what opens them."""

    files: Sequence[str]
    keep_going: bool
    key: Source
    password: Source

    def read(self) -> Found:
        """All accounts, in the order of the files; Google's last, since the parts of an export may be in several."""
        found = Found([], [])
        parts: list[str] = []
        places: list[str] = []  # of the parts
        for file in self.files or ["-"]:

            def placed(error: TransferError, file: str = file) -> TransferError:
                return _in_file(error, file) if len(self.files) > 1 else error

            def leave_out(error: TransferError, placed: Callable[..., TransferError] = placed) -> None:
                found.errors.append(placed(error))

            on_error = leave_out if self.keep_going else None
            try:
                data = contents(file)
                texts = _uris(data)
                if texts is None:
                    found.accounts += self._load(data, on_error)
                    continue
                # Empty lines stand for the parts, so that a line's number is right.
                lines = ["" if text.startswith(google.PREFIX) else text for text in texts]
                found.accounts += uris.decode(lines, on_error)
            except TransferError as error:
                raise placed(error) from None
            for number, text in enumerate(texts, 1):
                if text.startswith(google.PREFIX):
                    parts.append(text)
                    places.append(f"{file}, line {number}" if len(self.files) > 1 else f"line {number}")
        if parts:
            errors: list[TransferError] = []
            try:
                found.accounts += google.decode(parts, errors.append if self.keep_going else None)
            except TransferError as error:
                raise _in_part(error, places) from None
            found.errors += [_in_part(error, places) for error in errors]
        return found

    def _load(self, data: bytes, on_error: OnError | None) -> list[Account]:
        key, password = self._key(), self.password.read() if self.password.is_said() else None
        if key and password:
            raise InputError("either a key or a password", "usage")
        try:
            return transfer.load(data, key=key, password=password, on_error=on_error)
        except transfer.EncryptedError as error:
            wanted = error
        if "none was given" not in wanted.reason:
            raise wanted
        by_password = "password" in wanted.reason
        if not is_asked():
            option = "--password-file" if by_password else "--key-file"
            raise transfer.EncryptedError(f"{wanted.reason}: use {option}", wanted.format, None, wanted.account)
        if by_password:
            password = from_stdin("the password of the file")
        else:
            key = _bytes(from_stdin("the key of the file, in hexadecimal"))
        return transfer.load(data, key=key, password=password, on_error=on_error)

    def _key(self) -> bytes | None:
        return _bytes(self.key.read()) if self.key.is_said() else None


def _bytes(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise InputError("the key is not hexadecimal") from None


def _in_file(error: TransferError, file: str) -> TransferError:
    place = f"{file}, {error.place}" if error.place else file
    return type(error)(error.reason, error.format, place, error.account)


def _in_part(error: TransferError, places: Sequence[str]) -> TransferError:
    """A fault in one of Google's parts, with where that part stands."""
    place = re.sub(r"^URI (\d+)", lambda found: places[int(found[1]) - 1], error.place or "")
    return type(error)(error.reason, error.format, place or None, error.account)


def contents(file: str) -> bytes:
    """The bytes of a file, of standard input, or of an argument that is no file but a URI."""
    if file == "-":
        if is_asked():
            return from_stdin("the otpauth:// or otpauth-migration:// URI").encode()
        if sys.stdin is None:
            raise InputError("standard input is closed")
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if file.startswith(("otpauth://", google.PREFIX)):
        return Source("the URI", file).read().encode()
    if os.path.isdir(file):
        raise InputError(f"{file} is a folder: name the files", "file")
    with open(file, "rb") as opened:
        return opened.read(MAX_BYTES + 1)


def is_picture(data: bytes) -> bool:
    """Whether it begins as a picture does."""
    return data.startswith(_PICTURES)


def _uris(data: bytes) -> list[str] | None:
    """The lines of a list of URIs, or what the QR codes of a picture say; None for another format."""
    if is_picture(data):
        texts, _ = scanned(data)
        if not texts:
            raise transfer.MalformedError("no QR code for an authenticator in the picture", scan.FORMAT)
        return texts
    if not data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"otpauth"):
        return None
    return [line.strip() for line in text_of(data, uris.FORMAT).splitlines()]


def scanned(data: bytes) -> tuple[list[str], int]:
    """The texts for authenticators in a picture, and how many others there are."""
    texts = scan.read_texts(data)
    ours = [text for text in texts if text.startswith(("otpauth://", google.PREFIX))]
    return ours, len(texts) - len(ours)


def reader_options(function: Callable[..., int]) -> Callable[..., int]:
    """Gives a verb its files and their keys, and calls it with a `Reader`."""

    @click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
    @click.option("--keep-going", is_flag=True, help="Read on after an entry that cannot be taken; then exit code 2.")
    @click.option("--password-file", type=click.Path(), metavar="FILE", help="The password of an encrypted PSKC file.")
    @click.option("--password-env", metavar="NAME", help="The same, from an environment variable.")
    @click.option(
        "--key-file", type=click.Path(), metavar="FILE", help="The key of an encrypted PSKC file, in hexadecimal."
    )
    @click.option("--key-env", metavar="NAME", help="The same, from an environment variable.")
    @functools.wraps(function)
    def wrapper(
        files: tuple[str, ...],
        keep_going: bool,
        password_file: str | None,
        password_env: str | None,
        key_file: str | None,
        key_env: str | None,
        **options: Any,
    ) -> int:
        key = Source("the key", "", key_file, key_env)
        password = Source("the password", "", password_file, password_env)
        return function(reader=Reader(files, keep_going, key, password), **options)

    return wrapper
