"""`Login`: what a session knows of a login, as a value that goes into it and comes out of it as a dictionary.

It holds no password, code or secret: a session may be a cookie that its owner reads, and that a thief copies. So what
a copy is worth is bounded by what is written here: a half-login, however often it is replayed, leads to the challenge
and nowhere else, and the challenge wants a code that was not used.
"""

import secrets
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal

Stage = Literal["half", "set-up", "full"]
"""``half``: the password was right, the second factor is missing. ``set-up``: the same, and there is none yet, but one
is required. ``full``: logged in."""

HALF_LIFETIME = 600
"""Seconds that a half-login lives (ASVS 7.2.4 leaves the number to the application)."""
SKEW = 60
"""Seconds that a time may be ahead of this server's clock: another server wrote it."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login under way, or done. Times are Unix seconds."""

    user_id: str
    account_name: str
    """As the user knows the account: the authenticator app and the pages show it."""
    stage: Stage
    since: int
    """When this stage began."""
    nonce: str
    """New for each stage: two logins are never the same value."""
    passed: bool = False
    """Whether a second factor (or a device that stands for it) was part of this login."""
    fresh_at: int = 0
    """When the user last proved who it is, by all factors there are. 0: not in this login."""
    next: str = ""
    """Where to go after the step under way: a path on this site."""
    remember: bool = False
    """Whether the application was asked to remember the user: for when the login is done."""
    pending: str = ""
    """The id of the factor that is being set up. Its secret is in the store alone."""
    unsaved_codes: bool = False
    """Whether recovery codes were shown, and the user has not said that they are saved."""

    @classmethod
    def start(cls, stage: Stage, user_id: str, account_name: str, now: float) -> "Login":
        """A new stage of a new login."""
        return cls(user_id, account_name, stage, int(now), secrets.token_urlsafe(16))

    def promote(self, stage: Stage, now: float, *, fresh: bool) -> "Login":
        """The next stage: everything that tied the session to the one before is new."""
        return replace(
            self,
            stage=stage,
            since=int(now),
            nonce=secrets.token_urlsafe(16),
            passed=True,
            fresh_at=int(now) if fresh else 0,
        )

    def dump(self) -> dict[str, str | int | bool]:
        """Plain values for the session."""
        return asdict(self)

    @classmethod
    def load(cls, data: object, now: float) -> "Login | None":
        """The login that `dump` wrote, or None: for anything else, and for a half-login that has died."""
        if not isinstance(data, dict) or data.keys() != _KINDS.keys():
            return None
        if any(type(data[name]) is not kind for name, kind in _KINDS.items()):
            return None
        login = cls(**data)
        if login.stage not in ("half", "set-up", "full") or not login.user_id:
            return None
        if login.stage != "full" and not -SKEW <= now - login.since < HALF_LIFETIME:
            return None
        return login

    def is_fresh(self, now: float, seconds: float) -> bool:
        """Whether the user proved who it is within so many seconds."""
        return self.fresh_at > 0 and -SKEW <= now - self.fresh_at < seconds


_KINDS: dict[str, type] = {
    field.name: {"bool": bool, "int": int}.get(str(getattr(field.type, "__name__", field.type)), str)
    for field in fields(Login)
}
