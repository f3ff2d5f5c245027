"""What the two databases make differently: how a connection is made, and the decisions whose statements differ."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from ..again import Undone
from ..base import (
    Audit,
    AuditAppend,
    AuditHead,
    AuditRow,
    Budget,
    Decide,
    Limits,
    Method,
    NewUser,
    Owner,
    Refusal,
    Reservation,
    charge,
    is_just_renewed,
)
from ..pool import Connection
from .records import Rows, Values, audit_head_values, audit_row_values, owner_values
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
    audit: Audit | None = None


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

    def record(self, connection: ConnectionT, audit: Audit | None, answer: Any) -> None:
        """Writes what the audit has to say of an answer, in the transaction that is open."""
        if audit is not None:
            self.append(connection, audit(answer))

    def append(self, connection: ConnectionT, appends: "Sequence[AuditAppend]") -> None:
        """Writes rows of the audit, in the transaction that is open.

        :raises Undone: if another process has written some of that user at this moment
        """
        for append in appends:
            read = self.audit_head(connection, append.owner)
            if not self.write_audit(connection, append.owner, read, *append.after(read)):
                raise Undone("another process wrote rows of the audit at this moment")

    def audit_head(self, connection: ConnectionT, owner: Owner, *, make: bool = True) -> AuditHead:
        """The head of a user, which is made if it is not there."""
        user = owner_values(owner)
        rows = connection.run(self.statements.audit_head, user)
        if rows:
            return AuditHead(*rows[0])
        if make:
            connection.run(self.statements.make_audit_head, {**user, "none": b""})
        return AuditHead(last=connection.run(self.statements.last_audit_row, user)[0][0])

    def write_audit(
        self, connection: ConnectionT, owner: Owner, read: AuditHead, head: AuditHead, rows: "Sequence[AuditRow]"
    ) -> bool:
        """Writes rows and their head, if that still is the one that was read."""
        if not connection.run(self.statements.move_audit_head, audit_head_values(owner, read, head)):
            return False
        for row in rows:
            connection.run(self.statements.add_audit_row, audit_row_values(row))
        return True

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

    def use_device_locked(
        self, connection: ConnectionT, values: Values, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        """The same in a transaction that is open, under the user's lock."""
        statements = self.statements
        connection.run(statements.hold, {**values, "method": "otp"})
        if connection.run(statements.renew_device, values):
            return "renewed"
        verdict = self._judge_device(connection, values, grace)
        if verdict == "stolen":
            connection.run(statements.drop_devices, values)
        return verdict

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
