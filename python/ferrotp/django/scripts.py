"""Statements that go to the database together.

On a server each statement costs a round trip, and so do BEGIN and COMMIT. PostgreSQL takes several in one message. Each
has a snapshot of its own, and what comes after one that fails, a COMMIT too, is not run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.backends.utils import debug_transaction

Statement = tuple[str, Sequence[Any]]
"""A text, and the values for its ``%s``."""

Rows = list[tuple[Any, ...]]


def _fetch_all(cursor: Any) -> Rows:
    rows: Rows = cursor.fetchall()
    return rows


def read_all(connection: Any, statements: Sequence[Statement], fetch: Callable[[Any], Rows] = _fetch_all) -> list[Rows]:
    """Runs one after the other, in one round trip where `takes_scripts`. All of them give rows.

    :param fetch: gives the rows of a cursor
    """
    if not takes_scripts(connection):
        with connection.cursor() as cursor:
            found = []
            for statement in statements:
                cursor.execute(*statement)
                found.append(fetch(cursor))
            return found
    if isinstance(connection, SendsTogether):
        return connection.ask(statements)
    return _ask_by_cursor(connection, statements)


def _ask_by_cursor(connection: Any, statements: Sequence[Statement]) -> list[Rows]:
    with connection.cursor() as cursor:
        cursor.execute(*_joined(statements))
        return _results(cursor, 0, len(statements))


def _results(cursor: Any, others: int, count: int) -> list[Rows]:
    """The rows of so many statements, after those of so many others."""
    for _ in range(others):
        cursor.nextset()
    found = []
    for _ in range(count):
        found.append(_fetch_all(cursor))
        cursor.nextset()
    return found


def write(connection: Any, statement: Statement) -> None:
    """Runs what nobody waits for: before the next statement, or before COMMIT, in its round trip where that can be."""
    if isinstance(connection, SendsTogether):
        connection.leave(statement)
        return
    with connection.cursor() as cursor:
        cursor.execute(*statement)


def takes_scripts(connection: Any) -> bool:
    """Whether several statements are one round trip: on PostgreSQL where psycopg puts the values into the text by
    itself, as it does for Django unless it is told otherwise. psycopg2 gives the rows of the last statement only.
    """
    if connection.vendor != "postgresql":
        return False
    from django.db.backends.postgresql import psycopg_any

    connection.ensure_connection()
    return psycopg_any.is_psycopg3 and issubclass(connection.connection.cursor_factory, psycopg_any.ClientCursor)


def _joined(statements: Sequence[Statement]) -> Statement:
    return "; ".join(sql for sql, _ in statements), [value for _, values in statements for value in values]


class SendsTogether:
    """Of a connection to PostgreSQL that is the store's own: BEGIN goes with the first statement of a transaction, and
    COMMIT with the last.

    For psycopg it is in autocommit: the texts begin and end the transactions.
    """

    _later: tuple[Statement, ...] = ()
    _is_open = False
    """Whether the server was told of the transaction."""

    @property
    def beginning(self) -> Sequence[Statement]:
        """What a transaction begins with."""
        raise NotImplementedError

    def ask(self: Any, statements: Sequence[Statement]) -> list[Rows]:
        """The rows of each, in one round trip with what was left for it. Django's cursor would take as long again as
        the server does."""
        if hasattr(self, "set_schema"):  # django-tenants names the schema as soon as there is a cursor
            return _ask_by_cursor(self, statements)
        later, self._later, self._is_open = self._later, (), True
        sql, values = _joined([*later, *statements])
        with debug_transaction(self, sql), self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return _results(cursor, len(later), len(statements))

    def leave(self: Any, statement: Statement) -> None:
        """For the next round trip."""
        if hasattr(self, "set_schema"):
            with self.cursor() as cursor:
                cursor.execute(*statement)
        else:
            self._later += (statement,)

    def _start_transaction_under_autocommit(self: Any) -> None:
        self._later, self._is_open = tuple(self.beginning), False

    def _cursor(self, name: str | None = None) -> Any:
        self._send()
        return super()._cursor(name)  # type: ignore[misc]

    def _commit(self: Any) -> None:
        if self._is_open or len(self._later) > len(self.beginning):
            self._send(("COMMIT", ()))
        self._later, self._is_open = (), False

    def _rollback(self: Any) -> None:
        self._later = ()
        if self._is_open:
            self._send(("ROLLBACK", ()))
        self._is_open = False

    def _send(self: Any, *last: Statement) -> None:
        sent, self._later = (*self._later, *last), ()
        if sent and self.connection is not None:
            self._is_open = True
            sql, values = _joined(sent)
            with debug_transaction(self, sql), self.wrap_database_errors, self.connection.cursor() as cursor:
                cursor.execute(sql, values)
