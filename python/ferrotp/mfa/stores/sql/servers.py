"""How servers decide, where each statement costs a round trip: an attempt is read without a lock, looked at here, and
kept by one statement if all is as it was read."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import CheckConstraint, ColumnElement, Table, and_, outerjoin, select

from ..again import Tries, is_made_again
from ..base import Acceptance, AuditAppend, AuditHead, Budget, Decide, Factor, Refusal, Reservation, charge, refund
from .dialect import Attempt, Dialect, SQLConnection
from .records import FACTOR_FIELDS, Values, advance_values, otp_reservation, owner_values
from .statements import Statement, Statements, counted, number

_HEAD = 5 + len(FACTOR_FIELDS)
"""Where the head begins in a row of `look_audited`."""


class ServerConnection(SQLConnection, Protocol):
    """A connection to a server."""

    def check_deadline(self) -> None:
        """Before what decides is sent: a decision that is made too late is one that nobody is told of.

        :raises StoreUnavailable: if it is too late
        """


class ServerStatements(Statements):
    """The statements of servers."""

    @cached_property
    def look(self) -> dict[bool, Statement]:
        """The budget of an attempt, whether its half-login has ended, how many recovery codes there are, and the active
        factors, by whether one is asked for: as they are now, without a lock."""
        budget = self._tables.budget
        ended = counted(self._tables.ended_login, self._ended_key).scalar_subquery()
        counts = (budget.c.failures, budget.c.retry_at, budget.c.spent_until, ended, self._code_count)
        fields = (*counts, *self._factor_fields)
        return {
            one_factor: self._made(select(*fields).where(self._budget_key, self._found("otp", one_factor)))
            for one_factor in (False, True)
        }

    @cached_property
    def look_audited(self) -> dict[bool, Statement]:
        """The same, and at the end the head of the user's rows."""
        budget, head = self._tables.budget, self._tables.audit_head
        ended = counted(self._tables.ended_login, self._ended_key).scalar_subquery()
        counts = (budget.c.failures, budget.c.retry_at, budget.c.spent_until, ended, self._code_count)
        its = and_(head.c.tenant == budget.c.tenant, head.c.user_id == budget.c.user_id)
        places = (outerjoin(budget, head, its), self._tables.factor)
        fields = (*counts, *self._factor_fields, *self._head_fields)
        return {
            one_factor: self._made(
                select(*fields).select_from(*places).where(self._budget_key, self._found("otp", one_factor))
            )
            for one_factor in (False, True)
        }

    def replace_check(self, table: Table, column: str) -> list[str]:
        checks = [found for found in table.constraints if isinstance(found, CheckConstraint)]
        (check,) = (found for found in checks if str(found.name).endswith(f"{column}_check"))
        return [
            f"ALTER TABLE {table.name} DROP CONSTRAINT {check.name}",
            # Not by SQLAlchemy's AddConstraint, which takes the check out of the table's own CREATE TABLE.
            f"ALTER TABLE {table.name} ADD CONSTRAINT {check.name} CHECK ({check.sqltext})",
        ]

    def _as_read(self) -> "list[ColumnElement[bool]]":
        """The budget is as it was read."""
        budget = self._tables.budget
        return [
            budget.c.failures == number("was_failures"),
            budget.c.retry_at == number("was_retry_at"),
            budget.c.spent_until == number("was_spent_until"),
        ]

    @property
    @abstractmethod
    def settle(self) -> Statement:
        """Keeps what an attempt came to, if the budget and one factor are as they were read: all or nothing, in one
        statement. It is the same for a yes and for a no, which writes the factor as it was: with two, the loser of a
        race took longer for a yes than for a no.
        """


ConnectionT = TypeVar("ConnectionT", bound=ServerConnection)
StatementsT = TypeVar("StatementsT", bound=ServerStatements)


class Server(Dialect[ConnectionT, StatementsT]):
    """A server, with a lock for each row."""

    def reserve(self, connection: ConnectionT, attempt: Attempt) -> Reservation | Refusal:
        if attempt.audit is None:
            return self._reserve(connection, attempt)
        connection.begin()
        answer = self._reserve(connection, attempt)
        self.record(connection, attempt.audit, answer)
        connection.commit()
        return answer

    @abstractmethod
    def _reserve(self, connection: ConnectionT, attempt: Attempt) -> Reservation | Refusal:
        """`Store.reserve`, without an audit."""

    def attempt(self, connection: ConnectionT, attempt: Attempt, decide: Decide) -> Reservation | Refusal:
        """Read without a lock, decide, and keep it if all is as it was read; else once more. No lock lasts over a round
        trip, so a process that is stopped in the middle keeps nobody waiting."""
        statements, values = self.statements, attempt.values
        look = statements.look if attempt.audit is None else statements.look_audited
        tries = Tries()
        while True:
            tries.pause()
            rows = connection.run(look[attempt.one_factor], values)
            if not rows:
                refusal = Refusal("ended" if self._has_ended(connection, values) else "not enrolled")
                return self._refused(connection, attempt, refusal)
            *budget, has_ended, codes = rows[0][:5]
            if has_ended:
                return self._refused(connection, attempt, Refusal("ended"))
            was = Budget(*budget)
            charged, refusing = charge(was, attempt.now, attempt.limits)
            if refusing:
                if attempt.audit is not None:
                    connection.begin()
                if charged == was or self._correct(connection, values, was, charged):
                    return self._refused(connection, attempt, refusing, is_open=True)
                if attempt.audit is not None:
                    connection.rollback()
                continue
            head = None if attempt.audit is None else rows[0][_HEAD:]
            factors = [row[5:_HEAD] for row in rows]
            answer = otp_reservation(attempt.owner, attempt.method, attempt.limits, charged, factors, codes)
            failure: BaseException | None = None
            found = None
            try:
                found = answer.newer(decide(answer))
            except BaseException as error:
                failure = error
            kept = answer if found is None else replace(answer, accepted=found[1])
            if head is None or attempt.audit is None:
                settled = self._settle(connection, attempt, was, answer, found)
            else:
                read = AuditHead(*head) if head[0] is not None else None
                settled = self._settle_audited(connection, attempt, was, answer, found, read, attempt.audit(kept))
            if settled:
                if failure is not None:
                    raise failure
                return kept

    def _refused(
        self, connection: ConnectionT, attempt: Attempt, refusal: Refusal, *, is_open: bool = False
    ) -> Refusal:
        """A refusal, which is a row if there is an audit.

        :param is_open: whether a transaction is, then
        """
        if attempt.audit is not None:
            if not is_open:
                connection.begin()
            self.record(connection, attempt.audit, refusal)
            connection.commit()
        return refusal

    def _settle_audited(
        self,
        connection: ConnectionT,
        attempt: Attempt,
        was: Budget,
        answer: Reservation,
        found: tuple[Factor, Acceptance] | None,
        read: AuditHead | None,
        appends: "Sequence[AuditAppend]",
    ) -> bool:
        """As `_settle`, with the rows of it.

        :param read: the head that the user's rows have
        """
        connection.begin()
        if self._settle(connection, attempt, was, answer, found):
            self.append(connection, appends)
            connection.commit()
            return True
        connection.rollback()
        return False

    def append(self, connection: ConnectionT, appends: "Sequence[AuditAppend]") -> None:
        """Who lost already, for another process wrote rows of the user at that moment, takes turns with the others."""
        if is_made_again():
            for append in appends:
                connection.run(self.statements.hold_audit_head, owner_values(append.owner))
        super().append(connection, appends)

    def _settle(
        self,
        connection: ConnectionT,
        attempt: Attempt,
        was: Budget,
        answer: Reservation,
        found: tuple[Factor, Acceptance] | None,
    ) -> bool:
        """Whether all was as it was read, and so what the attempt came to is kept."""
        values = self._settled(attempt, was, answer, found)
        connection.check_deadline()
        return bool(connection.run(self.statements.settle, values))

    def _settled(
        self, attempt: Attempt, was: Budget, answer: Reservation, found: tuple[Factor, Acceptance] | None
    ) -> dict[str, Any]:
        """What `settle` takes."""
        if found is None:
            factor, after = answer.factors[0], answer.budget
            change = advance_values(factor, Acceptance("", factor.last_step, factor.drift), factor.last_used_at)
        else:
            change, after = advance_values(*found, attempt.now), refund(answer.budget, attempt.limits)
        return {**change, **budget_values(was, after), "method": attempt.method}

    def use_device(
        self, connection: ConnectionT, values: Values, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        statements = self.statements
        if connection.run(statements.renew_device, values):
            return "renewed"
        # A token that is not the one to come never will be: the next ones are random.
        verdict = self._judge_device(connection, values, grace)
        if verdict == "stolen":
            connection.begin()
            connection.run(statements.lock, {**values, "method": "otp"})
            verdict = self._judge_device(connection, values, grace)
            if verdict == "stolen":
                connection.run(statements.drop_devices, values)
            connection.commit()
        return verdict


def budget_values(was: Budget, after: Budget) -> dict[str, int]:
    """A budget as it was read, and what is to be in its place."""
    return {
        "was_failures": was.failures,
        "was_retry_at": was.retry_at,
        "was_spent_until": was.spent_until,
        "failures": after.failures,
        "retry_at": after.retry_at,
        "spent_until": after.spent_until,
    }
