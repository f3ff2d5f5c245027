"""An application's own table, with pyotp's base32 in a column."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from sqlalchemy import Integer, Numeric, String

from ... import _native
from ..foreign_users import ImportedFactor
from ..time_step import time_step_of
from .database import LONGEST, Database, Query, SourceError
from .fernet import Decrypt
from .source_user import Moment, Row, SourceUser, factor_id

LastUsed = Literal["time-step", "seconds", "code", "none"]
"""What a column of the last use holds: the time step of the last code, when it was (in Unix seconds), or the code."""

_CLOSED = (
    "its secret does not open with the key that was given",
    "its secret is encrypted, and no key was given",
)
OLDEST = 1_072_915_200
"""2004, before any TOTP: a last use before it is of another kind than was said."""
CLOCK_TROUBLE = 3600
"""Seconds that a last use may be ahead of now, for servers whose clock was: a bound of sense, so no policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PyotpColumn:
    """The columns of a table. `last_used` has to be said: taken for another kind, an old code would be accepted."""

    name: ClassVar[str] = "pyotp-column"
    needs_proof: ClassVar[bool] = False
    accounts: ClassVar[None] = None
    table: str
    user_column: str
    """What becomes ferrotp's user id."""
    secret_column: str
    last_used: LastUsed
    last_used_column: str = ""
    confirmed_column: str = ""
    """Only rows in which it is true are taken over."""
    name_column: str = ""
    decrypt: Decrypt | None = field(default=None, repr=False)
    """`fernet.decryptor` of the application's keys."""
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30

    def __post_init__(self) -> None:
        if (self.last_used == "none") != (not self.last_used_column):
            raise SourceError('say which column holds the last use and what is in it, or "none" if there is none')

    def queries(self, database: Database) -> dict[str, Query]:
        """The one table."""
        keys = [column.name for column in database.table(self.table).primary_key] or [self.user_column]
        texts = {"secret": self.secret_column}
        others = {"key": keys[0]}
        if self.name_column:
            texts["label"] = self.name_column
        if self.confirmed_column:
            others["confirmed"] = self.confirmed_column
        if self.last_used_column:
            kind = database.column(self.table, self.last_used_column).type
            if not isinstance(kind, (Integer, Numeric, String)):
                raise SourceError(f"the column {self.last_used_column!r} holds neither numbers nor text")
            (texts if isinstance(kind, String) else others)["last"] = self.last_used_column
        query = database.rows(self.table, self.user_column, texts, others, None)
        return {"row": query.where(database.column(self.table, self.secret_column).is_not(None))}

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for number, row in enumerate(rows["row"], 1):
            what = f"row {number}"
            if self.confirmed_column and row["confirmed"] not in (True, 1):
                user.skip(what, "it was never confirmed")
                continue
            key = self._key(row["secret"])
            if isinstance(key, str):
                (user.hold_back if key in _CLOSED else user.skip)(what, key)
                continue
            last = self._last(row.get("last"), key, moment)
            if isinstance(last, str):
                user.skip(what, last)
                continue
            label = row.get("label")
            usable = isinstance(label, str) and len(label) < 256 and label.strip().isprintable()
            user.factors.append(
                ImportedFactor(
                    secret=key,
                    algorithm=self.algorithm,
                    digits=self.digits,
                    period=self.period,
                    last_step=last,
                    name=label.strip() if usable else "",  # type: ignore[union-attr]
                    factor_id=factor_id("pyotp", self.table, row["key"], user.user_id),
                )
            )

    def _key(self, text: Any) -> bytes | str:
        """The secret, or why there is none."""
        if isinstance(text, (bytes, memoryview)):
            text = bytes(text).decode("utf-8", "replace")
        if not isinstance(text, str) or not text.strip():
            return "it is empty"
        if len(text) > LONGEST:
            return "its secret is longer than any"
        if self.decrypt is not None:
            text = self.decrypt(text.strip())
            if text is None:
                return _CLOSED[0]
        elif text.startswith("gAAAA"):
            return _CLOSED[1]
        key = _native.decode_base32("".join(text.split()))
        return key if isinstance(key, bytes) else "its secret is not base32"

    def _last(self, value: Any, key: bytes, moment: Moment) -> int | str | None:
        """The last step, None if nobody knows, or why it is none."""
        if self.last_used == "none":
            return None
        if value is None or value == "":
            return -1
        if self.last_used == "code":
            typed = str(value).strip().zfill(self.digits)
            live = 1 + moment.window
            step = time_step_of(key, typed, moment.seconds, live, self.algorithm, self.digits, self.period)
            # If it is no code of about now, none of those of now was used.
            return moment.step(self.period) - live if step is None else step
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            return "its last use is no number"
        if number <= 0:
            return -1
        seconds = number if self.last_used == "seconds" else number * self.period
        if seconds < OLDEST:
            return "its last use is before there was TOTP: is the column of another kind?"
        if seconds > moment.seconds + CLOCK_TROUBLE:
            return "its last use is in the future: is the column of another kind?"
        # When it was says nothing of which code it was: it may have been one of the next step.
        return number if self.last_used == "time-step" else number // self.period + moment.window
