"""The tables: made once by however many processes, told to Alembic, and refused when they are newer."""

import functools
import os
import stat
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from ferrotp.mfa import PasskeyTaken, StoreRefused, StoreUnavailable
from ferrotp.mfa.stores import open_store
from ferrotp.mfa.stores.base import Acceptance, AnsweredChallenge, Owner
from ferrotp.mfa.stores.sql import MIGRATIONS, VERSION, SQLStore, metadata, tables

from ..servers import PostgreSQLServer
from .samples import FACTOR, LIMITS, NOW, OWNER, PASSKEY, furnish, reserved
from .starting import prepare, together


def test_64_processes_prepare_at_once(url: str) -> None:
    assert together(functools.partial(SQLStore, url, timeout=60), prepare, 64) == ["done"] * 64
    store = SQLStore(url)
    furnish(store)
    store.close()


def test_newer_tables_are_refused(store: SQLStore, url: str) -> None:
    with create_engine(url.partition("?journal")[0]).begin() as connection:
        connection.execute(text(f"INSERT INTO ferrotp_schema VALUES ({VERSION + 1})"))
    with pytest.raises(StoreRefused, match="update"):
        SQLStore(url).prepare()


def test_without_tables_a_call_says_what_to_do(url: str) -> None:
    store = SQLStore(url)
    with pytest.raises(StoreRefused, match="prepare"):
        store.reserve(OWNER, "otp", NOW, LIMITS)
    with pytest.raises(StoreRefused, match="prepare"):
        store.user(OWNER)
    store.close()


def test_alembic_finds_nothing_to_do_after_prepare(store: SQLStore, url: str) -> None:
    engine = create_engine(url.partition("?journal")[0])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_prepare_takes_tables_that_alembic_made(url: str) -> None:
    engine = create_engine(url.partition("?journal")[0])
    metadata.create_all(engine)
    engine.dispose()
    store = SQLStore(url)
    store.prepare()
    furnish(store)
    assert reserved(store)
    store.close()


def test_a_prefix_keeps_two_stores_apart(url: str) -> None:
    one, other = SQLStore(url, table_prefix="one_"), SQLStore(url, table_prefix="other_")
    for store in (one, other):
        store.prepare()
    furnish(one)
    assert other.user(OWNER).factors == ()
    engine = create_engine(url.partition("?journal")[0])
    assert set(inspect(engine).get_table_names()) == {
        *tables("one_").metadata.tables,
        *tables("other_").metadata.tables,
    }
    engine.dispose()
    for prefix in ("a b", "x'; --", "A_", "", "ü", "a" * 40):
        with pytest.raises(ValueError, match="table_prefix"):
            SQLStore(url, table_prefix=prefix)
    one.close()
    other.close()


def test_a_role_that_may_not_make_tables_finds_them_made(postgresql: PostgreSQLServer) -> None:
    url = postgresql.database()
    owner = SQLStore(url)
    owner.prepare()
    with create_engine(url).begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS app"))
        connection.execute(text("CREATE ROLE app LOGIN"))
        connection.execute(text("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app"))
    store = SQLStore(url.replace("postgres:@", "app:@"))
    store.prepare()
    furnish(store)
    assert reserved(store)
    for opened in (store, owner):
        opened.close()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_file_is_its_owners_alone(tmp_path: Path, journal: str) -> None:
    before = os.umask(0)
    try:
        store = SQLStore(f"sqlite:///{tmp_path}/mfa.db?journal={journal}")
        store.prepare()
        furnish(store)
        made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert made.keys() == ({"mfa.db", "mfa.db-wal", "mfa.db-shm"} if journal == "wal" else {"mfa.db"})
    assert set(made.values()) == {0o600}


def test_a_file_is_as_durable_as_it_can_be(tmp_path: Path) -> None:
    for journal in ("wal", "delete"):
        store = SQLStore(f"sqlite:///{tmp_path}/{journal}.db?journal={journal}")
        store.prepare()
        with store._pool.borrow() as connection:
            assert connection.execute("PRAGMA journal_mode") == [(journal,)]  # type: ignore[attr-defined]
            assert connection.execute("PRAGMA synchronous") == [(3,)]  # type: ignore[attr-defined]
        store.close()


def test_a_lost_commit_is_not_an_option_on_postgresql(postgresql: PostgreSQLServer) -> None:
    url = postgresql.database()
    name = url.partition("?")[0].rpartition("/")[2]
    with create_engine(url).begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit TO off"))
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_isolation TO serializable"))
    store = SQLStore(url)
    with store._pool.borrow() as connection:
        for setting, value in (("synchronous_commit", b"on"), ("default_transaction_isolation", b"read committed")):
            answer = connection._ask(f"SELECT current_setting('{setting}')")  # type: ignore[attr-defined]
            assert answer.get_value(0, 0) == value
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "memory"),
        ("sqlite:///x.db?journal=memory", "journal"),
        ("sqlite+aiosqlite:///x.db", "sqlite3"),
        ("postgresql+psycopg2://a:hunter2@b/c", "psycopg"),
        ("postgresql+asyncpg://a:hunter2@b/c", "psycopg"),
        ("mysql+mysqldb://a:hunter2@b/c", "PyMySQL: mysql+pymysql://"),
        ("mariadb+mariadbconnector://a:hunter2@b/c", "PyMySQL"),
        ("oracle://a:hunter2@b/c", ""),
        ("sqlite:hunter2", "cannot be read"),
        ("hunter2", ""),
    ],
)
def test_what_cannot_hold_the_guarantees_is_refused_at_once(url: str, says: str) -> None:
    for opens in (SQLStore, open_store):
        with pytest.raises(StoreRefused) as caught:
            opens(url)
        assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
        assert opens is open_store or says in str(caught.value)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_without_pymysql_it_is_said_what_to_install(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ferrotp.mfa.stores.sql.mysql", None)
    with pytest.raises(StoreRefused, match=r"pip install 'ferrotp\[mysql\]'") as caught:
        open_store(f"{scheme}://ann:hunter2@host/mfa")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://ann:hunter2@/mfa?host={folder}", "mysql://ann:hunter2@/mfa?unix_socket={folder}/socket"],
    ids=["postgresql", "mysql"],
)
def test_no_failure_tells_the_password(url: str, tmp_path: Path) -> None:
    store = SQLStore(url.format(folder=tmp_path))
    with pytest.raises(StoreUnavailable) as caught:
        store.prepare()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(store)


def test_texts_that_a_database_cannot_hold_are_refused_and_change_nothing(store: SQLStore) -> None:
    for user_id in ("a\0b", "\ud800", "x" * 1_000_000, os.urandom(4000).hex()):
        owner = Owner("t", user_id)
        try:
            added = store.add_factor(replace(FACTOR, owner=owner), NOW, 10, 5)
        except ValueError:
            continue
        assert added
        # Whole, and nobody else's.
        assert store.user(owner).factors[0].owner == owner
        assert store.factors(None, 10)[-1].owner == owner
        store.reset(owner)
    assert store.user(Owner("t", "a")).factors == ()
    assert store.factors(None, 10) == []
    for number, user_id in enumerate(("1", "01", "1.0", "1e0", " 1", "１")):
        assert store.add_factor(replace(FACTOR, owner=Owner("t", user_id), created_at=number), NOW, 10, 5)
    assert len(store.factors(None, 10)) == 6
    assert [store.user(Owner("t", user_id)).factors[0].created_at for user_id in ("01", "1e0")] == [1, 3]


VERSION_1 = """CREATE TABLE ferrotp_budget (
    tenant TEXT NOT NULL, user_id TEXT NOT NULL, method TEXT NOT NULL,
    failures BIGINT NOT NULL, retry_at BIGINT NOT NULL, spent_until BIGINT NOT NULL,
    CONSTRAINT ferrotp_budget_pk1 PRIMARY KEY (tenant, user_id, method),
    CONSTRAINT ferrotp_method_check CHECK (method IN ('otp', 'recovery', 'enrollment')))"""


@pytest.mark.parametrize("url", ["wal", "delete", "postgresql"], indirect=True)  # others had no version 1
def test_tables_of_version_1_take_two_codes_in_a_row(url: str) -> None:
    store = SQLStore(url)
    store.prepare()
    furnish(store)
    for _ in range(3):
        assert reserved(store)
    before = store.user(OWNER)
    store.close()
    name = url.partition("?journal")[0]
    with create_engine(name).begin() as connection:
        # As version 1 made them.
        for statement in (
            "ALTER TABLE ferrotp_budget RENAME TO now",
            VERSION_1,
            "INSERT INTO ferrotp_budget SELECT * FROM now",
            "DROP TABLE now",
            "DELETE FROM ferrotp_schema",
            "INSERT INTO ferrotp_schema VALUES (1)",
        ):
            connection.execute(text(statement))
    old = SQLStore(url)
    with pytest.raises((StoreRefused, ValueError)):
        reserved(old, "unlock")
    old.close()
    assert SQLStore(url).prepare() is False
    assert store.user(OWNER) == before
    unlock = reserved(store, "unlock")
    assert store.unlock(unlock, Acceptance("factor", 6, 0), NOW, disable_at=100)
    with create_engine(name).connect() as connection:
        assert connection.execute(text("SELECT max(version) FROM ferrotp_schema")).scalar() == VERSION
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO ferrotp_budget VALUES ('t', 'u', 'other', 0, 0, 0)"))
    store.close()


VERSION_2 = """CREATE TABLE ferrotp_factor (
    tenant {text} NOT NULL, user_id {text} NOT NULL, factor_id {text} NOT NULL,
    kind {text} NOT NULL, name {text} NOT NULL, state {text} NOT NULL, sealed {bytes} NOT NULL,
    legacy {flag} NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, last_step BIGINT NOT NULL,
    drift BIGINT NOT NULL, last_used_at BIGINT NOT NULL,
    CONSTRAINT ferrotp_factor_pk1 PRIMARY KEY (tenant, user_id, factor_id),
    CONSTRAINT ferrotp_kind_check CHECK (kind IN ('totp', 'hotp')),
    CONSTRAINT ferrotp_state_check CHECK (state IN ('pending', 'active', 'disabled')))"""
TYPES = {
    "sqlite": {"text": "TEXT", "bytes": "BLOB", "flag": "INT"},
    "postgresql": {"text": "TEXT", "bytes": "BYTEA", "flag": "BOOLEAN"},
    "mysql": {"text": "VARBINARY(1020)", "bytes": "BLOB", "flag": "BOOL"},
}


@pytest.mark.parametrize("half", [False, True], ids=["untouched", "with a new table by a migration"])
def test_tables_of_version_2_take_passkeys(url: str, half: bool) -> None:
    store = SQLStore(url)
    store.prepare()
    furnish(store)
    store.remove_factor(OWNER, PASSKEY.factor_id, "moved")  # version 2 had none
    before = store.user(OWNER)
    store.close()
    name = url.partition("?journal")[0]
    engine = create_engine(name)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE ferrotp_passkey",
            "ALTER TABLE ferrotp_factor RENAME TO now",
            VERSION_2.format(**TYPES[engine.dialect.name]),
            "INSERT INTO ferrotp_factor SELECT * FROM now",
            "DROP TABLE now",
            *([] if half else ["DROP TABLE ferrotp_answered_challenge"]),
            "DELETE FROM ferrotp_schema",
            "INSERT INTO ferrotp_schema VALUES (2)",
        ):
            connection.execute(text(statement))
    passkey = replace(FACTOR, factor_id="its id", kind="passkey", last_step=0)
    answered = AnsweredChallenge(OWNER.tenant, "challenge", NOW + 1)
    old = SQLStore(url)
    with pytest.raises((StoreRefused, ValueError)):
        old.add_passkey(passkey, answered, NOW, [], 10)
    old.close()
    assert SQLStore(url).prepare() is False and SQLStore(url).prepare() is False
    assert store.user(OWNER) == before
    assert store.add_passkey(passkey, answered, NOW, [], 10)
    with pytest.raises(PasskeyTaken):
        store.add_passkey(
            replace(passkey, owner=Owner(OWNER.tenant, "other")), replace(answered, challenge="c"), NOW, [], 10
        )
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
        # MariaDB's driver does not call it an IntegrityError.
        with pytest.raises(DatabaseError, match="ferrotp_kind_check"):
            connection.execute(text("UPDATE ferrotp_factor SET kind = 'other'"))
    engine.dispose()
    store.close()


def test_users_of_version_1_have_an_epoch_that_stays(store: SQLStore, url: str) -> None:
    furnish(store)
    with create_engine(url.partition("?journal")[0]).begin() as connection:
        connection.execute(text("DROP TABLE ferrotp_user"))
        connection.execute(text("DROP TABLE ferrotp_ended_login"))
        connection.execute(text("DELETE FROM ferrotp_schema"))
        connection.execute(text("INSERT INTO ferrotp_schema VALUES (1)"))
    older = SQLStore(url)
    with pytest.raises(StoreRefused, match="prepare"):
        older.epoch(OWNER)
    assert not older.prepare()  # it is no new store
    epoch = older.epoch(OWNER)
    assert len(epoch) == 32 and older.user(OWNER).epoch == older.epoch(OWNER) == epoch
    assert older.epoch(Owner("t", "nobody")) == ""
    older.reset(OWNER)
    assert older.epoch(OWNER) == ""
    older.close()


def test_there_is_a_way_from_every_version() -> None:
    assert len(MIGRATIONS) == VERSION - 1


def test_the_doctor_sees_what_a_role_may_not_do(postgresql: PostgreSQLServer) -> None:
    url = postgresql.database()
    owner = SQLStore(url)
    assert owner.faults() == [f"the tables are not there ({owner._dialect.place}): ferrotp mfa init makes them"]
    owner.prepare()
    assert owner.faults() == []
    with create_engine(url).begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader"))
        connection.execute(text("CREATE ROLE reader LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    reader = SQLStore(url.replace("postgres:@", "reader:@"))
    found = reader.faults()
    assert any("may not INSERT, UPDATE, DELETE in ferrotp_budget" in fault for fault in found)
    assert not any("SELECT" in fault for fault in found)
    with create_engine(url).begin() as connection:
        connection.execute(text("ALTER ROLE reader SET default_transaction_read_only TO on"))
        connection.execute(text("UPDATE ferrotp_schema SET version = 1"))
    reader.close()
    found = reader.faults()
    assert any("only reads" in fault for fault in found) and any("version 1" in fault for fault in found)
    with create_engine(url).begin() as connection:
        connection.execute(text("ALTER ROLE reader RESET default_transaction_read_only"))
        connection.execute(text("DROP TABLE ferrotp_device"))
    assert any("ferrotp_device" in fault and "missing" in fault for fault in owner.faults())
    for opened in (reader, owner):
        opened.close()


def test_the_doctor_compares_clocks(postgresql: PostgreSQLServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLStore(postgresql.database())
    store.prepare()
    real = time.time
    monkeypatch.setattr("ferrotp.mfa.stores.sql.postgresql.time", lambda: real() - 60)
    (fault,) = store.faults()
    assert "+60 seconds" in fault and "clock" in fault
    store.close()
