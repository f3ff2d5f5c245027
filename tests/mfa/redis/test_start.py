"""A server that could lose what was decided is refused, with what to change; and what a store is named by."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ferrotp.mfa import StoreRefused, StoreUnavailable, open_store
from ferrotp.mfa.stores.base import Owner, RecoveryCode
from ferrotp.mfa.stores.redis import RedisStore

from ..redis_server import Server, free_port, server
from .test_decisions import ALICE, NOW, factor
from .test_faults import CODE, HANG, operations, reads


def prepared(url: str) -> None:
    store = RedisStore.from_url(url)
    try:
        store.prepare()
    finally:
        store.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_a_server_that_may_evict_is_refused(own: Server, policy: str) -> None:
    own.client().config_set("maxmemory-policy", policy)
    prepared(own.url)  # it evicts nothing while memory has no bound
    own.client().config_set("maxmemory", "100mb")
    with pytest.raises(StoreRefused, match=rf"{policy}\): set noeviction"):
        prepared(own.url)
    prepared(own.url + "?allow_eviction=1")
    with pytest.raises(StoreRefused):
        prepared(own.url + "?allow_eviction=0&allow_loss=1")


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl", "volatile-random"])
def test_a_server_that_evicts_nothing_without_expiry_is_taken(own: Server, policy: str) -> None:
    own.client().config_set("maxmemory", "100mb")
    own.client().config_set("maxmemory-policy", policy)
    prepared(own.url)


@pytest.mark.parametrize("save", ['""', "60 1"])
def test_a_server_that_logs_no_change_is_refused(save: str) -> None:
    with server(appendonly="no", save=save) as one:
        with pytest.raises(StoreRefused, match="appendonly yes"):
            prepared(one.url)
        with pytest.raises(StoreRefused):
            prepared(one.url + "?allow_eviction=1")
        prepared(one.url + "?allow_loss=1")


def test_a_server_that_leaves_its_log_to_the_system_is_refused(own: Server) -> None:
    own.client().config_set("appendfsync", "everysec")
    prepared(own.url)
    own.client().config_set("appendfsync", "no")
    with pytest.raises(StoreRefused, match="appendfsync always"):
        prepared(own.url)
    prepared(own.url + "?allow_loss=1")


def user_without(one: Server, *rules: str) -> str:
    one.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", *rules)
    return f"unix://app:pass@{one.socket}"


def test_the_rules_in_the_docs_are_enough(shared: Server) -> None:
    page = (Path(__file__).parents[3] / "docs" / "redis.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^user ferrotp (.+)$", page, re.M)
    shared.client().flushall()
    shared.client().execute_command("ACL", "SETUSER", "ferrotp", "reset", *rules.split())
    store = RedisStore.from_url(f"unix://ferrotp:password@{shared.socket}")
    store.prepare()
    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [CODE], NOW)
    for verb in (operations(store) | reads(store)).values():
        verb()


def test_where_config_may_not_be_read_the_server_s_report_serves(own: Server) -> None:
    url = user_without(own, "-config")
    prepared(url)
    own.client().config_set("maxmemory-policy", "allkeys-lru")
    own.client().config_set("maxmemory", "100mb")
    with pytest.raises(StoreRefused, match="evict"):
        prepared(url)


def test_a_server_of_which_nothing_is_told_is_refused(own: Server) -> None:
    url = user_without(own, "-config", "-info")
    with pytest.raises(StoreRefused, match="allow the command INFO"):
        prepared(url)
    with pytest.raises(StoreRefused):
        prepared(url + "?allow_loss=1")
    prepared(url + "?allow_loss=1&allow_eviction=1")


def test_a_user_who_may_run_no_scripts_is_told_at_the_start(own: Server) -> None:
    with pytest.raises(StoreUnavailable, match="NoPermission"):
        prepared(user_without(own, "-@scripting"))


def test_a_wrong_password_is_told_without_it(own: Server) -> None:
    url = user_without(own).replace("pass@", "guess-7f3a@")
    with pytest.raises(StoreUnavailable) as caught:
        prepared(url)
    assert "guess" not in str(caught.value) and caught.value.__context__ is None


@pytest.fixture
def primary() -> Iterator[Server]:
    with server(port=str(free_port())) as one:
        yield one


def test_a_replica_is_refused(primary: Server, own: Server) -> None:
    own.client().replicaof("127.0.0.1", int(primary.settings["port"]))
    with pytest.raises(StoreRefused, match="replica"):
        prepared(own.url)


def test_a_cluster_serves_if_it_is_one_shard() -> None:
    with server(port=str(free_port()), cluster_enabled="yes") as one:
        client = one.client()
        client.execute_command("CLUSTER ADDSLOTS", *range(16384))
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            time.sleep(0.01)
        prepared(one.url)
        # All keys are in one slot.
        store = RedisStore.from_url(one.url)
        for user_id in ("a", "b", "{c}", "}"):
            made = factor(Owner("{acme}", user_id))
            assert store.add_factor(made, NOW, 5, 5)
            assert store.replace_recovery_codes(made.owner, [RecoveryCode(made.owner, "AB", b"sealed")], NOW)
        listed = store.factors(None, 10)
        assert len(listed) == 4 and store.reseal([(record, b"new") for record in listed]) == 4
        assert len({client.execute_command("CLUSTER KEYSLOT", key) for key in client.scan_iter()}) == 1


def test_a_cluster_of_several_shards_is_another_store() -> None:
    port, other = free_port(), free_port()
    with (
        server(port=str(port), cluster_enabled="yes") as one,
        server(port=str(other), cluster_enabled="yes") as two,
    ):
        one.client().execute_command("CLUSTER ADDSLOTS", *range(8192))
        two.client().execute_command("CLUSTER ADDSLOTS", *range(8192, 16384))
        one.client().execute_command("CLUSTER MEET", "127.0.0.1", other)
        for each in (one, two):
            while each.client().execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                time.sleep(0.01)
            with pytest.raises(StoreRefused, match="single shard"):
                prepared(each.url)


def test_tcp_and_a_database_are_named_in_the_url(primary: Server) -> None:
    url = f"redis://127.0.0.1:{primary.settings['port']}/3?prefix=second"
    prepared(url)
    store = open_store(url)
    store.prepare()
    assert isinstance(store, RedisStore)
    assert store._client.connection_pool.connection_kwargs["db"] == 3


SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@host:port/0",
        f"redis://:{SECRET}/x@host",
        f"memcached://:{SECRET}@host",
        f"redis://:{SECRET}@host?allow_loss=yes",
        f"redis://:{SECRET}@host?allow_eviction=",
        f"redis://:{SECRET}@host?socket_timeout=x",
        f"redis://:{SECRET}@host?no_such_setting=1",
        f"redis://:{SECRET}@host?prefix={{}}",
        f"redis://:{SECRET}@[host",
    ],
)
def test_a_wrong_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        RedisStore.from_url(url)
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None


def forward(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while chunk := one.recv(4096):
            other.sendall(chunk)


def encrypt(listener: socket.socket, context: ssl.SSLContext, path: Path) -> None:
    """TLS before a server that has none, as stunnel does it."""
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with suppress(OSError):
                one = context.wrap_socket(plain, server_side=True)
                other = socket.socket(socket.AF_UNIX)
                other.connect(str(path))
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def test_tls_is_spoken_and_its_certificate_checked(shared: Server, tmp_path: Path) -> None:
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=encrypt, args=(listener, context, shared.socket), daemon=True).start()
        url = f"rediss://localhost:{listener.getsockname()[1]}"
        prepared(f"{url}?ssl_ca_certs={path}")
        with pytest.raises(StoreUnavailable, match="ConnectionError"):
            prepared(url)


def test_a_tls_handshake_that_hangs_is_unavailable_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = RedisStore.from_url(f"rediss://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.user(ALICE)
        assert time.monotonic() - began < HANG


def test_what_is_no_plain_client_is_refused(own: Server) -> None:
    import redis.asyncio

    for client in (object(), redis.asyncio.Redis(), redis.RedisCluster.__new__(redis.RedisCluster)):
        with pytest.raises(TypeError, match=r"redis\.Redis"):
            RedisStore(client)  # type: ignore[arg-type]
    wrong: list[Callable[[Any], object]] = [
        lambda client: RedisStore(client, prefix=""),
        lambda client: RedisStore(client, prefix="a{b"),
        lambda client: RedisStore(client, timeout=0),
    ]
    for make in wrong:
        with pytest.raises(ValueError, match=r"prefix|timeout"):
            make(own.client())


def test_the_store_s_address_is_in_no_repr() -> None:
    assert SECRET not in repr(RedisStore.from_url(f"redis://:{SECRET}@host"))
