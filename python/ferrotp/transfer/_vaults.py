"""The CSV files of password managers: which column holds the second factor, and which are labels."""

from collections.abc import Iterator
from dataclasses import dataclass

from ._csv import Csv
from ._frame import Options
from .account import Account
from .errors import MalformedError, TransferError
from .uris import value_account


@dataclass(frozen=True)
class VaultCsv:
    """A dialect. Columns are named in small letters and digits alone.

    - `secret`: the column of the second factor: a URI or a secret in base32; where it is empty, the row has none
    - `issuer`, `name`: the columns that are labels; the first that is not empty
    - `private`: columns whose text is shown nowhere
    - `marks`: columns that must be there too
    """

    format: str
    secret: str
    issuer: tuple[str, ...]
    name: tuple[str, ...]
    private: tuple[str, ...]
    marks: tuple[str, ...] = ()

    def known(self, file: Csv) -> bool:
        return {self.secret, *self.marks} <= set(file.heading)

    def read(self, file: Csv, options: Options) -> Iterator["Account | TransferError"]:
        at = {column: place for place, column in reversed([*enumerate(file.heading)])}
        if file.heading.count(self.secret) > 1:
            raise MalformedError("two columns for the second factor", self.format, "line 1")
        rows = file.rows(self.format)
        next(rows, None)
        for line, row in rows:

            def value(column: str, row: list[str] = row) -> str:
                place = at.get(column)
                return row[place] if place is not None and place < len(row) else ""

            text = value(self.secret)
            if not text:
                if len(row) <= at[self.secret]:
                    yield MalformedError("the line is cut off", self.format, f"line {line}")
                continue
            issuer = next(filter(None, map(value, self.issuer)), "")
            name = next(filter(None, map(value, self.name)), "")
            # In a row of another length than the heading's, a password may stand in the place of a label.
            private = tuple(map(value, self.private)) if len(row) == len(file.heading) else (issuer, name)
            place = f"line {line}, column {at[self.secret] + 1}"
            try:
                yield value_account(text, self.format, place, options, issuer, name, private)
            except TransferError as error:
                yield error
