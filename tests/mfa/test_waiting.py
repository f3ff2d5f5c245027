"""Waits end at their deadline, and no sooner than they must. Time is a list here: nothing is measured."""

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ferrotp.mfa import StoreRefused, StoreUnavailable
from ferrotp.mfa.stores import again, waiting
from ferrotp.mfa.stores.pool import POOL_SIZE
from ferrotp.mfa.stores.waiting import Connector, LockWait, Watchdog, is_sqlite_busy, socket_waiter

FAR = 10.0**9
"""A deadline in many years."""


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.late = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "monotonic", made.monotonic)
    monkeypatch.setattr(waiting, "sleep", made.sleep)
    return made


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random part of a pause is as long as it may be."""
    monkeypatch.setattr(waiting, "uniform", lambda least, most: most)


def test_a_lock_is_asked_for_until_the_deadline_and_not_after_it(clock: Clock) -> None:
    wait, asked = LockWait(clock.now + 1.8), 0
    while wait.pause():
        asked += 1
        assert clock.now <= 1001.8
    assert clock.now == pytest.approx(1001.8)
    assert asked > 50
    before = len(clock.slept)
    assert not wait.pause() and len(clock.slept) == before


def test_time_in_which_others_had_the_processor_is_not_waited_for_a_lock(clock: Clock) -> None:
    clock.late = 0.1
    wait = LockWait(clock.now + 1.8)
    while clock.now < 1010:
        assert wait.pause()
    clock.late = 0.0
    begun = clock.now
    while wait.pause():
        pass
    assert 1.0 < clock.now - begun < 1.8, "of the time that it has, the pauses themselves are gone"


def test_a_busy_processor_moves_a_deadline_by_half_a_minute_at_most(clock: Clock) -> None:
    clock.late = 3.0
    wait = LockWait(clock.now + 1.8)
    while wait.pause():
        pass
    assert wait.deadline == pytest.approx(1031.8)
    assert 1031.8 <= clock.now < 1031.8 + 2 * 3.1


def test_pauses_are_short_at_first_longer_while_many_wait_and_short_again_at_the_end(
    clock: Clock, longest: None
) -> None:
    wait = LockWait(clock.now + 1.8)
    while wait.pause():
        pass
    pauses = clock.slept[:-1]  # the last one ends at the deadline
    assert pauses[0] == pytest.approx(0.001)
    top = pauses.index(max(pauses))
    assert 0.015 < pauses[top] <= 0.031
    assert pauses[: top + 1] == sorted(pauses[: top + 1])
    assert pauses[top:] == sorted(pauses[top:], reverse=True)
    assert pauses[-1] < 0.002, "a process that has waited long asks most often"


def test_no_two_that_wait_stay_in_step(clock: Clock) -> None:
    pauses = set()
    for _ in range(50):
        LockWait(clock.now + 1.8).pause()
        pauses.add(clock.slept[-1])
    assert len(pauses) == 50 and min(pauses) >= 0.0002


def test_what_sqlite_says_of_a_lock_is_told_from_other_failures(tmp_path: Path) -> None:
    holder, other = (sqlite3.connect(tmp_path / "x", isolation_level=None, timeout=0) for _ in range(2))
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.Error) as busy:
        other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.Error) as wrong:
        other.execute("nonsense")
    assert is_sqlite_busy(busy.value) and not is_sqlite_busy(wrong.value)
    # Python 3.10 gives no number.
    assert is_sqlite_busy(sqlite3.OperationalError("database is locked"))
    assert not is_sqlite_busy(sqlite3.OperationalError("disk I/O error"))
    for connection in (holder, other):
        connection.close()


# Connecting


@pytest.fixture
def discarded() -> list[str]:
    """The connections that came too late."""
    return []


@pytest.fixture
def connector(discarded: list[str]) -> Connector[str]:
    return Connector(discarded.append)


def failing(*errors: BaseException) -> Callable[[], str]:
    """What fails so often, and then connects."""
    left = list(errors)

    def make() -> str:
        if left:
            raise left.pop(0)
        return "connection"

    return make


def test_a_connection_that_is_made_in_time_is_given(connector: Connector[str], discarded: list[str]) -> None:
    for _ in range(3 * POOL_SIZE):  # and its thread's place is free again
        assert connector.connect(failing(), FAR) == "connection"
    assert connector.connect(lambda: (time.sleep(0.05), "connection")[1], FAR) == "connection", "it is waited for"
    assert discarded == []


def test_a_server_without_room_is_asked_again(connector: Connector[str], clock: Clock) -> None:
    for words in (
        "FATAL:  sorry, too many clients already",
        'FATAL:  too many connections for role "app"',
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "FATAL:  the database system is starting up",
    ):
        clock.slept.clear()
        assert connector.connect(failing(OSError(words), OSError(words)), FAR) == "connection"
        assert len(clock.slept) == 2 and all(0.02 <= pause <= 0.1 for pause in clock.slept)


def test_a_driver_that_gives_up_before_the_deadline_is_asked_again(connector: Connector[str], clock: Clock) -> None:
    """It has a limit of its own, two seconds: where processes start at once the server may need longer."""
    for words in ("connection timeout expired", "timeout expired", "Can't connect to MySQL server on 'db' (timed out)"):
        clock.slept.clear()
        assert connector.connect(failing(OSError(words), OSError(words)), FAR) == "connection"
        assert len(clock.slept) == 2


def test_a_server_without_room_is_unavailable_at_the_deadline(connector: Connector[str], clock: Clock) -> None:
    def make() -> str:
        raise OSError("sorry, too many clients already")

    with pytest.raises(StoreUnavailable, match="no more connections"):
        connector.connect(make, clock.now + 1.8)
    assert clock.now == pytest.approx(1001.8) and len(clock.slept) > 10


def test_other_failures_are_told_at_once_and_without_their_text(connector: Connector[str], clock: Clock) -> None:
    with pytest.raises(StoreUnavailable, match=r"\(OSError\)") as caught:
        connector.connect(failing(OSError("password hunter2 is wrong")), FAR)
    assert "hunter2" not in str(caught.value) and clock.slept == []
    with pytest.raises(StoreRefused, match="the engine"):
        connector.connect(failing(StoreRefused("the engine does not serve")), FAR)


def test_a_connection_that_comes_too_late_is_closed(connector: Connector[str], discarded: list[str]) -> None:
    late, closed = threading.Event(), threading.Event()
    connector._discard = lambda connection: (discarded.append(connection), closed.set())[0]

    def make() -> str:
        late.wait(60)
        return "late"

    with pytest.raises(StoreUnavailable, match="in time"):
        connector.connect(make, waiting.monotonic() + 0.01)
    late.set()
    assert closed.wait(60) and discarded == ["late"]


def test_only_so_many_connect_at_once(connector: Connector[str]) -> None:
    end, started = threading.Event(), []

    def make() -> str:
        started.append(1)
        end.wait(60)
        return "connection"

    for _ in range(POOL_SIZE):
        with pytest.raises(StoreUnavailable, match="in time"):
            connector.connect(make, waiting.monotonic() + 0.05)
    with pytest.raises(StoreUnavailable, match="takes no connections"):
        connector.connect(make, waiting.monotonic() + 0.05)
    assert len(started) <= POOL_SIZE
    end.set()
    assert connector.connect(failing(), waiting.monotonic() + 60) == "connection"


# The watchdog


def test_what_is_late_is_ended_and_said_to_be_late() -> None:
    ended = threading.Event()
    with pytest.raises(StoreUnavailable, match="in time"), Watchdog().watching(0.0, ended.set):
        assert ended.wait(60), "nobody ended it"


def test_what_is_in_time_is_left_alone() -> None:
    watchdog, ended = Watchdog(), []
    for _ in range(3):
        with watchdog.watching(FAR, lambda: ended.append(1)):
            pass
    assert ended == [] and not watchdog._due


def test_several_are_watched_at_once_by_one_thread() -> None:
    watchdog, late = Watchdog(), threading.Event()
    with watchdog.watching(FAR, late.clear):
        with pytest.raises(StoreUnavailable), watchdog.watching(0.0, late.set):
            assert late.wait(60)
        thread = watchdog._thread
        assert thread and thread.is_alive()
        late.clear()
        with pytest.raises(StoreUnavailable), watchdog.watching(0.0, late.set):
            assert late.wait(60)
        assert watchdog._thread is thread


def in_a_child(work: Callable[[], None]) -> int:
    """Runs it in a forked child, whose number it gives."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def succeeded(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_has_a_watchdog_of_its_own() -> None:
    watchdog = Watchdog()

    def work() -> None:
        ended = threading.Event()
        with pytest.raises(StoreUnavailable), watchdog.watching(0.0, ended.set):
            assert ended.wait(60)

    with watchdog.watching(FAR, lambda: None):
        with watchdog._lock:  # as if another thread of the parent were at it
            child = in_a_child(work)
        assert succeeded(child)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_connects_though_its_parent_was_connecting(connector: Connector[str]) -> None:
    def work() -> None:
        assert connector.connect(failing(), waiting.monotonic() + 60) == "connection"

    for _ in range(POOL_SIZE):
        assert connector._threads.acquire(0)
    with connector._threads._lock:
        child = in_a_child(work)
    assert succeeded(child)


def test_a_socket_that_has_something_to_read_is_told() -> None:
    reading, writing = os.pipe()
    waiter = socket_waiter(reading)
    assert not waiter(0.0, False)
    os.write(writing, b"x")
    assert waiter(60.0, False)
    os.close(reading), os.close(writing)


def test_a_socket_that_can_be_written_to_is_told_where_that_is_asked() -> None:
    one_end, other_end = socket.socketpair()
    waiter = socket_waiter(one_end.fileno())
    assert not waiter(0.0, False) and waiter(60.0, True)
    one_end.close(), other_end.close()


def test_who_lost_pauses_longer_each_time_as_a_try_takes_and_never_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come in between do not pause: who waited longer and longer would get no turn."""
    now, pauses = [0.0], list[float]()
    monkeypatch.setattr(again, "uniform", lambda least, most: most)
    monkeypatch.setattr(again, "sleep", pauses.append)
    monkeypatch.setattr(again, "monotonic", lambda: now[0])
    for took, expected in (
        (0.001, [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.05]),
        (0.010, [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.1]),
        (1.000, [0.1] * 11),
    ):
        for is_first_made in (False, True):
            pauses.clear()
            tries = again.Tries(now[0]) if is_first_made else again.Tries()
            if not is_first_made:
                tries.pause()
                assert pauses == []
            for _ in range(11):
                now[0] += took
                tries.pause()
            assert pauses == pytest.approx(expected)
