"""JSON of any size, with a piece of it in memory: what is small is parsed at once, and a list that is longer than that
is left where it is, and read entry by entry.

The first pass goes over all of it: a document that is broken or cut off anywhere gives no entry at all.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ._contents import PIECE, Contents, contents
from .errors import LimitError, MalformedError

_MAX_DEPTH = 32  # of what is larger than a piece
_SPACE = re.compile(r"[ \t\n\r]*")
_VALUES = frozenset('"{[-0123456789tfnNI')
_piece = PIECE


class LongList:
    """A list that was left in its document. It is read anew for each pass over it.

    - `first`: its first entry
    """

    def __init__(self, document: Contents, format: str, start: int, first: Any, length: int) -> None:
        self.first = first
        self._document, self._format, self._start, self._length = document, format, start, length

    def __repr__(self) -> str:
        return f"LongList({self._length})"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        scanner = _Scanner(self._document, self._format, self._start)
        for number in range(self._length):
            if number:
                scanner.take(",")
            yield scanner.value()


def is_list(value: object) -> bool:
    return isinstance(value, (list, LongList))


def first_of(value: object) -> Any:
    """The first entry of a list; None if it is empty, or no list."""
    if isinstance(value, LongList):
        return value.first
    return value[0] if isinstance(value, list) and value else None


def read_json(data: "bytes | str | Contents", format: str) -> Any:
    """JSON in which no name stands twice, and no number is out of proportion. A list may be a `LongList`."""
    scanner = _Scanner(contents(data), format)
    value = scanner.value()
    scanner.end()
    return value


def _decoder(format: str) -> Callable[[str, int], tuple[Any, int]]:
    def whole(digits: str) -> int:
        if len(digits) > 20:
            raise MalformedError("a number is out of range", format)
        return int(digits)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise _twice(format)
        return values

    return json.JSONDecoder(parse_int=whole, object_pairs_hook=once).raw_decode


def _twice(format: str) -> MalformedError:
    # Two readers could take different ones.
    return MalformedError("a name stands twice in an object", format)


class _Scanner:
    """A place in a document, from which one value after the other is read."""

    def __init__(self, document: Contents, format: str, start: int = 0) -> None:
        self._document, self._format = document, format
        self._decode = _decoder(format)
        self._encoding, _ = document.encoding()
        self._stream = document.text(format, start=start)
        self._buffer, self._at = "", 0
        self._start = start  # of the buffer, in bytes
        self._lines = 1  # before the buffer, and the one in which it begins
        self._is_end = False

    def value(self, depth: int = 0) -> Any:
        mark = self._next()
        if len(self._buffer) - self._at < _piece:
            self._more()
        while True:
            line = 0
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                line = error.lineno
            except RecursionError:
                raise LimitError("nested too deep", self._format) from None
            else:
                if end == len(self._buffer) and self._more():  # it may have been half a number
                    continue
                self._at = min(end, len(self._buffer))
                return value
            if self._is_end or mark not in _VALUES:
                self._malformed(line)
            if mark in "{[":
                return self._walked(mark, depth)
            self._more()

    def end(self) -> None:
        if self._next():
            self._malformed()

    def take(self, *marks: str) -> str:
        """The next character, which is one of these."""
        mark = self._next()
        if mark not in marks:
            self._malformed()
        self._at += 1
        return mark

    def _walked(self, mark: str, depth: int) -> Any:
        """A list or an object that is larger than what is in memory."""
        if depth >= _MAX_DEPTH:
            raise LimitError("nested too deep", self._format)
        self.take(mark)
        return self._list(depth + 1) if mark == "[" else self._object(depth + 1)

    def _list(self, depth: int) -> Any:
        start = self._start + self._length(self._buffer[: self._at])
        first, length = None, 0
        if self._next() == "]":
            self._at += 1
            return []
        while True:
            value = self.value(depth)
            first = value if length == 0 else first
            length += 1
            if self.take(",", "]") == "]":
                return LongList(self._document, self._format, start, first, length)

    def _object(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self._next() == "}":
            self._at += 1
            return values
        while True:
            if self._next() != '"':
                self._malformed()
            name = self.value(depth)
            self.take(":")
            if name in values:
                raise _twice(self._format)
            values[name] = self.value(depth)
            if self.take(",", "}") == "}":
                return values

    def _next(self) -> str:
        """The next character that is no white space; it is not taken. Empty at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Forgets what is read, and reads as much again as is left: a long text takes few rounds."""
        if self._is_end:
            return False
        rest = self._buffer[self._at :]
        if self._at:
            self._lines += self._buffer.count("\n", 0, self._at)
            self._start += self._length(self._buffer[: self._at])
        wanted = max(_piece, len(rest))
        self._buffer = ""
        piece = self._stream.read(wanted)
        self._is_end = len(piece) < wanted
        self._buffer, self._at = rest + piece, 0
        return bool(piece)

    def _length(self, text: str) -> int:
        """In bytes."""
        return len(text) if text.isascii() and self._encoding == "utf-8" else len(text.encode(self._encoding))

    def _malformed(self, line: int = 0) -> NoReturn:
        if not line:
            line = self._buffer.count("\n", 0, self._at) + 1
        raise MalformedError("not JSON", self._format, f"line {self._lines + line - 1}")
