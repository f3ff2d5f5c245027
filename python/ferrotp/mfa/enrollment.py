"""New factors: a secret is made, shown, and confirmed by its first code."""

from contextlib import suppress
from typing import Any, Literal

from ..utils import build_uri
from .core import Core, existing_factor_id, identifier, moment, new_id
from .errors import AlreadyEnrolled, EnrollmentExpired, PolicyError, Throttled, TooManyFactors
from .foreign_users import secret_bytes
from .recovery import new_codes
from .results import Enrollment, RecoveryCodes, UserId
from .stores.base import Acceptance, Confirmation, Factor, RecoveryCode
from .verification import check_codes, match_code, typed_digits

OTPKind = Literal["totp", "hotp"]

LONGEST_SECRET = 128
"""Bytes: what a sealed record holds. A bound of the format, so no policy."""


def enroll(
    core: Core, user_id: UserId, account_name: str, name: str, kind: OTPKind, secret: str | bytes | None, factor_id: str
) -> Enrollment:
    """`MFA.enroll`."""
    policy = core.policy
    if kind not in ("totp", "hotp"):
        raise PolicyError("kind must be 'totp' or 'hotp'")
    factor_id = identifier("factor_id", factor_id) if factor_id else new_id()
    owner = core.owner(user_id)
    check_codes(core, owner, "enrollment refused", core.now())
    sealed_for = (owner.tenant, owner.user_id, factor_id)
    options: dict[str, Any] = {"kind": kind, "algorithm": policy.algorithm}
    options.update(digits=policy.digits, period=policy.period)
    if secret is None:
        record = core.keyring.new_secret(sealed_for, length=policy.secret_bytes, **options)
    else:
        key = secret_bytes(secret)
        if not policy.secret_bytes <= len(key) <= LONGEST_SECRET:
            raise PolicyError(f"a new secret has {policy.secret_bytes} to {LONGEST_SECRET} bytes")
        record = core.keyring.seal(sealed_for, key, **options)
    now = core.now()
    factor = Factor(
        owner,
        factor_id,
        kind,
        identifier("name", name) if name else "",
        "pending",
        record,
        legacy=False,
        created_at=now,
        expires_at=now + 1000 * policy.enrollment_lifetime,
    )
    enrollment = _as_enrollment(core, factor, account_name, now)
    core.add_factor(factor, now, "enrollment started")
    return enrollment


def pending(core: Core, user_id: UserId, factor_id: str, account_name: str) -> Enrollment:
    """`MFA.pending`."""
    owner = core.owner(user_id)
    now = core.now()
    for factor in core.user(owner, now).factors:
        if factor.factor_id == factor_id and factor.state == "pending" and factor.expires_at > now:
            return _as_enrollment(core, factor, account_name, now)
    raise EnrollmentExpired


def confirm(
    core: Core,
    user_id: UserId,
    factor_id: str,
    code: str,
    past_steps: int | None,
    recovery_codes: bool,
    only_first: bool,
    name: str,
) -> RecoveryCodes:
    """`MFA.confirm`."""
    owner = core.owner(user_id)
    now = core.now()
    name = identifier("name", name) if name else ""
    check_codes(core, owner, "enrollment refused", now)
    keyring = core.keyring
    reservation = core.reserve(owner, "enrollment", now, factor_id=existing_factor_id(factor_id))
    factor = reservation.factors[0]
    digits = typed_digits(code)
    step, drift = match_code(core, keyring, factor, digits, now, past_steps)
    if step is None:
        core.refuse(reservation, now, "wrong" if digits else "malformed", factor_id)
    wanted = recovery_codes and not core.user(owner, now).recovery_codes
    shown = RecoveryCodes()
    codes: list[RecoveryCode] = []
    if wanted:
        with suppress(Throttled):  # who binds factors over and over has no codes at the end, and makes them later
            shown, codes = new_codes(core, owner, now)
    accepted, max_factors = Acceptance(factor_id, step, drift), core.policy.max_factors

    def events(core: Core, confirmation: Confirmation | None) -> None:
        if confirmation is not None:
            core.emit("enrollment confirmed", now, owner, factor_id, factor.kind, drift=drift)
            if confirmation.codes_kept:
                core.emit("recovery codes replaced", now, owner, "", "recovery", remaining=len(codes))

    try:
        confirmation = core.decide(
            core.store.confirm, reservation, accepted, now, codes, max_factors, only_first, name, events=events
        )
    except (AlreadyEnrolled, TooManyFactors) as error:
        reason = "enrolled" if isinstance(error, AlreadyEnrolled) else "too many"
        core.emit("enrollment refused", now, owner, factor_id, "enrollment", reason=reason)
        raise
    if confirmation is None:
        raise EnrollmentExpired
    return shown if confirmation.codes_kept else RecoveryCodes()  # else another first confirmation shows its own


def _as_enrollment(core: Core, factor: Factor, account_name: str, now: int) -> Enrollment:
    otp = core.open_record(factor, now, core.keyring.reveal)
    uri = build_uri(
        otp.secret,
        identifier("account_name", account_name),
        initial_count=0 if otp.kind == "hotp" else None,
        issuer=core.issuer,
        algorithm=otp.algorithm,
        digits=otp.digits,
        period=otp.period if otp.kind == "totp" else None,
    )
    return Enrollment(factor.factor_id, moment(factor.expires_at), uri, otp.secret)
