"""`Steam` as pyotp 2.10.0 has it: secrets of any length, any interval."""

from ... import _native
from ...contrib.steam import STEAM_CHARS, STEAM_DEFAULT_DIGITS, _SteamVerbs
from ..otp import OTP
from ..totp import TOTP

__all__ = ["STEAM_CHARS", "STEAM_DEFAULT_DIGITS", "TOTP", "Steam"]


class _Steam(_SteamVerbs, TOTP):
    """What the fast path stands for: see `ferrotp.otp._OTP`."""


class Steam(_Steam):
    """Steam's TOTP."""


_native.register(Steam, "steam", True, (Steam, TOTP, OTP))
