"""SQLite's way: each decision is a few short statements under the one lock that the file has."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import Executable

from ..base import METHODS, Budget, NewUser, Owner, Refusal, Reservation
from .dialect import Attempt, Dialect
from .records import Values, code_values, factor_values, otp_reservation, owner_values, recovery_reservation
from .schema import Tables
from .sqlite import SQLiteConnection, SQLiteFile
from .statements import DONE, Statement, Statements, binary, text


class SQLiteStatements(Statements):
    """The statements, as SQLite takes them."""

    insert = staticmethod(sqlite.insert)

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables, sqlite.dialect(paramstyle="named"))

    def _counting(self, charged: Any, method: str, one_factor: bool) -> Executable:
        return charged  # type: ignore[no-any-return] # what it is tried on is read under the same lock

    @cached_property
    def code(self) -> Statement:
        """The recovery code of a selector."""
        return self._made(select(self._tables.recovery_code.c.sealed).where(self._code_key))

    @cached_property
    def advance(self) -> Statement:
        """Moves a factor on to a newer step."""
        return self._made(self._advance())

    @cached_property
    def new_budget(self) -> Statement:
        """A budget of a user who has none."""
        return self._made(self._fresh_budget().on_conflict_do_nothing().returning(DONE))

    def _reseal(self, table: Any, last: str) -> Statement:
        return self._made(
            update(table)
            .where(
                table.c.tenant == text("tenant"),
                table.c.user_id == text("user_id"),
                table.c[last] == text(last),
                table.c.sealed == binary("was"),
            )
            .values(sealed=binary("sealed"))
            .returning(DONE)
        )


class SQLite(Dialect[SQLiteConnection, SQLiteStatements]):
    """A file, with one writer at a time."""

    name = "sqlite"
    # Threads that queue for one connection ask the file less often.
    connections = 1

    def __init__(self, file: SQLiteFile, tables: Tables) -> None:
        self.statements = SQLiteStatements(tables)
        self._file = file

    @property
    def place(self) -> str:
        return f"{self.name} {self._file.path}"

    def connect(self, deadline: float) -> SQLiteConnection:
        return self._file.connect(deadline)

    def prepare(self, connection: SQLiteConnection) -> None:
        self._file.set_journal(connection)

    def warn_of_new_store(self) -> None:
        if self._file.is_relative:
            warnings.warn(
                f"the new store {self._file.path} was named by a relative path: started from another directory, this"
                " application would find no second factors and let everybody in by password. Name it by its whole path"
                " (sqlite:////var/lib/…)",
                RuntimeWarning,
                stacklevel=2,
            )

    def add_users(self, connection: SQLiteConnection, users: Sequence[NewUser]) -> set[Owner]:
        return {user.owner for user in users if self._add_user(connection, user)}

    def _add_user(self, connection: SQLiteConnection, user: NewUser) -> bool:
        statements = self.statements
        first, *others = [{**owner_values(user.owner), "method": method} for method in METHODS]
        if not connection.run(statements.new_budget, first):
            return False
        for budget in others:
            connection.run(statements.new_budget, budget)
        for factor in user.factors:
            connection.run(statements.add_factor, factor_values(factor))
        for code in user.recovery_codes:
            connection.run(statements.add_code, code_values(code))
        return True

    def reserve(self, connection: SQLiteConnection, attempt: Attempt) -> Reservation | Refusal:
        statements, values, method = self.statements, attempt.values, attempt.method
        # A refusal needs no lock, so guesses that are throttled hold nobody up.
        early = connection.begin_unless(lambda: self._refuse(connection, attempt, reading=True))
        if early is not None:
            return early
        rows = connection.run(attempt.count, values)
        if not rows:
            refusal = self._refuse(connection, attempt)
            if refusal is None:  # it cannot be, under one lock
                raise AssertionError("the statement refused an attempt that charge() allows")
            connection.commit()
            return refusal
        budget = Budget(*rows[0])
        if method == "recovery":
            found = connection.run(statements.code, values)
            sealed = found[0][0] if found else None
            reservation = recovery_reservation(attempt.owner, attempt.limits, budget, values["selector"], sealed)
        else:
            factors = connection.run(statements.found[method, attempt.one_factor], values)
            reservation = otp_reservation(attempt.owner, method, attempt.limits, budget, factors)
        connection.commit()
        return reservation

    def accept(self, connection: SQLiteConnection, values: Values) -> bool:
        connection.begin()
        if not connection.run(self.statements.advance, values):
            connection.rollback()
            return False
        connection.run(self.statements.refund, values)
        connection.commit()
        return True

    def use_device(
        self, connection: SQLiteConnection, values: Values, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        connection.begin()
        if connection.run(self.statements.renew_device, values):
            connection.commit()
            return "renewed"
        verdict = self._judge_device(connection, values, grace)
        if verdict == "stolen":
            connection.run(self.statements.drop_devices, values)
            connection.commit()
        else:
            connection.rollback()
        return verdict

    def reseal(self, connection: SQLiteConnection, statement: Statement, changes: "Sequence[dict[str, Any]]") -> int:
        return sum(len(connection.run(statement, change)) for change in changes)
