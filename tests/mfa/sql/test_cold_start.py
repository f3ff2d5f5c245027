"""48 processes that start at once: each prepares the store and logs a user in, and none finds it unavailable."""

import functools
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from folders import in_memory

from ferrotp.mfa.stores import waiting
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.statements import Statements, _compiled

from ..servers import PostgreSQLServer, shared_postgresql
from .samples import calls, furnish, reserved
from .starting import log_in, together

PROCESSES = 48
PATIENCE = 60
"""Seconds: the promise is that nobody fails for want of a table, a file or a connection, not the speed of the disk."""


@pytest.fixture(scope="module")
def small_server() -> PostgreSQLServer:
    """Half of the connections that a server has if nothing is set."""
    return shared_postgresql(max_connections=55)


def started(url: str) -> list[str]:
    """What they say."""
    return together(functools.partial(SQLStore, url, timeout=PATIENCE), log_in, PROCESSES)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_on_a_file_that_is_not_there_yet(journal: str) -> None:
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        assert started(f"sqlite:///{folder}/mfa.db?journal={journal}") == ["done"] * PROCESSES


def test_preparing_waits_longer_than_an_answer_to_a_code_may_take(tmp_path: Path) -> None:
    """No user waits for it, and others that start at the same moment hold the file."""
    store = SQLStore(f"sqlite:///{tmp_path}/mfa.db", timeout=0.05)
    holder = sqlite3.connect(tmp_path / "mfa.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.5, holder.close).start()
    assert store.prepare()
    store.close()


def test_preparing_waits_for_another_process_that_makes_the_tables(small_server: PostgreSQLServer) -> None:
    url = small_server.database()
    first, store = SQLStore(url), SQLStore(url, timeout=0.2)
    with first._pool.borrow() as connection:
        connection.begin()
        connection.lock_schema()
        release = threading.Timer(1.0, connection.rollback)
        release.start()
        assert store.prepare()
        release.join()
    for opened in (first, store):
        opened.close()


def test_on_a_server_without_tables_and_with_as_many_connections_as_servers_have(
    small_server: PostgreSQLServer,
) -> None:
    assert started(small_server.database()) == ["done"] * PROCESSES


def test_where_the_server_has_no_room_for_a_moment_it_is_asked_again(
    small_server: PostgreSQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = small_server.database()
    first = SQLStore(url)
    first.prepare()
    furnish(first)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO narrow")
    narrow = url.replace("postgres:@", "narrow:@")
    holder = psycopg.connect(narrow.replace("+psycopg", ""))

    def room(seconds: float) -> None:
        holder.close()
        time.sleep(seconds)

    monkeypatch.setattr(waiting, "sleep", room)
    store = SQLStore(narrow, timeout=20)
    assert reserved(store)
    assert holder.closed, "it was asked once, and there was no room"
    for opened in (store, first):
        opened.close()


def test_no_statement_is_compiled_while_others_wait(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler takes milliseconds. With 48 processes on two processors that was a second under SQLite's lock."""
    _compiled.cache_clear()  # an earlier store's
    store = SQLStore(url)
    real = Statements._made

    def made(statements: Statements, statement: Any) -> Any:
        assert store._pool._places._left == store._dialect.connections, "a connection is borrowed"
        return real(statements, statement)

    monkeypatch.setattr(Statements, "_made", made)
    store.prepare()
    furnish(store)
    for call in calls(store).values():
        call()
    store.close()
