"""What the readers share: checked fields, spellings, faults from the native floor."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from .account import Account
from .errors import (
    EncryptedError,
    LimitError,
    MalformedError,
    TransferError,
    UnsupportedError,
    WrongKeyError,
)

_Thing = TypeVar("_Thing")
_Read = TypeVar("_Read")
MAX_ACCOUNTS = 100_000
OnError = Callable[[TransferError], object]


def taken(results: Iterable[Account | TransferError], format: str, on_error: OnError | None) -> Iterator[Account]:
    """The accounts. Without `on_error` the first fault ends it: nothing is left out in silence."""
    for number, result in enumerate(results):
        if number >= MAX_ACCOUNTS:
            raise LimitError(f"more than {MAX_ACCOUNTS} accounts", format)
        if isinstance(result, Account):
            yield result
        elif on_error is None:
            raise result
        else:
            result.__context__ = result.__cause__ = None
            on_error(result.with_traceback(None))


def tried(read: Callable[[_Thing], _Read | None], things: Iterable[_Thing]) -> Iterator["_Read | TransferError"]:
    """What `read` makes of each thing, or its error; None is passed over: an item without a code."""
    for thing in things:
        result: _Read | TransferError | None
        try:
            result = read(thing)
        except TransferError as error:
            result = error
        if result is not None:
            yield result


_FAULTS: dict[str, type[TransferError]] = {
    "malformed": MalformedError,
    "unsupported": UnsupportedError,
    "limit": LimitError,
    "encrypted": EncryptedError,
    "wrong key": WrongKeyError,
}


def fault(answer: tuple[str, str, str, str | None], format: str, within: str = "") -> TransferError:
    """The exception for a fault that the native floor answers."""
    kind, message, place, account = answer
    return _FAULTS[kind](message, format, ", ".join(filter(None, (within, place))) or None, account)


class Fields:
    """One JSON object of an export, whose values are checked as they are read. A name may be a path: ``otp.digits``."""

    def __init__(self, value: object, format: str, place: str, account: str | None = None) -> None:
        self.format, self.place, self.account = format, place, account
        if not isinstance(value, dict):
            raise self.wrong(MalformedError, "not an object")
        self._values: dict[str, Any] = value

    def __repr__(self) -> str:
        return f"Fields({self.format}, {self.place})"

    def wrong(self, kind: type[TransferError], reason: str, name: str = "") -> TransferError:
        return kind(reason, self.format, f"{self.place}.{name}" if name else self.place, self.account or None)

    def names(self) -> Iterable[str]:
        return self._values.keys()

    def all(self) -> dict[str, Any]:
        return self._values

    def inner(self, name: str) -> "Fields":
        return Fields(self._values.get(name), self.format, f"{self.place}.{name}", self.account)

    def get(self, path: str) -> Any:
        """The value at a path; None where there is none."""
        if "." not in path:
            return self._values.get(path)
        value: Any = self._values
        names = path.split(".")
        for depth, name in enumerate(names):
            if not isinstance(value, dict):
                raise self.wrong(MalformedError, "not an object", ".".join(names[:depth]))
            value = value.get(name)
            if value is None and depth + 1 < len(names):
                raise self.wrong(MalformedError, "not an object", ".".join(names[: depth + 1]))
        return value

    def text(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(MalformedError, "not a text", name)
        return value

    def first(self, *names: str) -> str:
        """The first of these texts that is not empty."""
        return next((text for text in map(self.text, names) if text), "")

    def number(self, name: str, default: int, least: int, most: int, texts: bool = False) -> int:
        """:param texts: numbers may be written as texts, "30" """
        value = self.get(name)
        if value is None:
            return default
        if texts and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(MalformedError, "not a whole number", name)
        if not least <= value <= most:
            raise self.wrong(UnsupportedError, f"not between {least} and {most}", name)
        return value

    def algorithm(self, name: str) -> str:
        value = algorithm_of(self.text(name))
        if value is None:
            raise self.wrong(UnsupportedError, "the algorithm is not SHA1, SHA256 or SHA512", name)
        return value

    def secret(self, name: str) -> bytes:
        secret = base32(self.text(name))
        if not secret:
            raise self.wrong(MalformedError, "the secret is not base32", name)
        return secret

    def base64(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(MalformedError, "not base64", name) from None

    def base64_parts(self, name: str, separator: str, start: str = "") -> list[bytes]:
        """The parts of a text as large as the file, which is taken out of the object: it is not kept twice."""
        parts = self.text(name).removeprefix(start).split(separator)
        self._values[name] = None
        decoded = []
        try:
            while parts:
                decoded.append(base64.b64decode(parts.pop(0), validate=True))
        except (binascii.Error, ValueError):
            raise self.wrong(MalformedError, "not in base64", name) from None
        return decoded

    def hex(self, name: str) -> bytes:
        value = hexadecimal(self.text(name))
        if value is None:
            raise self.wrong(MalformedError, "not hexadecimal", name)
        return value


def algorithm_of(text: str) -> str | None:
    """The algorithm, however it is spelled: SHA1, sha-256, HmacSHA512, HMAC-SHA-1. SHA1 where nothing is said."""
    plain = text.strip().upper().replace("-", "").replace("_", "").removeprefix("HMAC") or "SHA1"
    return plain if plain in ("SHA1", "SHA256", "SHA512") else None


def hexadecimal(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.isascii() else None
    except ValueError:
        return None


def base32(text: str) -> bytes | None:
    """Decodes as authenticator apps do: either case, with or without padding, with spaces and hyphens between."""
    plain = text.replace(" ", "").replace("-", "").upper().rstrip("=")
    if len(plain) % 8 in (1, 3, 6):
        return None
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (binascii.Error, ValueError):
        return None
