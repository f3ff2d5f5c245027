"""PostgreSQL's way: a decision is one statement where it can be, since each costs a round trip."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    Text,
    cast,
    column,
    func,
    literal_column,
    outerjoin,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import Executable

from ..base import METHODS, Budget, NewUser, Owner, Refusal, Reservation
from ..pool import POOL_SIZE
from .dialect import Attempt, Dialect
from .postgresql import PostgreSQLConnection, PostgreSQLServer
from .records import (
    Rows,
    Values,
    as_json,
    code_values,
    factor_values,
    otp_reservation,
    owner_values,
    recovery_reservation,
)
from .schema import Tables
from .statements import DONE, Statement, Statements, text


class PostgreSQLStatements(Statements):
    """The statements, as PostgreSQL takes them."""

    insert = staticmethod(postgresql.insert)
    # Rows change all the time. With room on its page for the new version, PostgreSQL leaves the index alone.
    table_options = "WITH (fillfactor = 70)"

    def __init__(self, tables: Tables) -> None:
        flavour: Any = postgresql.psycopg.dialect
        super().__init__(tables, flavour(paramstyle="numeric_dollar"))

    def _counting(self, charged: Any, method: str, one_factor: bool) -> Executable:
        """It also gives the factors, or the recovery code, so that it is one round trip. They are as they were when it
        began: `accept` looks at them anew.
        """
        counted = charged.cte("counted")
        if method == "recovery":
            code = self._tables.recovery_code
            joined = outerjoin(counted, code, self._code_key)
            return select(*counted.c, code.c.sealed).select_from(joined)
        return select(*counted.c, *self._factor_fields).where(self._found(method, one_factor))

    @cached_property
    def accept(self) -> Statement:
        """Advances a factor and refunds the attempt in one statement: both or neither.

        The budget's row is locked first, as in every other decision, so that no two wait for each other. Whether the
        factor may advance is decided on the factor's row when that is reached, and only if it did is there a row to
        refund by.
        """
        budget, factor = self._tables.budget, self._tables.factor
        held = select(budget.c.tenant).where(self._budget_key).with_for_update().cte("held")
        advanced = self._advance().where(factor.c.tenant == held.c.tenant).cte("advanced")
        return self._made(self._refund().where(advanced.c.factor_id == text("factor_id")).returning(DONE))

    @cached_property
    def new_budgets(self) -> Statement:
        budget = self._tables.budget
        names = ("tenant", "user_id", "method")
        rows = self._rows(budget, names)
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        fresh = postgresql.insert(budget).from_select(
            [*names, "failures", "retry_at", "spent_until"],
            select(*(rows.c[name] for name in names), nothing, nothing, nothing),
        )
        return self._made(fresh.on_conflict_do_nothing().returning(budget.c.tenant, budget.c.user_id))

    @cached_property
    def add_factors(self) -> Statement:
        return self._made(self._insert_rows(self._tables.factor))

    @cached_property
    def add_codes(self) -> Statement:
        return self._made(self._insert_rows(self._tables.recovery_code))

    def _rows(self, table: Any, names: Sequence[str]) -> Any:
        """Any number of rows in one parameter. Bytes are in hexadecimal."""
        kinds = {name: table.c[name].type for name in names}
        return (
            func.jsonb_to_recordset(cast(text("rows"), postgresql.JSONB))
            .table_valued(
                *(column(name, Text() if isinstance(kind, LargeBinary) else kind) for name, kind in kinds.items())
            )
            .render_derived(with_types=True)
        )

    def _insert_rows(self, table: Any) -> Any:
        names = [field.name for field in table.c]
        rows = self._rows(table, names)
        values = [
            func.decode(rows.c[name], literal_column("'hex'"))
            if isinstance(table.c[name].type, LargeBinary)
            else rows.c[name]
            for name in names
        ]
        return postgresql.insert(table).from_select(names, select(*values))

    def _reseal(self, table: Any, last: str) -> Statement:
        """Any number of records in one round trip."""
        names = ("tenant", "user_id", last, "was", "sealed")
        change = (
            func.jsonb_to_recordset(cast(text("rows"), postgresql.JSONB))
            .table_valued(*(column(name, Text()) for name in names))
            .render_derived(with_types=True)
        )
        return self._made(
            update(table)
            .where(
                table.c.tenant == change.c.tenant,
                table.c.user_id == change.c.user_id,
                table.c[last] == change.c[last],
                table.c.sealed == func.decode(change.c.was, literal_column("'hex'")),
            )
            .values(sealed=func.decode(change.c.sealed, literal_column("'hex'")))
            .returning(DONE)
        )


class PostgreSQL(Dialect[PostgreSQLConnection, PostgreSQLStatements]):
    """A server, with a lock for each row."""

    name = "postgresql"
    connections = POOL_SIZE

    def __init__(self, server: PostgreSQLServer, tables: Tables) -> None:
        self.statements = PostgreSQLStatements(tables)
        self._server = server

    def connect(self, deadline: float) -> PostgreSQLConnection:
        return self._server.connect(deadline)

    def prepare(self, connection: PostgreSQLConnection) -> None:
        """Nothing but the tables."""

    def add_users(self, connection: PostgreSQLConnection, users: Sequence[NewUser]) -> set[Owner]:
        """Any number of users in four round trips."""
        statements = self.statements

        def run(statement: Statement, rows: "Sequence[dict[str, Any]]") -> Rows:
            return connection.run(statement, {"rows": as_json(rows)}) if rows else ()

        first, *others = METHODS
        found = run(statements.new_budgets, [{**owner_values(user.owner), "method": first} for user in users])
        fresh = {Owner(*row) for row in found}
        new = [user for user in users if user.owner in fresh]
        run(
            statements.new_budgets,
            [{**owner_values(user.owner), "method": method} for user in new for method in others],
        )
        run(statements.add_factors, [factor_values(factor) for user in new for factor in user.factors])
        run(statements.add_codes, [code_values(code) for user in new for code in user.recovery_codes])
        return fresh

    def reserve(self, connection: PostgreSQLConnection, attempt: Attempt) -> Reservation | Refusal:
        method, limits, owner = attempt.method, attempt.limits, attempt.owner
        while True:
            rows = connection.run(attempt.count, attempt.values)
            if rows:
                budget = Budget(*rows[0][:3])
                if method == "recovery":
                    return recovery_reservation(owner, limits, budget, attempt.values["selector"], rows[0][3])
                return otp_reservation(owner, method, limits, budget, [row[3:] for row in rows])
            refusal = self._refuse(connection, attempt)
            if refusal:
                return refusal
            # In between, another attempt was refunded, or a factor came.

    def accept(self, connection: PostgreSQLConnection, values: Values) -> bool:
        return bool(connection.run(self.statements.accept, values))

    def use_device(
        self, connection: PostgreSQLConnection, values: Values, grace: int
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

    def reseal(
        self, connection: PostgreSQLConnection, statement: Statement, changes: "Sequence[dict[str, Any]]"
    ) -> int:
        return len(connection.run(statement, {"rows": as_json(changes)})) if changes else 0
