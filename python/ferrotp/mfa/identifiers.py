"""Ids and names: who a user is, as a text that is the same on every server, in every framework and in every store."""

from typing import TypeAlias
from uuid import UUID

from .errors import InvalidIdentifier, NotEnrolled

UserId: TypeAlias = str | int | UUID
"""A user's id, as applications keep it. It must be immutable and never be used again: no e-mail address, no login name.
The primary key is one, where a deleted row's number is not given to a new row."""


def user_id_text(user_id: UserId) -> str:
    """The one text of a user's id: a `str` as it is, an `int` in decimal, a `UUID` in lower case with hyphens.

    :raises InvalidIdentifier: for anything else, and for a text that is no identifier
    """
    if type(user_id) is int or isinstance(user_id, UUID):
        return str(user_id)
    if not isinstance(user_id, str):
        raise InvalidIdentifier(f"user_id must be a str, an int or a UUID, not {type(user_id).__name__}")
    return identifier("user_id", user_id)


def identifier(what: str, text: str) -> str:
    """An id or a name as it is. Refuses what databases cut, fold or choke on: two users must never become one."""
    if not isinstance(text, str):
        raise InvalidIdentifier(f"{what} must be a str")
    if not (0 < len(text) <= 255 and text == text.strip() and text.isprintable()):
        raise InvalidIdentifier(f"{what} must be 1 to 255 printable characters, without space at its ends")
    return text


def is_identifier(text: str) -> bool:
    """Whether a text can be an id or a name."""
    try:
        identifier("", text)
    except InvalidIdentifier:
        return False
    return True


def existing_factor_id(factor_id: str) -> str:
    """The id of a factor that must be there. To a store, an empty one would mean any."""
    if not isinstance(factor_id, str) or not factor_id:
        raise NotEnrolled
    return factor_id
