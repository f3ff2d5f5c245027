"""The frame of a format: what it is called, by what it is known, and how one of its entries becomes an account.

A format's module holds an `Export`; `_loading` asks each in turn whether it knows the contents. The first that does
reads them: no reader is tried out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._tracebacks import without_frames
from ._common import Fields, OnError, taken, tried
from ._contents import Contents
from ._json import first_of, is_list
from ._masking import label_without
from .account import Account, Kind
from .errors import EncryptedError, MalformedError, TransferError, UnsupportedError
from .notes import Note, OnNote

_Read = TypeVar("_Read")
Results = Iterable["Account | TransferError"]
KINDS: Mapping[object, Kind] = {"": "totp", "totp": "totp", "hotp": "hotp", "steam": "steam"}
MAX_PERIOD, MAX_COUNTER = 1 << 31, (1 << 64) - 1


@dataclass(frozen=True)
class Options:
    """What opens a file, and where its oddities go."""

    password: str | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    on_note: OnNote | None = None
    kind: Kind | None = None
    encoding: Any = None
    period: int | None = None
    on_title: Callable[[str], object] | None = None

    def title(self, title: str) -> None:
        """Says what kind of file it is, as soon as that is known."""
        if self.on_title is not None:
            self.on_title(title)

    def note(
        self, kind: str, message: str, place: str | None = None, account: str | None = None, matters: bool = False
    ) -> None:
        if self.on_note is not None:
            self.on_note(Note(kind, message, place, account, matters))

    def secret_password(self, export: "Export") -> str:
        """The password, or an error that says what for."""
        if self.password is None:
            raise EncryptedError(f"{export.title} under a password, and none was given", export.name)
        return self.password


@dataclass(frozen=True)
class Export:
    """A format.

    - `name`: in `TransferError.format`
    - `title`: what a person would call a file of it: "a Bitwarden export"
    - `container`: "json", "xml", "csv", "zip" or "bytes": what `parse` makes, and `known` and `read` get
    - `known`: whether contents are of this format
    - `read`: its accounts, and the errors of the entries that are none, one after the other
    """

    name: str
    title: str
    container: str
    known: Callable[[Any], bool]
    read: Callable[[Any, Options], Results]
    parse: Callable[["bytes | str | Contents", str], Any] = field(repr=False)

    @without_frames
    def decode(
        self,
        data: bytes | str,
        on_error: OnError | None = None,
        *,
        password: str | None = None,
        on_note: OnNote | None = None,
    ) -> list[Account]:
        """The accounts of a file.

        :param on_error: called with each entry's error, and the others are read; else the first error is raised
        :param password: of an encrypted file
        :param on_note: called with what is odd in an entry that is read
        :raises EncryptedError: if it is encrypted, and no password is given; `WrongKeyError` for a wrong one
        :raises MalformedError: if it is no file of this format, or broken
        :raises UnsupportedError: for what has no meaning here: another version, another kind of code
        """
        contents = self.parse(data, self.name)
        if not self.known(contents):
            raise MalformedError(f"not {self.title}", self.name)
        return list(taken(self.read(contents, Options(password, on_note=on_note)), self.name, on_error))


@dataclass(frozen=True)
class Entry:
    """Where an entry's fields stand: names or paths of a JSON object; several where the first may be empty.

    - `form`: how the secret is written: "base32", "hex", or "bytes", a list of whole numbers with or without a sign
    - `kinds`: the kinds, by the text in small letters or the number that says them
    - `algorithms`: likewise, where numbers say them
    - `texts`: numbers may be written as texts
    """

    secret: str = "secret"  # noqa: S105  # a field's name
    name: tuple[str, ...] = ("name",)
    issuer: tuple[str, ...] = ("issuer",)
    kind: str | None = "type"
    algorithm: str | None = "algorithm"
    digits: str | None = "digits"
    period: str | None = "period"
    counter: str | None = "counter"
    form: str = "base32"
    kinds: Mapping[object, Kind] = field(default_factory=lambda: KINDS)
    algorithms: Mapping[int, str] | None = None
    texts: bool = False

    def read(self, fields: Fields) -> Account:
        """The account of an object."""
        issuer, name = fields.first(*self.issuer), fields.first(*self.name)
        fields.account = label_without(":".join(filter(None, (issuer, name))), self._written(fields))
        kind = self._kind(fields)
        secret = self._secret(fields)
        algorithm = self._algorithm(fields)
        digits, period, counter = 5 if kind == "steam" else 6, 30, 0
        if self.digits:
            digits = fields.number(self.digits, digits, 1, 10, self.texts)
        if self.period and kind != "hotp":
            period = fields.number(self.period, 30, 1, MAX_PERIOD, self.texts)
        if self.counter and kind == "hotp":
            counter = fields.number(self.counter, 0, 0, MAX_COUNTER, self.texts)
        if kind == "steam" and (period, digits, algorithm) != (30, 5, "SHA1"):
            raise fields.wrong(UnsupportedError, "Steam's codes have 5 letters, 30 seconds and SHA1", self.kind or "")
        return Account(secret, name, issuer or None, kind, algorithm, digits, period, counter)

    def _written(self, fields: Fields) -> object:
        try:
            return fields.get(self.secret)
        except TransferError:
            return None

    def _kind(self, fields: Fields) -> Kind:
        if self.kind is None:
            return "totp"
        said = fields.get(self.kind)
        if said is not None and not isinstance(said, (str, int)):
            raise fields.wrong(MalformedError, "not a kind of code", self.kind)
        kind = self.kinds.get(said.lower() if isinstance(said, str) else "" if said is None else said)
        if kind is None:
            known = ", ".join(sorted({*self.kinds.values()}))
            raise fields.wrong(UnsupportedError, f"the kind of code is none of: {known}", self.kind)
        return kind

    def _secret(self, fields: Fields) -> bytes:
        if self.form == "base32":
            return fields.secret(self.secret)
        secret = fields.hex(self.secret) if self.form == "hex" else signed_bytes(fields, self.secret)
        if not secret:
            raise fields.wrong(MalformedError, "there is no secret", self.secret)
        return secret

    def _algorithm(self, fields: Fields) -> str:
        if self.algorithm is None:
            return "SHA1"
        if self.algorithms is None:
            return fields.algorithm(self.algorithm)
        algorithm = self.algorithms.get(fields.number(self.algorithm, 0, 0, 1 << 31))
        if algorithm is None:
            raise fields.wrong(UnsupportedError, "the algorithm is not SHA1, SHA256 or SHA512", self.algorithm)
        return algorithm


def signed_bytes(fields: Fields, name: str) -> bytes:
    """A list of numbers from -128 to 255, as Java's programs write bytes."""
    values = fields.get(name)
    if not isinstance(values, list) or not all(type(value) is int and -128 <= value <= 255 for value in values):
        raise fields.wrong(MalformedError, "not a list of bytes", name)
    return bytes(value & 255 for value in values)


def each(
    values: Any, format: str, place: str, read: Callable[[Fields], _Read | None]
) -> Iterator["_Read | TransferError"]:
    """Reads each object of a JSON list."""
    if not is_list(values):
        raise MalformedError("not a list", format, place)
    return tried(lambda item: read(Fields(item[1], format, f"{place}[{item[0]}]")), enumerate(values))


def has(*names: str) -> Callable[[Any], bool]:
    """Whether JSON is an object with all these names."""
    wanted = set(names)
    return lambda value: isinstance(value, dict) and wanted <= value.keys()


def lists(*names: str) -> Callable[[Any], bool]:
    """Whether JSON is a list whose first entry is an object with all these names."""
    wanted = set(names)

    def known(value: Any) -> bool:
        first = first_of(value)
        return isinstance(first, dict) and wanted <= first.keys()

    return known
