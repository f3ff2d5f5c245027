"""XML, read with limits as the parser walks over it: there is no tree."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from ._contents import Contents, checked
from .errors import LimitError, MalformedError, TransferError, UnsupportedError

_MAX_ELEMENTS = 2_000_000
_MAX_DEPTH = 64
_MAX_LEAVES = 2_000
_ROOT = re.compile(r"<([A-Za-z_][\w.-]{0,100})(?::([A-Za-z_][\w.-]{0,100}))?(?=[\s/>])")


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

    document: Contents = field(repr=False)
    root: str

    def records(self, format: str, name: str, skip: str = "") -> Iterator[Record]:
        """All elements of a name, in their order, also those within one another. A document that is not well-formed has
        none.

        :param skip: the name of one that is left out with all that is in it
        """
        _parse(self.document, format, _parser(self.document, format))
        return _Records(format, name, skip).read(self.document)


def xml(data: "bytes | str | Contents", format: str) -> Xml:
    document = checked(data, format)
    return Xml(document, root_of(document))


def root_of(document: Contents) -> str:
    """The name of the root element, without a prefix; empty where it does not begin soon."""
    encoding, mark = document.encoding()
    text = document.start(4000 + mark)[mark:].decode("latin-1" if encoding == "utf-8" else encoding, "ignore")
    text = re.sub(r"<!--[^>]*-->|<\?[^>]*\?>|<!DOCTYPE[^>\[]*(?:\[[^\]]*\]\s*)?>", "", text)
    found = _ROOT.search(text)
    return (found[2] or found[1]) if found else ""


def _parser(document: Contents, format: str) -> expat.XMLParserType:
    def refuse(*_: Any) -> None:
        raise UnsupportedError("a DTD is refused", format)

    parser = expat.ParserCreate("utf-8") if document.is_text else expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    return parser


def _parse(document: Contents, format: str, parser: expat.XMLParserType) -> None:
    for _ in _parsed(document, format, parser):
        pass


def _parsed(document: Contents, format: str, parser: expat.XMLParserType) -> Iterator[None]:
    """Parses one piece after the other."""
    try:
        for piece in document.pieces():
            parser.Parse(piece, False)
            yield
        parser.Parse(b"", True)
    except TransferError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: of an unknown encoding
        line = f"line {error.lineno}" if isinstance(error, expat.ExpatError) else None
        raise MalformedError("not well-formed XML", format, line) from None
    yield


class _Records:
    """Collects the records of a document, and hands out those that are complete."""

    def __init__(self, format: str, name: str, skip: str) -> None:
        self._format, self._name, self._skip = format, name, skip
        self._found: deque[Record] = deque()
        self._open: list[tuple[Record, int]] = []  # with its depth
        self._path: list[tuple[str, dict[str, str]]] = []
        self._text: list[str] = []
        self._elements = self._skipped = 0

    def read(self, document: Contents) -> Iterator[Record]:
        parser = _parser(document, self._format)
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text.append
        for _ in _parsed(document, self._format, parser):
            # Records come in the order in which they begin; the last that was found may still be open.
            while self._found and not (self._open and self._open[0][0] is self._found[0]):
                yield self._found.popleft()

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
            if self._open and len(self._found) > _MAX_LEAVES:
                raise LimitError("an entry has too many entries in it", self._format)
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
