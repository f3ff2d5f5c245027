"""What happened, for logs, audits and mails to the user. No event holds a code or a secret."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal[
    "enrollment started",
    "enrollment confirmed",
    "enrollment refused",
    "factor imported",
    "verified",
    "refused",
    "passkey refused",
    "passkey copy suspected",
    "throttled",
    "guessing suspected",
    "unlocked",
    "unlock refused",
    "disabled",
    "recovered",
    "recovery refused",
    "recovery codes replaced",
    "factor resynchronized",
    "factor removed",
    "secret revealed",
    "reset",
    "user deleted",
    "sessions ended",
    "passed elsewhere",
    "impersonated",
    "reminded",
    "device trusted",
    "device recognized",
    "device refused",
    "device theft suspected",
    "devices removed",
    "sealed record refused",
    "clock was ahead",
    "keys rotated",
    "store created",
    "store damaged",
    "enrollment lost",
    "audit began",
    "audit pruned",
    "audit damaged",
    "attempt counted",
]

NOTIFY: frozenset[Kind] = frozenset(
    {
        "enrollment confirmed",
        "factor imported",
        "guessing suspected",
        "passkey copy suspected",
        "disabled",
        "recovered",
        "recovery codes replaced",
        "factor resynchronized",
        "factor removed",
        "reset",
        "sessions ended",
        "reminded",
        "device trusted",
        "device theft suspected",
        "enrollment lost",
    }
)
"""What the user should hear of by mail: changes of a factor, recovery, a factor disabled by failures
(NIST SP 800-63B-4, section 4.6), sessions that ended, somebody who has the password and guesses codes (ASVS 6.3.5),
a passkey whose counter went back, and a factor that the store has lost; and that a factor is wanted of them."""


ROWS_ONLY: frozenset[Kind] = frozenset({"attempt counted"})
"""What is a row of the audit and nothing else: what it comes to is told."""


@dataclass(frozen=True, slots=True)
class AuditContext:
    """Where something was asked for, for the rows of the audit."""

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, after it was decided and committed."""

    kind: Kind
    at: datetime
    tenant: str
    user_id: str
    factor_id: str = ""
    method: str = ""
    """"totp", "hotp", "passkey", "recovery" or "enrollment"."""
    detail: dict[str, object] = field(default_factory=dict)
    """``reason`` of a refusal (wrong, used, malformed, expired; for a passkey that of its error), ``failures``,
    ``retry_at``, ``drift``, ``time_step``, ``remaining``, ``legacy``, ``by``, ``due``: what there is to say of a
    kind."""

    @property
    def notify_user(self) -> bool:
        """Whether the user should be told."""
        return self.kind in NOTIFY
