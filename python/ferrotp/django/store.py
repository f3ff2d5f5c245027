"""The store in the site's own database, by Django's ORM.

Each decision is a transaction of its own on a connection of its own (`ferrotp.django.connections`), and is made under a
lock on the user's row of `Budget`, or by one conditional update.

What a login runs stands here as text: to make a statement anew each time takes the ORM longer than SQLite to run it.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from django.db import IntegrityError, connections, transaction
from django.db.models import BinaryField, Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Greatest

from ferrotp.mfa.errors import FactorExists, PasskeyTaken, StoreUnavailable
from ferrotp.mfa.stores.again import Undone, again_if_undone, is_made_again
from ferrotp.mfa.stores.base import (
    METHODS,
    NEVER_BOUND,
    TIMEOUT,
    Acceptance,
    Audit,
    AuditAppend,
    AuditRow,
    Confirmation,
    Decide,
    Limits,
    Method,
    NewUser,
    Owner,
    Refusal,
    Reservation,
    UserState,
    charge,
    check_not_last,
    check_passkey,
    check_room,
    check_whole,
    cleans_up,
    is_just_renewed,
    new_epoch,
    refund,
    spend,
    surplus,
    without_others_passkeys,
)
from ferrotp.mfa.stores.base import AnsweredChallenge as AnsweredChallengeRecord
from ferrotp.mfa.stores.base import AuditHead as AuditHeadRecord
from ferrotp.mfa.stores.base import Budget as BudgetRecord
from ferrotp.mfa.stores.base import Factor as FactorRecord
from ferrotp.mfa.stores.base import RecoveryCode as RecoveryCodeRecord
from ferrotp.mfa.stores.base import TrustedDevice as TrustedDeviceRecord

from . import scripts
from .connections import ASK_WRITABLE, StoreConnections, is_writable_file
from .models import (
    AnsweredChallenge,
    AuditEntry,
    AuditHead,
    Budget,
    EndedLogin,
    Factor,
    Passkey,
    RecoveryCode,
    TrustedDevice,
    UserEpoch,
)
from .scripts import Rows, Statement

T = TypeVar("T")


class DjangoStore:
    """Factors, recovery codes, budgets and trusted devices in a database that Django knows.

    :param using: its alias: SQLite in a file, PostgreSQL, MariaDB or MySQL
    :param timeout: seconds within which each operation answers or raises `StoreUnavailable`

    It decides on a connection of its own, and raises `StoreRefused` inside of a caller's ``transaction.atomic()``,
    whose rollback would undo nothing. The transaction that ``ATOMIC_REQUESTS`` puts around a view is not the caller's
    doing: there it decides beside it.
    """

    _inside_transactions = False

    def __init__(self, using: str = "default", *, timeout: float = TIMEOUT) -> None:
        if not 0 < timeout <= 60:
            raise ValueError("timeout: seconds, more than 0 and at most 60")
        self.timeout = timeout
        self._connections = StoreConnections(using, timeout, inside_transactions=self._inside_transactions)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @property
    def alias(self) -> str:
        """Of the database."""
        return self._connections.alias

    @property
    def schema(self) -> str:
        """In which it works at this moment, where each customer has one (django-tenants)."""
        return str(getattr(connections[self.alias], "schema_name", ""))

    def prepare(self) -> bool:
        """Sees that the tables are there. ``manage.py migrate`` makes them."""
        with self._connections.transaction(reading=True) as using:
            for model in _MODELS:
                model.objects.using(using).exists()
        return False

    def close(self) -> None:
        self._connections.pool.close()

    def _records(self, *, reading: bool = False) -> AbstractContextManager[str]:
        """The transaction of what does not answer a code: `OutsideTransactionStore` has another."""
        return self._connections.transaction(reading=reading)

    @again_if_undone
    def add_factor(
        self, factor: FactorRecord, now: int, max_factors: int, max_pending: int, *, audit: Audit | None = None
    ) -> bool:
        with self._records() as using:
            is_pending = factor.state == "pending"
            _lock_or_make(using, factor.owner, NEVER_BOUND if is_pending else 0)
            mine = _factors_of(using, factor.owner)
            if any(other.factor_id == factor.factor_id for other in mine):
                _undo(using)
                raise FactorExists
            if sum(other.state != "pending" for other in mine) >= max_factors:
                return _undo(using)
            pending = [other for other in mine if other.state == "pending"]
            gone = [other.factor_id for other in surplus(pending, now, max_pending - is_pending)]
            if gone:
                _of(Factor, using, factor.owner).filter(factor_id__in=gone).delete()
            Factor.of(factor).save(using=using, force_insert=True)
            if is_pending:
                _of(Budget, using, factor.owner).filter(method="enrollment", failures__gt=0).update(
                    failures=0, retry_at=0
                )
            else:
                _note_bound(using, factor.owner)
                _make_epochs(using, [factor.owner])
            return _recorded(using, audit, True)

    def add_users(self, users: Sequence[NewUser], *, audit: Audit | None = None) -> list[bool]:
        added: list[bool] = []
        for start in range(0, len(users), _AT_ONCE):

            def audit_some(some: list[bool], start: int = start) -> Sequence[AuditAppend]:
                after = len(users) - start - len(some)
                return () if audit is None else audit([False] * start + some + [False] * after)

            added += self._add_some(users[start : start + _AT_ONCE], audit and audit_some)
        if audit is not None:
            audit(added)  # each was written with its part; this one is what it has come to
        return added

    def _add_some(self, users: Sequence[NewUser], audit: Audit | None) -> list[bool]:
        while True:
            with suppress(PasskeyTaken):  # another user came with one at this moment: it is seen the next time
                return self._add_new(users, audit)

    @again_if_undone
    def _add_new(self, users: Sequence[NewUser], audit: Audit | None) -> list[bool]:
        """:raises PasskeyTaken: in between; nothing has changed"""
        first = {user.owner: user for user in reversed(users)}
        ordered = [first[owner] for owner in sorted(first, key=lambda owner: (owner.tenant, owner.user_id))]
        with self._connections.transaction() as using:
            coming = {id(user) for user in without_others_passkeys(ordered, partial(_owner_of_passkey, using))}
            added = iter(_add_users(using, [user for user in ordered if id(user) in coming]))
            came = {id(user) for user in ordered if id(user) in coming and next(added)}
            return _recorded(using, audit, [id(user) in came for user in users])

    @again_if_undone
    def reserve(
        self,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        *,
        factor_id: str = "",
        selector: str = "",
        audit: Audit | None = None,
    ) -> Reservation | Refusal:
        with self._connections.transaction() as using:
            kept, answer, _ = _counted(using, owner, method, now, limits, factor_id)
            if isinstance(answer, Reservation) and method == "recovery":
                rows = _of(RecoveryCode, using, owner).filter(selector=selector).values_list("sealed", flat=True)
                code = next((RecoveryCodeRecord(owner, selector, bytes(sealed)) for sealed in rows), None)
                answer = replace(answer, factors=(), recovery_code=code)
            if kept is not None:
                _keep(using, owner, method, kept)
            return _recorded(using, audit, answer)

    def budget(self, owner: Owner, method: Method) -> BudgetRecord:
        # Where a decision would look; but a file that a caller's transaction has changed is open to that one alone.
        on_file = connections[self.alias].vendor == "sqlite"
        with self._records(reading=True) if on_file else self._connections.statement() as using:
            rows = _read(using, _BUDGET, owner.tenant, owner.user_id, method)
        return BudgetRecord(*rows[0]) if rows else BudgetRecord()

    @again_if_undone
    def spend(self, owner: Owner, method: Method, now: int, limits: Limits) -> int:
        with self._connections.transaction() as using:
            budget = _lock(using, owner, method)
            if budget is None:
                return 0
            left, open_at = spend(budget, now, limits)
            if not open_at:
                _of(Budget, using, owner).filter(method=method).update(spent_until=left.spent_until)
            return open_at

    @again_if_undone
    def attempt(
        self,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        decide: Decide,
        *,
        factor_id: str = "",
        login_id: str = "",
        audit: Audit | None = None,
    ) -> Reservation | Refusal:
        failure: BaseException | None = None
        with self._connections.transaction() as using:
            kept, answer, codes = _counted(using, owner, method, now, limits, factor_id, login_id)
            if isinstance(answer, Reservation):
                answer = replace(answer, recovery_codes=codes)
            # A SQLite file that is read-only lets a transaction begin, and fails at the first change: so the count is
            # written before the code is looked at.
            if kept is not None and connections[using].vendor == "sqlite":
                _keep(using, owner, method, kept)
                kept = None
            found = None
            if isinstance(answer, Reservation):
                try:
                    found = answer.newer(decide(answer))
                except BaseException as error:
                    failure = error
            if found is not None and isinstance(answer, Reservation):
                factor, accepted = found
                kept = refund(answer.budget, limits)
                _advance(using, factor, accepted, now)
                answer = replace(answer, accepted=accepted)
            if kept is not None:
                _keep(using, owner, method, kept)
            _recorded(using, audit, answer)
        if failure is not None:
            raise failure
        return answer

    @again_if_undone
    def unlock(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> bool:
        owner = reservation.owner
        changes = _changes(reservation, accepted, now)
        with self._connections.transaction() as using:
            codes = _lock(using, owner, "otp")
            advanced = (
                codes is not None
                and codes.failures < disable_at
                and _of(Factor, using, owner)
                .filter(factor_id=accepted.factor_id, state="active", last_step__lt=accepted.step - 1)
                .update(**changes)
            )
            if not advanced:
                return _undo(using)
            _of(Budget, using, owner).filter(method="otp").update(failures=0, retry_at=0)
            _refund(using, reservation)
            return _recorded(using, audit, True)

    @again_if_undone
    def confirm(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        codes: Sequence[RecoveryCodeRecord],
        max_factors: int,
        only_first: bool = False,
        name: str = "",
        *,
        audit: Audit | None = None,
    ) -> Confirmation | None:
        owner = reservation.owner
        named = {"name": name} if name else {}
        with self._connections.transaction() as using:
            budget = _lock(using, owner, "otp")
            others = [factor for factor in _factors_of(using, owner) if factor.factor_id != accepted.factor_id]
            confirmed = budget is not None and (
                _of(Factor, using, owner)
                .filter(factor_id=accepted.factor_id, state="pending", expires_at__gt=now)
                .update(state="active", last_step=accepted.step, drift=accepted.drift, last_used_at=now, **named)
            )
            if budget is None or not confirmed:
                _undo(using)
                return None
            check_room(others, max_factors, only_first)
            _note_bound(using, owner)
            if budget.failures >= reservation.limits.disable_at:
                _of(Budget, using, owner).filter(method="otp").update(failures=0, retry_at=0, spent_until=0)
                used_up = _of(Factor, using, owner).filter(state="active").exclude(factor_id=accepted.factor_id)
                used_up.exclude(kind="passkey").update(state="disabled")
            _make_epochs(using, [owner])
            _refund(using, reservation)
            codes_kept = bool(codes) and not _of(RecoveryCode, using, owner).exists()
            if codes_kept:
                _replace_codes(using, owner, codes)
            return _recorded(using, audit, Confirmation(codes_kept))

    @again_if_undone
    def add_passkey(
        self,
        passkey: FactorRecord,
        answered: AnsweredChallengeRecord,
        now: int,
        codes: Sequence[RecoveryCodeRecord],
        max_factors: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> Confirmation | None:
        owner = passkey.owner
        with self._connections.transaction() as using:
            _lock_or_make(using, owner)
            if not _answer(using, answered, now):
                _undo(using)
                return None
            check_passkey(_factors_of(using, owner), passkey, max_factors, only_first)
            if not _claim(using, owner, passkey.factor_id):
                raise PasskeyTaken
            Factor.of(passkey).save(using=using, force_insert=True)
            _note_bound(using, owner)
            _make_epochs(using, [owner])
            codes_kept = bool(codes) and not _of(RecoveryCode, using, owner).exists()
            if codes_kept:
                _replace_codes(using, owner, codes)
            return _recorded(using, audit, Confirmation(codes_kept))

    def passkey(self, tenant: str, factor_id: str) -> FactorRecord | None:
        with self._connections.transaction(reading=True) as using:
            owners = Passkey.objects.using(using).filter(tenant=tenant, factor_id=factor_id)
            owner = next((Owner(tenant, user_id) for user_id in owners.values_list("user_id", flat=True)), None)
            if owner is None:
                return None
            rows = _of(Factor, using, owner).filter(factor_id=factor_id, kind="passkey").values_list(*_FIELDS)
            return next((_record(owner, *row) for row in rows), None)

    @again_if_undone
    def use_passkey(
        self,
        passkey: FactorRecord,
        answered: AnsweredChallengeRecord,
        counter: int,
        sealed: bytes,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> Literal["accepted", "answered", "changed"]:
        owner = passkey.owner
        with self._connections.transaction() as using:
            codes = _lock(using, owner, "otp")
            if not _answer(using, answered, now):
                _undo(using)
                return "answered"
            # `counts_on` of base.py.
            counts_on = Q(last_step__lt=counter) if counter else Q(last_step=0)
            mine = _of(Factor, using, owner).filter(
                counts_on,
                factor_id=passkey.factor_id,
                kind="passkey",
                state="active",
                sealed=passkey.sealed,
            )
            if codes is None or not mine.update(last_step=counter, sealed=sealed, last_used_at=now):
                _undo(using)
                return "changed"
            if 0 < codes.failures < disable_at:
                _of(Budget, using, owner).filter(method="otp").update(failures=0, retry_at=0)
            return _recorded(using, audit, "accepted")

    @again_if_undone
    def disable_passkey(self, passkey: FactorRecord, *, audit: Audit | None = None) -> bool:
        with self._connections.transaction() as using:
            if audit is not None:
                _lock(using, passkey.owner, "otp")
            mine = _of(Factor, using, passkey.owner).filter(factor_id=passkey.factor_id)
            return _recorded(using, audit, bool(mine.filter(kind="passkey", state="active").update(state="disabled")))

    @again_if_undone
    def redeem(self, reservation: Reservation, selector: str, now: int, *, audit: Audit | None = None) -> int | None:
        owner, read = reservation.owner, reservation.recovery_code
        if read is None or read.selector != selector:
            return None
        with self._connections.transaction() as using:
            _lock(using, owner, "otp")
            taken, _ = _of(RecoveryCode, using, owner).filter(selector=selector, sealed=read.sealed).delete()
            if not taken:
                _undo(using)
                return None
            _refund(using, reservation)
            return _recorded(using, audit, int(_of(RecoveryCode, using, owner).count()))

    @again_if_undone
    def replace_recovery_codes(
        self,
        owner: Owner,
        codes: Sequence[RecoveryCodeRecord],
        now: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> bool:
        with self._connections.transaction() as using:
            if _lock(using, owner, "otp") is None or not _bound(using, owner):
                return _undo(using)
            if only_first and _of(RecoveryCode, using, owner).exists():
                return _undo(using)
            _replace_codes(using, owner, codes)
            return _recorded(using, audit, True)

    @again_if_undone
    def remove_factor(
        self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False, *, audit: Audit | None = None
    ) -> FactorRecord | None:
        with self._records() as using:
            if _lock(using, owner, "otp") is None:
                return None
            factors = _factors_of(using, owner)
            factor = next((mine for mine in factors if mine.factor_id == factor_id), None)
            if factor is None:
                return None
            if keep_last:
                check_not_last(factors, factor_id)
            _of(Factor, using, owner).filter(factor_id=factor_id).delete()
            if factor.kind == "passkey":
                _of(Passkey, using, owner).filter(factor_id=factor_id).delete()
            if factor.state != "pending":
                _move_epoch(using, owner, epoch)
            if not _bound(using, owner):
                _of(RecoveryCode, using, owner).delete()
            return _recorded(using, audit, factor)

    @again_if_undone
    def reset(self, owner: Owner, *, audit: Audit | None = None) -> int:
        with self._connections.transaction() as using:
            # Made, if it is not there: another process may be adding the first factor just now.
            _lock_or_make(using, owner)
            gone, _ = _of(Factor, using, owner).delete()
            for model in (RecoveryCode, TrustedDevice, UserEpoch, EndedLogin, Passkey, Budget):
                _of(model, using, owner).delete()
            return _recorded(using, audit, int(gone))

    @again_if_undone
    def delete_users(self, owners: Sequence[Owner], *, audit: Audit | None = None) -> list[int]:
        gone: Counter[Owner] = Counter()
        with self._connections.transaction() as using:
            for tenant in sorted({owner.tenant for owner in owners}):
                ids = {owner.user_id for owner in owners if owner.tenant == tenant}
                gone += _delete_users(using, tenant, ids)
            return _recorded(using, audit, [gone.pop(owner, 0) for owner in owners])

    @again_if_undone
    def move_epoch(self, owner: Owner, epoch: str, was: str | None, *, audit: Audit | None = None) -> int | None:
        with self._connections.transaction() as using:
            _lock(using, owner, "otp")
            if was is not None and _epoch_of(using, owner) != was:
                return None
            return _recorded(using, audit, _move_epoch(using, owner, epoch))

    def epoch(self, owner: Owner) -> str:
        with self._records(reading=True) as using:
            kept = _epoch_of(using, owner)
        return kept or self.user(owner).epoch

    @again_if_undone
    def add_device(
        self, device: TrustedDeviceRecord, now: int, max_devices: int, *, audit: Audit | None = None
    ) -> bool:
        owner = device.owner
        with self._connections.transaction() as using:
            if _lock(using, owner, "otp") is None or not _of(Factor, using, owner).filter(state="active").exists():
                return _undo(using)
            mine = sorted(_devices_of(using, owner), key=lambda other: (other.last_used_at, other.series))
            gone = [other.series for other in surplus(mine, now, max_devices - 1)]
            if gone:
                _of(TrustedDevice, using, owner).filter(series__in=gone).delete()
            TrustedDevice(
                tenant=owner.tenant,
                user_id=owner.user_id,
                series=device.series,
                name=device.name,
                token_hash=device.token_hash,
                earlier_hash=b"",
                created_at=device.created_at,
                expires_at=device.expires_at,
                last_used_at=device.last_used_at,
            ).save(using=using, force_insert=True)
            return _recorded(using, audit, True)

    @again_if_undone
    def use_device(
        self,
        owner: Owner,
        series: str,
        token_hash: bytes,
        next_hash: bytes,
        now: int,
        grace: int,
        *,
        audit: Audit | None = None,
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        with self._connections.transaction() as using:
            _lock(using, owner, "otp")
            _of(TrustedDevice, using, owner).filter(series=series, expires_at__lte=now).delete()
            device = _of(TrustedDevice, using, owner).filter(series=series).first()
            if device is None:
                return _recorded(using, audit, "unknown")
            to_come, before = bytes(device.token_hash), bytes(device.earlier_hash)
            just_renewed = before != b"" and is_just_renewed(device.last_used_at, now, grace)
            if to_come == token_hash and not just_renewed:
                _of(TrustedDevice, using, owner).filter(series=series).update(
                    token_hash=next_hash, earlier_hash=token_hash, last_used_at=now
                )
                return _recorded(using, audit, "renewed")
            if just_renewed and token_hash in (to_come, before):
                return "same"
            _of(TrustedDevice, using, owner).delete()
            return _recorded(using, audit, "stolen")

    def devices(self, owner: Owner) -> list[TrustedDeviceRecord]:
        with self._connections.transaction(reading=True) as using:
            return sorted(_devices_of(using, owner), key=lambda device: (device.created_at, device.series))

    @again_if_undone
    def remove_devices(self, owner: Owner, series: str | None, *, audit: Audit | None = None) -> int:
        with self._connections.transaction() as using:
            _lock(using, owner, "otp")
            mine = _of(TrustedDevice, using, owner)
            removed, _ = (mine if series is None else mine.filter(series=series)).delete()
            return _recorded(using, audit, int(removed))

    @again_if_undone
    def end_half_login(self, owner: Owner, login_id: str, expires_at: int, now: int) -> None:
        ended = EndedLogin(tenant=owner.tenant, user_id=owner.user_id, login_id=login_id, expires_at=expires_at)
        with self._connections.transaction() as using:
            EndedLogin.objects.using(using).bulk_create([ended], ignore_conflicts=True)
            EndedLogin.objects.using(using).filter(expires_at__lte=now).delete()

    def has_ended(self, owner: Owner, login_id: str) -> bool:
        with self._connections.statement() as using:
            return bool(_read(using, _ENDED, owner.tenant, owner.user_id, login_id))

    @again_if_undone
    def user(self, owner: Owner) -> UserState:
        with self._records(reading=True) as using:
            whose = owner.tenant, owner.user_id
            ask_writable = ASK_WRITABLE.get(connections[using].vendor)
            asked = [(_BUDGETS, whose), (_USER, whose * 4), *([(ask_writable, ())] if ask_writable else [])]
            rows, found, *more = _read_all(using, *asked)
            rows = [row for row in rows if row[0] in METHODS]
            budgets: dict[Method, BudgetRecord] = {method: BudgetRecord() for method in METHODS}
            budgets |= {method: BudgetRecord(*row) for method, *row in rows}
            codes, devices, epoch = found[0][:3]
            factors = tuple(_record(owner, *row[3:]) for row in found if row[3] is not None)
            if not (more[0][0][0] if more else is_writable_file(using)):
                raise StoreUnavailable("the database takes no writes here: name the primary")
        check_whole(factors, bool(rows), codes, devices)
        if not epoch and any(factor.state != "pending" for factor in factors):
            with self._connections.transaction() as using:
                _make_epochs(using, [owner])
                epoch = _epoch_of(using, owner)
        return UserState(factors, budgets, codes, epoch or "")

    def factors(self, after: FactorRecord | None, limit: int) -> list[FactorRecord]:
        with self._connections.transaction(reading=True) as using:
            rows = Factor.objects.using(using).order_by("tenant", "user_id", "factor_id")
            if after is not None:
                rows = rows.filter(_after(after.owner, "factor_id", after.factor_id))
            found = rows.values_list("tenant", "user_id", *_FIELDS)[:limit]
            return [_record(Owner(tenant, user_id), *row) for tenant, user_id, *row in found]

    def recovery_codes(self, after: RecoveryCodeRecord | None, limit: int) -> list[RecoveryCodeRecord]:
        with self._connections.transaction(reading=True) as using:
            rows = RecoveryCode.objects.using(using).order_by("tenant", "user_id", "selector")
            if after is not None:
                rows = rows.filter(_after(after.owner, "selector", after.selector))
            return [
                RecoveryCodeRecord(Owner(row.tenant, row.user_id), row.selector, bytes(row.sealed))
                for row in rows[:limit]
            ]

    def reseal(self, changes: "Sequence[tuple[FactorRecord | RecoveryCodeRecord, bytes]]") -> int:
        done = 0
        for start in range(0, len(changes), _AT_ONCE):
            done += self._reseal_some(changes[start : start + _AT_ONCE])
        return done

    @again_if_undone
    def _reseal_some(self, changes: "Sequence[tuple[FactorRecord | RecoveryCodeRecord, bytes]]") -> int:
        with self._connections.transaction() as using:
            return _reseal(using, changes)

    @again_if_undone
    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        with self._connections.transaction() as using:
            _append(using, appends)

    def audit_head(self, owner: Owner) -> AuditHeadRecord:
        with self._connections.transaction(reading=True) as using:
            return _audit_head(using, owner)

    def audit_rows(self, owner: Owner, after: int, limit: int) -> list[AuditRow]:
        with self._connections.transaction(reading=True) as using:
            rows = _of(AuditEntry, using, owner).filter(number__gt=after).order_by("number")
            return [_audit_row(row) for row in rows[:limit]]

    def recent_audit_rows(self, owner: Owner, before: int, limit: int) -> list[AuditRow]:
        with self._connections.transaction(reading=True) as using:
            rows = _of(AuditEntry, using, owner).filter(number__lt=before).order_by("-number")
            return [_audit_row(row) for row in rows[:limit]]

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        with self._connections.transaction(reading=True) as using:
            rows = AuditHead.objects.using(using).order_by("tenant", "user_id")
            if after is not None:
                later = Q(tenant__gt=after.tenant) | Q(tenant=after.tenant, user_id__gt=after.user_id)
                rows = rows.filter(Q(tenant__gte=after.tenant) & later)
            return [Owner(*row) for row in rows.values_list("tenant", "user_id")[:limit]]

    def headless_audit(self, limit: int) -> list[Owner]:
        with self._connections.transaction(reading=True) as using:
            heads = AuditHead.objects.using(using).filter(tenant=OuterRef("tenant"), user_id=OuterRef("user_id"))
            rows = AuditEntry.objects.using(using).filter(~Exists(heads)).values_list("tenant", "user_id")
            return [Owner(*row) for row in rows.distinct()[:limit]]

    @again_if_undone
    def revise_audit(
        self, owner: Owner, read: AuditHeadRecord, head: AuditHeadRecord, rows: Sequence[AuditRow]
    ) -> bool:
        with self._connections.transaction() as using:
            if not _move_head(using, owner, read, head):
                return _undo(using)
            for row in rows:
                _of(AuditEntry, using, owner).filter(number=row.number).update(key_id=row.key_id, mac=row.mac)
            if head.pruned > read.pruned:
                _of(AuditEntry, using, owner).filter(number__lte=head.pruned).delete()
            return True


class OutsideTransactionStore(DjangoStore):
    """For packages that check codes inside of a transaction, as django-otp does.

    What a code comes to is decided outside of that transaction, and stays whatever becomes of it. A factor is added and
    removed inside of it, with the package's own row for the device: both are there, or neither.
    """

    _inside_transactions = True

    @contextmanager
    def _records(self, *, reading: bool = False) -> Iterator[str]:
        if reading:
            yield self.alias
            return
        with transaction.atomic(using=self.alias):
            yield self.alias


_MODELS = (
    Factor,
    Budget,
    RecoveryCode,
    TrustedDevice,
    UserEpoch,
    EndedLogin,
    Passkey,
    AnsweredChallenge,
    AuditEntry,
    AuditHead,
)

_AT_ONCE = 100
"""Records that are resealed, or users who come, in one transaction: a server that is far away has its deadline, too."""


def _of(model: Any, using: str, owner: Owner) -> Any:
    return model.objects.using(using).filter(tenant=owner.tenant, user_id=owner.user_id)


def _recorded(using: str, audit: Audit | None, answer: T) -> T:
    """The answer, after what the audit has to say of it was written, in the transaction that is open."""
    if audit is not None:
        _append(using, audit(answer))
    return answer


def _append(using: str, appends: Sequence[AuditAppend]) -> None:
    """Who lost already takes turns with the others.

    :raises Undone: if another process has written rows of that user at this moment
    """
    take_turns = is_made_again() and connections[using].features.has_select_for_update
    for append in appends:
        if take_turns:
            _read(using, _HOLD_AUDIT_HEAD, append.owner.tenant, append.owner.user_id)
        read = _audit_head(using, append.owner)
        if not read.number:
            fresh = AuditHead(tenant=append.owner.tenant, user_id=append.owner.user_id)
            AuditHead.objects.using(using).bulk_create([fresh], ignore_conflicts=True)
        head, rows = append.after(read)
        if not _move_head(using, append.owner, read, head):
            raise Undone("another process wrote rows of the audit at this moment")
        AuditEntry.objects.using(using).bulk_create([_entry_of(row) for row in rows])


def _audit_head(using: str, owner: Owner) -> AuditHeadRecord:
    whose = owner.tenant, owner.user_id
    for number, link, pruned, anchor, key_id, mac, last in _read(using, _AUDIT_HEAD, *whose, *whose):
        return AuditHeadRecord(number, bytes(link), pruned, bytes(anchor), key_id, bytes(mac), last)
    return AuditHeadRecord(last=_read(using, _LAST_ENTRY, *whose)[0][0])


def _move_head(using: str, owner: Owner, read: AuditHeadRecord, head: AuditHeadRecord) -> bool:
    """Replaces a head, if it is as it was read."""
    as_read = _of(AuditHead, using, owner).filter(number=read.number, mac=read.mac)
    changes = {"number": head.number, "link": head.link, "pruned": head.pruned, "anchor": head.anchor}
    return bool(as_read.update(**changes, key_id=head.key_id, mac=head.mac))


def _entry_of(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        tenant=row.owner.tenant,
        user_id=row.owner.user_id,
        number=row.number,
        happened_at=row.at,
        kind=row.kind,
        factor_id=row.factor_id,
        method=row.method,
        detail=row.detail,
        address=row.address,
        user_agent=row.user_agent,
        earlier=row.before,
        key_id=row.key_id,
        mac=row.mac,
    )


def _audit_row(entry: AuditEntry) -> AuditRow:
    said = entry.kind, entry.factor_id, entry.method, entry.detail, entry.address, entry.user_agent
    sealed = bytes(entry.earlier), entry.key_id, bytes(entry.mac)
    return AuditRow(Owner(entry.tenant, entry.user_id), entry.number, entry.happened_at, *said, *sealed)


def _owner_of_passkey(using: str, passkey: FactorRecord) -> Owner | None:
    rows = Passkey.objects.using(using).filter(tenant=passkey.owner.tenant, factor_id=passkey.factor_id)
    return next((Owner(passkey.owner.tenant, user_id) for user_id in rows.values_list("user_id", flat=True)), None)


def _claim(using: str, owner: Owner, factor_id: str) -> bool:
    """Makes a passkey a user's, if it is nobody's."""
    if Passkey.objects.using(using).filter(tenant=owner.tenant, factor_id=factor_id).exists():
        return False
    fresh = Passkey(tenant=owner.tenant, factor_id=factor_id, user_id=owner.user_id)
    try:
        fresh.save(using=using, force_insert=True)
    except IntegrityError:  # another user came with it at the same moment
        return False
    return True


def _answer(using: str, answered: AnsweredChallengeRecord, now: int) -> bool:
    """Remembers that a challenge was answered, if it was not. What has expired goes now and then."""
    rows = AnsweredChallenge.objects.using(using)
    fresh = AnsweredChallenge(tenant=answered.tenant, challenge=answered.challenge, expires_at=answered.expires_at)
    if cleans_up():
        rows.filter(expires_at__lte=now).delete()
    before = rows.filter(tenant=answered.tenant, challenge=answered.challenge).exists()
    if before:
        return False
    try:
        fresh.save(using=using, force_insert=True)
    except IntegrityError:  # another process, at the same moment
        return False
    return True


def _lock(using: str, owner: Owner, method: Method) -> BudgetRecord | None:
    """The budget as nobody else changes it until the end of the transaction; None if there is none.

    On SQLite the transaction has the only lock already.
    """
    lock = " FOR UPDATE" if connections[using].features.has_select_for_update else ""
    rows = _read(using, _BUDGET + lock, owner.tenant, owner.user_id, method)
    return BudgetRecord(*rows[0]) if rows else None


class _Seen(NamedTuple):
    """A user as an attempt finds them."""

    budget: BudgetRecord | None
    factors: list[FactorRecord]
    codes: int
    has_ended: bool


def _look(using: str, owner: Owner, method: Method, login_id: str) -> _Seen:
    """The budget, as `_lock` gives it, and what an attempt asks beside it."""
    user = owner.tenant, owner.user_id
    locked = f"{_BUDGET} FOR UPDATE", (*user, method)
    # One after the other: beside a row that was waited for, the others are as they were before the wait.
    if scripts.takes_scripts(connections[using]):
        # PostgreSQL plans them in half the time that it takes for the join.
        ended = [(_ENDED, (*user, login_id))] if login_id else []
        budgets, factors, codes, *ends = _read_all(using, locked, (_FACTORS, user), (_COUNT_CODES, user), *ended)
        budget = BudgetRecord(*budgets[0]) if budgets else None
        return _Seen(budget, [_record(owner, *row) for row in factors], codes[0][0], any(ends))
    if connections[using].features.has_select_for_update:
        budgets, rows = _read_all(using, locked, (_ATTEMPT, (*user, *user, login_id, *user)))
        budget = BudgetRecord(*budgets[0]) if budgets else None
    else:
        rows = _read(using, _ATTEMPT_WITH_BUDGET, *user, *user, login_id, *user, method, *user)
        budget = None if rows[0][0] is None else BudgetRecord(*rows[0][:3])
        rows = [row[3:] for row in rows]
    codes, ended = rows[0][:2]
    return _Seen(budget, [_record(owner, *row[2:]) for row in rows if row[2] is not None], codes, bool(ended))


def _counted(
    using: str, owner: Owner, method: Method, now: int, limits: Limits, factor_id: str, login_id: str = ""
) -> tuple[BudgetRecord | None, Reservation | Refusal, int]:
    """An attempt, by the rule of `charge`, under the lock of its budget.

    Gives the budget, if it is to be written, the answer, and how many recovery codes there are.
    """
    seen = _look(using, owner, method, login_id)
    if seen.budget is None and method == "unlock" and _lock(using, owner, "otp") is not None:
        Budget.objects.using(using).bulk_create([_budget_of(owner, method)], ignore_conflicts=True)
        seen = _look(using, owner, method, login_id)
    if seen.has_ended:
        return None, Refusal("ended"), seen.codes
    if seen.budget is None:
        return None, Refusal("not enrolled"), seen.codes
    found = [factor for factor in seen.factors if _serves(factor, method, now)]
    if method != "recovery" and (factor_id or method == "enrollment"):
        found = [factor for factor in found if factor.factor_id == factor_id]
    if not found:
        return None, Refusal("not enrolled"), seen.codes
    budget, refusal = charge(seen.budget, now, limits)
    answer = refusal or Reservation(owner, method, limits, budget, tuple(found))
    return (budget if budget != seen.budget else None), answer, seen.codes


def _keep(using: str, owner: Owner, method: Method, budget: BudgetRecord) -> None:
    counts = budget.failures, budget.retry_at, budget.spent_until
    _write(using, _KEEP, *counts, owner.tenant, owner.user_id, method)


def _advance(using: str, factor: FactorRecord, accepted: Acceptance, now: int) -> None:
    owner = factor.owner
    if accepted.resealed is not None:
        _of(Factor, using, owner).filter(factor_id=factor.factor_id).update(sealed=accepted.resealed)
    step = accepted.step, accepted.drift, now
    _write(using, _ADVANCE, *step, owner.tenant, owner.user_id, factor.factor_id)


def _lock_or_make(using: str, owner: Owner, spent_until: int = 0) -> None:
    """Locks all budgets of a user, whether they are there or not: one of ``otp`` that is made has so much spent."""
    while _lock(using, owner, "otp") is None:  # another process may remove it in between
        Budget.objects.using(using).bulk_create(
            [_budget_of(owner, method, spent_until if method == "otp" else 0) for method in METHODS],
            ignore_conflicts=True,
        )


def _note_bound(using: str, owner: Owner) -> None:
    """The user has a factor that is not pending, from now on."""
    _of(Budget, using, owner).filter(method="otp", spent_until=NEVER_BOUND).update(spent_until=0)


def _add_users(using: str, users: Sequence[NewUser]) -> list[bool]:
    first = {user.owner: user for user in reversed(users)}
    mine = secrets.randbits(62)
    made = [
        _budget_of(owner, METHODS[0], mine) for owner in sorted(first, key=lambda owner: (owner.tenant, owner.user_id))
    ]
    # Who has a budget already keeps it: by their number those that were made now are told from them.
    Budget.objects.using(using).bulk_create(made, ignore_conflicts=True)
    new = []
    for tenant in sorted({owner.tenant for owner in first}):
        ids = [owner.user_id for owner in first if owner.tenant == tenant]
        rows = Budget.objects.using(using).filter(tenant=tenant, user_id__in=ids, method=METHODS[0])
        # Who has only begun to set up comes, too, and the pending factors go.
        rows.filter(spent_until=NEVER_BOUND).update(spent_until=mine)
        ours = rows.filter(spent_until=mine)
        came = list(ours.values_list("user_id", flat=True))
        ours.update(spent_until=0)
        Factor.objects.using(using).filter(tenant=tenant, user_id__in=came).delete()
        new += [first[Owner(tenant, user_id)] for user_id in came]
    Budget.objects.using(using).bulk_create(
        [_budget_of(user.owner, method) for user in new for method in METHODS[1:]], ignore_conflicts=True
    )
    Factor.objects.using(using).bulk_create([Factor.of(factor) for user in new for factor in user.factors])
    for user in new:
        for factor in user.factors:
            if factor.kind == "passkey" and not _claim(using, user.owner, factor.factor_id):
                raise PasskeyTaken
    _add_codes(using, [code for user in new for code in user.recovery_codes])
    _make_epochs(using, [user.owner for user in new])
    added = {id(user) for user in new}
    return [id(user) in added for user in users]


def _budget_of(owner: Owner, method: Method, spent_until: int = 0) -> Budget:
    return Budget(tenant=owner.tenant, user_id=owner.user_id, method=method, spent_until=spent_until)


def _add_codes(using: str, codes: Sequence[RecoveryCodeRecord]) -> None:
    RecoveryCode.objects.using(using).bulk_create(
        [
            RecoveryCode(
                tenant=code.owner.tenant, user_id=code.owner.user_id, selector=code.selector, sealed=code.sealed
            )
            for code in codes
        ]
    )


def _delete_users(using: str, tenant: str, user_ids: Collection[str]) -> "Counter[Owner]":
    """How many factors those had who had some."""

    def rows_of(model: Any) -> Any:
        return model.objects.using(using).filter(tenant=tenant, user_id__in=user_ids)

    # Who has no budget is not locked: what comes at this moment comes after.
    list(rows_of(Budget).filter(method="otp").order_by("user_id").select_for_update().values_list("pk"))
    gone = Counter(Owner(tenant, user_id) for user_id in rows_of(Factor).values_list("user_id", flat=True))
    for model in (Factor, RecoveryCode, TrustedDevice, UserEpoch, EndedLogin, Passkey, Budget):
        rows_of(model).delete()
    return gone


def _epoch_of(using: str, owner: Owner) -> str:
    return next(iter(_of(UserEpoch, using, owner).values_list("epoch", flat=True)), "")


def _make_epochs(using: str, owners: Sequence[Owner]) -> None:
    """For those who have none."""
    fresh = [UserEpoch(tenant=owner.tenant, user_id=owner.user_id, epoch=new_epoch()) for owner in owners]
    UserEpoch.objects.using(using).bulk_create(fresh, ignore_conflicts=True)


def _move_epoch(using: str, owner: Owner, epoch: str) -> int:
    """How many trusted devices ended with it."""
    devices, _ = _of(TrustedDevice, using, owner).delete()
    UserEpoch.objects.using(using).bulk_create(
        [UserEpoch(tenant=owner.tenant, user_id=owner.user_id, epoch=epoch)],
        update_conflicts=True,
        # MySQL has no way to name the key.
        unique_fields=None if connections[using].vendor == "mysql" else ["tenant", "user_id"],
        update_fields=["epoch"],
    )
    return int(devices)


def _undo(using: str) -> Literal[False]:
    transaction.set_rollback(True, using=using)
    return False


def _changes(reservation: Reservation, accepted: Acceptance, now: int) -> dict[str, Any]:
    """What an accepted code changes of its factor."""
    changes: dict[str, Any] = {"last_step": accepted.step, "drift": accepted.drift, "last_used_at": now}
    was = reservation.sealed(accepted.factor_id)
    if accepted.resealed is not None and was is not None:
        resealed = Value(accepted.resealed, output_field=BinaryField())
        changes["sealed"] = Case(When(sealed=was, then=resealed), default=F("sealed"))
    return changes


def _serves(factor: FactorRecord, method: Method, now: int) -> bool:
    if method == "enrollment":
        return factor.state == "pending" and factor.expires_at > now
    return factor.state == "active" if method in ("otp", "unlock") else factor.state != "pending"


def _factors_of(using: str, owner: Owner) -> list[FactorRecord]:
    return [_record(owner, *row) for row in _read(using, _FACTORS, owner.tenant, owner.user_id)]


_FIELDS = (
    "factor_id",
    "kind",
    "name",
    "state",
    "sealed",
    "legacy",
    "created_at",
    "expires_at",
    "last_step",
    "drift",
    "last_used_at",
)


_BUDGET = (
    "SELECT failures, retry_at, spent_until FROM ferrotp_django_budget"
    " WHERE tenant = %s AND user_id = %s AND method = %s"
)
_BUDGETS = (
    "SELECT method, failures, retry_at, spent_until FROM ferrotp_django_budget WHERE tenant = %s AND user_id = %s"
)
_KEEP = (
    "UPDATE ferrotp_django_budget SET failures = %s, retry_at = %s, spent_until = %s"
    " WHERE tenant = %s AND user_id = %s AND method = %s"
)
_FACTOR = "factor_id, kind, name, state, sealed, legacy, created_at, expires_at, last_step, drift, last_used_at"
_ORDER = " ORDER BY created_at, factor_id"
_FACTORS = f"SELECT {_FACTOR} FROM ferrotp_django_factor WHERE tenant = %s AND user_id = %s{_ORDER}"  # noqa: S608
# What is asked beside the factors stands in each of their rows, and in one without a factor where there is none.
_AND_FACTORS = f" LEFT JOIN ferrotp_django_factor AS factor ON factor.tenant = %s AND factor.user_id = %s{_ORDER}"
_COUNT_CODES = "SELECT COUNT(*) FROM ferrotp_django_recovery_code WHERE tenant = %s AND user_id = %s"
_CODES = f"({_COUNT_CODES}) AS codes"
_USER = (
    f"SELECT codes, devices, epoch, {_FACTOR} FROM (SELECT {_CODES},"  # noqa: S608
    " (SELECT COUNT(*) FROM ferrotp_django_trusted_device WHERE tenant = %s AND user_id = %s) AS devices,"
    f" (SELECT epoch FROM ferrotp_django_user_epoch WHERE tenant = %s AND user_id = %s) AS epoch) AS kept{_AND_FACTORS}"
)
_ASKED = (
    f" FROM (SELECT {_CODES}, (SELECT COUNT(*) FROM ferrotp_django_ended_login"  # noqa: S608
    " WHERE tenant = %s AND user_id = %s AND login_id = %s) AS ended) AS asked"
)
_ATTEMPT = f"SELECT codes, ended, {_FACTOR}{_ASKED}{_AND_FACTORS}"
_ATTEMPT_WITH_BUDGET = (
    f"SELECT failures, retry_at, spent_until, codes, ended, {_FACTOR}{_ASKED}"
    " LEFT JOIN ferrotp_django_budget AS budget ON budget.tenant = %s AND budget.user_id = %s AND budget.method = %s"
    f"{_AND_FACTORS}"
)
_ADVANCE = (
    "UPDATE ferrotp_django_factor SET last_step = %s, drift = %s, last_used_at = %s"
    " WHERE tenant = %s AND user_id = %s AND factor_id = %s"
)
_LAST_ENTRY = "SELECT COALESCE(MAX(number), 0) FROM ferrotp_django_audit_entry WHERE tenant = %s AND user_id = %s"
_AUDIT_HEAD = (
    f"SELECT number, link, pruned, anchor, key_id, mac, ({_LAST_ENTRY})"  # noqa: S608 - a text of ours
    " FROM ferrotp_django_audit_head WHERE tenant = %s AND user_id = %s"
)
_HOLD_AUDIT_HEAD = "SELECT 1 FROM ferrotp_django_audit_head WHERE tenant = %s AND user_id = %s FOR UPDATE"
_BINARY = ("sealed", "link", "anchor", "mac")
_ENDED = "SELECT 1 FROM ferrotp_django_ended_login WHERE tenant = %s AND user_id = %s AND login_id = %s"


def _read(using: str, sql: str, *values: Any) -> Rows:
    return _read_all(using, (sql, values))[0]


def _read_all(using: str, *statements: Statement) -> list[Rows]:
    connection = connections[using]
    if connection.vendor != "mysql":
        return scripts.read_all(connection, statements)
    return scripts.read_all(connection, [(sql, _as_bytes(values)) for sql, values in statements], _with_texts)


def _with_texts(cursor: Any) -> Rows:
    """Texts are bytes there (`ExactTextField`), as is what is sealed."""
    names = [column[0] for column in cursor.description]
    return [
        tuple(
            value.decode() if isinstance(value, bytes) and name not in _BINARY else value
            for name, value in zip(names, row, strict=True)
        )
        for row in cursor.fetchall()
    ]


def _write(using: str, sql: str, *values: Any) -> None:
    connection = connections[using]
    scripts.write(connection, (sql, _as_bytes(values) if connection.vendor == "mysql" else values))


def _as_bytes(values: Sequence[Any]) -> tuple[Any, ...]:
    """As `ExactTextField` has texts there."""
    return tuple(value.encode() if isinstance(value, str) else value for value in values)


def _record(
    owner: Owner, factor_id: str, kind: Any, name: str, state: Any, sealed: Any, legacy: object, *more: Any
) -> FactorRecord:
    return FactorRecord(owner, factor_id, kind, name, state, bytes(sealed), bool(legacy), *more)


def _bound(using: str, owner: Owner) -> bool:
    return bool(_of(Factor, using, owner).exclude(state="pending").exists())


def _devices_of(using: str, owner: Owner) -> list[TrustedDeviceRecord]:
    return [
        TrustedDeviceRecord(
            owner,
            row.series,
            row.name,
            bytes(row.token_hash),
            row.created_at,
            row.expires_at,
            row.last_used_at,
        )
        for row in _of(TrustedDevice, using, owner)
    ]


def _refund(using: str, reservation: Reservation) -> None:
    """`ferrotp.mfa.stores.base.refund`, in the database."""
    _of(Budget, using, reservation.owner).filter(method=reservation.method).update(
        failures=0, retry_at=0, spent_until=Greatest(F("spent_until") - reservation.limits.cost, Value(0))
    )


def _replace_codes(using: str, owner: Owner, codes: Sequence[RecoveryCodeRecord]) -> None:
    _of(RecoveryCode, using, owner).delete()
    _add_codes(using, codes)
    _of(Budget, using, owner).filter(method="recovery").update(failures=0, retry_at=0, spent_until=0)


def _reseal(using: str, changes: "Sequence[tuple[FactorRecord | RecoveryCodeRecord, bytes]]") -> int:
    # By tenant as well, for the index: a server may lock each row that it looks at.
    tenants, users = ({getattr(read.owner, name) for read, _ in changes} for name in ("tenant", "user_id"))
    budgets = Budget.objects.using(using).filter(tenant__in=tenants, user_id__in=users, method="otp")
    locked = budgets.select_for_update()
    list(locked.order_by("tenant", "user_id").values_list("pk"))
    done = 0
    for read, sealed in changes:
        rows = (
            _of(Factor, using, read.owner).filter(factor_id=read.factor_id)
            if isinstance(read, FactorRecord)
            else _of(RecoveryCode, using, read.owner).filter(selector=read.selector)
        )
        done += rows.filter(sealed=read.sealed).update(sealed=sealed)
    return done


def _after(owner: Owner, last: str, value: str) -> Q:
    same_tenant = Q(tenant=owner.tenant)
    same_user = same_tenant & Q(user_id=owner.user_id)
    return (
        Q(tenant__gte=owner.tenant)  # for the index
        & (
            Q(tenant__gt=owner.tenant)
            | same_tenant & Q(user_id__gt=owner.user_id)
            | same_user & Q(**{f"{last}__gt": value})
        )
    )
