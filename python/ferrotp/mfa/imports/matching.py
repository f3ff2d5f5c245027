"""Which time step a code is of."""

from functools import cache

from ...vault import Keyring


def step_of(
    key: bytes, code: str, seconds: float, around: int, algorithm: str = "SHA1", digits: int = 6, period: int = 30
) -> int | None:
    """The newest step whose code this is, of as many around a time; None if none is, or if it is no key."""
    try:
        owner = ("", "nobody", "nothing")
        record = _keyring().seal(owner, key, algorithm=algorithm, digits=digits, period=period)
        return _keyring().match_totp(owner, record, code, int(seconds), around, around)[1]
    except (ValueError, OverflowError):
        return None


@cache
def _keyring() -> Keyring:
    return Keyring.generate()
