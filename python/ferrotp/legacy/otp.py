"""`OTP` as pyotp 2.10.0 has it: the secret is decoded at first use, whatever its length."""

from .. import _native
from ..otp import _lazy_names, _Legacy, _OTPVerbs

__all__ = ["OTP", "base64", "hashlib", "hmac"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac
    from types import ModuleType


class _OTP(_OTPVerbs):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    _pyotp_rules = _Legacy
    min_secret_length_bits = 0

    @staticmethod
    def _pyotp_utils() -> "ModuleType":
        from . import utils

        return utils


class OTP(_OTP):
    """Base class for OTP handlers."""


_native.register(OTP, "otp", True, (OTP,))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), base64="base64", hashlib="hashlib", hmac="hmac")
