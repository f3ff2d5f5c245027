"""Exports from files, folders, pipes and pictures: what `scan`, `import` and `export` read."""

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

from .. import transfer
from ..transfer import Account, Note, TransferError, _loading, google, scan, uris
from ..transfer._common import OnError, taken
from ..transfer._contents import MAX_BYTES, Contents, opened
from ..transfer._frame import Options
from . import output
from .errors import InputError, in_options, redacted, what_next
from .kept import Kept
from .settings import Number
from .sources import Source, from_stdin, is_asked

_MOST_FILES = 10_000
_URIS = "a list of URIs"


@dataclasses.dataclass
class FileReport:
    """What became of one file."""

    file: str
    title: str = ""
    accounts: int = 0
    errors: int = 0


@dataclasses.dataclass
class Found:
    """What was read, what could not be, what was odd, and what became of each file."""

    accounts: Kept = dataclasses.field(default_factory=Kept)
    errors: list[TransferError] = dataclasses.field(default_factory=list)
    notes: list[Note] = dataclasses.field(default_factory=list)
    files: list[FileReport] = dataclasses.field(default_factory=list)
    has_folder: bool = False

    def tell(self) -> None:
        """The oddities and the errors, beside the output."""
        alike: dict[str, list[Note]] = {}
        for note in self.notes:
            if note.matters:
                alike.setdefault(note.message, []).append(note)
        for message, notes in alike.items():
            where = notes[0].place or notes[0].account
            more = f" and {len(notes) - 1} more" if len(notes) > 1 else ""
            output.note(redacted(f"{message} ({where}{more})" if where else message), "note")
        for error in self.errors:
            reason, following = in_options(str(error)), what_next(error)
            output.note(redacted(reason if following in reason else f"{reason}. Next: {following}"), "left out")


@dataclasses.dataclass
class Reader:
    """The places to read, and what opens them."""

    files: Sequence[str]
    keep_going: bool
    key: Source
    password: Source
    token: dict[str, Any] = dataclasses.field(default_factory=dict)

    def read(self) -> Found:
        """All accounts, in the order of the files; Google's last, since the parts of an export may be in several."""
        found = Found()
        parts: list[str] = []
        places: list[str] = []  # of the parts
        files = list(_files(self.files or ["-"]))
        found.has_folder = any(is_inside for _, is_inside, _ in files)
        for file, is_inside, is_readable in files:
            report = FileReport(file)
            found.files.append(report)
            keeps_going = self.keep_going or is_inside
            where = file if len(files) > 1 or is_inside else ""
            mark = found.accounts.mark()
            try:
                if not is_readable:
                    raise InputError("it is no file: a pipe, a device, or a link or folder that leads nowhere", "file")
                self._read(file, where, keeps_going, found, report, parts, places)
            except TransferError as error:
                found.accounts.forget(mark)
                failure = _in_file(error, where)
                if not is_inside:
                    raise failure from None
                found.errors.append(failure)
                report.errors += 1
            except (OSError, InputError) as error:
                if not is_inside:
                    raise
                reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
                found.errors.append(transfer.UnknownFormatError(f"the file cannot be read: {reason}", "file", file))
                report.errors += 1
        if parts:
            errors: list[TransferError] = []
            goes_on = self.keep_going or found.has_folder
            try:
                for account in google.read(parts, errors.append if goes_on else None):
                    found.accounts.append(account)
            except TransferError as error:
                if not found.has_folder:
                    raise _in_part(error, places) from None
                errors.append(error)
            found.errors += [_in_part(error, places) for error in errors]
        return found

    def _read(
        self, file: str, where: str, keeps_going: bool, found: Found, report: FileReport, parts: list[str],
        places: list[str],
    ) -> None:  # fmt: skip
        def leave_out(error: TransferError) -> None:
            found.errors.append(_in_file(error, where))
            report.errors += 1

        def take(note: Note) -> None:
            place = ", ".join(filter(None, (where, note.place))) or None
            found.notes.append(dataclasses.replace(note, place=place))

        def name(title: str) -> None:
            report.title = title

        def take_part(number: int, text: str) -> None:
            report.title = "Google Authenticator's export"
            new_parts.append(text)
            new_places.append(f"{where}, line {number}" if where else f"line {number}")

        new_parts: list[str] = []
        new_places: list[str] = []
        on_error = leave_out if keeps_going else None
        options = Options(on_note=take, on_title=name, **self.token)
        before = len(found.accounts)
        with contents(file) as data:
            lines = _uris(data)
            if lines is None:
                accounts = self._load(data, options, on_error, where)
            else:
                report.title = "a picture of QR codes" if is_picture(data) else _URIS
                lines = uris.without_parts(lines, take_part)
                accounts = taken(uris.lines_accounts(lines, options), uris.FORMAT, on_error)
            for account in accounts:
                found.accounts.append(account)
        report.accounts = len(found.accounts) - before + sum(map(google.count, new_parts))
        parts += new_parts
        places += new_places

    def _load(self, data: Contents, options: Options, on_error: OnError | None, where: str) -> Iterator[Account]:
        key, password = self._key(), self.password.read() if self.password.is_said() else None
        if key and password:
            raise InputError("either a key or a password", "usage")
        options = dataclasses.replace(options, key=key, password=password)
        try:
            return _loading.read(data, options, on_error)
        except transfer.EncryptedError as error:
            wanted = error
        if "none was given" not in wanted.reason:
            raise wanted
        by_password = "password" in wanted.reason
        if not is_asked():
            option = "--password-file" if by_password else "--key-file"
            raise transfer.EncryptedError(f"{wanted.reason}: use {option}", wanted.format, None, wanted.account)
        if by_password:
            password = from_stdin(f"the password of {where or 'the file'}")
        else:
            key = _bytes(from_stdin("the key of the file, in hexadecimal"))
        return _loading.read(data, dataclasses.replace(options, key=key, password=password), on_error)

    def _key(self) -> bytes | None:
        return _bytes(self.key.read()) if self.key.is_said() else None


def _files(named: Sequence[str]) -> Iterator[tuple[str, bool, bool]]:
    """The files, those in folders too, in the order of their names; whether each was found in a folder; and whether it
    can be read: a pipe or a device may never end, and a link to a folder may lead in a circle."""
    count = 0
    for file in named:
        if file == "-" or not os.path.isdir(file):
            yield file, False, True
            continue
        closed: list[OSError] = []
        for folder, folders, names in os.walk(file, onerror=closed.append):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted([*names, *links]):
                count += 1
                if count > _MOST_FILES:
                    raise InputError(f"more than {_MOST_FILES} files in the folder", "file")
                path = os.path.join(folder, name)
                yield path, True, os.path.isfile(path)
        for error in closed:
            yield error.filename, True, False


def _bytes(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise InputError("the key is not hexadecimal") from None


def _in_file(error: TransferError, file: str) -> TransferError:
    place = ", ".join(filter(None, (file, error.place)))
    return type(error)(error.reason, error.format, place or None, error.account)


def _in_part(error: TransferError, places: Sequence[str]) -> TransferError:
    """A fault in one of Google's parts, with where that part stands."""
    place = re.sub(r"^URI (\d+)", lambda found: places[int(found[1]) - 1], error.place or "")
    return type(error)(error.reason, error.format, place or None, error.account)


def contents(file: str) -> Contents:
    """A file, standard input, or an argument that is no file but a URI."""
    if file == "-":
        if is_asked():
            return Contents(from_stdin("the otpauth:// or otpauth-migration:// URI").encode())
        if sys.stdin is None:
            raise InputError("standard input is closed")
        # Not as a file, though it may be one: a password may have been read from it before.
        return Contents(sys.stdin.buffer.read(MAX_BYTES + 1))
    if uris.begins(file):
        return Contents(Source("the URI", file).read().encode())
    return opened(file)


def is_picture(data: Contents) -> bool:
    """Whether it begins as a picture does."""
    return data.start(16).startswith(_loading.PICTURES)


def _uris(data: Contents) -> Iterable[str] | None:
    """The lines of a list of URIs, or what the QR codes of a picture say; None for another format."""
    if is_picture(data):
        texts, _ = scanned(data)
        if not texts:
            raise transfer.MalformedError("no QR code for an authenticator in the picture", scan.FORMAT)
        return texts
    start = data.start(20_000).decode("utf-8-sig", "ignore").splitlines()
    if not uris.begins(next((line for line in start if not uris.is_comment(line)), "")):
        return None
    return data.lines(uris.FORMAT)


def scanned(data: Contents) -> tuple[list[str], int]:
    """The texts for authenticators in a picture, and how many others there are."""
    texts = scan.read_texts(data.whole(scan.FORMAT))
    ours = list(filter(uris.begins, texts))
    return ours, len(texts) - len(ours)


def reader_options(function: Callable[..., int]) -> Callable[..., int]:
    """Gives a verb its files and their keys, and calls it with a `Reader`."""

    @click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
    @click.option("--keep-going", is_flag=True, help="Read on after an entry that cannot be taken; then exit code 2.")
    @click.option("--password-file", type=click.Path(), metavar="FILE", help="The password of an encrypted file.")
    @click.option("--password-env", metavar="NAME", help="The same, from an environment variable.")
    @click.option(
        "--key-file", type=click.Path(), metavar="FILE", help="The key of an encrypted PSKC file, in hexadecimal."
    )
    @click.option("--key-env", metavar="NAME", help="The same, from an environment variable.")
    @click.option(
        "--token-type",
        type=click.Choice(["totp", "hotp"]),
        help="What tokens are, where a vendor's CSV does not say it.",
    )
    @click.option("--token-period", type=Number(1, 1 << 31), metavar="S", help="Their time step, likewise.")
    @click.option("--token-encoding", type=click.Choice(["hex", "base32"]), help="How their secrets are written.")
    @functools.wraps(function)
    def wrapper(
        files: tuple[str, ...],
        keep_going: bool,
        password_file: str | None,
        password_env: str | None,
        key_file: str | None,
        key_env: str | None,
        token_type: str | None,
        token_period: int | None,
        token_encoding: str | None,
        **options: Any,
    ) -> int:
        key = Source("the key", "", key_file, key_env)
        password = Source("the password", "", password_file, password_env)
        token = {"kind": token_type, "period": token_period, "encoding": token_encoding}
        return function(reader=Reader(files, keep_going, key, password, token), **options)

    return wrapper
