"""What a decision is worth, whatever the caller's transaction does; and what comes of a database that is away."""

import json
import os
import secrets
import sqlite3
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TestCase, TransactionTestCase
from django.test.utils import setup_test_environment, teardown_test_environment
from mfa.servers import PostgreSQLServer
from mfa.sql.starting import HANG

from ferrotp.django import connections as store_connections
from ferrotp.django import get_mfa
from ferrotp.django import store as store_module
from ferrotp.django.checks import check_durability
from ferrotp.django.models import Budget as BudgetRow
from ferrotp.django.models import EndedLogin, UserEpoch
from ferrotp.django.models import Factor as FactorRow
from ferrotp.django.store import DjangoStore, OutsideTransactionStore
from ferrotp.django.test import MFAClient, MFATestMixin, clear_memory
from ferrotp.mfa import AuditContext, Event, InvalidCode, Policy, StoreRefused, StoreUnavailable, audit_chain
from ferrotp.mfa.core import moment
from ferrotp.mfa.stores import waiting
from ferrotp.mfa.stores.base import Acceptance, AuditAppend, AuditHead, AuditRow, Budget, Factor, Owner, Reservation
from ferrotp.mfa.stores.pool import POOL_SIZE
from ferrotp.mfa.testing import NOW, advance
from ferrotp.vault import Keyring

from .conftest import Person
from .databases import database_on, database_on_mariadb
from .stores import migrate, set_up

LIMITS = replace(Policy().limits(), free=1000, disable_at=2000, cost=1)


def made(owner: Owner | None = None) -> Factor:
    owner = owner or Owner(secrets.token_hex(4), secrets.token_hex(8))
    return Factor(
        owner, secrets.token_hex(8), "totp", "phone", "active", b"sealed", False, created_at=NOW, expires_at=0
    )


class Place:
    """A database, and a store in it."""

    def __init__(self, alias: str, server: PostgreSQLServer | None = None) -> None:
        self.alias, self.server = alias, server
        self.store = DjangoStore(alias)
        self.factor = made()
        assert self.store.add_factor(self.factor, NOW, 10, 5)

    @property
    def owner(self) -> Owner:
        return self.factor.owner

    @property
    def has_rows_locks(self) -> bool:
        """And not one lock for all, as SQLite."""
        return bool(connections[self.alias].vendor != "sqlite")

    def attempt(self) -> Reservation:
        answer = self.store.reserve(self.owner, "otp", NOW, LIMITS)
        assert isinstance(answer, Reservation)
        return answer

    @property
    def failures(self) -> int:
        return self.store.user(self.owner).budgets["otp"].failures


def _alias(database: dict[str, Any]) -> str:
    alias = f"store_{secrets.token_hex(4)}"
    set_up({alias: database})
    migrate(alias)
    return alias


@pytest.fixture(scope="module")
def aliases(postgresql: PostgreSQLServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("stores")
    wal = str(folder / "wal.sqlite3")
    sqlite3.connect(wal).execute("PRAGMA journal_mode=wal").close()
    return {
        "sqlite": _alias({"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}),
        "sqlite-wal": _alias({"ENGINE": "django.db.backends.sqlite3", "NAME": wal}),
        "postgresql": _alias(database_on(postgresql)),
    }


@pytest.fixture(params=["sqlite", "sqlite-wal", "postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, aliases: dict[str, str], postgresql: PostgreSQLServer) -> Iterator[Place]:
    if request.param == "mariadb" and "mariadb" not in aliases:
        aliases["mariadb"] = _alias(database_on_mariadb(request.getfixturevalue("mariadb")))
    place = Place(aliases[request.param], postgresql if request.param == "postgresql" else None)
    yield place
    place.store.close()
    connections[place.alias].close()


@pytest.fixture
def requests_transaction(place: Place) -> Iterator[Callable[[], Any]]:
    """What ATOMIC_REQUESTS puts around a view."""
    settings = connections[place.alias].settings_dict
    settings["ATOMIC_REQUESTS"] = True
    yield lambda: transaction.atomic(using=place.alias)
    settings["ATOMIC_REQUESTS"] = False


def test_under_a_test_runner_it_keeps_no_connection(place: Place) -> None:
    """It drops the database while this process lives."""
    assert place.store._connections.pool.unused == 1
    setup_test_environment(debug=False)
    try:
        place.attempt()
        assert place.store._connections.pool.unused == 0
    finally:
        teardown_test_environment()
    place.attempt()
    assert place.store._connections.pool.unused == 1


def test_it_refuses_inside_a_callers_transaction_and_says_what_to_do(place: Place) -> None:
    with transaction.atomic(using=place.alias), pytest.raises(StoreRefused, match=r"transaction\.atomic.*non_atomic"):
        place.attempt()
    assert place.failures == 0
    place.attempt()
    assert place.failures == 1


def _statements(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[str]:
    """What a call runs, but for the limits of a transaction."""
    run: list[str] = []
    execute = CursorWrapper.execute

    def noting(self: Any, sql: str, params: Any = None) -> Any:
        run.append(sql)
        return execute(self, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", noting)
        call()
    return [sql for sql in run if not sql.startswith("SET ")]


def test_an_attempt_takes_four_statements(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    store, factor = place.store, place.factor
    right = Acceptance(factor.factor_id, 5, 0)

    def attempt(accepted: Acceptance | None) -> Callable[[], object]:
        return lambda: store.attempt(factor.owner, "otp", NOW, LIMITS, lambda _: accepted)

    attempt(None)()  # the connection is made
    run = [sql.split()[0] for sql in _statements(monkeypatch, attempt(right))]
    if place.server is None:
        assert run in (
            ["SELECT", "UPDATE", "UPDATE", "UPDATE"],  # SQLite: the count is written before the code is looked at
            ["SELECT", "SELECT", "UPDATE", "UPDATE"],
        )
    assert store.user(factor.owner).factors[0].last_step == 5
    assert len(_statements(monkeypatch, attempt(None))) <= 3
    if place.server is None:  # what PostgreSQL is sent is counted elsewhere
        assert len(_statements(monkeypatch, lambda: store.has_ended(factor.owner, "none"))) == 1
    assert len(_statements(monkeypatch, lambda: store.user(factor.owner))) <= 3  # one asks whether it could write


@pytest.fixture
def on_postgresql(aliases: dict[str, str], postgresql: PostgreSQLServer) -> Iterator[Place]:
    place = Place(aliases["postgresql"], postgresql)
    yield place
    place.store.close()
    connections[place.alias].close()


def _messages(connection: Any, call: Callable[[], object]) -> list[list[str]]:
    """What a call sends to PostgreSQL: for each round trip the first words of its statements."""
    libpq = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as file:
        libpq.trace(file.fileno())
        try:
            call()
        finally:
            libpq.untrace()
        file.seek(0)
        sent = [line.rstrip().split("\t", 4) for line in file if "\tF\t" in line]
    assert {kind for _, _, _, kind, *_ in sent} <= {"Query"}
    return [[sql.split()[0] for sql in text.strip(' "').split("; ")] for *_, text in sent]


def _sent(place: Place, call: Callable[[], object]) -> list[list[str]]:
    """The same of the only connection of a store."""
    with place.store._connections.pool.borrow() as connection:
        assert place.store._connections.pool.unused == 0
    return _messages(connection, call)


_LOOKED = ["BEGIN", "SELECT", "SELECT", "SELECT", "SELECT"]
"""The limits of the transaction; the budget, locked; factors, and the number of recovery codes."""


def test_an_attempt_is_two_round_trips_to_postgresql_for_yes_and_no(on_postgresql: Place) -> None:
    store, factor = on_postgresql.store, on_postgresql.factor

    def attempt(accepted: Acceptance | None, login_id: str = "") -> Callable[[], object]:
        return lambda: store.attempt(factor.owner, "otp", NOW, LIMITS, lambda _: accepted, login_id=login_id)

    attempt(None)()  # the connection is made
    right = Acceptance(factor.factor_id, 5, 0)
    assert _sent(on_postgresql, attempt(right)) == [_LOOKED, ["UPDATE", "UPDATE", "COMMIT"]]
    assert _sent(on_postgresql, attempt(None)) == [_LOOKED, ["UPDATE", "COMMIT"]]
    assert _sent(on_postgresql, attempt(None, "login")) == [[*_LOOKED, "SELECT"], ["UPDATE", "COMMIT"]]
    assert _sent(on_postgresql, lambda: store.user(factor.owner)) == [
        ["BEGIN", "SELECT", "SELECT", "SELECT"],
        ["COMMIT"],
    ]
    kept = store.user(factor.owner)
    assert (kept.factors[0].last_step, kept.budgets["otp"].failures) == (5, 2)
    assert _sent(on_postgresql, lambda: store.budget(factor.owner, "otp")) == [["SELECT"]]
    assert _sent(on_postgresql, lambda: store.has_ended(factor.owner, "none")) == [["SELECT"]]
    # What comes after it on that connection begins as ever.
    assert _sent(on_postgresql, attempt(None)) == [_LOOKED, ["UPDATE", "COMMIT"]]


def test_a_row_of_the_audit_is_three_round_trips_more(on_postgresql: Place) -> None:
    """The first of them has the changes of the attempt. All of it is one transaction."""
    store, owner, keyring = on_postgresql.store, on_postgresql.owner, Keyring.generate()
    event = Event("refused", datetime.now(timezone.utc), owner.tenant, owner.user_id)

    def attempt() -> None:
        def audit(answer: object) -> list[AuditAppend]:
            return audit_chain.appends(keyring, [event], AuditContext())

        store.attempt(owner, "otp", NOW, LIMITS, lambda _: None, audit=audit)

    attempt()
    assert _sent(on_postgresql, attempt) == [_LOOKED, ["UPDATE", "SELECT"], ["UPDATE"], ["INSERT"], ["COMMIT"]]
    assert on_postgresql.failures == 2


def test_beside_a_packages_transaction_a_check_is_two_round_trips_and_a_page_asks_in_one(
    on_postgresql: Place,
) -> None:
    """As the adapters have it. The package's own connection is asked for what there is of the user."""
    place, owner = on_postgresql, on_postgresql.owner
    place.store = OutsideTransactionStore(place.alias)
    right = Acceptance(place.factor.factor_id, 5, 0)

    def check() -> None:
        with transaction.atomic(using=place.alias):
            place.store.attempt(owner, "otp", NOW, LIMITS, lambda _: right)

    check()
    assert _sent(place, check) == [_LOOKED, ["UPDATE", "COMMIT"]]  # its second time the code is wrong
    assert _messages(connections[place.alias], lambda: place.store.user(owner)) == [["SELECT", "SELECT", "SELECT"]]

    def look_first() -> None:
        with transaction.atomic(using=place.alias):
            assert place.store.budget(owner, "otp").failures == 1

    # On the store's own, so that a transaction of the package's that asks nothing else costs nothing.
    assert _sent(place, look_first) == [["SELECT"]]
    assert _messages(connections[place.alias], look_first) == []


def test_where_the_server_puts_values_in_the_store_has_a_connection_that_does_not(
    postgresql: PostgreSQLServer,
) -> None:
    place = Place(_alias({**database_on(postgresql), "OPTIONS": {"server_side_binding": True}}), postgresql)
    try:
        place.attempt()
        assert _sent(place, place.attempt) == [_LOOKED, ["UPDATE", "COMMIT"]]
        # On the caller's own, which takes one statement at a time.
        assert OutsideTransactionStore(place.alias).user(place.owner) == place.store.user(place.owner)
    finally:
        place.store.close()
        connections[place.alias].close()


def test_an_attempt_that_fails_on_the_way_leaves_nothing_and_the_connection_is_good(on_postgresql: Place) -> None:
    """Of what is sent together, nothing is kept that comes before what fails."""
    store, factor = on_postgresql.store, on_postgresql.factor
    before = store.user(factor.owner)
    far = Acceptance(factor.factor_id, 2**63, 0)  # no number that the column holds
    with pytest.raises(ValueError, match="cannot hold"):
        store.attempt(factor.owner, "otp", NOW, LIMITS, lambda _: far)
    assert store.user(factor.owner) == before
    assert isinstance(store.attempt(factor.owner, "otp", NOW, LIMITS, lambda _: None), Reservation)
    assert store.user(factor.owner).budgets["otp"].failures == 1
    assert store._connections.pool.unused == 1


def test_where_the_connection_is_gone_what_was_left_for_later_is_an_error(on_postgresql: Place) -> None:
    """And no decision that seems to be kept."""
    owner, transactions = on_postgresql.owner, on_postgresql.store._connections

    def decide() -> None:
        with transactions.transaction() as using:
            store_module._keep(using, owner, "otp", Budget(failures=7))
            raw, connections[using].connection = connections[using].connection, None
            raw.close()

    with pytest.raises(StoreUnavailable):
        decide()
    assert on_postgresql.failures == 0


def test_an_operation_that_asked_nothing_tells_postgresql_nothing(on_postgresql: Place) -> None:
    def nothing(*, undone: bool = False) -> None:
        with on_postgresql.store._connections.transaction() as using:
            if undone:
                transaction.set_rollback(True, using=using)

    assert _sent(on_postgresql, nothing) == _sent(on_postgresql, lambda: nothing(undone=True)) == []


def test_what_django_runs_by_itself_is_in_the_transaction_and_after_what_was_left_for_later(
    on_postgresql: Place,
) -> None:
    """A savepoint, a query of the ORM: the BEGIN and the changes before it are sent first."""
    owner, transactions = on_postgresql.owner, on_postgresql.store._connections

    def change() -> None:
        with transactions.transaction() as using:
            store_module._keep(using, owner, "otp", Budget(failures=7))
            mine = BudgetRow.objects.using(using).filter(tenant=owner.tenant, user_id=owner.user_id, method="otp")
            with transaction.atomic(using=using):
                seen.append(mine.get().failures)
            store_module._keep(using, owner, "otp", Budget(failures=8))
            if len(seen) == 1:
                raise RuntimeError

    seen: list[int] = []
    with pytest.raises(RuntimeError):
        change()
    assert (seen, on_postgresql.failures) == ([7], 0)
    sent = _sent(on_postgresql, change)
    assert [words[0] for words in sent] == ["BEGIN", "SAVEPOINT", "SELECT", "RELEASE", "UPDATE"]
    assert (sent[0][-1], sent[-1][-1], seen, on_postgresql.failures) == ("UPDATE", "COMMIT", [7, 7], 8)


def test_it_refuses_with_autocommit_off(place: Place) -> None:
    connection = connections[place.alias]
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        with pytest.raises(StoreRefused, match="autocommit off"):
            place.attempt()
    finally:
        connection.set_autocommit(True)


def test_it_decides_inside_the_transaction_of_another_database(place: Place, aliases: dict[str, str]) -> None:
    other = next(alias for alias in aliases.values() if alias != place.alias)
    with transaction.atomic(using=other):
        place.attempt()
    assert place.failures == 1


def test_what_is_decided_beside_a_requests_transaction_stays_when_that_is_rolled_back(
    place: Place, requests_transaction: Callable[[], Any]
) -> None:
    for _ in range(50):
        with suppress(RuntimeError), requests_transaction():
            place.attempt()
            raise RuntimeError
    assert place.failures == 50


def test_a_transaction_inside_a_requests_transaction_is_the_callers(
    place: Place, requests_transaction: Callable[[], Any]
) -> None:
    with requests_transaction(), transaction.atomic(using=place.alias), pytest.raises(StoreRefused):
        place.attempt()
    assert place.failures == 0


def test_where_the_requests_transaction_holds_the_lock_it_says_so(
    place: Place, requests_transaction: Callable[[], Any]
) -> None:
    """SQLite has one. Servers have one for each row."""
    with requests_transaction():
        with connections[place.alias].cursor() as cursor:
            cursor.execute("UPDATE ferrotp_django_factor SET name = 'x' WHERE factor_id = 'nobody'")
        if not place.has_rows_locks:
            started = time.monotonic()
            with pytest.raises(StoreRefused, match=r"ATOMIC_REQUESTS.*non_atomic_requests.*file of their own"):
                place.attempt()
            assert time.monotonic() - started < HANG
        else:
            place.attempt()
    assert place.failures == (1 if place.has_rows_locks else 0)


def test_pages_may_read_inside_a_callers_transaction(place: Place) -> None:
    with transaction.atomic(using=place.alias):
        assert len(place.store.user(place.owner).factors) == 1


def test_a_budget_is_read_in_one_statement_and_inside_a_callers_transaction(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.attempt()
    beside = OutsideTransactionStore(place.alias)
    for store in (place.store, beside):
        store.budget(place.owner, "otp")  # the connection is made
        run = _statements(monkeypatch, lambda store=store: store.budget(place.owner, "otp"))  # type: ignore[misc]
        assert len(run) == (0 if place.server else 1)  # what PostgreSQL is sent is counted elsewhere
        with transaction.atomic(using=place.alias):
            assert store.budget(place.owner, "otp") == place.store.user(place.owner).budgets["otp"]
    beside.close()


def test_it_leaves_the_callers_connection_as_it_was(place: Place) -> None:
    before = connections[place.alias]
    place.attempt()
    assert connections[place.alias] is before and not before.in_atomic_block
    assert not hasattr(connections._connections, f"ferrotp:{place.alias}")


def test_threads_share_a_few_connections(place: Place) -> None:
    place.store._connections.pool._timeout = 30  # the machine may be busy
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: place.attempt(), range(64)))
    assert place.failures == 64
    assert 1 <= place.store._connections.pool.unused <= POOL_SIZE


# A database that is away


def test_a_file_that_another_program_locks_is_unavailable(aliases: dict[str, str]) -> None:
    place = Place(aliases["sqlite"])
    other = sqlite3.connect(connections[place.alias].settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        for ask in (place.attempt, lambda: place.store.user(place.owner)):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked"):
                ask()
            assert time.monotonic() - started < HANG
    finally:
        other.close()
    place.attempt()


def test_a_file_is_waited_for_while_others_have_the_processor(
    aliases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when all processes of a site start at once: what is late then is not the file."""
    store = DjangoStore(aliases["sqlite"], timeout=0.2)
    holder = sqlite3.connect(connections[aliases["sqlite"]].settings_dict["NAME"], isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    pauses: list[float] = []

    def late(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds + 0.1)
        if len(pauses) == 6:
            holder.execute("ROLLBACK")

    monkeypatch.setattr(waiting, "sleep", late)
    assert store.add_factor(made(), NOW, 10, 5)
    assert len(pauses) >= 6, "the lock was waited for, for longer than a call may take"
    for opened in (holder, store):
        opened.close()


def test_a_file_that_cannot_be_written_or_opened_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    alias = _alias({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)})
    store = DjangoStore(alias)
    assert store.add_factor(made(), NOW, 10, 5)
    store.close()
    path.rename(tmp_path / "gone.sqlite3")
    (tmp_path / "db.sqlite3").mkdir()
    with pytest.raises(StoreUnavailable):
        store.add_factor(made(), NOW, 10, 5)


def test_tables_that_are_not_there_are_said_to_be_missing(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    for database in (
        {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "empty.sqlite3")},
        database_on(postgresql),
    ):
        alias = f"empty_{secrets.token_hex(4)}"
        set_up({alias: database})
        store = DjangoStore(alias)
        for ask in (store.prepare, lambda: store.add_factor(made(), NOW, 10, 5)):  # noqa: B023
            with pytest.raises(StoreRefused, match="migrate"):
                ask()


def test_a_database_in_memory_and_other_databases_are_refused() -> None:
    set_up({"memory": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    with pytest.raises(StoreRefused, match="in memory"):
        DjangoStore("memory").reset(Owner("", "x"))
    set_up({"dummy": {"ENGINE": "django.db.backends.dummy", "NAME": "x"}})
    with pytest.raises(StoreRefused, match="SQLite, PostgreSQL, MariaDB and MySQL are"):
        DjangoStore("dummy")


def test_what_is_too_long_for_a_key_is_refused_and_never_cut(mariadb: Any) -> None:
    store = DjangoStore(_alias(database_on_mariadb(mariadb)), timeout=30)
    twins = [Owner("t", "x" * 1020), Owner("t", "straße"), Owner("t", "strasse"), Owner("t", "strasse ")]
    for owner in twins:
        assert store.add_factor(made(owner), NOW, 10, 5)
    assert [len(store.user(owner).factors) for owner in twins] == [1] * 4
    with pytest.raises(ValueError, match="1020 bytes"):
        store.add_factor(made(Owner("t", "x" * 1021)), NOW, 10, 5)
    assert store.delete_users(twins[2:3]) == [1]
    assert [len(store.user(owner).factors) for owner in twins] == [1, 1, 0, 1]
    store.close()


def test_a_server_that_may_lose_commits_is_told(mariadb: Any, ferrotp: Callable[..., None]) -> None:
    alias = _alias(database_on_mariadb(mariadb))
    ferrotp(STORE="django", DATABASE=alias)
    assert check_durability(databases=[alias]) == [] == check_durability(databases=["default"])
    with mariadb.root() as root:
        root.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        try:
            assert [message.id for message in check_durability(databases=[alias])] == ["ferrotp.W005"]
        finally:
            root.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


def test_a_mariadb_that_is_stopped_is_unavailable_in_time_and_afterwards_it_goes_on(mariadb: Any) -> None:
    alias = _alias(database_on_mariadb(mariadb))
    place = Place(alias)
    connections[alias].close()
    mariadb.pause()
    try:
        for _ in range(2):  # on a connection that stands, and on a new one
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable):
                place.attempt()
            assert time.monotonic() - begun < HANG
    finally:
        mariadb.resume()
    patient = DjangoStore(alias, timeout=30)
    assert len(patient.user(place.owner).factors) == 1
    assert advance(patient, place.owner, place.factor.factor_id, 1, limits=LIMITS)
    place.store.close()
    patient.close()


@pytest.fixture
def own_server(postgresql: PostgreSQLServer, aliases: dict[str, str]) -> Iterator[Place]:
    place = Place(aliases["postgresql"], postgresql)
    yield place
    place.store.close()
    connections[place.alias].close()


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_is_stopped_is_unavailable_in_time_and_afterwards_it_goes_on(
    own_server: Place, connected: bool
) -> None:
    place = own_server
    assert place.server is not None
    if not connected:
        place.store.close()
        time.sleep(0.5)  # the server's side of it ends, too
    place.server.pause()
    try:
        for ask in (place.attempt, lambda: place.store.user(place.owner), place.attempt):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                ask()
            assert time.monotonic() - started < HANG
    finally:
        place.server.resume()
    before = place.failures
    place.attempt()
    assert place.failures == before + 1


def test_a_row_that_is_locked_for_long_is_unavailable(own_server: Place) -> None:
    place = own_server
    with transaction.atomic(using=place.alias), connections[place.alias].cursor() as cursor:
        cursor.execute("SELECT 1 FROM ferrotp_django_budget WHERE user_id = %s FOR UPDATE", [place.owner.user_id])
        failed: list[BaseException] = []

        def attempt() -> None:
            try:
                place.attempt()
            except BaseException as error:
                failed.append(error)

        started = time.monotonic()
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        assert time.monotonic() - started < HANG
    assert isinstance(failed[0], StoreUnavailable) and "55P03" in str(failed[0])
    assert place.failures == 0


def test_connections_that_the_server_ended_are_made_anew(own_server: Place) -> None:
    place = own_server
    place.attempt()
    with connections[place.alias].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    time.sleep(0.1)
    place.attempt()
    assert place.failures == 2


def test_a_standby_that_takes_no_writes_is_unavailable(own_server: Place) -> None:
    place = own_server
    name = connections[place.alias].settings_dict["NAME"]
    with connections[place.alias].cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    place.store.close()
    try:
        with pytest.raises(StoreUnavailable, match="25006"):
            place.attempt()
    finally:
        with connections[place.alias].cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        place.store.close()


def test_settings_that_weaken_a_decision_are_overruled(own_server: Place) -> None:
    place = own_server
    name = connections[place.alias].settings_dict["NAME"]
    with connections[place.alias].cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        cursor.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
    place.store.close()
    try:
        with place.store._connections.transaction() as using, connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation'),"
                " current_setting('lock_timeout')"
            )
            assert cursor.fetchone()[:2] == ("on", "read committed")
    finally:
        with connections[place.alias].cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET ALL')
        place.store.close()


def test_a_forked_child_takes_no_connection_of_its_parent(own_server: Place) -> None:
    place = own_server
    place.attempt()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = [place.store._connections.pool.unused, place.attempt().budget.failures]
            os.write(writing, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert json.loads(os.read(reading, 100)) == [0, 2]
    os.close(reading), os.close(writing)
    place.attempt()
    assert place.failures == 3


# Under ATOMIC_REQUESTS, by HTTP


@pytest.fixture
def atomic_requests(clock: Any) -> Iterator[None]:
    settings = connections["default"].settings_dict
    settings["ATOMIC_REQUESTS"] = True
    yield
    settings["ATOMIC_REQUESTS"] = False


def test_50_wrong_guesses_in_a_view_that_raises_are_all_counted(
    atomic_requests: None, client: MFAClient, alice: Person, ferrotp: Callable[..., None]
) -> None:
    ferrotp(POLICY={"free_failures": 10, "first_delay": 1, "longest_delay": 1, "failures_in_30_days": 1000})
    client.force_mfa_login(alice.user)
    client.raise_request_exception = False
    for _ in range(50):
        assert client.post("/guess", {"code": alice.wrong()}).status_code == 500
        alice.clock.tick(1)
    assert get_mfa().status(user_id=alice.user_id).failures == 50


def test_the_pages_decide_outside_of_the_requests_transaction(
    atomic_requests: None, client: MFAClient, alice: Person
) -> None:
    alice.password(client)
    for left in range(4):
        assert client.post("/mfa/challenge", {"code": alice.wrong()}).status_code == 400, left
    assert get_mfa().status(user_id=alice.user_id).failures == 4
    assert client.post("/mfa/challenge", {"code": alice.code()}).headers["Location"] == "/inside"
    assert client.post("/mfa/recovery-codes").status_code == 200


def test_a_view_that_has_written_gets_a_clear_error_on_sqlite(
    atomic_requests: None, client: MFAClient, alice: Person
) -> None:
    client.force_mfa_login(alice.user)
    for path, message in (("/write-and-guess", "file of their own"), ("/guess-inside", "non_atomic_requests")):
        with pytest.raises(StoreRefused, match=message):
            client.post(path, {"code": alice.wrong()})
    assert get_mfa().status(user_id=alice.user_id).failures == 0


# In the tests of a site


class _InATestCase(TestCase):
    __test__ = False

    def runTest(self) -> None:
        with pytest.raises(StoreRefused, match=r'FERROTP\["STORE"\] = "memory".*TransactionTestCase'):
            DjangoStore().reset(Owner("", "a user"))


class _InMemory(MFATestMixin, TestCase):
    __test__ = False

    def runTest(self) -> None:
        mfa = get_mfa()
        mfa.import_factor(user_id="1", secret=bytes(20))
        with pytest.raises(InvalidCode):
            mfa.verify(user_id="1", code="000000")
        assert mfa.status(user_id="1").failures == 1


class _LoggedInInATestCase(MFATestMixin, TestCase):
    """Without a word on the store: only what asks about codes needs one in memory."""

    __test__ = False

    def runTest(self) -> None:
        self.client.force_mfa_login(User.objects.create_user("tester"))  # type: ignore[attr-defined]
        for path in ("/vault", "/fresh-vault", "/inside"):
            assert self.client.get(path).status_code == 200, path


class _InATransactionTestCase(TransactionTestCase):
    __test__ = False
    available_apps: Any = None

    def runTest(self) -> None:
        store = DjangoStore()
        factor = made()
        assert store.add_factor(factor, NOW, 10, 5)
        assert isinstance(store.reserve(factor.owner, "otp", NOW, LIMITS), Reservation)

    def _fixture_teardown(self) -> None:
        """The site's rows are other tests'."""


def test_users_of_an_older_version_have_an_epoch_that_stays(place: Place) -> None:
    pending = replace(made(), state="pending", expires_at=NOW + 1000)
    assert place.store.add_factor(pending, NOW, 10, 5)
    call_command("migrate", "ferrotp", "0001", database=place.alias, verbosity=0)
    call_command("migrate", "ferrotp", database=place.alias, verbosity=0)
    rows = UserEpoch.objects.using(place.alias)
    kept = rows.get(tenant=place.owner.tenant, user_id=place.owner.user_id).epoch
    assert len(kept) == 32 and place.store.epoch(place.owner) == place.store.user(place.owner).epoch == kept
    assert place.store.epoch(pending.owner) == "" and not rows.filter(user_id=pending.owner.user_id).exists()
    # A process of the older version may add a factor while the new one is brought up.
    rows.filter(user_id=place.owner.user_id).delete()
    made_anew = place.store.epoch(place.owner)
    assert len(made_anew) == 32 and made_anew != kept and place.store.user(place.owner).epoch == made_anew


@pytest.mark.parametrize("case", [_InATestCase, _InMemory, _LoggedInInATestCase, _InATransactionTestCase])
def test_a_sites_own_tests(case: type[Any], clock: Any, ferrotp: Callable[..., None]) -> None:
    if case is _InMemory:
        ferrotp(STORE="memory")
    result = unittest.TestResult()
    unittest.TestSuite([case()]).run(result)
    assert result.testsRun == 1 and result.wasSuccessful(), result.failures + result.errors


def test_the_store_in_memory_is_for_tests(tables: None, ferrotp: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.test.utils import setup_test_environment, teardown_test_environment

    ferrotp(STORE="memory")
    teardown_test_environment()
    try:
        with pytest.raises(ImproperlyConfigured, match="tests only"):
            get_mfa()
    finally:
        setup_test_environment(debug=False)
    get_mfa()
    clear_memory()


class Undone(Exception):
    """Rolls a transaction back."""


@pytest.fixture
def beside(place: Place) -> Iterator[OutsideTransactionStore]:
    """A store for adapters, in the same database."""
    store_connections.note_transactions()
    connections[place.alias].close()
    store = OutsideTransactionStore(place.alias)
    yield store
    store.close()


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_who_lost_the_head_of_an_audit_has_it_alone_in_the_next_try(place: Place) -> None:
    keyring = Keyring.generate()
    event = Event("verified", moment(NOW), place.owner.tenant, place.owner.user_id)
    faster, late = DjangoStore(place.alias), DjangoStore(place.alias, timeout=1.0)
    numbers: list[int] = []

    def row() -> AuditAppend:
        (made,) = audit_chain.appends(keyring, [event], AuditContext())
        return made

    def by_another(store: DjangoStore) -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(store.append_audit, [row()]).result()

    def after(head: AuditHead) -> tuple[AuditHead, list[AuditRow]]:
        numbers.append(head.number)
        if len(numbers) == 1:
            by_another(faster)
        else:
            with pytest.raises(StoreUnavailable):
                by_another(late)
        return row().after(head)

    place.store.append_audit([row()])
    gone = place.store.remove_factor(
        place.owner, place.factor.factor_id, "moved", audit=lambda _: [AuditAppend(place.owner, after)]
    )
    assert gone and numbers == [1, 2]
    assert [kept.number for kept in place.store.audit_rows(place.owner, 0, 10)] == [1, 2, 3]
    for opened in (faster, late):
        opened.close()


def _journal_of(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        return str(cursor.fetchone()[0])


def guess(store: DjangoStore, place: Place) -> Reservation:
    answer = store.reserve(place.owner, "otp", NOW, LIMITS)
    assert isinstance(answer, Reservation)
    return answer


def test_beside_a_transaction_that_has_read_it_decides_for_good(place: Place, beside: OutsideTransactionStore) -> None:
    rows = FactorRow.objects.using(place.alias)
    with suppress(Undone), transaction.atomic(using=place.alias):
        assert rows.exists()
        with suppress(Undone), transaction.atomic(using=place.alias):
            assert rows.exists()
            assert advance(beside, place.owner, place.factor.factor_id, 7, limits=LIMITS)
            guess(beside, place)
            rows.update(name="undone")
            raise Undone
        assert rows.filter(tenant=place.owner.tenant).get().name == "phone", "the savepoint is still there"
        rows.filter(tenant=place.owner.tenant).update(name="undone")
        raise Undone
    assert place.failures == 1
    (factor,) = place.store.user(place.owner).factors
    assert (factor.last_step, factor.name) == (7, "phone")


def test_beside_a_transaction_that_has_written_it_decides_or_says_why_not(
    place: Place, beside: OutsideTransactionStore
) -> None:
    with suppress(Undone), transaction.atomic(using=place.alias):
        BudgetRow.objects.using(place.alias).create(tenant="t", user_id=secrets.token_hex(8), method="otp")
        if place.has_rows_locks:
            guess(beside, place)
        else:
            with pytest.raises(StoreRefused, match="one lock"):
                guess(beside, place)
        raise Undone
    assert place.failures == (1 if place.has_rows_locks else 0)


def test_a_half_login_that_ends_beside_a_transaction_has_ended_in_it(
    place: Place, beside: OutsideTransactionStore
) -> None:
    """Whatever the transaction's own snapshot says: a copy of the session would be good for as long as that lasts."""

    def end_elsewhere() -> None:
        place.store.end_half_login(place.owner, "login", NOW + 1000, NOW)
        connections[place.alias].close()

    with transaction.atomic(using=place.alias):
        # With a rollback journal, who reads keeps others from their commit.
        if place.has_rows_locks or _journal_of(place.alias) == "wal":
            assert not EndedLogin.objects.using(place.alias).filter(user_id=place.owner.user_id).exists()
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(end_elsewhere).result()
        assert place.store.has_ended(place.owner, "login") and beside.has_ended(place.owner, "login")
    assert not place.store.has_ended(place.owner, "another")


def test_beside_a_transaction_a_factor_comes_and_goes_with_it(place: Place, beside: OutsideTransactionStore) -> None:
    factor = made()
    with suppress(Undone), transaction.atomic(using=place.alias):
        assert beside.add_factor(factor, NOW, 10, 5)
        assert [kept.factor_id for kept in beside.user(factor.owner).factors] == [factor.factor_id]
        raise Undone
    assert not place.store.user(factor.owner).factors
    with suppress(Undone), transaction.atomic(using=place.alias):
        assert beside.remove_factor(place.owner, place.factor.factor_id, "moved")
        raise Undone
    assert place.store.user(place.owner).factors


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django 5.1 brought transaction_mode")
def test_beside_a_transaction_that_has_the_lock_from_the_start(tmp_path: Path) -> None:
    store_connections.note_transactions()
    alias = _alias(
        {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(tmp_path / "db.sqlite3"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    )
    place, beside = Place(alias), OutsideTransactionStore(alias)
    with transaction.atomic(using=alias):
        guess(beside, place)
        FactorRow.objects.using(alias).update(name="kept")
    assert place.failures == 1
    beside.close()
    place.store.close()
    connections[alias].close()
