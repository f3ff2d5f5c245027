"""What the two databases make differently: how a connection is made, and the decisions whose statements differ."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from ..base import Budget, Decide, Limits, Method, NewUser, Owner, Refusal, Reservation, charge, is_just_renewed
from ..pool import Connection
from .records import Rows, Values
from .statements import Statement, StatementsT


class SQLConnection(Connection, Protocol):
    """A connection to the database."""

    def begin(self, *, reading: bool = False) -> None:
        """Opens a transaction: one that writes, or one that reads all at one moment."""

    def commit(self) -> None:
        """Makes it durable."""

    def rollback(self) -> None:
        """Undoes it."""

    def run(self, statement: Statement, values: Values) -> Rows:
        """Runs a statement: one round trip. Outside of a transaction it is one of its own."""

    def is_writable(self) -> bool:
        """Whether the place can be written, as far as that is known without the database."""

    def tables(self, names: Sequence[str]) -> set[str]:
        """Which of these tables there are."""

    def lock_schema(self) -> None:
        """Makes other processes wait that would change the tables, until the transaction ends."""

    def script(self, text: str) -> None:
        """Runs a statement that changes the tables."""


ConnectionT = TypeVar("ConnectionT", bound=SQLConnection)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is asked for."""

    owner: Owner
    method: Method
    one_factor: bool
    """Whether one factor is asked for, and not all of the user."""
    now: int
    limits: Limits
    count: Statement
    """Counts it, if it is open."""
    values: Values
    """The same for the statements."""


class Dialect(ABC, Generic[ConnectionT, StatementsT]):
    """A database, how to connect to it, and what is said to it in words of its own."""

    name: ClassVar[str]
    connections: ClassVar[int]
    """How many connections a process holds at most."""
    statements: StatementsT

    @property
    def place(self) -> str:
        """Where it is, as far as that holds no password: for messages."""
        return self.name

    def make_place(self) -> None:
        """Makes what has to be there before anybody can connect."""

    @abstractmethod
    def connect(self, deadline: float) -> ConnectionT:
        """A connection for the store alone."""

    @abstractmethod
    def prepare(self, connection: ConnectionT) -> None:
        """Sets what is set once for a database, before there are tables."""

    @abstractmethod
    def faults(self, connection: ConnectionT, names: Sequence[str]) -> list[str]:
        """What is wrong with the place: who may read it, whether it can be written to, and its clock."""

    def warn_of_new_store(self) -> None:
        """Called after the tables were made where none were."""

    @abstractmethod
    def add_users(self, connection: ConnectionT, users: Sequence[NewUser]) -> set[Owner]:
        """Adds those of whom nothing is kept, in a transaction that is open."""

    @abstractmethod
    def delete_users(self, connection: ConnectionT, owners: Sequence[Owner]) -> dict[Owner, int]:
        """Removes all that is kept of them, in a transaction that is open. How many factors those had who had some."""

    @abstractmethod
    def reserve(self, connection: ConnectionT, attempt: Attempt) -> Reservation | Refusal:
        """`Store.reserve`."""

    @abstractmethod
    def attempt(self, connection: ConnectionT, attempt: Attempt, decide: Decide) -> Reservation | Refusal:
        """`Store.attempt`."""

    @abstractmethod
    def use_device(
        self, connection: ConnectionT, values: Values, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        """`Store.use_device`."""

    @abstractmethod
    def reseal(self, connection: ConnectionT, statement: Statement, changes: "Sequence[dict[str, Any]]") -> int:
        """Replaces sealed records, in a transaction that is open. How many were what was read."""

    def _refuse(self, connection: ConnectionT, attempt: Attempt, *, reading: bool = False) -> Refusal | None:
        """Why an attempt is not counted; None if by now it would be, or if something is to be written for it."""
        statements, values = self.statements, attempt.values
        if self._has_ended(connection, values):
            return Refusal("ended")
        if not connection.run(statements.found[attempt.method, attempt.one_factor], values):
            return Refusal("not enrolled")
        rows = connection.run(statements.budget, values)
        if not rows:
            return Refusal("not enrolled")  # reset in between
        budget = Budget(*rows[0])
        kept, refusal = charge(budget, attempt.now, attempt.limits)
        if refusal and kept != budget:
            return refusal if not reading and self._correct(connection, values, budget, kept) else None
        return refusal

    def _has_ended(self, connection: ConnectionT, values: Values) -> bool:
        """Whether an attempt is of a half-login that was ended."""
        return values["login_id"] != "" and bool(connection.run(self.statements.ended, values))

    def _correct(self, connection: ConnectionT, values: Values, budget: Budget, kept: Budget) -> bool:
        """Brings the times of a budget back, if it is still as it was read."""
        change = {
            "failures": budget.failures,
            "was_retry_at": budget.retry_at,
            "was_spent_until": budget.spent_until,
            "retry_at": kept.retry_at,
            "spent_until": kept.spent_until,
        }
        return bool(connection.run(self.statements.correct, {**values, **change}))

    def _judge_device(
        self, connection: ConnectionT, values: Values, grace: int
    ) -> Literal["same", "unknown", "stolen"]:
        """What a token is that is not the one to come."""
        rows = connection.run(self.statements.device, values)
        if not rows:
            return "unknown"
        expires_at, to_come, before, last_used_at = rows[0]
        if expires_at <= values["now"]:
            connection.run(self.statements.drop_expired_device, values)
            return "unknown"
        is_known = before != b"" and values["token_hash"] in (to_come, before)
        return "same" if is_known and is_just_renewed(last_used_at, values["now"], grace) else "stolen"
