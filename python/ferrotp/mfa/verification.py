"""Codes of a factor: each is accepted once, and no code is answered before its attempt is counted for good.

The keys are read before that: where their place is away, nobody has failed; and no store waits for it with a lock."""

import unicodedata
from collections.abc import Collection

from ..vault import Keyring
from .core import Core, existing_factor_id, moment
from .errors import CodesNotAccepted, FactorDisabled, PolicyError, SealedRecordError
from .events import Kind
from .results import UserId, Verification
from .stores.base import Acceptance, Factor, Owner, Reservation

LONGEST = 64
"""Characters that are looked at. No code is longer, and work on a text of any length is an attack. What people type has
this bound whatever the policy is."""

_BETWEEN = frozenset(" -\t\r\n\u00a0\u2009\u200b\u202f\u2060\u3000\ufeff")


def verify(
    core: Core,
    user_id: UserId,
    code: str,
    factor_id: str | Collection[str] | None,
    past_steps: int | None,
    login_id: str,
) -> Verification:
    """`MFA.verify`."""
    owner = core.owner(user_id)
    now = core.now()
    check_codes(core, owner, "refused", now)
    keyring = core.keyring
    among = None if factor_id is None or isinstance(factor_id, str) else frozenset(factor_id)
    digits = typed_digits(code)
    # Of the last time that the store asks.
    reason = ""
    broken: SealedRecordError | None = None
    matched: Factor | None = None

    def decide(quiet: Core, reservation: Reservation) -> Acceptance | None:
        nonlocal reason, broken, matched
        reason, broken, matched = "wrong" if digits else "malformed", None, None
        for factor in reservation.factors:
            if factor.kind == "passkey" or (among is not None and factor.factor_id not in among):
                continue
            try:
                step, drift = match_code(quiet, keyring, factor, digits, now, past_steps)
            except SealedRecordError as error:
                broken = error  # the user's other factors work on
                continue
            if step is None:
                continue
            if step > factor.last_step:
                matched = factor
                return _accepted(keyring, factor, step, drift)
            reason = "used"
        return None

    def events(core: Core, attempt: Reservation) -> None:
        if attempt.accepted is not None and matched is not None:
            _tell_accepted(core, matched, attempt.accepted, "verified", now)
        elif broken is None:
            core.tell_refused(attempt, now, reason)

    one_factor = existing_factor_id(factor_id) if isinstance(factor_id, str) else ""
    attempt = core.attempt(owner, "otp", now, decide, events, factor_id=one_factor, login_id=login_id)
    if attempt.accepted is not None and matched is not None:
        return _verification(matched, attempt.accepted, now, attempt.recovery_codes)
    if broken is not None:
        raise broken
    core.raise_refused(attempt, now)


def resync(core: Core, user_id: UserId, factor_id: str, code: str, next_code: str) -> Verification:
    """`MFA.resync`."""
    owner = core.owner(user_id)
    now = core.now()
    check_codes(core, owner, "refused", now)
    keyring = core.keyring
    first, second = typed_digits(code), typed_digits(next_code)

    def decide(quiet: Core, reservation: Reservation) -> Acceptance | None:
        factor = reservation.factors[0]
        if factor.kind != "hotp":
            return None
        expected, window = factor.last_step + 1, core.policy.hotp_resync_window
        step = quiet.open_record(factor, now, keyring.resync_hotp, first, second, expected, window)
        return None if step is None else _accepted(keyring, factor, step, step - expected)

    def events(core: Core, attempt: Reservation) -> None:
        if attempt.accepted is None:
            core.tell_refused(attempt, now, "wrong", factor_id)
        else:
            _tell_accepted(core, attempt.factors[0], attempt.accepted, "factor resynchronized", now)

    attempt = core.attempt(owner, "otp", now, decide, events, factor_id=existing_factor_id(factor_id))
    if attempt.accepted is None:
        core.raise_refused(attempt, now)
    return _verification(attempt.factors[0], attempt.accepted, now, attempt.recovery_codes)


def unlock(core: Core, user_id: UserId, code: str, next_code: str) -> Verification:
    """`MFA.unlock`."""
    owner = core.owner(user_id)
    now = core.now()
    check_codes(core, owner, "unlock refused", now)
    keyring = core.keyring
    disable_at = core.limits.disable_at
    state = core.store.user(owner)
    if state.budgets["otp"].failures >= disable_at:
        core.emit("unlock refused", now, owner, "", "unlock", reason="disabled")
        raise FactorDisabled
    reservation = core.reserve(owner, "unlock", now)
    first, second = typed_digits(code), typed_digits(next_code)
    reason = "wrong" if first and second else "malformed"
    broken: SealedRecordError | None = None
    for factor in reservation.factors:
        if factor.kind == "passkey":
            continue
        try:
            step, drift = _match_pair(core, keyring, factor, first, second, now)
        except SealedRecordError as error:
            broken = error
            continue
        if step is None:
            continue
        accepted = _accepted(keyring, factor, step, drift)

        def events(core: Core, is_open: bool, factor: Factor = factor, accepted: Acceptance = accepted) -> None:
            if is_open:
                _tell_accepted(core, factor, accepted, "unlocked", now)

        if step - 1 > factor.last_step and core.decide(
            core.store.unlock, reservation, accepted, now, disable_at=disable_at, events=events
        ):
            return _verification(factor, accepted, now, state.recovery_codes)
        reason = "used"
    if broken is not None:
        raise broken
    core.refuse(reservation, now, reason)


def _match_pair(
    core: Core, keyring: Keyring, factor: Factor, first: str, second: str, now: int
) -> tuple[int | None, int]:
    """The step of the second of two codes in a row, and the drift, or None. Both are always looked at."""
    if factor.kind == "hotp":
        expected, look_ahead = factor.last_step + 1, core.policy.hotp_look_ahead
        counter = core.open_record(factor, now, keyring.resync_hotp, first, second, expected, look_ahead)
        return counter, 0 if counter is None else counter - expected - 1
    window, match = core.policy.window, keyring.match_totp_pair
    at, last_step = now // 1000, factor.last_step
    current, step = core.open_record(factor, now, match, first, second, at, window, window, last_step)
    _tell_if_clock_was_ahead(core, factor, current, now)
    return step, 0 if step is None else step - current


def match_code(
    core: Core, keyring: Keyring, factor: Factor, digits: str, now: int, past_steps: int | None = None
) -> tuple[int | None, int]:
    """The step that the code is of and the drift, or None: of all steps of the window, without saying which.

    Of two steps with this code the earliest that is newer than the factor's last one counts: the later one is the
    owner's next.
    """
    if factor.kind == "hotp":
        expected, look_ahead = factor.last_step + 1, core.policy.hotp_look_ahead
        counter = core.open_record(factor, now, keyring.match_hotp, digits, expected, look_ahead)
        return counter, 0 if counter is None else counter - expected
    window = core.policy.window
    past = window if past_steps is None else _checked_past_steps(core, past_steps)
    at, last_step = now // 1000, factor.last_step
    current, step = core.open_record(factor, now, keyring.match_totp, digits, at, past, window, last_step)
    _tell_if_clock_was_ahead(core, factor, current, now)
    # A code that was sent says nothing of a device's clock.
    return step, 0 if step is None or past_steps is not None else step - current


def _tell_if_clock_was_ahead(core: Core, factor: Factor, current: int, now: int) -> None:
    """Tells of a last code that was accepted when the clock was ahead. No earlier one is accepted, whatever the clock
    says now: the way out is a recovery code, a reset, or time."""
    if factor.last_step > current + core.policy.window:
        core.emit("clock was ahead", now, factor.owner, factor.factor_id, factor.kind, last_step=factor.last_step)


def _checked_past_steps(core: Core, past_steps: int) -> int:
    most = core.policy.max_past_steps
    if type(past_steps) is not int or not 0 <= past_steps <= most:
        raise PolicyError(f"past_steps must be a whole number from 0 to {most}")
    return past_steps


def _accepted(keyring: Keyring, factor: Factor, step: int, drift: int) -> Acceptance:
    """A code is right. A record that an older key seals is sealed anew by the way."""
    owner = factor.owner
    resealed = keyring.reseal((owner.tenant, owner.user_id, factor.factor_id), "otp", factor.sealed)
    return Acceptance(factor.factor_id, step, drift, resealed)


def _tell_accepted(core: Core, factor: Factor, accepted: Acceptance, kind: Kind, now: int) -> None:
    core.emit(kind, now, factor.owner, factor.factor_id, factor.kind, time_step=accepted.step, drift=accepted.drift)


def _verification(factor: Factor, accepted: Acceptance, now: int, codes: int) -> Verification:
    step, drift = accepted.step, accepted.drift
    return Verification(
        factor.owner.user_id, factor.kind, moment(now), factor.factor_id, factor.name, step, drift, codes
    )


def check_codes(core: Core, owner: Owner, refused: Kind, now: int) -> None:
    """:raises CodesNotAccepted: the policy takes passkeys alone"""
    if not core.policy.codes:
        core.emit(refused, now, owner, "", "otp", reason="codes not accepted")
        raise CodesNotAccepted


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
