"""One-time passwords: pyotp's names, with the hashing in Rust.

``import ferrotp as pyotp`` behaves as pyotp 2.12.1; ``import ferrotp.legacy as pyotp`` as pyotp 2.10.0 and before.
"""

try:
    from . import _native
except ImportError as error:
    if not str(error).startswith("cannot import name"):
        raise
    raise ImportError(
        "ferrotp's native module is not beside its Python files: it cannot be loaded from a zip (zipapp); unpack the"
        " package into a folder, as shiv and pex do, or install it with pip for this Python"
    ) from None
from .otp import OTP, _lazy_names, _secret_functions
from .totp import TOTP

__version__ = _native.__version__
__all__ = [
    "HOTP",
    "OTP",
    "QR",
    "TOTP",
    "OTPVerificationError",
    "PyOTPError",
    "alias_as_pyotp",
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

    from . import batch as batch
    from . import compat, contrib, exceptions, hotp, otp, totp, utils
    from . import legacy as legacy
    from . import qr as qr
    from . import transfer as transfer
    from . import vault as vault
    from .alias import alias_as_pyotp
    from .compat import random
    from .exceptions import OTPVerificationError, PyOTPError
    from .hotp import HOTP
    from .qr import QR

_names = globals()
_parse_uri = _native.parse_uri


def parse_uri(uri: str) -> OTP:
    """The object that an ``otpauth://`` URI describes: a `TOTP`, an `HOTP` or a `contrib.Steam`.

    The format is Google Authenticator's Key Uri Format. A parameter given twice is refused, since two readers could
    take it in two ways.

    :raises ValueError: if it is not such a URI, or if the class refuses its secret, digits or period
    """
    otp: OTP | None = _parse_uri(uri, _names)
    if otp is not None:
        return otp
    from . import _tracebacks, _uri

    parsed: OTP
    parsed, failure = _tracebacks.attempt(_uri.parse, uri, TOTP, _find("HOTP"), _find("contrib").Steam)
    del uri  # no frame of a traceback holds the secret
    if failure is not None:
        raise failure
    return parsed


# Loaded at first use: pyotp spends most of its 25 ms of import on them.
_find_kept = _lazy_names(
    _names,
    HOTP="ferrotp.hotp:HOTP",
    OTPVerificationError="ferrotp.exceptions:OTPVerificationError",
    PyOTPError="ferrotp.exceptions:PyOTPError",
    QR="ferrotp.qr:QR",
    alias="ferrotp.alias",
    alias_as_pyotp="ferrotp.alias:alias_as_pyotp",
    batch="ferrotp.batch",
    compat="ferrotp.compat",
    contrib="ferrotp.contrib",
    exceptions="ferrotp.exceptions",
    hotp="ferrotp.hotp",
    legacy="ferrotp.legacy",
    qr="ferrotp.qr",
    transfer="ferrotp.transfer",
    utils="ferrotp.utils",
    vault="ferrotp.vault",
)


def _find(name: str) -> "Any":
    # `random` is not kept here: what stands here is a test's own.
    return _find_kept("compat").random if name == "random" and name not in _names else _find_kept(name)


random_base32, random_hex = _secret_functions(_names, _find)

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _find


def __dir__() -> list[str]:
    return sorted({*_names, *__all__, "batch", "legacy", "qr", "transfer", "vault"})
