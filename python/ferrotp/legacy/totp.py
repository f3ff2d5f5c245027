"""`TOTP` as pyotp 2.10.0 has it: any interval, and `datetime.datetime` is the clock that tests replace."""

import calendar
import datetime
import time
from time import time as _unix_time

from .. import _native
from ..otp import _lazy_names
from ..totp import _refuse, _TOTPVerbs
from .otp import OTP

__all__ = ["OTP", "TOTP", "calendar", "datetime", "hashlib", "time", "utils"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib

    from . import utils

    Time = int | float | datetime.datetime

_now, _verify, _find = _native.totp_now, _native.totp_verify, _native.totp_find
_datetime = datetime.datetime


def _clock() -> "Time":
    """This moment: what `datetime.datetime.now()` says, which pyotp 2.10 asks.

    Where that is Python's own, as a Unix time: a local time has no offset, and so pyotp 2.10 makes wrong codes for an
    hour when summer time ends. The function is the one of the import, since there a replaced `time.time` changes
    nothing; time-machine changes it in place, and freezegun puts its own here, both as with `datetime`.
    """
    return _unix_time() if datetime.datetime is _datetime else datetime.datetime.now()


class _TOTP(_TOTPVerbs, OTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    def now(self) -> str:
        """The code at this moment, by this machine's clock."""
        now = _clock()
        if (code := _now(self, now)) is not None:
            return code
        return self.generate_otp(self.timecode(self._pyotp_moment(now)))

    def verify(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> bool:
        """Whether a code is right: as `ferrotp.TOTP.verify`, by way of `at`."""
        if for_time is None:
            for_time = _clock()
        verdict = _verify(self, otp, for_time, valid_window)
        return self._verify_by_rules(otp, for_time, valid_window) if verdict is None else verdict

    def verify_and_get_timecode(self, otp: str, for_time: "Time | None" = None, valid_window: int = 0) -> int:
        """The time step that a code belongs to: as `ferrotp.TOTP.verify_and_get_timecode`."""
        if for_time is None:
            for_time = _clock()
        timecode = _find(self, otp, for_time, valid_window)
        if timecode is None:
            timecode = self._find_by_rules(otp, for_time, valid_window)
        return timecode if timecode is not False else _refuse()

    def _pyotp_moment(self, for_time: "Time") -> datetime.datetime:
        """A time as `timecode` takes it."""
        if isinstance(for_time, _datetime):
            return for_time
        return datetime.datetime.fromtimestamp(int(for_time))

    def timecode(self, for_time: datetime.datetime) -> int:
        """The time step at a time: seconds since 1970 divided by the interval (RFC 6238, section 4.2).

        :param for_time: a datetime; a naive one is local time
        """
        if for_time.tzinfo:
            return int(calendar.timegm(for_time.utctimetuple()) / self.interval)
        return int(time.mktime(for_time.timetuple()) / self.interval)


class TOTP(_TOTP):
    """Time-based one-time passwords (RFC 6238)."""


_native.register(TOTP, "totp", True, (TOTP, OTP))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), hashlib="hashlib", utils="ferrotp.legacy.utils")
