"""Passkeys: registered, and asked for as a second factor or to sign in by one alone.

A right answer cannot be guessed, so no number of wrong codes keeps it from being looked at. A wrong one counts as a
wrong code does, where a password was right before; where nobody was named, outsiders must not be able to delay anybody.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from .. import vault
from .challenges import LIFETIME, Challenge, Purpose, check_challenge, new_challenge, user_handle
from .core import Core, identifier, moment
from .errors import (
    AlreadyEnrolled,
    AttestationRefused,
    ChallengeUsed,
    CounterWentBack,
    CrossOriginFrame,
    MFAError,
    NotEnrolled,
    OtherUsersPasskey,
    PasskeyMalformed,
    PasskeyRefused,
    PasskeyUnknown,
    PolicyError,
    Throttled,
    TooManyFactors,
    UserNotPresent,
    UserNotVerified,
    WrongOrigin,
    WrongRelyingParty,
)
from .passkey_records import Passkey, base64url, factor_id_of, open_passkey, seal
from .policy import Passkeys, Policy
from .recovery import new_codes
from .results import NewPasskey, PasskeyInfo, RecoveryCodes, UserId, Verification
from .stores.base import Confirmation, Factor, Owner, RecoveryCode, Refusal, Reservation, counts_on

if TYPE_CHECKING:
    from . import webauthn as webauthn_module

TRIES = 3
"""How often a passkey is read anew that another request has used in between."""


def check_policy(policy: Policy) -> None:
    """When a service begins: that what its policy asks for can be done.

    :raises PolicyError: `fido2` is not installed, or a root of attestation is no certificate
    """
    if policy.passkeys is not None:
        try:
            load_webauthn().check_roots(tuple(policy.passkeys.attestation_roots))
        except ValueError:
            raise PolicyError("attestation_roots must be certificates in DER") from None


def begin(core: Core, user_id: UserId, session: str, account_name: str, display_name: str) -> dict[str, Any]:
    """`MFA.begin_passkey`."""
    asked = _asked(core)
    owner = core.owner(user_id)
    now = core.now()
    factors = [factor for factor in core.user(owner, now).factors if factor.state != "pending"]
    if len(factors) >= core.policy.max_factors:
        raise TooManyFactors(f"a user has at most {core.policy.max_factors} factors: remove one first")
    kept = _opened(core, factors, now)
    challenge = new_challenge(core, owner, "register", identifier("session", session), now)
    handle = _handle(kept) or user_handle(core, owner, challenge)
    name = identifier("account_name", account_name)
    selection: dict[str, Any] = {
        "residentKey": "required" if asked.sign_in else "preferred",
        "requireResidentKey": asked.sign_in,
        "userVerification": asked.user_verification,
    }
    if asked.attachment:
        selection["authenticatorAttachment"] = asked.attachment
    core.emit("enrollment started", now, owner, "", "passkey")
    return {
        "rp": {"id": asked.rp_id, "name": core.issuer},
        "user": {
            "id": base64url(handle),
            "name": name,
            "displayName": identifier("display_name", display_name) if display_name else name,
        },
        "challenge": base64url(challenge.raw),
        "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in load_webauthn().ALGORITHMS],
        "timeout": LIFETIME,
        "excludeCredentials": [_descriptor(passkey) for _, passkey in kept],
        "authenticatorSelection": selection,
        "attestation": asked.attestation,
        "extensions": {"credProps": True},
    }


def finish(
    core: Core, user_id: UserId, session: str, response: object, name: str, recovery_codes: bool, only_first: bool
) -> NewPasskey:
    """`MFA.finish_passkey`."""
    asked = _asked(core)
    owner = core.owner(user_id)
    now = core.now()
    session, name = identifier("session", session), identifier("name", name) if name else ""
    try:
        challenge, registration = _check_registration(core, asked, owner, session, response, now)
        state = core.user(owner, now)
        kept = _opened(core, state.factors, now)
        passkey = Passkey(
            registration.credential_id,
            registration.public_key,
            _handle(kept) or user_handle(core, owner, challenge),
            registration.aaguid,
            registration.transports,
            registration.attachment,
            registration.authenticator.backup_eligible,
            registration.authenticator.backed_up,
        )
        factor = Factor(
            owner,
            factor_id_of(passkey.credential_id),
            "passkey",
            name,
            "active",
            seal(core.keyring, owner, passkey),
            legacy=False,
            created_at=now,
            expires_at=0,
            last_step=registration.authenticator.counter,
        )
        shown = RecoveryCodes()
        codes: list[RecoveryCode] = []
        if recovery_codes and not state.recovery_codes:
            with suppress(Throttled):  # who binds factors over and over has no codes at the end, and makes them later
                shown, codes = new_codes(core, owner, now)
        answered = challenge.answered_by(owner)

        def events(core: Core, added: Confirmation | None) -> None:
            if added is not None:
                core.emit("enrollment confirmed", now, owner, factor.factor_id, "passkey")
                if added.codes_kept:
                    core.emit("recovery codes replaced", now, owner, "", "recovery", remaining=len(codes))

        limits = core.policy.max_factors, only_first
        added = core.decide(core.store.add_passkey, factor, answered, now, codes, *limits, events=events)
        if added is None:
            raise ChallengeUsed
    except (PasskeyRefused, AlreadyEnrolled, TooManyFactors) as error:
        core.emit("enrollment refused", now, owner, "", "passkey", reason=_reason(error))
        raise
    return NewPasskey(_info(factor, passkey), shown if added.codes_kept else RecoveryCodes())


def challenge(core: Core, user_id: UserId | None, session: str) -> dict[str, Any]:
    """`MFA.passkey_challenge`."""
    asked = _asked(core)
    now = core.now()
    session = identifier("session", session)
    if user_id is None:
        owner, purpose, allowed, verification = _anybody(core, asked), _SIGN_IN, [], "required"
    else:
        owner, purpose, verification = core.owner(user_id), _SECOND_FACTOR, asked.user_verification
        factors = [factor for factor in core.user(owner, now).factors if factor.state == "active"]
        allowed = [_descriptor(passkey) for _, passkey in _opened(core, factors, now)]
        if not allowed:
            raise NotEnrolled
    return {
        "challenge": base64url(new_challenge(core, owner, purpose, session, now).raw),
        "timeout": LIFETIME,
        "rpId": asked.rp_id,
        "allowCredentials": allowed,
        "userVerification": verification,
    }


def verify(core: Core, user_id: UserId | None, session: str, response: object) -> Verification:
    """`MFA.verify_passkey`."""
    asked = _asked(core)
    now = core.now()
    session = identifier("session", session)
    if user_id is None:
        owner, purpose = _anybody(core, asked), _SIGN_IN
    else:
        owner, purpose = core.owner(user_id), _SECOND_FACTOR
    told: list[Factor] = []  # whose passkey it was found to be, for the event
    try:
        return _verify(core, asked, owner, purpose, session, response, now, told.append)
    except PasskeyRefused as error:
        _refuse(core, owner, purpose, error, told, now)


def listed(core: Core, user_id: UserId) -> list[PasskeyInfo]:
    """`MFA.passkeys`."""
    now = core.now()
    factors = core.user(core.owner(user_id), now).factors
    return [_info(factor, passkey) for factor, passkey in _opened(core, factors, now)]


_SECOND_FACTOR: Purpose = "second factor"
_SIGN_IN: Purpose = "sign in"


def _verify(
    core: Core,
    asked: Passkeys,
    owner: Owner,
    purpose: Purpose,
    session: str,
    response: object,
    now: int,
    found: Callable[[Factor], None],
) -> Verification:
    assertion = load_webauthn().read_assertion(response)
    _check_client(asked, assertion.client)
    challenge = check_challenge(core, assertion.client.challenge, owner, purpose, session, now)
    said = assertion.authenticator
    _check_authenticator(asked, said, verified=purpose == _SIGN_IN)
    for _ in range(TRIES):
        factor = core.store.passkey(owner.tenant, factor_id_of(assertion.credential_id))
        if factor is None or factor.state != "active":
            raise PasskeyUnknown
        if purpose == _SECOND_FACTOR and factor.owner != owner:
            raise OtherUsersPasskey
        found(factor)
        passkey = core.open_record(factor, now, lambda *_, factor=factor: open_passkey(core.keyring, factor))
        # Where nobody was named, it is the handle that names the user: it must be there.
        if purpose == _SIGN_IN and not assertion.user_handle:
            raise OtherUsersPasskey
        is_known = purpose == _SIGN_IN or (assertion.user_handle and passkey.user_handle)
        if is_known and assertion.user_handle != passkey.user_handle:
            raise OtherUsersPasskey
        load_webauthn().check_signature(passkey.public_key, assertion.signed, assertion.signature)
        if passkey.backup_eligible not in (None, said.backup_eligible):
            raise PasskeyMalformed
        if not counts_on(factor, said.counter):
            _tell_of_copy(core, asked, factor, said.counter, now)
            raise CounterWentBack
        used = replace(
            passkey,
            user_handle=passkey.user_handle or assertion.user_handle,
            backup_eligible=said.backup_eligible,
            backed_up=said.backed_up,
        )

        def events(core: Core, answer: str, factor: Factor = factor) -> None:
            if answer == "accepted":
                core.emit("verified", now, factor.owner, factor.factor_id, "passkey")

        answer = core.decide(
            core.store.use_passkey,
            factor,
            challenge.answered_by(owner),
            said.counter,
            seal(core.keyring, factor.owner, used),
            now,
            disable_at=core.limits.disable_at,
            events=events,
        )
        if answer == "answered":
            raise ChallengeUsed
        if answer == "accepted":
            key = "swk" if said.backup_eligible else "hwk"
            return Verification(
                factor.owner.user_id,
                "passkey",
                moment(now),
                factor.factor_id,
                factor.name,
                amr=(key, "user", "mfa"),
            )
    raise ChallengeUsed  # others of this passkey came each time in between


def _refuse(
    core: Core, owner: Owner, purpose: Purpose, error: PasskeyRefused, found: list[Factor], now: int
) -> NoReturn:
    """Tells of it, and counts it where a password was right before."""
    factor_id = found[-1].factor_id if found else ""
    if purpose == _SIGN_IN:
        whose = found[-1].owner if found else owner
        core.emit("passkey refused", now, whose, factor_id, "passkey", reason=error.reason)
        raise error

    def events(core: Core, counted: Reservation | Refusal) -> None:
        passkey = now, owner, factor_id, "passkey"
        if isinstance(counted, Refusal):
            if counted.reason == "throttled":
                core.emit("throttled", *passkey, retry_at=moment(counted.retry_at))
            else:
                core.emit("passkey refused", *passkey, reason=error.reason)
            return
        failures = counted.budget.failures
        if failures == core.policy.notify_after:
            core.emit("guessing suspected", *passkey, failures=failures)
        core.emit("passkey refused", *passkey, reason=error.reason, failures=failures)
        if failures >= core.limits.disable_at:
            core.emit("disabled", now, owner, "", "otp", failures=failures)

    counted = core.decide(core.store.reserve, owner, "otp", now, core.limits, events=events)
    if isinstance(counted, Refusal) and counted.reason == "throttled":
        raise Throttled(moment(counted.retry_at)) from None
    raise error


def _tell_of_copy(core: Core, asked: Passkeys, factor: Factor, counter: int, now: int) -> None:
    def events(core: Core, disabled: bool) -> None:
        core.emit(
            "passkey copy suspected",
            now,
            factor.owner,
            factor.factor_id,
            "passkey",
            counter=counter,
            kept=factor.last_step,
            disabled=disabled,
        )

    if asked.disable_copied:
        core.decide(core.store.disable_passkey, factor, events=events)
    else:
        events(core, False)


def _check_registration(
    core: Core, asked: Passkeys, owner: Owner, session: str, response: object, now: int
) -> "tuple[Challenge, webauthn_module.Registration]":
    registration = load_webauthn().read_registration(response)
    _check_client(asked, registration.client)
    challenge = check_challenge(core, registration.client.challenge, owner, "register", session, now)
    _check_authenticator(asked, registration.authenticator, verified=False)
    if asked.attachment and registration.attachment not in ("", asked.attachment):
        raise AttestationRefused
    if asked.attestation == "direct":
        load_webauthn().check_attestation(registration, tuple(asked.attestation_roots))
    return challenge, registration


def _check_client(asked: Passkeys, client: "webauthn_module.Client") -> None:
    if client.origin not in asked.origins:
        raise WrongOrigin
    if client.cross_origin:
        raise CrossOriginFrame


def _check_authenticator(asked: Passkeys, said: "webauthn_module.Authenticator", *, verified: bool) -> None:
    if said.rp_id_hash != sha256(asked.rp_id.encode()).digest():
        raise WrongRelyingParty
    if not said.user_present:
        raise UserNotPresent
    if (verified or asked.user_verification == "required") and not said.user_verified:
        raise UserNotVerified


def _asked(core: Core) -> Passkeys:
    if core.policy.passkeys is None:
        raise PolicyError("the policy has no passkeys: set Policy(passkeys=Passkeys(rp_id=..., origins=...))")
    return core.policy.passkeys


def _anybody(core: Core, asked: Passkeys) -> Owner:
    """In whose name a challenge is made where nobody is named."""
    if not asked.sign_in:
        raise PolicyError("the policy lets nobody sign in by a passkey alone: set sign_in=True")
    return Owner(core.tenant, "")


def _opened(core: Core, factors: "list[Factor] | tuple[Factor, ...]", now: int) -> list[tuple[Factor, Passkey]]:
    """The passkeys among factors. Those whose records do not open are told of and left out: the others work on."""
    found = []
    for factor in factors:
        if factor.kind == "passkey":
            try:
                found.append((factor, open_passkey(core.keyring, factor)))
            except vault.SealedRecordError as error:
                core.emit("sealed record refused", now, factor.owner, factor.factor_id, reason=error.reason)
    return found


def _handle(kept: list[tuple[Factor, Passkey]]) -> bytes:
    """The user's, by which authenticators know the account already. Empty: none is known."""
    return next((passkey.user_handle for _, passkey in kept if passkey.user_handle), b"")


def _descriptor(passkey: Passkey) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "public-key", "id": base64url(passkey.credential_id)}
    if passkey.transports:
        described["transports"] = list(passkey.transports)
    return described


def _info(factor: Factor, passkey: Passkey) -> PasskeyInfo:
    return PasskeyInfo(
        factor_id=factor.factor_id,
        name=factor.name,
        state=factor.state,
        created_at=moment(factor.created_at),
        last_used_at=moment(factor.last_used_at) if factor.last_used_at else None,
        backup_eligible=bool(passkey.backup_eligible),
        backed_up=passkey.backed_up,
        attachment=passkey.attachment,
        transports=passkey.transports,
        aaguid=passkey.aaguid,
        counter=factor.last_step,
    )


def _reason(error: MFAError) -> str:
    if isinstance(error, PasskeyRefused):
        return error.reason
    return "enrolled" if isinstance(error, AlreadyEnrolled) else "too many"


def load_webauthn() -> ModuleType:
    """`ferrotp.mfa.webauthn`, loaded when it is needed: an application without passkeys has no `fido2`.

    :raises PolicyError: it is not installed
    """
    try:
        from . import webauthn
    except ImportError:
        raise PolicyError("passkeys need fido2: pip install 'ferrotp[passkeys]'") from None
    return webauthn
