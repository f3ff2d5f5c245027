"""A bound on the slow hashes that a process has under way: each takes a processor, and memory by design."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Overloaded

AT_ONCE = max((os.cpu_count() or 1) // 2, 1)
"""Hashes under way. Half of the processors, so that requests without a hash go on as if there were none; with Argon2id
as the policy has it, each takes 19 MiB. A property of the machine, so no policy."""

WAITING = 16
"""Requests that wait for their turn at most. Each keeps a thread of the web server, which has forty or so."""

LONGEST_WAIT = 5.0
"""Seconds. A set of codes is ten hashes, 0.2 seconds on one processor: who waits longer is behind a crowd."""


class _Queue:
    """Those under way, and those that wait."""

    def __init__(self) -> None:
        self.entrances = threading.Semaphore(AT_ONCE + WAITING)
        self.turns = threading.Semaphore(AT_ONCE)


_queue = _Queue()


def _renew() -> None:
    """In a forked child: nothing of it is under way."""
    global _queue
    _queue = _Queue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def turn() -> Iterator[None]:
    """A turn to hash.

    :raises Overloaded: if too many wait already, or it does not come in time
    """
    queue = _queue
    if not queue.entrances.acquire(blocking=False):
        raise Overloaded
    try:
        if not queue.turns.acquire(timeout=LONGEST_WAIT):
            raise Overloaded
        try:
            yield
        finally:
            queue.turns.release()
    finally:
        queue.entrances.release()
