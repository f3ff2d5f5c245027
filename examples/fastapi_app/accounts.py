"""The application's own users and sessions: SQLite, and passwords by argon2-cffi."""

import hashlib
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

SESSION_SECONDS = 12 * 3600


class Refused(Exception):
    """An address or a password that is not taken. The message is for the user."""


@dataclass(frozen=True)
class Session:
    """Who is logged in, and what ferrotp knows of it."""

    user_id: str
    stamp: str


class Accounts:
    """The tables."""

    def __init__(
        self, path: Path, *, hasher: PasswordHasher | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody")
        self._clock = clock
        self._local = threading.local()
        with self._database() as database:
            database.execute("PRAGMA journal_mode = wal")
            database.execute(
                "CREATE TABLE IF NOT EXISTS users"
                " (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, password TEXT NOT NULL)"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS sessions"
                " (id BLOB PRIMARY KEY, user_id TEXT NOT NULL, stamp TEXT NOT NULL, ends_at REAL NOT NULL)"
            )

    # Users

    def add(self, email: str, password: str) -> None:
        """A new user."""
        email = email.strip().lower()
        if not re.fullmatch(r"[!-?A-~]{1,64}@[a-z0-9.-]{1,180}", email):
            raise Refused("This is no address.")
        try:
            with self._database() as database:
                database.execute("INSERT INTO users (email, password) VALUES (?, ?)", (email, self._hash(password)))
        except sqlite3.IntegrityError:
            raise Refused("There is such a user.") from None

    def change(self, user_id: str, password: str) -> None:
        """A new password. All sessions end."""
        hashed = self._hash(password)
        with self._database() as database:
            database.execute("UPDATE users SET password = ? WHERE id = ?", (hashed, user_id))
            database.execute("DELETE FROM sessions WHERE user_id = ?", (user_id,))

    def check(self, email: str, password: str) -> tuple[str, str] | None:
        """Id and address of the user with this password. It takes as long for one that does not exist."""
        with self._database() as database:
            row = database.execute(
                "SELECT id, email, password FROM users WHERE email = ?", (email.strip().lower(),)
            ).fetchone()
        try:
            self._hasher.verify(row[2] if row else self._nobody, password)
        except VerificationError:
            return None
        return (str(row[0]), row[1]) if row else None

    def email(self, user_id: str) -> str:
        """A user's address."""
        with self._database() as database:
            row = database.execute("SELECT email FROM users WHERE id = ?", (user_id,)).fetchone()
        return str(row[0]) if row else ""

    # Sessions: the browser has the id, the table its hash

    def start(self, user_id: str, stamp: str) -> str:
        """A new session: its id."""
        session_id = secrets.token_urlsafe(32)
        with self._database() as database:
            database.execute("DELETE FROM sessions WHERE ends_at < ?", (self._clock(),))
            values = (_hashed(session_id), user_id, stamp, self._clock() + SESSION_SECONDS)
            database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", values)
        return session_id

    def session(self, session_id: str) -> Session | None:
        """The session of an id, if it lives."""
        with self._database() as database:
            row = database.execute(
                "SELECT user_id, stamp FROM sessions WHERE id = ? AND ends_at > ?", (_hashed(session_id), self._clock())
            ).fetchone()
        return Session(row[0], row[1]) if row else None

    def end(self, session_id: str) -> None:
        """Ends a session."""
        with self._database() as database:
            database.execute("DELETE FROM sessions WHERE id = ?", (_hashed(session_id),))

    # Below

    def _hash(self, password: str) -> str:
        if len(password) < 8:
            raise Refused("A password has at least 8 characters.")
        return self._hasher.hash(password)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=5)
        with self._local.connection as connection:
            yield connection


def _hashed(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).digest()
