"""`HOTP` as pyotp 2.10.0 has it: secrets of any length."""

from .. import _native
from ..hotp import _HOTPVerbs
from ..otp import _lazy_names
from .otp import OTP

__all__ = ["HOTP", "OTP", "hashlib", "utils"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib

    from . import utils


class _HOTP(_HOTPVerbs, OTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""


class HOTP(_HOTP):
    """Counter-based one-time passwords (RFC 4226)."""


_native.register(HOTP, "hotp", True, (HOTP, OTP))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), hashlib="hashlib", utils="ferrotp.legacy.utils")
