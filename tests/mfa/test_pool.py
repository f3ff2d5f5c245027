"""The pool under every store that holds connections: in order, in time, and never a connection that is dead."""

import gc
import os
import signal
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from ferrotp.mfa import StoreUnavailable
from ferrotp.mfa.stores import pool as module
from ferrotp.mfa.stores.again import Undone
from ferrotp.mfa.stores.pool import MAX_IDLE, ConnectionPool, FairSemaphore


class Fake:
    """A connection to nowhere."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.alive = True
        self.clean = True
        self.open = True

    def usable(self) -> bool:
        return self.alive

    def undo(self) -> bool:
        if not self.alive:
            raise OSError
        return self.clean

    def hang_up(self) -> None:
        self.open = False


@pytest.fixture
def made() -> list[Fake]:
    """The connections that the pool made."""
    return []


@pytest.fixture
def pool(made: list[Fake]) -> ConnectionPool[Fake]:
    return opened(made, 2)


def opened(
    made: list[Fake], size: int, timeout: float = 5, keep: Callable[[], bool] | None = None
) -> "ConnectionPool[Fake]":
    def connect(deadline: float) -> Fake:
        made.append(Fake(deadline))
        return made[-1]

    return ConnectionPool(connect, size, timeout, keep=keep)


# The queue


def queued(semaphore: FairSemaphore, number: int) -> None:
    """Waits until so many threads wait."""
    while len(semaphore._queue) < number:
        time.sleep(0.001)


def test_threads_are_let_in_as_they_came() -> None:
    semaphore, order = FairSemaphore(1), []
    assert semaphore.acquire(1)

    def enter(number: int) -> None:
        assert semaphore.acquire(60)
        order.append(number)
        semaphore.release()

    threads = []
    for number in range(10):
        threads.append(threading.Thread(target=enter, args=(number,)))
        threads[-1].start()
        queued(semaphore, number + 1)
    semaphore.release()
    for thread in threads:
        thread.join()
    assert order == list(range(10))
    assert semaphore._left == 1


def test_a_thread_that_comes_back_at_once_goes_behind_those_that_wait() -> None:
    semaphore, turns = FairSemaphore(1), Counter[int]()
    everybody = threading.Barrier(16)

    def loop(number: int) -> None:
        everybody.wait()
        while turns.total() < 16 * 30:
            assert semaphore.acquire(60)
            turns[number] += 1
            if turns.total() == 1:
                queued(semaphore, 15)  # from here on all of them wait
            semaphore.release()

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(turns.values()) - min(turns.values()) <= 1, turns


def test_a_thread_that_waits_too_long_takes_no_place() -> None:
    semaphore = FairSemaphore(1)
    assert semaphore.acquire(1)
    assert not semaphore.acquire(0.01)
    semaphore.release()
    assert semaphore.acquire(0) and semaphore._left == 0 and not semaphore._queue


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="there are no signals to interrupt a wait")
def test_a_thread_that_is_interrupted_takes_no_place() -> None:
    semaphore = FairSemaphore(1)
    assert semaphore.acquire(1)
    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        queued(semaphore, 1)
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        semaphore.acquire(60)
    timer.join()
    semaphore.release()
    assert semaphore.acquire(0) and not semaphore._queue


# Connections


def test_a_connection_is_used_again_with_the_deadline_of_the_next_operation(
    pool: ConnectionPool[Fake], made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 1000.0)
    with pool.borrow() as first:
        assert first.deadline == 1005.0
    monkeypatch.setattr(module, "monotonic", lambda: 1010.0)
    with pool.borrow() as second:
        assert second is first and second.deadline == 1015.0
    assert made == [first] and pool.unused == 1


def test_a_connection_that_the_other_side_ended_is_not_used_again(pool: ConnectionPool[Fake], made: list[Fake]) -> None:
    with pool.borrow() as dead:
        pass
    dead.alive = False
    with pool.borrow() as fresh:
        assert fresh is not dead
    assert not dead.open and fresh.open and len(made) == 2


def test_a_connection_that_was_unused_for_long_is_not_used_again(
    pool: ConnectionPool[Fake], made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may look usable: a firewall that forgot it tells nobody."""
    clock = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    with pool.borrow() as old:
        clock[0] += 2 * MAX_IDLE  # in use, it is not unused
    clock[0] += MAX_IDLE - 1
    with pool.borrow() as again:
        assert again is old
    clock[0] += MAX_IDLE
    with pool.borrow() as fresh:
        assert fresh is not old
    assert not old.open and fresh.open


def test_a_connection_on_which_an_operation_failed_is_not_used_again(
    pool: ConnectionPool[Fake], made: list[Fake]
) -> None:
    with pool.borrow() as first, pool.borrow() as second:
        pass
    with pytest.raises(LookupError), pool.borrow() as broken:
        raise LookupError
    assert not broken.open
    # The other one is kept: only a database that is away breaks all of them.
    assert pool.unused == 1 and {first.open, second.open} == {True, False}


def test_a_database_that_is_away_ends_the_unused_connections_too(pool: ConnectionPool[Fake], made: list[Fake]) -> None:
    with pool.borrow(), pool.borrow():
        pass
    with pytest.raises(StoreUnavailable), pool.borrow():
        raise StoreUnavailable
    assert pool.unused == 0 and not any(connection.open for connection in made)


def undo(pool: ConnectionPool[Fake], broken: str = "") -> Fake:
    """Has an operation end in `Undone`, on a connection with something broken."""
    used: list[Fake] = []

    def operation() -> None:
        with pool.borrow() as connection:
            used.append(connection)
            if broken:
                setattr(connection, broken, False)
            raise Undone

    with pytest.raises(Undone):
        operation()
    return used[0]


def test_a_connection_whose_transaction_was_undone_is_used_again(pool: ConnectionPool[Fake], made: list[Fake]) -> None:
    undone = undo(pool)
    with pool.borrow() as again:
        assert again is undone and undone.open


@pytest.mark.parametrize("state", ["alive", "clean"])
def test_a_connection_that_cannot_undo_its_transaction_is_not_used_again(
    pool: ConnectionPool[Fake], made: list[Fake], state: str
) -> None:
    undone = undo(pool, state)
    assert not undone.open and pool.unused == 0


def test_connections_are_hung_up_where_none_is_to_be_kept(made: list[Fake]) -> None:
    kept = [True, False]
    pool = opened(made, 2, keep=lambda: kept.pop())
    with pool.borrow() as first:
        pass
    assert not first.open and pool.unused == 0
    with pool.borrow() as second:
        pass
    assert second.open and pool.unused == 1


def test_a_process_has_no_more_connections_than_the_size(pool: ConnectionPool[Fake], made: list[Fake]) -> None:
    with pool.borrow(), pool.borrow():
        pool._timeout = 0.01
        with pytest.raises(StoreUnavailable, match="busy"), pool.borrow():
            pass
    assert len(made) == 2
    with pool.borrow(), pool.borrow():
        assert len(made) == 2


def test_a_connection_that_cannot_be_made_takes_no_place() -> None:
    def refuse(deadline: float) -> Fake:
        raise StoreUnavailable("nothing is there")

    pool = ConnectionPool(refuse, 1, 5)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="nothing"), pool.borrow():
            pass
    assert pool._places._left == 1


def test_close_hangs_up_what_is_unused_and_leaves_what_is_in_use(pool: ConnectionPool[Fake], made: list[Fake]) -> None:
    with pool.borrow(), pool.borrow():
        pass
    with pool.borrow() as used:
        pool.close()
        assert used.open and pool.unused == 0
        assert [connection.open for connection in made if connection is not used] == [False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_begins_with_no_connection_and_with_all_places(
    pool: ConnectionPool[Fake], made: list[Fake]
) -> None:
    with pool.borrow(), pool.borrow():
        pass
    with pool.borrow():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert pool.unused == 0
                assert all(connection.open for connection in made), "the parent's sessions would end"
                with pool.borrow() as first, pool.borrow() as second:
                    assert first not in made[:2] and second not in made[:2]
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.unused == 2 and all(connection.open for connection in made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_keeps_its_parents_connections_from_the_garbage(
    pool: ConnectionPool[Fake], made: list[Fake]
) -> None:
    """As garbage they would be closed, and with them the parent's sessions."""
    with pool.borrow(), pool.borrow():
        pass
    child = os.fork()
    if child == 0:
        status = 1
        try:
            kept = [weakref.ref(connection) for connection in made]
            made.clear()
            gc.collect()
            assert all(reference() is not None for reference in kept)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
