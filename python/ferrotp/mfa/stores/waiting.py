"""Waits that end at a deadline: for the lock of a SQLite file, for a server that takes a connection, for its answer.

No driver and no framework is known here. Deadlines are moments of `time.monotonic`.
"""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import uniform
from time import monotonic, sleep
from typing import Generic, TypeVar

from ..errors import StoreRefused, StoreUnavailable
from .pool import POOL_SIZE, FairSemaphore, forget_after_fork

T = TypeVar("T")

_LONGEST_PAUSE = 0.03
"""Seconds. Measured with 64 processes on two busy processors: asking more often takes time from the one that writes."""

_ON_TIME = 0.005
"""Seconds that a pause may be late without the processor having been busy."""

_MOST_MOVED = 30.0
"""Seconds by which a busy processor moves a deadline at most: a site's processes that start at once keep it busy."""

_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6

_ASK_AGAIN = (
    "too many clients",
    "too many connections",
    "connection slots are reserved",
    "is starting up",
    "max_user_connections",
    "timeout expired",
    "timed out",
)
"""What servers say, in any case, when they will take a connection in a moment, and what drivers say whose own limit is
over before the deadline. libpq gives no number for it."""


class LockWait:
    """The pauses between tries for a lock that another process holds.

    SQLite's own waiting sleeps longer the longer it has waited, so newcomers win. Here the pauses are short at first,
    longer while many wait, and short again for a process that has waited long.

    A pause that ends late was not spent on the lock: others had the processor, maybe the one that holds the lock. The
    deadline moves by as much, half a minute at most.
    """

    __slots__ = ("_last", "_started", "deadline")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        """When it gives up."""
        self._started = monotonic()
        self._last = deadline + _MOST_MOVED

    def pause(self) -> bool:
        """Sleeps before the next try. False, and at once, when the time is over."""
        now = monotonic()
        left = self.deadline - now
        if left <= 0:
            return False
        waited = now - self._started
        patience = left / (left + waited)
        longest = min(waited / 4, _LONGEST_PAUSE * patience * patience)
        asked = min(uniform(0.0002, 0.001 + longest), left)  # noqa: S311 - so that no two stay in step
        sleep(asked)
        late = monotonic() - now - asked
        if late > _ON_TIME:
            self.deadline = min(self.deadline + late, self._last)
        return True


def is_sqlite_busy(error: BaseException) -> bool:
    """Whether an error of `sqlite3` says that another connection holds the lock."""
    code = getattr(error, "sqlite_errorcode", None)  # from Python 3.11 on
    if code is None:
        return "is locked" in str(error)
    return code & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED)


class Connector(Generic[T]):
    """Makes connections to a server, or gives up at the deadline.

    Looking up a name and logging in know no deadline, and both may be the application's own functions; so a thread does
    it. There are only so many such threads at once.

    :param discard: closes a connection that came too late
    :param tell: errors that the caller is to see as they are; others name the user and the server, at least
    :param name: of the server, for messages
    """

    def __init__(
        self,
        discard: Callable[[T], None],
        tell: tuple[type[Exception], ...] = (StoreRefused,),
        *,
        name: str = "PostgreSQL",
    ) -> None:
        self._discard = discard
        self._name = name
        self._tell = tell
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: leaves the lock alone that a thread of the parent may have held."""
        self._threads = FairSemaphore(POOL_SIZE)

    def connect(self, make: Callable[[], T], deadline: float) -> T:
        """What `make` gives. A server that has no room for a connection, or no time, is asked again until the deadline.

        :raises StoreUnavailable: if there is no connection by the deadline
        """
        while True:
            try:
                return self._attempt(make, deadline)
            except _NotYet:
                left = deadline - monotonic()
                if left <= 0:
                    raise StoreUnavailable(f"{self._name} takes no more connections, or not in time") from None
                sleep(min(uniform(0.02, 0.1), left))  # noqa: S311 - so that no two stay in step

    def _attempt(self, make: Callable[[], T], deadline: float) -> T:
        made: list[T] = []
        failed: list[BaseException] = []
        given_up = False
        lock = threading.Lock()
        done = threading.Event()
        threads = self._threads

        def run() -> None:
            try:
                connection = make()
                with lock:
                    if given_up:
                        self._discard(connection)
                    else:
                        made.append(connection)
            except BaseException as error:  # the other thread tells of it
                failed.append(error)
            finally:
                threads.release()
                done.set()

        if not threads.acquire(deadline - monotonic()):
            raise StoreUnavailable(f"{self._name} takes no connections")
        try:
            threading.Thread(target=run, name="ferrotp connects", daemon=True).start()
        except RuntimeError:  # there are too many already
            threads.release()
            raise StoreUnavailable(f"no thread could be started to connect to {self._name}") from None
        done.wait(max(deadline - monotonic(), 0.0))
        with lock:
            given_up = True
        if made:
            return made[0]
        if not failed:
            raise StoreUnavailable(f"{self._name} did not take the connection in time")
        if isinstance(failed[0], self._tell):
            raise failed[0]
        if any(words in str(failed[0]).lower() for words in _ASK_AGAIN):
            raise _NotYet
        raise StoreUnavailable(f"{self._name} did not take the connection ({type(failed[0]).__name__})")


class _NotYet(Exception):
    """The server takes no more connections for now, or has not answered as fast as the driver wants."""


class Watchdog:
    """A thread that ends operations that are late: neither TCP nor a server's settings end the wait for one that has
    stopped answering.
    """

    def __init__(self) -> None:
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child, which has no thread of the parent's."""
        self._lock = threading.Lock()
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, deadline: float, end: Callable[[], None]) -> Iterator[None]:
        """Calls `end` at the deadline, from another thread, if what is within `with` is not done by then.

        :raises StoreUnavailable: in that case
        """
        key = object()
        with self._lock:
            self._due[key] = (deadline, end)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ferrotp watches", daemon=True)
                self._thread.start()
        self._awake.set()
        try:
            yield
        finally:
            with self._lock:
                in_time = self._due.pop(key, None)
            if in_time is None:
                raise StoreUnavailable("the database did not answer in time")

    def _run(self) -> None:
        while self._awake.wait():
            with self._lock:
                now = monotonic()
                for key, (deadline, end) in list(self._due.items()):
                    if deadline <= now:
                        # Under the lock, so that the connection is not given back before this is done.
                        end()
                        del self._due[key]
                if not self._due:
                    self._awake.clear()
            sleep(0.05)


watchdog = Watchdog()
"""One thread for all stores of a process."""


def socket_waiter(descriptor: int) -> "Callable[[float, bool], object]":
    """What waits until a socket can be read, or also written to, for so many seconds at most. Whether it can."""
    if not hasattr(select, "poll"):  # Windows
        return lambda seconds, writing: any(
            select.select([descriptor], [descriptor] if writing else [], [], seconds)[:2]
        )
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    both = select.poll()
    both.register(descriptor, select.POLLIN | select.POLLOUT)
    return lambda seconds, writing: (both if writing else poll).poll(seconds * 1000)
