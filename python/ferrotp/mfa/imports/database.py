"""The database of the application that people come from. It is only read, and never held up.

Each page of users is read in one short transaction of its own. One over the whole import would keep a SQLite file from
being written, and PostgreSQL from cleaning up.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Select,
    Subquery,
    Table,
    Text,
    cast,
    create_engine,
    func,
    make_url,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType

from ..errors import MFAError

Query = Select[Any]
Row = Mapping[str, Any]
Users = dict[Any, dict[str, list[Row]]]
"""By owner and by query, the rows."""

PAGE = 500
"""Users that are read at once: a size of work, so no policy."""
LONGEST = 4096
"""Characters of a text that are read. Nothing that is taken over is longer, whatever somebody put there."""


class SourceError(MFAError):
    """The source is not what was said. The message says what to change, and holds nothing that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The table of the application's users. A row whose owner is not in it is of a user who is gone."""

    table: str = "auth_user"
    key: str = "id"
    """What the other tables refer to."""
    user_id: str = ""
    """The column that becomes ferrotp's user id. By default the key, as `str(user.pk)` is."""
    uuids: bool = False
    """Whether ids are UUIDs: SQLite has them without hyphens, and `str(user.pk)` with."""


class Database:
    """Where the rows are.

    :param where: an SQLAlchemy URL, the path of a SQLite file, or an engine. Of a URL, connections are read-only
    """

    def __init__(self, where: str | Engine) -> None:
        self._lent = isinstance(where, Engine)
        self._engine = where if isinstance(where, Engine) else _engine(where)
        self._tables: dict[str, Table] = {}

    def close(self) -> None:
        """Lets go of its connections; an engine's are the application's."""
        if not self._lent:
            self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads."""
        failure = "the source cannot be read"
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                elif connection.dialect.name in ("mysql", "mariadb"):
                    connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
                elif connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA query_only=ON")
                    connection.exec_driver_sql("BEGIN")
                try:
                    yield connection
                finally:
                    connection.rollback()
                    if connection.dialect.name == "sqlite":
                        connection.exec_driver_sql("PRAGMA query_only=OFF")
            return
        except NoSuchTableError:
            raise
        except SQLAlchemyError as error:
            # Not its text: that has the statement, its values, or the URL with the password.
            cause = getattr(error, "orig", None)
            failure += f" ({type(cause or error).__name__})"
        raise SourceError(failure)

    def has(self, name: str) -> bool:
        """Whether there is such a table."""
        try:
            self.table(name)
        except SourceError:
            return False
        return True

    def table(self, name: str) -> Table:
        """A table, as it is."""
        if name not in self._tables:
            schema, _, last = name.rpartition(".")
            try:
                with self.reading() as connection:
                    self._tables[name] = Table(
                        last, MetaData(), schema=schema or None, autoload_with=connection, resolve_fks=False
                    )
            except NoSuchTableError:
                raise SourceError(f"the source has no table {name!r}") from None
        return self._tables[name]

    def column(self, table: str, name: str) -> "Column[Any]":
        """A column, as it is."""
        found = self.table(table).c.get(name)
        if found is None:
            raise SourceError(f"the table {table!r} of the source has no column {name!r}")
        return found

    def rows(
        self, table: str, owner: str, texts: Mapping[str, str], others: Mapping[str, str], accounts: Accounts | None
    ) -> Query:
        """The rows of a table, by the names that columns get: texts cut at `LONGEST`, and others."""
        key = self.column(table, owner)
        fields = [beginning_of(self.column(table, column)).label(name) for name, column in texts.items()]
        fields += [undecoded(self.column(table, column)).label(name) for name, column in others.items()]
        return self.with_owner(select(*fields), self.table(table), key, accounts)

    def with_owner(self, query: Query, start: Any, key: "Column[Any]", accounts: Accounts | None) -> Query:
        """A query with whose the rows are."""
        if accounts is None:
            return query.add_columns(undecoded(key).label("owner"), undecoded(key).label("account")).select_from(start)
        users = self.table(accounts.table)
        its_key = self.column(accounts.table, accounts.key)
        account = self.column(accounts.table, accounts.user_id or accounts.key)
        joined = start.outerjoin(users, its_key == key)
        return query.add_columns(undecoded(key).label("owner"), undecoded(account).label("account")).select_from(joined)

    def count(self, queries: Mapping[str, Query]) -> tuple[int, int]:
        """How many users there are, and how many rows are nobody's."""
        owners = _owners(queries)
        with self.reading() as connection:
            users = connection.execute(select(func.count(owners.c.owner.distinct()))).scalar_one()
            strays = connection.execute(
                select(func.count()).select_from(owners).where(owners.c.owner.is_(None))
            ).scalar_one()
        return users, strays

    def pages(self, queries: Mapping[str, Query]) -> Iterator[Users]:
        """All users, `PAGE` at a time, in the order of their keys."""
        owners = _owners(queries)
        subqueries = {name: query.subquery() for name, query in queries.items()}
        page = select(owners.c.owner).where(owners.c.owner.is_not(None)).distinct().order_by(owners.c.owner).limit(PAGE)
        last = None
        while True:
            with self.reading() as connection:
                keys = list(connection.execute(page if last is None else page.where(owners.c.owner > last)).scalars())
                users = self._users(connection, subqueries, keys)
            if not users:
                return
            yield users
            last = keys[-1]

    def user(self, queries: Mapping[str, Query], user_id: str) -> Users:
        """The users of an id: one, if all is well."""
        subqueries = {name: query.subquery() for name, query in queries.items()}
        keys: dict[Any, None] = {}
        with self.reading() as connection:
            for subquery in subqueries.values():
                account = cast(subquery.c.account, Text)
                found = select(subquery.c.owner).where(account.in_([user_id, user_id.replace("-", "")]))
                keys.update(dict.fromkeys(connection.execute(found.limit(PAGE)).scalars()))
            return self._users(connection, subqueries, list(keys))

    def _users(self, connection: Connection, subqueries: Mapping[str, Subquery], keys: list[Any]) -> Users:
        users: Users = {key: {name: [] for name in subqueries} for key in keys}
        for name, subquery in subqueries.items():
            for row in connection.execute(select(subquery).where(subquery.c.owner.in_(keys))).mappings():
                if row["owner"] in users:
                    users[row["owner"]][name].append(dict(row))
        return users


def beginning_of(column: "ColumnElement[Any]") -> "ColumnElement[Any]":
    """The beginning of a text, which shows that there is more if there is."""
    if isinstance(column.type, LargeBinary):
        return func.substr(column, 1, LONGEST + 1)
    return func.substr(cast(column, Text), 1, LONGEST + 1)


def undecoded(column: "ColumnElement[Any]") -> "ColumnElement[Any]":
    """A column as the driver gives it: SQLAlchemy's own reading of a type ends at a row that is of another."""
    return type_coerce(column, NullType())


def identifier(account: Any, accounts: Accounts | None) -> str:
    """The user's id, as ferrotp gets it. Empty for what is none."""
    if isinstance(account, bool) or not isinstance(account, (int, str, UUID)):
        return ""
    text = str(account)
    if accounts is not None and accounts.uuids and isinstance(account, str):
        try:
            text = str(UUID(account))
        except ValueError:
            return ""
    return text


def _owners(queries: Mapping[str, Query]) -> Subquery:
    return union_all(*(query.with_only_columns(_label(query)) for query in queries.values())).subquery()


def _label(query: Query) -> Any:
    return next(column for column in query.selected_columns if column.key == "owner").label("owner")


def _engine(where: str) -> Engine:
    try:
        if "://" not in where:
            return _sqlite(where)
        url = make_url(where)
        backend = url.get_backend_name()
        if backend == "sqlite":
            return _sqlite(url.database or "")
        if backend == "postgresql" and url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if backend in ("postgresql", "mysql", "mariadb"):
            return create_engine(url, poolclass=NullPool, hide_parameters=True)
        raise SourceError(f"a source in {backend} is not read: SQLite, PostgreSQL, MySQL and MariaDB are")
    except ArgumentError:
        # SQLAlchemy's own text repeats the URL, and with it a password.
        raise SourceError("the URL of the source cannot be read") from None
    except ImportError as error:
        raise SourceError(f"the source's driver is not installed ({error.name})") from None


def _sqlite(path: str) -> Engine:
    if not Path(path).is_file():
        raise SourceError("the source is no file: name a SQLite file, or a URL")
    uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        # One row of bytes that are no text must not end the import.
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
