"""Which time step the code is of that confirmed a secret, where a framework says no more than that it was right."""

from base64 import b32encode

from ferrotp import HOTP
from ferrotp.mfa.verification import typed_digits


def time_step_of(key: bytes, code: object, now: float, *, window: int, digits: int, period: int) -> int | None:
    """The newest step of the window whose code this is: from there on no code of it or of an earlier one may work."""
    hotp, typed = HOTP(b32encode(key).decode("ascii").rstrip("="), digits=digits), typed_digits(code)
    current = int(now) // period
    steps = range(current + window, current - window - 1, -1)
    return next((step for step in steps if hotp.verify(typed, step)), None)
