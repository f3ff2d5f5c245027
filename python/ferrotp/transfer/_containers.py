"""What formats are written in: XML, CSV and ZIP, each read with limits, and in one pass."""

import csv
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from ._common import MAX_BYTES, text_of
from .errors import EncryptedError, LimitError, MalformedError, UnsupportedError

_MAX_FIELD = 10_000
_MAX_COLUMNS = 200
_MAX_ELEMENTS = 2_000_000
_MAX_DEPTH = 64
_MAX_LEAVES = 2_000
_MAX_MEMBERS = 10_000
_ROOT = re.compile(r"<([A-Za-z_][\w.-]{0,100})(?::([A-Za-z_][\w.-]{0,100}))?(?=[\s/>])")


# XML


@dataclass
class Record:
    """One element that stands for an entry: its attributes, and the texts below it with their paths."""

    attributes: dict[str, str]
    leaves: list[tuple[str, str, dict[str, str]]] = field(default_factory=list, repr=False)

    def texts(self, path: str) -> list[str]:
        return [text for at, text, _ in self.leaves if at == path]


@dataclass(frozen=True)
class Xml:
    """A document, of which only the root's name has been read."""

    data: "bytes | str" = field(repr=False)
    root: str

    def records(self, format: str, name: str, skip: str = "") -> list[Record]:
        """All elements of a name, in their order, also those within one another; `skip` names one that is left out with
        all that is in it."""
        return _Records(format, name, skip).read(self.data)


def xml(data: "bytes | str", format: str) -> Xml:
    if len(data) > MAX_BYTES:
        raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", format)
    return Xml(data, root_of(data))


def root_of(data: "bytes | str") -> str:
    """The name of the root element, without a prefix; empty where it does not begin soon."""
    start = data[:4000]
    text = (
        start
        if isinstance(start, str)
        else start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "ignore")
    )
    text = re.sub(r"<!--[^>]*-->|<\?[^>]*\?>|<!DOCTYPE[^>\[]*(?:\[[^\]]*\]\s*)?>", "", text)
    found = _ROOT.search(text)
    return (found[2] or found[1]) if found else ""


class _Records:
    """Collects the records of a document as the parser walks over it: there is no tree."""

    def __init__(self, format: str, name: str, skip: str) -> None:
        self._format, self._name, self._skip = format, name, skip
        self._found: list[Record] = []
        self._open: list[tuple[Record, int]] = []  # with its depth
        self._path: list[tuple[str, dict[str, str]]] = []
        self._text: list[str] = []
        self._elements = self._skipped = 0

    def read(self, data: "bytes | str") -> list[Record]:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: of an unknown encoding
            if isinstance(error, (MalformedError, UnsupportedError, LimitError)):
                raise
            line = f"line {error.lineno}" if isinstance(error, expat.ExpatError) else None
            raise MalformedError("not well-formed XML", self._format, line) from None
        return self._found

    def _doctype(self, *_: Any) -> None:
        raise UnsupportedError("a DTD is refused", self._format)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise LimitError("the document has too many elements", self._format)
        if len(self._path) >= _MAX_DEPTH:
            raise LimitError("nested too deep", self._format)
        self._path.append((name, attributes))
        self._text.clear()
        if name == self._skip:
            self._skipped += 1
        elif name == self._name and not self._skipped:
            record = Record(attributes)
            self._found.append(record)
            self._open.append((record, len(self._path)))

    def _end(self, name: str) -> None:
        depth = len(self._path)
        name, attributes = self._path.pop()
        if name == self._skip:
            self._skipped -= 1
        elif self._open and not self._skipped:
            record, at = self._open[-1]
            text = "".join(self._text)
            if text and (attributes or not text.isspace()):
                if len(record.leaves) >= _MAX_LEAVES:
                    raise LimitError("an entry has too many fields", self._format)
                names = [part for part, _ in self._path[at:]]
                if depth > at:
                    names.append(name)
                record.leaves.append(("/".join(names), text, attributes))
            if depth == at:
                self._open.pop()
        self._text.clear()


# CSV


@dataclass
class Csv:
    """A file of lines: the first, as small letters and digits alone, and the reader of all."""

    text: str = field(repr=False)
    heading: list[str] = field(repr=False)
    delimiter: str = ","

    def rows(self, format: str) -> Iterator[tuple[int, list[str]]]:
        """Each row with the number of its line. Comments and empty lines are passed over."""
        reader = csv.reader(
            io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )
        try:
            for row in reader:
                if any(map(len, row)) and not row[0].startswith("#"):
                    yield reader.line_num, [field.strip() for field in row]
        except csv.Error as error:
            if "field larger" in str(error):
                raise LimitError("a field is too long", format, f"line {reader.line_num}") from None
            raise MalformedError("not CSV", format, f"line {reader.line_num}") from None


def read_csv(data: "bytes | str", format: str) -> Csv:
    text = text_of(data, format)
    lines = itertools.islice((line for line in io.StringIO(text) if line.strip() and not line.startswith("#")), 1)
    first = next(lines, "")[: _MAX_FIELD * _MAX_COLUMNS]
    delimiter = max(",;\t", key=first.count)
    try:
        row = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        row = []
    return Csv(text, [plain_name(name) for name in row[:_MAX_COLUMNS]], delimiter)


def plain_name(name: str) -> str:
    """A column's name, as small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name[:200].lower())


# ZIP


@dataclass(frozen=True)
class Zip:
    """An archive, of which nothing has been unpacked."""

    archive: zipfile.ZipFile = field(repr=False)
    names: list[str] = field(repr=False)

    def member(self, name: str, format: str) -> bytes:
        """The contents of one file. What it says of its size is not believed."""
        try:
            info = self.archive.getinfo(name)
            if info.flag_bits & 1:
                raise EncryptedError(
                    "the ZIP archive is encrypted: unpack it first, and give the file that is in it", format
                )
            with self.archive.open(info) as file:
                data = file.read(MAX_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, KeyError, ValueError) as error:
            if isinstance(error, EncryptedError):
                raise
            raise MalformedError("the ZIP archive is damaged", format) from None
        if len(data) > MAX_BYTES:
            raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", format)
        return data


def read_zip(data: "bytes | str", format: str) -> Zip:
    if isinstance(data, str):
        raise MalformedError("not a ZIP archive", format)
    if len(data) > MAX_BYTES:
        raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", format)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        raise MalformedError("the ZIP archive is damaged", format) from None
    if len(names) > _MAX_MEMBERS:
        raise LimitError("the ZIP archive has too many files", format)
    return Zip(archive, names)
