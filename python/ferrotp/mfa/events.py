"""What happened, for logs, audits and mails to the user. No event holds a code or a secret."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

_log = logging.getLogger("ferrotp.mfa")
_log.addHandler(logging.NullHandler())  # an application that set up no logging gets none on its screen

Kind = Literal[
    "enrollment started",
    "enrollment confirmed",
    "enrollment refused",
    "factor imported",
    "verified",
    "refused",
    "throttled",
    "disabled",
    "recovered",
    "recovery refused",
    "recovery codes replaced",
    "factor resynchronized",
    "factor removed",
    "reset",
    "device trusted",
    "device recognized",
    "device refused",
    "device theft suspected",
    "devices removed",
    "sealed record refused",
    "clock was ahead",
    "keys rotated",
]

NOTIFY: frozenset[Kind] = frozenset(
    {
        "enrollment confirmed",
        "factor imported",
        "disabled",
        "recovered",
        "recovery codes replaced",
        "factor resynchronized",
        "factor removed",
        "reset",
        "device trusted",
        "device theft suspected",
    }
)
"""What the user should hear of by mail: changes of a factor, recovery, and a factor disabled by failures
(NIST SP 800-63B-4, section 4.6)."""

_WARN: frozenset[Kind] = NOTIFY | {
    "refused",
    "throttled",
    "recovery refused",
    "enrollment refused",
    "sealed record refused",
    "clock was ahead",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, after it was decided and committed."""

    kind: Kind
    at: datetime
    tenant: str
    user_id: str
    factor_id: str = ""
    method: str = ""
    """"totp", "hotp", "recovery" or "enrollment"."""
    detail: dict[str, object] = field(default_factory=dict)
    """``reason`` of a refusal (wrong, used, malformed, expired), ``failures``, ``retry_at``, ``drift``, ``time_step``,
    ``remaining``, ``legacy``, ``by``: what there is to say of this kind."""

    @property
    def notify_user(self) -> bool:
        """Whether the user should be told."""
        return self.kind in NOTIFY


def log(event: Event) -> None:
    """Writes the event to the logger ``ferrotp.mfa``: a warning for what should be looked at, else info."""
    level = logging.WARNING if event.kind in _WARN else logging.INFO
    if _log.isEnabledFor(level):
        # Ids may hold anything that the application lets through: a line of the log stays one line.
        _log.log(
            level,
            "%s: tenant=%r user=%r factor=%r %s",
            event.kind,
            event.tenant,
            event.user_id,
            event.factor_id,
            " ".join(f"{name}={value}" for name, value in event.detail.items()),
            extra={"ferrotp_event": event},
        )


def failed_sink(event: Event) -> None:
    """Notes that the application's own handler raised. Without its traceback: a handler's locals are not ours."""
    _log.error("the handler of %r raised; the decision stands", event.kind)
