"""The server of MySQL or MariaDB and its connections, as PyMySQL makes them and speaks to them.

PyMySQL puts values into the text of a statement. Here they go in as hexadecimal and as digits, so that nothing that a
user typed is ever read as SQL, whatever character set or mode a server has.
"""

import math
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, time
from typing import Any, TypeAlias

import pymysql
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.cursors import Cursor
from sqlalchemy import Text
from sqlalchemy.engine import URL, Engine

from ...errors import StoreRefused, StoreUnavailable
from ..base import CLOCKS_APART
from ..mysql_errors import Forbidden, ReadOnly, failure_of, number_of
from ..waiting import Connector, socket_waiter
from .engines import EnginesWay
from .records import Rows, Values
from .statements import Statement

_Connection: TypeAlias = Any
"""PyMySQL's. Deadlines want attributes of it that its stubs do not know."""

_TLS = {"ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname"}
"""What of TLS a URL may say. PyMySQL has other names for the same, which put these out of force."""

_LOCK = "CONCAT('ferrotp ', MD5(DATABASE()))"
"""Of the whole server, so it names the database."""

_PRIVILEGES = {
    "SELECT": "SELECT 1 FROM {0} WHERE FALSE",
    "INSERT": "INSERT INTO {0} SELECT * FROM {0} WHERE FALSE",
    "UPDATE": "UPDATE {0} SET tenant = tenant WHERE FALSE",
    "DELETE": "DELETE FROM {0} WHERE FALSE",
}


_UNCHECKED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS where no certificate is looked at."""
_UNCHECKED.check_hostname = False
_UNCHECKED.verify_mode = ssl.CERT_NONE


class _PyMySQL(pymysql.Connection):
    def _create_ssl_ctx(self, sslp: Any) -> Any:
        """Where no certificate is looked at, PyMySQL reads all that the system trusts, for each connection: it takes
        longer than all the rest."""
        return super()._create_ssl_ctx(sslp) if sslp else _UNCHECKED  # type: ignore[misc]


class MySQLServer:
    """A server, and how to connect to it."""

    def __init__(self, connect: Callable[[], _Connection], timeout: float) -> None:
        self._make = connect
        self._timeout = timeout
        self._connector: Connector[_Connection] = Connector(_close, name="MySQL")

    @classmethod
    def of_url(cls, url: URL, timeout: float) -> "MySQLServer":
        """Connects by PyMySQL alone: SQLAlchemy would ask the server what nobody here wants to know.

        :raises StoreRefused: for options of TLS that would not do what they say
        """
        odd = sorted(name for name in url.query if name.startswith("ssl") and name not in _TLS)
        if odd:
            raise StoreRefused(f"{', '.join(odd)} is no option here: {', '.join(sorted(_TLS))} are")
        if any(name in url.query for name in _TLS) and not {"ssl_ca", "ssl_capath"} & {*url.query}:
            raise StoreRefused("without ssl_ca or ssl_capath the server's certificate would not be looked at")
        dialect: Any = url.set(drivername="mysql+pymysql").get_dialect()()
        positional, named = dialect.create_connect_args(url)
        # As many rows as were found, and not as were changed: a SET of what is there already finds one.
        named["client_flag"] = named.get("client_flag", 0) | CLIENT.FOUND_ROWS
        named["charset"] = "utf8mb4"
        named["local_infile"] = False
        for name in ("connect_timeout", "read_timeout", "write_timeout"):
            named.setdefault(name, 2)
        return cls(lambda: _PyMySQL(*positional, **named), timeout)

    @classmethod
    def of_engine(cls, engine: Engine, timeout: float) -> "MySQLServer":
        """Connects as an engine of the application does."""
        return cls(EnginesWay(engine, _at_rest).connect, timeout)

    def connect(self, deadline: float) -> "MySQLConnection":
        made = MySQLConnection(self._connector.connect(self._make, deadline), deadline)
        try:
            made.settle(self._timeout)
        except BaseException:
            made.hang_up()
            raise
        return made


def _at_rest(connection: _Connection) -> bool:
    return not connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS


def _close(connection: _Connection) -> None:
    connection._write_timeout = 0.05  # a server that is stopped is told nothing
    with suppress(pymysql.Error, OSError):
        connection.close()


class MySQLConnection:
    """A connection to the server."""

    def __init__(self, connection: _Connection, deadline: float) -> None:
        self.deadline = deadline
        self._connection = connection
        self._name = "MariaDB" if "mariadb" in str(connection.server_version).lower() else "MySQL"
        self._limits = ""
        self._largest = 0
        self._schema_is_locked = False
        self._wait = socket_waiter(connection._sock.fileno())

    def settle(self, timeout: float) -> None:
        """Sets what is set for the session.

        :raises StoreRefused: if the application's engine counts changed rows where found ones are wanted
        """
        if not self._connection.client_flag & CLIENT.FOUND_ROWS:
            raise StoreRefused("the engine turns off client_flag FOUND_ROWS, by which decisions are told")
        whole = max(math.ceil(timeout), 1)
        limits = {"innodb_lock_wait_timeout": whole, "lock_wait_timeout": whole}
        # An abandoned statement waits on no longer; nor does a lock, where its holder was stopped.
        if self._name == "MariaDB":
            limits |= {"max_statement_time": round(timeout * 0.9, 3), "idle_transaction_timeout": whole}  # type: ignore[dict-item]
        else:
            limits |= {"max_execution_time": max(int(timeout * 900), 1)}
        self._limits = ", ".join(f"{name} = {value}" for name, value in limits.items())
        # A value that does not fit is an error, and not a part of it.
        mode = "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1"
        self.script(f"SET SESSION {mode}, {self._limits}")
        self.script("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        self._largest = self.ask("SELECT @@max_allowed_packet")[0][0]

    @property
    def room(self) -> int:
        """How many bytes a statement of many rows may have."""
        return min(self._largest // 2, 1 << 19)

    def check_deadline(self) -> None:
        if self.deadline <= monotonic():
            raise StoreUnavailable(f"{self._name} did not answer in time")

    def usable(self) -> bool:
        # Nothing is to be read between two operations but that the server has gone.
        return not self._wait(0.0, False)

    def begin(self, *, reading: bool = False) -> None:
        if reading:
            self.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self.script("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        else:
            self.script("START TRANSACTION")

    def commit(self) -> None:
        self.script("COMMIT")
        self._unlock_schema()

    def rollback(self) -> None:
        self.script("ROLLBACK")
        self._unlock_schema()

    def run(self, statement: Statement, values: Values) -> Rows:
        rows = self._run(statement, values)
        if statement.then is None:
            return rows
        more = self._run(statement.then, values)
        return more if statement.then.gives else rows

    def _run(self, statement: Statement, values: Values) -> Rows:
        rows, found = self._send(statement.text % {name: literal(values[name]) for name, _ in statement.takes})
        if rows is None:
            return [(1,)] * found if statement.gives else ()
        texts = [place for place, kind in enumerate(statement.gives) if isinstance(kind, Text)]
        return [_with_texts(row, texts) for row in rows] if texts else list(rows)

    def ask(self, sql: str) -> Rows:
        """The rows of a statement that is written out."""
        return self._send(sql)[0] or ()

    def change(self, sql: str) -> int:
        """How many rows a statement that is written out found, to change them."""
        return self._send(sql)[1]

    def script(self, text: str) -> None:
        self._send(text)

    def is_writable(self) -> bool:
        return True  # the server knows

    def tables(self, names: Sequence[str]) -> set[str]:
        # The names are identifiers: `SQLStore` looked at the prefix.
        wanted = ", ".join(f"'{name}'" for name in names)
        place = "information_schema.tables WHERE table_schema = DATABASE()"
        return {str(row[0]) for row in self.ask(f"SELECT table_name FROM {place} AND table_name IN ({wanted})")}  # noqa: S608

    def faults(self, names: Sequence[str]) -> list[str]:
        """What this user may not do with the tables, a server that only reads or may lose commits, and a clock that
        differs."""
        return [*self._refused(names), *self._unsafe(names), *self._clock()]

    def _refused(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            kinds = ["SELECT"] if name.endswith("schema") else _PRIVILEGES
            refused = [kind for kind in kinds if not self._may(_PRIVILEGES[kind].format(name))]
            if refused:
                yield f"this user may not {', '.join(refused)} in {name}: GRANT it"

    def _may(self, sql: str) -> bool:
        """Whether a statement that changes nothing is taken."""
        try:
            self.script(sql)
        except Forbidden:
            return False
        except ReadOnly:
            pass  # told by itself
        return True

    def _unsafe(self, names: Sequence[str]) -> Iterator[str]:
        settings = {
            str(name).lower(): str(value).upper()
            for name, value in self.ask(
                "SHOW GLOBAL VARIABLES WHERE variable_name IN ('read_only', 'innodb_read_only', 'log_bin',"
                " 'sync_binlog', 'innodb_flush_log_at_trx_commit', 'binlog_format')"
            )
        }
        if {settings.get("read_only", "OFF"), settings.get("innodb_read_only", "OFF")} != {"OFF"}:
            yield "the server only reads: it is a replica, or read_only is set"
        if settings.get("innodb_flush_log_at_trx_commit") != "1":
            yield (
                "innodb_flush_log_at_trx_commit is not 1: a commit that is lost when the machine stops is a code that"
                " is accepted twice"
            )
        if settings.get("log_bin") == "ON" and settings.get("sync_binlog") != "1":
            yield "sync_binlog is not 1: with the binary log, a commit that is not synced there may be lost as well"
        if settings.get("log_bin") == "ON" and settings.get("binlog_format") == "STATEMENT":
            yield "binlog_format is STATEMENT, with which READ COMMITTED cannot write: MIXED or ROW can"
        wanted = ", ".join(f"'{name}'" for name in names)
        others = self.ask(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"  # noqa: S608
            f" AND table_name IN ({wanted}) AND engine <> 'InnoDB' ORDER BY table_name"
        )
        if others:
            yield f"tables are not in InnoDB, which has the transactions: {', '.join(str(row[0]) for row in others)}"

    def _clock(self) -> Iterator[str]:
        before = time()
        there = float(self.ask("SELECT UNIX_TIMESTAMP(NOW(6))")[0][0])
        after = time()
        if not before - CLOCKS_APART < there < after + CLOCKS_APART:
            yield f"the server's clock is {there - after:+.0f} seconds from this machine's: set both by the network"

    def lock_schema(self) -> None:
        # A change of tables ends the transaction and its locks; and it takes as long as it takes.
        if self._name == "MariaDB":
            self.script("SET SESSION max_statement_time = 0")
        self._schema_is_locked = True
        while self.ask(f"SELECT GET_LOCK({_LOCK}, 1)") != ((1,),):
            self.check_deadline()

    def _unlock_schema(self) -> None:
        if self._schema_is_locked:
            self._schema_is_locked = False
            self.script(f"DO RELEASE_LOCK({_LOCK})")
            self.script(f"SET SESSION {self._limits}")

    def undo(self) -> bool:
        self.rollback()
        return True

    def hang_up(self) -> None:
        _close(self._connection)

    def _send(self, sql: str) -> "tuple[Rows | None, int]":
        """The rows, if it is a statement that has some; and how many were found."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise StoreUnavailable(f"{self._name} did not answer in time")
        if len(sql) > self._largest > 0:
            raise ValueError(f"{self._name} cannot hold the record: it is longer than max_allowed_packet")
        connection = self._connection
        connection._read_timeout = connection._write_timeout = left
        with self._told():
            cursor = connection.cursor(Cursor)
            found = cursor.execute(sql)
            return (cursor.fetchall() if cursor.description else None), found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """PyMySQL's errors as the store's."""
        try:
            yield
        except (pymysql.Error, OSError) as error:
            advice = "ferrotp mfa init (or prepare()) makes them"
            late = self.deadline <= monotonic()
            raise failure_of(number_of(error), self._name, late, advice) from None


def literal(value: "str | bytes | int | None") -> str:
    """A value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("a number does not fit into 64 bits")
    return f"{value:d}"


def _with_texts(row: "tuple[Any, ...]", places: Sequence[int]) -> "tuple[Any, ...]":
    values = list(row)
    for place in places:
        value = values[place]
        values[place] = value.decode() if isinstance(value, bytes) else value
    return tuple(values)
