"""Which time step a code is of, where another system says no more than that it was right."""

from functools import cache

from ..vault import Keyring
from .verification import typed_digits


def time_step_of(
    key: bytes, code: object, now: float, window: int, algorithm: str = "SHA1", digits: int = 6, period: int = 30
) -> int | None:
    """The newest step whose code this is: from there on no code of it or of an earlier one may work.

    :param code: as typed
    :param now: Unix seconds
    :param window: time steps before and after `now` that are searched
    :return: None if it is the code of none of them, or if the key is none
    """
    try:
        owner = ("", "nobody", "nothing")
        record = _keyring().seal(owner, key, algorithm=algorithm, digits=digits, period=period)
        newest = int(now) // period + window  # the other system took them all
        return _keyring().match_totp(owner, record, typed_digits(code), int(now), window, window, newest)[1]
    except (ValueError, OverflowError):
        return None


@cache
def _keyring() -> Keyring:
    # For this process and for nothing that is kept: the vault compares codes natively, and only those of records.
    return Keyring.generate()
