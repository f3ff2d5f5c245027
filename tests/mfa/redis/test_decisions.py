"""What the contract suite does not ask: Redis answers as memory does, and its numbers are numbers."""

import random
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.backoff import NoBackoff
from redis.retry import Retry

from ferrotp.mfa.errors import MFAError, StoreDamaged, StoreUnavailable
from ferrotp.mfa.stores.base import (
    NEVER_USED,
    Acceptance,
    Budget,
    Factor,
    Limits,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    TrustedDevice,
    UserState,
    charge,
    new_epoch,
)
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.mfa.stores.redis import RedisStore, _escaped, _member, _unescaped
from ferrotp.mfa.testing import advance

from ..redis_server import Server

NOW = 1_800_000_000_000
LIMITS = Limits(4, (30_000, 60_000, 3_600_000), 100, 25_920_000, 2_592_000_000)
ALICE = Owner("acme", "alice")
DEVICE = TrustedDevice(ALICE, "series", "Firefox", b"h" * 32, NOW, NOW + 10**9, NOW)
KEY = b"{ferrotp}:budgets:acme\0alice"


def factor(owner: Owner = ALICE, factor_id: str = "phone", **changes: Any) -> Factor:
    made = Factor(owner, factor_id, "totp", "My phone", "active", b"sealed " + factor_id.encode(), False, NOW, 0)
    return replace(made, **changes)


def reserved(store: Any, owner: Owner = ALICE, now: int = NOW, limits: Limits = LIMITS) -> Reservation:
    found = store.reserve(owner, "otp", now, limits)
    assert isinstance(found, Reservation)
    return found


texts = st.text(st.one_of(st.sampled_from("ab\0\1\2{}:%\u00e9\U0001f511"), st.characters()), max_size=6)


@given(texts)
def test_ids_come_back_as_they_were(text: str) -> None:
    assert _unescaped(_escaped(text)) == text
    assert b"\0" not in _escaped(text)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_the_index_is_in_the_order_of_tenant_user_and_id(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    first, second = (_member(Owner(tenant, user_id), last) for tenant, user_id, last in (one, two))
    assert (first < second, first == second) == (one < two, one == two)


def test_owners_stay_apart_whatever_is_in_their_ids(store: RedisStore) -> None:
    parts = [
        "",
        "a",
        "b",
        ":",
        "a:b",
        "{",
        "}",
        "{}",
        "}{",
        "{a}",
        "\0",
        "\1",
        "a\0",
        "\0a",
        "\1\1",
        "%00",
        "\u00e9",
        "e\u0301",
    ]
    owners = [Owner(tenant, user_id) for tenant in parts for user_id in parts]
    for number, owner in enumerate(owners):
        assert store.add_factor(factor(owner, f"\0{number}"), NOW, 1, 1)
        codes = [RecoveryCode(owner, f"AB{number}", b"sealed")]
        assert store.replace_recovery_codes(owner, codes, NOW)
    for number, owner in enumerate(owners):
        assert [kept.factor_id for kept in store.user(owner).factors] == [f"\0{number}"]
    listed: list[Factor] = []
    while batch := store.factors(listed[-1] if listed else None, 10):
        listed += batch
    places = [(kept.owner.tenant, kept.owner.user_id, kept.factor_id) for kept in listed]
    assert places == sorted((owner.tenant, owner.user_id, f"\0{number}") for number, owner in enumerate(owners))
    # Each reset takes one of them, and its codes, and no other's.
    for number, owner in enumerate(owners):
        assert store.reset(owner) == 1
        left = len(owners) - number - 1
        assert len(store.factors(None, 1000)) == len(store.recovery_codes(None, 1000)) == left


def test_nothing_is_left_of_a_user_who_is_reset(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    store.replace_recovery_codes(ALICE, [RecoveryCode(ALICE, "AB", b"sealed")], NOW)
    store.add_device(DEVICE, NOW, 5)
    store.reset(ALICE)
    assert shared.client().keys() == []


def test_a_user_of_an_older_version_has_an_epoch_that_stays(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    for read in (lambda: store.epoch(ALICE), lambda: store.user(ALICE).epoch):
        before = store.epoch(ALICE)
        shared.client().hdel(KEY, "epoch")
        epoch = read()
        assert len(epoch) == 32 and epoch != before
        assert store.epoch(ALICE) == store.user(ALICE).epoch == epoch
    assert store.epoch(Owner("acme", "nobody")) == ""


def test_no_key_expires(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 5, 1)
    store.add_factor(factor(factor_id="new", state="pending", expires_at=NOW + 1), NOW, 5, 1)
    store.replace_recovery_codes(ALICE, [RecoveryCode(ALICE, "AB", b"sealed")], NOW)
    store.add_device(DEVICE, NOW, 5)
    client = shared.client()
    keys = client.keys()
    assert len(keys) == 6
    assert [client.ttl(key) for key in keys] == [-1] * 6


STEPS = sorted({0, 9, 10, 2**64 - 1} | {base + move for base in (10**15, 2**53, 2**63, 10**16) for move in (-1, 0, 1)})


def test_steps_are_compared_exactly_to_the_end_of_64_bits(store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    limits = replace(LIMITS, free=10**6, disable_at=10**6, cost=1)
    for step in STEPS:
        assert advance(store, ALICE, "phone", step, limits=limits)
        assert store.user(ALICE).factors[0].last_step == step
        assert not any(advance(store, ALICE, "phone", other, limits=limits) for other in STEPS if other <= step)


def test_a_step_or_a_time_that_would_not_be_exact_is_refused(store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    with pytest.raises(ValueError, match="step"):
        advance(store, ALICE, "phone", 2**64, limits=LIMITS)
    assert not advance(store, ALICE, "phone", NEVER_USED, limits=LIMITS)
    with pytest.raises(ValueError, match="exactly"):
        store.add_factor(factor(expires_at=2**53), NOW, 1, 1)
    with pytest.raises(ValueError, match="exactly"):
        store.reserve(ALICE, "otp", 2**51, LIMITS)
    with pytest.raises(ValueError, match="exactly"):
        store.reserve(ALICE, "otp", NOW, replace(LIMITS, horizon=2**51))


@pytest.mark.parametrize("junk", ["", "x", "nan", "inf", "0x10", "1e3", "1.5", " 1", "-", "1\n2"])
def test_a_counter_that_is_no_number_closes_the_user(shared: Server, store: RedisStore, junk: str) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    for field in ("failures", "retry_at", "spent_until"):
        shared.client().hset(KEY, f"otp:{field}", junk)
        before = shared.client().hgetall(KEY)
        with pytest.raises(StoreUnavailable, match="damaged"):
            store.reserve(ALICE, "otp", NOW, LIMITS)
        assert shared.client().hgetall(KEY) == before
        shared.client().hset(KEY, f"otp:{field}", 0)


def test_counts_that_are_gone_do_not_begin_again_at_nought(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    shared.client().delete(KEY)
    with pytest.raises(StoreUnavailable, match="missing"):
        store.reserve(ALICE, "otp", NOW, LIMITS)
    with pytest.raises(StoreUnavailable, match="missing"):
        advance(store, ALICE, "phone", 1, limits=LIMITS)
    with pytest.raises(StoreDamaged, match="missing"):
        store.user(ALICE)
    assert store.factors(None, 1)[0].last_step == NEVER_USED


def test_a_user_is_damaged_whose_hash_is_lost_and_whose_index_is_not(shared: Server, store: RedisStore) -> None:
    """Evicted, or deleted by hand: it must not look as if there had never been a factor."""
    store.add_factor(factor(), NOW, 5, 5)
    shared.client().delete(b"{ferrotp}:factors:acme\0alice")
    for ask in (
        lambda: store.user(ALICE),
        lambda: store.reserve(ALICE, "otp", NOW, LIMITS),
        lambda: store.replace_recovery_codes(ALICE, [], NOW),
    ):
        with pytest.raises(StoreDamaged, match="missing"):
            ask()
    store.reset(ALICE)
    assert store.user(ALICE).factors == ()
    store.add_factor(factor(), NOW, 5, 5)
    store.replace_recovery_codes(ALICE, [RecoveryCode(ALICE, "AB", b"sealed")], NOW)
    shared.client().delete(b"{ferrotp}:codes:acme\0alice")
    with pytest.raises(StoreDamaged, match="missing"):
        store.user(ALICE)


def test_a_factor_that_is_gone_stops_a_sweep_through_all(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    shared.client().delete(b"{ferrotp}:factors:acme\0alice")
    with pytest.raises(StoreUnavailable, match="missing"):
        store.factors(None, 10)
    store.reset(ALICE)
    assert store.factors(None, 10) == []


def test_times_are_kept_as_whole_numbers(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    for _ in range(6):
        store.reserve(ALICE, "otp", NOW, LIMITS)
    kept = shared.client().hgetall(KEY)
    assert len(kept.pop(b"epoch")) == 32
    assert all(value.isdigit() for value in kept.values()), kept
    assert kept[b"otp:retry_at"] == b"%d" % (NOW + 30_000)


def test_times_are_exact_as_far_as_they_are_taken(store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    now = 2**51 - 1
    expected = Budget()
    for _ in range(5):
        expected, _ = charge(expected, now, LIMITS)
        assert reserved(store, now=now).budget == expected
    assert store.user(ALICE).budgets["otp"] == expected
    assert store.reserve(ALICE, "otp", now, LIMITS) == Refusal("throttled", now + 30_000)


numbers = st.integers(0, 12)
budgets = st.builds(Budget, st.integers(0, 9), *[st.integers(-30, 90).map(lambda n: max(0, NOW + n))] * 2)
limits = st.builds(
    Limits,
    st.integers(0, 4),
    st.lists(numbers, min_size=1, max_size=4).map(tuple),
    st.integers(1, 9),
    numbers,
    st.integers(1, 60),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(budgets, limits, st.integers(-40, 40))
def test_charge_and_refund_are_the_ones_of_the_protocol(
    store: RedisStore, budget: Budget, limits: Limits, move: int
) -> None:
    store.reset(ALICE)
    memory = MemoryStore()
    for each in (store, memory):
        each.add_factor(factor(), NOW, 1, 1)
    memory._budgets[ALICE, "otp"] = budget
    store._client.hset(
        KEY, mapping={f"otp:{name}": getattr(budget, name) for name in ("failures", "retry_at", "spent_until")}
    )
    answer, expected = (each.reserve(ALICE, "otp", NOW + move, limits) for each in (store, memory))
    assert answer == expected
    assert store.user(ALICE).budgets == memory.user(ALICE).budgets
    if isinstance(answer, Reservation) and isinstance(expected, Reservation):
        later = NOW + move + max(limits.delays) + 2 * limits.horizon
        named: dict[str, Any] = {
            "drift": 1,
            "now": later,
            "limits": replace(limits, disable_at=10**6),
            "anew": b"n",
        }
        assert all(advance(each, ALICE, "phone", 1, **named) for each in (store, memory))
        assert _with_any_epoch(store.user(ALICE)) == _with_any_epoch(memory.user(ALICE))


class History:
    """The same things done to both stores. Ids are few, so that they meet."""

    owners = (Owner("", "a"), Owner("{", "a:b"), Owner("\u00e9\0", "}"))

    def __init__(self, store: RedisStore, seed: int) -> None:
        self.random = random.Random(seed)
        self.both = (store, MemoryStore())
        self.attempts: list[tuple[Reservation, Reservation]] = []
        self.now = NOW
        self.count = 0

    def step(self) -> None:
        self.now += self.random.choice([0, 1, 3, 10, 50, -2])
        self.count += 1
        verbs = [self.add, *[self.reserve] * 3, self.try_code, self.unlock, self.confirm, self.redeem]
        rarer = [
            self.come,
            self.codes,
            self.remove,
            self.reset,
            self.end_sessions,
            self.reseal,
            self.trust,
            self.use,
            self.use,
            self.distrust,
        ]
        self.random.choice([*verbs, *verbs, *rarer, self.come])()
        pages = []
        for store in self.both:
            users: list[Any] = [_with_any_epoch(store.user(owner)) for owner in self.owners]
            users.append([store.devices(owner) for owner in self.owners])
            pages.append([users, store.factors(None, 99), store.recovery_codes(None, 99)])
        assert pages[0] == pages[1]

    def same(self, verb: str, *arguments: Any, **named: Any) -> Any:
        def answer(store: Any) -> Any:
            try:
                return getattr(store, verb)(*arguments, **named)
            except MFAError as error:
                return str(error)

        one, two = map(answer, self.both)
        assert one == two, (verb, arguments, named)
        return one

    def owner(self) -> Owner:
        return self.random.choice(self.owners)

    def factor_id(self) -> str:
        return self.random.choice(["", "1", "2", "3", "\0"])

    def new_codes(self, owner: Owner) -> list[RecoveryCode]:
        return [RecoveryCode(owner, selector, self.random.randbytes(9)) for selector in ("A", "B", "C")]

    def limits(self) -> Limits:
        return Limits(2, (5, 20), 4, 10, 60)

    def come(self) -> None:
        users = []
        for owner in self.random.choices(self.owners, k=2):
            factors = (factor(owner, self.factor_id() or "0", created_at=NOW + self.count, last_step=3),)
            users.append(NewUser(owner, factors, tuple(self.random.choice([[], self.new_codes(owner)]))))
        self.same("add_users", users)

    def add(self) -> None:
        owner, factor_id = self.owner(), self.factor_id() or "0"
        made = factor(
            owner,
            factor_id,
            state=self.random.choice(["pending", "pending", "active", "disabled"]),
            name=self.random.choice(["", "My phone", "\u00e9\n", "1 2\n3"]),
            sealed=self.random.randbytes(self.random.randrange(30)),
            legacy=self.random.random() < 0.5,
            created_at=NOW + self.count,
            expires_at=self.now + self.random.choice([-1, 0, 1, 30]),
            last_step=self.random.choice([-1, 0, 5]),
            drift=self.random.choice([-1, 0, 1]),
        )
        self.same("add_factor", made, self.now, 3, self.random.choice([0, 1, 2]))

    def reserve(self) -> None:
        method = self.random.choice(["otp", "otp", "unlock", "recovery", "enrollment"])
        named = {"factor_id": self.factor_id(), "selector": self.random.choice(["A", "B", "C", "D", ""])}
        owner = self.owner()
        one, two = (store.reserve(owner, method, self.now, self.limits(), **named) for store in self.both)
        if isinstance(one, Refusal):
            assert one == two
        else:
            assert isinstance(two, Reservation)
            in_order = replace(
                two, factors=tuple(sorted(two.factors, key=lambda each: (each.created_at, each.factor_id)))
            )
            assert one == in_order
            self.attempts.append((one, two))

    def attempt(self) -> "tuple[Reservation, Reservation] | None":
        return self.random.choice(self.attempts[-6:]) if self.attempts else None

    def decide(self, verb: str, *arguments: Any) -> None:
        attempt = self.attempt()
        if attempt:
            # A user who was reset since has no budget to give back to: nothing is accepted then in either store.
            one, two = (getattr(store, verb)(each, *arguments) for store, each in zip(self.both, attempt, strict=True))
            assert one == two, (verb, attempt, arguments)

    def try_code(self) -> None:
        resealed = self.random.choice([None, self.random.randbytes(20)])
        drift = self.random.choice([-1, 0, 1])
        said = self.random.choice([None, Acceptance(self.factor_id(), self.random.randrange(9), drift, resealed)])
        owner, limits = self.owner(), self.limits()
        one, two = (store.attempt(owner, "otp", self.now, limits, lambda _: said) for store in self.both)
        if isinstance(one, Reservation):
            one = replace(one, factors=tuple(sorted(one.factors, key=lambda each: (each.created_at, each.factor_id))))
        assert one == two, (owner, said)

    def unlock(self) -> None:
        attempts = [attempt for attempt in self.attempts[-9:] if attempt[0].method == "unlock"]
        if attempts:
            step, resealed = self.random.randrange(9), self.random.choice([None, self.random.randbytes(20)])
            accepted = Acceptance(self.factor_id(), step + 1, self.random.choice([-1, 0, 1]), resealed)
            attempt, disable_at = self.random.choice(attempts), self.random.choice([1, 3, 100])
            one, two = (
                store.unlock(each, accepted, self.now, disable_at=disable_at)
                for store, each in zip(self.both, attempt, strict=True)
            )
            assert one == two, (attempt, accepted)

    def confirm(self) -> None:
        attempt = self.attempt()
        if attempt:
            codes = self.random.choice([[], self.new_codes(attempt[0].owner)])
            factor_id = attempt[0].factors[0].factor_id if attempt[0].factors else "1"
            accepted = Acceptance(factor_id, 3, 0)
            arguments = (accepted, self.now, codes, self.random.choice([1, 3]), self.random.random() < 0.5)
            arguments += (self.random.choice(["", "Ünïcode", "My phone"]),)
            answers = []
            for store, each in zip(self.both, attempt, strict=True):
                try:
                    answers.append(store.confirm(each, *arguments))
                except MFAError as error:
                    answers.append(str(error))
            assert answers[0] == answers[1]

    def redeem(self) -> None:
        self.decide("redeem", self.random.choice(["A", "B", "C", "D"]), self.now)

    def codes(self) -> None:
        owner = self.owner()
        self.same("replace_recovery_codes", owner, self.new_codes(owner), self.now)

    def remove(self) -> None:
        self.same("remove_factor", self.owner(), self.factor_id(), new_epoch(), self.random.random() < 0.5)

    def reset(self) -> None:
        if self.random.random() < 0.3:
            self.same("reset", self.owner())
        elif self.random.random() < 0.3:
            self.same("delete_users", self.random.choices(self.owners, k=self.random.randrange(3)))

    def end_sessions(self) -> None:
        owner, epoch = self.owner(), new_epoch()
        self.same("move_epoch", owner, epoch, None)
        self.same("move_epoch", owner, "other", self.random.choice(["", "other", "x"]))
        assert self.same("epoch", owner) in (epoch, "other")

    def trust(self) -> None:
        device = TrustedDevice(
            self.owner(),
            self.random.choice(["a", "B", "\0", "ab"]),
            self.random.choice(["", "Firefox\n1 2"]),
            self.random.choice([b"0", b"1", b"\n2"]),
            NOW + self.count,
            self.now + self.random.choice([0, 1, 40]),
            self.now + self.random.choice([-1, 0]),
        )
        self.same("add_device", device, self.now, self.random.choice([0, 1, 2]))

    def use(self) -> None:
        hashes = [self.random.choice([b"0", b"1", b"\n2", b""]) for _ in range(2)]
        series = self.random.choice(["a", "B", "\0", "ab"])
        self.same("use_device", self.owner(), series, *hashes, self.now, self.random.choice([0, 5]))

    def distrust(self) -> None:
        self.same("remove_devices", self.owner(), self.random.choice(["a", "B", "\0", "ab", "ab", None]))

    def reseal(self) -> None:
        records = [*self.both[1].factors(None, 99), *self.both[1].recovery_codes(None, 99)]
        changes = [(record, self.random.randbytes(15)) for record in records if self.random.random() < 0.7]
        # One of them twice: the second time it is no longer what was read.
        changes += [(one, b"again") for one, _ in changes[:1]]
        stale = [(replace(record, sealed=b"not this"), b"x") for record in records[:1]]
        self.same("reseal", changes + stale)


def _with_any_epoch(state: UserState) -> UserState:
    """Each store makes its own."""
    return replace(state, epoch="made" if state.epoch else "")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**32))
def test_any_history_ends_as_in_memory(store: RedisStore, seed: int) -> None:
    store._client.flushall()
    history = History(store, seed)
    for _ in range(60):
        history.step()


def test_clients_that_decode_or_try_again_serve_too(shared: Server, store: RedisStore) -> None:
    store.close()
    client = redis.Redis(unix_socket_path=str(shared.socket), decode_responses=True, retry=Retry(NoBackoff(), 3))
    other = RedisStore(client, prefix="other")
    sealed = bytes(range(256))
    other.add_factor(factor(sealed=sealed), NOW, 1, 1)
    assert reserved(other).factors == (factor(sealed=sealed),)
    # Two prefixes, two stores.
    assert store.user(ALICE).factors == ()
    assert len(other.factors(None, 10)) == 1
    # And the client is left as it was.
    assert client.set("key", "value") and client.get("key") == "value"


def test_scripts_that_the_server_has_forgotten_are_sent_again(shared: Server, store: RedisStore) -> None:
    store.add_factor(factor(), NOW, 1, 1)
    shared.client().script_flush()
    assert reserved(store).budget.failures == 1
    shared.client().script_flush()
    assert advance(store, ALICE, "phone", 1, limits=LIMITS)
    assert store.user(ALICE).budgets["otp"] == Budget(0, 0, NOW + LIMITS.cost)
