"""What `docs/scale.md` says of the tables: no index covers what a login changes, and they can be dealt out by user."""

import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import UniqueConstraint

from ferrotp.mfa.stores.base import CLEAN_UP, AnsweredChallenge, Factor, NewUser, Owner
from ferrotp.mfa.stores.sql import SQLStore, tables
from ferrotp.mfa.testing import advance

from ..servers import PostgreSQLServer
from .samples import FACTOR, LIMITS, NOW, OWNER, furnish

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
PARTS = re.findall(r"^```postgresql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
CHANGED = {
    "factor": {"name", "state", "sealed", "last_step", "drift", "last_used_at"},
    "budget": {"failures", "retry_at", "spent_until"},
    "device": {"token_hash", "token_before", "last_used_at"},
    "user": {"epoch"},
    "recovery_code": {"sealed"},
}


def test_no_index_covers_what_changes_and_every_key_begins_with_the_tenant() -> None:
    made = tables()
    for name, changed in CHANGED.items():
        table = getattr(made, name)
        unique = [found for found in table.constraints if isinstance(found, UniqueConstraint)]
        indexed = {column.name for found in (table.primary_key, *unique, *table.indexes) for column in found.columns}
        assert changed <= {column.name for column in table.columns} and not changed & indexed, name
    for table in made.metadata.tables.values():
        key = [column.name for column in table.primary_key]
        assert key[0] == "tenant" or key == ["version"], table.name


@pytest.fixture
def url(postgresql: PostgreSQLServer) -> str:
    return postgresql.database()


def _of(owner: Owner, **changes: Any) -> Factor:
    return replace(FACTOR, owner=owner, **changes)


def question(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return connection.execute(text).fetchall()  # type: ignore[arg-type]


def test_each_change_of_a_login_leaves_the_index_alone(url: str) -> None:
    store = SQLStore(url)
    store.prepare()
    owners = [Owner("", f"user {number}") for number in range(50)]
    for owner in owners:
        assert store.add_users([NewUser(owner, (_of(owner),))]) == [True]
    for step in (10, 11, 12):
        for owner in owners:
            assert advance(store, owner, FACTOR.factor_id, step, now=NOW, limits=LIMITS)
            assert not advance(store, owner, FACTOR.factor_id, step, now=NOW, limits=LIMITS)
    store.close()

    def counts() -> list[tuple[object, ...]]:
        return question(
            url,
            "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
            " WHERE relname IN ('ferrotp_budget', 'ferrotp_factor') ORDER BY relname",
        )

    end = time.monotonic() + 30
    while [changed for _, changed, _ in counts()] != [300, 300] and time.monotonic() < end:
        time.sleep(0.1)  # a session tells what it did when it ends
    assert counts() == [("ferrotp_budget", 300, 300), ("ferrotp_factor", 300, 300)]


def test_answers_that_have_expired_are_removed_now_and_then(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLStore(url)
    store.prepare()
    passkey = _of(OWNER, kind="passkey", last_step=0)
    turns: list[int] = []
    monkeypatch.setattr(random, "randrange", lambda every: turns.append(every) or (len(turns) - 1) % every)
    assert store.add_passkey(passkey, AnsweredChallenge("", "first", NOW), NOW - 1, [], 9)
    for number in range(1, 103):
        answered = AnsweredChallenge("", f"{number}", NOW + number)
        assert (
            store.use_passkey(passkey, answered, number, passkey.sealed, NOW + number - 1, disable_at=9) == "accepted"
        )
    # The hundredth after the first found a hundred that had expired.
    assert len(turns) == 103 and turns[0] == CLEAN_UP == 100
    assert question(url, "SELECT count(*) FROM ferrotp_answered_challenge") == [(3,)]
    assert store.use_passkey(passkey, answered, 200, passkey.sealed, NOW, disable_at=9) == "answered"
    store.close()


@pytest.fixture
def parted(url: str) -> Iterator[SQLStore]:
    """A store whose tables were dealt out as the page says, after there were users."""
    store = SQLStore(url)
    store.prepare()
    furnish(store)
    before = question(url, "SELECT * FROM ferrotp_factor"), question(url, "SELECT * FROM ferrotp_budget")
    store.close()
    (parts,) = PARTS
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(parts)  # type: ignore[arg-type]
    assert before == (question(url, "SELECT * FROM ferrotp_factor"), question(url, "SELECT * FROM ferrotp_budget"))
    again = SQLStore(url)
    assert not again.prepare()
    yield again
    again.close()


def test_tables_that_are_dealt_out_by_user_hold_the_same_store(parted: SQLStore, url: str) -> None:
    kinds = question(url, "SELECT relname FROM pg_class WHERE relkind = 'p' AND relname LIKE 'ferrotp%' ORDER BY 1")
    assert {str(name) for (name,) in kinds} == tables().metadata.tables.keys() - {"ferrotp_schema"}
    assert parted.user(OWNER).factors
    owners = [Owner("", f"user {number}") for number in range(40)]
    assert parted.add_users([NewUser(owner, (_of(owner),)) for owner in owners]) == [True] * 40
    for owner in owners:
        assert advance(parted, owner, FACTOR.factor_id, 20, now=NOW, limits=LIMITS)
        assert not advance(parted, owner, FACTOR.factor_id, 20, now=NOW, limits=LIMITS)
        passkey = _of(owner, factor_id=f"passkey of {owner.user_id}", kind="passkey", last_step=0)
        first, second = (AnsweredChallenge("", f"{owner.user_id} {number}", NOW + 1000) for number in range(2))
        assert parted.add_passkey(passkey, first, NOW, [], 9)
        assert parted.use_passkey(passkey, first, 1, b"used", NOW, disable_at=100) == "answered"
        assert parted.use_passkey(passkey, second, 1, b"used", NOW, disable_at=100) == "accepted"
    listed = parted.factors(None, 1000)
    places = [(found.owner.tenant, found.owner.user_id, found.factor_id) for found in listed]
    assert len(places) >= 81 and places == sorted(places)
    # All that one user's login reads is in one part of each table.
    plan = question(
        url, "EXPLAIN SELECT * FROM ferrotp_factor JOIN ferrotp_budget USING (tenant, user_id) WHERE user_id = 'user 7'"
    )
    assert len({*re.findall(r"ferrotp_(?:factor|budget)_\d+ ", str(plan))}) == 2
