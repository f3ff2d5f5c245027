"""Connections of the store's own: what it decides is committed, whatever the caller's transaction does.

They come from the same settings as the caller's connections and are never these. While an operation runs, its
connection has an alias of its own in this thread, so that the ORM uses it like any other. The pool that keeps them, and
all waiting, are those of `ferrotp.mfa.stores`.
"""

import math
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from time import monotonic
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.db.backends.signals import connection_created
from django.db.utils import load_backend

from ferrotp.mfa.errors import StoreRefused, StoreUnavailable
from ferrotp.mfa.stores.again import Undone
from ferrotp.mfa.stores.mysql_errors import failure_of, number_of
from ferrotp.mfa.stores.pool import POOL_SIZE, ConnectionPool
from ferrotp.mfa.stores.waiting import Connector, LockWait, is_sqlite_busy, socket_waiter, watchdog

from .conf import is_testing
from .scripts import SendsTogether, Statement

_ADVICE = (
    "The decision was not made and nothing was counted. Make it outside of the transaction; or, in a view under "
    "ATOMIC_REQUESTS, decorate the view with django.db.transaction.non_atomic_requests"
)
_CALLER_HAS_THE_LOCK = (
    "SQLite has one lock, and this request's own transaction (ATOMIC_REQUESTS, for one) holds it. "
    f"{_ADVICE}; or keep the second factors in a database file of their own"
)
_IN_A_TESTCASE = (
    "a TestCase holds one transaction open over each test, and the store commits what it decides: "
    'set FERROTP["STORE"] = "memory" in the settings of the tests, or use TransactionTestCase'
)


class StoreConnections:
    """A few connections to the database of an alias, taken for one operation at a time, under one deadline.

    :param inside_transactions: whether a transaction of the caller's may be open, who knows that nothing here is undone
        with it
    """

    def __init__(self, alias: str, timeout: float, *, inside_transactions: bool = False) -> None:
        self.alias = alias
        self._inside_transactions = inside_transactions
        self._store_alias = f"ferrotp:{alias}"
        self._timeout = timeout
        self._class = _class_for(alias)
        self.pool: ConnectionPool[Any] = ConnectionPool(
            self._connect,
            self._class.pool_size,
            timeout,
            # A test runner drops its database while this process lives, which an open connection would prevent.
            keep=lambda: not is_testing(),
        )

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[str]:
        """A transaction of the store's own; gives the alias for `using`. It commits at the end unless something was
        raised.
        """
        inside = False if reading else self._is_inside_transaction()
        pausing = inside and self._inside_transactions
        pause = _callers_transaction_paused(connections[self.alias]) if pausing else nullcontext()
        with pause, self._borrowed(reading, inside) as using, transaction.atomic(using=using, durable=True):
            yield using

    def statement(self) -> AbstractContextManager[str]:
        """For one statement that reads: on a server it is one round trip, with no transaction around it."""
        if self._class.vendor == "sqlite":  # it waits for its lock where a transaction begins
            return self.transaction(reading=True)
        return self._borrowed(reading=True, inside=False)

    @contextmanager
    def _borrowed(self, reading: bool, inside: bool) -> Iterator[str]:
        with self.pool.borrow() as connection:
            connection.reading = reading
            _follow_schema(connection, connections[self.alias])
            connections[self._store_alias] = connection
            try:
                with connection.ended_when_late():
                    yield self._store_alias
            except Error as error:
                raise _translated(error, inside, connection.deadline, self.alias) from None
            finally:
                del connections[self._store_alias]

    def _is_inside_transaction(self) -> bool:
        """Whether a transaction is open that the decision is made beside: the one of a request, which nobody asked for
        at this place.

        :raises StoreRefused: if the caller may take the decision for a part of its own transaction
        """
        callers = connections[self.alias]
        blocks = callers.atomic_blocks
        if not blocks:
            if callers.connection is not None and not callers.get_autocommit():
                if self._inside_transactions:
                    return True
                raise StoreRefused(f"a transaction is open, with autocommit off. {_ADVICE}")
            return False
        if getattr(blocks[0], "_from_testcase", False):
            raise StoreRefused(_IN_A_TESTCASE)
        if not self._inside_transactions and (len(blocks) > 1 or not callers.settings_dict["ATOMIC_REQUESTS"]):
            raise StoreRefused(
                "a second factor is decided for good, and transaction.atomic() around the call says that it could be "
                f"undone. {_ADVICE}"
            )
        return True

    def _connect(self, deadline: float) -> Any:
        given = connections[self.alias].settings_dict
        settings = {**given, "OPTIONS": {**given["OPTIONS"]}}
        settings.update(AUTOCOMMIT=True, ATOMIC_REQUESTS=False, CONN_MAX_AGE=None)
        self._class.adapt_options(settings["OPTIONS"], self._timeout)
        connection = self._class(settings, self._store_alias)
        connection.inc_thread_sharing()
        connection.deadline, connection.timeout = deadline, self._timeout
        connection.open()
        return connection


ASK_WRITABLE = {
    "postgresql": "SELECT current_setting('transaction_read_only') = 'off'",
    "mysql": "SELECT CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF')",
}
"""Whether what a server reads is no copy that may lag: it could write, too."""


def is_writable_file(using: str) -> bool:
    """The same of SQLite."""
    connection: Any = connections[using]
    name = str(connection.settings_dict["NAME"])
    return connection.is_in_memory_db() or name.startswith("file:") or os.access(name, os.W_OK)


def _follow_schema(connection: Any, callers: Any) -> None:
    """Where django-tenants keeps each customer in a schema of its own: the caller's. It is told anew each time, since a
    transaction that was undone has undone the server's part of it, too."""
    if hasattr(callers, "schema_name") and hasattr(connection, "set_schema"):
        connection.set_schema(callers.schema_name)


class _StoreConnection:
    """What a connection of the store's own does otherwise than Django's."""

    deadline = 0.0
    timeout = 0.0
    reading = False

    def ensure_connection(self: Any) -> None:
        # Django would connect anew while it cleans up after a server that does not answer.
        if self.connection is None:
            raise InterfaceError("the connection is closed")
        super().ensure_connection()  # type: ignore[misc]


class _SQLiteConnection(_StoreConnection):
    """What a connection of the store's own does otherwise on SQLite."""

    # SQLite has one writer at a time: threads that queue for one connection ask the file less often.
    pool_size = 1

    @staticmethod
    def adapt_options(options: dict[str, Any], timeout: float) -> None:
        options["timeout"] = 0  # SQLite's own waiting lets newcomers win: `LockWait` waits instead
        options.pop("transaction_mode", None)

    def open(self: Any) -> None:
        if self.is_in_memory_db() and not is_testing():
            raise StoreRefused("a SQLite database in memory is lost with its process: name a file")
        wait = LockWait(self.deadline)
        while True:
            try:
                self.connect()
                # A commit that is lost is a code that is accepted twice, so each is on the disk before it is answered.
                # EXTRA is FULL, and for the rollback journal the directory too; what macOS calls a sync is none.
                self.connection.execute("PRAGMA synchronous=EXTRA")
                self.connection.execute("PRAGMA fullfsync=ON")
                return
            except (Error, self.Database.Error) as error:
                self.hang_up()
                if not _is_busy(error):
                    raise StoreUnavailable(f"the SQLite file does not open ({type(error).__name__})") from None
                if not wait.pause():
                    raise StoreUnavailable("the SQLite file stayed locked") from None
                self.deadline = wait.deadline

    def undo(self) -> bool:
        return False  # the lock is of the whole file, so nothing is undone

    def usable(self) -> bool:
        return True

    def hang_up(self: Any) -> None:
        raw, self.connection = self.connection, None
        if raw is not None:
            raw.close()

    def ended_when_late(self) -> AbstractContextManager[None]:
        return nullcontext()  # SQLite ends its waits itself

    def _start_transaction_under_autocommit(self: Any) -> None:
        raw = self.connection
        raw.execute("PRAGMA busy_timeout=0")
        wait = None
        while True:
            try:
                with self.wrap_database_errors:
                    raw.execute("BEGIN" if self.reading else "BEGIN IMMEDIATE")
                    if self.reading:
                        # The lock for reading is taken by the first statement that reads.
                        raw.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
                break
            except OperationalError as error:
                if not _is_busy(error):
                    raise
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                wait = wait or LockWait(self.deadline)
                if not wait.pause():
                    raise
                self.deadline = wait.deadline
        # The commit waits for those who read.
        raw.execute(f"PRAGMA busy_timeout={max(int(1000 * (self.deadline - monotonic())), 1)}")


class _ServerConnection(_StoreConnection):
    """What a connection of the store's own does otherwise on a server."""

    pool_size = POOL_SIZE

    _socket: socket.socket | None = None

    def open(self: Any) -> None:
        _connector.connect(self._connect_now, self.deadline)

    def _connect_now(self: Any) -> Any:
        try:
            self.connect()
            # A socket of the same connection, which is open for as long as another thread may shut it.
            self._socket = socket.fromfd(self._descriptor(), socket.AF_INET, socket.SOCK_STREAM)
            self.settle()
        except BaseException:
            self.hang_up()
            raise
        return self

    def usable(self: Any) -> bool:
        # Nothing is to be read between two operations but that the server has gone.
        try:
            return not socket_waiter(self._descriptor())(0.0, False)
        except (OSError, ValueError, AttributeError, self.Database.Error):
            return False

    def undo(self: Any) -> bool:
        # Django has rolled it back, or closed the connection.
        return not self.in_atomic_block and not self.needs_rollback and self.connection is not None

    def hang_up(self: Any) -> None:
        raw, self.connection = self.connection, None
        if self._socket is not None:
            self._socket.close()
        if raw is not None:
            with suppress(self.Database.Error):
                raw.close()

    def ended_when_late(self: Any) -> AbstractContextManager[None]:
        return watchdog.watching(self.deadline, self._shut)

    def _shut(self: Any) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class _PostgreSQLConnection(SendsTogether, _ServerConnection):
    """What a connection of the store's own does otherwise on PostgreSQL."""

    @staticmethod
    def adapt_options(options: dict[str, Any], timeout: float) -> None:
        # Each transaction says what it needs, and the store has a pool of its own. A server that puts the values in
        # takes one statement at a time.
        for name in ("isolation_level", "pool", "server_side_binding", "cursor_factory"):
            options.pop(name, None)
        options.setdefault("connect_timeout", 2)

    def _descriptor(self: Any) -> int:
        return int(self.connection.fileno())

    def settle(self: Any) -> None:
        # For a transaction only: a pooler may lend the same session to another client afterwards.
        limit = max(int(900 * self.timeout), 1)
        changes = {
            "statement_timeout": limit,
            "lock_timeout": max(limit - 100, 1),
            "idle_in_transaction_session_timeout": 2 * limit,
        }
        settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in changes.items())
        durable = (
            "CASE WHEN current_setting('synchronous_commit') = 'off'"
            " THEN set_config('synchronous_commit', 'on', true) END"
        )
        self._deciding = [("BEGIN ISOLATION LEVEL READ COMMITTED", ()), (f"SELECT {settings}, {durable}", ())]

    @property
    def beginning(self: Any) -> Sequence[Statement]:
        # To read may take the time that a page may take, up to the deadline.
        return [("BEGIN", ())] if self.reading else self._deciding


class _MySQLConnection(_ServerConnection):
    """What a connection of the store's own does otherwise on MySQL and MariaDB, by mysqlclient or by PyMySQL."""

    @staticmethod
    def adapt_options(options: dict[str, Any], timeout: float) -> None:
        options["isolation_level"] = "read committed"
        options.setdefault("connect_timeout", 2)
        # For the handshake, which the watchdog does not see.
        options.setdefault("read_timeout", math.ceil(timeout) + 1)

    def _descriptor(self: Any) -> int:
        raw = self.connection
        return int(raw.fileno() if hasattr(raw, "fileno") else raw._sock.fileno())

    def settle(self: Any) -> None:
        whole = max(math.ceil(self.timeout), 1)
        # An abandoned statement waits on no longer, nor does a lock; and what does not fit is an error, and is not cut.
        limits = [f"innodb_lock_wait_timeout = {whole}", f"lock_wait_timeout = {whole}"]
        if self.mysql_is_mariadb:
            limits += [f"max_statement_time = {self.timeout * 0.9:.3f}", f"idle_transaction_timeout = {whole}"]
        else:
            limits += [f"max_execution_time = {max(int(900 * self.timeout), 1)}"]
        with self.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', " + ", ".join(limits))

    def _set_autocommit(self: Any, autocommit: bool) -> None:
        if not autocommit and self.reading:
            with self.wrap_database_errors:
                self.connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        super()._set_autocommit(autocommit)  # type: ignore[misc]


def _hang_up(connection: Any) -> None:
    connection.hang_up()


_connector: Connector[Any] = Connector(_hang_up, (StoreRefused, ImproperlyConfigured), name="the database")


def note_transactions() -> None:
    """For stores beside callers' transactions, when the applications are loaded: remembers where each began.

    See `_callers_transaction_paused`.
    """
    connection_created.connect(_note_from_now_on, dispatch_uid="ferrotp")
    for connection in connections.all(initialized_only=True):
        _note_from_now_on(connection)


def _note_from_now_on(connection: Any, **more: Any) -> None:
    may_pause = connection.vendor == "sqlite" and not isinstance(connection, _StoreConnection)
    if may_pause and _note_beginning not in connection.execute_wrappers:
        connection.execute_wrappers.append(_note_beginning)


def _note_beginning(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    if isinstance(sql, str) and sql.startswith("BEGIN"):
        callers = context["connection"]
        callers._ferrotp_began = (callers.connection, callers.connection.total_changes)
    return execute(sql, params, many, context)


@contextmanager
def _callers_transaction_paused(callers: Any) -> Iterator[None]:
    """Ends the caller's transaction on SQLite, and begins it anew afterwards, if it has only read so far.

    By having read it keeps every other from its commit, the store's too; by having written, from everything. What it
    read may have changed afterwards, as it may between two statements of everybody's transaction on PostgreSQL.
    """
    raw = callers.connection
    if callers.vendor != "sqlite" or raw is None or not raw.in_transaction:
        yield
        return
    if getattr(callers, "_ferrotp_began", None) != (raw, raw.total_changes):
        raise StoreRefused(_CALLER_HAS_THE_LOCK)
    raw.execute("COMMIT")
    try:
        yield
    finally:
        try:
            callers._start_transaction_under_autocommit()
            for name in callers.savepoint_ids:
                if name:
                    raw.execute(f"SAVEPOINT {callers.ops.quote_name(name)}")
        except BaseException:
            callers.needs_rollback = True
            raise


def _class_for(alias: str) -> Any:
    settings = connections.settings[alias]
    base: Any = load_backend(settings["ENGINE"]).DatabaseWrapper
    mixins = {"sqlite": _SQLiteConnection, "postgresql": _PostgreSQLConnection, "mysql": _MySQLConnection}
    if base.vendor not in mixins:
        raise StoreRefused(
            f"{base.display_name} is no database that passes the store's tests: SQLite, PostgreSQL, MariaDB and MySQL"
            ' are. FERROTP["DATABASE"] may name another alias than "default"'
        )
    return type(f"Store{base.__name__}", (mixins[base.vendor], base), {})


def _is_busy(error: BaseException) -> bool:
    return is_sqlite_busy(error.__cause__ or error)


def _translated(error: Error, inside_transaction: bool, deadline: float, alias: str) -> Exception:
    # Only the number: the servers' texts and their details hold values.
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = number_of(cause)
    command = "run manage.py migrate" + ("" if alias == DEFAULT_DB_ALIAS else f" --database={alias}")
    if number:
        return failure_of(number, "MySQL", monotonic() >= deadline, command)
    if isinstance(error, IntegrityError) or (state or "")[:2] in ("22", "23", "54"):
        return ValueError("the database cannot hold the record, or has it already")
    if state == "42P01" or "no such table" in str(error):
        return StoreRefused(f"the tables are not there: {command}")
    if state in ("40001", "40P01"):
        return Undone(f"PostgreSQL undid the transaction (SQLSTATE {state})")
    if state:
        return StoreUnavailable(f"PostgreSQL refused (SQLSTATE {state})")
    if _is_busy(error):
        if inside_transaction:
            return StoreRefused(_CALLER_HAS_THE_LOCK)
        return StoreUnavailable("the SQLite file stayed locked: another write to it is open")
    if monotonic() >= deadline:
        return StoreUnavailable("the database did not answer in time")
    return StoreUnavailable(f"the connection to the database broke ({type(error).__name__})")
