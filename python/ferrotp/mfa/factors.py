"""The factors that a user has: seen, taken out, and removed."""

from collections.abc import Iterable

from .core import Core, existing_factor_id, factor_info, identifier, next_attempt
from .errors import EnrollmentLost, EpochMoved, NotEnrolled, StoreUnavailable
from .results import Attempts, FactorInfo, RevealedSecret, Status, UserId
from .stores.base import Budget, Factor, Owner, new_epoch

DELETED_AT_ONCE = 500
"""Users who are deleted in one transaction of the store, which has a deadline. A size of work, so no policy."""


def status(core: Core, user_id: UserId, enrolled: bool) -> Status:
    """`MFA.status`."""
    owner = core.owner(user_id)
    now = core.now()
    state = core.user(owner, now)
    tried = _attempts(core, state.budgets["otp"], now)
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
        disabled=tried.disabled,
        failures=tried.failures,
        retry_at=tried.retry_at,
        epoch=state.epoch,
    )


def attempts(core: Core, user_id: UserId) -> Attempts:
    """`MFA.attempts`."""
    budget = core.store.budget(core.owner(user_id), "otp")
    return _attempts(core, budget, core.now())


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
    now = core.now()

    def events(core: Core, factor: Factor | None) -> None:
        if factor is not None:
            core.emit("factor removed", now, owner, factor.factor_id, factor.kind)

    which = existing_factor_id(factor_id), epoch or new_epoch(), keep_last
    factor = core.decide(core.store.remove_factor, owner, *which, events=events)
    if factor is None:
        raise NotEnrolled
    return factor_info(factor)


def reset(core: Core, user_id: UserId, by: str) -> int:
    """`MFA.reset`."""
    owner = core.owner(user_id)
    by = identifier("by", by)
    now = core.now()

    def events(core: Core, removed: int) -> None:
        core.emit("reset", now, owner, by=by, factors=removed)

    return core.decide(core.store.reset, owner, events=events)


def delete_users(core: Core, user_ids: Iterable[UserId]) -> int:
    """`MFA.delete_users`."""
    owners = [core.owner(user_id) for user_id in user_ids]
    had_some = 0
    now = core.now()
    for start in range(0, len(owners), DELETED_AT_ONCE):
        batch = owners[start : start + DELETED_AT_ONCE]

        def events(core: Core, counts: list[int], batch: list[Owner] = batch) -> None:
            for owner, count in zip(batch, counts, strict=True):
                if count:
                    core.emit("user deleted", now, owner, factors=count)

        try:
            counts = core.decide(core.store.delete_users, batch, events=events)
        except StoreUnavailable:
            core.log_undeleted(owners[start:])
            raise
        had_some += sum(count > 0 for count in counts)
    return had_some


def end_sessions(core: Core, user_id: UserId, by: str, epoch: str | None = None) -> str:
    """`MFA.end_sessions`."""
    owner = core.owner(user_id)
    by = identifier("by", by)
    moved = new_epoch()
    now = core.now()

    def events(core: Core, devices: int | None) -> None:
        if devices is not None:
            core.emit("sessions ended", now, owner, by=by, devices=devices)

    if core.decide(core.store.move_epoch, owner, moved, epoch, events=events) is None:
        raise EpochMoved
    return moved


def _attempts(core: Core, budget: Budget, now: int) -> Attempts:
    limits = core.limits
    return Attempts(budget.failures >= limits.disable_at, budget.failures, next_attempt(budget, now, limits))


def _find(core: Core, owner: Owner, factor_id: str, now: int) -> Factor:
    for factor in core.user(owner, now).factors:
        if factor.factor_id == factor_id and (factor.state != "pending" or factor.expires_at > now):
            return factor
    raise NotEnrolled
