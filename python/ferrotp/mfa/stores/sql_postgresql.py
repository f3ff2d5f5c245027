"""PostgreSQL, by psycopg: its connections, as SQLAlchemy makes them, spoken to by libpq's own calls.

A server that is stopped in the middle answers nothing, and neither TCP nor a setting of the server ends the wait. Here
each wait is one on the socket, with the operation's deadline.
"""

import select
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from struct import Struct
from struct import error as StructError
from time import monotonic
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import BigInteger, Boolean, LargeBinary, Text
from sqlalchemy.engine import Engine

from ..errors import StoreRefused, StoreUnavailable
from .sql_links import SIZE, Link, Room, Rows, Values, forget_after_fork
from .sql_statements import Statement

BINARY = pq.Format.BINARY
"""How values travel: with their length, so that none ends early at a NUL."""

_Encode = Callable[[Any], "bytes | None"]
_Decode = Callable[["bytes | None"], Any]
_Prepared = tuple[list[tuple[str, _Encode]], list[pq.Format], list[tuple[int, _Decode]]]

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class PostgreSQL:
    """A server, and how to connect to it."""

    dialect = "postgresql"

    def __init__(self, engine: Engine, timeout: float) -> None:
        # The engine's way to connect, its events and all, but none of the connections that the application uses.
        self._pool = engine.pool.recreate()
        self._connecting = Room(SIZE)
        forget_after_fork(self)
        # A lost commit is a code that is accepted twice; the rest keeps an abandoned statement from waiting on.
        self._settings = (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;"
            "SET client_encoding TO 'UTF8';"
            f"SET statement_timeout TO {max(int(timeout * 900), 1)};"
            f"SET idle_in_transaction_session_timeout TO {max(int(timeout * 1000), 1)};"
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )

    def forget(self) -> None:
        """In a forked child: leaves the locks alone that a thread of the parent may have held."""
        self._pool = self._pool.recreate()
        self._connecting = Room(SIZE)

    def connect(self, deadline: float) -> "PostgreSQLLink":
        connection = self._within(deadline)
        link = PostgreSQLLink(connection, deadline)
        try:
            link.script(self._settings)
        except BaseException:
            link.close()
            raise
        return link

    def _within(self, deadline: float) -> "psycopg.Connection[Any]":
        """Connects, or gives up at the deadline.

        Looking up a name and logging in know no deadline, and both may be the application's own functions; so a thread
        does it. A connection that comes too late is closed. There are only so many such threads at once.
        """
        made: list[psycopg.Connection[Any]] = []
        failed: list[BaseException] = []
        given_up = False
        lock = threading.Lock()
        done = threading.Event()
        connecting = self._connecting

        def run() -> None:
            try:
                connection = self._connection()
                with lock:
                    if given_up:
                        connection.close()
                    else:
                        made.append(connection)
            except BaseException as error:  # the other thread tells of it
                failed.append(error)
            finally:
                connecting.leave()
                done.set()

        if not connecting.enter(deadline - monotonic()):
            raise StoreUnavailable("PostgreSQL takes no connections")
        try:
            threading.Thread(target=run, name="ferrotp connects", daemon=True).start()
        except RuntimeError:  # there are too many already
            connecting.leave()
            raise StoreUnavailable("no thread could be started to connect to PostgreSQL") from None
        done.wait(max(deadline - monotonic(), 0.0))
        with lock:
            given_up = True
        if made:
            return made[0]
        if not failed:
            raise StoreUnavailable("PostgreSQL did not take the connection in time")
        if isinstance(failed[0], StoreRefused):
            raise failed[0]
        # The text of such an error names the user and the server, at least.
        raise StoreUnavailable(f"PostgreSQL did not take the connection ({type(failed[0]).__name__})")

    def _connection(self) -> "psycopg.Connection[Any]":
        fairy = self._pool.connect()
        connection = fairy.driver_connection
        fairy.detach()
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the dialect was looked at
        if connection.info.transaction_status != pq.TransactionStatus.IDLE:
            raise StoreRefused(
                "the engine's new connection is in a transaction: it is one in use, or a listener did not commit"
            )
        return connection

    def prepare(self, link: Link) -> None:
        """Nothing but the tables."""


class PostgreSQLLink:
    """A connection to the server."""

    def __init__(self, connection: "psycopg.Connection[Any]", deadline: float) -> None:
        self.deadline = deadline
        self._connection = connection
        self._libpq = connection.pgconn
        self._prepared: dict[Statement, _Prepared] = {}
        self._wait = _waiter(self._libpq.socket)

    def usable(self) -> bool:
        # Nothing is to be read between two operations but that the server has gone.
        return not self._wait(0.0, False)

    def begin(self, *, reading: bool = False) -> None:
        self.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if reading else "BEGIN")

    def commit(self) -> None:
        # A transaction that failed answers COMMIT with ROLLBACK; but then the statement that failed was told.
        self.script("COMMIT")

    def rollback(self) -> None:
        self.script("ROLLBACK")

    def run(self, statement: Statement, values: Values) -> Rows:
        libpq = self._libpq
        try:
            encoders, formats, decoders = self._prepared.get(statement) or self._prepare(statement)
            libpq.send_query_prepared(
                statement.name, [encode(values[name]) for name, encode in encoders], formats, BINARY
            )
            answer = self._answer()
        except psycopg.Error as error:
            raise _broken(error) from None
        except StructError:
            raise OverflowError("a number does not fit into 64 bits") from None
        get = answer.get_value
        return [tuple([decode(get(row, column)) for column, decode in decoders]) for row in range(answer.ntuples)]

    def _prepare(self, statement: Statement) -> "_Prepared":
        """One more round trip, the first time on a connection."""
        self._libpq.send_prepare(statement.name, statement.text.encode())
        self._answer()
        made = (
            [(name, _ENCODERS[type(kind)]) for name, kind in statement.takes],
            [BINARY] * len(statement.takes),
            [(column, _DECODERS[type(kind)]) for column, kind in enumerate(statement.gives)],
        )
        self._prepared[statement] = made
        return made

    def tables(self, names: Sequence[str]) -> set[str]:
        # The names are identifiers: `SQLStore` looked at the prefix.
        wanted = ", ".join(f"to_regclass('{name}')" for name in names)
        answer = self._ask(f"SELECT relname FROM pg_class WHERE oid IN ({wanted})")  # noqa: S608
        return {(answer.get_value(row, 0) or b"").decode() for row in range(answer.ntuples)}

    def lock_schema(self) -> None:
        key = int.from_bytes(blake2b(b"ferrotp schema", digest_size=8).digest(), "big", signed=True)
        self.script(f"SELECT pg_advisory_xact_lock({key})")

    def script(self, text: str) -> None:
        self._ask(text)

    def close(self) -> None:
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


def _waiter(descriptor: int) -> "Callable[[float, bool], object]":
    """What waits until a socket can be read, or written to, for so many seconds at most."""
    if not hasattr(select, "poll"):  # Windows
        return lambda seconds, writing: any(
            select.select([descriptor], [descriptor] if writing else [], [], seconds)[:2]
        )
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    both = select.poll()
    both.register(descriptor, select.POLLIN | select.POLLOUT)
    return lambda seconds, writing: (both if writing else poll).poll(seconds * 1000)


def _broken(error: psycopg.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the connection to PostgreSQL broke ({type(error).__name__})")


def _failure(result: "pq.abc.PGresult") -> Exception:
    # Only the number: the text and its details hold values.
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"?").decode()
    if state[:2] in ("22", "23", "54"):
        return ValueError(f"PostgreSQL cannot hold the record, or has it already (SQLSTATE {state})")
    if state == "42P01":
        return StoreRefused("the tables are not there: call prepare()")
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
