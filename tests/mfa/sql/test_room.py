"""Threads that queue for a connection: in order, in time, and without losing a place to whoever gave up."""

import _thread
import signal
import threading
import time

import pytest

from ferrotp.mfa.stores.sql_links import Room


def test_threads_are_let_in_as_they_came() -> None:
    room, order = Room(1), []
    assert room.enter(1)
    threads = []
    for number in range(10):
        threads.append(
            threading.Thread(target=lambda number=number: (room.enter(5) and order.append(number)) or room.leave())
        )
        threads[-1].start()
        while len(room._queue) <= number:
            time.sleep(0.001)
    room.leave()
    for thread in threads:
        thread.join()
    assert order == list(range(10))
    assert room._left == 1


def test_who_waits_too_long_takes_no_place() -> None:
    room = Room(1)
    assert room.enter(1)
    assert not room.enter(0.01)
    room.leave()
    assert room.enter(0) and room._left == 0 and not room._queue


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there are no signals to interrupt a wait")
def test_who_is_interrupted_takes_no_place() -> None:
    room = Room(1)
    assert room.enter(1)
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        room.enter(5)
    timer.join()
    room.leave()
    assert room.enter(0) and not room._queue
