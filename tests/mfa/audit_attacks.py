"""What somebody does to the rows of the audit who has the store and no keyring: on each kind of store."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ferrotp.mfa.stores.base import AuditHead, AuditRow, Owner, Store
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.mfa.stores.redis import _audit_record, _head_record, _owner
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.records import audit_head_values, audit_row_values, owner_values


class Attacker(Protocol):
    """Somebody with a hand in the store."""

    def put(self, owner: Owner, rows: list[AuditRow], head: AuditHead | None) -> None:
        """These rows and this head, in the place of what there is of a user."""


class InMemory:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(self, owner: Owner, rows: list[AuditRow], head: AuditHead | None) -> None:
        store = self._store
        kept = {place: row for place, row in store._rows.items() if place[0] != owner}
        store._rows = kept | {(owner, row.number): row for row in rows}
        store._heads.pop(owner, None)
        if head is not None:
            store._heads[owner] = replace(head, last=0)


class InSQL:
    def __init__(self, store: SQLStore) -> None:
        self._store = store

    def put(self, owner: Owner, rows: list[AuditRow], head: AuditHead | None) -> None:
        statements, user = self._store._statements, owner_values(owner)
        with self._store._pool.borrow() as connection:
            connection.begin()
            connection.run(statements.drop_audit_rows, {**user, "head_pruned": 1 << 60})
            for row in rows:
                connection.run(statements.add_audit_row, audit_row_values(replace(row, owner=owner)))
            read = self._store._dialect.audit_head(connection, owner)
            if head is None:
                name = self._store._tables.audit_head.name
                place = f"tenant = '{owner.tenant}' AND user_id = '{owner.user_id}'"
                connection.script(f"DELETE FROM {name} WHERE {place}")
            else:
                assert connection.run(statements.move_audit_head, audit_head_values(owner, read, head))
            connection.commit()


class InRedis:
    def __init__(self, store: Any) -> None:
        self._store = store

    def put(self, owner: Owner, rows: list[AuditRow], head: AuditHead | None) -> None:
        user = _owner(owner)
        rows_key, head_key = self._store._keys(user).of_audit(user)

        def ask(*command: Any) -> None:
            self._store._ask(time.monotonic() + 30, *command)

        ask("DEL", rows_key)
        ask("DEL", head_key)
        for row in rows:
            ask("ZADD", rows_key, row.number, _audit_record(row))
        if head is not None:
            ask("SET", head_key, _head_record(head))


def attacker(store: Store) -> Attacker:
    """One for this store."""
    if isinstance(store, MemoryStore):
        return InMemory(store)
    return InSQL(store) if isinstance(store, SQLStore) else InRedis(store)


@dataclass
class Trail:
    """What there is of a user."""

    rows: list[AuditRow]
    head: AuditHead | None

    @classmethod
    def of(cls, store: Store, owner: Owner) -> "Trail":
        return cls(store.audit_rows(owner, 0, 1000), store.audit_head(owner))


Attack = Callable[[Trail, Trail, Trail], Trail]
"""Makes another trail of a user's, of an earlier copy of it, and of another user's."""


def _with(trail: Trail, number: int, **changes: Any) -> Trail:
    rows = [replace(row, **changes) if row.number == number else row for row in trail.rows]
    return Trail(rows, trail.head)


def _without(trail: Trail, *numbers: int) -> Trail:
    return Trail([row for row in trail.rows if row.number not in numbers], trail.head)


def _last(trail: Trail) -> int:
    return trail.rows[-1].number


def _swapped(trail: Trail) -> Trail:
    first, second = trail.rows[1], trail.rows[2]
    others = [row for row in trail.rows if row not in (first, second)]
    moved = [replace(second, number=first.number), replace(first, number=second.number)]
    return Trail(sorted([*others, *moved], key=lambda row: row.number), trail.head)


def _shorter(trail: Trail) -> Trail:
    """The last row gone, and the head made to fit as far as it goes without the key."""
    assert trail.head
    head = replace(trail.head, number=_last(trail) - 1, link=trail.rows[-1].before)
    return Trail(trail.rows[:-1], head)


def _begun_later(trail: Trail) -> Trail:
    """The first rows gone, as if they had been removed for their age."""
    assert trail.head
    return Trail(trail.rows[2:], replace(trail.head, pruned=2, anchor=trail.rows[2].before))


def _forged(trail: Trail) -> Trail:
    """A row more, with the MAC of another."""
    last = trail.rows[-1]
    return Trail([*trail.rows, replace(last, number=last.number + 1, kind="verified")], trail.head)


ATTACKS: dict[str, Attack] = {
    "another kind": lambda mine, before, other: _with(mine, 2, kind="verified"),
    "another detail": lambda mine, before, other: _with(mine, 2, detail="{}"),
    "no JSON": lambda mine, before, other: _with(mine, 2, detail="{"),
    "another address": lambda mine, before, other: _with(mine, 3, address="203.0.113.9"),
    "another time": lambda mine, before, other: _with(mine, 3, at=mine.rows[2].at + 1),
    "another MAC": lambda mine, before, other: _with(mine, 2, mac=b""),
    "another key": lambda mine, before, other: _with(mine, 2, key_id="0" * 16, mac=b""),
    "no key": lambda mine, before, other: _with(mine, 2, key_id="", mac=b""),
    "one out of the middle": lambda mine, before, other: _without(mine, 3),
    "the first": lambda mine, before, other: _without(mine, 1),
    "the last": lambda mine, before, other: _without(mine, _last(mine)),
    "all of the end": lambda mine, before, other: _without(mine, *range(3, _last(mine) + 1)),
    "two swapped": lambda mine, before, other: _swapped(mine),
    "the last, with its head": lambda mine, before, other: _shorter(mine),
    "the first, as if they were old": lambda mine, before, other: _begun_later(mine),
    "a row of another user": lambda mine, before, other: Trail(
        [other.rows[1] if row.number == 2 else row for row in mine.rows], mine.head
    ),
    "all of another user": lambda mine, before, other: other,
    "a forged one": lambda mine, before, other: _forged(mine),
    "all rows": lambda mine, before, other: Trail([], mine.head),
    "the head": lambda mine, before, other: Trail(mine.rows, None),
    "an empty head": lambda mine, before, other: Trail(mine.rows, AuditHead()),
    "another head": lambda mine, before, other: Trail(mine.rows, replace(mine.head, mac=b"\0" * 32)),  # type: ignore[type-var]
    "an old head": lambda mine, before, other: Trail(mine.rows, before.head),
    "old rows": lambda mine, before, other: Trail(before.rows, mine.head),
    "the whole trail": lambda mine, before, other: Trail([], None),
    "an old copy of all": lambda mine, before, other: before,
}
"""Each shows: the last two by the factor, which was used later than the rows say."""


@contextmanager
def put_back(store: Store, owner: Owner) -> Iterator[None]:
    """Undoes what was done to a user's rows."""
    trail = Trail.of(store, owner)
    try:
        yield
    finally:
        attacker(store).put(owner, trail.rows, trail.head)
