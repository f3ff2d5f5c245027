"""An engine of the application: it lends its way to connect, and decisions stay whatever the application does."""

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, StaticPool, create_engine, event, text
from sqlalchemy.orm import Session

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, InvalidCode, Policy, StoreRefused, Throttled
from ferrotp.mfa.stores import open_store
from ferrotp.mfa.stores.base import Factor, Owner
from ferrotp.mfa.stores.sql import SQLStore, metadata
from ferrotp.mfa.testing import advance
from ferrotp.vault import Keyring

from ..servers import PostgreSQLServer
from .samples import FACTOR, LIMITS, NOW, OWNER, furnish, reserved


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param != "sqlite":
        made = create_engine(request.getfixturevalue(request.param).database())
    else:
        made = create_engine(f"sqlite:///{tmp_path}/app.db")
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE note (body TEXT)"))
    yield made
    made.dispose()


def service(store: Any) -> MFA:
    return MFA(
        store,
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=lambda: NOW / 1000,
    )


def notes(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM note")).scalar_one())


def test_a_guess_stays_counted_when_the_application_rolls_back(engine: Engine) -> None:
    mfa = service(engine)
    mfa.import_factor(user_id="ann", secret=random_base32())
    for failures in range(1, 6):
        with Session(engine) as session:
            if engine.dialect.name != "sqlite":  # which has one writer: the next test
                session.execute(text("INSERT INTO note VALUES ('half done')"))
            else:
                session.execute(text("SELECT count(*) FROM note"))
            with pytest.raises(InvalidCode):
                mfa.verify(user_id="ann", code="0")
            session.rollback()
        assert mfa.status(user_id="ann").failures == failures
    with pytest.raises(Throttled):
        mfa.verify(user_id="ann", code="0")
    assert notes(engine) == 0
    mfa.close()


def test_a_login_stays_used_when_the_application_rolls_back(engine: Engine) -> None:
    mfa = service(engine)
    otp = TOTP(random_base32())
    mfa.import_factor(user_id="ann", secret=otp.secret)
    with Session(engine) as session:
        session.execute(text("SELECT count(*) FROM note"))
        mfa.verify(user_id="ann", code=otp.at(NOW // 1000))
        session.rollback()
    with pytest.raises(InvalidCode):
        mfa.verify(user_id="ann", code=otp.at(NOW // 1000))
    mfa.close()


def test_a_guess_stays_counted_when_the_application_dies(engine: Engine) -> None:
    mfa = service(engine)
    mfa.import_factor(user_id="ann", secret=random_base32())
    mfa.close()
    engine.dispose()
    child = os.fork()
    if child == 0:
        try:
            with Session(engine) as session:
                session.execute(text("SELECT count(*) FROM note"))
                mfa.verify(user_id="ann", code="0")
        except InvalidCode:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert mfa.status(user_id="ann").failures == 1
    mfa.close()


def test_the_engine_is_left_as_it_was(engine: Engine) -> None:
    def found() -> tuple[object, ...]:
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            settings: list[Any] = [connection.get_isolation_level(), getattr(raw, "autocommit", None)]
            names = {
                "postgresql": (
                    "SHOW statement_timeout",
                    "SHOW synchronous_commit",
                    "SHOW default_transaction_isolation",
                ),
                "mysql": ("SELECT @@max_statement_time", "SELECT @@sql_mode", "SELECT @@tx_isolation"),
                "sqlite": ("PRAGMA synchronous", "PRAGMA journal_mode", "PRAGMA foreign_keys"),
            }[engine.dialect.name]
            settings += [connection.execute(text(name)).scalar() for name in names]
        return engine.pool.status(), *settings

    before = found()
    store = open_store(engine)
    store.prepare()
    furnish(store)
    reserved(store)
    assert found() == before
    store.close()
    assert found() == before


def test_the_engines_ways_to_connect_are_kept(postgresql: PostgreSQLServer) -> None:
    engine = create_engine(postgresql.database(), isolation_level="SERIALIZABLE", pool_size=1, max_overflow=0)

    @event.listens_for(engine, "connect")
    def set_path(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS mine")
            cursor.execute("SET search_path TO mine")
        connection.commit()

    store = SQLStore(engine)
    with engine.connect() as all_there_is:  # the pool is empty now, and the store needs nothing of it
        store.prepare()
        furnish(store)
        tables = all_there_is.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'mine'")).scalar_one()
    assert tables == len(metadata.tables)
    store.close()
    engine.dispose()


def test_a_listener_that_leaves_a_transaction_open_is_told(postgresql: PostgreSQLServer) -> None:
    engine = create_engine(postgresql.database())

    @event.listens_for(engine, "connect")
    def forgets(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    with pytest.raises(StoreRefused, match="did not commit"):
        SQLStore(engine).prepare()
    engine.dispose()


def test_engines_that_cannot_serve_are_refused(postgresql: PostgreSQLServer) -> None:
    memory = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    single = create_engine(postgresql.url, poolclass=StaticPool)
    for engine in (memory, single, create_engine("sqlite://")):
        with pytest.raises(StoreRefused):
            SQLStore(engine)
        engine.dispose()


def test_a_forked_child_has_connections_of_its_own(engine: Engine) -> None:
    store = open_store(engine)
    store.prepare()
    furnish(store)
    other = replace(FACTOR, owner=Owner("tenant", "the child's"))
    assert store.add_factor(other, NOW, 1, 1)

    def work(factor: Factor) -> None:
        for step in range(150):
            assert advance(store, factor.owner, factor.factor_id, step, limits=LIMITS)
            time.sleep(0.001)  # nobody logs in without a pause, which would leave the other no gap on a slow disk

    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(other)
            gc.collect()  # the parent's connections are not closed with the child's garbage
            status = 0
        finally:
            os._exit(status)
    work(FACTOR)
    assert os.waitpid(child, 0)[1] == 0
    assert [store.user(factor.owner).factors[0].last_step for factor in (FACTOR, other)] == [149, 149]
    store.close()


def test_threads_share_a_store(engine: Engine) -> None:
    store = open_store(engine)
    store.prepare()
    furnish(store)
    limits = replace(LIMITS, free=10**6, disable_at=10**6, cost=1)
    yes: list[int] = []

    def work() -> None:
        for step in range(20):
            if advance(store, OWNER, "factor", step, limits=limits):
                yes.append(step)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(yes) == len(set(yes)) and max(yes) == 19
    budget = store.user(OWNER).budgets["otp"]
    assert budget.spent_until == NOW + 16 * 20 - len(yes)
    store.close()
