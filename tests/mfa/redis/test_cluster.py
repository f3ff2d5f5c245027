"""A Cluster of several shards: one that stops takes its own users along and no others, a slot may be moved while logins
run, and what is unique among all users is claimed in a slot of its own."""

import itertools
import multiprocessing
import random
import re
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from ferrotp import TOTP
from ferrotp.mfa import MFA, Policy, StoreRefused, StoreUnavailable, open_store
from ferrotp.mfa.errors import PasskeyTaken, TooManyFactors
from ferrotp.mfa.stores.base import AnsweredChallenge, Factor, Limits, NewUser, Owner, RecoveryCode, Reservation
from ferrotp.mfa.stores.redis import _of_tenant, _owner
from ferrotp.mfa.stores.redis_cluster import LISTS, RedisClusterStore, _lists, _new_name, _under_way
from ferrotp.mfa.testing import advance
from ferrotp.vault import Keyring

from ..redis_cluster import SLOTS, Cluster, Shard, cluster, until
from ..redis_server import free_port, server
from .test_cost import Wire
from .test_decisions import ALICE, DEVICE, LIMITS, NOW, factor, reserved
from .test_faults import CODE, operations, reads, unavailable

GENEROUS = Limits(10**6, (1,), 10**6, 1, 10**9)
PATIENT = 60.0
"""Seconds for an operation where nothing is away: a busy machine may take some."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """For tests that leave it as it was."""
    with cluster() as one:
        yield one


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A Cluster to do violence to."""
    with cluster() as one:
        yield one


@pytest.fixture
def store(shared: Cluster) -> Iterator[RedisClusterStore]:
    shared.flush()
    one = RedisClusterStore.from_url(shared.url, timeout=PATIENT)
    one.prepare()
    yield one
    one.close()


def slot_of(store: RedisClusterStore, owner: Owner) -> int:
    return key_slot(store._keys(_owner(owner)).start)


def users_of(store: RedisClusterStore, one: Cluster, shard: Shard, count: int = 1) -> list[Owner]:
    """Users whose slots a shard has."""
    everybody = (Owner("acme", f"user {number}") for number in range(10_000))
    mine = (owner for owner in everybody if one.owner[slot_of(store, owner)] is shard)
    return [owner for owner, _ in zip(mine, range(count), strict=False)]


def passkey_of(owner: Owner, factor_id: str = "passkey") -> Factor:
    return factor(owner, factor_id, kind="passkey", last_step=0)


def challenge(name: str = "challenge") -> AnsweredChallenge:
    return AnsweredChallenge("acme", name, NOW + 120_000)


# Where things are.


def test_each_shard_has_as_many_lists_as_it_has_slots() -> None:
    for prefix in (b"ferrotp", b"a", b"a:1"):
        slots = [key_slot(keys.start) for keys in _lists(prefix)]
        assert len(set(slots)) == LISTS == len(slots)
        for shards in (1, 2, 3, 7, 64):
            counts = Counter(slot * shards // SLOTS for slot in slots)
            assert max(counts.values()) - min(counts.values()) <= 2, shards


def test_lists_stay_where_they_are() -> None:
    """A version that dealt users out in another way would find none of those that are there."""
    lists = _lists(b"ferrotp")
    assert [lists[number].start for number in (0, 1, 255)] == [b"{ferrotp:120}/", b"{ferrotp:254}/", b"{ferrotp:59}/"]
    store = RedisClusterStore.from_url("redis+cluster://localhost")
    assert store._keys(_owner(ALICE)).hashes[Factor] + _owner(ALICE) == b"{ferrotp:371}/factors:acme\0alice"


def test_users_are_spread_over_all_lists() -> None:
    store = RedisClusterStore.from_url("redis+cluster://localhost")
    counts = Counter(store._keys(_owner(Owner("", f"{number}"))).start for number in range(100 * LISTS))
    assert len(counts) == LISTS and max(counts.values()) < 200


def test_a_login_writes_two_keys_of_its_user_and_takes_two_round_trips(
    shared: Cluster, store: RedisClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [NOW // 1000]
    mfa = MFA(
        store,
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=lambda: float(seconds[0]),
        prepare=False,
    )
    otp = TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    for number in range(20):
        mfa.import_factor(user_id=f"{number}", secret=otp.secret)
    for number in range(20):
        mfa.verify(user_id=f"{number}", code=otp.at(seconds[0]))
    seconds[0] += 60
    wire = Wire(monkeypatch)
    for number in range(20):
        before = shared.dump()
        named = {"user_id": f"{number}", "code": otp.at(seconds[0])}
        assert wire.trips(partial(mfa.verify, **named)) == 2
        after = shared.dump()
        user = _owner(Owner("", f"{number}"))
        keys = store._keys(user).of_user(user)
        assert {key for key in after if after[key] != before.get(key)} == {keys[0], keys[1]}
        assert before.keys() == after.keys()


def test_keys_of_a_user_are_in_one_slot_whatever_is_in_the_id(shared: Cluster, store: RedisClusterStore) -> None:
    for number, user_id in enumerate(("", "}", "{", "{}", "a}b", "{x}", "\0", "\u00e9")):
        owner = Owner("{acme}", user_id)
        made = factor(owner)
        assert store.add_factor(made, NOW, 5, 5)
        assert store.replace_recovery_codes(owner, [RecoveryCode(owner, "AB", b"sealed")], NOW)
        assert store.add_passkey(
            passkey_of(owner, f"{number}"), replace(challenge(f"{number}"), tenant="{acme}"), NOW, [], 5
        )
        slot = slot_of(store, owner)
        user = _owner(owner)
        named = [key for key in shared.dump() if key.endswith(b":" + user) and key.startswith(store._keys(user).start)]
        assert len(named) == 3 and {key_slot(key) for key in named} == {slot}
        store.reset(owner)
    # Of a user who is reset nothing is left, in no slot. The answers to challenges go when they have expired.
    left = {key.rpartition(b"/")[2] for key in shared.dump()}
    assert left <= {b"challenges", b"answered", b"{ferrotp}:cluster"}


def test_all_records_are_found_and_sealed_anew_wherever_they_are(store: RedisClusterStore) -> None:
    owners = [Owner("acme", f"{number}") for number in range(60)]
    for owner in owners:
        assert store.add_factor(factor(owner), NOW, 5, 5)
        assert store.replace_recovery_codes(owner, [RecoveryCode(owner, "AB", b"sealed")], NOW)
    factors, codes = store.factors(None, 1000), store.recovery_codes(None, 1000)
    assert {found.owner for found in factors} == {found.owner for found in codes} == set(owners)
    assert store.reseal([(record, b"new") for record in (*factors, *codes)]) == 120
    assert {found.sealed for found in store.factors(None, 1000)} == {b"new"}
    assert store.delete_users([*owners, Owner("acme", "nobody"), owners[0]]) == [1] * 60 + [0, 0]
    assert store.factors(None, 1000) == [] == store.recovery_codes(None, 1000)


# What names it.


def test_a_store_is_made_once_and_opened_as_what_it_was_made_as(shared: Cluster) -> None:
    shared.flush()
    store = open_store(shared.url, timeout=PATIENT)
    assert isinstance(store, RedisClusterStore)
    assert store.prepare() and not store.prepare()
    assert open_store(shared.url + "/?prefix=other", timeout=PATIENT).prepare()
    assert store.faults() == []
    with server(port=str(free_port()), cluster_enabled="yes") as one:
        one.client().execute_command("CLUSTER ADDSLOTS", *range(SLOTS))
        until(lambda: one.client().execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        place = f"127.0.0.1:{one.settings['port']}"
        # A store in one slot is none that is spread, and the other way round: users of one have no factor in the other.
        old = open_store(f"redis://{place}", timeout=PATIENT)
        assert old.add_factor(factor(), NOW, 5, 5)
        with pytest.raises(StoreRefused, match=r"redis://"):
            open_store(f"redis+cluster://{place}").prepare()
        assert open_store(f"redis+cluster://{place}?prefix=second").prepare()
        with pytest.raises(StoreRefused, match=r"redis\+cluster://"):
            open_store(f"redis://{place}?prefix=second").prepare()
        old.prepare()


def test_a_server_that_is_no_cluster_is_refused() -> None:
    with (
        server(port=str(free_port())) as one,
        pytest.raises(StoreRefused, match=r"no Redis Cluster: name it by redis://"),
    ):
        open_store(f"redis+cluster://127.0.0.1:{one.settings['port']}").prepare()


def test_each_shard_is_looked_at(own: Cluster) -> None:
    store = RedisClusterStore.from_url(own.url)
    client = own.shards[2].client()
    client.config_set("appendfsync", "no")
    with pytest.raises(StoreRefused, match="appendfsync always"):
        store.prepare()
    assert "appendfsync always" in str(store.faults())
    client.config_set("appendfsync", "always")
    client.config_set("cluster-require-full-coverage", "yes")
    assert store.faults() == ["one shard that is away stops all of them: set cluster-require-full-coverage no"]


def test_any_node_leads_to_all(shared: Cluster, store: RedisClusterStore) -> None:
    for user in users_of(store, shared, shared.shards[2]):
        store.add_factor(factor(user), NOW, 5, 5)
    place = shared.shards[0].place
    port = int(place.partition(":")[2])
    for other in (
        RedisClusterStore.from_url(f"redis+cluster://127.0.0.1:1,{place}"),
        RedisClusterStore(redis.Redis(host="127.0.0.1", port=port, decode_responses=True)),
        RedisClusterStore(redis.RedisCluster(host="127.0.0.1", port=port)),
    ):
        assert reserved(other, user).factors == (factor(user),)
        other.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://:hunter2@host:port",
        "redis+cluster://:hunter2@host:1,other:port",
        "redis+cluster://:hunter2@host:1,,other:2",
        "redis+cluster://:hunter2@host/3",
        "redis+cluster://:hunter2@host?allow_loss=yes",
        "redis+cluster://:hunter2@host?no_such_setting=1",
        "redis+cluster://:hunter2@host?prefix={}",
        "unix+cluster://:hunter2@/socket",
    ],
)
def test_a_wrong_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        RedisClusterStore.from_url(url)
    assert "hunter2" not in repr(caught.value) and caught.value.__context__ is None


def test_what_is_no_client_of_a_node_is_refused(tmp_path: Path) -> None:
    import redis.asyncio

    for client in (
        object(),
        redis.asyncio.Redis(),
        redis.Redis(db=1),
        redis.Redis(unix_socket_path=str(tmp_path / "socket")),
    ):
        with pytest.raises(TypeError, match=r"redis\.Redis"):
            RedisClusterStore(client)


def test_the_rules_in_the_docs_are_enough(shared: Cluster) -> None:
    page = (Path(__file__).parents[3] / "docs" / "redis.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^user ferrotp-cluster (.+)$", page, re.M)
    shared.flush()
    for shard in shared.shards:
        shard.client().execute_command("ACL", "SETUSER", "ferrotp-cluster", "reset", *rules.split())
    url = shared.url.replace("://", "://ferrotp-cluster:password@")
    store = RedisClusterStore.from_url(url, timeout=PATIENT)
    store.prepare()
    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [CODE], NOW)
    for verb in (operations(store) | reads(store)).values():
        verb()
    assert store.faults() == []


# What is unique among all users.


def claim(store: RedisClusterStore, owner: Owner, factor_id: str = "passkey") -> bytes:
    """What a process does before it adds a passkey, and dies. The name of its claim."""
    name = _new_name()
    store._claiming(name, "begin_claim", owner, bool, store._lasts)
    assert store._claim(owner, [factor_id], name)
    return name


def expire(shared: Cluster, store: RedisClusterStore, owner: Owner, name: bytes) -> None:
    """The claim under way expires, as it does by itself."""
    key = _under_way(store._keys(_owner(owner)), name)
    client = shared.owner[key_slot(key)].client()
    assert 0 < client.pttl(key) <= int(store._lasts)
    client.delete(key)


def test_a_claim_of_a_process_that_died_stands_until_it_expires(shared: Cluster, store: RedisClusterStore) -> None:
    one, other = Owner("acme", "one"), Owner("acme", "other")
    name = claim(store, one)
    for _ in range(2):
        with pytest.raises(PasskeyTaken):
            store.add_passkey(passkey_of(other), challenge(), NOW, [], 5)
        assert store.add_users([NewUser(other, (passkey_of(other),))]) == [False]
    assert store.passkey("acme", "passkey") is None and store.user(other).factors == ()
    expire(shared, store, one, name)
    assert store.add_passkey(passkey_of(other), challenge(), NOW, [], 5)
    assert store.passkey("acme", "passkey") == passkey_of(other)


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_process_that_comes_too_late_with_its_claim_adds_nothing(
    shared: Cluster, store: RedisClusterStore, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """It was stopped between the two slots, and meanwhile the passkey may have become another's."""
    one, other = Owner("acme", "one"), Owner("acme", "other")
    claimed = store._claim

    def stopped(owner: Owner, ids: list[str], name: bytes) -> bool:
        monkeypatch.undo()
        assert claimed(owner, ids, name)
        expire(shared, store, owner, name)
        if is_taken:
            assert store.add_passkey(passkey_of(other), challenge(name.decode()), NOW, [], 5)
        return True

    for come in (
        lambda: store.add_passkey(passkey_of(one), challenge(), NOW, [], 5),
        lambda: store.add_users([NewUser(one, (passkey_of(one),))]),
    ):
        store.reset(other)
        monkeypatch.setattr(store, "_claim", stopped)
        with pytest.raises(StoreUnavailable):
            come()
        assert store.user(one).factors == ()
        assert store.passkey("acme", "passkey") == (passkey_of(other) if is_taken else None)


def test_a_claim_that_was_left_behind_is_nobodys(shared: Cluster, store: RedisClusterStore) -> None:
    """Its slot was away when the passkey went."""
    one, other = Owner("acme", "one"), Owner("acme", "other")
    assert store.add_passkey(passkey_of(one), challenge(), NOW, [], 5)
    key = store._claims(_of_tenant("acme", "passkey"))
    client = shared.owner[key_slot(key)].client()
    left = client.hgetall(key)
    assert len(left) == 1
    store.reset(one)
    assert client.hgetall(key) == {}
    client.hset(key, mapping=left)
    assert store.passkey("acme", "passkey") is None
    # Neither does a factor of an app by that id make it a passkey.
    assert store.add_factor(factor(one, "passkey"), NOW, 5, 5)
    assert store.passkey("acme", "passkey") is None
    assert store.add_passkey(passkey_of(other), challenge("another"), NOW, [], 5)
    assert store.passkey("acme", "passkey") == passkey_of(other)


def test_what_is_refused_leaves_no_claim_and_no_answer(shared: Cluster, store: RedisClusterStore) -> None:
    owner = Owner("acme", "one")
    assert store.add_factor(factor(owner), NOW, 5, 5)
    before = shared.dump()
    with pytest.raises(TooManyFactors):
        store.add_passkey(passkey_of(owner), challenge(), NOW, [], 1)
    assert shared.dump() == before
    assert store.add_passkey(passkey_of(owner), challenge(), NOW, [], 2)


def test_a_passkey_answers_a_challenge_once_whatever_the_challenges_slot_forgets(
    shared: Cluster, store: RedisClusterStore
) -> None:
    passkey = passkey_of(ALICE)
    assert store.add_passkey(passkey, challenge("first"), NOW, [], 5)
    assert store.use_passkey(passkey, challenge(), 0, b"used", NOW, disable_at=100) == "accepted"
    _, key = store._answers(challenge())
    shared.owner[key_slot(key)].client().delete(key)
    passkey = replace(passkey, sealed=b"used")
    assert store.use_passkey(passkey, challenge(), 0, b"again", NOW, disable_at=100) == "answered"


def register(url: str, tell: Any, number: int) -> None:
    """Adds one passkey to a user again and again, and looks whether another user has it at that moment."""
    store = RedisClusterStore.from_url(url, timeout=PATIENT)
    owners = [Owner("acme", f"{other}") for other in range(3)]
    owner = owners[number]
    while True:
        with suppress(StoreUnavailable, PasskeyTaken):
            added = store.add_passkey(passkey_of(owner), challenge(secrets.token_hex(8)), NOW, [], 5)
            theirs = [other for other in owners if other != owner and store.user(other).factors]
            tell.send((number, bool(added), len(theirs)))
        # Also what was added although nobody was told.
        with suppress(StoreUnavailable):
            store.remove_factor(owner, "passkey", "moved")


def test_a_passkey_is_one_users_whatever_dies_in_between(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With claims that stand for shorter than an operation takes: what comes too late is late, and never a second."""
    monkeypatch.setattr(RedisClusterStore, "_lasts", b"3")
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)

    def worker(number: int) -> "multiprocessing.process.BaseProcess":
        made = context.Process(target=register, args=(own.url, theirs, number), daemon=True)
        made.start()
        return made

    workers = [worker(number) for number in range(3)]
    told: list[tuple[int, bool, int]] = []
    kills = 0
    end = time.monotonic() + 300
    while kills < 60 or len(told) <= 60 or {number for number, added, _ in told if added} != {0, 1, 2}:
        assert time.monotonic() < end, told
        time.sleep(random.expovariate(20))
        dead = workers[kills % 3]
        dead.kill()
        dead.join()
        while mine.poll():
            told.append(mine.recv())
        workers[kills % 3] = worker(kills % 3)
        kills += 1
    for one in workers:
        one.kill()
        one.join()
    assert {others for _, _, others in told} == {0}
    store = RedisClusterStore.from_url(own.url, timeout=PATIENT)
    holders = [found.owner for found in store.factors(None, 10)]
    assert len(holders) <= 1
    found = store.passkey("acme", "passkey")
    assert [found.owner] == holders if found else not holders


# A shard that stops.


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_shard_that_stops_takes_along_its_own_users_alone(own: Cluster, how: str) -> None:
    store, patient = (RedisClusterStore.from_url(own.url, timeout=seconds) for seconds in (1.0, PATIENT))
    patient.prepare()
    shard = own.owner[slot_of(store, ALICE)]
    patient.add_factor(factor(), NOW, 5, 5)
    patient.replace_recovery_codes(ALICE, [CODE], NOW)
    others = [owner for other in own.shards if other is not shard for owner in users_of(store, own, other, 5)]
    for owner in others:
        patient.add_factor(factor(owner), NOW, 5, 5)
    steps = itertools.count(1)

    def logs_in(owner: Owner) -> bool:
        """Once its code has been accepted: on a busy machine a second may be too short."""
        with suppress(StoreUnavailable):
            step = next(steps)
            accepted = advance(store, owner, "phone", step, limits=GENEROUS)
            assert not advance(store, owner, "phone", step, limits=GENEROUS)
            return accepted
        return False

    verbs = operations(store, made_by=patient) | reads(store)
    assert advance(patient, ALICE, "phone", 41, limits=LIMITS)
    if how == "killed":
        shard.kill()
    else:
        shard.signal(signal.SIGSTOP)
        verbs = {name: verbs[name] for name in ("reserve", "attempt", "redeem", "add_passkey", "user", "factors")}
    for number, verb in enumerate(verbs.values()):
        with unavailable():
            verb()
        until(partial(logs_in, others[number % len(others)]))
    # A process that begins now knows of the others, too.
    fresh = RedisClusterStore.from_url(own.url, timeout=PATIENT)
    assert advance(fresh, others[0], "phone", 1000, limits=GENEROUS)
    if how == "killed":
        shard.start()
    else:
        shard.signal(signal.SIGCONT)

    def answers() -> bool:
        with suppress(StoreUnavailable):
            return bool(store.user(ALICE))
        return False

    until(answers)
    # What it acknowledged it knows, and the next logins go on.
    assert not advance(fresh, ALICE, "phone", 41, limits=GENEROUS)
    assert advance(fresh, ALICE, "phone", 1000, limits=GENEROUS)


def test_a_decision_is_sent_once(own: Cluster) -> None:
    store = RedisClusterStore.from_url(own.url, timeout=0.5)
    store.add_factor(factor(), NOW, 5, 5)
    reserved(store)
    shard = own.owner[slot_of(store, ALICE)]
    shard.signal(signal.SIGSTOP)
    with unavailable():
        store.reserve(ALICE, "otp", NOW, LIMITS)
    shard.signal(signal.SIGCONT)
    time.sleep(0.3)
    assert store.user(ALICE).budgets["otp"].failures <= 2


def test_a_failover_is_followed() -> None:
    with cluster(replicas=1, cluster_node_timeout="1000") as one:
        store = RedisClusterStore.from_url(one.url, timeout=5.0)
        (owner,) = users_of(store, one, one.shards[0])
        store.add_factor(factor(owner), NOW, 5, 5)
        assert advance(store, owner, "phone", 1, limits=LIMITS)
        one.shards[0].client().wait(1, 5000)
        one.shards[0].kill()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(StoreUnavailable):
                assert not advance(store, owner, "phone", 1, limits=GENEROUS)
                break
            time.sleep(0.05)
        assert advance(store, owner, "phone", 2, limits=GENEROUS)
        assert one.replicas[0].client().info("replication")["role"] == "master"


# A slot that is moved.


class Logins:
    """Threads that log users in, several with each code, while something is done to the Cluster."""

    def __init__(self, url: str, owners: list[Owner]) -> None:
        self.url, self.owners = url, owners
        self.accepted: list[tuple[Owner, int]] = []
        self.unavailable: Counter[Owner] = Counter()
        self.failures: list[BaseException] = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(3)]

    def __enter__(self) -> "Logins":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures

    def run(self) -> None:
        try:
            store = RedisClusterStore.from_url(self.url, timeout=PATIENT)
            step = 0
            while not self.is_over.is_set():
                step += 1
                for owner in self.owners:
                    self.log_in(store, owner, step)
            store.close()
        except BaseException as error:
            self.failures.append(error)

    def log_in(self, store: RedisClusterStore, owner: Owner, step: int) -> None:
        try:
            if advance(store, owner, "phone", step, now=NOW + step, limits=GENEROUS):
                self.accepted.append((owner, step))
        except StoreUnavailable:
            self.unavailable[owner] += 1

    def check(self, store: RedisClusterStore) -> None:
        """Each code was accepted once, and what was acknowledged is there."""
        assert max(Counter(self.accepted).values()) == 1
        for owner in self.owners:
            newest = max(step for user, step in self.accepted if user == owner)
            (kept,) = store.user(owner).factors
            assert kept.last_step >= newest
        assert {found.owner for found in store.factors(None, 10_000)} == set(self.owners)


def in_one_slot(store: RedisClusterStore, count: int) -> list[Owner]:
    """Users of the slot that Alice is in."""
    slot = slot_of(store, ALICE)
    everybody = (Owner("acme", f"{number}") for number in range(100_000))
    return [owner for owner, _ in zip((o for o in everybody if slot_of(store, o) == slot), range(count), strict=False)]


@pytest.fixture
def moving(own: Cluster) -> tuple[RedisClusterStore, int, list[Owner], list[Owner]]:
    """The store, the slot that is to be moved, users who are in it, and others."""
    store = RedisClusterStore.from_url(own.url, timeout=PATIENT)
    inside = in_one_slot(store, 20)
    outside = [owner for shard in own.shards for owner in users_of(store, own, shard, 3)]
    slot = slot_of(store, ALICE)
    outside = [owner for owner in outside if slot_of(store, owner) != slot]
    for owner in (*inside, *outside):
        assert store.add_factor(factor(owner), NOW, 5, 5)
    return store, slot, inside, outside


def test_a_slot_is_moved_key_by_key_while_logins_run(
    own: Cluster, moving: tuple[RedisClusterStore, int, list[Owner], list[Owner]]
) -> None:
    store, slot, inside, outside = moving
    target = own.other(slot)
    with Logins(own.url, [*inside[:3], *outside]) as logins:
        for owner in inside[3:]:
            store.reset(owner)
        until(lambda: len(set(logins.accepted)) > 100)
        own.begin_move(slot, target)
        while own.move_keys(slot, target, 1):
            time.sleep(0.02)
        own.end_move(slot, target)
        moved = len(logins.accepted)
        until(lambda: len({owner for owner, _ in logins.accepted[moved:]} & {*inside[:3]}) == 3)
    logins.check(store)
    assert not set(logins.unavailable) & {*outside}


def test_a_slot_is_moved_at_once_while_logins_run(
    own: Cluster, moving: tuple[RedisClusterStore, int, list[Owner], list[Owner]]
) -> None:
    """As Valkey 9 does it: nobody waits for more than a moment."""
    store, slot, inside, outside = moving
    source, target = own.owner[slot], own.other(slot)
    for owner in inside[3:]:
        store.reset(owner)
    with Logins(own.url, [*inside[:3], *outside]) as logins:
        until(lambda: len(set(logins.accepted)) > 100)
        try:
            source.cluster("MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.node_id)
        except redis.ResponseError:
            pytest.skip("only Valkey from 9 on moves a slot at once")
        until(lambda: bool(target.cluster("COUNTKEYSINSLOT", slot)) and not source.cluster("COUNTKEYSINSLOT", slot))
        moved = len(logins.accepted)
        until(lambda: len({owner for owner, _ in logins.accepted[moved:]} & {*inside[:3]}) == 3)
    logins.check(store)


def test_a_decision_in_a_slot_that_is_moved_is_made_whole_or_not_at_all(own: Cluster) -> None:
    """While its slot is moved, the old node refuses commands on keys that are not there, in the middle of a script
    too."""
    store, hasty = (RedisClusterStore.from_url(own.url, timeout=seconds) for seconds in (PATIENT, 0.3))
    slot = slot_of(store, ALICE)
    target = own.other(slot)
    source = own.owner[slot]

    def contents() -> dict[bytes, Any]:
        client = source.client()
        kept = {key: client.dump(key) for key in client.scan_iter() if key_slot(key) == slot and b"/claim:" not in key}
        # That what had expired is forgotten is no part of a decision.
        return {key: what for key, what in kept.items() if not key.endswith((b"/challenges", b"/answered"))}

    made: list[str] = []
    _make_anew(own, store)
    for name in operations(hasty, made_by=store):
        _make_anew(own, store)
        verb = operations(hasty, made_by=store)[name]
        before = contents()
        own.begin_move(slot, target)
        try:
            verb()
            made.append(name)
        except StoreUnavailable:
            assert contents() == before, name
        finally:
            own.give_up_move(slot, target)
        if name in made and name in ("redeem", "replace_recovery_codes"):
            state = store.user(ALICE)  # which says so if lists and records differ
            assert state.recovery_codes == (0 if name == "redeem" else 1)
    # Of a user all of whose keys are there, the old node goes on to decide.
    assert {"reserve", "attempt", "redeem", "replace_recovery_codes", "add_device", "use_passkey"} <= {*made}


def _make_anew(own: Cluster, store: RedisClusterStore) -> None:
    """Alice as she was, with something of each kind."""
    own.flush()
    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [CODE], NOW)
    assert isinstance(store.reserve(ALICE, "otp", NOW, LIMITS), Reservation)
    store.add_device(replace(DEVICE, series="old", expires_at=NOW), NOW - 1, 9)


def test_a_command_is_sent_on_to_the_node_that_has_the_keys_already(
    own: Cluster, moving: tuple[RedisClusterStore, int, list[Owner], list[Owner]]
) -> None:
    """A single key, of which each node knows whether it is there: it answers in the middle of the move."""
    store, slot, _, _ = moving
    keys = store._keys(_owner(ALICE))
    target = own.other(slot)
    own.begin_move(slot, target)
    try:
        for _ in range(2):
            assert store._list_in(keys, RecoveryCode, b"", 10, RecoveryCode) == []
    finally:
        own.give_up_move(slot, target)
