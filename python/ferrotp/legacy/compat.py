"""The generator of `ferrotp.compat`, under pyotp's name for it."""

from ..compat import SystemRandom, is_drawn_natively, random

__all__ = ["SystemRandom", "random"]


def is_genuine() -> bool:
    """Whether drawing natively is the same: no test has put its own generator in place."""
    return is_drawn_natively(random)
