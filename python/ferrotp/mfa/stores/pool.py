"""The connections that a store holds in a process: borrowed for one operation at a time, in the order of asking.

The pool knows no driver and no framework. Each operation has one deadline, for its wait in the queue as well.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Generic, Protocol, TypeVar

from ..errors import StoreUnavailable
from .again import Undone, under_way

POOL_SIZE = 8
"""How many connections to a server a process has at most."""

MAX_IDLE = 60.0
"""For how many seconds an unused connection is trusted: a firewall on the way forgets it in silence."""


class Connection(Protocol):
    """One connection. After it raised anything it is not used again; but for `Undone`, if it says so."""

    deadline: float
    """When the operation under way must have its answer, by `time.monotonic`."""

    def usable(self) -> bool:
        """Whether the other side has not hung up since the last operation."""

    def undo(self) -> bool:
        """After `Undone`: ends the transaction, if it has not ended. Whether no part of it is left, and the connection
        is as a new one."""

    def hang_up(self) -> None:
        """Ends it, without waiting for anything."""


ConnectionT = TypeVar("ConnectionT", bound=Connection)


class FairSemaphore:
    """Lets so many threads in at once, in the order in which they came.

    `threading.Semaphore` lets a thread in again that left just now, while others wait until they give up.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()
        self._queue: deque[threading.Lock] = deque()

    def acquire(self, timeout: float) -> bool:
        """Waits for a place for so many seconds at most. Whether there was one."""
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
        except BaseException:  # a signal's: a place that is given to this thread now would be lost
            if not self._withdraw(turn):
                self.release()
            raise
        return not self._withdraw(turn)

    def release(self) -> None:
        """Gives the place to the thread that has waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._left += 1

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Leaves the queue; False if it was let in at the last moment."""
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                return True
        return False


class ConnectionPool(Generic[ConnectionT]):
    """So many connections at most, in a process. A forked child gets its own.

    :param connect: makes a connection by a deadline (of `time.monotonic`), or raises
    :param timeout: seconds for one operation, from the place in the queue to the answer
    :param keep: whether a connection is kept for the next operation, asked when one comes back
    """

    def __init__(
        self,
        connect: Callable[[float], ConnectionT],
        size: int,
        timeout: float,
        *,
        keep: Callable[[], bool] | None = None,
    ) -> None:
        self._connect = connect
        self._size = size
        self._timeout = timeout
        self._keep = keep
        self._empty()
        forget_after_fork(self)

    def _empty(self) -> None:
        self._places = FairSemaphore(self._size)
        self._unused: list[tuple[float, ConnectionT]] = []

    @contextmanager
    def borrow(self, timeout: float | None = None) -> Iterator[ConnectionT]:
        """A connection within `with`: it comes back if all went well, and is hung up otherwise.

        :param timeout: seconds for this operation, instead of the pool's
        :raises StoreUnavailable: if no connection was free, or could be made, within the timeout
        """
        begun = monotonic()
        deadline = min(begun + (self._timeout if timeout is None else timeout), under_way.latest)
        places = self._places  # a forked child gets others
        if not places.acquire(deadline - begun):
            raise StoreUnavailable("all of the store's connections to the database are busy")
        try:
            connection = self._take(deadline)
            is_whole = False
            try:
                yield connection
                is_whole = True
            except Undone:
                # With many at one user that is often, and a new connection takes longer than the decision.
                with suppress(Exception):
                    is_whole = connection.undo()
                raise
            except StoreUnavailable:
                # What made the database unavailable broke the unused connections as well, most often.
                self.close()
                raise
            finally:
                if is_whole and (self._keep is None or self._keep()):
                    self._unused.append((monotonic(), connection))
                else:
                    connection.hang_up()
        finally:
            places.release()

    def close(self) -> None:
        """Hangs up the connections that are not in use."""
        while self._unused:
            try:
                _, connection = self._unused.pop()
            except IndexError:  # another thread was faster
                return
            connection.hang_up()

    def forget(self) -> None:
        """In a forked child: leaves the parent's connections alone. Closing them would end the parent's sessions."""
        _abandoned.extend(self._unused)
        self._empty()

    @property
    def unused(self) -> int:
        """How many connections wait for the next operation."""
        return len(self._unused)

    def _take(self, deadline: float) -> ConnectionT:
        while self._unused:
            try:
                since, connection = self._unused.pop()
            except IndexError:  # another thread was faster
                break
            if monotonic() - since < MAX_IDLE and connection.usable():
                connection.deadline = deadline
                return connection
            connection.hang_up()
        return self._connect(deadline)


class _Forgetful(Protocol):
    def forget(self) -> None: ...


_abandoned: list[object] = []
"""The parent's connections, in a forked child: kept, since collecting them as garbage would close them."""

_forgetful: "weakref.WeakSet[_Forgetful]" = weakref.WeakSet()


def forget_after_fork(holder: _Forgetful) -> None:
    """Has `forget` called in each forked child."""
    _forgetful.add(holder)


def _forget_all() -> None:
    for holder in list(_forgetful):
        holder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
