"""Calls that handle a secret, and whose exceptions must not: a traceback keeps the locals of every frame."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .otp import _OTP

    _T = TypeVar("_T")


def sealed(function: "Callable[..., _T]", *args: "Any", **kwargs: "Any") -> "_T":
    """Calls `function`. An exception leaves without the frames below, and this one lets go of the arguments."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        failure = error.with_traceback(None)
    del args, kwargs
    failure.__context__ = None
    raise failure


def decode(otp: "_OTP") -> bytes:
    """The bytes of an object's secret, or the exception that `base64.b32decode` has for it."""
    from . import _native

    return _native.decode_base32(otp.secret) or sealed(_decode, otp)


def _decode(otp: "_OTP") -> bytes:
    import base64

    secret = otp.secret
    missing_padding = len(secret) % 8
    if missing_padding != 0:
        secret += "=" * (8 - missing_padding)
    return base64.b32decode(secret, casefold=True)


def hmac_digest(otp: "_OTP", counter: int) -> bytes:
    """HMAC of a counter by Python's `hmac`, for what the native core does not hash."""
    return sealed(_hmac_digest, otp, counter)


def _hmac_digest(otp: "_OTP", counter: int) -> bytes:
    import hmac

    hasher = hmac.new(otp.byte_secret(), otp.int_to_bytestring(counter), otp.digest)
    if hasher.digest_size < 18:
        raise ValueError("digest size is lower than 18 bytes, which will trigger error on otp generation")
    return hasher.digest()
