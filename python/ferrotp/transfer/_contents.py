"""What is read: bytes, a text, or a file, of a bounded size; in pieces, and as often as a reader wants."""

import codecs
import io
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO

from .errors import LimitError, MalformedError

MAX_BYTES = 16 << 20
PIECE = 1 << 14  # what is in memory of a file at a time
_UTF8_MARK, _UTF16_MARKS = codecs.BOM_UTF8, {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Contents:
    """The contents of one file. A file that lies on a disk stays there, and is read anew for each pass.

    - `is_text`: they came as a text: no binary format, and what a document says of its encoding does not count
    - `size`: in bytes
    """

    def __init__(self, source: "bytes | str | BinaryIO") -> None:
        self.is_text = isinstance(source, str)
        self._file: BinaryIO | None = None
        self._data = b""
        if isinstance(source, str):
            # A lone surrogate is no UTF-8 when it is read back, and then an error of ours.
            self._data = source.encode("utf-8", "surrogatepass")
        elif isinstance(source, bytes):
            self._data = source
        elif _is_regular(source):
            self._file = source
        else:  # a pipe: it can be read once
            self._data = source.read(MAX_BYTES + 1)
        self.size = os.fstat(self._file.fileno()).st_size if self._file else len(self._data)
        self._is_checked = False
        self._encoding: tuple[str, int] | None = None

    def __repr__(self) -> str:
        return f"Contents({self.size} bytes)"

    def __enter__(self) -> "Contents":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def check(self, format: str) -> None:
        """:raises LimitError: if they are too large"""
        if self.size > MAX_BYTES:
            raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", format)

    def start(self, length: int) -> bytes:
        """The first bytes."""
        return self.open().read(length)

    def whole(self, format: str) -> bytes:
        """All bytes, for what cannot be read in pieces."""
        self.check(format)
        return self.open().read()

    def open(self) -> BinaryIO:
        """The bytes from their beginning, to be read in pieces and in any order."""
        if self._file is None:
            return io.BytesIO(self._data)
        return io.BufferedReader(_Window(self._file, self.size), PIECE)

    def text(self, format: str, newline: str | None = "", start: int = 0) -> io.TextIOWrapper:
        """Their text: UTF-8, or UTF-16 where its mark says so.

        :param newline: as `open` takes it
        :param start: bytes to skip, which are whole letters, after the mark
        :raises MalformedError: if any of it is not in its encoding; that is looked up before the first letter is read
        """
        self.check(format)
        encoding, mark = self.encoding()
        if not self._is_checked:
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                for piece in self.pieces():
                    decoder.decode(piece)
                decoder.decode(b"", True)
            except UnicodeDecodeError:
                raise MalformedError("the text is not UTF-8", format) from None
            self._is_checked = True
        file = self.open()
        file.seek(mark + start)
        return io.TextIOWrapper(file, encoding, newline=newline)

    def encoding(self) -> tuple[str, int]:
        """The encoding, and the length of its mark."""
        if self._encoding is None:
            start = self.start(3)
            if not self.is_text and start[:2] in _UTF16_MARKS:
                self._encoding = _UTF16_MARKS[start[:2]], 2
            else:
                self._encoding = "utf-8", 3 if start == _UTF8_MARK else 0
        return self._encoding

    def lines(self, format: str) -> Iterator[str]:
        """The lines of their text, without their ends."""
        for line in self.text(format, newline=None):
            yield line.removesuffix("\n")

    def pieces(self) -> Iterator[bytes]:
        file = self.open()
        while piece := file.read(PIECE):
            yield piece


def contents(source: "bytes | str | Contents") -> Contents:
    return source if isinstance(source, Contents) else Contents(source)


def checked(source: "bytes | str | Contents", format: str) -> Contents:
    """:raises LimitError: if they are too large"""
    document = contents(source)
    document.check(format)
    return document


def opened(path: "str | os.PathLike[str]") -> Contents:
    """:raises OSError: if there is no such file"""
    return Contents(open(path, "rb"))  # Contents.close closes it


def _is_regular(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, io.UnsupportedOperation):
        return False


class _Window(io.RawIOBase):
    """A place of its own in a file that others read, too; not beyond the size that the file had."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._at = file, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._at)
        part = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
