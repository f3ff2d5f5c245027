"""Records, and every call that a store knows."""

import secrets
from collections.abc import Callable
from dataclasses import replace

from ferrotp.mfa.stores.base import (
    Acceptance,
    AnsweredChallenge,
    Factor,
    Limits,
    Owner,
    RecoveryCode,
    Reservation,
    Store,
    TrustedDevice,
)
from ferrotp.mfa.testing import advance

NOW = 1_800_000_000_000
LIMITS = Limits(free=4, delays=(30_000, 60_000, 3_600_000), disable_at=100, cost=1000, horizon=10**9)
OWNER = Owner("tenant", "user")
FACTOR = Factor(OWNER, "factor", "totp", "phone", "active", b"sealed \0 record", False, NOW, 0)
PENDING = replace(FACTOR, factor_id="pending", state="pending", created_at=NOW + 1, expires_at=NOW + 600_000)
DEVICE = TrustedDevice(OWNER, "series", "browser", b"0" * 32, NOW, NOW + 10**9, NOW)
PASSKEY = replace(FACTOR, factor_id="passkey", kind="passkey", created_at=NOW + 2, last_step=0)
NEW_PASSKEY = replace(PASSKEY, factor_id="new passkey")
CODE = RecoveryCode(OWNER, "AB", b"sealed hash")


def furnish(store: Store) -> None:
    """A user with a factor, a pending one, a passkey and a recovery code."""
    store.reset(OWNER)
    assert store.add_factor(FACTOR, NOW, 10, 5)
    assert store.add_factor(PENDING, NOW, 10, 5)
    assert store.add_passkey(PASSKEY, answered(secrets.randbits(100)), NOW, [], 10)
    assert store.replace_recovery_codes(OWNER, [CODE], NOW)
    assert store.add_device(DEVICE, NOW, 5)


def answered(number: int) -> AnsweredChallenge:
    """A challenge that a passkey answers."""
    return AnsweredChallenge(OWNER.tenant, f"{number:032x}", NOW + 120_000)


def reserved(store: Store, method: str = "otp") -> Reservation:
    named = {"enrollment": {"factor_id": "pending"}, "recovery": {"selector": "AB"}}.get(method, {})
    answer = store.reserve(OWNER, method, NOW, LIMITS, **named)  # type: ignore[arg-type]
    assert isinstance(answer, Reservation), answer
    return answer


def calls(store: Store, giver: Store | None = None) -> "dict[str, Callable[[], object]]":
    """Every operation, ready to be called: those that need a reservation have it, from another store if need be."""
    methods = ("unlock", "enrollment", "recovery")
    unlock, enrollment, recovery = (reserved(giver or store, method) for method in methods)
    return {
        "prepare": store.prepare,
        "add_factor": lambda: store.add_factor(replace(FACTOR, factor_id="new"), NOW, 10, 5),
        "reserve": lambda: store.reserve(OWNER, "otp", NOW, LIMITS),
        "budget": lambda: store.budget(OWNER, "otp"),
        "spend": lambda: store.spend(OWNER, "enrollment", NOW, LIMITS),
        "attempt": lambda: advance(store, OWNER, "factor", 10, limits=LIMITS),
        "unlock": lambda: store.unlock(unlock, Acceptance("factor", 21, 0), NOW, disable_at=100),
        "confirm": lambda: store.confirm(enrollment, Acceptance("pending", 10, 0), NOW, [CODE], 5),
        "add_passkey": lambda: store.add_passkey(NEW_PASSKEY, answered(1), NOW, [CODE], 10),
        "passkey": lambda: store.passkey(OWNER.tenant, "passkey"),
        "use_passkey": lambda: store.use_passkey(PASSKEY, answered(2), 1, b"used", NOW, disable_at=100),
        "disable_passkey": lambda: store.disable_passkey(PASSKEY),
        "redeem": lambda: store.redeem(recovery, "AB", NOW),
        "replace_recovery_codes": lambda: store.replace_recovery_codes(OWNER, [CODE], NOW),
        "remove_factor": lambda: store.remove_factor(OWNER, "factor", "moved"),
        "reset": lambda: store.reset(OWNER),
        "delete_users": lambda: store.delete_users([OWNER]),
        "move_epoch": lambda: store.move_epoch(OWNER, "moved", None),
        "add_device": lambda: store.add_device(replace(DEVICE, series="new"), NOW, 5),
        "use_device": lambda: store.use_device(OWNER, "series", b"0" * 32, b"1" * 32, NOW, 1000),
        "remove_devices": lambda: store.remove_devices(OWNER, None),
        "devices": lambda: store.devices(OWNER),
        "end_half_login": lambda: store.end_half_login(OWNER, "login", NOW + 1, NOW),
        "has_ended": lambda: store.has_ended(OWNER, "login"),
        "user": lambda: store.user(OWNER),
        "epoch": lambda: store.epoch(OWNER),
        "factors": lambda: store.factors(None, 10),
        "recovery_codes": lambda: store.recovery_codes(None, 10),
        "reseal": lambda: store.reseal([(FACTOR, b"new"), (CODE, b"new")]),
    }


READS = {"prepare", "budget", "devices", "user", "epoch", "has_ended", "factors", "recovery_codes", "passkey"}
"""What a store that cannot write at the moment may answer."""

COPIES_READ = READS - {"user"}
"""What a store may answer that can never write: a copy that may lag has no say in who has no factor."""
