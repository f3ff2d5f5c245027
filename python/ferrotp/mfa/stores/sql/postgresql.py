"""PostgreSQL: the server, its connections, as SQLAlchemy makes them and psycopg's libpq speaks to them, and its way to
decide: a decision is one statement where it can be, since each costs a round trip.

A server that is stopped in the middle answers nothing, and neither TCP nor a setting of the server ends the wait. Here
each wait is one on the socket, with the operation's deadline.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from struct import Struct
from struct import error as StructError
from time import monotonic, time
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    LargeBinary,
    Text,
    cast,
    column,
    delete,
    func,
    literal_column,
    outerjoin,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, Engine
from sqlalchemy.sql import Executable

from ...errors import StoreRefused, StoreUnavailable
from ..again import Undone
from ..base import (
    CLOCKS_APART,
    METHODS,
    Acceptance,
    AuditAppend,
    AuditHead,
    AuditRow,
    Budget,
    Factor,
    NewUser,
    Owner,
    Refusal,
    Reservation,
    new_epoch,
)
from ..pool import POOL_SIZE
from ..waiting import Connector, socket_waiter
from .dialect import Attempt
from .engines import EnginesWay
from .records import (
    Rows,
    Values,
    as_json,
    audit_head_values,
    audit_row_values,
    code_values,
    factor_values,
    otp_reservation,
    owner_values,
    recovery_reservation,
)
from .schema import Tables
from .servers import Server, ServerStatements
from .statements import DONE, Statement, binary, number, statements_of, text

BINARY = pq.Format.BINARY
"""How values travel: with their length, so that none ends early at a NUL."""

_Encode = Callable[[Any], "bytes | None"]
_Decode = Callable[["bytes | None"], Any]
_Prepared = tuple[list[tuple[str, _Encode]], list[pq.Format], list[tuple[int, _Decode]]]

_DURABLE = "set_config('synchronous_commit', 'on', {})"
_UNDONE = ("40001", "40P01")
"""Of a transaction that may be made again: two waited for each other."""

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class PostgreSQLServer:
    """A server, and how to connect to it."""

    def __init__(self, connect: "Callable[[], psycopg.Connection[Any]]", timeout: float) -> None:
        self._make = connect
        self._connector: Connector[psycopg.Connection[Any]] = Connector(psycopg.Connection.close)
        # A lost commit is a code that is accepted twice; the rest keeps an abandoned statement from waiting on.
        self._settings = {
            "default_transaction_isolation": "read committed",
            "client_encoding": "UTF8",
            "statement_timeout": str(max(int(timeout * 900), 1)),
            "idle_in_transaction_session_timeout": str(max(int(timeout * 1000), 1)),
        }

    @classmethod
    def of_url(cls, url: URL, timeout: float) -> "PostgreSQLServer":
        """Connects by psycopg alone: SQLAlchemy would ask the server what nobody here wants to know."""
        url = url.set(drivername="postgresql+psycopg")
        dialect: Any = url.get_dialect()()
        positional, named = dialect.create_connect_args(url)
        named.setdefault("connect_timeout", 2)
        return cls(lambda: psycopg.connect(*positional, **named), timeout)

    @classmethod
    def of_engine(cls, engine: Engine, timeout: float) -> "PostgreSQLServer":
        """Connects as an engine of the application does."""
        return cls(EnginesWay(engine, _at_rest).connect, timeout)

    def connect(self, deadline: float) -> "PostgreSQLConnection":
        made = PostgreSQLConnection(self._connector.connect(self._make, deadline), deadline)
        try:
            made.settle(self._settings)
        except BaseException:
            made.hang_up()
            raise
        return made


def _at_rest(connection: object) -> bool:
    assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the dialect was looked at
    return connection.info.transaction_status == pq.TransactionStatus.IDLE


class PostgreSQLConnection:
    """A connection to the server."""

    def __init__(self, connection: "psycopg.Connection[Any]", deadline: float) -> None:
        self.deadline = deadline
        self._connection = connection
        self._libpq = connection.pgconn
        self._prepared: dict[bytes, _Prepared] = {}
        self._wait = socket_waiter(self._libpq.socket)
        self._pooled = ""
        """Behind a pooler: what each transaction begins with, instead of the settings of the session."""
        self._in_transaction = False

    def settle(self, settings: Mapping[str, str]) -> None:
        """Sets what is set for the session, in one round trip.

        A pooler (PgBouncer) tells its clients a number of its own for the process behind the connection. It may pass
        the session on after each transaction: what was set, or prepared, would be other clients', and theirs ours. So
        nothing is left in such a session.
        """
        changes = [f"set_config('{name}', '{value}', false)" for name, value in settings.items()]
        durable = f"CASE WHEN current_setting('synchronous_commit') = 'off' THEN {_DURABLE.format('false')} END"
        columns = ", ".join(["pg_backend_pid()", *changes, durable])
        answer = self._ask(f"SELECT {columns} WHERE pg_backend_pid() = {int(self._libpq.backend_pid)}")
        if not answer.ntuples:
            local = [f"SET LOCAL {name} TO {value}" for name, value in settings.items() if name.endswith("_timeout")]
            self._pooled = "; ".join(
                [*local, f"SELECT {_DURABLE.format('true')} WHERE current_setting('synchronous_commit') = 'off'"]
            )

    def check_deadline(self) -> None:
        """Before what decides is sent: a decision that is made too late is one that nobody is told of."""
        if self.deadline <= monotonic():
            raise StoreUnavailable("PostgreSQL did not answer in time")

    def usable(self) -> bool:
        # Nothing is to be read between two operations but that the server has gone.
        return not self._wait(0.0, False)

    def begin(self, *, reading: bool = False) -> None:
        # Not READ ONLY: whether it could write is asked.
        words = "BEGIN ISOLATION LEVEL REPEATABLE READ" if reading else "BEGIN"
        if self._pooled:
            words = f"{words if reading else 'BEGIN ISOLATION LEVEL READ COMMITTED'}; {self._pooled}"
        self.script(words)
        self._in_transaction = True

    def commit(self) -> None:
        # A transaction that failed answers COMMIT with ROLLBACK; but then the statement that failed was told.
        self.script("COMMIT")
        self._in_transaction = False

    def rollback(self) -> None:
        self.script("ROLLBACK")
        self._in_transaction = False

    def run(self, statement: Statement, values: Values) -> Rows:
        if not self._pooled or self._in_transaction:
            return self._run(statement, values)
        self.begin()
        rows = self._run(statement, values)
        self.commit()
        return rows

    def _run(self, statement: Statement, values: Values) -> Rows:
        libpq = self._libpq
        try:
            encoders, formats, decoders = self._prepared.get(statement.name) or self._prepare(statement)
            sent = [encode(values[name]) for name, encode in encoders]
            if self._pooled:  # the statement without a name is gone before another client has the session
                libpq.send_query_params(statement.text.encode(), sent, None, formats, BINARY)
            else:
                libpq.send_query_prepared(statement.name, sent, formats, BINARY)
            answer = self._answer()
        except psycopg.Error as error:
            raise _broken(error) from None
        except StructError:
            raise OverflowError("a number does not fit into 64 bits") from None
        get = answer.get_value
        return [tuple([decode(get(row, column)) for column, decode in decoders]) for row in range(answer.ntuples)]

    def _prepare(self, statement: Statement) -> "_Prepared":
        """One more round trip, the first time on a connection."""
        if not self._pooled:
            self._libpq.send_prepare(statement.name, statement.text.encode())
            self._answer()
        made = (
            [(name, _ENCODERS[type(kind)]) for name, kind in statement.takes],
            [BINARY] * len(statement.takes),
            [(column, _DECODERS[type(kind)]) for column, kind in enumerate(statement.gives)],
        )
        self._prepared[statement.name] = made
        return made

    def is_writable(self) -> bool:
        return True  # the server knows

    def tables(self, names: Sequence[str]) -> set[str]:
        # The names are identifiers: `SQLStore` looked at the prefix.
        wanted = ", ".join(f"to_regclass('{name}')" for name in names)
        answer = self._ask(f"SELECT relname FROM pg_class WHERE oid IN ({wanted})")  # noqa: S608
        return {(answer.get_value(row, 0) or b"").decode() for row in range(answer.ntuples)}

    def faults(self, names: Sequence[str]) -> list[str]:
        """What this role may not do with the tables, a server that only reads, and a clock that differs."""
        kinds = ("SELECT", "INSERT", "UPDATE", "DELETE")
        columns = [f"has_table_privilege('{name}', '{kind}')" for name in names for kind in kinds]
        columns += ["pg_is_in_recovery()", "current_setting('transaction_read_only') = 'on'"]
        before = time()
        answer = self._ask(f"SELECT {', '.join(columns)}, extract(epoch FROM clock_timestamp())")  # noqa: S608
        after = time()
        said = [answer.get_value(0, column) for column in range(answer.nfields)]
        found = []
        for place, name in enumerate(names):
            refused = [kind for kind, may in zip(kinds, said[len(kinds) * place :], strict=False) if may == b"f"]
            if refused and not name.endswith("schema"):
                found.append(f"this role may not {', '.join(refused)} in {name}: GRANT it")
        if b"t" in said[-3:-1]:
            found.append("the server only reads: it is a replica, or transactions are read-only")
        there = float(said[-1] or 0)
        if not before - CLOCKS_APART < there < after + CLOCKS_APART:
            found.append(
                f"the server's clock is {there - after:+.0f} seconds from this machine's: set both by the network"
            )
        return found

    def lock_schema(self) -> None:
        key = int.from_bytes(blake2b(b"ferrotp schema", digest_size=8).digest(), "big", signed=True)
        # The server would end the wait after the time of an answer to a code; `prepare` has longer.
        left = max(int(900 * (self.deadline - monotonic())), 1)
        self.script(f"SET LOCAL statement_timeout TO {left}")
        self.script(f"SELECT pg_advisory_xact_lock({key})")

    def script(self, text: str) -> None:
        self._ask(text)

    def undo(self) -> bool:
        if self._libpq.transaction_status != pq.TransactionStatus.INTRANS:
            return False  # the server's answer is not read to its end
        self.rollback()
        return True

    def hang_up(self) -> None:
        self._connection.close()

    def _ask(self, text: str) -> "pq.abc.PGresult":
        try:
            self._libpq.send_query(text.encode())
            return self._answer()
        except psycopg.Error as error:
            raise _broken(error) from None

    def _answer(self) -> "pq.abc.PGresult":
        """The last result of what was sent."""
        libpq, wait = self._libpq, self._wait
        last = None
        unsent = libpq.flush()
        while True:
            while unsent or libpq.is_busy():
                left = self.deadline - monotonic()
                if left <= 0 or not wait(left, bool(unsent)):
                    raise StoreUnavailable("PostgreSQL did not answer in time")
                libpq.consume_input()
                unsent = unsent and libpq.flush()
            result = libpq.get_result()
            if result is None:
                break
            if result.status not in _GOOD:
                raise _failure(result)
            last = result
        if last is None:
            raise StoreUnavailable("the connection to PostgreSQL broke")
        return last


def _broken(error: psycopg.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the connection to PostgreSQL broke ({type(error).__name__})")


def _failure(result: "pq.abc.PGresult") -> Exception:
    # Only the number: the text and its details hold values.
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"?").decode()
    if state[:2] in ("22", "23", "54"):
        return ValueError(f"PostgreSQL cannot hold the record, or has it already (SQLSTATE {state})")
    if state == "42P01":
        return StoreRefused("the tables are not there: ferrotp mfa init (or prepare()) makes them")
    if state in _UNDONE:
        return Undone(f"PostgreSQL undid the transaction (SQLSTATE {state})")
    return StoreUnavailable(f"PostgreSQL refused (SQLSTATE {state})")


def _flag(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def _same(value: bytes | None) -> bytes | None:
    return value


_ENCODERS: dict[type, _Encode] = {
    Text: str.encode,
    BigInteger: Struct(">q").pack,
    Boolean: _flag,
    LargeBinary: _same,
}


def _to_number(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value, "big", signed=True)


def _to_text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _to_flag(value: bytes | None) -> bool | None:
    return None if value is None else value != b"\0"


_DECODERS: dict[type, _Decode] = {
    Text: _to_text,
    BigInteger: _to_number,
    Boolean: _to_flag,
    LargeBinary: _same,
}


class PostgreSQLStatements(ServerStatements):
    """The statements, as PostgreSQL takes them."""

    # Rows change all the time. With room on its page for the new version, PostgreSQL leaves the index alone.
    table_options = "WITH (fillfactor = 70)"

    def __init__(self, tables: Tables) -> None:
        flavour: Any = postgresql.psycopg.dialect
        super().__init__(tables, flavour(paramstyle="numeric_dollar"))

    def _insert(self, table: Any) -> Any:
        return postgresql.insert(table)

    def _may_write(self) -> "ColumnElement[Any]":
        # On for a standby, and where an administrator or a full disk made it so.
        read_only = func.current_setting(literal_column("'transaction_read_only'"))
        return cast(read_only == literal_column("'off'"), Boolean)

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
    def settle(self) -> Statement:
        """The budget's row is locked first, as in every other decision, so that no two wait for each other. Whether the
        factor is as it was is decided on its row when that is reached, and only if it is there a budget to write.
        """
        budget, factor = self._tables.budget, self._tables.factor
        held = select(budget.c.tenant).where(self._budget_key, *self._as_read()).with_for_update().cte("held")
        advanced = self._advance().where(factor.c.tenant == held.c.tenant).cte("advanced")
        return self._made(
            update(budget)
            .where(self._budget_key, advanced.c.factor_id == text("factor_id"))
            .values(failures=number("failures"), retry_at=number("retry_at"), spent_until=number("spent_until"))
            .returning(DONE)
        )

    @cached_property
    def settle_audited(self) -> Statement:
        """The same, with rows of the audit: all of it in one statement. The head is locked after the budget, and before
        anything is changed: where one of the two is not as it was read, nothing is."""
        budget, factor, head = self._tables.budget, self._tables.factor, self._tables.audit_head
        held = select(budget.c.tenant).where(self._budget_key, *self._as_read()).with_for_update().cte("held")
        as_read = (head.c.number == number("was_number"), head.c.mac == binary("was_mac"))
        its_head = (
            select(head.c.tenant)
            .where(self._head_key, *as_read, head.c.tenant == held.c.tenant)
            .with_for_update(of=head)
            .cte("its_head")
        )
        advanced = self._advance().where(factor.c.tenant == its_head.c.tenant).cte("advanced")
        moved = self._move_head().where(advanced.c.factor_id == text("factor_id")).cte("moved")
        written = self._insert_rows(self._tables.audit_row, moved).returning(DONE).cte("written")
        return self._made(
            update(budget)
            .where(self._budget_key, moved.c.tenant == budget.c.tenant)
            .values(failures=number("failures"), retry_at=number("retry_at"), spent_until=number("spent_until"))
            .returning(DONE)
            .add_cte(written)
        )

    @cached_property
    def write_audit(self) -> Statement:
        """Rows and their head, if that is as it was read."""
        moved = self._move_head().cte("moved")
        return self._made(self._insert_rows(self._tables.audit_row, moved).returning(DONE))

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
        return self._made(self._or_begun(fresh).returning(budget.c.tenant, budget.c.user_id))

    @cached_property
    def add_factors(self) -> Statement:
        return self._made(self._insert_rows(self._tables.factor))

    @cached_property
    def add_codes(self) -> Statement:
        return self._made(self._insert_rows(self._tables.recovery_code))

    @cached_property
    def lock_users(self) -> Statement:
        """Locks the users' budgets of ``otp``, as `lock` does, all in one order. Who has none is not locked: what comes
        at this moment comes after."""
        budget = self._tables.budget
        rows = self._rows(budget, ("tenant", "user_id"))
        return self._made(
            select(DONE)
            .where(
                budget.c.tenant == rows.c.tenant,
                budget.c.user_id == rows.c.user_id,
                budget.c.method == literal_column("'otp'"),
            )
            .order_by(budget.c.tenant, budget.c.user_id)
            .with_for_update(of=budget)
        )

    @cached_property
    def drop_users(self) -> tuple[Statement, ...]:
        """From each table what there is of some users. The first gives whose factors they were."""
        tables = self._tables
        factors, codes, logins = tables.factor, tables.recovery_code, tables.ended_login
        kept = (factors, codes, tables.device, tables.user, logins, tables.passkey, tables.budget)
        return tuple(self._made(self._drop_users(table)) for table in kept)

    def _drop_users(self, table: Any) -> Any:
        rows = self._rows(table, ("tenant", "user_id"))
        return (
            delete(table)
            .where(table.c.tenant == rows.c.tenant, table.c.user_id == rows.c.user_id)
            .returning(table.c.tenant, table.c.user_id)
        )

    @cached_property
    def make_epochs(self) -> Statement:
        return self._made(self._insert_rows(self._tables.user).on_conflict_do_nothing())

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

    def _insert_rows(self, table: Any, unless_empty: Any = None) -> Any:
        """:param unless_empty: without a row of this nothing is inserted"""
        names = [field.name for field in table.c]
        rows = self._rows(table, names)
        values = [
            func.decode(rows.c[name], literal_column("'hex'"))
            if isinstance(table.c[name].type, LargeBinary)
            else rows.c[name]
            for name in names
        ]
        found = select(*values)
        if unless_empty is not None:
            found = found.where(unless_empty.c.tenant == rows.c.tenant)
        return postgresql.insert(table).from_select(names, found)

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


class PostgreSQL(Server[PostgreSQLConnection, PostgreSQLStatements]):
    """A server, with a lock for each row."""

    name = "postgresql"
    connections = POOL_SIZE

    def __init__(self, server: PostgreSQLServer, tables: Tables) -> None:
        self.statements = statements_of(PostgreSQLStatements, tables)
        self._server = server

    def connect(self, deadline: float) -> PostgreSQLConnection:
        return self._server.connect(deadline)

    def prepare(self, connection: PostgreSQLConnection) -> None:
        """Nothing but the tables."""

    def faults(self, connection: PostgreSQLConnection, names: Sequence[str]) -> list[str]:
        return connection.faults(names)

    def add_users(self, connection: PostgreSQLConnection, users: Sequence[NewUser]) -> set[Owner]:
        """Any number of users in five round trips."""
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
        run(statements.drop_users[0], [owner_values(user.owner) for user in new])  # pending factors, if any
        run(statements.make_epochs, [{**owner_values(user.owner), "epoch": new_epoch()} for user in new])
        run(statements.add_factors, [factor_values(factor) for user in new for factor in user.factors])
        run(statements.add_codes, [code_values(code) for user in new for code in user.recovery_codes])
        return fresh

    def delete_users(self, connection: PostgreSQLConnection, owners: Sequence[Owner]) -> dict[Owner, int]:
        """Any number of users in eight round trips."""
        values = {"rows": as_json([owner_values(owner) for owner in owners])}
        connection.run(self.statements.lock_users, values)
        factors, *_ = [connection.run(statement, values) for statement in self.statements.drop_users]
        return Counter(Owner(*row) for row in factors)

    def _reserve(self, connection: PostgreSQLConnection, attempt: Attempt) -> Reservation | Refusal:
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

    def write_audit(
        self,
        connection: PostgreSQLConnection,
        owner: Owner,
        read: AuditHead,
        head: AuditHead,
        rows: Sequence[AuditRow],
    ) -> bool:
        """In one round trip."""
        if not rows:
            return super().write_audit(connection, owner, read, head, rows)
        values = {**audit_head_values(owner, read, head), "rows": as_json(list(map(audit_row_values, rows)))}
        return bool(connection.run(self.statements.write_audit, values))

    def _settle_audited(
        self,
        connection: PostgreSQLConnection,
        attempt: Attempt,
        was: Budget,
        answer: Reservation,
        found: tuple[Factor, Acceptance] | None,
        read: AuditHead | None,
        appends: Sequence[AuditAppend],
    ) -> bool:
        """In one round trip, but for the first rows of a user."""
        if read is None or [append.owner for append in appends] != [attempt.owner]:
            return super()._settle_audited(connection, attempt, was, answer, found, read, appends)
        head, rows = appends[0].after(read)
        values = {
            **self._settled(attempt, was, answer, found),
            **audit_head_values(attempt.owner, read, head),
            "rows": as_json(list(map(audit_row_values, rows))),
        }
        connection.check_deadline()
        return bool(connection.run(self.statements.settle_audited, values))

    def reseal(
        self, connection: PostgreSQLConnection, statement: Statement, changes: "Sequence[dict[str, Any]]"
    ) -> int:
        return len(connection.run(statement, {"rows": as_json(changes)})) if changes else 0
