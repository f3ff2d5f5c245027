"""A store in this process's memory. For tests only: a second process knows nothing of it, and a restart forgets."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Literal

from ..errors import FactorExists, PasskeyTaken
from .base import (
    METHODS,
    NEVER_BOUND,
    Acceptance,
    AnsweredChallenge,
    Audit,
    AuditAppend,
    AuditHead,
    AuditRow,
    Budget,
    Confirmation,
    Decide,
    Factor,
    Limits,
    Method,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    TrustedDevice,
    UserState,
    advanced,
    charge,
    check_not_last,
    check_passkey,
    check_room,
    check_whole,
    counts_on,
    is_just_renewed,
    new_epoch,
    refund,
    spend,
    surplus,
    without_others_passkeys,
)

_NEVER_BOUND = Budget(spent_until=NEVER_BOUND)


def _audited(decision: Callable[..., Any]) -> Any:
    """A decision with the rows that it makes: both, or neither."""

    @wraps(decision)
    def decided(store: "MemoryStore", *arguments: Any, audit: Audit | None = None, **named: Any) -> Any:
        if audit is None:
            return decision(store, *arguments, **named)
        with store._lock:
            before = {name: value.copy() for name, value in vars(store).items() if isinstance(value, dict)}
            try:
                answer = decision(store, *arguments, **named)
                store.append_audit(audit(answer))
            except BaseException:
                vars(store).update(before)
                raise
            return answer

    return decided


class MemoryStore:
    """Factors, recovery codes and budgets in dictionaries under one lock. For tests only."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._factors: dict[tuple[Owner, str], Factor] = {}
        self._codes: dict[tuple[Owner, str], RecoveryCode] = {}
        self._budgets: dict[tuple[Owner, Method], Budget] = {}
        self._devices: dict[tuple[Owner, str], tuple[TrustedDevice, bytes]] = {}  # with the token before
        self._epochs: dict[Owner, str] = {}
        self._ended: dict[tuple[Owner, str], int] = {}
        self._answered: dict[tuple[str, str], int] = {}
        self._heads: dict[Owner, AuditHead] = {}
        self._rows: dict[tuple[Owner, int], AuditRow] = {}

    def prepare(self) -> bool:
        """Nothing to prepare."""
        return False

    def close(self) -> None:
        """Nothing to close."""

    @_audited
    def add_factor(self, factor: Factor, now: int, max_factors: int, max_pending: int) -> bool:
        with self._lock:
            mine = self._of(factor.owner)
            if (factor.owner, factor.factor_id) in self._factors:
                raise FactorExists
            if sum(kept.state != "pending" for kept in mine) >= max_factors:
                return False
            pending = sorted((kept for kept in mine if kept.state == "pending"), key=lambda kept: kept.created_at)
            for kept in surplus(pending, now, max_pending - (factor.state == "pending")):
                del self._factors[kept.owner, kept.factor_id]
            self._factors[factor.owner, factor.factor_id] = factor
            for method in METHODS:
                fresh = Budget(spent_until=NEVER_BOUND if method == "otp" else 0)
                self._budgets.setdefault((factor.owner, method), fresh)
            if factor.state == "pending":
                kept_budget = self._budgets[factor.owner, "enrollment"]
                self._budgets[factor.owner, "enrollment"] = replace(kept_budget, failures=0, retry_at=0)
            else:
                self._note_bound(factor.owner)
                self._epochs.setdefault(factor.owner, new_epoch())
            return True

    @_audited
    def add_users(self, users: Sequence[NewUser]) -> list[bool]:
        with self._lock:
            return [self._add_user(user) for user in users]

    def _add_user(self, user: NewUser) -> bool:
        owner = user.owner
        if self._budgets.get((owner, "otp"), _NEVER_BOUND) != _NEVER_BOUND:
            return False
        if not without_others_passkeys([user], self._owner_of):
            return False
        for pending in self._of(owner):
            del self._factors[owner, pending.factor_id]
        self._factors.update({(owner, factor.factor_id): factor for factor in user.factors})
        self._codes.update({(owner, code.selector): code for code in user.recovery_codes})
        self._budgets.update({(owner, method): Budget() for method in METHODS})
        self._epochs.setdefault(owner, new_epoch())
        return True

    def _owner_of(self, passkey: Factor) -> Owner | None:
        found = self.passkey(passkey.owner.tenant, passkey.factor_id)
        return None if found is None else found.owner

    @_audited
    def reserve(
        self, owner: Owner, method: Method, now: int, limits: Limits, *, factor_id: str = "", selector: str = ""
    ) -> Reservation | Refusal:
        with self._lock:
            mine = self._of(owner)
            if method == "enrollment":
                found = [kept for kept in mine if kept.state == "pending" and kept.expires_at > now]
            elif method in ("otp", "unlock"):
                found = [kept for kept in mine if kept.state == "active"]
            else:
                found = [kept for kept in mine if kept.state != "pending"]
            if method != "recovery" and (factor_id or method == "enrollment"):
                found = [kept for kept in found if kept.factor_id == factor_id]
            if not found:
                return Refusal("not enrolled")
            budget, refusal = charge(self._budgets.get((owner, method), Budget()), now, limits)
            self._budgets[owner, method] = budget
            if refusal:
                return refusal
            if method == "recovery":
                return Reservation(owner, method, limits, budget, (), self._codes.get((owner, selector)))
            return Reservation(owner, method, limits, budget, tuple(found))

    def budget(self, owner: Owner, method: Method) -> Budget:
        with self._lock:
            return self._budgets.get((owner, method), Budget())

    def spend(self, owner: Owner, method: Method, now: int, limits: Limits) -> int:
        with self._lock:
            budget = self._budgets.get((owner, method))
            if budget is None:
                return 0
            self._budgets[owner, method], open_at = spend(budget, now, limits)
            return open_at

    @_audited
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
    ) -> Reservation | Refusal:
        with self._lock:
            if login_id and (owner, login_id) in self._ended:
                return Refusal("ended")
            answer: Reservation | Refusal = self.reserve(owner, method, now, limits, factor_id=factor_id)
            if isinstance(answer, Refusal):
                return answer
            answer = replace(answer, recovery_codes=self._codes_of(owner))
            found = answer.newer(decide(answer))
            if found is None:
                return answer
            factor, accepted = found
            self._factors[owner, factor.factor_id] = advanced(factor, accepted, now)
            self._refund(answer)
            return replace(answer, accepted=accepted)

    @_audited
    def unlock(self, reservation: Reservation, accepted: Acceptance, now: int, *, disable_at: int) -> bool:
        owner = reservation.owner
        with self._lock:
            factor = self._factors.get((owner, accepted.factor_id))
            codes = self._budgets.get((owner, "otp"), Budget())
            if factor is None or factor.state != "active" or codes.failures >= disable_at:
                return False
            if factor.last_step >= accepted.step - 1:
                return False
            if reservation.sealed(factor.factor_id) != factor.sealed:
                accepted = replace(accepted, resealed=None)
            self._factors[owner, factor.factor_id] = advanced(factor, accepted, now)
            self._budgets[owner, "otp"] = Budget(spent_until=codes.spent_until)
            self._refund(reservation)
            return True

    @_audited
    def confirm(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        codes: Sequence[RecoveryCode],
        max_factors: int,
        only_first: bool = False,
        name: str = "",
    ) -> Confirmation | None:
        owner = reservation.owner
        with self._lock:
            factor = self._factors.get((owner, accepted.factor_id))
            if factor is None or factor.state != "pending" or factor.expires_at <= now:
                return None
            check_room(self._of(owner), max_factors, only_first)
            if self._budgets[owner, "otp"].failures >= reservation.limits.disable_at:
                self._budgets[owner, "otp"] = Budget()
                for kept in self._of(owner):
                    if kept.state == "active" and kept.kind != "passkey":
                        self._factors[owner, kept.factor_id] = replace(kept, state="disabled")
            self._factors[owner, factor.factor_id] = replace(
                factor,
                name=name or factor.name,
                state="active",
                last_step=accepted.step,
                drift=accepted.drift,
                last_used_at=now,
            )
            self._note_bound(owner)
            self._epochs.setdefault(owner, new_epoch())
            self._refund(reservation)
            codes_kept = bool(codes) and not self._codes_of(owner)
            if codes_kept:
                self._replace_codes(owner, codes)
            return Confirmation(codes_kept)

    @_audited
    def add_passkey(
        self,
        passkey: Factor,
        answered: AnsweredChallenge,
        now: int,
        codes: Sequence[RecoveryCode],
        max_factors: int,
        only_first: bool = False,
    ) -> Confirmation | None:
        owner = passkey.owner
        with self._lock:
            if self._was_answered(answered, now):
                return None
            check_passkey(self._of(owner), passkey, max_factors, only_first)
            if self.passkey(owner.tenant, passkey.factor_id) is not None:
                raise PasskeyTaken
            self._answer(answered)
            self._factors[owner, passkey.factor_id] = passkey
            for method in METHODS:
                self._budgets.setdefault((owner, method), Budget())
            self._note_bound(owner)
            self._epochs.setdefault(owner, new_epoch())
            codes_kept = bool(codes) and not self._codes_of(owner)
            if codes_kept:
                self._replace_codes(owner, codes)
            return Confirmation(codes_kept)

    def passkey(self, tenant: str, factor_id: str) -> Factor | None:
        with self._lock:
            for (owner, kept_id), kept in self._factors.items():
                if owner.tenant == tenant and kept_id == factor_id and kept.kind == "passkey":
                    return kept
            return None

    @_audited
    def use_passkey(
        self, passkey: Factor, answered: AnsweredChallenge, counter: int, sealed: bytes, now: int, *, disable_at: int
    ) -> Literal["accepted", "answered", "changed"]:
        owner = passkey.owner
        with self._lock:
            if self._was_answered(answered, now):
                return "answered"
            kept = self._factors.get((owner, passkey.factor_id))
            if (
                kept is None
                or kept.state != "active"
                or kept.kind != "passkey"
                or kept.sealed != passkey.sealed
                or not counts_on(kept, counter)
            ):
                return "changed"
            self._answer(answered)
            self._factors[owner, kept.factor_id] = replace(kept, last_step=counter, sealed=sealed, last_used_at=now)
            codes = self._budgets[owner, "otp"]
            if codes.failures < disable_at:
                self._budgets[owner, "otp"] = Budget(spent_until=codes.spent_until)
            return "accepted"

    @_audited
    def disable_passkey(self, passkey: Factor) -> bool:
        with self._lock:
            kept = self._factors.get((passkey.owner, passkey.factor_id))
            if kept is None or kept.kind != "passkey" or kept.state != "active":
                return False
            self._factors[passkey.owner, passkey.factor_id] = replace(kept, state="disabled")
            return True

    @_audited
    def redeem(self, reservation: Reservation, selector: str, now: int) -> int | None:
        owner = reservation.owner
        with self._lock:
            read = reservation.recovery_code
            if read is None or self._codes.get((owner, selector)) != read:
                return None
            del self._codes[owner, selector]
            self._refund(reservation)
            return self._codes_of(owner)

    @_audited
    def replace_recovery_codes(
        self, owner: Owner, codes: Sequence[RecoveryCode], now: int, only_first: bool = False
    ) -> bool:
        with self._lock:
            if all(kept.state == "pending" for kept in self._of(owner)):
                return False
            if only_first and self._codes_of(owner):
                return False
            self._replace_codes(owner, codes)
            return True

    @_audited
    def remove_factor(self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False) -> Factor | None:
        with self._lock:
            if keep_last:
                check_not_last(self._of(owner), factor_id)
            factor = self._factors.pop((owner, factor_id), None)
            if factor and factor.state != "pending":
                self._move_epoch(owner, epoch)
            if factor and all(kept.state == "pending" for kept in self._of(owner)):
                self._drop_codes(owner)
            return factor

    @_audited
    def reset(self, owner: Owner) -> int:
        with self._lock:
            return self._reset(owner)

    @_audited
    def delete_users(self, owners: Sequence[Owner]) -> list[int]:
        with self._lock:
            return [self._reset(owner) for owner in owners]

    @_audited
    def move_epoch(self, owner: Owner, epoch: str, was: str | None) -> int | None:
        with self._lock:
            if was is not None and self._epochs.get(owner, "") != was:
                return None
            return self._move_epoch(owner, epoch)

    def epoch(self, owner: Owner) -> str:
        with self._lock:
            return self._epochs.get(owner, "")

    @_audited
    def add_device(self, device: TrustedDevice, now: int, max_devices: int) -> bool:
        owner = device.owner
        with self._lock:
            if all(kept.state != "active" for kept in self._of(owner)):
                return False
            mine = sorted(self._devices_of(owner), key=lambda kept: (kept.last_used_at, kept.series))
            for kept in surplus(mine, now, max_devices - 1):
                del self._devices[owner, kept.series]
            self._devices[owner, device.series] = device, b""
            return True

    @_audited
    def use_device(
        self, owner: Owner, series: str, token_hash: bytes, next_hash: bytes, now: int, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        with self._lock:
            device, before = self._devices.get((owner, series), (None, b""))
            if device is None or device.expires_at <= now:
                self._devices.pop((owner, series), None)
                return "unknown"
            just_renewed = before != b"" and is_just_renewed(device.last_used_at, now, grace)
            if device.token_hash == token_hash and not just_renewed:
                renewed = replace(device, token_hash=next_hash, last_used_at=now)
                self._devices[owner, series] = renewed, token_hash
                return "renewed"
            if just_renewed and token_hash in (device.token_hash, before):
                return "same"
            self._drop_devices(owner)
            return "stolen"

    def devices(self, owner: Owner) -> list[TrustedDevice]:
        with self._lock:
            return sorted(self._devices_of(owner), key=lambda kept: (kept.created_at, kept.series))

    @_audited
    def remove_devices(self, owner: Owner, series: str | None) -> int:
        with self._lock:
            if series is None:
                return self._drop_devices(owner)
            return int(self._devices.pop((owner, series), None) is not None)

    def end_half_login(self, owner: Owner, login_id: str, expires_at: int, now: int) -> None:
        with self._lock:
            self._ended = {key: ends for key, ends in self._ended.items() if ends > now}
            self._ended[owner, login_id] = expires_at

    def has_ended(self, owner: Owner, login_id: str) -> bool:
        with self._lock:
            return (owner, login_id) in self._ended

    def user(self, owner: Owner) -> UserState:
        with self._lock:
            factors = tuple(sorted(self._of(owner), key=lambda kept: (kept.created_at, kept.factor_id)))
            codes = self._codes_of(owner)
            check_whole(factors, (owner, "otp") in self._budgets, codes, len(self._devices_of(owner)))
            budgets = {method: self._budgets.get((owner, method), Budget()) for method in METHODS}
            return UserState(factors, budgets, codes, self._epochs.get(owner, ""))

    def factors(self, after: Factor | None, limit: int) -> list[Factor]:
        with self._lock:
            ordered = sorted(self._factors.values(), key=_key_of)
            return [record for record in ordered if after is None or _key_of(record) > _key_of(after)][:limit]

    def recovery_codes(self, after: RecoveryCode | None, limit: int) -> list[RecoveryCode]:
        with self._lock:
            ordered = sorted(self._codes.values(), key=_key_of)
            return [record for record in ordered if after is None or _key_of(record) > _key_of(after)][:limit]

    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        done = 0
        with self._lock:
            for read, sealed in changes:
                if isinstance(read, Factor):
                    factor = self._factors.get((read.owner, read.factor_id))
                    if factor and factor.sealed == read.sealed:
                        self._factors[read.owner, read.factor_id] = replace(factor, sealed=sealed)
                        done += 1
                else:
                    code = self._codes.get((read.owner, read.selector))
                    if code and code.sealed == read.sealed:
                        self._codes[read.owner, read.selector] = replace(code, sealed=sealed)
                        done += 1
        return done

    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        with self._lock:
            for append in appends:
                head, rows = append.after(self.audit_head(append.owner))
                self._heads[append.owner] = replace(head, last=0)
                self._rows.update({(append.owner, row.number): row for row in rows})

    def audit_head(self, owner: Owner) -> AuditHead:
        with self._lock:
            last = max((number for whose, number in self._rows if whose == owner), default=0)
            return replace(self._heads.get(owner, AuditHead()), last=last)

    def audit_rows(self, owner: Owner, after: int, limit: int) -> list[AuditRow]:
        return [row for row in self._rows_of(owner) if row.number > after][:limit]

    def recent_audit_rows(self, owner: Owner, before: int, limit: int) -> list[AuditRow]:
        return [row for row in reversed(self._rows_of(owner)) if row.number < before][:limit]

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        with self._lock:
            ordered = sorted(self._heads, key=lambda owner: (owner.tenant, owner.user_id))
            return [o for o in ordered if after is None or (o.tenant, o.user_id) > (after.tenant, after.user_id)][
                :limit
            ]

    def headless_audit(self, limit: int) -> list[Owner]:
        with self._lock:
            return [*{whose: None for whose, _ in self._rows if whose not in self._heads}][:limit]

    def revise_audit(self, owner: Owner, read: AuditHead, head: AuditHead, rows: Sequence[AuditRow]) -> bool:
        with self._lock:
            there = self._heads.get(owner, AuditHead())
            if (there.number, there.mac) != (read.number, read.mac):
                return False
            self._heads[owner] = replace(head, last=0)
            for row in rows:
                kept = self._rows[owner, row.number]
                self._rows[owner, row.number] = replace(kept, key_id=row.key_id, mac=row.mac)
            for number in [number for whose, number in self._rows if whose == owner and number <= head.pruned]:
                del self._rows[owner, number]
            return True

    def _rows_of(self, owner: Owner) -> list[AuditRow]:
        with self._lock:
            mine = [row for (whose, _), row in self._rows.items() if whose == owner]
        return sorted(mine, key=lambda row: row.number)

    def _of(self, owner: Owner) -> list[Factor]:
        return [kept for (other, _), kept in self._factors.items() if other == owner]

    def _codes_of(self, owner: Owner) -> int:
        return sum(other == owner for other, _ in self._codes)

    def _reset(self, owner: Owner) -> int:
        mine = self._of(owner)
        for kept in mine:
            del self._factors[owner, kept.factor_id]
        self._drop_codes(owner)
        self._drop_devices(owner)
        for place in [place for place in self._budgets if place[0] == owner]:
            del self._budgets[place]
        self._epochs.pop(owner, None)
        self._ended = {key: ends for key, ends in self._ended.items() if key[0] != owner}
        return len(mine)

    def _note_bound(self, owner: Owner) -> None:
        if self._budgets[owner, "otp"] == _NEVER_BOUND:
            self._budgets[owner, "otp"] = Budget()

    def _was_answered(self, answered: AnsweredChallenge, now: int) -> bool:
        self._answered = {key: ends for key, ends in self._answered.items() if ends > now}
        return (answered.tenant, answered.challenge) in self._answered

    def _answer(self, answered: AnsweredChallenge) -> None:
        self._answered[answered.tenant, answered.challenge] = answered.expires_at

    def _refund(self, reservation: Reservation) -> None:
        place = (reservation.owner, reservation.method)
        self._budgets[place] = refund(self._budgets.get(place, Budget()), reservation.limits)

    def _replace_codes(self, owner: Owner, codes: Sequence[RecoveryCode]) -> None:
        self._drop_codes(owner)
        self._codes.update({(owner, code.selector): code for code in codes})
        self._budgets[owner, "recovery"] = Budget()

    def _devices_of(self, owner: Owner) -> list[TrustedDevice]:
        return [kept for (other, _), (kept, _) in self._devices.items() if other == owner]

    def _move_epoch(self, owner: Owner, epoch: str) -> int:
        self._epochs[owner] = epoch
        return self._drop_devices(owner)

    def _drop_devices(self, owner: Owner) -> int:
        mine = self._devices_of(owner)
        for kept in mine:
            del self._devices[owner, kept.series]
        return len(mine)

    def _drop_codes(self, owner: Owner) -> None:
        for place in [place for place in self._codes if place[0] == owner]:
            del self._codes[place]


def _key_of(record: "Factor | RecoveryCode") -> tuple[str, str, str]:
    last = record.factor_id if isinstance(record, Factor) else record.selector
    return record.owner.tenant, record.owner.user_id, last
