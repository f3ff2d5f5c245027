"""Which database a URL or an engine of the application names; others are refused with what would do."""

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ...errors import StoreRefused
from .dialect import Dialect
from .schema import Tables
from .sqlite import SQLite, SQLiteFile

if TYPE_CHECKING:  # a server's driver is loaded for it alone
    from .mysql import MySQLServer
    from .postgresql import PostgreSQLServer

_SERVING = "SQLite, PostgreSQL, MariaDB and MySQL are"


def dialect_for(where: "str | URL | Engine", timeout: float, tables: Tables) -> "Dialect[Any, Any]":
    """The database.

    :raises StoreRefused: if it is none that passes the store's tests
    """
    if isinstance(where, Engine):
        return _of_engine(where, timeout, tables)
    if not isinstance(where, (str, URL)):
        raise StoreRefused(f"{type(where).__name__} is neither a URL nor an engine (of an AsyncEngine: sync_engine)")
    try:
        url = make_url(where)
    except ArgumentError:
        # SQLAlchemy's own text repeats the URL, and with it a password.
        raise StoreRefused("the URL of the database cannot be read") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        journal = url.query.get("journal", "wal")
        if journal not in ("wal", "delete"):
            raise StoreRefused("the journal of a SQLite file is wal or delete")
        return _sqlite(url.difference_update_query(["journal"]), str(journal), tables)
    if backend == "postgresql":
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise StoreRefused("PostgreSQL is spoken to by psycopg 3: postgresql+psycopg://...")
        try:
            from .postgresql import PostgreSQLServer
        except ImportError:
            raise StoreRefused("psycopg is not installed: pip install 'ferrotp[postgresql]'") from None
        return _postgresql(PostgreSQLServer.of_url(url, timeout), tables)
    if backend in ("mysql", "mariadb"):
        if url.drivername not in (backend, f"{backend}+pymysql"):
            raise StoreRefused(f"MySQL and MariaDB are spoken to by PyMySQL: {backend}+pymysql://...")
        try:
            from .mysql import MySQLServer
        except ImportError:
            raise StoreRefused("PyMySQL is not installed: pip install 'ferrotp[mysql]'") from None
        return _mysql(MySQLServer.of_url(url, timeout), tables)
    raise StoreRefused(f"{backend} is no database that passes the store's tests: {_SERVING}")


def sqlite_in_folder(where: str, folder: str) -> tuple[str, str, str] | None:
    """For a URL of a SQLite file that is named by a relative path: this path, the file of that name in `folder`, and
    the file's URL. None for anything else."""
    try:
        url = make_url(where)
    except ArgumentError:
        return None
    named = url.database or ""
    prefix = "file:" if "uri" in url.query and named.startswith("file:") else ""
    path = named.removeprefix(prefix)
    if path in ("", ":memory:") or os.path.isabs(path) or url.query.get("mode") == "memory":
        return None
    file = os.path.join(os.path.abspath(folder), path)
    return path, file, url.set(database=prefix + file).render_as_string(hide_password=False)


def _of_engine(engine: Engine, timeout: float, tables: Tables) -> "Dialect[Any, Any]":
    if engine.dialect.name == "sqlite" and engine.dialect.driver == "pysqlite":
        return _sqlite(engine.url, "", tables)
    if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":
        _check_pool(engine)
        from .postgresql import PostgreSQLServer

        return _postgresql(PostgreSQLServer.of_engine(engine, timeout), tables)
    if engine.dialect.name in ("mysql", "mariadb") and engine.dialect.driver == "pymysql":
        _check_pool(engine)
        from .mysql import MySQLServer

        return _mysql(MySQLServer.of_engine(engine, timeout), tables)
    raise StoreRefused(
        f"an engine of {engine.dialect.name}+{engine.dialect.driver} does not serve:"
        " sqlite+pysqlite, postgresql+psycopg and mysql+pymysql do; or pass a URL"
    )


def _check_pool(engine: Engine) -> None:
    if isinstance(engine.pool, (StaticPool, SingletonThreadPool)):
        raise StoreRefused("the engine's pool has one connection only, and a decision needs one of its own")


def _sqlite(url: URL, journal: str, tables: Tables) -> SQLite:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StoreRefused("a SQLite file is opened by Python's sqlite3: sqlite:///...")
    arguments, options = url.get_dialect()().create_connect_args(url)
    path = str(arguments[0])
    if path == ":memory:" or "mode=memory" in path or not url.database:
        raise StoreRefused("a SQLite database in memory is lost with its process: name a file (sqlite:///mfa.db)")
    uri = bool(options.get("uri"))
    is_relative = not uri and not os.path.isabs(url.database)  # as it was named; SQLAlchemy has made it a whole path
    return SQLite(SQLiteFile(path, uri, journal, is_relative=is_relative), tables)


def _postgresql(server: "PostgreSQLServer", tables: Tables) -> "Dialect[Any, Any]":
    from .postgresql import PostgreSQL

    return PostgreSQL(server, tables)


def _mysql(server: "MySQLServer", tables: Tables) -> "Dialect[Any, Any]":
    from .mysql import MySQL

    return MySQL(server, tables)
