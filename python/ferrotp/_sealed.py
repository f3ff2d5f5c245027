"""Calls that handle a secret, and whose exceptions must not: a traceback keeps the locals of every frame."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .otp import _OTP

    _T = TypeVar("_T")


def attempt(function: "Callable[..., Any]", /, *args: "Any", **kwargs: "Any") -> "tuple[Any, BaseException | None]":
    """What a call returns, or the exception that it raises, bare: to be raised where no frame holds the secret."""
    try:
        return function(*args, **kwargs), None
    except BaseException as error:
        return None, _bare(error)


def sealed(function: "Callable[..., _T]", /, *args: "Any", **kwargs: "Any") -> "_T":
    """Calls `function`. An exception leaves without the frames below this one."""
    value: _T
    value, failure = attempt(function, *args, **kwargs)
    if failure is not None:
        del args, kwargs
        raise failure
    return value


def _bare(error: BaseException) -> BaseException:
    if isinstance(error, UnicodeEncodeError):
        # It carries the whole text. Its message needs no more of it than the character.
        text = "?" * error.start + error.object[error.start : error.end]
        error = UnicodeEncodeError(error.encoding, text, error.start, error.end, error.reason)
    error.__context__ = None
    return error.with_traceback(None)


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


def hmac_digest(otp: "_OTP", counter: int) -> bytearray:
    """HMAC of a counter by Python's `hmac`, for what the native core does not hash."""
    return sealed(_hmac_digest, otp, counter)


def _hmac_digest(otp: "_OTP", counter: int) -> bytearray:
    import hmac

    hasher = hmac.new(otp.byte_secret(), otp.int_to_bytestring(counter), otp.digest)
    if hasher.digest_size < 18:
        raise ValueError("digest size is lower than 18 bytes, which will trigger error on otp generation")
    return bytearray(hasher.digest())
