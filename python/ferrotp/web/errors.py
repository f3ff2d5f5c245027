"""Why a step of a login is not taken. What a code is worth is said by `ferrotp.mfa.MFAError`."""

from typing import Literal

from ..mfa import NotEnrolled

NextPage = Literal["challenge", "recover", "set-up", "add-passkey", "password"]
"""The page that comes before a step. "set-up" is for what the user likes, "add-passkey" for users whose codes are not
accepted. "password" is the application's login page."""


class StepError(Exception):
    """The step comes too early: `next_page` comes before it."""

    def __init__(self, next_page: NextPage) -> None:
        super().__init__(next_page)
        self.next_page = next_page


class LoginRequired(StepError):
    """Nobody is logged in, or the half-login has died: begin with the password."""

    def __init__(self) -> None:
        super().__init__("password")


class SessionEnded(LoginRequired):
    """The login has ended: what it was proved by is gone, or the user has logged out everywhere. The application's own
    session is to end with it."""


class HalfLoginEnded(SessionEnded):
    """The login was ended before its second factor: cancelled, or by a lockout."""


class SecondFactorRequired(StepError):
    """The second factor is missing from this login."""


class NotFresh(StepError):
    """It is too long ago that the user proved who it is (ASVS 7.5.1): ask for a code, or, where there is no second
    factor, for the password."""


class NoFactor(NotEnrolled):
    """The user has no factor of the kind that was asked for: `next_page` leads on instead. "challenge" and "recover":
    there is one of another kind. "password": what the half-login began with is gone."""

    def __init__(self, next_page: NextPage) -> None:
        super().__init__(next_page)
        self.next_page = next_page
