"""The generator of secrets, under pyotp's name for it."""

from secrets import SystemRandom

__all__ = ["SystemRandom", "random"]

random = SystemRandom()
_random, _choice = random, SystemRandom.choice


def is_drawn_natively(source: SystemRandom) -> bool:
    """Whether this is the generator made here, with its own `choice`."""
    return source is _random and getattr(source.choice, "__func__", None) is _choice


def is_genuine() -> bool:
    """Whether drawing natively is the same: no test has put its own generator in place."""
    return is_drawn_natively(random)
