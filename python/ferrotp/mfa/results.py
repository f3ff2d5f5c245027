"""What the service is asked with and answers with. There is no falsy answer: what is not a yes is raised."""

from base64 import b32decode
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, TypeAlias
from uuid import UUID

from ..qr import QR

if TYPE_CHECKING:
    from .errors import MFAError


UserId: TypeAlias = str | int | UUID
"""A user's id, as applications keep it. It must be immutable and never be used again: no e-mail address, no login name.
The primary key is one, where a deleted row's number is not given to a new row."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A yes: the code was right, and is used up."""

    user_id: str
    method: str
    """"totp", "hotp", "passkey" or "recovery"."""
    at: datetime
    factor_id: str = ""
    """Empty for a recovery code."""
    factor_name: str = ""
    time_step: int | None = None
    """The time step of a TOTP (RFC 6238), the counter of an HOTP (RFC 4226); None for a recovery code."""
    drift: int = 0
    """Time steps that the device is ahead of this server; for an HOTP the counters that were skipped."""
    remaining: int | None = None
    """How many recovery codes are left. None for a passkey."""
    amr: tuple[str, ...] = ("otp", "mfa")
    """How the user came in, as RFC 8176 names it, the password apart: ``otp`` for any code; ``hwk`` for a passkey that
    stays in its device and ``swk`` for one that is synced, with ``user`` since somebody was there. ``mfa`` where it was
    the second factor, or a passkey that verified its user."""


class _Secret:
    """Not for keeping: it refuses to be pickled, and copied with what copies by pickling."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and is not pickled or copied")


@dataclass(frozen=True, slots=True)
class Enrollment(_Secret):
    """A pending factor, to be shown to its user once and confirmed by a code."""

    factor_id: str
    expires_at: datetime
    uri: str = field(repr=False)
    """``otpauth://``: holds the secret."""
    secret: str = field(repr=False)
    """Base32, to be typed by hand where no camera is."""

    @property
    def qr(self) -> QR:
        """The URI as a QR code."""
        return QR(self.uri)

    @property
    def grouped_secret(self) -> str:
        """The secret in groups of four, as people type it."""
        return " ".join(self.secret[start : start + 4] for start in range(0, len(self.secret), 4))


@dataclass(frozen=True, slots=True)
class RevealedSecret(_Secret):
    """The secret of a factor, for another system that is to check its codes."""

    factor_id: str
    kind: str
    """"totp" or "hotp"."""
    algorithm: str
    """"SHA1", "SHA256" or "SHA512"."""
    digits: int
    period: int
    """Seconds of a time step; 0 for HOTP."""
    last_step: int
    """The time step, or the counter, of the last code that was accepted; -1 if none was."""
    secret: str = field(repr=False)
    """Base32, without padding."""

    @property
    def key(self) -> bytes:
        """The secret's bytes."""
        return b32decode(self.secret + "=" * (-len(self.secret) % 8))


class RecoveryCodes(_Secret, tuple[str, ...]):
    """A new set of recovery codes, shown this once: only hashes are kept. Empty if the user keeps the earlier ones."""

    def __new__(cls, codes: Iterable[str] = ()) -> "RecoveryCodes":
        return super().__new__(cls, codes)

    def __repr__(self) -> str:
        return f"<{len(self)} recovery codes>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class DeviceToken(_Secret):
    """What a trusted device keeps, in a cookie that scripts cannot read. It works once, and is renewed when it does."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A trusted device, as a page may show it."""

    series: str
    name: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FactorInfo:
    """A factor, as a page may show it."""

    user_id: str
    factor_id: str
    kind: str
    """"totp", "hotp" or "passkey"."""
    name: str
    state: str
    """"pending", "active" or "disabled"."""
    created_at: datetime
    last_used_at: datetime | None
    drift: int
    """Time steps that the device was ahead at the last code."""
    legacy: bool
    """The secret is short, or the period long: the user should enroll again."""


@dataclass(frozen=True, slots=True)
class PasskeyInfo:
    """A passkey, as a page may show it. `FactorInfo` of the same `factor_id` is beside it in `Status.factors`."""

    factor_id: str
    name: str
    state: str
    """"active" or "disabled"."""
    created_at: datetime
    last_used_at: datetime | None
    backup_eligible: bool
    """Whether it may be synced to other devices. No: it stays in the one that made it."""
    backed_up: bool
    """Whether it was, when it was used last."""
    attachment: str
    """"platform" for the device itself, "cross-platform" for a key or a phone beside it; empty if not said."""
    transports: tuple[str, ...]
    """How the browser may reach it: "internal", "hybrid", "usb", "nfc", "ble", "smart-card"."""
    aaguid: str
    """The model of the authenticator, as a UUID; zeros if it does not say."""
    counter: int
    """How often it has signed, if it counts; 0 if it does not."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was registered just now."""

    passkey: PasskeyInfo
    recovery_codes: RecoveryCodes
    """The user's, to be shown once, if there were no others. Empty otherwise."""


@dataclass(frozen=True, slots=True)
class Status:
    """What there is of a user. For pages and reports: only `MFA.verify` says yes."""

    factors: tuple[FactorInfo, ...]
    """That are not pending, the oldest first."""
    pending: tuple[FactorInfo, ...]
    """That wait to be confirmed."""
    enrolled: bool
    """Whether there is a factor that is not pending, disabled ones among them: such a user must not be let in with the
    password alone."""
    recovery_codes: int
    """How many are unused."""
    disabled: bool
    """Whether so many failures came in a row that only recovery and a new factor help."""
    failures: int
    """Consecutive failures."""
    retry_at: datetime | None
    """When the next attempt is open, if there is a delay."""
    epoch: str = ""
    """What a login is to carry: it has ended when this is another one. Not secret."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What `Status` has of the attempts at codes. For pages and forms: only `MFA.verify` says yes."""

    disabled: bool
    """Whether so many failures came in a row that only recovery and a new factor help."""
    failures: int
    """Consecutive failures."""
    retry_at: datetime | None
    """When the next attempt is open, if there is a delay."""


class Outcome:
    """What came of one item of `MFA.verify_many`: ask it by `result`, which returns or raises as `MFA.verify` does."""

    __slots__ = ("_answer",)

    def __init__(self, answer: "Verification | MFAError") -> None:
        self._answer = answer

    def result(self) -> Verification:
        """The verification, or raises the error."""
        if isinstance(self._answer, Verification):
            return self._answer
        raise self._answer

    @property
    def error(self) -> "MFAError | None":
        """The error, without raising it."""
        return None if isinstance(self._answer, Verification) else self._answer

    def __bool__(self) -> Any:
        raise TypeError("an outcome is not a yes or no: call result(), which raises what is not a yes")

    def __repr__(self) -> str:
        return f"<Outcome {self._answer!r}>"


@dataclass(frozen=True, slots=True)
class Report:
    """The factors of a tenant, counted."""

    factors: int
    """That are not pending."""
    disabled: tuple[str, ...]
    """Users of whom a factor is disabled."""
    re_enroll: tuple[str, ...]
    """Users with a legacy factor, who should enroll again."""
    median_drift: float
    """Time steps that devices are ahead of this server. When most are off by the same, it is this clock that is."""
    clock_suspect: bool
    """Whether that is so: at least 20 TOTP factors in use, and half of them or more off to the same side."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event as the audit keeps it."""

    tenant: str
    user_id: str
    number: int
    """Of this user's: from 1 on."""
    at: datetime
    kind: str
    """That of its `Event`; "attempt counted" for one of two that are made after they were counted, and "audit damaged"
    where the rows before it had been changed."""
    factor_id: str
    method: str
    detail: dict[str, object]
    """As the event's, with times as texts."""
    address: str
    user_agent: str

    def as_json(self) -> dict[str, object]:
        """For a line of JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class AuditFault:
    """What does not fit in the rows of a user."""

    tenant: str
    user_id: str
    number: int
    """Of the row; 0 where it is no single one."""
    reason: str


@dataclass(frozen=True, slots=True)
class AuditMark:
    """How far a user's rows went at some time. Kept out of the store, it shows later that somebody has put an older
    copy in the place of all of it."""

    tenant: str
    user_id: str
    number: int
    link: str
    """The hash of all rows up to that number, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `MFA.verify_audit` found."""

    users: int
    rows: int
    faults: tuple[AuditFault, ...]

    def __bool__(self) -> Any:
        raise TypeError("a report is not a yes or no: look at its faults")


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far `MFA.rotate_keys` has come."""

    seen: int
    resealed: int
    failed: tuple[str, ...]
    """What could not be opened: a line for each, with its reason. Such records stay as they are."""
    done: bool
