"""The application's own table of users: whose ids are looked up before a factor is stored under them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Integer, String, Uuid, select

from ..core import is_identifier
from .database import Database, SourceError, undecoded


class UsersTable:
    """Looks ids of a source up in a table, as `find_users` of `run_import`: a factor under an id that no login asks for
    protects nobody.

    :param where: an SQLAlchemy URL, the path of a SQLite file, or an engine. Of a URL, connections are read-only
    :param column: what the application's logins know a user by: an integer, a UUID or a text
    :param uuids: whether a column of texts holds UUIDs, which the application has as UUIDs

    :raises SourceError: when it is called, if there is no such table or column
    """

    def __init__(self, where: str | Engine, table: str, column: str = "id", *, uuids: bool = False) -> None:
        self._where = where
        self._table = table
        self._column = column
        self._uuids = uuids

    def __call__(self, ids: Sequence[str]) -> dict[str, str]:
        """For each id that is a user's: the id as the application's logins have it."""
        database = Database(self._where)
        try:
            column: Any = database.column(self._table, self._column)
            keys = {text: self._keys_of(column.type, text) for text in ids}
            asked = sorted({key for found in keys.values() for key in found}, key=str)
            rows = select(undecoded(column)).where(undecoded(column).in_(asked))
            with database.reading() as connection:
                there = {self._own(column.type, value) for value in connection.execute(rows).scalars()}
        finally:
            database.close()
        own = {text: self._own(column.type, found[0]) for text, found in keys.items() if found}
        return {text: user_id for text, user_id in own.items() if user_id in there}

    def _is_uuid(self, kind: Any) -> bool:
        return isinstance(kind, Uuid) or self._uuids

    def _keys_of(self, kind: Any, text: str) -> list[Any]:
        """As what the column may hold this id; nothing if it can be none."""
        if not is_identifier(text):
            return []
        if self._is_uuid(kind):
            with suppress(ValueError):
                value = UUID(text)
                return [value] if isinstance(kind, Uuid) else [str(value), value.hex]
            return []
        if isinstance(kind, Integer):
            # Ten digits of another alphabet are a number to Python, and so is "1_000".
            is_number = text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal()
            return [int(text)] if is_number and abs(int(text[:20])) < 1 << 63 else []
        if isinstance(kind, String):
            return [text]
        raise SourceError(f"the column {self._column!r} of {self._table!r} holds neither numbers, UUIDs nor texts")

    def _own(self, kind: Any, key: Any) -> str:
        """A key as the application's logins have it."""
        return str(UUID(str(key))) if self._is_uuid(kind) else str(key)
