"""Recovery codes: made in sets, shown once, hashed slowly, and each good once."""

from dataclasses import replace

from .. import vault
from . import factors
from .core import Core, moment
from .devices import remove as remove_devices
from .errors import NotEnrolled, Throttled
from .foreign_users import MAX_CODES
from .hashing import turn
from .results import RecoveryCodes, UserId, Verification
from .stores.base import Owner, RecoveryCode

IMPORTED = "~"
"""What the selectors of recovery codes begin with that another system made. It is no symbol of ferrotp's own."""


def recover(core: Core, user_id: UserId, code: str) -> Verification:
    """`MFA.recover`. Each attempt takes one hash, whether there is such a code or not."""
    owner = core.owner(user_id)
    keyring = core.keyring
    with turn():  # before the attempt is counted, as the keys: who gets none has not failed
        return _recover(core, keyring, owner, code)


def _recover(core: Core, keyring: vault.Keyring, owner: Owner, code: str) -> Verification:
    now = core.now()
    selector = vault.Keyring.recovery_selector(code) if isinstance(code, str) else None
    reservation = core.reserve(owner, "recovery", now, selector=selector or "")
    record = reservation.recovery_code
    if record is None:
        record = _imported_code(core, keyring, owner, code if isinstance(code, str) else "", now)
        right = record is not None
        reservation = replace(reservation, recovery_code=record)
    else:
        check = keyring.check_recovery_code
        right = core.open_record(record, now, lambda sealed_for, sealed: check(*sealed_for, sealed, code))
    remaining = None

    def events(core: Core, remaining: int | None) -> None:
        if remaining is not None:
            core.emit("recovered", now, owner, "", "recovery", remaining=remaining)

    if record is not None and right:
        # The phone is lost or stolen, and a browser that it vouched for may be, too. First, since a code that is used
        # up must not leave them trusted.
        remove_devices(core, owner, None, now)
        remaining = core.decide(core.store.redeem, reservation, record.selector, now, events=events)
    if remaining is None:
        core.refuse(reservation, now, "used" if right else "wrong" if selector else "malformed")
    return Verification(owner.user_id, "recovery", moment(now), remaining=remaining)


def regenerate(core: Core, user_id: UserId, *, end_sessions: bool, only_first: bool) -> RecoveryCodes:
    """`MFA.regenerate_recovery_codes`. Hashes nothing for a user who can have no codes, or has made too many sets."""
    owner = core.owner(user_id)
    now = core.now()
    state = core.user(owner, now)
    if all(factor.state == "pending" for factor in state.factors):
        raise NotEnrolled
    if only_first and state.recovery_codes:
        return RecoveryCodes()
    shown, codes = new_codes(core, owner, now)
    now = core.now()

    def events(core: Core, replaced: bool) -> None:
        if replaced:
            core.emit("recovery codes replaced", now, owner, "", "recovery", remaining=len(codes))

    if not core.decide(core.store.replace_recovery_codes, owner, codes, now, only_first, events=events):
        if only_first:
            return RecoveryCodes()
        raise NotEnrolled
    if end_sessions:
        # Afterwards, so that a login by one of the earlier codes ends, too, which came in between.
        factors.end_sessions(core, user_id, owner.user_id)
    return shown


def new_codes(core: Core, owner: Owner, now: int) -> tuple[RecoveryCodes, list[RecoveryCode]]:
    """A new set: to be shown, and to be kept.

    :raises Throttled: if the user has made as many as the policy allows
    """
    open_at = core.store.spend(owner, "enrollment", now, core.policy.new_codes_limits())
    if open_at:
        retry_at = moment(open_at)
        core.emit("throttled", now, owner, "", "enrollment", retry_at=retry_at)
        raise Throttled(retry_at)
    with turn():
        made = core.keyring.new_recovery_codes(
            owner.tenant, owner.user_id, core.policy.recovery_codes, hashing=core.policy.hashing
        )
    return (
        RecoveryCodes(shown for shown, _, _ in made),
        [RecoveryCode(owner, selector, record) for _, selector, record in made],
    )


def _imported_code(core: Core, keyring: vault.Keyring, owner: Owner, code: str, now: int) -> RecoveryCode | None:
    """The unused code of another system that this is. It takes as long whether there is one, or any."""
    listed = core.store.recovery_codes(RecoveryCode(owner, IMPORTED, b""), MAX_CODES)
    kept = {record.selector: record for record in listed if record.owner == owner}
    if not kept:
        keyring.dummy_check(core.policy.hashing)
        return None
    pairs = [(record.selector, record.sealed) for record in kept.values()]
    find, first = keyring.find_recovery_code, next(iter(kept.values()))
    selector = core.open_record(first, now, lambda *_: find(owner.tenant, owner.user_id, pairs, code))
    return kept[selector] if selector else None
