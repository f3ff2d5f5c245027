"""SQLite: the file, by the standard library's `sqlite3`, its connections, and its way to decide: each decision is a few
short statements under the one lock that the file has, and nobody waits for ever for it."""

import os
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Table, exists, literal_column, not_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import Executable

from ...errors import StoreRefused, StoreUnavailable
from ..base import METHODS, Budget, Decide, NewUser, Owner, Refusal, Reservation, new_epoch
from ..waiting import LockWait, is_sqlite_busy
from .dialect import Attempt, Dialect
from .records import (
    Rows,
    Values,
    advance_values,
    code_values,
    factor_values,
    otp_reservation,
    owner_values,
    recovery_reservation,
)
from .schema import Tables
from .statements import DONE, Statement, Statements, binary, statements_of, text

OLDEST = (3, 37)
"""The first version with strict tables; `RETURNING` is older."""

NO_VALUES: Values = {}


def _plain(sql: str) -> Statement:
    """A statement that takes no values."""
    return Statement(b"", sql, (), ())


_BEGIN, _BEGIN_READING = _plain("BEGIN IMMEDIATE"), _plain("BEGIN")
_COMMIT, _ROLLBACK = _plain("COMMIT"), _plain("ROLLBACK")

_READ_ONLY = re.compile(r"[?&](mode=ro|immutable=1)(&|$)")
"""In the URI of a file."""

_Answer = TypeVar("_Answer")


class SQLiteFile:
    """The file, and how to open it."""

    def __init__(self, path: str, uri: bool, journal: str, *, is_relative: bool = False) -> None:
        if sqlite3.sqlite_version_info < OLDEST:
            needed = ".".join(map(str, OLDEST))
            raise StoreRefused(f"SQLite {sqlite3.sqlite_version} is too old: {needed} or newer is needed")
        self.path, self._uri, self._journal = path, uri, journal
        self.is_relative = is_relative

    def connect(self, deadline: float) -> "SQLiteConnection":
        if not self._uri and not os.path.exists(self.path):
            raise StoreRefused(f"{self.path} is not there: ferrotp mfa init (or prepare()) makes it")
        try:
            connection = sqlite3.connect(
                self.path, uri=self._uri, timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"the database file does not open ({type(error).__name__})") from None
        made = SQLiteConnection(connection, deadline)
        try:
            # A commit that is lost is a code that is accepted twice, so each is on the disk before it is answered.
            # EXTRA is FULL, and for the rollback journal the directory too; what macOS calls a sync is none.
            made.execute("PRAGMA synchronous=EXTRA")
            made.execute("PRAGMA fullfsync=ON")
            made.file = made.execute("SELECT file FROM pragma_database_list WHERE name='main'")[0][0]
            if not made.file:
                raise StoreRefused("a SQLite database in memory is lost with its process: name a file")
            made.opened_for_writing = not (self._uri and _READ_ONLY.search(self.path))
            made.reads_freely = made.execute("PRAGMA journal_mode")[0][0] == "wal"
        except BaseException:
            made.hang_up()
            raise
        return made

    def make(self) -> None:
        """Makes the file, if it is not there.

        :raises StoreUnavailable: if that cannot be done
        """
        try:
            if not self._uri:
                _create(self.path)
        except OSError as error:
            raise StoreUnavailable(f"the database file does not open ({type(error).__name__})") from None

    def set_journal(self, connection: "SQLiteConnection") -> None:
        """Sets the journal that was asked for, if any was."""
        if self._journal and connection.execute("PRAGMA journal_mode")[0][0] != self._journal:
            found = connection.execute(f"PRAGMA journal_mode={self._journal}")[0][0]
            if found != self._journal:
                raise StoreRefused(f"SQLite keeps journal_mode={found} for this file instead of {self._journal}")
            connection.reads_freely = found == "wal"


class SQLiteConnection:
    """A connection to the file."""

    def __init__(self, connection: sqlite3.Connection, deadline: float) -> None:
        self.deadline = deadline
        self.file = ""
        self.opened_for_writing = True
        self.reads_freely = False
        self._connection = connection

    def run(self, statement: Statement, values: Values = NO_VALUES) -> Rows:
        """Runs a statement, again and again while another holds the lock."""
        wait = None
        while True:
            try:
                return self._connection.execute(statement.text, values).fetchall()
            except sqlite3.Error as error:
                _raise_unless_busy(error)
            wait = self._pause(wait)

    def execute(self, sql: str) -> Rows:
        """The same for a text."""
        return self.run(_plain(sql))

    def _pause(self, wait: LockWait | None) -> LockWait:
        """Sleeps before another try."""
        wait = wait or LockWait(self.deadline)
        if not wait.pause():
            raise StoreUnavailable(
                "the SQLite file stayed locked: another write to it is open, maybe one of this same thread"
            )
        self.deadline = wait.deadline
        return wait

    def usable(self) -> bool:
        return True

    def begin(self, *, reading: bool = False) -> None:
        self.run(_BEGIN_READING if reading else _BEGIN)

    def begin_unless(self, answer: Callable[[], _Answer | None]) -> _Answer | None:
        """Opens a transaction that writes; or asks, while another one writes, until there is an answer without.

        With a rollback journal readers keep a writer from committing, so there it only waits.
        """
        wait = None
        while True:
            try:
                self._connection.execute(_BEGIN.text)
                return None
            except sqlite3.Error as error:
                _raise_unless_busy(error)
            found = answer() if self.reads_freely else None
            if found is not None:
                return found
            wait = self._pause(wait)

    def commit(self) -> None:
        self.run(_COMMIT)

    def rollback(self) -> None:
        self.run(_ROLLBACK)

    def is_writable(self) -> bool:
        return self.opened_for_writing and os.access(self.file, os.W_OK)

    def tables(self, names: Sequence[str]) -> set[str]:
        return {name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type='table'")} & {*names}

    def lock_schema(self) -> None:
        """The transaction has the only lock there is."""

    def script(self, text: str) -> None:
        self.execute(text)

    def undo(self) -> bool:
        return False  # the lock is of the whole file, so nothing is undone

    def hang_up(self) -> None:
        self._connection.close()


def _create(path: str) -> None:
    """Makes the file, for its owner only, if there is none. SQLite gives its other files the mode of this one.

    It gets its name when it is closed: closing a file takes the locks away that this process has on it.
    """
    path = os.path.realpath(path)
    if os.path.exists(path):
        return
    descriptor, fresh = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".ferrotp-")
    os.close(descriptor)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    finally:
        os.unlink(fresh)


def _raise_unless_busy(error: sqlite3.Error) -> None:
    if not is_sqlite_busy(error):
        raise _failure(error) from None


def _failure(error: sqlite3.Error) -> Exception:
    # The texts of SQLite name tables and columns, never a value.
    if isinstance(error, sqlite3.IntegrityError):
        return ValueError("the record is there already, or is none that the store keeps")
    if "no such table" in str(error):
        return StoreRefused("the tables are not there: ferrotp mfa init (or prepare()) makes them")
    return StoreUnavailable(f"SQLite failed: {error}")


class SQLiteStatements(Statements):
    """The statements, as SQLite takes them."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables, sqlite.dialect(paramstyle="named"))

    def _insert(self, table: Any) -> Any:
        return sqlite.insert(table)

    def replace_check(self, table: Table, column: str) -> list[str]:
        # SQLite changes no constraint: the rows move into a new table.
        name = table.name
        fields = ", ".join(field.name for field in table.c)
        return [
            f"ALTER TABLE {name} RENAME TO {name}_before",
            *self.create([name]),
            f"INSERT INTO {name} ({fields}) SELECT {fields} FROM {name}_before",  # noqa: S608 - names of ours
            f"DROP TABLE {name}_before",
        ]

    def _counting(self, charged: Any, method: str, one_factor: bool) -> Executable:
        # What it is tried on is read under the same lock.
        if method == "otp":
            ended = exists(select(DONE).select_from(self._tables.ended_login).where(self._ended_key))
            charged = charged.where(not_(ended)).returning(self._code_count)
        return charged  # type: ignore[no-any-return]

    def _may_write(self) -> "ColumnElement[Any]":
        return literal_column("1", BigInteger())  # the connection knows

    @cached_property
    def code(self) -> Statement:
        """The recovery code of a selector."""
        return self._made(select(self._tables.recovery_code.c.sealed).where(self._code_key))

    @cached_property
    def advance(self) -> Statement:
        """Moves a factor on to a newer step."""
        return self._made(self._advance())

    @cached_property
    def new_budget(self) -> Statement:
        """A budget of a user who has none, or has only begun to set up."""
        return self._made(self._or_begun(self._fresh_budget()).returning(DONE))

    def _reseal(self, table: Any, last: str) -> Statement:
        return self._made(
            update(table)
            .where(
                table.c.tenant == text("tenant"),
                table.c.user_id == text("user_id"),
                table.c[last] == text(last),
                table.c.sealed == binary("was"),
            )
            .values(sealed=binary("sealed"))
            .returning(DONE)
        )


class SQLite(Dialect[SQLiteConnection, SQLiteStatements]):
    """A file, with one writer at a time."""

    name = "sqlite"
    # Threads that queue for one connection ask the file less often.
    connections = 1

    def __init__(self, file: SQLiteFile, tables: Tables) -> None:
        self.statements = statements_of(SQLiteStatements, tables)
        self._file = file

    @property
    def place(self) -> str:
        return f"{self.name} {self._file.path}"

    def make_place(self) -> None:
        self._file.make()

    def connect(self, deadline: float) -> SQLiteConnection:
        return self._file.connect(deadline)

    def prepare(self, connection: SQLiteConnection) -> None:
        self._file.set_journal(connection)

    def faults(self, connection: SQLiteConnection, names: Sequence[str]) -> list[str]:
        found = [
            f"others may read {path} (mode {mode:o}): chmod 600"
            for path in (self._file.path, f"{self._file.path}-wal")
            if os.name == "posix" and os.path.exists(path) and (mode := os.stat(path).st_mode & 0o777) & 0o077
        ]
        folder = os.path.dirname(os.path.realpath(self._file.path))
        if os.path.exists(folder) and not os.access(folder, os.W_OK):
            found.append(f"the folder {folder} cannot be written to, and SQLite keeps its journal there")
        try:
            connection.begin()
            connection.rollback()
        except StoreUnavailable as error:
            found.append(f"the file cannot be written to ({error})")
        return found

    def warn_of_new_store(self) -> None:
        if self._file.is_relative:
            warnings.warn(
                f"the new store {self._file.path} was named by a relative path: started from another directory, this"
                " application would find no second factors and let everybody in by password. Name it by its whole path"
                " (sqlite:////var/lib/…)",
                RuntimeWarning,
                stacklevel=2,
            )

    def add_users(self, connection: SQLiteConnection, users: Sequence[NewUser]) -> set[Owner]:
        return {user.owner for user in users if self._add_user(connection, user)}

    def _add_user(self, connection: SQLiteConnection, user: NewUser) -> bool:
        statements = self.statements
        first, *others = [{**owner_values(user.owner), "method": method} for method in METHODS]
        if not connection.run(statements.new_budget, first):
            return False
        for budget in others:
            connection.run(statements.new_budget, budget)
        connection.run(statements.drop_factors, owner_values(user.owner))  # pending ones, if any
        connection.run(statements.make_epoch, {**owner_values(user.owner), "epoch": new_epoch()})
        for factor in user.factors:
            connection.run(statements.add_factor, factor_values(factor))
        for code in user.recovery_codes:
            connection.run(statements.add_code, code_values(code))
        return True

    def delete_users(self, connection: SQLiteConnection, owners: Sequence[Owner]) -> dict[Owner, int]:
        statements = self.statements
        gone = {}
        for owner in owners:
            user = owner_values(owner)
            gone[owner] = len(connection.run(statements.drop_factors, user))
            for name in ("drop_codes", "drop_devices", "drop_user", "drop_ended", "release_passkeys", "drop_budgets"):
                connection.run(getattr(statements, name), user)
        return gone

    def reserve(self, connection: SQLiteConnection, attempt: Attempt) -> Reservation | Refusal:
        answer = self._counted(connection, attempt)
        if isinstance(answer, Refusal):
            return answer
        answer = replace(answer, recovery_codes=0)  # as the protocol has it: `attempt` counts them
        self.record(connection, attempt.audit, answer)
        connection.commit()
        return answer

    def attempt(self, connection: SQLiteConnection, attempt: Attempt, decide: Decide) -> Reservation | Refusal:
        """One transaction. The count is written before the code is looked at: a file that is read-only lets a
        transaction begin, and fails at the first change."""
        answer = self._counted(connection, attempt)
        if isinstance(answer, Refusal):
            return answer
        try:
            found = answer.newer(decide(answer))
        except BaseException:
            self.record(connection, attempt.audit, answer)
            connection.commit()
            raise
        if found is not None:
            factor, accepted = found
            if not connection.run(self.statements.advance, advance_values(factor, accepted, attempt.now)):
                raise AssertionError("a factor changed under the lock")  # it cannot
            connection.run(self.statements.refund, attempt.values)
            answer = replace(answer, accepted=accepted)
        if attempt.audit is not None:
            self.append(connection, attempt.audit(answer))
        connection.commit()
        return answer

    def _counted(self, connection: SQLiteConnection, attempt: Attempt) -> Reservation | Refusal:
        """An attempt that is counted, in a transaction that is left open; or why there is none."""
        statements, values, method = self.statements, attempt.values, attempt.method
        if attempt.audit is None:
            # A refusal needs no lock, so guesses that are throttled hold nobody up.
            early = connection.begin_unless(lambda: self._refuse(connection, attempt, reading=True))
            if early is not None:
                return early
        else:
            connection.begin()  # each refusal is a row
        rows = connection.run(attempt.count, values)
        if not rows:
            refusal = self._refuse(connection, attempt)
            if refusal is None:  # it cannot be, under one lock
                raise AssertionError("the statement refused an attempt that charge() allows")
            self.record(connection, attempt.audit, refusal)
            connection.commit()
            return refusal
        budget = Budget(*rows[0][:3])
        if method == "recovery":
            found = connection.run(statements.code, values)
            sealed = found[0][0] if found else None
            return recovery_reservation(attempt.owner, attempt.limits, budget, values["selector"], sealed)
        factors = connection.run(statements.found[method, attempt.one_factor], values)
        codes = rows[0][3] if method == "otp" else 0
        return otp_reservation(attempt.owner, method, attempt.limits, budget, factors, codes)

    def use_device(
        self, connection: SQLiteConnection, values: Values, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        connection.begin()
        if connection.run(self.statements.renew_device, values):
            connection.commit()
            return "renewed"
        verdict = self._judge_device(connection, values, grace)
        if verdict == "stolen":
            connection.run(self.statements.drop_devices, values)
        connection.commit()
        return verdict

    def reseal(self, connection: SQLiteConnection, statement: Statement, changes: "Sequence[dict[str, Any]]") -> int:
        return sum(len(connection.run(statement, change)) for change in changes)
