"""What the web integrations share: the steps of a login, the pages' contents and words, their style sheet.

No framework is known here, and nothing is decided that `ferrotp.mfa` decides. A framework's package keeps a `Login` in
its session, asks a `Gate` for each step, and shows the pages of `ferrotp.web.pages` with the words of `Texts`.
"""

from ..mfa import LastFactor
from .epochs import EpochCache
from .errors import LoginRequired, NotFresh, SecondFactorRequired, SessionEnded, StepError
from .gate import Gate, LoginStep
from .login import Login
from .notices import Notice, Notifier
from .safety import PAGE_HEADERS, device_cookie, device_name, safe_next
from .sessions import SessionInfo, UserSessions
from .setup import SetupError, absolute_store, check_secret_key, check_store, open_mfa
from .texts import ENGLISH, Texts

__all__ = [
    "ENGLISH",
    "PAGE_HEADERS",
    "EpochCache",
    "Gate",
    "LastFactor",
    "Login",
    "LoginRequired",
    "LoginStep",
    "NotFresh",
    "Notice",
    "Notifier",
    "SecondFactorRequired",
    "SessionEnded",
    "SessionInfo",
    "SetupError",
    "StepError",
    "Texts",
    "UserSessions",
    "absolute_store",
    "check_secret_key",
    "check_store",
    "device_cookie",
    "device_name",
    "open_mfa",
    "safe_next",
]
