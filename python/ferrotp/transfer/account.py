"""`Account`: what an authenticator keeps."""

import base64
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .._tracebacks import call_without_frames, init_without_frames
from .errors import RefusedError, TransferError, UnsupportedError

Kind = Literal["totp", "hotp", "steam"]
_KINDS = ("totp", "hotp", "steam")
_ALGORITHMS = ("SHA1", "SHA256", "SHA512", "MD5")


@init_without_frames
@dataclass(frozen=True, slots=True)
class Account:
    """One account, as it comes out of one format and goes into another. `repr` leaves the secret out.

    - `secret`: the key, decoded
    - `name`: whose code it is; `issuer`: who asks for it
    - `kind`: "totp", "hotp" or "steam"
    - `algorithm`: "SHA1", "SHA256", "SHA512"; "MD5" can be carried along, but makes no codes here
    - `digits`: 1 to 10; `period`: seconds, for a TOTP; `counter`: the next one, for an HOTP
    - `serial`: a hardware token's serial number

    :raises ValueError: if a field is out of range; the secret is not in the message
    """

    secret: bytes = field(repr=False)
    name: str = ""
    issuer: str | None = None
    kind: Kind = "totp"
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30
    counter: int = 0
    serial: str | None = None

    def __post_init__(self) -> None:
        wrong = None
        if not isinstance(self.secret, bytes) or not self.secret:
            wrong = "the secret must be bytes, at least one"
        elif self.kind not in _KINDS:
            wrong = f"the kind must be one of {', '.join(_KINDS)}"
        elif self.algorithm not in _ALGORITHMS:
            wrong = f"the algorithm must be one of {', '.join(_ALGORITHMS)}"
        elif not 1 <= self.digits <= 10:
            wrong = "digits must be between 1 and 10"
        elif self.period < 1:
            wrong = "the period must be at least one second"
        elif not 0 <= self.counter < 1 << 64:
            wrong = "the counter must be a number of 64 bits"
        if wrong:
            raise TransferError(wrong, account=self.label)

    @property
    def label(self) -> str:
        """What a person would call it: issuer and name, or the serial number."""
        return ":".join(filter(None, (self.issuer, self.name))) or self.serial or ""

    def with_names(self, issuer: str | None, name: str) -> "Account":
        """The same account under another name."""
        return replace(self, issuer=issuer or None, name=name)

    def base32(self) -> str:
        """The secret in base32, without padding: what a person types into an app."""
        return base64.b32encode(self.secret).decode("ascii").rstrip("=")

    def uri(self) -> str:
        """The ``otpauth://`` URI that an authenticator app reads from a QR code. It holds the secret.

        For Steam it is pyotp's, with ``encoder=steam``. A token without a name is named by its serial number.
        """
        from ferrotp.utils import build_uri

        is_totp = self.kind == "totp"
        extra = {"encoder": "steam"} if self.kind == "steam" else {}
        return call_without_frames(
            build_uri,
            self.base32(),
            self.name or self.serial or "",
            issuer=self.issuer or None,
            initial_count=self.counter if self.kind == "hotp" else None,
            algorithm=self.algorithm.lower(),
            digits=None if self.kind == "steam" else self.digits,
            period=self.period if is_totp else None,
            **extra,
        )

    def otp(self, legacy: bool = False) -> Any:
        """The object that makes and checks its codes: a `ferrotp.TOTP`, `ferrotp.HOTP` or `ferrotp.contrib.Steam`.

        :param legacy: one of `ferrotp.legacy` instead, which takes the short secrets and long periods that pyotp 2.12
            refuses
        :raises RefusedError: if the secret, the digits or the period break pyotp's rules; the message says whether
            ``legacy=True`` would help
        :raises UnsupportedError: for MD5
        """
        if self.algorithm == "MD5":
            raise UnsupportedError("MD5 is too short for a code", account=self.label)
        reason = None
        try:
            return self._make(legacy)
        except ValueError as error:
            reason = str(error)
        if not legacy:
            try:
                self._make(True)
                reason += "; pyotp before 2.12 took it: call .otp(legacy=True)"
            except ValueError:
                pass
        raise RefusedError(reason, account=self.label)

    def _make(self, legacy: bool) -> Any:
        import hashlib

        from .. import legacy as older
        from ..contrib.steam import Steam
        from ..hotp import HOTP
        from ..legacy.contrib.steam import Steam as OlderSteam
        from ..totp import TOTP

        common: dict[str, Any] = {"s": self.base32(), "name": self.name or self.serial or None}
        common["issuer"] = self.issuer or None
        if self.kind == "steam":
            return (OlderSteam if legacy else Steam)(**common)
        common |= {"digits": self.digits, "digest": getattr(hashlib, self.algorithm.lower())}
        if self.kind == "hotp":
            return (older.HOTP if legacy else HOTP)(**common, initial_count=self.counter)
        return (older.TOTP if legacy else TOTP)(**common, interval=self.period)
