"""`OTP` as pyotp 2.10.0 has it: the secret is decoded at first use, whatever its length."""

from .. import _native
from ..otp import _OTP as _Modern
from ..otp import _SHA1, _decode_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _OTP(_Modern):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    def __init__(
        self, s: str, digits: int = 6, digest: "Any" = _SHA1, name: str | None = None, issuer: str | None = None
    ) -> None:
        """
        :param s: the secret in base32: either case, with or without padding; decoded at first use
        :param digits: number of digits in a code, from 1 to 10
        :param digest: a function of hashlib, or anything else that `hmac.new` takes
        :param name: account name
        :param issuer: who asks for the code
        :raises ValueError: if `digits` is out of range, or `digest` too short
        """
        from .._tracebacks import attempt

        _, failure = attempt(_OTP._set, self, s, digits, digest, name, issuer)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure

    def _set(self, s: str, digits: int, digest: "Any", name: str | None, issuer: str | None) -> None:
        self.digits = digits
        if digits > 10:
            raise ValueError("digits must be no greater than 10")
        if digits < 1:
            # pyotp 2.10 takes 0, and then every secret has the code 10000000000.
            raise ValueError("digits must be at least 1")
        self._set_others(s, digest, name, issuer)

    def byte_secret(self) -> bytes:
        """The decoded secret, of any length.

        :raises binascii.Error: if it is not base32
        """
        return _decode_secret(self)


class OTP(_OTP):
    """Base class for OTP handlers."""


_native.register(OTP, "otp", True, (OTP,))


def _lazy(name: str) -> "Any":
    if name in ("base64", "hashlib", "hmac"):  # pyotp's module has them, and tests patch them there
        return __import__(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy
