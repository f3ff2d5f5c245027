"""The sessions of a user, to be listed and ended one by one, where the application keeps them on the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session in which a user is logged in."""

    handle: str
    """What pages and URLs call it: random, or a keyed hash. Never the session's key, which is worth the login."""
    began_at: datetime
    """When its user logged in."""
    browser: str = ""
    """As `device_name` has it. Empty: not known."""
    current: bool = False
    """Whether it is the one that asks."""


class UserSessions(Protocol):
    """What an application gives that keeps its sessions on the server, and knows whose they are."""

    def of_user(self, user_id: str) -> Iterable[SessionInfo]:
        """Those in which this user is logged in, the newest first."""

    def end(self, user_id: str, handle: str) -> bool:
        """Ends one of this user's, so that its next request is nobody's. False: this user has none of that handle."""
