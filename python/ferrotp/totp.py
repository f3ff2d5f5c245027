"""`TOTP` (RFC 6238): the clock is the counter."""

import time

from . import _native
from .otp import OTP, _lazy_names, _long_enough, _NativeSignature, _OTPVerbs

__all__ = ["OTP", "TOTP", "OTPVerificationError", "calendar", "datetime", "hashlib", "time", "utils"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import calendar
    import datetime
    import hashlib
    from typing import Any, NoReturn

    from . import utils
    from .exceptions import OTPVerificationError
    from .qr import QR, _ErrorCorrection

    Time = int | float | datetime.datetime

_now, _at, _verify, _find, _uri = (
    _native.totp_now,
    _native.totp_at,
    _native.totp_verify,
    _native.totp_find,
    _native.totp_uri,
)
_TIMESTAMP_LIMIT = 253402300800  # 10000-01-01 00:00:00 UTC, exclusive


def _refuse() -> "NoReturn":
    from .exceptions import OTPVerificationError

    raise OTPVerificationError("OTP verification failed")


class _TOTPVerbs(_OTPVerbs):
    """The methods of both surfaces' TOTP, but for those that read the clock: see `otp._OTPVerbs`."""

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
        :param s: the secret in base32, either case, with or without padding: of at least 112 bits; for `legacy` of any
            length, decoded at first use
        :param digits: number of digits in a code, from 6 to 10; for `legacy` from 1
        :param digest: a function of hashlib, or anything else that `hmac.new` takes; SHA-1 if None
        :param name: account name
        :param issuer: who asks for the code
        :param interval: seconds in a time step, more than 0 and at most 120 (NIST SP 800-63B-4, section 3.1.4.1); for
            `legacy` of any length
        :raises ValueError: if an argument is out of range; `binascii.Error` if the secret is not base32
        """
        import hashlib

        digest = hashlib.sha1 if digest is None else _long_enough(digest)
        self._pyotp_rules.check_interval(interval)
        self.interval = interval
        super().__init__(s=s, digits=digits, digest=digest, name=name, issuer=issuer)

    def at(self, for_time: "Time", counter_offset: int = 0) -> str:
        """The code at a time.

        :param for_time: a Unix time in seconds, or a datetime; a naive one is local time, and its `fold` counts
        :param counter_offset: time steps to add
        :raises ValueError: if the time is before 1970 or after the year 9999, in UTC
        """
        if (code := _at(self, for_time, counter_offset)) is not None:
            return code
        return self.generate_otp(self.timecode(self._pyotp_moment(for_time)) + counter_offset)

    def _verify_by_rules(self, otp: str, for_time: "Time", valid_window: int) -> bool:
        from ._tracebacks import call_without_frames

        equal = self._pyotp_utils().strings_equal
        return call_without_frames(self._pyotp_rules.verify, self, equal, otp, for_time, valid_window)

    def _find_by_rules(self, otp: str, for_time: "Time", valid_window: int) -> "int | bool":
        from ._tracebacks import call_without_frames

        return call_without_frames(self._find, otp, for_time, valid_window)

    def _find(self, otp: str, for_time: "Time", valid_window: int) -> "int | bool":
        equal = self._pyotp_utils().strings_equal
        if valid_window < 0:
            raise ValueError("valid_window cannot be negative")
        timecode = self.timecode(self._pyotp_moment(for_time))
        for offset in range(-valid_window, valid_window + 1):
            if equal(str(otp), str(self.generate_otp(timecode + offset))):
                return timecode + offset
        return False

    def provisioning_uri(self, name: str | None = None, issuer_name: str | None = None, **kwargs: "Any") -> str:
        """The ``otpauth://`` URI that an authenticator app reads from a QR code. It holds the secret.

        :param name: account name, if not the object's
        :param issuer_name: who asks for the code, if not the object's issuer
        :param kwargs: further parameters, strings all; `image` must be an https URL
        :raises TypeError: if a parameter is not a string; for `legacy` ValueError
        :raises ValueError: if `image` is no such URL
        """
        uri = None if kwargs else _uri(self, name, issuer_name)
        if uri is not None:
            return uri
        from ._tracebacks import call_without_frames

        return call_without_frames(self._uri_by_rules, name, issuer_name, kwargs)

    def _uri_by_rules(self, name: str | None, issuer_name: str | None, kwargs: "dict[str, Any]") -> str:
        uri: str = self._pyotp_utils().build_uri(
            self.secret,
            name if name else self.name,
            issuer=issuer_name if issuer_name else self.issuer,
            algorithm=self.digest().name,
            digits=self.digits,
            period=self.interval,
            **kwargs,
        )
        return uri

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
        from .qr import QR

        return QR(self.provisioning_uri(name, issuer_name, **kwargs), error_correction)

    if TYPE_CHECKING:  # what each surface has for itself

        def timecode(self, for_time: Any) -> int: ...

        def _pyotp_moment(self, for_time: Time) -> Any: ...


class _TOTP(_TOTPVerbs, OTP):
    """What the fast path stands for: see `otp._OTP`."""

    # Here, and not among the verbs of both surfaces, is what reads the clock: tests replace it in this module. To ask
    # for it by a method costs a tenth of the call.

    def now(self) -> str:
        """The code at this moment, by this machine's clock."""
        now = time.time()
        if (code := _now(self, now)) is not None:
            return code
        return self.generate_otp(self.timecode(now))

    def verify(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> bool:
        """Whether a code is right. It does not remember: refusing a second use is the caller's part (RFC 6238,
        section 5.2), with `verify_and_get_timecode`.

        :param otp: the code as typed; full-width and other compatible digits count as digits
        :param for_time: a Unix time in seconds or a datetime, if not now
        :param valid_window: how many time steps before and after are accepted as well
        :raises ValueError: if the time is before 1970 or after the year 9999, in UTC
        """
        if for_time is None:
            for_time = time.time()
        verdict = _verify(self, otp, for_time, valid_window)
        return self._verify_by_rules(otp, for_time, valid_window) if verdict is None else verdict

    def verify_and_get_timecode(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> int:
        """The time step that a code belongs to. Keep the last one and refuse a code whose step is not greater.

        :param otp: the code as typed; full-width and other compatible digits count as digits
        :param for_time: a Unix time in seconds or a datetime, if not now
        :param valid_window: how many time steps before and after are accepted as well
        :raises OTPVerificationError: if the code belongs to none of them
        :raises ValueError: if the window is negative, or the time before 1970 or after the year 9999, in UTC
        """
        if for_time is None:
            for_time = time.time()
        timecode = _find(self, otp, for_time, valid_window)
        if timecode is None:
            timecode = self._find_by_rules(otp, for_time, valid_window)
        return timecode if timecode is not False else _refuse()

    def _pyotp_moment(self, for_time: "Time") -> "Time":
        """A time as `timecode` takes it."""
        return for_time

    def timecode(self, for_time: "Time") -> int:
        """The time step at a time: whole seconds since 1970 divided by the interval (RFC 6238, section 4.2).

        :param for_time: a Unix time in seconds, or a datetime; a naive one is local time, and its `fold` counts
        :raises ValueError: if it is before 1970 or after the year 9999, in UTC
        """
        error_message = "for_time must be at or after the Unix epoch and before year 10000 UTC"
        timestamp: Any = for_time
        if type(for_time) is not int and type(for_time) is not float:
            import calendar
            import datetime

            if isinstance(for_time, datetime.datetime):
                try:
                    if for_time.tzinfo:
                        timestamp = calendar.timegm(for_time.utctimetuple())
                    else:
                        timestamp = for_time.replace(microsecond=0).timestamp()
                except (OverflowError, OSError, ValueError) as error:
                    raise ValueError(error_message) from error
        if not 0 <= timestamp < _TIMESTAMP_LIMIT:
            raise ValueError(error_message)
        return int(int(timestamp) / self.interval)


class TOTP(_TOTP):
    """Time-based one-time passwords (RFC 6238)."""


_native.register(TOTP, "totp", False, (TOTP, OTP))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(
        globals(),
        calendar="calendar",
        datetime="datetime",
        hashlib="hashlib",
        utils="ferrotp.utils",
        OTPVerificationError="ferrotp.exceptions:OTPVerificationError",
    )
