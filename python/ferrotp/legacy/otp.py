"""`OTP` as pyotp 2.10.0 has it: the secret is decoded at first use, whatever its length."""

from .. import _native
from ..otp import _decode_secret, _lazy_names, _Legacy, _OTPVerbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


class _OTP(_OTPVerbs):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    _pyotp_rules = _Legacy

    @staticmethod
    def _pyotp_utils() -> "ModuleType":
        from . import utils

        return utils

    def byte_secret(self) -> bytes:
        """The decoded secret, of any length.

        :raises binascii.Error: if it is not base32
        """
        return _decode_secret(self)


class OTP(_OTP):
    """Base class for OTP handlers."""


_native.register(OTP, "otp", True, (OTP,))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), base64="base64", hashlib="hashlib", hmac="hmac")
