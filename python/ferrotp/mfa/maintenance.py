"""Going through all records: reports, and the rotation of keys."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from .. import vault
from . import audit, passkey_records
from .core import factor_info
from .errors import KeyInUse, UnknownKey
from .results import FactorInfo, Report, Rotation
from .stores.base import Factor, RecoveryCode, Store

_T = TypeVar("_T", Factor, RecoveryCode)

BATCH = 500
"""Records that are read at once, so that memory does not grow with the users. A size of work, so no policy."""

SAMPLE = 100
"""Records that are looked at when an application starts: one round trip."""

SUSPECT_FROM = 20
"""Factors in use from which on their drift says something of the server's clock. It decides nothing, so it is no
policy."""


def factors(store: Store, tenant: str) -> Iterator[Factor]:
    """All factors of a tenant."""
    for batch in _batches(store.factors):
        yield from (factor for factor in batch if factor.owner.tenant == tenant)


def factor_infos(store: Store, tenant: str) -> Iterator[FactorInfo]:
    """What `MFA.factors` gives."""
    return (factor_info(factor) for factor in factors(store, tenant) if factor.state != "pending")


def report(store: Store, tenant: str) -> Report:
    """What `MFA.report` says."""
    count, drifts = 0, []
    disabled: dict[str, None] = {}  # dictionaries keep the order of users
    legacy: dict[str, None] = {}
    for factor in factors(store, tenant):
        if factor.state == "pending":
            continue
        count += 1
        if factor.state == "disabled":
            disabled[factor.owner.user_id] = None
        if factor.legacy:
            legacy[factor.owner.user_id] = None
        if factor.kind == "totp" and factor.last_used_at:
            drifts.append(factor.drift)
    ahead = sum(drift > 0 for drift in drifts)
    behind = sum(drift < 0 for drift in drifts)
    return Report(
        factors=count,
        disabled=tuple(disabled),
        re_enroll=tuple(legacy),
        median_drift=float(median(drifts)) if drifts else 0.0,
        clock_suspect=len(drifts) >= SUSPECT_FROM and 2 * max(ahead, behind) >= len(drifts),
    )


def rotate(store: Store, keyring: vault.Keyring, progress: Callable[[Rotation], None] | None) -> Rotation:
    """Reseals all records that the writing key did not seal, batch by batch."""
    seen = resealed = 0
    failed: list[str] = []
    for batch in _all_batches(store):
        changes: list[tuple[Factor | RecoveryCode, bytes]] = []
        for record in batch:
            seen += 1
            try:
                sealed = _reseal(keyring, record)
            except vault.SealedRecordError as error:
                failed.append(f"{_named(record)}: {error.reason}")
                continue
            if sealed is not None:
                changes.append((record, sealed))
        if changes:
            resealed += store.reseal(changes)
        if progress is not None:
            progress(Rotation(seen, resealed, tuple(failed), done=False))
    for rows, changed in audit.rotate(store, keyring, failed):
        seen += rows
        resealed += changed
    return Rotation(seen, resealed, tuple(failed), done=True)


def check_unused(store: Store, keyring: vault.Keyring, key_id: str) -> None:
    """Raises `KeyInUse` if a record is sealed with this key, or new ones are; `UnknownKey` if it is none of ours."""
    if key_id not in keyring.key_ids:
        raise UnknownKey(key_id, keyring.key_ids)
    count = keys_in_use(store)[key_id]
    if count or key_id == keyring.writes_with:
        raise KeyInUse(key_id, count)


def check_keyring(store: Store, keyring: vault.Keyring) -> None:
    """Raises `UnknownKey` if there are records and the keyring opens none of them; looks at the first ones. That some
    do not open is for those who use them, and for `closed_keys`: a row that somebody changed must not stop a start."""
    factors = _samples(store.factors(None, SAMPLE))
    if any(_opens(keyring, record) for record in factors.values()):
        return
    codes = _samples(store.recovery_codes(None, SAMPLE))
    if any(_opens(keyring, record) for record in codes.values()):
        return
    for key_id in (*factors, *codes):
        raise UnknownKey(key_id, keyring.key_ids)


def closed_keys(store: Store, keyring: vault.Keyring) -> tuple[Counter[str], list[str]]:
    """How many records each key seals, by its id, and under "" those that are no sealed records; and the ids of the
    keys of which a sample does not open. It goes through all records."""
    counts: Counter[str] = Counter()
    samples: dict[str, Factor | RecoveryCode] = {}
    for batch in _all_batches(store):
        counts.update(map(_key_id, batch))
        samples = {**_samples(batch), **samples}
    return counts, [key_id for key_id, record in samples.items() if not _opens(keyring, record)]


def _samples(records: Sequence[Factor | RecoveryCode]) -> dict[str, Factor | RecoveryCode]:
    """A record of each key, by the key's id, the first one first."""
    found: dict[str, Factor | RecoveryCode] = {}
    for record in records:
        found.setdefault(_key_id(record), record)
    found.pop("", None)  # that a record was changed is said where it is used
    return found


def _key_id(record: Factor | RecoveryCode) -> str:
    """Of the key that sealed a record; empty if it is no sealed record."""
    try:
        return _key_id_of(record)
    except vault.SealedRecordError:
        return ""


def _opens(keyring: vault.Keyring, record: Factor | RecoveryCode) -> bool:
    try:
        _reseal(keyring, record)
    except vault.SealedRecordError:
        return False
    return True


def keys_in_use(store: Store) -> Counter[str]:
    """How many records each key seals, by its id, the rows of the audit among them."""
    records = Counter(_key_id_of(record) for batch in _all_batches(store) for record in batch)
    return records + audit.keys_in_use(store)


def _key_id_of(record: Factor | RecoveryCode) -> str:
    if isinstance(record, Factor) and record.kind == "passkey":
        return passkey_records.key_id(record.sealed)
    return vault.Keyring.key_id(record.sealed)


def _all_batches(store: Store) -> Iterator[Sequence[Factor | RecoveryCode]]:
    yield from _batches(store.factors)
    yield from _batches(store.recovery_codes)


def _batches(read: Callable[[_T | None, int], list[_T]]) -> Iterator[list[_T]]:
    batch = read(None, BATCH)
    while batch:
        yield batch
        batch = read(batch[-1], BATCH)


def _reseal(keyring: vault.Keyring, record: Factor | RecoveryCode) -> bytes | None:
    owner = record.owner
    if isinstance(record, Factor) and record.kind == "passkey":
        return passkey_records.reseal(keyring, record)
    if isinstance(record, Factor):
        return keyring.reseal((owner.tenant, owner.user_id, record.factor_id), "otp", record.sealed)
    return keyring.reseal((owner.tenant, owner.user_id, record.selector), "recovery", record.sealed)


def _named(record: Factor | RecoveryCode) -> str:
    owner = record.owner
    what = f"factor {record.factor_id}" if isinstance(record, Factor) else f"recovery code {record.selector}"
    return f"tenant {owner.tenant!r}, user {owner.user_id!r}, {what}"
