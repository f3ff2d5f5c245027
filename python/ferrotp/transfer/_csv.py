"""CSV, read row by row, with limits."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ._contents import Contents, contents
from .errors import LimitError, MalformedError

_MAX_FIELD = 10_000
_MAX_COLUMNS = 200


@dataclass
class Csv:
    """A file of lines: the first, as small letters and digits alone, and the reader of all."""

    document: Contents = field(repr=False)
    heading: list[str] = field(repr=False)
    delimiter: str = ","

    def rows(self, format: str) -> Iterator[tuple[int, list[str]]]:
        """Each row with the number of its line. Comments and empty lines are passed over."""
        reader = csv.reader(
            self.document.text(format), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )  # fmt: skip
        try:
            for row in reader:
                if any(map(len, row)) and not row[0].startswith("#"):
                    yield reader.line_num, [field.strip() for field in row]
        except csv.Error as error:
            if "field larger" in str(error):
                raise LimitError("a field is too long", format, f"line {reader.line_num}") from None
            raise MalformedError("not CSV", format, f"line {reader.line_num}") from None


def read_csv(data: "bytes | str | Contents", format: str) -> Csv:
    document = contents(data)
    lines = (line for line in document.text(format) if line.strip() and not line.startswith("#"))
    first = next(lines, "")[: _MAX_FIELD * _MAX_COLUMNS]
    delimiter = max(",;\t", key=first.count)
    try:
        row = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        row = []
    return Csv(document, [plain_name(name) for name in row[:_MAX_COLUMNS]], delimiter)


def plain_name(name: str) -> str:
    """A column's name, as small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name[:200].lower())
