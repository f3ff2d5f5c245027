"""The server away, slow, full, read-only or busy: `StoreUnavailable` in time, and never a yes."""

import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis

from ferrotp.mfa import StoreUnavailable
from ferrotp.mfa.stores.base import (
    Acceptance,
    AnsweredChallenge,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
)
from ferrotp.mfa.stores.redis import RedisStore
from ferrotp.mfa.testing import advance

from ..redis_server import Server, free_port
from .test_decisions import ALICE, DEVICE, LIMITS, NOW, factor, reserved

HANG = 60
"""Seconds after which it is a hang, and no slow machine."""

CODE = RecoveryCode(ALICE, "AB", b"sealed code")
BOB = Owner("acme", "bob")


@contextmanager
def unavailable() -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        yield
    assert time.monotonic() - began < HANG
    told = "".join(traceback.format_exception(caught.value))
    assert "sealed" not in told and "alice" not in told


@pytest.fixture
def filled(own: Server) -> Iterator[RedisStore]:
    # Short of the default, so that a busy machine has a second to spare.
    store = RedisStore.from_url(own.url, timeout=1.0)
    store.prepare()
    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [CODE], NOW)
    yield store
    store.close()


def operations(store: RedisStore, made_by: RedisStore | None = None) -> dict[str, Callable[[], object]]:
    """Each operation that decides, ready to run. The attempts are made before the fault, by another store if `store`
    has no time."""
    maker = made_by or store
    pending = factor(factor_id="new", state="pending", expires_at=NOW + 1000)
    maker.add_factor(pending, NOW, 5, 5)
    for series in ("one", "two"):
        maker.add_device(replace(DEVICE, series=series), NOW, 5)
    assert maker.use_device(ALICE, "two", b"h" * 32, b"next", NOW, 1000) == "renewed"
    passkey = factor(factor_id="passkey", kind="passkey", last_step=0)
    assert maker.add_passkey(passkey, AnsweredChallenge("acme", "first", NOW + 1000), NOW, [], 9)
    unlock = maker.reserve(ALICE, "unlock", NOW, LIMITS)
    recovery = maker.reserve(ALICE, "recovery", NOW, LIMITS, selector="AB")
    enrollment = maker.reserve(ALICE, "enrollment", NOW, LIMITS, factor_id="new")
    assert isinstance(recovery, Reservation) and isinstance(enrollment, Reservation)
    assert isinstance(unlock, Reservation)
    return {
        "add_factor": lambda: store.add_factor(factor(factor_id="third"), NOW, 5, 5),
        "reserve": lambda: store.reserve(ALICE, "otp", NOW, LIMITS),
        "budget": lambda: store.budget(ALICE, "otp"),
        "spend": lambda: store.spend(ALICE, "enrollment", NOW, LIMITS),
        "unlock": lambda: store.unlock(unlock, Acceptance("phone", 8, 0, b"new"), NOW, disable_at=100),
        "attempt": lambda: advance(store, ALICE, "phone", 1, limits=LIMITS, anew=b"new"),
        "confirm": lambda: store.confirm(enrollment, Acceptance("new", 1, 0), NOW, [CODE], 5),
        "add_passkey": lambda: store.add_passkey(
            replace(passkey, factor_id="another"), AnsweredChallenge("acme", "one", NOW + 1000), NOW, [CODE], 9
        ),
        "use_passkey": lambda: store.use_passkey(
            passkey, AnsweredChallenge("acme", "two", NOW + 1000), 1, b"used", NOW, disable_at=100
        ),
        "disable_passkey": lambda: store.disable_passkey(passkey),
        "redeem": lambda: store.redeem(recovery, "AB", NOW),
        "replace_recovery_codes": lambda: store.replace_recovery_codes(ALICE, [CODE], NOW),
        "remove_factor": lambda: store.remove_factor(ALICE, "phone", "moved"),
        "add_device": lambda: store.add_device(DEVICE, NOW, 5),
        "use_device": lambda: store.use_device(ALICE, "one", b"h" * 32, b"next", NOW, 1000),
        "use_device again": lambda: store.use_device(ALICE, "two", b"h" * 32, b"other", NOW, 1000),
        "unknown device": lambda: store.use_device(ALICE, "three", b"h" * 32, b"next", NOW, 1000),
        "remove_devices": lambda: store.remove_devices(ALICE, "one"),
        "reset": lambda: store.reset(ALICE),
        "delete_users": lambda: store.delete_users([ALICE]),
        "move_epoch": lambda: store.move_epoch(ALICE, "moved", None),
        "epoch": lambda: store.epoch(ALICE),
        "end_half_login": lambda: store.end_half_login(ALICE, "login", NOW + 1, NOW),
        "has_ended": lambda: store.has_ended(ALICE, "login"),
        "reseal": lambda: store.reseal([(factor(), b"new"), (CODE, b"new")]),
    }


def reads(store: RedisStore) -> dict[str, Callable[[], object]]:
    return {
        "user": lambda: store.user(ALICE),
        "passkey": lambda: store.passkey("acme", "passkey"),
        "devices": lambda: store.devices(ALICE),
        "factors": lambda: store.factors(None, 10),
        "recovery_codes": lambda: store.recovery_codes(None, 10),
        "prepare": store.prepare,
    }


def contents(one: Server) -> dict[bytes, object]:
    client = one.client()
    return {key: client.dump(key) for key in client.scan_iter()}


def test_a_paused_server_is_unavailable_in_time(own: Server, filled: RedisStore) -> None:
    verbs = operations(filled) | reads(filled)
    own.signal(signal.SIGSTOP)
    failures: list[BaseException] = []

    def run(verb: Callable[[], object]) -> None:
        try:
            with unavailable():
                verb()
        except BaseException as error:
            failures.append(error)

    # All at once, each on a connection of its own: those that are open, and new ones.
    threads = [threading.Thread(target=run, args=(verb,)) for verb in verbs.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    own.signal(signal.SIGCONT)
    assert isinstance(filled.user(ALICE).recovery_codes, int)


def test_by_default_it_is_unavailable_when_the_server_hangs(own: Server) -> None:
    store = RedisStore.from_url(own.url)
    own.signal(signal.SIGSTOP)
    with unavailable():
        store.reserve(ALICE, "otp", NOW, LIMITS)


def test_an_answer_that_comes_too_late_is_nobody_s(own: Server) -> None:
    store = RedisStore.from_url(own.url, timeout=0.2)
    store.add_factor(factor(), NOW, 5, 5)
    assert advance(store, ALICE, "phone", 0, limits=LIMITS)
    own.signal(signal.SIGSTOP)
    with unavailable():
        advance(store, ALICE, "phone", 1, limits=LIMITS)
    own.signal(signal.SIGCONT)
    # The next answers are to the next questions.
    for _ in range(3):
        assert not advance(store, ALICE, "phone", 0, limits=LIMITS)
    assert store.user(ALICE).factors[0].last_step == 0


def test_a_decision_is_sent_once(own: Server, filled: RedisStore) -> None:
    def count() -> int:
        stats = own.client().info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))

    reserved(filled)
    before = count()
    own.signal(signal.SIGSTOP)
    with unavailable():
        filled.reserve(ALICE, "otp", NOW, LIMITS)
    own.signal(signal.SIGCONT)
    time.sleep(0.2)
    assert count() - before <= 1


def test_a_stopped_server_is_unavailable_and_serves_again_with_all_it_acknowledged(
    own: Server, filled: RedisStore
) -> None:
    verbs = operations(filled) | reads(filled)
    assert advance(filled, ALICE, "phone", 41, limits=LIMITS)
    own.kill()
    for verb in verbs.values():
        with unavailable():
            verb()
    own.start()
    # The first one after it succeeds, too.
    assert not advance(filled, ALICE, "phone", 41, limits=LIMITS)
    assert advance(filled, ALICE, "phone", 42, limits=LIMITS)


@pytest.mark.parametrize("name", ["reserve", "attempt", "confirm", "redeem"])
def test_a_server_that_stops_in_the_middle_of_a_decision(own: Server, filled: RedisStore, name: str) -> None:
    verb = operations(filled)[name]
    own.signal(signal.SIGSTOP)
    threading.Timer(0.2, own.kill).start()
    with unavailable():
        verb()


def test_a_server_that_was_made_a_replica_is_unavailable(own: Server, filled: RedisStore) -> None:
    verbs = operations(filled)
    before = contents(own)
    own.client().replicaof("127.0.0.1", free_port())
    for name, verb in verbs.items():
        with unavailable():
            verb()
        assert contents(own) == before, name
    # It may lag: that it knows of no factor does not mean that there is none.
    with unavailable():
        filled.user(ALICE)
    with unavailable():
        filled.reserve(ALICE, "enrollment", NOW, LIMITS, factor_id="not there")


def test_a_server_without_enough_replicas_is_unavailable(own: Server, filled: RedisStore) -> None:
    verbs = operations(filled)
    before = contents(own)
    own.client().config_set("min-replicas-to-write", "1")
    for verb in verbs.values():
        with unavailable():
            verb()
    assert contents(own) == before


def test_a_full_server_is_unavailable_and_keeps_no_half_of_a_decision(own: Server, filled: RedisStore) -> None:
    verbs = operations(filled)
    assert filled.add_factor(factor(BOB, "waits", state="pending", expires_at=NOW + 1000), NOW, 5, 5)
    client = own.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    removals = {"remove_factor", "use_device again", "unknown device", "remove_devices", "reset", "delete_users"}
    reads_only = {"budget", "epoch", "has_ended", "end_half_login"}  # the last drops what expired, and may go on
    decisions = {name: verb for name, verb in verbs.items() if name not in removals | reads_only}
    assert {"attempt", "use_passkey", "add_passkey", "redeem", "replace_recovery_codes"} <= {*decisions}
    # Those that make room first where there are as many as may be.
    waits = factor(factor_id="another that waits", state="pending", expires_at=NOW + 1000)
    decisions |= {
        "the oldest enrollment goes": lambda: filled.add_factor(waits, NOW, 5, 1),
        "the oldest device goes": lambda: filled.add_device(DEVICE, NOW, 1),
        "an enrollment goes for a user who comes": lambda: filled.add_users(
            [NewUser(BOB, (factor(BOB),), (replace(CODE, owner=BOB),))]
        ),
    }
    for name, verb in decisions.items():
        before = contents(own)
        with unavailable():
            verb()
        assert contents(own) == before, name
    # What only removes goes through, as a whole.
    assert filled.remove_factor(ALICE, "passkey", "moved") is not None
    assert filled.remove_factor(ALICE, "phone", "moved") is not None
    client.config_set("maxmemory", "0")
    filled.prepare()
    state = filled.user(ALICE)
    assert [kept.factor_id for kept in state.factors] == ["new"] and state.recovery_codes == 0
    assert filled.recovery_codes(None, 9) == []


def test_a_server_busy_with_another_script_is_unavailable(own: Server, filled: RedisStore) -> None:
    own.client().config_set("lua-time-limit", "50")
    verbs = operations(filled)
    other = threading.Thread(target=endless, args=(own,))
    other.start()
    time.sleep(0.3)
    for verb in verbs.values():
        with unavailable():
            verb()
    own.client().script_kill()
    other.join()
    assert isinstance(verbs["reserve"](), Reservation)


def endless(own: Server) -> None:
    with pytest.raises(redis.ResponseError):
        redis.Redis(unix_socket_path=str(own.socket), socket_timeout=30).eval("while true do end", 0)


def test_a_server_that_cannot_write_its_log_is_unavailable(own: Server, filled: RedisStore) -> None:
    verbs = operations(filled)
    # With a snapshot that failed, Redis stops taking writes.
    client = own.client()
    client.config_set("save", "3600 1")
    client.config_set("dbfilename", "no")
    (own.folder / "no").mkdir()
    with pytest.raises(redis.ResponseError):
        client.save()
    client.config_set("appendonly", "yes")
    if client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        client.bgsave()
        while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            time.sleep(0.01)
    with unavailable():
        verbs["attempt"]()


def trickle(listener: socket.socket, answers: bytes, pause: float) -> None:
    """A server that never stops answering a little."""
    while True:
        try:
            one, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=dribble, args=(one, answers, pause), daemon=True).start()


def dribble(one: socket.socket, answers: bytes, pause: float) -> None:
    try:
        while one.recv(4096):
            time.sleep(pause)
            one.sendall(answers)
    except OSError:
        pass


def test_a_slow_handshake_and_a_slow_answer_have_one_deadline_together() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=(listener, b"+OK\r\n", 0.7), daemon=True).start()
        port = listener.getsockname()[1]
        store = RedisStore.from_url(f"redis://user:pass@127.0.0.1:{port}/3", timeout=1.0)
        with unavailable():
            store.reserve(ALICE, "otp", NOW, LIMITS)


@pytest.mark.parametrize(
    "answer",
    [b"+OK\r\n", b":1\r\n", b"$-1\r\n", b"*0\r\n", b"*1\r\n$4\r\nopen\r\n", b"*1\r\n:1\r\n", b"-ERR no\r\n", b"junk"],
)
def test_an_answer_that_is_none_of_a_script_s_is_no_yes(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=(listener, answer, 0), daemon=True).start()
        store = RedisStore.from_url(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3)
        with pytest.raises(StoreUnavailable):
            store.reserve(ALICE, "otp", NOW, LIMITS)


@pytest.mark.parametrize(
    "answer",
    [b"+OK\r\n", b"+QUEUED\r\n", b"$1\r\n1\r\n", b":2\r\n", b"*1\r\n:1\r\n", b"*4\r\n+maybe\r\n+1\r\n+1\r\n+1\r\n"],
)
def test_what_merely_looks_like_a_yes_is_none(own: Server, filled: RedisStore, answer: bytes) -> None:
    recovery = filled.reserve(ALICE, "recovery", NOW, LIMITS, selector="AB")
    assert isinstance(recovery, Reservation)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=(listener, answer, 0), daemon=True).start()
        # Nothing is said at the handshake without credentials but what may fail.
        store = RedisStore.from_url(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout=1.0)
        with unavailable():
            advance(store, ALICE, "phone", 1, limits=LIMITS)
        with unavailable():
            store.reserve(ALICE, "otp", NOW, LIMITS)
        if answer != b":2\r\n":  # two codes left: that is an answer
            with unavailable():
                store.redeem(recovery, "AB", NOW)


def in_child(store: RedisStore, pipe: Any) -> None:
    pipe.send(isinstance(store.reserve(ALICE, "otp", NOW, LIMITS), Reservation))


def test_processes_that_fork_share_no_connection(own: Server, filled: RedisStore) -> None:
    reserved(filled)
    context = multiprocessing.get_context("fork")
    pipes = []
    for _ in range(3):
        mine, theirs = context.Pipe()
        context.Process(target=in_child, args=(filled, theirs)).start()
        pipes.append(mine)
    assert [pipe.recv() for pipe in pipes] == [True] * 3
    assert filled.user(ALICE).budgets["otp"].failures == 4
    assert isinstance(filled.reserve(ALICE, "otp", NOW, LIMITS), Reservation)
    assert filled.reserve(ALICE, "otp", NOW, LIMITS) == Refusal("throttled", NOW + 30_000)


def test_threads_do_not_wait_for_each_other(own: Server, filled: RedisStore) -> None:
    def work() -> None:
        for _ in range(20):
            filled.user(ALICE)

    threads = [threading.Thread(target=work) for _ in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nothing_of_an_attempt_is_written_but_its_count(own: Server, filled: RedisStore) -> None:
    filled.reserve(ALICE, "otp", NOW, LIMITS, factor_id="")
    before = own.client().hgetall(b"{ferrotp}:budgets:acme\0alice")
    filled.reserve(ALICE, "recovery", NOW, LIMITS, selector="CANARY-7Q")
    filled.reserve(ALICE, "otp", NOW, LIMITS, factor_id="CANARY-7Q")
    own.client().save()
    for path in own.folder.rglob("*"):
        if path.is_file():
            assert b"CANARY-7Q" not in path.read_bytes(), path
    after = own.client().hgetall(b"{ferrotp}:budgets:acme\0alice")
    assert {name for name in after if after[name] != before[name]} == {b"recovery:failures", b"recovery:spent_until"}
    assert os.listdir(own.folder)
