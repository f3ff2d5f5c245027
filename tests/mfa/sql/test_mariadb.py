"""What is MariaDB's own: its faults, its ways to lose commits and to take one text for another, TLS, and what a login
costs. The contract, the rules, the crashes and the tables are tested beside the other databases."""

import datetime
import ipaddress
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import create_engine, event

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, InvalidCode, Policy, StoreRefused, StoreUnavailable
from ferrotp.mfa.stores.again import Undone
from ferrotp.mfa.stores.base import NewUser, Owner, RecoveryCode
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.testing import advance
from ferrotp.vault import Keyring

from ..mariadb_server import APP, PASSWORD, MariaDBServer, skip_without_mariadb
from .samples import COPIES_READ, FACTOR, LIMITS, NOW, OWNER, furnish, reserved
from .server_faults import ServerFaults, each_is_unavailable, unavailable


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDBServer]:
    """One to break, which speaks TLS."""
    skip_without_mariadb()
    folder = Path(tempfile.mkdtemp(prefix="ferrotp-tls-"))
    folder.chmod(0o755)  # the server may be another user
    _certificates(folder)
    own = MariaDBServer(ssl_cert=str(folder / "server.pem"), ssl_key=str(folder / "server.key"))
    own.certificates = folder  # type: ignore[attr-defined]
    yield own
    own.close()
    shutil.rmtree(folder)


def _certificates(folder: Path) -> None:
    """An authority and a server at 127.0.0.1, and another authority."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(name: str, issuer: str, issuer_key: Any, key: Any, *, authority: bool) -> None:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        signed = builder.sign(issuer_key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / f"{name}.key").chmod(0o644)  # of today, and of nobody

    ours, others, servers = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    made("ours", "ours", ours, ours, authority=True)
    made("others", "others", others, others, authority=True)
    made("server", "ours", ours, servers, authority=False)


@pytest.fixture
def store(mariadb: MariaDBServer) -> Iterator[SQLStore]:
    opened = SQLStore(mariadb.database())
    opened.prepare()
    yield opened
    opened.close()


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


# The server stopped, paused, locked, full and read-only


class TestMariaDB(ServerFaults):
    pass


def test_what_was_acknowledged_outlives_the_server(server: MariaDBServer) -> None:
    store = SQLStore(server.database())
    store.prepare()
    furnish(store)
    acknowledged = -1
    killer = threading.Timer(0.5, server.kill)
    killer.start()
    for step in range(1_000_000):
        try:
            assert advance(store, OWNER, "factor", step, limits=LIMITS)
        except StoreUnavailable:
            break
        acknowledged = step
    killer.join()
    server.start()
    assert acknowledged >= 0
    assert store.user(OWNER).factors[0].last_step in (acknowledged, acknowledged + 1)
    store.close()


def test_read_only_at_every_call(server: MariaDBServer) -> None:
    store = SQLStore(server.database())
    store.prepare()

    def read_only(value: int) -> None:
        with server.root() as root:
            root.execute(f"SET GLOBAL read_only = {value}")

    def breaks() -> Callable[[], None]:
        read_only(1)
        assert any("only reads" in fault for fault in store.faults())
        return lambda: read_only(0)

    each_is_unavailable(store, COPIES_READ, breaks)
    store.close()


def test_tables_locked_by_another_at_every_call(server: MariaDBServer) -> None:
    url = server.database()
    store = SQLStore(url, timeout=0.4)
    store.prepare()
    other = pymysql.connect(unix_socket=str(server.socket), user="root", database=name_of(url))
    cursor = other.cursor()

    def breaks() -> Callable[[], None]:
        names = ("budget", "factor", "recovery_code", "device", "user", "ended_login", "schema")
        cursor.execute("LOCK TABLES " + ", ".join(f"ferrotp_{name} WRITE" for name in names))
        return lambda: cursor.execute("UNLOCK TABLES") and None

    each_is_unavailable(store, set(), breaks)
    other.close()
    store.close()


def test_no_more_connections(server: MariaDBServer) -> None:
    store = SQLStore(server.database())
    store.prepare()
    furnish(store)
    store.close()
    with server.root() as root:
        root.execute(f"ALTER USER {APP}@localhost WITH MAX_USER_CONNECTIONS 1")
    holder = pymysql.connect(unix_socket=str(server.socket), user=APP, password=PASSWORD)
    try:
        assert "connection" in unavailable(lambda: reserved(store))
        threading.Timer(0.3, holder.close).start()
        assert reserved(store), "a server without room for a moment is not asked again"
    finally:
        with server.root() as root:
            root.execute(f"ALTER USER {APP}@localhost WITH MAX_USER_CONNECTIONS 0")
    store.close()


def test_a_user_whose_row_another_holds_is_unavailable_and_others_are_not(store: SQLStore) -> None:
    furnish(store)
    other = replace(FACTOR, owner=Owner("tenant", "other"))
    assert store.add_factor(other, NOW, 10, 5)
    short = SQLStore(store_url(store), timeout=0.5)
    with store._pool.borrow() as holder:
        holder.begin()
        holder.script("SELECT * FROM ferrotp_budget WHERE user_id = 'user' FOR UPDATE")
        assert "in time" in unavailable(lambda: reserved(short))
        assert advance(short, other.owner, "factor", 1, limits=LIMITS)
        holder.rollback()
    assert reserved(short)
    short.close()


def store_url(store: SQLStore) -> str:
    """Of another store at the same place."""
    connection: Any
    with store._pool.borrow() as connection:
        raw = connection._connection
        return f"mysql+pymysql://{APP}:{PASSWORD}@/{raw.db.decode()}?unix_socket={raw.unix_socket}"


def test_one_who_stops_in_the_middle_is_waited_for_no_longer_than_a_moment(store: SQLStore) -> None:
    furnish(store)
    patient = SQLStore(store_url(store), timeout=20)
    stopped = SQLStore(store_url(store), timeout=1)
    with stopped._pool.borrow() as connection:
        connection.begin()
        connection.run(stopped._statements.lock, {"tenant": "tenant", "user_id": "user", "method": "otp"})
        assert store_is_locked(store)
        assert reserved(patient), "the server did not end the transaction of one who said nothing more"
    for opened in (patient, stopped):
        opened.close()


def store_is_locked(store: SQLStore) -> bool:
    try:
        with store._pool.borrow() as connection:
            connection.script("SELECT * FROM ferrotp_budget WHERE user_id = 'user' FOR UPDATE NOWAIT")
    except StoreUnavailable:
        return True
    return False


def test_a_deadlock_is_told_from_other_errors(store: SQLStore) -> None:
    furnish(store)
    assert store.add_factor(replace(FACTOR, owner=Owner("tenant", "other")), NOW, 10, 5)
    store._pool._timeout = 30
    undone: list[str] = []
    both = threading.Barrier(2)

    def lock(first: str, second: str) -> None:
        rows = "SELECT * FROM ferrotp_budget WHERE tenant = 'tenant' AND user_id = '{}' FOR UPDATE"
        try:
            with store._pool.borrow() as connection:
                connection.begin()
                connection.script(rows.format(first))
                both.wait(30)
                connection.script(rows.format(second))
                connection.rollback()
        except Undone as error:
            undone.append(str(error))

    threads = [threading.Thread(target=lock, args=pair) for pair in (("user", "other"), ("other", "user"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert undone == ["MariaDB undid the transaction (error 1213)"]


def test_a_deadlock_is_decided_again(store: SQLStore) -> None:
    furnish(store)
    undone = [Undone("a deadlock"), Undone("another")]
    real = store._dialect.attempt

    def attempt(*arguments: Any) -> Any:
        if undone:
            raise undone.pop()
        return real(*arguments)

    store._dialect.attempt = attempt  # type: ignore[method-assign]
    assert advance(store, OWNER, "factor", 1, limits=LIMITS)
    assert not undone and store.user(OWNER).factors[0].last_step == 1


def test_deadlocks_without_end_end_at_the_deadline(store: SQLStore) -> None:
    furnish(store)

    def attempt(*arguments: Any) -> Any:
        raise Undone("a deadlock")

    store._dialect.attempt = attempt  # type: ignore[method-assign]
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        advance(store, OWNER, "factor", 1, limits=LIMITS)
    assert time.monotonic() - begun >= store.timeout * 0.9


# Commits that are kept


def test_the_doctor_tells_of_commits_that_may_be_lost(server: MariaDBServer) -> None:
    url = server.database()
    store = SQLStore(url)
    store.prepare()
    assert store.faults() == []
    with server.root(name_of(url)) as root:
        root.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        root.execute("ALTER TABLE ferrotp_schema ENGINE = Aria")
        try:
            found = store.faults()
        finally:
            root.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
            root.execute("ALTER TABLE ferrotp_schema ENGINE = InnoDB")
    assert any("innodb_flush_log_at_trx_commit" in fault for fault in found)
    assert any("not in InnoDB" in fault and "ferrotp_schema" in fault for fault in found)
    assert store.faults() == []
    store.close()


def test_the_doctor_sees_what_a_user_may_not_do(server: MariaDBServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.database()
    name = name_of(url)
    owner = SQLStore(url)
    owner.prepare()
    furnish(owner)
    before = owner.user(OWNER)
    with server.root() as root:
        root.execute(f"CREATE OR REPLACE USER reader@localhost IDENTIFIED BY '{PASSWORD}'")
        root.execute(f"GRANT SELECT ON {name}.* TO reader@localhost")
    reader = SQLStore(server.url_of(name, f"reader:{PASSWORD}"))
    found = reader.faults()
    assert any("may not INSERT, UPDATE, DELETE in ferrotp_budget" in fault for fault in found)
    assert not any("SELECT" in fault or "schema" in fault for fault in found)
    real = time.time
    monkeypatch.setattr("ferrotp.mfa.stores.sql.mysql_connection.time", lambda: real() - 60)
    assert any("+60 seconds" in fault and "clock" in fault for fault in reader.faults())
    assert owner.user(OWNER) == before
    for opened in (reader, owner):
        opened.close()


def test_the_session_is_the_stores_whatever_the_server_has(server: MariaDBServer) -> None:
    with server.root() as root:
        root.execute("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES', GLOBAL autocommit = 0")
        root.execute("SET GLOBAL tx_isolation = 'SERIALIZABLE'")
    try:
        store = SQLStore(server.database())
        store.prepare()
        furnish(store)
        odd = Owner("t", "a\\' OR 1=1 -- \"")
        assert store.add_factor(replace(FACTOR, owner=odd), NOW, 10, 5)
        assert advance(store, odd, "factor", 1, limits=LIMITS)
        assert [factor.last_step for owner in (odd, OWNER) for factor in store.user(owner).factors] == [1, -1, -1, 0]
        connection: Any
        with store._pool.borrow() as connection:
            rows = connection.ask("SELECT @@tx_isolation, @@sql_mode, @@autocommit, @@tx_read_only")
        assert rows == (("READ-COMMITTED", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION", 1, 0),)
        store.close()
    finally:
        with server.root() as root:
            root.execute("SET GLOBAL sql_mode = DEFAULT, GLOBAL autocommit = 1")
            root.execute("SET GLOBAL tx_isolation = 'REPEATABLE-READ'")


# Who a user is

TWINS = [
    ("a", "a "),
    ("straße", "strasse"),
    ("Ann", "ann"),
    ("Zoë", "Zoe"),
    ("e\u0301", "\u00e9"),
    ("\u0130", "i"),
    ("\U0001f511", "\U0001f512"),
    ("x" * 254 + "\U0001f511", "x" * 254 + "\U0001f512"),
]


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_users_whom_a_collation_takes_for_one_are_two(store: SQLStore, one: str, other: str) -> None:
    first, second = (Owner("t", user_id) for user_id in (one, other))
    assert store.add_factor(replace(FACTOR, owner=first), NOW, 10, 5)
    assert store.user(second).factors == () and store.epoch(second) == ""
    assert store.reset(second) == 0
    added = store.add_users([NewUser(owner, (replace(FACTOR, owner=owner),)) for owner in (first, second)])
    assert added == [False, True]
    assert store.delete_users([second]) == [1]
    assert len(store.user(first).factors) == 1
    assert [factor.owner for factor in store.factors(None, 10) if factor.owner in (first, second)] == [first]


def test_what_is_too_long_is_refused_and_never_cut(store: SQLStore) -> None:
    cut = Owner("t", "x" * 1020)
    assert store.add_factor(replace(FACTOR, owner=cut), NOW, 10, 5)
    longer = Owner("t", "x" * 1021)
    for call in (
        lambda: store.add_factor(replace(FACTOR, owner=longer), NOW, 10, 5),
        lambda: store.add_users([NewUser(longer, (replace(FACTOR, owner=longer),))]),
        lambda: store.move_epoch(longer, "moved", None),
        lambda: store.end_half_login(longer, "login", NOW + 1, NOW),
    ):
        with pytest.raises(ValueError, match="cannot hold"):
            call()
    assert store.user(longer).factors == ()
    assert len(store.user(cut).factors) == 1 and store.epoch(cut) != "moved"
    with pytest.raises(ValueError, match="max_allowed_packet"):
        store.replace_recovery_codes(cut, [RecoveryCode(cut, "AB", bytes(20 << 20))], NOW)


def test_many_users_come_and_go_in_few_statements(store: SQLStore) -> None:
    owners = [Owner("t", f"user {number}") for number in range(1200)]
    users = [
        NewUser(owner, (replace(FACTOR, owner=owner),), (RecoveryCode(owner, "AB", b"sealed"),)) for owner in owners
    ]
    before = questions(store)
    assert store.add_users(users) == [True] * 1200
    assert store.add_users(users[:10]) == [False] * 10
    changes = [(factor, factor.sealed + b"new") for factor in store.factors(None, 2000)]
    assert store.reseal(changes) == 1200 and store.reseal(changes) == 0
    after = store.factors(None, 2000)
    assert {factor.sealed for factor in after} == {FACTOR.sealed + b"new"} and len(after) == 1200
    assert store.delete_users([*owners, Owner("t", "nobody")]) == [1] * 1200 + [0]
    assert questions(store) - before < 100
    assert store.factors(None, 10) == [] and store.recovery_codes(None, 10) == []


def questions(store: SQLStore) -> int:
    """How many statements the store's only connection has sent."""
    connection: Any
    assert store._pool.unused <= 1
    with store._pool.borrow() as connection:
        return int(connection.ask("SHOW SESSION STATUS LIKE 'Questions'")[0][1])


def test_a_login_takes_two_round_trips(mariadb: MariaDBServer) -> None:
    clock = [NOW / 1000]
    store = SQLStore(mariadb.database())
    mfa = MFA(store, issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests(), clock=lambda: clock[0])
    otp = TOTP(random_base32())
    mfa.import_factor(user_id="ann", secret=otp.secret)
    for _ in range(3):
        clock[0] += 60
        before = questions(store)
        mfa.verify(user_id="ann", code=otp.at(int(clock[0])))
        assert questions(store) - before == 2 + 1
    for code in (otp.at(int(clock[0])), "nonsense"):  # used, and wrong
        before = questions(store)
        with pytest.raises(InvalidCode):
            mfa.verify(user_id="ann", code=code)
        assert questions(store) - before == 2 + 1
    before = questions(store)
    assert mfa.attempts(user_id="ann").failures == 2
    assert questions(store) - before == 1 + 1
    mfa.close()


# TLS


def over_tcp(server: MariaDBServer, url: str, options: str = "") -> SQLStore:
    return SQLStore(f"mysql+pymysql://{APP}:{PASSWORD}@127.0.0.1:{server.port}/{name_of(url)}?{options}")


def test_tls_is_as_the_url_says(server: MariaDBServer) -> None:
    url = server.database()
    folder = server.certificates  # type: ignore[attr-defined]
    store = over_tcp(server, url, f"ssl_ca={folder}/ours.pem")
    store.prepare()
    connection: Any
    with store._pool.borrow() as connection:
        assert connection.ask("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1")
    furnish(store)
    assert advance(store, OWNER, "factor", 1, limits=LIMITS)
    store.close()
    other = over_tcp(server, url, f"ssl_ca={folder}/others.pem")
    assert PASSWORD not in unavailable(other.prepare)
    named = SQLStore(
        f"mysql+pymysql://{APP}:{PASSWORD}@localhost:{server.port}/{name_of(url)}?ssl_ca={folder}/ours.pem"
    )
    unavailable(named.prepare)  # the certificate is of 127.0.0.1


def test_tls_that_is_asked_for_is_not_done_without(mariadb: MariaDBServer, server: MariaDBServer) -> None:
    folder = server.certificates  # type: ignore[attr-defined]
    url = mariadb.database()  # a server without a certificate
    over_tcp(mariadb, url).prepare()
    unavailable(over_tcp(mariadb, url, f"ssl_ca={folder}/ours.pem").prepare)


@pytest.mark.parametrize(
    "options",
    [
        "ssl_verify_cert=true",
        "ssl_ca=/ca.pem&ssl_verify_identity=true",  # PyMySQL would forget the authority
        "ssl_mode=VERIFY_IDENTITY",
        "ssl_disabled=false",
        "ssl_cert=/c.pem&ssl_key=/c.key",
        "ssl_check_hostname=true",
    ],
)
def test_options_that_would_not_do_what_they_say_are_refused(options: str) -> None:
    with pytest.raises(StoreRefused, match="ssl"):
        SQLStore(f"mysql+pymysql://a:hunter2@b/c?{options}")


# An engine of the application


def test_an_engine_that_counts_changed_rows_is_refused(mariadb: MariaDBServer) -> None:
    engine = create_engine(mariadb.database())

    @event.listens_for(engine, "do_connect")
    def changed_only(dialect: Any, record: Any, args: Any, named: Any) -> None:
        named["client_flag"] = 0

    with pytest.raises(StoreRefused, match="FOUND_ROWS"):
        SQLStore(engine).prepare()
    engine.dispose()


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mariadb+pymysql"])
def test_the_schemes_are_one(mariadb: MariaDBServer, scheme: str) -> None:
    store = SQLStore(mariadb.database().replace("mysql+pymysql", scheme, 1))
    assert store.prepare()
    furnish(store)
    store.close()
