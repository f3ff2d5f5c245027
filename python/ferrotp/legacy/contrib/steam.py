"""`Steam` as pyotp 2.10.0 has it: secrets of any length, any interval."""

from ... import _native
from ...contrib.steam import STEAM_CHARS, STEAM_DEFAULT_DIGITS, steam_code
from ..otp import OTP
from ..totp import TOTP

__all__ = ["STEAM_CHARS", "STEAM_DEFAULT_DIGITS", "Steam"]


class _Steam(TOTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""

    def __init__(
        self, s: str, name: str | None = None, issuer: str | None = None, interval: int = 30, digits: int = 5
    ) -> None:
        """
        :param s: the secret in base32: either case, with or without padding; decoded at first use
        :param name: account name
        :param issuer: who asks for the code
        :param interval: accepted and ignored, as in pyotp: a step has 30 seconds
        :param digits: accepted and ignored, as in pyotp: a Steam code has five characters
        """
        if _native.init_steam(self, s, name, issuer):
            return
        from ..._tracebacks import attempt

        _, failure = attempt(_Steam._set_by_rules, self, s, name, issuer, interval)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure

    def _set_by_rules(self, s: str, name: str | None, issuer: str | None, interval: int) -> None:
        import hashlib

        self.interval = interval
        super().__init__(s=s, digits=10, digest=hashlib.sha1, name=name, issuer=issuer)

    def generate_otp(self, input: int) -> str:
        """The code of a time step: the truncated HMAC written from its lowest place up, in base 26.

        :param input: the time step; 0 or more, of any size
        :raises ValueError: if it is negative
        """
        return steam_code(int(super().generate_otp(input)))


class Steam(_Steam):
    """Steam's TOTP."""


_native.register(Steam, "steam", True, (Steam, TOTP, OTP))
