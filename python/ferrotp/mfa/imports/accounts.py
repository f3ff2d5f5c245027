"""Whose a row is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The table of the application's users. A row whose owner is not in it is of a user who is gone."""

    table: str = "auth_user"
    key: str = "id"
    """What the other tables refer to."""
    user_id: str = ""
    """The column that becomes ferrotp's user id. By default the key, as `str(user.pk)` is."""
    uuids: bool = False
    """Whether ids are UUIDs: SQLite has them without hyphens, and `str(user.pk)` with."""
