"""What the service raises: one tree, each with its evidence, none with a code or a secret in it."""

from datetime import datetime, timezone


class MFAError(Exception):
    """Any answer of the service that is not a yes."""


class InvalidCode(MFAError):
    """The code is wrong, used, or of another time. It does not say which: that would help whoever guesses."""

    attempts_left: int
    """How many more attempts are open before a delay."""
    retry_at: datetime | None
    """When the next attempt is open, if there is a delay."""

    def __init__(self, attempts_left: int, retry_at: datetime | None = None) -> None:
        super().__init__("the code is not valid" + _until(retry_at))
        self.attempts_left = attempts_left
        self.retry_at = retry_at


class Throttled(MFAError):
    """Too many failures: the code was not looked at. Nothing was counted."""

    retry_at: datetime
    """When the next attempt is open."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__("too many failed attempts" + _until(retry_at))
        self.retry_at = retry_at


class FactorDisabled(MFAError):
    """So many consecutive failures that the factor must be bound again (NIST SP 800-63B-4, section 3.2.2)."""

    def __init__(self) -> None:
        super().__init__("disabled after too many failures in a row: recover, and enroll again")


class NotEnrolled(MFAError):
    """The user has no such factor."""

    def __init__(self) -> None:
        super().__init__("there is no such factor: enroll first")


class EnrollmentExpired(MFAError):
    """The pending factor is not there: confirmed too late, confirmed already, or replaced by a newer one."""

    def __init__(self) -> None:
        super().__init__("the enrollment has expired, or is done: enroll again")


class TooManyFactors(MFAError):
    """The user has as many factors as the policy allows."""


class PolicyError(MFAError, ValueError):
    """The policy allows no such value. The message says which, and what is allowed."""


class InvalidIdentifier(MFAError, ValueError):
    """A user id, tenant or name that stores could confuse with another. The message says what is allowed."""


class StoreUnavailable(MFAError):
    """The store did not answer in time, or cannot write. Nothing was accepted."""


class StoreRefused(MFAError):
    """The store cannot hold the guarantees as it is set up. The message says what to change."""


class SealedRecordError(MFAError):
    """A sealed record was changed, moved to another owner, or its key is not in the keyring."""


class KeyInUse(MFAError):
    """The key cannot be retired yet: records are sealed with it."""

    records: int

    def __init__(self, key_id: str, records: int) -> None:
        super().__init__(f"key {key_id} still seals {records} records: run rotate_keys first")
        self.key_id = key_id
        self.records = records


def moment(milliseconds: int) -> datetime:
    """A time of a store, for people."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _until(retry_at: datetime | None) -> str:
    return f"; next attempt at {retry_at:%Y-%m-%d %H:%M:%S} UTC" if retry_at else ""
