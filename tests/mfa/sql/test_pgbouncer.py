"""Behind PgBouncer a session is another client's after each transaction: what one leaves there, the next one finds.

Before, prepared statements had running numbers for names, and a process executed what another one had prepared under
the same number: a list became a delete.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from soak import SOAK
from sqlalchemy import create_engine, text

from ferrotp.mfa import StoreUnavailable
from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.postgresql import PostgreSQLStatements
from ferrotp.mfa.stores.sql.records import owner_values
from ferrotp.mfa.stores.sql.schema import tables
from ferrotp.mfa.stores.sql.statements import Statement
from ferrotp.mfa.testing import StoreContract

from ..pgbouncer import PgBouncer, needs_pgbouncer
from ..servers import PostgreSQLServer
from .samples import CODE, DEVICE, FACTOR, OWNER, calls, furnish


@pytest.fixture
def bouncer(postgresql: PostgreSQLServer) -> Iterator[PgBouncer]:
    """All clients share one session."""
    bouncer = PgBouncer(postgresql.database(), size=1)
    yield bouncer
    bouncer.close()


@needs_pgbouncer
class TestPgBouncer(StoreContract):
    """The contract, where 64 processes share 10 sessions."""

    rounds = 12
    # The statements are those of `TestPostgreSQL`. What differs is each transaction, and of those there are thousands.
    histories = StoreContract.histories if SOAK else 10
    bouncer: PgBouncer

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls, postgresql: PostgreSQLServer) -> Iterator[None]:
        cls.bouncer = PgBouncer(postgresql.database(), size=10)
        yield
        cls.bouncer.close()

    def lose_factors(self, store: Any, owner: Owner) -> None:
        with store._pool.borrow() as connection:
            connection.run(store._statements.drop_factors, owner_values(owner))

    def opener(self) -> Callable[[], Store]:
        return functools.partial(SQLStore, self.bouncer.url, timeout=30)


@needs_pgbouncer
def test_nothing_is_left_in_a_session_that_the_next_client_gets(bouncer: PgBouncer) -> None:
    asked = (
        "SELECT count(*) FROM pg_prepared_statements",
        "SHOW statement_timeout",
        "SHOW idle_in_transaction_session_timeout",
        "SHOW default_transaction_isolation",
        "SHOW synchronous_commit",
    )
    with psycopg.connect(bouncer.conninfo, autocommit=True, prepare_threshold=None) as other:

        def session() -> list[object]:
            return [other.execute(question).fetchone() for question in asked]

        before, process = session(), other.execute("SELECT pg_backend_pid()").fetchone()
        store = SQLStore(bouncer.url)
        store.prepare()
        assert session() == before
        furnish(store)
        for name, call in calls(store).items():
            call()
            assert session() == before, name
        assert other.execute("SELECT pg_backend_pid()").fetchone() == process  # they did share it
        store.close()


@needs_pgbouncer
def test_a_commit_is_durable_and_has_its_deadline_behind_a_pooler(
    bouncer: PgBouncer, postgresql: PostgreSQLServer
) -> None:
    name = bouncer.url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgresql.uri, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation TO serializable")
    store = SQLStore(bouncer.url, timeout=2.0)
    with store._pool.borrow() as connection:
        assert connection._pooled  # type: ignore[attr-defined]
        connection.begin()
        found = [
            connection._ask(f"SELECT current_setting('{setting}')").get_value(0, 0)  # type: ignore[attr-defined]
            for setting in ("synchronous_commit", "transaction_isolation", "statement_timeout")
        ]
        assert found == [b"on", b"read committed", b"1800ms"]
        connection.rollback()
    store.close()


@needs_pgbouncer
def test_processes_that_use_different_statements_in_one_session_do_not_meet(bouncer: PgBouncer) -> None:
    stores = [SQLStore(bouncer.url, timeout=20) for _ in range(6)]
    stores[0].prepare()
    furnish(stores[0])
    kept = stores[0].user(OWNER).factors
    failures: list[BaseException] = []

    def read(store: SQLStore, first: int) -> None:
        # Each begins with another one: what it prepares first had the same number in all of them.
        reads: list[Callable[[], object]] = [
            lambda: store.user(OWNER).factors == kept,
            lambda: [factor.owner for factor in store.factors(None, 5)] == [OWNER] * len(kept),
            lambda: store.recovery_codes(None, 5) == [CODE],
            lambda: [device.series for device in store.devices(OWNER)] == [DEVICE.series],
            lambda: store.remove_devices(OWNER, "another") == 0,
            lambda: store.reseal([(replace(FACTOR, sealed=b"another"), b"new")]) == 0,
        ]
        try:
            for number in range(60):
                assert reads[(first + number) % len(reads)](), (first, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(store, number)) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    for store in stores:
        store.close()


@needs_pgbouncer
def test_a_pooler_that_goes_away_is_told_and_the_next_one_serves(postgresql: PostgreSQLServer) -> None:
    url = postgresql.database()
    bouncer = PgBouncer(url, size=2)
    store = SQLStore(bouncer.url, timeout=1.0)
    store.prepare()
    furnish(store)
    bouncer.close()
    with pytest.raises(StoreUnavailable):
        store.user(OWNER)
    store.close()


def statements() -> dict[bytes, str]:
    made = PostgreSQLStatements(tables())
    made.compile()
    found = {}
    for attribute in vars(made).values():
        for value in attribute.values() if isinstance(attribute, dict) else [attribute]:
            if isinstance(value, Statement):
                assert found.setdefault(value.name, value.text) == value.text
    return found


def test_a_prepared_statements_name_follows_from_its_text() -> None:
    """In another process, and whatever was made before it; and no other text has it."""
    here = statements()
    assert len(here) == len(set(here.values())) > 20
    assert all(len(name) < 64 for name in here)  # PostgreSQL cuts longer ones
    script = (
        "from ferrotp.mfa.stores.sql.postgresql import PostgreSQLStatements\n"
        "from ferrotp.mfa.stores.sql.schema import tables\n"
        "PostgreSQLStatements(tables('other_')).compile()\n"
        "print(PostgreSQLStatements(tables()).take_factor.name.decode())\n"
    )
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert here[there.encode()].startswith("DELETE FROM ferrotp_factor")


def test_without_a_pooler_nothing_costs_more(postgresql: PostgreSQLServer) -> None:
    url = postgresql.database()
    store = SQLStore(url)
    store.prepare()
    with store._pool.borrow() as connection:
        assert not connection._pooled  # type: ignore[attr-defined]
    with create_engine(url).connect() as other:
        assert other.execute(text("SHOW statement_timeout")).scalar() == "0"
    store.close()
