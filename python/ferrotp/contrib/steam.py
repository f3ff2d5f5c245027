"""Steam's variant of TOTP: five characters of an alphabet of its own."""

from .. import _native
from ..otp import OTP
from ..totp import TOTP, _TOTPVerbs

__all__ = ["STEAM_CHARS", "STEAM_DEFAULT_DIGITS", "TOTP", "Steam"]

STEAM_CHARS = "23456789BCDFGHJKMNPQRTVWXY"
STEAM_DEFAULT_DIGITS = 5


def steam_code(number: int) -> str:
    """A truncated HMAC in Steam's alphabet, from its lowest place up."""
    code = ""
    for _ in range(STEAM_DEFAULT_DIGITS):
        number, place = divmod(number, len(STEAM_CHARS))
        code += STEAM_CHARS[place]
    return code


class _SteamVerbs(_TOTPVerbs):
    """The methods of both surfaces' Steam: see `ferrotp.otp._OTPVerbs`."""

    def __init__(
        self, s: str, name: str | None = None, issuer: str | None = None, interval: int = 30, digits: int = 5
    ) -> None:
        """
        :param s: the secret in base32, either case, with or without padding: of at least 112 bits; for `legacy` of any
            length, decoded at first use
        :param name: account name
        :param issuer: who asks for the code
        :param interval: checked to be more than 0 and at most 120 (not for `legacy`), and then ignored, as in pyotp: a
            step has 30 seconds
        :param digits: accepted and ignored, as in pyotp: a Steam code has five characters
        :raises ValueError: if an argument is out of range; `binascii.Error` if the secret is not base32
        """
        if interval == 30 and _native.init_steam(self, s, name, issuer):
            return
        from .._tracebacks import attempt

        _, failure = attempt(_SteamVerbs._set_by_rules, self, s, name, issuer, interval)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure

    def _set_by_rules(self, s: str, name: str | None, issuer: str | None, interval: int) -> None:
        import hashlib

        self._pyotp_rules.check_steam_interval(interval)
        self.interval = interval
        super().__init__(s=s, digits=10, digest=hashlib.sha1, name=name, issuer=issuer)

    def generate_otp(self, input: int) -> str:
        """The code of a time step: the truncated HMAC written from its lowest place up, in base 26.

        :param input: the time step; 0 or more, of any size
        :raises ValueError: if it is negative
        """
        return steam_code(int(super().generate_otp(input)))


class _Steam(_SteamVerbs, TOTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""


class Steam(_Steam):
    """Steam's TOTP."""


_native.register(Steam, "steam", False, (Steam, TOTP, OTP))
