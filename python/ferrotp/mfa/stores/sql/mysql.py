"""MariaDB and MySQL, and their way to decide: a decision is one statement where it can be: each costs a round trip.

Written for what both have: no ``RETURNING``, and an ``UPDATE`` whose assignments see those before them.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    delete,
    exists,
    literal_column,
    or_,
    outerjoin,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.mysqldb import MySQLCompiler_mysqldb
from sqlalchemy.dialects.mysql.pymysql import dialect as PyMySQLDialect
from sqlalchemy.sql import Executable

from ..base import METHODS, NEVER_BOUND, Budget, NewUser, Owner, Refusal, Reservation, charge, new_epoch
from ..pool import POOL_SIZE
from .dialect import Attempt
from .mysql_connection import MySQLConnection, MySQLServer, literal
from .records import (
    code_values,
    factor_values,
    otp_reservation,
    owner_values,
    recovery_reservation,
)
from .schema import Tables
from .servers import Server, ServerStatements, budget_values
from .statements import DONE, Statement, binary, number, statements_of, text

__all__ = ["MySQL", "MySQLServer"]


class _Compiler(MySQLCompiler_mysqldb):
    """Leaves ``RETURNING`` out. What it would give is noted; rows that are only counted need no more than that."""

    def returning_clause(self, *args: Any, **more: Any) -> str:
        super().returning_clause(*args, **more)
        return ""


class _Dialect(PyMySQLDialect):
    statement_compiler = _Compiler
    insert_returning = update_returning = delete_returning = True
    supports_statement_cache = False


class MySQLStatements(ServerStatements):
    """The statements, as MariaDB and MySQL take them."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables, _Dialect(paramstyle="pyformat"))

    def _insert(self, table: Any) -> Any:
        return mysql.insert(table)

    # Not INSERT IGNORE, which takes what does not fit, too, and cuts it.

    def _or_leave(self, fresh: Any) -> Any:
        return fresh.on_duplicate_key_update(tenant=fresh.table.c.tenant)

    def _or_change(self, fresh: Any, **changes: "ColumnElement[Any]") -> Any:
        return fresh.on_duplicate_key_update(**changes)

    def _may_write(self) -> "ColumnElement[Any]":
        return literal_column("CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF')", BigInteger())

    def _count(self, method: str, one_factor: bool, delays: int) -> Statement:
        """Counts an attempt, if the budget is as it was read and there still is something to try it on."""
        usable = exists(select(literal_column("1")).where(self._found(method, one_factor)))
        return self._made(self._counting(update(self._tables.budget).where(usable), method, one_factor))

    def _counting(self, charged: Any, method: str, one_factor: bool) -> Executable:
        changed: Executable = (
            charged.where(self._budget_key, *self._as_read())
            .values(failures=number("failures"), retry_at=number("retry_at"), spent_until=number("spent_until"))
            .returning(DONE)
        )
        return changed

    @cached_property
    def try_on(self) -> dict[tuple[str, bool], Statement]:
        """The budget of an attempt, with the factors that it is tried on, by method and by whether one is asked for; or
        with the recovery code, if there is one."""
        budget, code = self._tables.budget, self._tables.recovery_code
        fields = (budget.c.failures, budget.c.retry_at, budget.c.spent_until)
        usable = exists(select(literal_column("1")).where(self._found("recovery", False)))
        coded = select(*fields, code.c.sealed).select_from(outerjoin(budget, code, self._code_key))
        found = {
            (method, one_factor): self._made(
                select(*fields, *self._factor_fields).where(self._budget_key, self._found(method, one_factor))
            )
            for method in ("otp", "enrollment", "unlock")
            for one_factor in (False, True)
        }
        return {**found, ("recovery", False): self._made(coded.where(self._budget_key, usable))}

    @cached_property
    def settle(self) -> Statement:
        """One statement that changes both tables. The budget is named first, and so its row is locked first, as in
        every other decision."""
        budget, factor = self._tables.budget, self._tables.factor
        return self._made(
            update(budget)
            .where(
                self._budget_key,
                *self._as_read(),
                self._factor_key,
                factor.c.state == literal_column("'active'"),
                factor.c.last_step == number("was_step"),
                factor.c.sealed == binary("was_sealed"),
            )
            .values(
                {
                    budget.c.failures: number("failures"),
                    budget.c.retry_at: number("retry_at"),
                    budget.c.spent_until: number("spent_until"),
                    factor.c.last_step: number("step"),
                    factor.c.drift: number("drift"),
                    factor.c.last_used_at: number("used_at"),
                    factor.c.sealed: binary("sealed"),
                }
            )
            .returning(DONE)
        )

    def _locking(self, fresh: Any) -> Any:
        return self._or_change(fresh, failures=self._tables.budget.c.failures)

    @cached_property
    def lock(self) -> Statement:
        """The row that is changed into itself is locked; then it is read."""
        return replace(self._made(self._locking(self._fresh_budget())), then=self.budget)

    @cached_property
    def lock_for_factor(self) -> Statement:
        """The same, where a budget that is made begins with `fresh` spent."""
        return replace(self._made(self._locking(self._fresh_budget(number("fresh")))), then=self.budget)

    @cached_property
    def take_factor(self) -> Statement:
        found = select(*self._factor_fields).where(self._factor_key).with_for_update()
        return replace(self._made(found), then=self._made(delete(self._tables.factor).where(self._factor_key)))

    @cached_property
    def make_epoch(self) -> Statement:
        """The epoch is a new one, so it is found if it was made."""
        user = self._tables.user
        found = select(DONE).select_from(user).where(self._user_key, user.c.epoch == text("epoch"))
        return replace(self._made(self._or_leave(self._new_epoch())), then=self._made(found))

    @cached_property
    def answer(self) -> Statement:
        """Which decision made the row, is in it."""
        answered = self._tables.answered_challenge
        names = ("tenant", "challenge", "decision")
        mine = select(DONE).select_from(answered).where(*[answered.c[name] == text(name) for name in names])
        return replace(super().answer, then=self._made(mine))

    @cached_property
    def claim_passkey(self) -> Statement:
        """Whose it is, is in the row."""
        passkey = self._tables.passkey
        names = ("tenant", "factor_id", "user_id")
        mine = select(DONE).select_from(passkey).where(*[passkey.c[name] == text(name) for name in names])
        return replace(super().claim_passkey, then=self._made(mine))

    def _page(self, table: Any, last: str) -> Statement:
        """Written out: for a comparison of rows neither database takes its index."""
        tenant, user, third = table.c.tenant, table.c.user_id, table.c[last]
        after = or_(
            tenant > text("tenant"),
            and_(tenant == text("tenant"), user > text("user_id")),
            and_(tenant == text("tenant"), user == text("user_id"), third > text(last)),
        )
        rows = select(*table.c).where(tenant >= text("tenant"), after).order_by(tenant, user, third)
        return self._made(rows.limit(number("limit")))

    def _reseal(self, table: Any, last: str) -> Statement:
        names = ("tenant", "user_id", last, "was", "sealed")
        # `MySQL.reseal` says it for many at once: this one says which table it is about.
        change = {name: binary(name) if name in ("was", "sealed") else text(name) for name in names}
        return self._made(
            update(table)
            .where(
                table.c.tenant == change["tenant"],
                table.c.user_id == change["user_id"],
                table.c[last] == change[last],
                table.c.sealed == change["was"],
            )
            .values(sealed=change["sealed"])
            .returning(DONE)
        )


class MySQL(Server[MySQLConnection, MySQLStatements]):
    """MariaDB, or MySQL."""

    name = "mysql"
    connections = POOL_SIZE

    def __init__(self, server: MySQLServer, tables: Tables) -> None:
        self.statements = statements_of(MySQLStatements, tables)
        self._tables = tables
        self._server = server

    def connect(self, deadline: float) -> MySQLConnection:
        return self._server.connect(deadline)

    def prepare(self, connection: MySQLConnection) -> None:
        """Nothing but the tables."""

    def faults(self, connection: MySQLConnection, names: Sequence[str]) -> list[str]:
        return connection.faults(names)

    def _reserve(self, connection: MySQLConnection, attempt: Attempt) -> Reservation | Refusal:
        """Read without a lock, and counted if all is as it was read; else once more."""
        method, limits, owner, values = attempt.method, attempt.limits, attempt.owner, attempt.values
        while True:
            rows = connection.run(self.statements.try_on[method, attempt.one_factor], values)
            if not rows:
                return Refusal("not enrolled")
            was = Budget(*rows[0][:3])
            charged, refusal = charge(was, attempt.now, limits)
            if refusal:
                if charged == was or self._correct(connection, values, was, charged):
                    return refusal
            elif connection.run(attempt.count, {**values, **budget_values(was, charged)}):
                if method == "recovery":
                    return recovery_reservation(owner, limits, charged, values["selector"], rows[0][3])
                return otp_reservation(owner, method, limits, charged, [row[3:] for row in rows])

    def add_users(self, connection: MySQLConnection, users: Sequence[NewUser]) -> set[Owner]:
        """Any number of users, in a few round trips for every thousand or so.

        Who has a budget already keeps it: by a number of their own those that are made here are told from them.
        """
        tables = self._tables
        mine, nobody = secrets.randbits(62), NEVER_BOUND
        budget = tables.budget.name
        first, *others = METHODS
        came = f"ON DUPLICATE KEY UPDATE spent_until = IF(spent_until = {nobody}, {mine}, spent_until)"
        _insert(connection, tables.budget, [_budget(user, first, mine) for user in users], came)
        keys = [_key(user.owner, first) for user in users]
        place = f"(tenant, user_id, method) IN ({{}}) AND spent_until = {mine}"
        fresh = {
            Owner(tenant.decode(), user_id.decode())
            for part in _parts(connection, keys)
            for tenant, user_id in connection.ask(
                f"SELECT tenant, user_id FROM {budget} WHERE {place.format(part)}"  # noqa: S608
            )
        }
        for part in _parts(connection, keys):
            connection.script(f"UPDATE {budget} SET spent_until = 0 WHERE {place.format(part)}")  # noqa: S608
        new = [user for user in users if user.owner in fresh]
        begun = f"ON DUPLICATE KEY UPDATE spent_until = IF(spent_until = {nobody}, 0, spent_until)"
        _insert(connection, tables.budget, [_budget(user, method, 0) for user in new for method in others], begun)
        self._delete(connection, tables.factor, [user.owner for user in new])  # pending ones, if any
        epochs = [{**owner_values(user.owner), "epoch": new_epoch()} for user in new]
        _insert(connection, tables.user, epochs, "ON DUPLICATE KEY UPDATE epoch = epoch")
        _insert(connection, tables.factor, [factor_values(factor) for user in new for factor in user.factors])
        _insert(connection, tables.recovery_code, [code_values(code) for user in new for code in user.recovery_codes])
        return fresh

    def delete_users(self, connection: MySQLConnection, owners: Sequence[Owner]) -> dict[Owner, int]:
        """Who has no budget is not locked: what comes at this moment comes after."""
        tables = self._tables
        for part in _parts(connection, [_key(owner, "otp") for owner in owners]):
            connection.script(
                f"SELECT 1 FROM {tables.budget.name} WHERE (tenant, user_id, method) IN ({part})"  # noqa: S608
                " ORDER BY tenant, user_id FOR UPDATE"
            )
        gone: Counter[Owner] = Counter()
        for part in _parts(connection, [_key(owner) for owner in owners]):
            rows = connection.ask(
                f"SELECT tenant, user_id FROM {tables.factor.name} WHERE (tenant, user_id) IN ({part})"  # noqa: S608
            )
            gone.update(Owner(tenant.decode(), user_id.decode()) for tenant, user_id in rows)
        for table in (
            tables.factor,
            tables.recovery_code,
            tables.device,
            tables.user,
            tables.ended_login,
            tables.passkey,
            tables.budget,
        ):
            self._delete(connection, table, owners)
        return gone

    def _delete(self, connection: MySQLConnection, table: Any, owners: Sequence[Owner]) -> None:
        for part in _parts(connection, [_key(owner) for owner in owners]):
            connection.script(f"DELETE FROM {table.name} WHERE (tenant, user_id) IN ({part})")  # noqa: S608

    def reseal(self, connection: MySQLConnection, statement: Statement, changes: "Sequence[dict[str, Any]]") -> int:
        tables = self._tables
        is_factor = statement is self.statements.reseal_factor
        table, last = (tables.factor, "factor_id") if is_factor else (tables.recovery_code, "selector")
        fields = {"tenant": "tenant", "user_id": "user_id", last: last, "was": "was", "sealed": "fresh"}
        rows = [
            "SELECT " + ", ".join(f"{literal(change[name])} AS {field}" for name, field in fields.items())
            for change in changes
        ]
        same = " AND ".join(f"{table.name}.{name} = changed.{name}" for name in ("tenant", "user_id", last))
        return sum(
            connection.change(
                f"UPDATE ({part}) AS changed STRAIGHT_JOIN {table.name}"  # noqa: S608 - names of ours, and literals
                f" ON {same} AND {table.name}.sealed = changed.was SET {table.name}.sealed = changed.fresh"
            )
            for part in _parts(connection, rows, " UNION ALL ")
        )


def _parts(connection: MySQLConnection, texts: Sequence[str], between: str = ", ") -> Iterator[str]:
    """The texts in a row, in as many parts as a statement has room for each."""
    part: list[str] = []
    size = 0
    for said in texts:
        if part and (size + len(said) > connection.room or len(part) == _ROWS):
            yield between.join(part)
            part, size = [], 0
        part.append(said)
        size += len(said) + len(between)
    if part:
        yield between.join(part)


_ROWS = 500
"""How many rows a statement has at most: beyond that servers may leave an index alone."""


def _key(owner: Owner, *more: str) -> str:
    return f"({', '.join(literal(value) for value in (owner.tenant, owner.user_id, *more))})"


def _budget(user: NewUser, method: str, spent_until: int) -> dict[str, Any]:
    return {**owner_values(user.owner), "method": method, "failures": 0, "retry_at": 0, "spent_until": spent_until}


def _insert(connection: MySQLConnection, table: Any, rows: "Sequence[dict[str, Any]]", more: str = "") -> None:
    names = [column.name for column in table.c]
    values = [f"({', '.join(literal(row[name]) for name in names)})" for row in rows]
    for part in _parts(connection, values):
        connection.script(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {part} {more}")  # noqa: S608
