"""pyotp 2.10.0 and before: for secrets, intervals and calls that pyotp 2.12.0 no longer takes.

``import ferrotp.legacy as pyotp`` takes secrets of any length, decoded at first use; any positive interval; 1 to 10
digits. It still never *makes* a short secret. What it gives up: NIST SP 800-63B-4 asks for 112 bits and for a new code
every two minutes, and RFC 4226 for 128 bits. Use it for the users you have; make new ones with ``ferrotp``.
"""

from .. import _native
from ..otp import _lazy_names, _secret_functions
from .otp import OTP
from .totp import TOTP

__version__ = _native.__version__
__all__ = [
    "HOTP",
    "OTP",
    "QR",
    "TOTP",
    "OTPVerificationError",
    "PyOTPError",
    "compat",
    "contrib",
    "exceptions",
    "hotp",
    "otp",
    "parse_uri",
    "random",
    "random_base32",
    "random_hex",
    "totp",
    "utils",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..qr import QR
    from . import compat, contrib, exceptions, hotp, otp, totp, utils
    from .compat import random
    from .exceptions import OTPVerificationError, PyOTPError
    from .hotp import HOTP

_names = globals()
_parse_uri = _native.parse_uri


def parse_uri(uri: str) -> OTP:
    """The object that an ``otpauth://`` URI describes: a `TOTP`, an `HOTP` or a `contrib.Steam`.

    Of a parameter given twice the last counts, as in pyotp 2.10.0.

    :raises ValueError: if it is not such a URI, or if the class refuses its digits or period
    """
    otp: OTP | None = _parse_uri(uri, _names)
    if otp is not None:
        return otp
    from .. import _tracebacks, _uri

    parsed: OTP
    parsed, failure = _tracebacks.attempt(_uri.parse, uri, TOTP, _find("HOTP"), _find("contrib").Steam, legacy=True)
    del uri  # no frame of a traceback holds the secret
    if failure is not None:
        raise failure
    return parsed


# Loaded at first use: pyotp spends most of its 25 ms of import on them.
_find_kept = _lazy_names(
    _names,
    HOTP="ferrotp.legacy.hotp:HOTP",
    OTPVerificationError="ferrotp.legacy.exceptions:OTPVerificationError",
    PyOTPError="ferrotp.legacy.exceptions:PyOTPError",
    QR="ferrotp.qr:QR",
    compat="ferrotp.legacy.compat",
    contrib="ferrotp.legacy.contrib",
    exceptions="ferrotp.legacy.exceptions",
    hotp="ferrotp.legacy.hotp",
    utils="ferrotp.legacy.utils",
)


def _find(name: str) -> "Any":
    # `random` is not kept here: what stands here is a test's own.
    return _find_kept("compat").random if name == "random" and name not in _names else _find_kept(name)


random_base32, random_hex = _secret_functions(_names, _find)

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _find


def __dir__() -> list[str]:
    return sorted({*_names, *__all__})
