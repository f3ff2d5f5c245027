"""`MFA`: what an application asks of the second factor.

Every answer is a yes, or raises: a check that somebody forgot to look at fails closed. The service keeps nothing in
memory; what it decides is decided in the store, once, whichever process asks.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import copy
from datetime import date
from typing import TYPE_CHECKING, Any

from .. import vault
from .._tracebacks import without_frames
from . import audit as audit_rows
from . import devices, enrollment, factors, importing, maintenance, passkeys, recovery, verification
from .audit_chain import context_of_request
from .audited import AuditedCore
from .core import Core, identifier, user_id_text
from .enrollment import OTPKind
from .errors import MFAError
from .events import AuditContext, Event
from .foreign_users import ImportedFactor, ImportedUser
from .key_source import KeySource
from .policy import Policy
from .results import (
    Attempts,
    AuditEntry,
    AuditMark,
    AuditReport,
    DeviceInfo,
    DeviceToken,
    Enrollment,
    FactorInfo,
    NewPasskey,
    Outcome,
    PasskeyInfo,
    RecoveryCodes,
    Report,
    RevealedSecret,
    Rotation,
    Status,
    UserId,
    Verification,
)
from .stores import open_store
from .stores.base import Owner, Store

if TYPE_CHECKING:
    from sqlalchemy import Engine


class MFA:
    """The second factor of an application's users.

    :param store: a URL (``sqlite:///mfa.db``, ``postgresql+psycopg://...``, ``redis://...``), an SQLAlchemy engine, or
        a `Store`
    :param issuer: the name of the application, as authenticator apps show it
    :param keyring: the keys that secrets are sealed with; or a `KeySource`, where they are kept elsewhere
    :param policy: every number; the defaults follow NIST SP 800-63B-4
    :param tenant: keeps the users of several applications or customers apart in one store; or a function that says
        whose users are asked for, called each time: it finds the request by itself, and never says none
    :param clock: Unix seconds: this server's, never a client's (ASVS 6.5.8). Tests pass their own
    :param on_event: called with each `Event` after it was decided. What it raises is logged and goes no further
    :param prepare: whether to create what the store is missing. False for those who run their own migrations
    :param audit: whether each event is a row in the store as well, written with its decision: see docs/audit.md
    :param audit_context: says where the request of this moment comes from, for the rows. The frameworks do it by
        themselves

    Its methods may be called from any thread, and in any number of processes. They take their arguments by name, and
    raise what `MFAError` has below it; `StoreUnavailable` from any of them.
    """

    def __init__(
        self,
        store: "str | Engine | Store",
        *,
        issuer: str,
        keyring: "vault.Keyring | KeySource",
        policy: Policy | None = None,
        tenant: str | Callable[[], str] = "",
        clock: Callable[[], float] = time.time,
        on_event: Callable[[Event], None] | None = None,
        prepare: bool = True,
        audit: bool = False,
        audit_context: Callable[[], AuditContext] | None = None,
    ) -> None:
        policy = Policy() if policy is None else policy
        passkeys.check_policy(policy)
        given = open_store(store), issuer, keyring, policy, tenant, clock, on_event
        self._core = AuditedCore(audit_context or context_of_request, *given) if audit else Core(*given)
        if prepare:
            if self.store.prepare():
                core = self._core
                core.begin_audit()
                core.emit("store created", core.now(), Owner(core.fixed_tenant, ""), store=repr(self.store))
            self.check()

    def __repr__(self) -> str:
        return f"<MFA {self.issuer!r}>"

    @property
    def store(self) -> Store:
        """Where it keeps its state. What reads or writes there goes around the service's policy and its events."""
        return self._core.store

    @property
    def issuer(self) -> str:
        """The name of the application."""
        return self._core.issuer

    @property
    def keyring(self) -> vault.Keyring:
        """The keys that secrets are sealed with."""
        return self._core.keyring

    @property
    def policy(self) -> Policy:
        """Every number."""
        return self._core.policy

    @property
    def tenant(self) -> str:
        """Whose users these are, or empty.

        :raises InvalidIdentifier: if a function says it, and does not know
        """
        return self._core.tenant

    def for_tenant(self, tenant: str | Callable[[], str]) -> "MFA":
        """The same service for the users of another tenant: the same store, keys, policy, clock and handler of events.
        It is cheap, to be made for each request.

        :raises InvalidIdentifier: if it is no name
        """
        other = copy(self)
        other._core = self._core.for_tenant(tenant)
        return other

    @property
    def clock(self) -> Callable[[], float]:
        """Unix seconds."""
        return self._core.clock

    def check(self) -> None:
        """Whether the store is there, and the keyring is the store's: a record of each key among the first ones is
        opened. Cheap, and for the start of an application that runs with ``prepare=False``; otherwise it is done.

        :raises UnknownKey: if the keyring opens none of them. It names the key that sealed them
        :raises StoreRefused: if the tables are not there
        """
        maintenance.check_keyring(self.store, self.keyring)
        self._core.begin_audit()

    def close(self) -> None:
        """Lets go of the store's connections."""
        self.store.close()

    # Enrollment

    @without_frames
    def enroll(
        self,
        *,
        user_id: UserId,
        account_name: str,
        name: str = "",
        kind: OTPKind = "totp",
        secret: str | bytes | None = None,
        factor_id: str = "",
    ) -> Enrollment:
        """Makes a new secret, pending until `confirm`. Ask for fresh authentication before (ASVS 7.5.1).

        :param account_name: the user's name or address, as the authenticator app shows it
        :param name: what the user calls the device
        :param kind: "totp", or "hotp" for a counter
        :param secret: one that was made before it was known for whom: at least as long as the policy's
        :param factor_id: the same each time for the same device: `FactorExists` if it came before. Random if empty
        :raises TooManyFactors: if the user has as many as the policy allows
        :raises CodesNotAccepted: if the policy takes passkeys alone
        """
        return enrollment.enroll(self._core, user_id, account_name, name, kind, secret, factor_id)

    @without_frames
    def pending(self, *, user_id: UserId, factor_id: str, account_name: str) -> Enrollment:
        """The enrollment again, while it is pending: for a page that is loaded once more, so that no application keeps
        the secret in a session.

        :raises EnrollmentExpired: if it is not pending any more
        """
        return enrollment.pending(self._core, user_id, factor_id, account_name)

    @without_frames
    def confirm(
        self,
        *,
        user_id: UserId,
        factor_id: str,
        code: str,
        past_steps: int | None = None,
        name: str = "",
        recovery_codes: bool = True,
        only_first: bool = False,
    ) -> RecoveryCodes:
        """Makes a pending factor active by its first code, which is thereby used up.

        Gives the user's recovery codes if there are no others by then: show them once. Otherwise the set is empty, and
        the earlier ones go on.

        :param past_steps: as for `verify`
        :param name: what the user calls the device. Empty: as `enroll` had it
        :param recovery_codes: False for an application that makes them at another time
        :param only_first: True where the user has shown the password alone: a factor that came meanwhile is the owner's
        :raises EnrollmentExpired: if the factor is not pending, or waited too long
        :raises AlreadyEnrolled: with `only_first`, if the user has a factor by now that is not pending
        :raises TooManyFactors: if the user has by now as many as the policy allows
        :raises InvalidCode: if the code is wrong; `Throttled` after too many
        """
        return enrollment.confirm(self._core, user_id, factor_id, code, past_steps, recovery_codes, only_first, name)

    @without_frames
    def import_factor(
        self,
        *,
        user_id: UserId,
        secret: str | bytes,
        kind: OTPKind = "totp",
        algorithm: str = "SHA1",
        digits: int = 6,
        period: int = 30,
        last_step: int | None = None,
        name: str = "",
        factor_id: str = "",
    ) -> FactorInfo:
        """Takes over a factor that the user has already, active at once.

        :param secret: base32, or bytes
        :param last_step: the time step, or the counter, of the last code that was accepted; so that no code is accepted
            again. None: none was. Without it the code of this very moment might be one that was used
        :param factor_id: the same each time for the same device: `FactorExists` if it came before. Random if empty
        :raises PolicyError: for a secret of fewer than 128 bits, or a period of more than 120 seconds, unless the
            policy has `legacy_secrets`: such a factor is flagged
        :raises TooManyFactors: if the user has as many as the policy allows
        """
        imported = ImportedFactor(
            secret=secret,
            kind=kind,
            algorithm=algorithm,
            digits=digits,
            period=period,
            last_step=last_step,
            name=name,
            factor_id=factor_id,
        )
        return importing.import_factor(self._core, user_id, imported)

    @without_frames
    def import_users(self, users: Sequence[ImportedUser]) -> list[bool]:
        """Takes over users of another system, each as a whole and once, active at once. For each whether it came: no if
        the store keeps anything of that user, even of one whose factors were all removed since.

        Recovery codes are hashed by the policy's `hashing`, on all processors. They have fewer bits than those that
        ferrotp makes, so have the users make new ones: the limits on attempts are what protects them until then.

        :raises PolicyError: as `import_factor`; for a recovery code of fewer than 20 bits (NIST SP 800-63B-4, section
            3.1.2.2); for a user with more factors than the policy allows. Nobody came, then
        """
        return importing.import_users(self._core, users)

    # Verification

    @without_frames
    def verify(
        self,
        *,
        user_id: UserId,
        code: str,
        factor_id: str | Collection[str] | None = None,
        past_steps: int | None = None,
        login_id: str = "",
    ) -> Verification:
        """Says yes to a code of one of the user's factors, once. Call it only after the first factor was right, so
        that nobody else can use up the user's attempts.

        The attempt is counted before there is an answer, and stays counted whatever the caller's transaction does.

        :param code: as typed: ``492 039`` and full-width digits are fine
        :param factor_id: only this factor, or one of these; otherwise any
        :param past_steps: time steps before the current one that are accepted, instead of the policy's window: 0 to 20,
            for codes that were sent (NIST SP 800-63B-4, section 3.1.3.2: ten minutes at most)
        :param login_id: the half-login that asks, if `end_half_login` may have ended it
        :raises InvalidCode: wrong, used already, or of another time
        :raises Throttled: not looked at, because of earlier failures
        :raises FactorDisabled: too many failures in a row: recover, and enroll again
        :raises NotEnrolled: the user has no active factor
        :raises SealedRecordError: a record of the store was changed, or its key is missing
        :raises CodesNotAccepted: the policy takes passkeys alone
        :raises LoginCancelled: the half-login was ended: in one decision with the code, so that none slips in between
        """
        return verification.verify(self._core, user_id, code, factor_id, past_steps, login_id)

    @without_frames
    def verify_many(self, items: Iterable[tuple[UserId, str]]) -> list[Outcome]:
        """`verify` for many pairs of user id and code: an `Outcome` for each, in their order. None stops the others."""
        return [self._outcome(user_id, code) for user_id, code in items]

    @without_frames
    def resync(self, *, user_id: UserId, factor_id: str, code: str, next_code: str) -> Verification:
        """Finds an HOTP device that ran ahead by two consecutive codes, both of which are used up (RFC 4226,
        section 7.4). It counts as one attempt.

        :raises NotEnrolled: if it is no active HOTP factor of this user; else as `verify`
        """
        return verification.resync(self._core, user_id, factor_id, code, next_code)

    @without_frames
    def unlock(self, *, user_id: UserId, code: str, next_code: str) -> Verification:
        """Says yes to two codes in a row of one of the user's factors: the one that it shows, and the one after that.
        Both are used up. It has limits of its own: somebody who has the password and guesses codes, so that `verify`
        raises `Throttled`, does not keep the owner out. Call it only after the first factor was right.

        :raises InvalidCode: not two codes in a row of now, or one of them was used
        :raises Throttled: not looked at, because of earlier failures of this kind
        :raises FactorDisabled: too many failures of single codes in a row: this is no way around that
        :raises NotEnrolled: the user has no active factor
        """
        return verification.unlock(self._core, user_id, code, next_code)

    # Passkeys

    @without_frames
    def begin_passkey(
        self, *, user_id: UserId, session: str, account_name: str, display_name: str = ""
    ) -> dict[str, Any]:
        """What a browser needs to make a passkey: JSON, for ``PublicKeyCredential.parseCreationOptionsFromJSON``. Ask
        for fresh authentication before (ASVS 7.5.1).

        Nothing is kept. The answer is good for two minutes, once, in this session alone.

        :param session: names the login that asks; `finish_passkey` gets the same. Random, and of this login alone
        :param account_name: the user's name or address, as the browser shows it
        :param display_name: how the user is called, if that is another text
        :raises PolicyError: if the policy has no passkeys
        :raises TooManyFactors: if the user has as many factors as the policy allows
        """
        return passkeys.begin(self._core, user_id, session, account_name, display_name)

    @without_frames
    def finish_passkey(
        self,
        *,
        user_id: UserId,
        session: str,
        response: object,
        name: str = "",
        recovery_codes: bool = True,
        only_first: bool = False,
    ) -> NewPasskey:
        """Registers the passkey that a browser made. It is active at once.

        Gives the user's recovery codes if there are no others by then: show them once.

        :param response: what ``credential.toJSON()`` gave: parsed, or as text
        :param name: what the user calls it
        :param recovery_codes: False for an application that makes them at another time
        :param only_first: True where the user has shown the password alone: a factor that came meanwhile is the owner's
        :raises PasskeyRefused: it is not what was asked for; which of its kinds, the error and the event say
        :raises AlreadyEnrolled: with `only_first`, if the user has a factor by now
        :raises TooManyFactors: if the user has by now as many as the policy allows
        """
        return passkeys.finish(self._core, user_id, session, response, name, recovery_codes, only_first)

    @without_frames
    def passkey_challenge(self, *, user_id: UserId | None, session: str) -> dict[str, Any]:
        """What a browser needs to use a passkey: JSON, for ``PublicKeyCredential.parseRequestOptionsFromJSON``.

        Nothing is kept. The answer is good for two minutes, once, in this session alone.

        :param user_id: who has shown the password; None to sign in by a passkey alone, as any user, where the
            policy has `sign_in`
        :param session: names the login that asks; `verify_passkey` gets the same
        :raises PolicyError: if the policy has no passkeys, or lets nobody sign in by one
        :raises NotEnrolled: if the user has no active passkey
        """
        return passkeys.challenge(self._core, user_id, session)

    @without_frames
    def verify_passkey(self, *, user_id: UserId | None, session: str, response: object) -> Verification:
        """Says yes to a passkey, once for each challenge. With a user's id call it only after the first factor was
        right.

        A right answer is looked at whatever wrong codes came before: it cannot be guessed, and those who guess codes
        keep nobody out. A wrong one counts as a wrong code does; one that names no user counts for nobody.

        :param user_id: as for `passkey_challenge`. With None, `Verification.user_id` says who it is
        :param response: what ``credential.toJSON()`` gave: parsed, or as text
        :raises PasskeyRefused: no yes; which of its kinds, the error and the event say
        :raises Throttled: it was wrong, after too many wrong ones before
        :raises SealedRecordError: the record of the passkey was changed, or its key is missing
        """
        return passkeys.verify(self._core, user_id, session, response)

    @without_frames
    def passkeys(self, *, user_id: UserId) -> list[PasskeyInfo]:
        """The user's passkeys, the oldest first. `remove_factor` removes one by its `factor_id`."""
        return passkeys.listed(self._core, user_id)

    # Recovery

    @without_frames
    def recover(self, *, user_id: UserId, code: str) -> Verification:
        """Says yes to a recovery code, once. It has limits of its own, and works while codes of a factor are delayed.

        Tell the user (the event's `notify_user`), and offer to enroll again.

        :raises InvalidCode: wrong, or used already
        :raises Throttled: not looked at, because of earlier failures
        :raises FactorDisabled: too many failures in a row: only new recovery codes or an administrator help
        :raises NotEnrolled: the user has no factor
        :raises Overloaded: this process has as many hashes under way as it may; nothing was counted
        """
        return recovery.recover(self._core, user_id, code)

    @without_frames
    def regenerate_recovery_codes(
        self, *, user_id: UserId, end_sessions: bool = False, only_first: bool = False
    ) -> RecoveryCodes:
        """A new set, to be shown once. The earlier codes end. Ask for fresh authentication before (ASVS 7.5.1).

        :param end_sessions: True if somebody may have had the codes: ends all logins, as `end_sessions` does
        :param only_first: True for a set that replaces none: it is empty if the user has an unused code
        :raises NotEnrolled: if the user has no factor
        :raises Throttled: after as many sets as the policy's `new_codes_in_30_days` allows
        :raises Overloaded: if this process has as many hashes under way as it may
        """
        return recovery.regenerate(self._core, user_id, end_sessions=end_sessions, only_first=only_first)

    # Trusted devices

    @without_frames
    def trust_device(self, *, user_id: UserId, name: str = "") -> DeviceToken:
        """Makes this device one that is not asked for a code for the policy's `trusted_device_days`. Call it right
        after `verify` said yes, if the user asks for it.

        :param name: how the user will know it again, such as "Firefox on Linux"
        :raises PolicyError: if the policy has no trusted devices
        :raises NotEnrolled: if the user has no active factor
        """
        return devices.trust(self._core, user_id, name)

    @without_frames
    def recognize_device(self, *, user_id: UserId, token: str) -> DeviceToken:
        """Says yes to a trusted device of this user, once for each token, and gives the token to keep instead. Call it
        only after the first factor was right.

        A token that was used before means that two parties have had it: all of the user's devices end (the event
        ``device theft suspected``).

        :raises DeviceNotTrusted: ask for a code
        """
        return devices.recognize(self._core, user_id, token)

    @without_frames
    def trusted_devices(self, *, user_id: UserId) -> list[DeviceInfo]:
        """The devices that are trusted now, the oldest first."""
        return devices.trusted(self._core, user_id)

    @without_frames
    def forget_devices(self, *, user_id: UserId, series: str | None = None) -> int:
        """Trusts one device of this user no more, or none of them: after a change of password, for one.

        :return: how many there were
        """
        return devices.forget(self._core, user_id, series)

    # Looking after it

    @without_frames
    def status(self, *, user_id: UserId, enrolled: bool = False) -> Status:
        """What there is of a user: for pages, never instead of `verify`.

        :param enrolled: whether the application's own record says that the user has a second factor
        :raises EnrollmentLost: if it does, and the store has none. The event ``enrollment lost`` tells of it
        :raises StoreDamaged: if records of the user are gone that others show to have been there. The event ``store
            damaged`` tells of it
        """
        return factors.status(self._core, user_id, enrolled)

    @without_frames
    def attempts(self, *, user_id: UserId) -> Attempts:
        """What `Status` has of the attempts at codes, alone, which is one small look into the store: for a form that
        says when the next one is open. `verify` decides by itself, and anew.
        """
        return factors.attempts(self._core, user_id)

    @without_frames
    def factor(self, *, user_id: UserId, factor_id: str) -> FactorInfo:
        """One factor of this user, pending ones among them: for pages, never instead of `verify`.

        :raises NotEnrolled: if this user has no such factor
        """
        return factors.find(self._core, user_id, factor_id)

    @without_frames
    def reveal_secret(self, *, user_id: UserId, factor_id: str, by: str) -> RevealedSecret:
        """Takes the secret of a factor out, for another system that is to check its codes. The event ``secret
        revealed`` says who took it. A pending factor's is shown by `pending`.

        :param by: who does it, for the event
        :raises NotEnrolled: if this user has no such factor, or it is pending
        :raises SealedRecordError: if its record was changed, or its key is missing
        """
        return factors.reveal(self._core, user_id, factor_id, by)

    @without_frames
    def remove_factor(self, *, user_id: UserId, factor_id: str, epoch: str = "", keep_last: bool = False) -> FactorInfo:
        """Removes a factor of this user. Ask for fresh authentication before (ASVS 7.5.1). The user's logins and
        trusted devices end with it, unless it was pending; the recovery codes go with the last factor.

        :param epoch: what `Status.epoch` becomes: for a login that is to go on, 128 random bits in hexadecimal
        :param keep_last: True where a second factor is required
        :raises NotEnrolled: if this user has no such factor
        :raises LastFactor: with `keep_last`, if it is the only active one
        """
        return factors.remove(self._core, user_id, factor_id, epoch, keep_last)

    @without_frames
    def end_sessions(self, *, user_id: UserId, by: str, epoch: str | None = None) -> str:
        """Ends all logins of a user, and the trust in all devices: "log out everywhere". A login that carries another
        `Status.epoch` than this gives has ended.

        :param by: who does it, for the event
        :param epoch: that of the login that asks: of a thief's and its owner's that do so at one moment, one goes on
        :return: the epoch of the logins that begin from now on
        :raises EpochMoved: if the login that asks has ended
        """
        return factors.end_sessions(self._core, user_id, by, epoch)

    @without_frames
    def note_passed(self, *, user_id: UserId, by: str, impersonator: UserId | None = None) -> None:
        """Writes down that a login passed without a factor of this service: the event "passed elsewhere", or
        "impersonated" if it is somebody else who comes in as this user.

        :param by: what vouches for it: the name of a single sign-on, for one
        :param impersonator: the id of the user who comes in
        """
        core, owner = self._core, self._core.owner(user_id)
        if impersonator is None:
            core.emit("passed elsewhere", core.now(), owner, by=by)
        else:
            core.emit("impersonated", core.now(), owner, by=by, impersonator=user_id_text(impersonator))

    def remind(self, *, user_id: UserId, by: str, due: date | None = None) -> None:
        """Asks a user who has no second factor to set one up: the event "reminded", of which `Notifier` makes a mail.

        :param by: who asks, for the event
        :param due: from when on one is required
        """
        core, owner = self._core, self._core.owner(user_id)
        detail = {} if due is None else {"due": due.isoformat()}
        core.emit("reminded", core.now(), owner, by=identifier("by", by), **detail)

    @without_frames
    def end_half_login(self, *, user_id: UserId, login_id: str) -> None:
        """Ends a login that has not passed the second factor: `half_login_has_ended` says so for the policy's
        `half_login_lifetime`, of copies of it, too.

        :param login_id: random, and of this login alone
        """
        now = self._core.now()
        expires_at = now + 1000 * self.policy.half_login_lifetime
        self.store.end_half_login(self._core.owner(user_id), identifier("login_id", login_id), expires_at, now)

    @without_frames
    def half_login_has_ended(self, *, user_id: UserId, login_id: str) -> bool:
        """Whether `end_half_login` ended it."""
        return self.store.has_ended(self._core.owner(user_id), login_id)

    @without_frames
    def epoch(self, *, user_id: UserId) -> str:
        """`Status.epoch` alone, which is one look into the store: for each page of a login."""
        return self.store.epoch(self._core.owner(user_id))

    @without_frames
    def reset(self, *, user_id: UserId, by: str) -> int:
        """Removes all that there is of a user: an administrator's way out, after the user was identified anew. The
        user's logins end with it.

        :param by: who does it, for the event
        :return: how many factors there were
        """
        return factors.reset(self._core, user_id, by)

    @without_frames
    def delete_users(self, *, user_ids: Iterable[UserId]) -> int:
        """Removes all that there is of users whose accounts are gone: call it for every deletion, of one or of many,
        after it was committed. A database may give the id again, and the new account must not meet the old one's
        factor.

        Many are one transaction of the store for each 500, not one for each. Called again it does the same: do so if it
        raised `StoreUnavailable`.

        :return: how many of them had a factor
        :raises InvalidIdentifier: if one of the ids is none: nobody was deleted
        """
        return factors.delete_users(self._core, user_ids)

    # The audit

    @property
    def audited(self) -> bool:
        """Whether each event is a row in the store as well."""
        return self._core.audited

    @without_frames
    def activity(self, *, user_id: UserId, limit: int = 50, before: int | None = None) -> list[AuditEntry]:
        """What happened to a user, the newest first: for pages. `verify_audit` says whether it is all.

        :param limit: at most 1,000
        :param before: the `AuditEntry.number` to go on before
        """
        return audit_rows.activity(self._core, user_id, limit, before)

    def audit_entries(self, *, user_id: UserId | None = None) -> Iterator[AuditEntry]:
        """The rows of a user, or all of this tenant, user by user; the oldest first."""
        return audit_rows.entries(self._core, user_id)

    def audit_marks(self) -> Iterator[AuditMark]:
        """How far the rows go now, of each user of all tenants: to be kept elsewhere, for `verify_audit`."""
        return audit_rows.marks(self._core)

    @without_frames
    def verify_audit(self, *, user_id: UserId | None = None, marks: Iterable[AuditMark] = ()) -> AuditReport:
        """Whether the rows are all there, as they were written: of one user, or of all users of all tenants.

        :param marks: from `audit_marks`, earlier: rows that were there then must still be there
        """
        return audit_rows.verify(self._core, user_id, marks)

    @without_frames
    def prune_audit(self, *, days: int | None = None) -> int:
        """Removes the rows of this tenant that are older. What is left still shows what was changed in it. Rows of a
        user that are not right stay, all of them: look at them first.

        :param days: None: as the policy's `audit_days` says; 0: none is too old
        :return: how many there were
        """
        return audit_rows.prune(self._core, days)

    # All users

    def factors(self) -> Iterator[FactorInfo]:
        """All factors of this tenant that are not pending, by user."""
        return maintenance.factor_infos(self.store, self.tenant)

    def report(self) -> Report:
        """Who should enroll again, whose factor is disabled, and whether it is this server's clock that is wrong."""
        return maintenance.report(self.store, self.tenant)

    def rotate_keys(self, *, progress: Callable[[Rotation], None] | None = None) -> Rotation:
        """Seals every record of the store, of all tenants, with the key that writes now.

        It may be stopped at any point and run again: what is done is skipped, and every record can be read throughout.
        Records that are used are resealed by the way.

        :param progress: called after each batch; what it raises ends the run
        """
        rotation = maintenance.rotate(self.store, self.keyring, progress)
        core = self._core
        core.emit("keys rotated", core.now(), Owner("", ""), seen=rotation.seen, resealed=rotation.resealed)
        return rotation

    def keys_in_use(self) -> Counter[str]:
        """How many records of the store, of all tenants, each key seals, by the key's id."""
        return maintenance.keys_in_use(self.store)

    def retire_key(self, key_id: str) -> None:
        """Returns if no record of the store needs this key any more, so that it can be taken out of the keyring.

        :raises KeyInUse: if some do; it says how many. Also for the key that seals
        :raises UnknownKey: if the keyring has no key of that id
        """
        maintenance.check_unused(self.store, self.keyring, key_id)

    def _outcome(self, user_id: UserId, code: str) -> Outcome:
        try:
            return Outcome(self.verify(user_id=user_id, code=code))
        except MFAError as error:
            return Outcome(error)
