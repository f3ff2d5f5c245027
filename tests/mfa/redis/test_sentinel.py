"""By way of Sentinel: the store follows a failover, in time even if a Sentinel hangs."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.sentinel import Sentinel

from ferrotp.mfa import StoreUnavailable
from ferrotp.mfa.stores.redis import RedisStore
from ferrotp.mfa.testing import advance

from ..redis_server import Server, free_port, server
from .test_decisions import ALICE, LIMITS, NOW, factor
from .test_faults import HANG


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server, int]]:
    """A primary, its replica, and the port of the Sentinel that watches them."""
    ports = [str(free_port()) for _ in range(3)]
    with server(port=ports[0]) as primary, server(port=ports[1], replicaof=f"127.0.0.1 {ports[0]}") as replica:
        while replica.client().info("replication")["master_link_status"] != "up":
            time.sleep(0.05)
        config = primary.folder / "sentinel.conf"
        config.write_text(
            f"port {ports[2]}\nsentinel monitor main 127.0.0.1 {ports[0]} 1\n"
            "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n",
            encoding="utf-8",
        )
        watcher = watch(primary.program, config)
        client = redis.Redis(port=int(ports[2]))
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                if int(client.sentinel_masters()["main"]["num-slaves"]) == 1:
                    break
            except redis.RedisError:
                pass
            time.sleep(0.05)
        yield primary, replica, int(ports[2])
        watcher.kill()
        watcher.wait()


def watch(program: Path, config: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([program, config, "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_failover_is_followed(pair: tuple[Server, Server, int]) -> None:
    primary, replica, port = pair
    # The first Sentinel that is asked hangs: it takes connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentinel = Sentinel([("127.0.0.1", silent.getsockname()[1]), ("127.0.0.1", port)])
        store = RedisStore(sentinel.master_for("main"), timeout=1.2)
        store.prepare()
        store.add_factor(factor(), NOW, 1, 1)
        assert advance(store, ALICE, "phone", 1, limits=LIMITS)
        primary.client().wait(1, 5000)
        primary.signal(signal.SIGSTOP)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                found = store.reserve(ALICE, "otp", NOW, LIMITS)
            except StoreUnavailable:
                assert time.monotonic() - began < HANG
                time.sleep(0.1)
            else:
                break
        assert replica.client().info("replication")["role"] == "master"
        assert found.factors
        assert not advance(store, ALICE, "phone", 1, limits=LIMITS)
        assert advance(store, ALICE, "phone", 2, limits=LIMITS)


def test_an_answer_that_comes_too_late_is_nobody_s_here_either(pair: tuple[Server, Server, int]) -> None:
    primary, _, port = pair
    store = RedisStore(Sentinel([("127.0.0.1", port)]).master_for("main"), timeout=0.5)
    store.add_factor(factor(), NOW, 1, 1)
    assert advance(store, ALICE, "phone", 1, limits=LIMITS)
    primary.signal(signal.SIGSTOP)
    with pytest.raises(StoreUnavailable):
        advance(store, ALICE, "phone", 2, limits=LIMITS)
    primary.signal(signal.SIGCONT)
    # The yes of the one before is not read as the answer to this.
    for _ in range(3):
        assert not advance(store, ALICE, "phone", 1, limits=LIMITS)
    assert store.user(ALICE).factors[0].last_step == 1


def test_a_client_of_a_replica_is_refused() -> None:
    with pytest.raises(TypeError, match="primary"):
        RedisStore(Sentinel([("127.0.0.1", 1)]).slave_for("main"))
