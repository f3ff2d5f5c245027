"""`MFA`: what an application asks of the second factor.

Every answer is a yes, or raises: a check that somebody forgot to look at fails closed. The service keeps nothing in
memory; what it decides is decided in the store, once, whichever process asks.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, ParamSpec, TypeVar

from .. import vault
from .._tracebacks import without_frames
from ..utils import build_uri
from . import events, maintenance
from .codes import typed_digits
from .errors import (
    DeviceNotTrusted,
    EnrollmentExpired,
    FactorDisabled,
    InvalidCode,
    InvalidIdentifier,
    MFAError,
    NotEnrolled,
    PolicyError,
    SealedRecordError,
    Throttled,
    TooManyFactors,
    moment,
)
from .foreign_users import MAX_CODES, ImportedFactor, ImportedUser, check, is_legacy, secret_bytes
from .policy import Policy
from .results import (
    DeviceInfo,
    DeviceToken,
    Enrollment,
    FactorInfo,
    Outcome,
    RecoveryCodes,
    Report,
    Rotation,
    Status,
    Verification,
)
from .stores import open_store
from .stores.base import (
    NEVER_USED,
    Factor,
    Method,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    Store,
    TrustedDevice,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

_OTPKind = Literal["totp", "hotp"]
_P = ParamSpec("_P")
_T = TypeVar("_T")

IMPORTED = "~"
"""What the selectors of recovery codes begin with that another system made. It is no symbol of ferrotp's own."""


class MFA:
    """The second factor of an application's users.

    :param store: a URL (``sqlite:///mfa.db``, ``postgresql+psycopg://...``, ``redis://...``), an SQLAlchemy engine, or
        a `Store`
    :param issuer: the name of the application, as authenticator apps show it
    :param keyring: the keys that secrets are sealed with
    :param policy: every number; the defaults follow NIST SP 800-63B-4
    :param tenant: keeps the users of several applications or customers apart in one store
    :param clock: Unix seconds: this server's, never a client's (ASVS 6.5.8). Tests pass their own
    :param on_event: called with each `Event` after it was decided. What it raises is logged and goes no further
    :param prepare: whether to create what the store is missing. False for those who run their own migrations

    Its methods may be called from any thread, and in any number of processes. They take their arguments by name, and
    raise what `MFAError` has below it; `StoreUnavailable` from any of them.
    """

    def __init__(
        self,
        store: "str | Engine | Store",
        *,
        issuer: str,
        keyring: vault.Keyring,
        policy: Policy | None = None,
        tenant: str = "",
        clock: Callable[[], float] = time.time,
        on_event: Callable[[events.Event], None] | None = None,
        prepare: bool = True,
    ) -> None:
        self.policy = Policy() if policy is None else policy
        self.issuer = _identifier("issuer", issuer)
        self.tenant = _identifier("tenant", tenant) if tenant else ""
        self.store = open_store(store)
        self._keyring = keyring
        self._limits = self.policy.limits()
        self.clock = clock
        self._on_event = on_event
        if prepare:
            self.store.prepare()

    def __repr__(self) -> str:
        return f"<MFA {self.issuer!r}>"

    @property
    def keyring(self) -> vault.Keyring:
        """The keys that secrets are sealed with."""
        return self._keyring

    def close(self) -> None:
        """Lets go of the store's connections."""
        self.store.close()

    # Enrollment

    @without_frames
    def enroll(
        self,
        *,
        user_id: str,
        account_name: str,
        name: str = "",
        kind: _OTPKind = "totp",
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
        """
        policy = self.policy
        if kind not in ("totp", "hotp"):
            raise PolicyError("kind must be 'totp' or 'hotp'")
        factor_id = _identifier("factor_id", factor_id) if factor_id else _new_id()
        owner = self._owner(user_id)
        place = (owner.tenant, owner.user_id, factor_id)
        options: dict[str, Any] = {"kind": kind, "algorithm": policy.algorithm}
        options.update(digits=policy.digits, period=policy.period)
        if secret is None:
            record = self._keyring.new_secret(place, length=policy.secret_bytes, **options)
        else:
            key = secret_bytes(secret)
            if not policy.secret_bytes <= len(key) <= 128:
                raise PolicyError(f"a new secret has {policy.secret_bytes} to 128 bytes")
            record = self._keyring.seal(place, key, **options)
        now = self._now()
        factor = Factor(
            owner,
            factor_id,
            kind,
            _name(name),
            "pending",
            record,
            legacy=False,
            created_at=now,
            expires_at=now + 1000 * policy.enrollment_lifetime,
        )
        enrollment = self._shown(factor, account_name, now)
        self._add(factor, now)
        self._emit("enrollment started", now, owner, factor_id, kind)
        return enrollment

    @without_frames
    def pending(self, *, user_id: str, factor_id: str, account_name: str) -> Enrollment:
        """The enrollment again, while it is pending: for a page that is loaded once more, so that no application keeps
        the secret in a session.

        :raises EnrollmentExpired: if it is not pending any more
        """
        owner = self._owner(user_id)
        now = self._now()
        for factor in self.store.user(owner).factors:
            if factor.factor_id == factor_id and factor.state == "pending" and factor.expires_at > now:
                return self._shown(factor, account_name, now)
        raise EnrollmentExpired

    @without_frames
    def confirm(
        self,
        *,
        user_id: str,
        factor_id: str,
        code: str,
        past_steps: int | None = None,
        recovery_codes: bool = True,
    ) -> RecoveryCodes:
        """Makes a pending factor active by its first code, which is thereby used up.

        Gives the user's recovery codes if there were none before: show them once. Otherwise the set is empty, and the
        earlier ones go on.

        :param past_steps: as for `verify`
        :param recovery_codes: False for an application that makes them at another time
        :raises EnrollmentExpired: if the factor is not pending, or waited too long
        :raises InvalidCode: if the code is wrong; `Throttled` after too many
        """
        owner = self._owner(user_id)
        now = self._now()
        reservation = self._reserve(owner, "enrollment", now, factor_id=_asked(factor_id))
        factor = reservation.factors[0]
        digits = typed_digits(code)
        step, drift = self._match(factor, digits, now, past_steps)
        if step is None:
            self._refuse(reservation, now, "wrong" if digits else "malformed", factor_id)
        wanted = recovery_codes and not self.store.user(owner).recovery_codes
        shown, codes = self._new_codes(owner) if wanted else (RecoveryCodes(), [])
        if not self.store.confirm(reservation, factor_id, step, drift, now, codes):
            raise EnrollmentExpired
        self._emit("enrollment confirmed", now, owner, factor_id, factor.kind, drift=drift)
        if codes:
            self._emit("recovery codes replaced", now, owner, method="recovery", remaining=len(codes))
        return shown

    @without_frames
    def import_factor(
        self,
        *,
        user_id: str,
        secret: str | bytes,
        kind: _OTPKind = "totp",
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
        owner = self._owner(user_id)
        if last_step is not None and not 0 <= last_step < 1 << 62:
            raise PolicyError("last_step must be a time step or a counter")
        now = self._now()
        imported = ImportedFactor(
            secret=secret,
            kind=kind,
            algorithm=algorithm,
            digits=digits,
            period=period,
            last_step=NEVER_USED if last_step is None else last_step,
            name=name,
            factor_id=factor_id,
        )
        factor = self._taken_over(owner, imported, now)
        self._add(factor, now)
        self._emit("factor imported", now, owner, factor.factor_id, kind, legacy=factor.legacy)
        return info(factor)

    @without_frames
    def import_users(self, users: Sequence[ImportedUser]) -> list[bool]:
        """Takes over users of another system, each as a whole and once, active at once. For each whether it came: no if
        the store keeps anything of that user, even of one whose factors were all removed since.

        Recovery codes are hashed by the policy's `hashing`, on all processors. They have fewer bits than those that
        ferrotp makes, so have the users make new ones: the limits on attempts are what protects them until then.

        :raises PolicyError: as `import_factor`; for a recovery code of fewer than 20 bits (NIST SP 800-63B-4, section
            3.1.2.2); for a user with more factors than the policy allows. Nobody came, then
        """
        coming = [(self._owner(user.user_id), user) for user in users]
        for _, user in coming:
            check(user, self.policy)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            codes = list(pool.map(lambda one: self._hashed_codes(*one), coming))
        now = self._now()  # after the hashing, which may take long
        new = [
            NewUser(owner, tuple(self._taken_over(owner, one, now) for one in user.factors), hashed)
            for (owner, user), hashed in zip(coming, codes, strict=True)
        ]
        added = self.store.add_users(new)
        for one, came in zip(new, added, strict=True):
            for factor in one.factors if came else ():
                self._emit("factor imported", now, one.owner, factor.factor_id, factor.kind, legacy=factor.legacy)
        return added

    # Verification

    @without_frames
    def verify(
        self, *, user_id: str, code: str, factor_id: str | Collection[str] | None = None, past_steps: int | None = None
    ) -> Verification:
        """Says yes to a code of one of the user's factors, once. Call it only after the first factor was right, so
        that nobody else can use up the user's attempts.

        The attempt is counted before the code is looked at, and stays counted whatever the caller's transaction does.

        :param code: as typed: ``492 039`` and full-width digits are fine
        :param factor_id: only this factor, or one of these; otherwise any
        :param past_steps: time steps before the current one that are accepted, instead of the policy's window: 0 to 20,
            for codes that were sent (NIST SP 800-63B-4, section 3.1.3.2: ten minutes at most)
        :raises InvalidCode: wrong, used already, or of another time
        :raises Throttled: not looked at, because of earlier failures
        :raises FactorDisabled: too many failures in a row: recover, and enroll again
        :raises NotEnrolled: the user has no active factor
        :raises SealedRecordError: a record of the store was changed, or its key is missing
        """
        owner = self._owner(user_id)
        now = self._now()
        among = None if factor_id is None or isinstance(factor_id, str) else frozenset(factor_id)
        reservation = self._reserve(owner, "otp", now, factor_id=factor_id if isinstance(factor_id, str) else "")
        digits = typed_digits(code)
        reason = "wrong" if digits else "malformed"
        broken: SealedRecordError | None = None
        for factor in reservation.factors:
            if among is not None and factor.factor_id not in among:
                continue
            try:
                step, drift = self._match(factor, digits, now, past_steps)
            except SealedRecordError as error:
                broken = error  # the user's other factors work on
                continue
            if step is None:
                continue
            if self._accept(reservation, factor, step, drift, now):
                self._emit("verified", now, owner, factor.factor_id, factor.kind, time_step=step, drift=drift)
                return Verification(owner.user_id, factor.kind, moment(now), factor.factor_id, factor.name, step, drift)
            reason = "used"
        if broken is not None:
            raise broken
        self._refuse(reservation, now, reason)

    @without_frames
    def verify_many(self, items: Iterable[tuple[str, str]]) -> list[Outcome]:
        """`verify` for many pairs of user id and code: an `Outcome` for each, in their order. None stops the others."""
        return [self._outcome(user_id, code) for user_id, code in items]

    @without_frames
    def resync(self, *, user_id: str, factor_id: str, code: str, next_code: str) -> Verification:
        """Finds an HOTP device that ran ahead by two consecutive codes, both of which are used up (RFC 4226,
        section 7.4). It counts as one attempt.

        :raises NotEnrolled: if it is no active HOTP factor of this user; else as `verify`
        """
        owner = self._owner(user_id)
        now = self._now()
        reservation = self._reserve(owner, "otp", now, factor_id=_asked(factor_id))
        factor = reservation.factors[0]
        first, second = typed_digits(code), typed_digits(next_code)
        step = None
        if factor.kind == "hotp":
            use, place, window = self._keyring.resync_hotp, _place(factor), self.policy.hotp_resync_window
            step = self._opened(factor, now, use, place, factor.sealed, first, second, factor.last_step + 1, window)
        skipped = 0 if step is None else step - factor.last_step - 1
        if step is None or not self._accept(reservation, factor, step, skipped, now):
            self._refuse(reservation, now, "wrong", factor_id)
        self._emit("factor resynchronized", now, owner, factor_id, factor.kind, time_step=step, drift=skipped)
        return Verification(owner.user_id, factor.kind, moment(now), factor_id, factor.name, step, skipped)

    # Recovery

    @without_frames
    def recover(self, *, user_id: str, code: str) -> Verification:
        """Says yes to a recovery code, once. It has limits of its own, and works while codes of a factor are delayed.

        Tell the user (the event's `notify_user`), and offer to enroll again.

        :raises InvalidCode: wrong, or used already
        :raises Throttled: not looked at, because of earlier failures
        :raises FactorDisabled: too many failures in a row: only new recovery codes or an administrator help
        :raises NotEnrolled: the user has no factor
        """
        owner = self._owner(user_id)
        now = self._now()
        selector = vault.Keyring.recovery_selector(code) if isinstance(code, str) else None
        reservation = self._reserve(owner, "recovery", now, selector=selector or "")
        record = reservation.recovery_code
        if record is None:
            record = self._imported_code(owner, code if isinstance(code, str) else "", now)
            right = record is not None
            reservation = replace(reservation, recovery_code=record)
        else:
            place = (owner.tenant, owner.user_id, record.selector)
            right = self._opened(record, now, self._keyring.check_recovery_code, *place, record.sealed, code)
        remaining = self.store.redeem(reservation, record.selector, now) if record is not None and right else None
        if remaining is None:
            self._refuse(reservation, now, "used" if right else "wrong" if selector else "malformed")
        self._emit("recovered", now, owner, method="recovery", remaining=remaining)
        return Verification(owner.user_id, "recovery", moment(now), remaining=remaining)

    @without_frames
    def regenerate_recovery_codes(self, *, user_id: str) -> RecoveryCodes:
        """A new set, to be shown once. The earlier codes end. Ask for fresh authentication before (ASVS 7.5.1).

        :raises NotEnrolled: if the user has no factor
        """
        owner = self._owner(user_id)
        shown, codes = self._new_codes(owner)
        now = self._now()
        if not self.store.replace_recovery_codes(owner, codes, now):
            raise NotEnrolled
        self._emit("recovery codes replaced", now, owner, method="recovery", remaining=len(codes))
        return shown

    # Trusted devices

    @without_frames
    def trust_device(self, *, user_id: str, name: str = "") -> DeviceToken:
        """Makes this device one that is not asked for a code for the policy's `trusted_device_days`. Call it right
        after `verify` said yes, if the user asks for it.

        :param name: how the user will know it again, such as "Firefox on Linux"
        :raises PolicyError: if the policy has no trusted devices
        :raises NotEnrolled: if the user has no active factor
        """
        if not self.policy.trusted_device_days:
            raise PolicyError("the policy has no trusted devices: set trusted_device_days")
        owner = self._owner(user_id)
        now = self._now()
        token = secrets.token_urlsafe(32)
        expires_at = now + 86_400_000 * self.policy.trusted_device_days
        device = TrustedDevice(owner, _new_id(), _name(name), _hash(token), now, expires_at, now)
        if not self.store.add_device(device, now, self.policy.max_devices):
            raise NotEnrolled
        self._emit("device trusted", now, owner, device=device.series, name=device.name)
        return DeviceToken(f"{device.series}.{token}", moment(expires_at))

    @without_frames
    def recognize_device(self, *, user_id: str, token: str) -> DeviceToken:
        """Says yes to a trusted device of this user, once for each token, and gives the token to keep instead. Call it
        only after the first factor was right.

        A token that was used before means that two parties have had it: all of the user's devices end (the event
        ``device theft suspected``).

        :raises DeviceNotTrusted: ask for a code
        """
        owner = self._owner(user_id)
        now = self._now()
        series, _, secret = token.partition(".") if isinstance(token, str) and len(token) < 200 else ("", "", "")
        if not self.policy.trusted_device_days or not series or not secret or not token.isascii():
            raise DeviceNotTrusted
        following = secrets.token_urlsafe(32)
        answer = self.store.use_device(
            owner, series, _hash(secret), _hash(following), now, 1000 * self.policy.device_grace
        )
        if answer in ("renewed", "same"):
            self._emit("device recognized", now, owner, device=series)
            kept = f"{series}.{following}" if answer == "renewed" else token
            expires_at = next((one.expires_at for one in self.store.devices(owner) if one.series == series), now)
            return DeviceToken(kept, moment(expires_at))
        self._emit("device theft suspected" if answer == "stolen" else "device refused", now, owner, device=series)
        raise DeviceNotTrusted

    @without_frames
    def trusted_devices(self, *, user_id: str) -> list[DeviceInfo]:
        """The devices that are trusted now, the oldest first."""
        now = self._now()
        return [
            DeviceInfo(one.series, one.name, moment(one.created_at), moment(one.last_used_at), moment(one.expires_at))
            for one in self.store.devices(self._owner(user_id))
            if one.expires_at > now
        ]

    @without_frames
    def forget_devices(self, *, user_id: str, series: str | None = None) -> int:
        """Trusts one device of this user no more, or none of them: after a change of password, for one.

        :return: how many there were
        """
        owner = self._owner(user_id)
        removed = self.store.remove_devices(owner, series)
        if removed:
            self._emit("devices removed", self._now(), owner, devices=removed)
        return removed

    # Looking after it

    @without_frames
    def status(self, *, user_id: str) -> Status:
        """What there is of a user: for pages, never instead of `verify`."""
        state = self.store.user(self._owner(user_id))
        now = self._now()
        budget = state.budgets["otp"]
        open_at = budget.open_at(now, self._limits)
        return Status(
            factors=tuple(info(factor) for factor in state.factors if factor.state != "pending"),
            pending=tuple(
                info(factor) for factor in state.factors if factor.state == "pending" and factor.expires_at > now
            ),
            enrolled=any(factor.state != "pending" for factor in state.factors),
            recovery_codes=state.recovery_codes,
            disabled=budget.failures >= self._limits.disable_at,
            failures=budget.failures,
            retry_at=moment(open_at) if open_at > now else None,
        )

    @without_frames
    def remove_factor(self, *, user_id: str, factor_id: str) -> FactorInfo:
        """Removes a factor of this user. Ask for fresh authentication before (ASVS 7.5.1). The recovery codes go with
        the last factor.

        :raises NotEnrolled: if this user has no such factor
        """
        owner = self._owner(user_id)
        factor = self.store.remove_factor(owner, _asked(factor_id))
        if factor is None:
            raise NotEnrolled
        self._emit("factor removed", self._now(), owner, factor.factor_id, factor.kind)
        return info(factor)

    @without_frames
    def reset(self, *, user_id: str, by: str) -> int:
        """Removes all that there is of a user: an administrator's way out, after the user was identified anew.

        :param by: who does it, for the event
        :return: how many factors there were
        """
        owner = self._owner(user_id)
        by = _identifier("by", by)
        removed = self.store.reset(owner)
        self._emit("reset", self._now(), owner, by=by, factors=removed)
        return removed

    def factors(self) -> Iterator[FactorInfo]:
        """All factors of this tenant that are not pending, by user."""
        return (info(factor) for factor in maintenance.factors(self.store, self.tenant) if factor.state != "pending")

    def report(self) -> Report:
        """Who should enroll again, whose factor is disabled, and whether it is this server's clock that is wrong."""
        return maintenance.report(self.store, self.tenant)

    def rotate_keys(self, *, progress: Callable[[Rotation], None] | None = None) -> Rotation:
        """Seals every record of the store, of all tenants, with the key that writes now.

        It may be stopped at any point and run again: what is done is skipped, and every record can be read throughout.
        Records that are used are resealed by the way.

        :param progress: called after each batch; what it raises ends the run
        """
        rotation = maintenance.rotate(self.store, self._keyring, progress)
        self._emit("keys rotated", self._now(), Owner("", ""), seen=rotation.seen, resealed=rotation.resealed)
        return rotation

    def retire_key(self, key_id: str) -> None:
        """Returns if no record of the store needs this key any more, so that it can be taken out of the keyring.

        :raises KeyInUse: if some do; it says how many
        """
        maintenance.check_unused(self.store, key_id)

    # Below

    def _outcome(self, user_id: str, code: str) -> Outcome:
        try:
            return Outcome(self.verify(user_id=user_id, code=code))
        except MFAError as error:
            return Outcome(error)

    def _now(self) -> int:
        return int(self.clock() * 1000)

    def _owner(self, user_id: str) -> Owner:
        return Owner(self.tenant, _identifier("user_id", user_id))

    def _add(self, factor: Factor, now: int) -> None:
        if not self.store.add_factor(factor, now, self.policy.max_factors, self.policy.max_pending):
            raise TooManyFactors(f"a user has at most {self.policy.max_factors} factors: remove one first")

    def _shown(self, factor: Factor, account_name: str, now: int) -> Enrollment:
        otp = self._opened(factor, now, self._keyring.reveal, _place(factor), factor.sealed)
        uri = build_uri(
            otp.secret,
            _identifier("account_name", account_name),
            initial_count=0 if otp.kind == "hotp" else None,
            issuer=self.issuer,
            algorithm=otp.algorithm,
            digits=otp.digits,
            period=otp.period if otp.kind == "totp" else None,
        )
        return Enrollment(factor.factor_id, moment(factor.expires_at), uri, otp.secret)

    def _new_codes(self, owner: Owner) -> tuple[RecoveryCodes, list[RecoveryCode]]:
        made = self._keyring.new_recovery_codes(
            owner.tenant, owner.user_id, self.policy.recovery_codes, hashing=self.policy.hashing
        )
        return (
            RecoveryCodes(shown for shown, _, _ in made),
            [RecoveryCode(owner, selector, record) for _, selector, record in made],
        )

    def _imported_code(self, owner: Owner, code: str, now: int) -> RecoveryCode | None:
        """The unused code of another system that this is. It takes as long whether there is one, or any."""
        listed = self.store.recovery_codes(RecoveryCode(owner, IMPORTED, b""), MAX_CODES)
        mine = {one.selector: one for one in listed if one.owner == owner}
        if not mine:
            self._keyring.dummy_check(self.policy.hashing)
            return None
        pairs = [(one.selector, one.sealed) for one in mine.values()]
        find = self._keyring.find_recovery_code
        selector = self._opened(next(iter(mine.values())), now, find, owner.tenant, owner.user_id, pairs, code)
        return mine[selector] if selector else None

    def _hashed_codes(self, owner: Owner, user: ImportedUser) -> tuple[RecoveryCode, ...]:
        if not user.recovery_codes:
            return ()
        hashed = self._keyring.hash_recovery_codes(
            owner.tenant, owner.user_id, user.recovery_codes, hashing=self.policy.hashing
        )
        return tuple(RecoveryCode(owner, selector, record) for selector, record in hashed)

    def _taken_over(self, owner: Owner, imported: ImportedFactor, now: int) -> Factor:
        legacy = is_legacy(imported, self.policy)
        factor_id = _identifier("factor_id", imported.factor_id) if imported.factor_id else _new_id()
        record = self._keyring.seal(
            (owner.tenant, owner.user_id, factor_id),
            secret_bytes(imported.secret),
            kind=imported.kind,
            algorithm=imported.algorithm,
            digits=imported.digits,
            period=imported.period,
        )
        last_step = imported.last_step
        if last_step is None:
            last_step = NEVER_USED if imported.kind == "hotp" else now // 1000 // imported.period + self.policy.window
        return Factor(
            owner,
            factor_id,
            imported.kind,
            _name(imported.name),
            "active",
            record,
            legacy,
            created_at=now,
            expires_at=0,
            last_step=last_step,
        )

    def _reserve(
        self, owner: Owner, method: Method, now: int, *, factor_id: str = "", selector: str = ""
    ) -> Reservation:
        answer = self.store.reserve(owner, method, now, self._limits, factor_id=factor_id, selector=selector)
        if isinstance(answer, Reservation):
            return answer
        if answer.clock_was_ahead:
            self._emit("clock was ahead", now, owner, factor_id, method)
        self._refused(answer, owner, method, now, factor_id)

    def _refused(self, refusal: Refusal, owner: Owner, method: Method, now: int, factor_id: str) -> NoReturn:
        if refusal.reason == "throttled":
            retry_at = moment(refusal.retry_at)
            self._emit("throttled", now, owner, factor_id, method, retry_at=retry_at)
            raise Throttled(retry_at)
        self._emit(_REFUSED[method], now, owner, factor_id, method, reason=refusal.reason)
        if refusal.reason == "disabled":
            raise FactorDisabled
        raise EnrollmentExpired if method == "enrollment" else NotEnrolled

    def _match(self, factor: Factor, digits: str, now: int, past_steps: int | None = None) -> tuple[int | None, int]:
        """The step that the code is of and the drift, or None: of all steps of the window, without saying which."""
        place, window = _place(factor), self.policy.window
        if factor.kind == "hotp":
            expected = factor.last_step + 1
            match, look_ahead = self._keyring.match_hotp, self.policy.hotp_look_ahead
            counter = self._opened(factor, now, match, place, factor.sealed, digits, expected, look_ahead)
            return counter, 0 if counter is None else counter - expected
        current, step = self._opened(
            factor,
            now,
            self._keyring.match_totp,
            place,
            factor.sealed,
            digits,
            now // 1000,
            window if past_steps is None else self._checked_steps(past_steps),
            window,
        )
        if factor.last_step > current + window:
            # Accepted when the clock was ahead. No earlier code is accepted, whatever the clock says now: the way out
            # is a recovery code, a reset, or time.
            self._emit("clock was ahead", now, factor.owner, factor.factor_id, factor.kind, last_step=factor.last_step)
        # A code that was sent says nothing of a device's clock.
        return step, 0 if step is None or past_steps is not None else step - current

    def _checked_steps(self, past_steps: int) -> int:
        most = self.policy.max_past_steps
        if type(past_steps) is not int or not 0 <= past_steps <= most:
            raise PolicyError(f"past_steps must be a whole number from 0 to {most}")
        return past_steps

    def _accept(self, reservation: Reservation, factor: Factor, step: int, drift: int, now: int) -> bool:
        if step <= factor.last_step:
            return False
        resealed = self._keyring.reseal(_place(factor), "otp", factor.sealed)
        return self.store.accept(reservation, factor.factor_id, step, drift, now, resealed)

    def _opened(
        self,
        record: Factor | RecoveryCode,
        now: int,
        use: Callable[_P, _T],
        /,
        *arguments: _P.args,
        **options: _P.kwargs,
    ) -> _T:
        """What the keyring makes of a record."""
        try:
            return use(*arguments, **options)
        except vault.SealedRecordError as error:
            place = record.factor_id if isinstance(record, Factor) else ""
            self._emit("sealed record refused", now, record.owner, place, reason=error.reason)
            raise SealedRecordError(str(error)) from None

    def _refuse(self, reservation: Reservation, now: int, reason: str, factor_id: str = "") -> NoReturn:
        """Ends an attempt that stays counted."""
        budget, limits, owner, method = reservation.budget, self._limits, reservation.owner, reservation.method
        open_at = budget.open_at(now, limits)
        retry_at = moment(open_at) if open_at > now else None
        evidence = {"reason": reason, "failures": budget.failures, "retry_at": retry_at}
        self._emit(_REFUSED[method], now, owner, factor_id, method, **evidence)
        if budget.failures >= limits.disable_at:
            self._emit("disabled", now, owner, factor_id, method, failures=budget.failures)
            raise FactorDisabled
        left = min(limits.free + 1, limits.disable_at) - budget.failures
        raise InvalidCode(0 if retry_at else max(left, 0), retry_at)

    def _emit(
        self, kind: events.Kind, now: int, owner: Owner, factor_id: str = "", method: str = "", /, **detail: object
    ) -> None:
        event = events.Event(kind, moment(now), owner.tenant, owner.user_id, factor_id, method, detail)
        events.log(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:
                events.failed_sink(event)


_REFUSED: dict[Method, events.Kind] = {
    "otp": "refused",
    "recovery": "recovery refused",
    "enrollment": "enrollment refused",
}


def info(factor: Factor) -> FactorInfo:
    """A factor, as a page may show it."""
    return FactorInfo(
        user_id=factor.owner.user_id,
        factor_id=factor.factor_id,
        kind=factor.kind,
        name=factor.name,
        state=factor.state,
        created_at=moment(factor.created_at),
        last_used_at=moment(factor.last_used_at) if factor.last_used_at else None,
        drift=factor.drift,
        legacy=factor.legacy,
    )


def _place(factor: Factor) -> tuple[str, str, str]:
    return factor.owner.tenant, factor.owner.user_id, factor.factor_id


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


def _new_id() -> str:
    return secrets.token_hex(16)


def _asked(factor_id: str) -> str:
    # An empty one would mean any.
    if not isinstance(factor_id, str) or not factor_id:
        raise NotEnrolled
    return factor_id


def _name(name: str) -> str:
    return _identifier("name", name) if name else ""


def is_identifier(text: str) -> bool:
    """Whether a text can be an id or a name: 1 to 255 printable characters, without space at its ends."""
    return 0 < len(text) <= 255 and text == text.strip() and text.isprintable()


def _identifier(what: str, text: str) -> str:
    """Refuses what databases cut, fold or choke on: two users must never become one."""
    if not isinstance(text, str):
        raise InvalidIdentifier(f"{what} must be a str")
    if not is_identifier(text):
        raise InvalidIdentifier(f"{what} must be 1 to 255 printable characters, without space at its ends")
    return text
