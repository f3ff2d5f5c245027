"""The audit: what an attacker with the store leaves behind, what an operator does with it, and what it never holds."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folders import in_memory

from ferrotp.mfa import (
    MFA,
    AsyncMFA,
    AuditContext,
    Event,
    InvalidCode,
    KeyInUse,
    KeySource,
    KeysUnavailable,
    Policy,
    StoreUnavailable,
    open_store,
)
from ferrotp.mfa.audit_chain import request_context
from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

from .audit_attacks import ATTACKS, Trail, attacker, put_back
from .authenticator import Clock, Device

POLICY = replace(Policy.cheap_for_tests(), trusted_device_days=30)


class World:
    """A service with an audit, and users with devices."""

    def __init__(self, store: Store, keyring: Keyring | None = None) -> None:
        self.store, self.clock, self.events = store, Clock(), list[Event]()
        self.keyring = keyring or Keyring.generate()
        self.mfa = self.service()

    def service(self, policy: Policy = POLICY, keyring: Any = None, **more: Any) -> MFA:
        return MFA(
            self.store,
            issuer="ACME",
            keyring=keyring or self.keyring,
            policy=policy,
            clock=self.clock,
            on_event=self.events.append,
            **{"audit": True, **more},
        )

    def enroll(self, user_id: str) -> Device:
        self.clock.now += 60
        enrollment = self.mfa.enroll(user_id=user_id, account_name=user_id)
        device = Device(enrollment.uri)
        self.mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=device.at(self.clock.now))
        return device

    def log_in(self, user_id: str, device: Device) -> None:
        self.clock.now += 60
        self.mfa.verify(user_id=user_id, code=device.at(self.clock.now))

    def faults(self) -> list[tuple[str, str]]:
        return [(fault.user_id, fault.reason) for fault in self.mfa.verify_audit().faults]


@pytest.fixture
def audited() -> World:
    return World(MemoryStore())


@pytest.fixture(params=["memory", "sqlite", "postgresql", "mariadb", "redis"])
def everywhere(request: pytest.FixtureRequest) -> Iterator[World]:
    """On each kind of store."""
    if request.param == "memory":
        yield World(MemoryStore())
        return
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        if request.param == "redis":
            from .redis_server import server

            with server() as own:
                yield World(open_store(own.url))
            return
        if request.param == "sqlite":
            url = f"sqlite:///{folder}/mfa.db"
        else:
            url = request.getfixturevalue(request.param).database()
        store = open_store(url)
        yield World(store)
        store.close()


def test_each_attack_on_the_rows_shows_and_stays_to_be_seen(everywhere: World) -> None:
    world = everywhere
    world.clock.now += 1
    alice, other = world.enroll("alice"), world.enroll("other")
    world.log_in("alice", alice)
    earlier = Trail.of(world.store, Owner("", "alice"))
    for _ in range(2):
        world.log_in("alice", alice)
        world.log_in("other", other)
    owner = Owner("", "alice")
    trails = Trail.of(world.store, owner), earlier, Trail.of(world.store, Owner("", "other"))
    assert world.faults() == []
    for name, attack in ATTACKS.items():
        with put_back(world.store, owner):
            attacked = attack(*trails)
            attacker(world.store).put(owner, attacked.rows, attacked.head)
            found = world.faults()
            assert {user_id for user_id, _ in found} == {"alice"}, f"{name}: {found}"
            assert [fault.user_id for fault in world.mfa.verify_audit(user_id="other").faults] == [], name
            if name in ("the whole trail", "an old copy of all"):
                continue  # it begins anew: what was exported before shows it
            # Nobody is locked out, and the fault is there for good.
            world.log_in("alice", alice)
            assert [user_id for user_id, _ in world.faults() if user_id != "alice"] == [], name
            assert [user_id for user_id, _ in world.faults() if user_id == "alice"], name
    assert world.faults() == [("alice", reason) for _, reason in world.faults()]


def test_a_mark_that_was_kept_elsewhere_shows_an_older_copy_of_all(everywhere: World) -> None:
    world = everywhere
    alice = world.enroll("alice")
    earlier = Trail.of(world.store, Owner("", "alice"))
    world.log_in("alice", alice)
    marks = list(world.mfa.audit_marks())
    assert world.mfa.verify_audit(marks=marks).faults == ()
    attacker(world.store).put(Owner("", "alice"), earlier.rows, earlier.head)
    reasons = [fault.reason for fault in world.mfa.verify_audit(marks=marks).faults]
    assert any("an older copy" in reason for reason in reasons)
    # After other rows as many as before, they are others.
    for _ in range(3):
        world.log_in("alice", alice)
    reasons = [fault.reason for fault in world.mfa.verify_audit(marks=marks).faults]
    assert any("another history" in reason for reason in reasons)


def test_rows_that_were_changed_are_told_of_when_others_are_written(audited: World) -> None:
    alice = audited.enroll("alice")
    trail = Trail.of(audited.store, Owner("", "alice"))
    attacker(audited.store).put(Owner("", "alice"), trail.rows[:-1], trail.head)
    audited.log_in("alice", alice)
    assert [event.kind for event in audited.events][-2:] == ["verified", "audit damaged"]
    assert audited.events[-1].detail == {"reason": "rows are missing at the end"}
    assert [row.kind for row in audited.mfa.activity(user_id="alice", limit=2)] == ["verified", "audit damaged"]


def test_a_key_goes_when_it_is_rotated_out_and_no_changed_row_is_made_good(everywhere: World) -> None:
    world = everywhere
    alice = world.enroll("alice")
    world.enroll("bob")
    bobs = Trail.of(world.store, Owner("", "bob"))
    fresh = Keyring.generate()
    both = Keyring([fresh.export(), world.keyring.export()])
    old = world.keyring.writes_with
    world.mfa = world.service(keyring=both)
    with pytest.raises(KeyInUse):
        world.mfa.retire_key(old)
    changed = [replace(row, kind="verified") if row.number == 1 else row for row in bobs.rows]
    attacker(world.store).put(Owner("", "bob"), changed, bobs.head)
    rotation = world.mfa.rotate_keys()
    assert len(rotation.failed) == 1 and "user 'bob', row 1 of the audit: changed" in rotation.failed[0]
    assert world.faults()[0] == ("bob", "changed")
    with pytest.raises(KeyInUse):
        world.mfa.retire_key(old)
    # Put right from a copy, and rotated, it fits under the new key alone.
    after = Trail.of(world.store, Owner("", "bob"))
    mended = [bobs.rows[0] if row.number == 1 else row for row in after.rows]
    attacker(world.store).put(Owner("", "bob"), mended, after.head)
    assert world.mfa.rotate_keys().failed == ()
    world.mfa.retire_key(old)
    world.mfa = world.service(keyring=fresh)
    assert world.faults() == []
    world.log_in("alice", alice)
    assert world.faults() == []
    assert world.mfa.keys_in_use().keys() == {fresh.writes_with}


def test_old_rows_go_and_what_is_left_still_shows_what_was_changed(everywhere: World) -> None:
    world = everywhere
    alice = world.enroll("alice")
    world.enroll("bob")
    early = Trail.of(world.store, Owner("", "alice"))
    assert world.mfa.prune_audit() == 0  # the policy keeps them for ever
    world.clock.now += 40 * 86_400
    world.log_in("alice", alice)
    keeper = world.service(policy=replace(POLICY, audit_days=30))
    assert keeper.prune_audit() == len(early.rows) + len(Trail.of(world.store, Owner("", "bob")).rows) + 4
    assert keeper.prune_audit() == 0
    assert [row.kind for row in world.mfa.activity(user_id="alice")] == ["verified"]
    assert world.mfa.activity(user_id="bob") == []
    assert world.faults() == []
    now = Trail.of(world.store, Owner("", "alice"))
    for rows, head in (([*early.rows, *now.rows], now.head), (now.rows, early.head), ([], now.head)):
        with put_back(world.store, Owner("", "alice")):
            attacker(world.store).put(Owner("", "alice"), rows, head)
            assert {user_id for user_id, _ in world.faults()} == {"alice"}
    world.log_in("alice", alice)
    assert world.faults() == []


def test_rows_that_are_not_right_are_never_removed_for_their_age(audited: World) -> None:
    audited.enroll("alice")
    trail = Trail.of(audited.store, Owner("", "alice"))
    changed = [replace(row, kind="verified") if row.number == 2 else row for row in trail.rows]
    attacker(audited.store).put(Owner("", "alice"), changed, trail.head)
    audited.clock.now += 400 * 86_400
    keeper = audited.service(policy=replace(POLICY, audit_days=30))
    assert keeper.prune_audit() == 0
    assert len(Trail.of(audited.store, Owner("", "alice")).rows) == len(trail.rows)


def test_a_removed_beginning_of_the_audit_shows(audited: World) -> None:
    audited.enroll("alice")
    attacker(audited.store).put(Owner("", ""), [], None)
    assert ("", "nothing says when the audit began: its first row is missing") in audited.faults()


def test_users_who_were_there_before_the_audit_are_no_fault(audited: World) -> None:
    world = World(MemoryStore())
    world.mfa = world.service(audit=False)
    world.store = MemoryStore()
    world.mfa = world.service(audit=False)
    alice = world.enroll("alice")
    world.clock.now += 60
    world.mfa = world.service()
    assert world.faults() == []
    world.log_in("alice", alice)
    assert [row.kind for row in world.mfa.activity(user_id="alice")] == ["verified"]
    assert world.faults() == []
    # But a use of the factor by a service that writes no rows is one.
    world.mfa = world.service(audit=False)
    world.log_in("alice", alice)
    world.mfa = world.service()
    assert [user_id for user_id, _ in world.faults()] == ["alice"]


def test_without_an_audit_nothing_is_written() -> None:
    world = World(MemoryStore())
    world.store = store = MemoryStore()
    world.mfa = world.service(audit=False)
    world.log_in("alice", world.enroll("alice"))
    assert not store._rows and not store._heads
    assert not world.mfa.audited and world.mfa.activity(user_id="alice") == []


def test_where_the_row_cannot_be_written_there_is_no_yes_and_no_secret(audited: World) -> None:
    alice = audited.enroll("alice")
    factor = audited.mfa.status(user_id="alice").factors[0]
    audited.clock.now += 60
    code = alice.at(audited.clock.now)
    before = audited.store.user(Owner("", "alice"))

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    audited.store.append_audit = full  # type: ignore[method-assign]
    for verb, arguments in (
        (audited.mfa.verify, {"code": code}),
        (audited.mfa.verify, {"code": "000000"}),
        (audited.mfa.reveal_secret, {"factor_id": factor.factor_id, "by": "the desk"}),
        (audited.mfa.reset, {"by": "the desk"}),
        (audited.mfa.note_passed, {"by": "sso"}),
    ):
        told = len(audited.events)
        with pytest.raises(StoreUnavailable):
            verb(user_id="alice", **arguments)  # type: ignore[operator]
        assert audited.store.user(Owner("", "alice")) == before
        assert len(audited.events) == told
    del audited.store.append_audit  # type: ignore[attr-defined]
    audited.mfa.verify(user_id="alice", code=code)


def test_without_its_keys_an_audit_lets_nobody_in() -> None:
    world = World(MemoryStore())
    alice = world.enroll("alice")
    away = False

    def fetch() -> Keyring:
        if away:
            raise OSError
        return world.keyring

    now = [0.0]
    world.mfa = world.service(keyring=KeySource(fetch, seconds=10, patience=10, clock=lambda: now[0]))
    world.log_in("alice", alice)
    away, now[0] = True, 100.0
    before = world.store.user(Owner("", "alice"))
    with pytest.raises(KeysUnavailable):
        world.mfa.reset(user_id="alice", by="the desk")
    assert world.store.user(Owner("", "alice")) == before


def test_rows_hold_no_code_no_secret_and_no_token(audited: World) -> None:
    mfa = audited.mfa
    secrets = []
    enrollment = mfa.enroll(user_id="alice", account_name="alice")
    device = Device(enrollment.uri)
    code = device.at(audited.clock.now)
    codes = mfa.confirm(user_id="alice", factor_id=enrollment.factor_id, code=code)
    secrets += [enrollment.secret, enrollment.uri, code, *codes]
    audited.clock.now += 60
    for typed in ("135790", device.at(audited.clock.now)):
        with suppress(InvalidCode):
            mfa.verify(user_id="alice", code=typed)
        secrets.append(typed)
    token = mfa.trust_device(user_id="alice")
    secrets += [token.token, mfa.recognize_device(user_id="alice", token=token.token).token]
    secrets.append(mfa.reveal_secret(user_id="alice", factor_id=enrollment.factor_id, by="me").secret)
    mfa.recover(user_id="alice", code=codes[0])
    secrets += mfa.regenerate_recovery_codes(user_id="alice")
    rows = [row.as_json() for row in mfa.audit_entries()]
    assert len(rows) > 10
    written = json.dumps(rows)
    for secret in secrets:
        assert secret not in written
        assert secret.partition(".")[2] == "" or secret.rpartition(".")[2] not in written


def test_a_row_says_where_it_came_from_and_nothing_in_it_steers_a_terminal(audited: World) -> None:
    audited.enroll("alice")
    token = request_context.set(AuditContext("192.0.2.1", "Fire\x1b[31mfox\n" + "x" * 1000))
    try:
        audited.mfa.note_passed(user_id="alice", by="sso")
    finally:
        request_context.reset(token)
    (row,) = audited.mfa.activity(user_id="alice", limit=1)
    assert row.address == "192.0.2.1"
    assert row.user_agent.startswith("Fire?[31mfox?xx") and len(row.user_agent) == 255
    # A hook of the application's is asked instead; one that fails decides nothing.
    own = audited.service(audit_context=lambda: AuditContext("2001:db8::7"))
    own.note_passed(user_id="alice", by="sso")
    assert own.activity(user_id="alice", limit=1)[0].address == "2001:db8::7"

    def broken() -> AuditContext:
        raise RuntimeError("secret")

    audited.service(audit_context=broken).note_passed(user_id="alice", by="sso")
    assert own.activity(user_id="alice", limit=1)[0].address == ""


def test_tenants_see_their_own_rows_and_verification_sees_all(audited: World) -> None:
    acme, other = audited.mfa.for_tenant("acme"), audited.mfa.for_tenant("other")
    acme.note_passed(user_id="alice", by="sso")
    other.note_passed(user_id="alice", by="sso")
    assert [(row.tenant, row.user_id) for row in acme.audit_entries()] == [("acme", "alice")]
    assert len(acme.activity(user_id="alice")) == 1
    assert audited.mfa.verify_audit().users == 3  # and the store's own
    acmes = Trail.of(audited.store, Owner("acme", "alice"))
    attacker(audited.store).put(Owner("other", "alice"), acmes.rows, acmes.head)
    assert {fault.tenant for fault in acme.verify_audit().faults} == {"other"}


def test_activity_is_read_in_pages(audited: World) -> None:
    for _ in range(5):
        audited.mfa.note_passed(user_id="alice", by="sso")
    first = audited.mfa.activity(user_id="alice", limit=2)
    assert [row.number for row in first] == [5, 4]
    rest = audited.mfa.activity(user_id="alice", before=first[-1].number)
    assert [row.number for row in rest] == [3, 2, 1]
    assert audited.mfa.activity(user_id="alice", limit=-1) == []
    assert audited.mfa.activity(user_id="nobody") == []


def test_coroutines_read_it_too(audited: World) -> None:
    import asyncio

    async def main() -> None:
        async with AsyncMFA(audited.mfa) as mfa:
            await mfa.note_passed(user_id="alice", by="sso")
            assert [row.kind for row in await mfa.activity(user_id="alice")] == ["passed elsewhere"]
            assert [row.user_id async for row in mfa.audit_entries()] == ["", "alice"]
            assert [mark.number async for mark in mfa.audit_marks()] == [1, 1]
            assert (await mfa.verify_audit()).faults == ()
            assert await mfa.prune_audit() == 0

    asyncio.run(main())


def test_a_report_is_no_yes_that_somebody_forgets_to_look_at(audited: World) -> None:
    with pytest.raises(TypeError):
        bool(audited.mfa.verify_audit())


def test_tables_of_the_version_before_get_the_audit(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    url = f"sqlite:///{tmp_path}/mfa.db"
    store = open_store(url)
    store.prepare()
    store.close()
    with create_engine(url).begin() as connection:
        for name in ("audit_row", "audit_head"):
            connection.execute(text(f"DROP TABLE ferrotp_{name}"))
        connection.execute(text("DELETE FROM ferrotp_schema"))
        connection.execute(text("INSERT INTO ferrotp_schema VALUES (3)"))
    world = World(open_store(url))
    world.log_in("alice", world.enroll("alice"))
    assert world.faults() == []
