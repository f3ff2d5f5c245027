"""`Login`: what a session knows of a login, as a value that goes into it and comes out of it as a dictionary.

It holds no password, code or secret: a session may be a cookie that its owner reads, and that a thief copies. So what
a copy is worth is bounded by what is written here: a half-login, however often it is replayed, leads to the challenge
and nowhere else, and the challenge wants a code that was not used.
"""

import secrets
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Literal

LOGIN_KEY = "_ferrotp"
"""Where a framework's session keeps `Login.dump`."""
LOST_FORM_KEY = "_ferrotp_lost_form"
"""Where it keeps that a form was posted too late: it has not been done, and the page that asks for a code says so."""
MESSAGE_KEY = "_ferrotp_message"
"""Where it keeps what the settings page says once: the message id, and the values that go into it."""

SIGN_IN_KEY = "_ferrotp_sign_in"
"""Where it keeps what names a browser in which nobody is logged in yet: what a challenge to sign in is bound to."""

Stage = Literal["half", "set-up", "full"]
"""``half``: the password was right, the second factor is missing. ``set-up``: the same, and there is none yet, but one
is required. ``full``: logged in."""

SKEW = 60
"""Seconds that a time may be ahead of this server's clock: another server wrote it."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login under way, or done. Times are Unix seconds."""

    issuer: str
    """The application's, and `tenant` the customer's: those that share a secret key refuse each other's logins."""
    tenant: str
    user_id: str
    account_name: str
    """As the user knows the account: the authenticator app and the pages show it."""
    stage: Stage
    since: int
    """When this stage began."""
    nonce: str
    """New for each stage: two logins are never the same value."""
    epoch: str = ""
    """The user's, in the store, when this login began: the login ends when that moves."""
    passed: bool = False
    """Whether a second factor (or a device that stands for it) was part of this login."""
    fresh_at: int = 0
    """When the user last proved who it is, by all factors there are. 0: not in this login."""
    next: str = ""
    """Where to go after the step under way: a path on this site."""
    remember: bool | None = None
    """Whether the user asked to be remembered, for when the login is done. None: it is left to the application."""
    pending_factor: str = ""
    """The id of the factor that is being set up. Its secret is in the store alone."""
    unsaved_codes: bool = False
    """Whether recovery codes were shown, and the user has not said that they are saved."""
    codes_at: int = 0
    """When this login last made new recovery codes. 0: not yet."""
    bound: str = ""
    """A keyed hash of what else the login ends with, where the framework has such a thing: a change of the password."""
    backend: str = ""
    """Which of the framework's backends knew the user, where it has several."""

    @classmethod
    def start(
        cls, stage: Stage, user_id: str, account_name: str, now: float, *, issuer: str, tenant: str = ""
    ) -> "Login":
        """A new stage of a new login."""
        return cls(issuer, tenant, user_id, account_name, stage, int(now), secrets.token_urlsafe(16))

    def promote(self, now: float, *, fresh: bool) -> "Login":
        """The login when the second factor was passed: everything that tied the session to the one before is new."""
        return replace(
            self,
            stage="full",
            since=int(now),
            nonce=secrets.token_urlsafe(16),
            passed=True,
            fresh_at=int(now) if fresh else 0,
        )

    def dump(self) -> dict[str, str | int | bool | None]:
        """Plain values for the session."""
        return dict(zip(_TYPES, _values(self), strict=True))

    @classmethod
    def load(
        cls, data: object, now: float, half_login_lifetime: float, *, issuer: str, tenant: str = ""
    ) -> "Login | None":
        """The login that `dump` wrote, or None: for anything else, for one of another issuer or tenant, and for a
        half-login that has died.

        :param half_login_lifetime: seconds
        """
        if not isinstance(data, dict) or data.keys() != _TYPES.keys():
            return None
        for name, types in _TYPES.items():
            if type(data[name]) not in types:  # bool is no int here
                return None
        login = cls(**data)
        if login.stage not in ("half", "set-up", "full") or not login.user_id:
            return None
        if (login.issuer, login.tenant) != (issuer, tenant):
            return None
        if login.stage != "full" and not -SKEW <= now - login.since < half_login_lifetime:
            return None
        return login

    def is_fresh(self, now: float, seconds: float) -> bool:
        """Whether the user proved who it is within so many seconds."""
        return self.fresh_at > 0 and -SKEW <= now - self.fresh_at < seconds


_KINDS: dict[object, tuple[type, ...]] = {int: (int,), bool: (bool,), bool | None: (bool, type(None))}
_TYPES = {field.name: _KINDS.get(field.type, (str,)) for field in fields(Login)}
_values = attrgetter(*_TYPES)
