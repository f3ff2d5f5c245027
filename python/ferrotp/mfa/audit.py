"""The audit, read and looked after: what a user did, whether all rows are there, and which are old enough to go."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from .. import vault
from .audit_chain import fault_of_head, fault_of_row, link_of, sealed_head, sealed_row
from .audited import OF_THE_STORE
from .core import Core, moment
from .results import AuditEntry, AuditFault, AuditMark, AuditReport, UserId
from .stores.base import AuditHead, AuditRow, Factor, Owner, Store

BATCH = 500
"""Rows that are read at once. A size of work, so no policy."""

TRIES = 5
"""How often a user is looked at anew whose rows another process changes meanwhile."""

LONGEST_PAGE = 1000
"""Rows that `activity` gives at most."""


def activity(core: Core, user_id: UserId, limit: int, before: int | None) -> list[AuditEntry]:
    """`MFA.activity`."""
    limit = max(min(limit, LONGEST_PAGE), 0)
    rows = core.store.recent_audit_rows(core.owner(user_id), 1 << 62 if before is None else before, limit)
    return list(map(_entry, rows))


def entries(core: Core, user_id: UserId | None) -> Iterator[AuditEntry]:
    """`MFA.audit_entries`."""
    tenant = core.tenant
    for owner in _owners(core.store) if user_id is None else [core.owner(user_id)]:
        if owner.tenant == tenant:
            yield from map(_entry, _rows(core.store, owner))


def marks(core: Core) -> Iterator[AuditMark]:
    """`MFA.audit_marks`."""
    for owner in _owners(core.store):
        head = core.store.audit_head(owner)
        yield AuditMark(owner.tenant, owner.user_id, head.number, head.link.hex())


def verify(core: Core, user_id: UserId | None, marks: Iterable[AuditMark]) -> AuditReport:
    """`MFA.verify_audit`."""
    keyring, store = core.keyring, core.store
    faults: list[AuditFault] = []
    users = rows = 0
    whose = chain(_owners(store), store.headless_audit(BATCH)) if user_id is None else [core.owner(user_id)]
    for owner in whose:
        found, count = _verified(store, keyring, owner)
        faults += found
        users += 1
        rows += count
    faults += _older_than_factors(core, user_id)
    faults += [fault for mark in marks for fault in _missing(store, mark)]
    return AuditReport(users, rows, tuple(faults))


def prune(core: Core, days: int | None) -> int:
    """`MFA.prune_audit`."""
    days = core.policy.audit_days if days is None else days
    if not days:
        return 0
    now, tenant = core.now(), core.tenant
    oldest = now - 86_400_000 * days
    removed = 0
    for owner in _owners(core.store):
        if owner.tenant == tenant and owner != OF_THE_STORE:
            removed += _prune(core.store, core.keyring, owner, oldest)
    if removed:
        core.emit("audit pruned", core.now(), OF_THE_STORE, rows=removed, of=tenant)
    return removed


def rotate(store: Store, keyring: vault.Keyring, failed: list[str]) -> Iterator[tuple[int, int]]:
    """Gives rows and heads MACs of the key that writes. For each user how many records there were, and how many
    changed; those that are not right stay as they are, and `failed` says so."""
    for owner in _owners(store):
        seen = resealed = 0
        for batch in _batches(store, owner):
            seen += len(batch)
            old = [row for row in batch if row.key_id != keyring.writes_with]
            right = []
            for row in old:
                fault = fault_of_row(keyring, row)
                if fault:
                    failed.append(f"{_named(owner)}, row {row.number} of the audit: {fault}")
                else:
                    right.append(sealed_row(keyring, row))
            if right and _revise(store, owner, lambda head: head, right):
                resealed += len(right)
        head = store.audit_head(owner)
        if head.number and head.key_id != keyring.writes_with:
            if fault_of_head(keyring, owner, head):
                failed.append(f"{_named(owner)}, the head of the audit: {fault_of_head(keyring, owner, head)}")
            elif _revise(store, owner, lambda head, owner=owner: _resealed(keyring, owner, head), []):  # type: ignore[misc]
                resealed += 1
            seen += 1
        yield seen, resealed


def keys_in_use(store: Store) -> Counter[str]:
    """How many rows and heads have a MAC of each key."""
    used: Counter[str] = Counter()
    for owner in _owners(store):
        used.update(row.key_id for row in _rows(store, owner))
        used.update([store.audit_head(owner).key_id])
    used.pop("", None)
    return used


def _resealed(keyring: vault.Keyring, owner: Owner, head: AuditHead) -> AuditHead | None:
    return None if fault_of_head(keyring, owner, head) else sealed_head(keyring, owner, head)


def _revise(
    store: Store, owner: Owner, change: "Callable[[AuditHead], AuditHead | None]", rows: list[AuditRow]
) -> bool:
    """Changes a head, and the MACs of rows, whatever comes in between; unless it is told not to."""
    while True:
        head = store.audit_head(owner)
        changed = change(head)
        if changed is None:
            return False
        if store.revise_audit(owner, head, changed, rows):
            return True


def _verified(store: Store, keyring: vault.Keyring, owner: Owner) -> tuple[list[AuditFault], int]:
    """The faults of a user's rows, and how many rows there are."""
    for _ in range(TRIES):
        head = store.audit_head(owner)
        faults: list[AuditFault] = []
        count = sum(1 for _ in _checked(store, keyring, owner, head, faults))
        after = store.audit_head(owner)
        if not faults or (after.number, after.mac) == (head.number, head.mac):
            break
    return faults, count


def _checked(
    store: Store, keyring: vault.Keyring, owner: Owner, head: AuditHead, faults: list[AuditFault]
) -> Iterator[AuditRow]:
    """The rows of a user up to the end that a head names, each looked at before it is given; faults are noted."""

    def note(number: int, reason: str) -> None:
        faults.append(AuditFault(owner.tenant, owner.user_id, number, reason))

    of_head = fault_of_head(keyring, owner, head)
    if of_head:
        note(0, of_head)
    expected, link, before_is_right = head.pruned + 1, head.anchor, True
    for row in _rows(store, owner):
        if row.number > max(head.number, head.last):
            break
        if row.number <= head.pruned:
            note(row.number, "it was removed, and is back")
            continue
        if row.number != expected:
            note(expected, f"missing, up to {row.number - 1}")
            before_is_right = False
        fault = fault_of_row(keyring, row)
        if fault:
            note(row.number, fault)
        elif before_is_right and row.before != link:
            note(row.number, "the rows before it were changed")
        if row.kind == "audit damaged" and not fault:
            note(row.number, f"when it was written: {_detail(row).get('reason')}")
        yield row
        expected, link, before_is_right = row.number + 1, link_of(row), not fault
    if not of_head and before_is_right and link != head.link:
        note(head.number, "the head is of other rows")


def _older_than_factors(core: Core, user_id: UserId | None) -> Iterator[AuditFault]:
    """Users of whom a factor was used, or came, later than their last row: somebody has taken rows away."""
    store = core.store
    first = next((row for row in store.audit_rows(OF_THE_STORE, 0, BATCH) if row.kind == "audit began"), None)
    if first is None:
        yield AuditFault("", "", 0, "nothing says when the audit began: its first row is missing")
        return
    newest: dict[Owner, int] = {}
    found: Iterable[Factor] = core.store.user(core.owner(user_id)).factors if user_id is not None else _factors(store)
    for factor in found:
        owner, latest = factor.owner, max(factor.last_used_at, factor.created_at)
        if owner not in newest:  # the factors of one user come together
            yield from _older(store, newest)
            newest = {owner: 0}
        newest[owner] = max(newest[owner], latest if latest > first.at else 0)
    yield from _older(store, newest)


def _older(store: Store, newest: dict[Owner, int]) -> Iterator[AuditFault]:
    for owner, latest in newest.items():
        if not latest:
            continue
        rows = store.recent_audit_rows(owner, 1 << 62, BATCH)  # several, for a clock may have gone back
        head = store.audit_head(owner)
        are_removed = not rows and head.number == head.pruned > 0
        if not are_removed and all(row.at < latest for row in rows):
            said = moment(latest).isoformat()
            yield AuditFault(owner.tenant, owner.user_id, 0, f"rows are missing: a factor was used or came at {said}")


def _missing(store: Store, mark: AuditMark) -> Iterator[AuditFault]:
    """Whether the rows that were there when a mark was made are still there."""
    owner = Owner(mark.tenant, mark.user_id)
    for _ in range(TRIES):
        head = store.audit_head(owner)
        if mark.number == head.number:
            link = head.link
        elif mark.number == head.pruned:
            link = head.anchor
        else:
            link = next((row.before for row in store.audit_rows(owner, mark.number, 1)), b"")
        if store.audit_head(owner).pruned == head.pruned:
            break
    if head.number < mark.number:
        reason = f"an older copy: it had {mark.number} rows, and has {head.number}"
    elif mark.number >= head.pruned and link.hex() != mark.link:
        reason = "another history than when the mark was made"
    else:
        return
    yield AuditFault(mark.tenant, mark.user_id, 0, reason)


def _prune(store: Store, keyring: vault.Keyring, owner: Owner, oldest: int) -> int:
    """Removes a user's rows that are older. None if a row or the head is not right: that is to be looked at first."""
    for _ in range(TRIES):
        head = store.audit_head(owner)
        faults: list[AuditFault] = []
        pruned, anchor = head.pruned, head.anchor
        for row in _checked(store, keyring, owner, head, faults):
            if row.at >= oldest or row.number > head.number:
                break
            pruned, anchor = row.number, link_of(row)
        if faults or pruned == head.pruned:
            return 0
        shorter = sealed_head(keyring, owner, replace(head, pruned=pruned, anchor=anchor))
        if store.revise_audit(owner, head, shorter, []):
            return pruned - head.pruned
    return 0  # the next run does it


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        row.owner.tenant,
        row.owner.user_id,
        row.number,
        moment(row.at),
        row.kind,
        row.factor_id,
        row.method,
        _detail(row),
        row.address,
        row.user_agent,
    )


def _detail(row: AuditRow) -> dict[str, object]:
    """Of a row that somebody changed it may be anything."""
    try:
        found = json.loads(row.detail)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _named(owner: Owner) -> str:
    return f"tenant {owner.tenant!r}, user {owner.user_id!r}"


def _owners(store: Store) -> Iterator[Owner]:
    batch = store.audit_owners(None, BATCH)
    while batch:
        yield from batch
        batch = store.audit_owners(batch[-1], BATCH)


def _batches(store: Store, owner: Owner) -> Iterator[list[AuditRow]]:
    batch = store.audit_rows(owner, 0, BATCH)
    while batch:
        yield batch
        batch = store.audit_rows(owner, batch[-1].number, BATCH)


def _rows(store: Store, owner: Owner) -> Iterator[AuditRow]:
    for batch in _batches(store, owner):
        yield from batch


def _factors(store: Store) -> Iterator[Factor]:
    batch = store.factors(None, BATCH)
    while batch:
        yield from batch
        batch = store.factors(batch[-1], BATCH)
