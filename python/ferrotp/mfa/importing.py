"""Factors and users that come from another system, active at once."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .core import Core, factor_info, identifier, new_id
from .errors import PasskeyMalformed, PolicyError
from .foreign_users import ImportedFactor, ImportedPasskey, ImportedUser, check, is_legacy, secret_bytes
from .passkey_records import TRANSPORTS, Passkey, factor_id_of, seal
from .passkeys import load_webauthn
from .policy import Policy
from .results import FactorInfo, UserId
from .stores.base import NEVER_USED, Factor, NewUser, Owner, RecoveryCode


def import_factor(core: Core, user_id: UserId, imported: ImportedFactor) -> FactorInfo:
    """`MFA.import_factor`. Without a last step no code was ever accepted, here."""
    owner = core.owner(user_id)
    if imported.last_step is None:
        imported = replace(imported, last_step=NEVER_USED)
    elif not 0 <= imported.last_step < 1 << 62:
        raise PolicyError("last_step must be a time step or a counter")
    now = core.now()
    factor = _factor(core, owner, imported, now)
    core.add_factor(factor, now, "factor imported", legacy=factor.legacy)
    return factor_info(factor)


def import_users(core: Core, users: Sequence[ImportedUser]) -> list[bool]:
    """`MFA.import_users`."""
    coming = [(core.owner(user.user_id), user) for user in users]
    for _, user in coming:
        check(user, core.policy)
        for factor in user.factors:
            if isinstance(factor, ImportedPasskey):
                check_passkey(factor, core.policy)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        hashed = list(pool.map(lambda pair: _hashed_codes(core, *pair), coming))
    now = core.now()  # after the hashing, which may take long
    arrivals = [
        NewUser(owner, tuple(_factor(core, owner, factor, now) for factor in user.factors), codes)
        for (owner, user), codes in zip(coming, hashed, strict=True)
    ]

    def events(core: Core, added: list[bool]) -> None:
        for arrival, came in zip(arrivals, added, strict=True):
            for arrived in arrival.factors if came else ():
                core.emit("factor imported", now, arrival.owner, arrived.factor_id, arrived.kind, legacy=arrived.legacy)

    return core.decide(core.store.add_users, arrivals, events=events)


def check_passkey(passkey: ImportedPasskey, policy: Policy) -> None:
    """:raises PolicyError: it cannot come"""
    if policy.passkeys is None:
        raise PolicyError("the policy has no passkeys")
    webauthn = load_webauthn()
    if not 1 <= len(passkey.credential_id) <= webauthn.LONGEST_CREDENTIAL_ID or len(passkey.user_handle) > 64:
        raise PolicyError("a passkey has an id of 1 to 1,023 bytes, and a user handle of at most 64")
    if type(passkey.counter) is not int or not 0 <= passkey.counter < 1 << 32:
        raise PolicyError("a passkey's counter is a number of 32 bits")
    is_known = set(passkey.transports) <= set(TRANSPORTS)
    if not is_known or passkey.attachment not in ("", "platform", "cross-platform"):
        raise PolicyError("a passkey's transports and attachment are those of Web Authentication")
    if len(passkey.aaguid) > 36 or not passkey.aaguid.isascii():
        raise PolicyError("a passkey's aaguid is a UUID")
    try:
        webauthn.check_public_key(passkey.public_key)
    except PasskeyMalformed:
        raise PolicyError("a passkey's public key is one of ES256, EdDSA or RS256, as COSE has it") from None


def _hashed_codes(core: Core, owner: Owner, user: ImportedUser) -> tuple[RecoveryCode, ...]:
    if not user.recovery_codes:
        return ()
    hashed = core.keyring.hash_recovery_codes(
        owner.tenant, owner.user_id, user.recovery_codes, hashing=core.policy.hashing
    )
    return tuple(RecoveryCode(owner, selector, record) for selector, record in hashed)


def _passkey(core: Core, owner: Owner, imported: ImportedPasskey, now: int) -> Factor:
    passkey = Passkey(
        imported.credential_id,
        imported.public_key,
        imported.user_handle,
        imported.aaguid,
        imported.transports,
        imported.attachment,
        imported.backup_eligible,
        imported.backed_up,
    )
    return Factor(
        owner,
        factor_id_of(imported.credential_id),
        "passkey",
        identifier("name", imported.name) if imported.name else "",
        "active",
        seal(core.keyring, owner, passkey),
        legacy=False,
        created_at=now,
        expires_at=0,
        last_step=imported.counter,
    )


def _factor(core: Core, owner: Owner, imported: ImportedFactor | ImportedPasskey, now: int) -> Factor:
    if isinstance(imported, ImportedPasskey):
        return _passkey(core, owner, imported, now)
    legacy = is_legacy(imported, core.policy)
    factor_id = identifier("factor_id", imported.factor_id) if imported.factor_id else new_id()
    record = core.keyring.seal(
        (owner.tenant, owner.user_id, factor_id),
        secret_bytes(imported.secret),
        kind=imported.kind,
        algorithm=imported.algorithm,
        digits=imported.digits,
        period=imported.period,
    )
    last_step = imported.last_step
    if last_step is None:
        last_step = NEVER_USED if imported.kind == "hotp" else now // 1000 // imported.period + core.policy.window
    return Factor(
        owner,
        factor_id,
        imported.kind,
        identifier("name", imported.name) if imported.name else "",
        "active",
        record,
        legacy,
        created_at=now,
        expires_at=0,
        last_step=last_step,
    )
