"""The factors that a user has: seen, taken out, and removed."""

from collections.abc import Iterable

from .core import Core, existing_factor_id, factor_info, identifier
from .errors import EnrollmentLost, EpochMoved, NotEnrolled, StoreUnavailable, moment
from .results import FactorInfo, RevealedSecret, Status, UserId
from .stores.base import Factor, Owner, new_epoch

DELETED_AT_ONCE = 500
"""Users who are deleted in one transaction of the store, which has a deadline. A size of work, so no policy."""


def status(core: Core, user_id: UserId, enrolled: bool) -> Status:
    """`MFA.status`."""
    owner = core.owner(user_id)
    now = core.now()
    state = core.user(owner, now)
    budget = state.budgets["otp"]
    open_at = budget.open_at(now, core.limits)
    bound = tuple(factor_info(factor) for factor in state.factors if factor.state != "pending")
    if enrolled and not bound:
        core.emit("enrollment lost", now, owner)
        raise EnrollmentLost
    waiting = (factor for factor in state.factors if factor.state == "pending" and factor.expires_at > now)
    return Status(
        factors=bound,
        pending=tuple(map(factor_info, waiting)),
        enrolled=bool(bound),
        recovery_codes=state.recovery_codes,
        disabled=budget.failures >= core.limits.disable_at,
        failures=budget.failures,
        retry_at=moment(open_at) if open_at > now else None,
        epoch=state.epoch,
    )


def find(core: Core, user_id: UserId, factor_id: str) -> FactorInfo:
    """`MFA.factor`."""
    return factor_info(_find(core, core.owner(user_id), factor_id, core.now()))


def reveal(core: Core, user_id: UserId, factor_id: str, by: str) -> RevealedSecret:
    """`MFA.reveal_secret`."""
    owner = core.owner(user_id)
    by = identifier("by", by)
    now = core.now()
    factor = _find(core, owner, factor_id, now)
    if factor.state == "pending" or factor.kind == "passkey":
        raise NotEnrolled
    otp = core.open_record(factor, now, core.keyring.reveal)
    core.emit("secret revealed", now, owner, factor_id, factor.kind, by=by)
    return RevealedSecret(factor_id, otp.kind, otp.algorithm, otp.digits, otp.period, factor.last_step, otp.secret)


def remove(core: Core, user_id: UserId, factor_id: str, epoch: str, keep_last: bool) -> FactorInfo:
    """`MFA.remove_factor`."""
    owner = core.owner(user_id)
    factor = core.store.remove_factor(owner, existing_factor_id(factor_id), epoch or new_epoch(), keep_last)
    if factor is None:
        raise NotEnrolled
    core.emit("factor removed", core.now(), owner, factor.factor_id, factor.kind)
    return factor_info(factor)


def reset(core: Core, user_id: UserId, by: str) -> int:
    """`MFA.reset`."""
    owner = core.owner(user_id)
    by = identifier("by", by)
    removed = core.store.reset(owner)
    core.emit("reset", core.now(), owner, by=by, factors=removed)
    return removed


def delete_users(core: Core, user_ids: Iterable[UserId]) -> int:
    """`MFA.delete_users`."""
    owners = [core.owner(user_id) for user_id in user_ids]
    had_some = 0
    for start in range(0, len(owners), DELETED_AT_ONCE):
        batch = owners[start : start + DELETED_AT_ONCE]
        try:
            counts = core.store.delete_users(batch)
        except StoreUnavailable:
            core.log_undeleted(owners[start:])
            raise
        for owner, count in zip(batch, counts, strict=True):
            if count:
                had_some += 1
                core.emit("user deleted", core.now(), owner, factors=count)
    return had_some


def end_sessions(core: Core, user_id: UserId, by: str, epoch: str | None = None) -> str:
    """`MFA.end_sessions`."""
    owner = core.owner(user_id)
    by = identifier("by", by)
    moved = new_epoch()
    devices = core.store.move_epoch(owner, moved, epoch)
    if devices is None:
        raise EpochMoved
    core.emit("sessions ended", core.now(), owner, by=by, devices=devices)
    return moved


def _find(core: Core, owner: Owner, factor_id: str, now: int) -> Factor:
    for factor in core.user(owner, now).factors:
        if factor.factor_id == factor_id and (factor.state != "pending" or factor.expires_at > now):
            return factor
    raise NotEnrolled
