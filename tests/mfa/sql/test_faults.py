"""The database stopped, paused, locked, full and read-only: `StoreUnavailable` in time, never a yes, and then on."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ferrotp.mfa.errors import StoreUnavailable
from ferrotp.mfa.stores import waiting
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.testing import advance

from ..servers import PostgreSQLServer
from .samples import CODE, COPIES_READ, FACTOR, LIMITS, NOW, OWNER, READS, calls, furnish, reserved
from .server_faults import ServerFaults, each_is_unavailable, unavailable


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    """One to break."""
    own = PostgreSQLServer()
    yield own
    own.close()


# PostgreSQL


class TestPostgreSQL(ServerFaults):
    pass


def test_postgresql_read_only_at_every_call(server: PostgreSQLServer) -> None:
    store = SQLStore(server.database())
    store.prepare()

    def read_only(value: str) -> None:
        with psycopg.connect(server.uri, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)

    def breaks() -> Callable[[], None]:
        read_only("on")
        return lambda: read_only("off")

    each_is_unavailable(store, COPIES_READ, breaks)
    store.close()


def test_postgresql_tables_locked_by_another_at_every_call(server: PostgreSQLServer) -> None:
    url = server.database()
    store = SQLStore(url, timeout=0.4)
    store.prepare()
    other = psycopg.connect(url.replace("+psycopg", ""))

    def breaks() -> Callable[[], None]:
        other.execute(
            "LOCK TABLE ferrotp_budget, ferrotp_factor, ferrotp_recovery_code, ferrotp_device, ferrotp_user,"
            " ferrotp_ended_login, ferrotp_schema"
        )
        return other.rollback

    each_is_unavailable(store, set(), breaks)
    other.close()
    store.close()


def test_postgresql_that_takes_no_more_connections(server: PostgreSQLServer) -> None:
    url = server.database()
    store = SQLStore(url)
    store.prepare()
    furnish(store)
    store.close()
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        unavailable(lambda: reserved(store))
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    assert reserved(store)
    store.close()


def test_many_threads_at_a_paused_postgresql_all_hear_it_in_time(server: PostgreSQLServer) -> None:
    store = SQLStore(server.database())
    store.prepare()
    furnish(store)
    answers: list[str] = []
    server.pause()
    threads = [threading.Thread(target=lambda: answers.append(unavailable(lambda: reserved(store)))) for _ in range(40)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 40
        # Those that still try to connect are few, however many have asked.
        assert sum(thread.name == "ferrotp connects" for thread in threading.enumerate()) <= 8
    finally:
        server.resume()
    assert reserved(store)
    store.close()


# SQLite


@pytest.fixture(params=["wal", "delete"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/mfa.db?journal={request.param}"


def test_sqlite_locked_by_another_at_every_call(file: str) -> None:
    store = SQLStore(f"sqlite:///{file}", timeout=0.4)
    store.prepare()
    other = sqlite3.connect(file.partition("?")[0], isolation_level=None)

    def breaks() -> Callable[[], None]:
        other.execute("BEGIN EXCLUSIVE")
        return lambda: other.execute("ROLLBACK") and None

    # Readers of a file with a WAL do not wait for writers.
    each_is_unavailable(store, READS if file.endswith("wal") else set(), breaks)
    store.close()


def test_sqlite_is_waited_for_while_others_have_the_processor(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when all processes of a site start at once: what is late then is not the file."""
    store = SQLStore(f"sqlite:///{file}", timeout=0.2)
    store.prepare()
    furnish(store)
    holder = sqlite3.connect(file.partition("?")[0], isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    pauses: list[float] = []

    def late(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds + 0.1)
        if len(pauses) == 6:
            holder.execute("ROLLBACK")

    monkeypatch.setattr(waiting, "sleep", late)
    assert reserved(store)
    assert len(pauses) >= 6, "the lock was waited for, for longer than a call may take"
    for opened in (holder, store):
        opened.close()


def test_sqlite_locked_is_told(file: str) -> None:
    store = SQLStore(f"sqlite:///{file}")
    store.prepare()
    furnish(store)
    # The process that holds the lock is stopped.
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, file.partition("?")[0]], stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    try:
        said = unavailable(lambda: reserved(store))
        assert "locked" in said
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert reserved(store)
    store.close()


def test_sqlite_read_only_at_every_call(file: str) -> None:
    path = file.partition("?")[0]
    writer = SQLStore(f"sqlite:///{file}")
    writer.prepare()
    furnish(writer)
    reader = SQLStore(f"sqlite:///file:{path}?mode=ro&uri=true&journal={file.rpartition('=')[2]}")
    for name, call in calls(reader, writer).items():
        if name not in COPIES_READ:
            unavailable(call)
    writer.close()
    reader.close()


def in_a_child(work: Callable[[], None]) -> None:
    """Runs it in a process that may be spoiled."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            os.write(2, f"in the child: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_file_that_may_not_be_written(file: str, tmp_path: Path) -> None:
    path = Path(file.partition("?")[0])
    store = SQLStore(f"sqlite:///{file}")
    store.prepare()
    furnish(store)
    store.close()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    for parent in path.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)

    def work() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        unavailable(lambda: reserved(store))

    try:
        in_a_child(work)
    finally:
        tmp_path.chmod(0o755)
    path.chmod(0o600)
    assert reserved(store)
    store.close()


def test_a_full_disk(file: str) -> None:
    store = SQLStore(f"sqlite:///{file}")
    store.prepare()
    furnish(store)
    size = Path(file.partition("?")[0]).stat().st_size
    store.close()

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
        for _ in range(1000):
            big = [replace(CODE, selector=f"{number}", sealed=bytes(4000)) for number in range(20)]
            try:
                store.replace_recovery_codes(OWNER, big, NOW)
            except StoreUnavailable:
                break
        else:
            raise AssertionError("it was never full")
        accepted = -1
        for step in range(200):
            with contextlib.suppress(StoreUnavailable):
                assert advance(store, OWNER, "factor", step, limits=LIMITS)
                accepted = step
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert store.user(OWNER).factors[0].last_step >= accepted
        assert store.reset(OWNER) == 3  # and it goes on

    in_a_child(work)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no such directory" / "mfa.db"):
        unavailable(SQLStore(f"sqlite:///{path}").prepare)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 1000)
    unavailable(SQLStore(f"sqlite:///{garbage}").prepare)


def test_the_application_in_its_own_write_transaction(file: str) -> None:
    store = SQLStore(f"sqlite:///{file}")
    store.prepare()
    furnish(store)
    application = sqlite3.connect(file.partition("?")[0], isolation_level=None)
    application.execute("BEGIN IMMEDIATE")
    assert "of this same thread" in unavailable(lambda: reserved(store))
    application.execute("ROLLBACK")
    application.close()
    assert reserved(store)
    store.close()


def test_no_connection_is_left_behind_by_failures(tmp_path: Path) -> None:
    store = SQLStore(f"sqlite:///{tmp_path}/mfa.db", timeout=0.05)
    store.prepare()
    furnish(store)
    other = sqlite3.connect(tmp_path / "mfa.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        unavailable(lambda: reserved(store))
    assert len(os.listdir("/proc/self/fd")) <= before
    other.execute("ROLLBACK")
    other.close()
    assert FACTOR.factor_id == reserved(store).factors[0].factor_id
    store.close()
