"""Codes of a factor: each is accepted once, and each attempt is counted before its code is looked at."""

import unicodedata
from collections.abc import Collection

from .core import Core, existing_factor_id
from .errors import FactorDisabled, PolicyError, SealedRecordError
from .results import UserId, Verification
from .stores.base import Factor, Reservation

LONGEST = 64
"""Characters that are looked at. No code is longer, and work on a text of any length is an attack. What people type has
this bound whatever the policy is."""

_BETWEEN = frozenset(" -\t\r\n\u00a0\u2009\u200b\u202f\u2060\u3000\ufeff")


def verify(
    core: Core, user_id: UserId, code: str, factor_id: str | Collection[str] | None, past_steps: int | None
) -> Verification:
    """`MFA.verify`."""
    owner = core.owner(user_id)
    now = core.now()
    among = None if factor_id is None or isinstance(factor_id, str) else frozenset(factor_id)
    one = existing_factor_id(factor_id) if isinstance(factor_id, str) else ""
    reservation = core.reserve(owner, "otp", now, factor_id=one)
    digits = typed_digits(code)
    reason = "wrong" if digits else "malformed"
    broken: SealedRecordError | None = None
    for factor in reservation.factors:
        if among is not None and factor.factor_id not in among:
            continue
        try:
            step, drift = match_code(core, factor, digits, now, past_steps)
        except SealedRecordError as error:
            broken = error  # the user's other factors work on
            continue
        if step is None:
            continue
        if step > factor.last_step and _accept(core, reservation, factor, step, drift, now):
            event = core.emit("verified", now, owner, factor.factor_id, factor.kind, time_step=step, drift=drift)
            return Verification(owner.user_id, factor.kind, event.at, factor.factor_id, factor.name, step, drift)
        reason = "used"
    if broken is not None:
        raise broken
    core.refuse(reservation, now, reason)


def resync(core: Core, user_id: UserId, factor_id: str, code: str, next_code: str) -> Verification:
    """`MFA.resync`."""
    owner = core.owner(user_id)
    now = core.now()
    reservation = core.reserve(owner, "otp", now, factor_id=existing_factor_id(factor_id))
    factor = reservation.factors[0]
    first, second = typed_digits(code), typed_digits(next_code)
    step = None
    if factor.kind == "hotp":
        expected, window = factor.last_step + 1, core.policy.hotp_resync_window
        step = core.open_record(factor, now, core.keyring.resync_hotp, first, second, expected, window)
    skipped = 0 if step is None else step - factor.last_step - 1
    if step is None or not _accept(core, reservation, factor, step, skipped, now):
        core.refuse(reservation, now, "wrong", factor_id)
    event = core.emit("factor resynchronized", now, owner, factor_id, factor.kind, time_step=step, drift=skipped)
    return Verification(owner.user_id, factor.kind, event.at, factor_id, factor.name, step, skipped)


def unlock(core: Core, user_id: UserId, code: str, next_code: str) -> Verification:
    """`MFA.unlock`."""
    owner = core.owner(user_id)
    now = core.now()
    disable_at = core.limits.disable_at
    if core.store.user(owner).budgets["otp"].failures >= disable_at:
        core.emit("unlock refused", now, owner, "", "unlock", reason="disabled")
        raise FactorDisabled
    reservation = core.reserve(owner, "unlock", now)
    first, second = typed_digits(code), typed_digits(next_code)
    reason = "wrong" if first and second else "malformed"
    broken: SealedRecordError | None = None
    for factor in reservation.factors:
        try:
            step, drift = _match_pair(core, factor, first, second, now)
        except SealedRecordError as error:
            broken = error
            continue
        if step is None:
            continue
        resealed = _resealed(core, factor)
        accepted = step - 1 > factor.last_step and core.store.unlock(
            reservation, factor.factor_id, step - 1, step, drift, now, resealed, disable_at=disable_at
        )
        if accepted:
            event = core.emit("unlocked", now, owner, factor.factor_id, factor.kind, time_step=step, drift=drift)
            return Verification(owner.user_id, factor.kind, event.at, factor.factor_id, factor.name, step, drift)
        reason = "used"
    if broken is not None:
        raise broken
    core.refuse(reservation, now, reason)


def _match_pair(core: Core, factor: Factor, first: str, second: str, now: int) -> tuple[int | None, int]:
    """The step of the second of two codes in a row, and the drift, or None. Both are always looked at."""
    if factor.kind == "hotp":
        expected, look_ahead = factor.last_step + 1, core.policy.hotp_look_ahead
        counter = core.open_record(factor, now, core.keyring.resync_hotp, first, second, expected, look_ahead)
        return counter, 0 if counter is None else counter - expected - 1
    window = core.policy.window
    step, drift = match_code(core, factor, second, now)
    _, before = core.open_record(factor, now, core.keyring.match_totp, first, now // 1000, window + 1, window)
    return (step, drift) if step is not None and before == step - 1 else (None, 0)


def match_code(
    core: Core, factor: Factor, digits: str, now: int, past_steps: int | None = None
) -> tuple[int | None, int]:
    """The step that the code is of and the drift, or None: of all steps of the window, without saying which."""
    if factor.kind == "hotp":
        expected, look_ahead = factor.last_step + 1, core.policy.hotp_look_ahead
        counter = core.open_record(factor, now, core.keyring.match_hotp, digits, expected, look_ahead)
        return counter, 0 if counter is None else counter - expected
    window = core.policy.window
    past = window if past_steps is None else _checked_past_steps(core, past_steps)
    current, step = core.open_record(factor, now, core.keyring.match_totp, digits, now // 1000, past, window)
    if factor.last_step > current + window:
        # Accepted when the clock was ahead. No earlier code is accepted, whatever the clock says now: the way out is a
        # recovery code, a reset, or time.
        core.emit("clock was ahead", now, factor.owner, factor.factor_id, factor.kind, last_step=factor.last_step)
    # A code that was sent says nothing of a device's clock.
    return step, 0 if step is None or past_steps is not None else step - current


def _checked_past_steps(core: Core, past_steps: int) -> int:
    most = core.policy.max_past_steps
    if type(past_steps) is not int or not 0 <= past_steps <= most:
        raise PolicyError(f"past_steps must be a whole number from 0 to {most}")
    return past_steps


def _accept(core: Core, reservation: Reservation, factor: Factor, step: int, drift: int, now: int) -> bool:
    return core.store.accept(reservation, factor.factor_id, step, drift, now, _resealed(core, factor))


def _resealed(core: Core, factor: Factor) -> bytes | None:
    owner = factor.owner
    return core.keyring.reseal((owner.tenant, owner.user_id, factor.factor_id), "otp", factor.sealed)


def typed_digits(text: object) -> str:
    """The ASCII digits of ``492 039``, ``492-039``, full-width or Arabic digits. Empty for what is no code.

    The text is never what tells a code from a used one: one code has many spellings, but one time step.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        return ""
    if text.isascii() and text.isdigit():
        return text
    digits = []
    for character in text:
        if character not in _BETWEEN:
            value = unicodedata.decimal(character, -1)
            if value < 0:
                return ""
            digits.append(str(value))
    return "".join(digits)
