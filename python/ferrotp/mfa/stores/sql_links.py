"""Connections to a database, taken for one operation at a time, under one deadline."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Protocol

from ..errors import StoreUnavailable
from .sql_statements import Statement

Rows = Sequence[tuple[Any, ...]]
Values = Mapping[str, Any]

SIZE = 8
"""How many connections to a server a process has at most."""

IDLE = 60.0
"""For how many seconds an unused connection is trusted: a firewall on the way forgets it in silence."""


class Link(Protocol):
    """One connection. Whatever it raises, it is not used again."""

    deadline: float
    """When the operation under way must have its answer, by `time.monotonic`."""

    def usable(self) -> bool:
        """Whether the other side has not hung up since the last operation."""

    def begin(self, *, reading: bool = False) -> None:
        """Opens a transaction: one that writes, or one that reads all at one moment."""

    def commit(self) -> None:
        """Makes it durable."""

    def rollback(self) -> None:
        """Undoes it."""

    def run(self, statement: Statement, values: Values) -> Rows:
        """Runs a statement: one round trip. Outside of a transaction it is one of its own."""

    def tables(self, names: Sequence[str]) -> set[str]:
        """Which of these tables there are."""

    def lock_schema(self) -> None:
        """Makes other processes wait that would change the tables, until the transaction ends."""

    def script(self, text: str) -> None:
        """Runs a statement that changes the tables."""

    def close(self) -> None:
        """Hangs up, without waiting for anything."""


class Room:
    """Room for so many threads, who are let in in the order in which they came: `threading.Semaphore` lets those in who
    left just now, and others wait for ever.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()
        self._queue: deque[threading.Lock] = deque()

    def enter(self, timeout: float) -> bool:
        with self._lock:
            if self._left:
                self._left -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        try:
            if turn.acquire(timeout=max(timeout, 0.0)):
                return True
        except BaseException:  # a signal's: whoever lets it in now would let in nobody
            if not self._withdraw(turn):
                self.leave()
            raise
        return not self._withdraw(turn)

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Leaves the queue; False if it was let in at the last moment."""
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                return True
        return False

    def leave(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._left += 1


class Links:
    """So many connections at most, in a process. A forked child gets its own."""

    def __init__(self, connect: Callable[[float], Link], size: int, timeout: float) -> None:
        self._connect = connect
        self._size = size
        self._timeout = timeout
        self._refresh()
        forget_after_fork(self)

    def _refresh(self) -> None:
        self._room = Room(self._size)
        self._free: list[tuple[float, Link]] = []

    def forget(self) -> None:
        """In a forked child: leaves the parent's connections alone. Closing them would end the parent's sessions."""
        _abandoned.extend(self._free)
        self._refresh()

    def take(self) -> Link:
        deadline = monotonic() + self._timeout
        if not self._room.enter(self._timeout):
            raise StoreUnavailable("all connections to the database are busy")
        try:
            while self._free:
                try:
                    since, link = self._free.pop()
                except IndexError:  # another thread was faster
                    break
                if deadline - since < IDLE + self._timeout and link.usable():
                    link.deadline = deadline
                    return link
                link.close()
            return self._connect(deadline)
        except BaseException:
            self._room.leave()
            raise

    def give(self, link: Link) -> None:
        self._free.append((monotonic(), link))
        self._room.leave()

    def drop(self, link: Link, error: BaseException | None) -> None:
        """Hangs up. What made the database unavailable broke the unused connections as well, most often."""
        try:
            link.close()
            if isinstance(error, StoreUnavailable):
                self.close()
        finally:
            self._room.leave()

    def close(self) -> None:
        while self._free:
            try:
                _, link = self._free.pop()
            except IndexError:
                return
            link.close()


class Turn:
    """One operation: a connection within `with`, given back if all went well, dropped otherwise."""

    __slots__ = ("_link", "_links")

    def __init__(self, links: Links) -> None:
        self._links = links

    def __enter__(self) -> Link:
        self._link = self._links.take()
        return self._link

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._links.give(self._link)
        else:
            self._links.drop(self._link, error)


class _Forgets(Protocol):
    def forget(self) -> None: ...


_abandoned: list[tuple[float, Link]] = []
_forgetful: "weakref.WeakSet[_Forgets]" = weakref.WeakSet()


def forget_after_fork(one: _Forgets) -> None:
    """Has `forget` called in each forked child."""
    _forgetful.add(one)


def _forget_all() -> None:
    for one in list(_forgetful):
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
