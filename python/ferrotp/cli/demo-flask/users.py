"""The application's own users: SQLite, and passwords by argon2-cffi."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from flask_login import UserMixin


@dataclass(frozen=True)
class User(UserMixin):
    """A user, as the pages know one."""

    id: str
    email: str


class Users:
    """The table of users."""

    def __init__(self, path: Path, hasher: PasswordHasher | None = None) -> None:
        self._path = path
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody")
        self._local = threading.local()
        with self._database() as database:
            database.execute("PRAGMA journal_mode = wal")
            database.execute(
                "CREATE TABLE IF NOT EXISTS users"
                " (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, password TEXT NOT NULL)"
            )

    def add(self, email: str, password: str) -> str:
        """Adds a user. What is wrong with it, or ""."""
        email = email.strip().lower()
        if not re.fullmatch(r"[!-?A-~]{1,64}@[a-z0-9.-]{1,180}", email):
            return "This is no address."
        if len(password) < 8 or len(password) > 200:
            return "A password has at least 8 characters."
        try:
            with self._database() as database:
                values = (email, self._hasher.hash(password))
                database.execute("INSERT INTO users (email, password) VALUES (?, ?)", values)
        except sqlite3.IntegrityError:
            return "There is such a user."
        return ""

    def change(self, user_id: str, password: str) -> str:
        """Changes a password. What is wrong with it, or ""."""
        if len(password) < 8 or len(password) > 200:
            return "A password has at least 8 characters."
        with self._database() as database:
            database.execute("UPDATE users SET password = ? WHERE id = ?", (self._hasher.hash(password), user_id))
        return ""

    def check(self, email: str, password: str) -> User | None:
        """The user with this password. It takes as long for one that does not exist."""
        with self._database() as database:
            row = database.execute(
                "SELECT id, email, password FROM users WHERE email = ?", (email.strip().lower(),)
            ).fetchone()
        try:
            self._hasher.verify(row[2] if row else self._nobody, password[:200])
        except VerificationError:
            return None
        return User(str(row[0]), row[1]) if row else None

    def by_id(self, user_id: str) -> User | None:
        """For Flask-Login."""
        with self._database() as database:
            row = database.execute("SELECT id, email FROM users WHERE id = ?", (user_id,)).fetchone()
        return User(str(row[0]), row[1]) if row else None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=5)
        with self._local.connection as connection:
            yield connection
