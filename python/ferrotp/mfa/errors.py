"""What the service raises: one tree, each with its evidence, none with a code or a secret in it.

The evidence is in `args`, so that an error arrives whole where it was pickled for another process.
"""

from datetime import datetime


class MFAError(Exception):
    """Any answer of the service that is not a yes."""


class InvalidCode(MFAError):
    """The code is wrong, used, or of another time. It does not say which: that would help a guesser."""

    attempts_left: int
    """How many more attempts are open before a delay."""
    retry_at: datetime | None
    """When the next attempt is open, if there is a delay."""

    def __init__(self, attempts_left: int, retry_at: datetime | None = None) -> None:
        super().__init__(attempts_left, retry_at)
        self.attempts_left = attempts_left
        self.retry_at = retry_at

    def __str__(self) -> str:
        return "the code is not valid" + _until(self.retry_at)


class Throttled(MFAError):
    """Too many failures: the code was not looked at. Nothing was counted."""

    retry_at: datetime
    """When the next attempt is open."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(retry_at)
        self.retry_at = retry_at

    def __str__(self) -> str:
        return "too many failed attempts" + _until(self.retry_at)


class FactorDisabled(MFAError):
    """So many consecutive failures that the factor must be bound again (NIST SP 800-63B-4, section 3.2.2)."""

    def __str__(self) -> str:
        return "disabled after too many failures in a row: recover, and enroll again"


class NotEnrolled(MFAError):
    """The user has no such factor."""

    def __str__(self) -> str:
        return "there is no such factor: enroll first"


class EnrollmentExpired(MFAError):
    """The pending factor is not there: confirmed too late, confirmed already, or replaced by a newer one. Or there were
    so many wrong codes for it that no more are looked at."""

    def __str__(self) -> str:
        return "the enrollment has expired, or is done: enroll again"


class DeviceNotTrusted(MFAError):
    """The device's token is unknown, expired or used: ask for a code."""

    def __str__(self) -> str:
        return "the device is not trusted: ask for a code"


class CodesNotAccepted(MFAError):
    """The policy takes passkeys and recovery codes alone, and this was about a code of an authenticator app."""

    def __str__(self) -> str:
        return "codes are not accepted here: use a passkey, or a recovery code"


class PasskeyRefused(MFAError):
    """What a browser sent for a passkey is no yes. Each reason has a class of its own, and the event says it, too."""

    reason = "refused"

    def __str__(self) -> str:
        return f"the passkey was refused: {self.reason}"


class PasskeyMalformed(PasskeyRefused):
    """It is not what browsers send: truncated, too large, of another type, or it contradicts itself."""

    reason = "malformed"


class WrongOrigin(PasskeyRefused):
    """It was made on a page of an origin that is none of the policy's: on somebody else's site."""

    reason = "wrong origin"


class CrossOriginFrame(PasskeyRefused):
    """It was made in a frame inside a page of another origin."""

    reason = "cross-origin frame"


class WrongRelyingParty(PasskeyRefused):
    """The authenticator signed for another relying party id."""

    reason = "wrong relying party"


class ChallengeUnknown(PasskeyRefused):
    """The challenge is none that was given to this user of this tenant for this purpose."""

    reason = "unknown challenge"


class ChallengeExpired(PasskeyRefused):
    """The challenge is older than it may get: ask for another."""

    reason = "expired challenge"


class ChallengeUsed(PasskeyRefused):
    """The challenge was answered already: somebody replays an answer, or a form was sent twice."""

    reason = "used challenge"


class OtherSession(PasskeyRefused):
    """The challenge was given to another session."""

    reason = "other session"


class PasskeyUnknown(PasskeyRefused):
    """There is no such passkey here: it was removed, or is of another site."""

    reason = "unknown passkey"


class OtherUsersPasskey(PasskeyRefused):
    """It is the passkey of another user."""

    reason = "passkey of another user"


class SignatureWrong(PasskeyRefused):
    """The signature is not the passkey's."""

    reason = "wrong signature"


class CounterWentBack(PasskeyRefused):
    """The passkey's counter is not ahead of what it was: there may be a copy of it."""

    reason = "counter went back"


class AlgorithmNotOffered(PasskeyRefused):
    """The passkey signs by an algorithm that was not offered."""

    reason = "algorithm not offered"


class UserNotPresent(PasskeyRefused):
    """The authenticator did not see that somebody was there."""

    reason = "user not present"


class UserNotVerified(PasskeyRefused):
    """The policy asks that the authenticator verifies its user, by a PIN or a fingerprint, and it did not."""

    reason = "user not verified"


class AttestationRefused(PasskeyRefused):
    """The policy asks for authenticators of certain makers, and it is not shown that this is one."""

    reason = "attestation refused"


class PasskeyTaken(PasskeyRefused):
    """A passkey of this id is registered already: by another user, or by this one."""

    reason = "registered already"


class TooManyFactors(MFAError):
    """The user has as many factors as the policy allows."""


class LastFactor(MFAError):
    """It is the user's only active factor, and was to be kept. It stays."""

    def __str__(self) -> str:
        return "the last active factor stays: add another first"


class AlreadyEnrolled(MFAError):
    """The user has a factor by now, and this one was to be the first: ask for a code of the other before."""

    def __str__(self) -> str:
        return "the user has a factor already: ask for its code, then enroll again"


class FactorExists(MFAError):
    """The user has a factor of this id already. It stays as it is."""

    def __str__(self) -> str:
        return "the user has a factor of this id already"


class PolicyError(MFAError, ValueError):
    """The policy allows no such value. The message says which, and what is allowed."""


class InvalidIdentifier(MFAError, ValueError):
    """A user id, tenant or name that stores could confuse with another. The message says what is allowed."""


class StoreUnavailable(MFAError):
    """The store did not answer in time, or cannot write. Nothing was accepted."""


class Overloaded(StoreUnavailable):
    """This process has as many slow hashes of recovery codes under way as it may. Nothing was accepted: ask again in a
    few seconds."""

    def __str__(self) -> str:
        return "too many hashes are under way in this process: try again in a few seconds"


class KeysUnavailable(StoreUnavailable):
    """The place of the keys does not give them, and those at hand are too old. Nothing was accepted."""

    def __str__(self) -> str:
        return "the keys cannot be fetched: the function or the command that gives them fails"


class StoreDamaged(StoreUnavailable):
    """What the store keeps of the user does not fit together: records are gone, or were deleted by hand. The user is
    let in no other way than after a reset. The message says what is missing."""


class EnrollmentLost(MFAError):
    """The application knows of a second factor of this user, and the store has none: the wrong store, an empty one, or
    rows that are gone. Nobody is let in."""

    def __str__(self) -> str:
        return "the application says that the user has a second factor, and the store has none: look at the store"


class EpochMoved(MFAError):
    """The login that asked has ended: by a reset, the removal of a factor, or "log out everywhere"."""

    def __str__(self) -> str:
        return "the login that asked has ended"


class LoginCancelled(MFAError):
    """The half-login that asked was ended: cancelled, or by a lockout. Nothing was looked at, and nothing counted."""

    def __str__(self) -> str:
        return "the login was cancelled before its second factor: begin with the password"


class StoreRefused(MFAError):
    """The store cannot hold the guarantees as it is set up. The message says what to change."""


class SealedRecordError(MFAError):
    """A sealed record was changed, moved to another owner, or its key is not in the keyring."""


class UnknownKey(MFAError):
    """The keyring has no key of that id, or another one."""

    def __init__(self, key_id: str, key_ids: tuple[str, ...]) -> None:
        super().__init__(key_id, key_ids)
        self.key_id = key_id
        self.key_ids = key_ids

    def __str__(self) -> str:
        if self.key_id in self.key_ids:
            return f"the key {self.key_id} of the keyring does not open the store's records: it is another key"
        return f"the keyring has no key {self.key_id}: its keys are {', '.join(self.key_ids)}"


class KeyInUse(MFAError):
    """The key cannot be retired yet: records are sealed with it, or it is the one that seals."""

    records: int

    def __init__(self, key_id: str, records: int) -> None:
        super().__init__(key_id, records)
        self.key_id = key_id
        self.records = records

    def __str__(self) -> str:
        if not self.records:
            return f"key {self.key_id} seals new records: put another one first in the keyring"
        return f"key {self.key_id} still seals {self.records} records: run rotate_keys first"


def _until(retry_at: datetime | None) -> str:
    return f"; next attempt at {retry_at:%Y-%m-%d %H:%M:%S} UTC" if retry_at else ""
