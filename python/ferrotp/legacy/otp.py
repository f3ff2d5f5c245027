"""`OTP` as pyotp 2.10.0 has it: the secret is decoded at first use, whatever its length."""

from .. import _native
from ..otp import _lazy_names, _Modern, _OTPVerbs

__all__ = ["OTP", "base64", "hashlib", "hmac"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


class _Legacy(_Modern):
    """Where pyotp 2.10 and before have rules of their own."""

    @staticmethod
    def check_digits(digits: int) -> None:
        if digits > 10:
            raise ValueError("digits must be no greater than 10")
        if digits < 1:
            # pyotp 2.10 takes 0, and then every secret has the code 10000000000.
            raise ValueError("digits must be at least 1")

    @staticmethod
    def check_interval(interval: int) -> None:
        # pyotp 2.10 takes any, and with these fails at every use.
        if isinstance(interval, (int, float)) and interval <= 0:
            raise ValueError("interval must be positive")

    @staticmethod
    def check_steam_interval(interval: int) -> None:
        """Any will do: it is ignored."""

    @staticmethod
    def check_secret(otp: _OTPVerbs) -> None:
        """Not at construction: the secret is decoded at first use."""

    @staticmethod
    def initial_count(given: int | None, own: int) -> int:
        """That of a URI. 0 counts as absent."""
        return given or own

    @staticmethod
    def verify(totp: "Any", equal: "Callable[[str, str], bool]", otp: str, for_time: "Any", valid_window: int) -> bool:
        if valid_window:
            offsets = range(-valid_window, valid_window + 1)
            return any(equal(str(otp), str(totp.at(for_time, offset))) for offset in offsets)
        return equal(str(otp), str(totp.at(for_time)))


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
