"""Connections of the store's own: what it decides is committed, whatever the caller's transaction does.

They come from the same settings as the caller's connections and are never these. While an operation runs, its
connection has an alias of its own in this thread, so that the ORM uses it like any other.
"""

import os
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from random import uniform
from time import monotonic, sleep
from typing import Any

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, Error, IntegrityError, InterfaceError, OperationalError, connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import load_backend

from ferrotp.mfa.errors import StoreRefused, StoreUnavailable

SIZE = 8
"""How many connections to a PostgreSQL server a process has at most."""

IDLE = 60.0
"""For how many seconds an unused connection is trusted: a firewall on the way forgets it in silence."""

_LONGEST_PAUSE = 0.01

INSTEAD = (
    "The decision was not made and nothing was counted. Make it outside of the transaction; or, in a view under "
    "ATOMIC_REQUESTS, decorate the view with django.db.transaction.non_atomic_requests"
)
_HELD = (
    "SQLite has one lock, and this request's own transaction (ATOMIC_REQUESTS, for one) holds it. "
    f"{INSTEAD}; or keep the second factors in a database file of their own"
)
IN_A_TEST = (
    "a TestCase holds one transaction open over each test, and the store commits what it decides: "
    'set FERROTP["STORE"] = "memory" in the settings of the tests, or use TransactionTestCase'
)


class OwnConnections:
    """A few connections to the database of an alias, taken for one operation at a time, under one deadline.

    :param beside: whether a transaction of the caller's may be open, which knows that nothing here is undone with it
    """

    def __init__(self, alias: str, timeout: float, *, beside: bool = False) -> None:
        self.alias = alias
        self._beside = beside
        self._own_alias = f"ferrotp:{alias}"
        self._timeout = timeout
        self._class = _class_for(alias)
        self._size = SIZE if issubclass(self._class, _PostgreSQL) else 1
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Also in a forked child, which leaves its parent's connections alone: closing one would end it there, too."""
        _abandoned.extend(getattr(self, "_free", []))
        self._free: list[tuple[float, Any]] = []
        # SQLite has one writer at a time: threads that queue for one connection ask the file less often.
        self._room = threading.Semaphore(self._size)

    def close(self) -> None:
        while self._free:
            try:
                _, link = self._free.pop()
            except IndexError:  # another thread was faster
                return
            link.hang_up()

    @contextmanager
    def turn(self, *, reading: bool = False) -> Iterator[str]:
        """A transaction of its own; its alias is for `using`. It commits at the end unless something was raised."""
        surrounded = False if reading else self._look_around()
        aside = _stepping_aside(connections[self.alias]) if surrounded and self._beside else nullcontext()
        with aside, self._turn(reading, surrounded) as using:
            yield using

    @contextmanager
    def _turn(self, reading: bool, surrounded: bool) -> Iterator[str]:
        deadline = monotonic() + self._timeout
        try:
            link = self._take(deadline)
        except Error as error:
            raise _translated(error, surrounded, deadline) from None
        link.deadline, link.reading = deadline, reading
        connections[self._own_alias] = link
        try:
            with link.watched(), transaction.atomic(using=self._own_alias, durable=True):
                link.prelude()
                yield self._own_alias
        except BaseException as error:
            self._drop(link)
            if isinstance(error, Error):
                raise _translated(error, surrounded, deadline) from None
            raise
        else:
            self._give(link)
        finally:
            del connections[self._own_alias]

    def _look_around(self) -> bool:
        """Refuses what the caller may take for a part of its own transaction. Whether a request's transaction, which
        nobody asked for at this place, is open: a decision is made beside it.
        """
        outer = connections[self.alias]
        blocks = outer.atomic_blocks
        if not blocks:
            if outer.connection is not None and not outer.get_autocommit():
                if self._beside:
                    return True
                raise StoreRefused(f"a transaction is open, with autocommit off. {INSTEAD}")
            return False
        if getattr(blocks[0], "_from_testcase", False):
            raise StoreRefused(IN_A_TEST)
        if not self._beside and (len(blocks) > 1 or not outer.settings_dict["ATOMIC_REQUESTS"]):
            raise StoreRefused(
                "a second factor is decided for good, and transaction.atomic() around the call says that it could be "
                f"undone. {INSTEAD}"
            )
        return True

    def _take(self, deadline: float) -> Any:
        if not self._room.acquire(timeout=self._timeout):
            raise StoreUnavailable("all of the store's connections to the database are busy")
        try:
            while self._free:
                try:
                    since, link = self._free.pop()
                except IndexError:
                    break
                if monotonic() - since < IDLE and link.usable():
                    return link
                link.hang_up()
            link = self._new()
            link.open(deadline)
            return link
        except BaseException:
            self._room.release()
            raise

    def _new(self) -> Any:
        given = connections[self.alias].settings_dict
        settings = {**given, "OPTIONS": {**given["OPTIONS"]}}
        settings.update(AUTOCOMMIT=True, ATOMIC_REQUESTS=False, CONN_MAX_AGE=None)
        self._class.adapt(settings["OPTIONS"], self._timeout)
        link = self._class(settings, self._own_alias)
        link.inc_thread_sharing()
        return link

    def _give(self, link: Any) -> None:
        # A test runner drops its database while this process lives, which an open connection would prevent.
        if _testing():
            link.hang_up()
        else:
            self._free.append((monotonic(), link))
        self._room.release()

    def _drop(self, link: Any) -> None:
        """Hangs up; and with it the unused ones, since what broke one broke them as well, often."""
        link.hang_up()
        self.close()
        self._room.release()


class _Own:
    """What a connection of the store's own does otherwise."""

    deadline = 0.0
    reading = False

    def ensure_connection(self: Any) -> None:
        # Django would connect anew while it cleans up after a server that does not answer.
        if self.connection is None:
            raise InterfaceError("the connection is closed")
        super().ensure_connection()  # type: ignore[misc]


class _SQLite(_Own):
    """What a connection of the store's own does otherwise on SQLite."""

    @staticmethod
    def adapt(options: dict[str, Any], timeout: float) -> None:
        options["timeout"] = timeout
        options.pop("transaction_mode", None)

    def open(self: Any, deadline: float) -> None:
        if self.is_in_memory_db() and not _testing():
            raise StoreRefused("a SQLite database in memory is lost with its process: name a file")
        try:
            self.connect()
            # A commit that is lost is a code that is accepted twice, so each is on the disk before it is answered.
            # EXTRA is FULL, and for the rollback journal the directory too; what macOS calls a sync is none.
            self.connection.execute("PRAGMA synchronous=EXTRA")
            self.connection.execute("PRAGMA fullfsync=ON")
        except (DatabaseError, self.Database.Error) as error:
            self.hang_up()
            what = "stayed locked" if "locked" in str(error) else f"does not open ({type(error).__name__})"
            raise StoreUnavailable(f"the SQLite file {what}") from None

    def prelude(self) -> None:
        """The lock is taken already."""

    def usable(self) -> bool:
        return True

    def hang_up(self: Any) -> None:
        raw, self.connection = self.connection, None
        if raw is not None:
            raw.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield

    def _start_transaction_under_autocommit(self: Any) -> None:
        raw = self.connection
        raw.execute(f"PRAGMA busy_timeout={max(int(1000 * (self.deadline - monotonic())), 1)}")
        if self.reading:
            raw.execute("BEGIN")
            return
        # SQLite's own waiting sleeps longer the longer it has waited, so newcomers win. Here whoever waits longest
        # asks most often.
        raw.execute("PRAGMA busy_timeout=0")
        started = monotonic()
        while True:
            try:
                with self.wrap_database_errors:
                    raw.execute("BEGIN IMMEDIATE")
                break
            except OperationalError as error:
                left = self.deadline - monotonic()
                if left <= 0 or "locked" not in str(error):
                    raise
            patience = left / max(self.deadline - started, 0.001)
            sleep(min(uniform(0.0002, 0.001 + _LONGEST_PAUSE * patience * patience), left))  # noqa: S311
        raw.execute(f"PRAGMA busy_timeout={max(int(1000 * (self.deadline - monotonic())), 1)}")


class _PostgreSQL(_Own):
    """What a connection of the store's own does otherwise on PostgreSQL."""

    _shutter: socket.socket | None = None

    @staticmethod
    def adapt(options: dict[str, Any], timeout: float) -> None:
        # Each transaction says what it needs, and the connections are pooled here.
        options.pop("isolation_level", None)
        options.pop("pool", None)
        options.setdefault("connect_timeout", 2)

    def open(self: Any, deadline: float) -> None:
        """Connects, or gives up at the deadline.

        Looking up a name and logging in know no deadline; so a thread does it. A connection that comes too late is
        closed.
        """
        timeout = max(deadline - monotonic(), 0.001)
        ended: list[BaseException | None] = []  # how the other thread ended, or that this one gave up
        lock, done = threading.Lock(), threading.Event()

        def run() -> None:
            failure: BaseException | None = None
            try:
                self._connect_and_look(timeout)
            except BaseException as error:  # the other thread tells of it
                failure = error
            with lock:
                if ended or failure:
                    self.hang_up()
                ended.append(failure)
            done.set()

        threading.Thread(target=run, name="ferrotp connects", daemon=True).start()
        done.wait(timeout)
        with lock:
            if not ended:
                ended.append(None)
                raise StoreUnavailable("PostgreSQL did not take the connection in time")
        if isinstance(ended[0], (StoreRefused, ImproperlyConfigured)):
            raise ended[0]
        if ended[0] is not None:
            # The text of such an error names the user and the server, at least.
            raise StoreUnavailable(f"PostgreSQL did not take the connection ({type(ended[0]).__name__})")

    def _connect_and_look(self: Any, timeout: float) -> None:
        self.connect()
        # A socket of the same connection, which is open for as long as somebody may shut it.
        self._shutter = socket.fromfd(self.connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('synchronous_commit')")
            (synchronous,) = cursor.fetchone()
        # For a transaction only: a pooler may lend the same session to somebody else afterwards.
        limit = max(int(900 * timeout), 1)
        self._prelude = (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
            f"SET LOCAL statement_timeout TO {limit}; SET LOCAL lock_timeout TO {max(limit - 100, 1)};"
            f"SET LOCAL idle_in_transaction_session_timeout TO {2 * limit}"
        ) + (";SET LOCAL synchronous_commit TO on" if synchronous == "off" else "")

    def prelude(self: Any) -> None:
        if self.reading:
            return  # it may take the time that a page may take, up to the deadline
        with self.cursor() as cursor:
            cursor.execute(self._prelude)

    def usable(self: Any) -> bool:
        # Nothing is to be read between two operations but that the server has gone.
        try:
            return not _readable(self.connection.fileno())
        except (OSError, ValueError, self.Database.Error):
            return False

    def hang_up(self: Any) -> None:
        raw, self.connection = self.connection, None
        if self._shutter is not None:
            self._shutter.close()
        if raw is not None:
            with suppress(self.Database.Error):
                raw.close()

    @contextmanager
    def watched(self: Any) -> Iterator[None]:
        """Ends the wait for a server that has stopped answering: neither TCP nor a setting of the server does."""
        with _watchdog.watching(self.deadline, self._shut):
            yield

    def _shut(self: Any) -> None:
        with suppress(OSError):
            self._shutter.shutdown(socket.SHUT_RDWR)


class _Watchdog:
    """A thread that calls what is due, while anything may be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, deadline: float, late: Callable[[], None]) -> Iterator[None]:
        key = object()
        with self._lock:
            self._due[key] = (deadline, late)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ferrotp watches", daemon=True)
                self._thread.start()
        self._awake.set()
        try:
            yield
        finally:
            with self._lock:
                alive = self._due.pop(key, None)
            if alive is None:
                raise StoreUnavailable("PostgreSQL did not answer in time")

    def _run(self) -> None:
        while self._awake.wait():
            with self._lock:
                now = monotonic()
                for key, (deadline, late) in list(self._due.items()):
                    if deadline <= now:
                        # Under the lock, so that the connection is not given back before this is done.
                        late()
                        del self._due[key]
                if not self._due:
                    self._awake.clear()
            sleep(0.05)


def note_transactions() -> None:
    """For stores beside callers' transactions, when the applications are loaded: see `_stepping_aside`."""
    connection_created.connect(_note_from_now_on, dispatch_uid="ferrotp")
    for connection in connections.all(initialized_only=True):
        _note_from_now_on(connection)


def _note_from_now_on(connection: Any, **more: Any) -> None:
    stepping = connection.vendor == "sqlite" and not isinstance(connection, _Own)
    if stepping and _note not in connection.execute_wrappers:
        connection.execute_wrappers.append(_note)


def _note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    if isinstance(sql, str) and sql.startswith("BEGIN"):
        outer = context["connection"]
        outer._ferrotp_began = (outer.connection, outer.connection.total_changes)
    return execute(sql, params, many, context)


@contextmanager
def _stepping_aside(outer: Any) -> Iterator[None]:
    """Ends the caller's transaction on SQLite, and begins it anew afterwards, if it has only read so far.

    By having read it keeps every other from its commit, the store's too; by having written, from everything. What it
    read may have changed afterwards, as it may between two statements of everybody's transaction on PostgreSQL.
    """
    raw = outer.connection
    if outer.vendor != "sqlite" or raw is None or not raw.in_transaction:
        yield
        return
    if getattr(outer, "_ferrotp_began", None) != (raw, raw.total_changes):
        raise StoreRefused(_HELD)
    raw.execute("COMMIT")
    try:
        yield
    finally:
        try:
            outer._start_transaction_under_autocommit()
            for name in outer.savepoint_ids:
                if name:
                    raw.execute(f"SAVEPOINT {outer.ops.quote_name(name)}")
        except BaseException:
            outer.needs_rollback = True
            raise


def _readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _class_for(alias: str) -> Any:
    settings = connections.settings[alias]
    base: Any = load_backend(settings["ENGINE"]).DatabaseWrapper
    mixins = {"sqlite": _SQLite, "postgresql": _PostgreSQL}
    if base.vendor not in mixins:
        raise StoreRefused(
            f"{base.display_name} is no database that passes the store's tests: SQLite and PostgreSQL are. "
            'FERROTP["DATABASE"] may name another alias than "default"'
        )
    return type(f"Own{base.__name__}", (mixins[base.vendor], base), {})


def _testing() -> bool:
    """Whether Django's test environment is set up, as its runner and pytest-django do."""
    return hasattr(mail, "outbox")


def _translated(error: Error, surrounded: bool, deadline: float) -> Exception:
    # Only the number: PostgreSQL's texts and their details hold values.
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if isinstance(error, IntegrityError) or (state or "")[:2] in ("22", "23", "54"):
        return ValueError("the database cannot hold the record, or has it already")
    if state == "42P01" or "no such table" in str(error):
        return StoreRefused("the tables are not there: run manage.py migrate")
    if state:
        return StoreUnavailable(f"PostgreSQL refused (SQLSTATE {state})")
    if "locked" in str(error):
        if surrounded:
            return StoreRefused(_HELD)
        return StoreUnavailable("the SQLite file stayed locked: another write to it is open")
    if monotonic() >= deadline:
        return StoreUnavailable("the database did not answer in time")
    return StoreUnavailable(f"the connection to the database broke ({type(error).__name__})")


_watchdog = _Watchdog()
_abandoned: list[tuple[float, Any]] = []
_all: "weakref.WeakSet[OwnConnections]" = weakref.WeakSet()


def _after_fork() -> None:
    global _watchdog
    _watchdog = _Watchdog()
    for one in list(_all):
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
