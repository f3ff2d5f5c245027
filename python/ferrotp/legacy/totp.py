"""`TOTP` as pyotp 2.10.0 has it: any interval, and `datetime.datetime` is a clock that tests replace."""

import calendar
import datetime
import time

from .. import _native
from ..otp import _long_enough, _NativeSignature
from .otp import OTP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..qr import QR, _ErrorCorrection

    Time = int | float | datetime.datetime

_now, _at, _verify, _find, _uri = (
    _native.totp_now,
    _native.totp_at,
    _native.totp_verify,
    _native.totp_find,
    _native.totp_uri,
)
_datetime = datetime.datetime


def _clock() -> "Time":
    """This moment: by `time.time`, or by `datetime.datetime` where something stands in its place.

    pyotp 2.10 asks `datetime.datetime.now()`, a local time without its offset, and so makes wrong codes for an hour
    when summer time ends. A Unix time has no such hour.
    """
    return time.time() if datetime.datetime is _datetime else datetime.datetime.now()


class _TOTP(OTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    interval = _native.OTPBase._interval

    # The native one is a slot of the type: it sets ordinary arguments in place, and hands others to the rules below.
    if TYPE_CHECKING:

        def __init__(
            self,
            s: str,
            digits: int = 6,
            digest: Any = None,
            name: str | None = None,
            issuer: str | None = None,
            interval: int = 30,
        ) -> None: ...

    else:
        __init__ = _native.OTPBase.__init__
    __signature__ = _NativeSignature()

    def _init_by_rules(
        self,
        s: str,
        digits: int = 6,
        digest: "Any" = None,
        name: str | None = None,
        issuer: str | None = None,
        interval: int = 30,
    ) -> None:
        """
        :param s: the secret in base32: either case, with or without padding; decoded at first use
        :param digits: number of digits in a code, from 1 to 10
        :param digest: a function of hashlib, or anything else that `hmac.new` takes; SHA-1 if None
        :param name: account name
        :param issuer: who asks for the code
        :param interval: seconds in a time step, more than 0
        :raises ValueError: if `digits` or `interval` is out of range, or `digest` too short
        """
        import hashlib

        digest = hashlib.sha1 if digest is None else _long_enough(digest)
        if isinstance(interval, (int, float)) and interval <= 0:
            # pyotp 2.10 takes it, and fails at every use.
            raise ValueError("interval must be positive")
        self.interval = interval
        super().__init__(s=s, digits=digits, digest=digest, name=name, issuer=issuer)

    def at(self, for_time: "Time", counter_offset: int = 0) -> str:
        """The code at a time.

        :param for_time: a Unix time in seconds, or a datetime; a naive one is local time
        :param counter_offset: time steps to add
        """
        if (code := _at(self, for_time, counter_offset)) is not None:
            return code
        return self.generate_otp(self.timecode(_as_datetime(for_time)) + counter_offset)

    def timecode(self, for_time: datetime.datetime) -> int:
        """The time step at a time: seconds since 1970 divided by the interval (RFC 6238, section 4.2).

        :param for_time: a datetime; a naive one is local time
        """
        if for_time.tzinfo:
            return int(calendar.timegm(for_time.utctimetuple()) / self.interval)
        return int(time.mktime(for_time.timetuple()) / self.interval)


def _as_datetime(for_time: "Time") -> datetime.datetime:
    if isinstance(for_time, _datetime):
        return for_time
    return datetime.datetime.fromtimestamp(int(for_time))


class TOTP(_TOTP):
    """Time-based one-time passwords (RFC 6238)."""

    def now(self) -> str:
        """The code at this moment, by this machine's clock."""
        now = _clock()
        if (code := _now(self, now)) is not None:
            return code
        return self.generate_otp(self.timecode(_as_datetime(now)))

    def verify(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> bool:
        """Whether a code is right. It does not remember: refusing a second use is the caller's part (RFC 6238,
        section 5.2), with `verify_and_get_timecode`.

        :param otp: the code as typed; full-width and other compatible digits count as digits
        :param for_time: a Unix time in seconds or a datetime, if not now
        :param valid_window: how many time steps before and after are accepted as well
        """
        if for_time is None:
            for_time = _clock()
        verdict = _verify(self, otp, for_time, valid_window)
        if verdict is not None:
            return verdict
        from .._tracebacks import call_without_frames

        return call_without_frames(self._verify_by_rules, otp, for_time, valid_window)

    def _verify_by_rules(self, otp: str, for_time: "Time", valid_window: int) -> bool:
        from . import utils

        if valid_window:
            for i in range(-valid_window, valid_window + 1):
                if utils.strings_equal(str(otp), str(self.at(for_time, i))):
                    return True
            return False
        return utils.strings_equal(str(otp), str(self.at(for_time)))

    def verify_and_get_timecode(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> int:
        """The time step that a code belongs to. Keep the last one and refuse a code whose step is not greater.

        :param otp: the code as typed; full-width and other compatible digits count as digits
        :param for_time: a Unix time in seconds or a datetime, if not now
        :param valid_window: how many time steps before and after are accepted as well
        :raises OTPVerificationError: if the code belongs to none of them
        :raises ValueError: if the window is negative
        """
        if for_time is None:
            for_time = _clock()
        timecode = _find(self, otp, for_time, valid_window)
        if timecode is None:
            from .._tracebacks import call_without_frames

            timecode = call_without_frames(self._find_by_rules, otp, for_time, valid_window)
        if timecode is False:
            from .exceptions import OTPVerificationError

            raise OTPVerificationError("OTP verification failed")
        return timecode

    def _find_by_rules(self, otp: str, for_time: "Time", valid_window: int) -> "int | bool":
        from . import utils

        if valid_window < 0:
            raise ValueError("valid_window cannot be negative")
        timecode = self.timecode(_as_datetime(for_time))
        for i in range(-valid_window, valid_window + 1):
            if utils.strings_equal(str(otp), str(self.generate_otp(timecode + i))):
                return timecode + i
        return False

    def provisioning_uri(self, name: str | None = None, issuer_name: str | None = None, **kwargs: "Any") -> str:
        """The ``otpauth://`` URI that an authenticator app reads from a QR code. It holds the secret.

        :param name: account name, if not the object's
        :param issuer_name: who asks for the code, if not the object's issuer
        :param kwargs: further parameters, strings all; `image` must be an https URL
        :raises ValueError: if a parameter is not a string, or `image` is no such URL
        """
        uri = None if kwargs else _uri(self, name, issuer_name)
        if uri is not None:
            return uri
        from .._tracebacks import call_without_frames

        return call_without_frames(self._uri_by_rules, name, issuer_name, kwargs)

    def _uri_by_rules(self, name: str | None, issuer_name: str | None, kwargs: "dict[str, Any]") -> str:
        from . import utils

        return utils.build_uri(
            self.secret,
            name if name else self.name,
            issuer=issuer_name if issuer_name else self.issuer,
            algorithm=self.digest().name,
            digits=self.digits,
            period=self.interval,
            **kwargs,
        )

    def provisioning_qr(
        self,
        name: str | None = None,
        issuer_name: str | None = None,
        *,
        error_correction: "_ErrorCorrection" = "M",
        **kwargs: "Any",
    ) -> "QR":
        """The QR code of `provisioning_uri`, drawn on this machine. It holds the secret.

        :param error_correction: "L", "M", "Q" or "H"; the other parameters are those of `provisioning_uri`
        :raises ferrotp.qr.QRError: if the URI is too long; otherwise as `provisioning_uri`
        """
        from ..qr import QR

        return QR(self.provisioning_uri(name, issuer_name, **kwargs), error_correction)


_native.register(TOTP, "totp", True, (TOTP, OTP))


def _lazy(name: str) -> "Any":
    if name == "hashlib":  # pyotp's module has it, and tests patch it there
        return __import__(name)
    if name == "utils":
        from . import utils

        return utils
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy
