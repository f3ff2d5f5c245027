"""What a format finds of one user, and what it has to say of the rest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ..foreign_users import ImportedFactor, ImportedPasskey
from .database import Accounts, Database, Query, Row

__all__ = ["Format", "Moment", "Note", "Row", "SourceUser", "factor_id"]

Outcome = Literal["skipped", "flagged", "error"]
"""Left where it is; or taken over, and somebody should look at it; or of nobody here, though it should be."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of one user. Never a secret, nor any other text of the source but the user's id."""

    user_id: str
    what: str
    """Which row: the kind of its table, and its number."""
    outcome: Outcome
    reason: str
    """One of a fixed set."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is, and how far an accepted code may be from it: what tells a last used step from nonsense."""

    seconds: float
    window: int

    def step(self, period: int) -> int:
        """The current time step."""
        return int(self.seconds) // period


@dataclass(slots=True)
class SourceUser:
    """What a format finds of one user of the source."""

    user_id: str
    factors: list[ImportedFactor | ImportedPasskey] = field(default_factory=list)
    recovery_codes: list[str] = field(default_factory=list, repr=False)
    notes: list[Note] = field(default_factory=list)
    is_held_back: bool = False
    """Whether nothing of the user comes: of those who are there already, no later run brings the rest."""

    def skip(self, what: str, reason: str) -> None:
        """Says of a row why it is left."""
        self.notes.append(Note(self.user_id, what, "skipped", reason))

    def hold_back(self, what: str, reason: str) -> None:
        """Says of a factor that it does not open with the keys that were given, as it may with others."""
        self.skip(what, reason)
        self.is_held_back = True

    def flag(self, what: str, reason: str) -> None:
        """Says of a row that it needs a look."""
        self.notes.append(Note(self.user_id, what, "flagged", reason))


class Format(Protocol):
    """How one package keeps its users' second factors."""

    @property
    def name(self) -> str:
        """As `ferrotp mfa import --from` has it."""

    @property
    def needs_proof(self) -> bool:
        """Whether a wrong key would go unnoticed, so that a code of some user has to show that it is right."""

    @property
    def accounts(self) -> Accounts | None:
        """The table of users, if it is another one."""

    def queries(self, database: Database) -> dict[str, Query]:
        """What is to be read. Each gives an `owner`, and the `account`: None if the owner is gone."""

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""


@runtime_checkable
class FormatForMany(Format, Protocol):
    """A format that reads several users in less time than one after the other."""

    def prepared(self, users: Sequence[dict[str, list[Row]]]) -> Format:
        """The format that `read` is asked of, for these users' rows."""


def factor_id(*names: Any) -> str:
    """An id that is the same whenever this row is read."""
    return hashlib.sha256("\0".join(map(str, names)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
