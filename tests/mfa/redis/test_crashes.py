"""A worker killed at any point, and Redis itself: what was acknowledged is there, and nothing is accepted twice."""

import multiprocessing
import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from apart import apart
from soak import SOAK

from ferrotp.mfa import FactorExists, StoreUnavailable, open_store
from ferrotp.mfa.stores.base import AnsweredChallenge, Factor, Limits, Owner, RecoveryCode, Reservation
from ferrotp.mfa.stores.redis import RedisStore
from ferrotp.mfa.testing import advance

from ..redis_cluster import Cluster, cluster, until
from ..redis_server import Server, programs, server
from .test_decisions import NOW, factor

KILLS = 1000 if SOAK else 100
LIMITS = Limits(10**6, (1,), 10**6, 1, 10**9)
OWNERS = [Owner("acme", f"user {number}") for number in range(3)]
CONTEXT = multiprocessing.get_context("fork")
PASSKEYS = len(OWNERS)
"""From here on the numbers of users are those of their passkeys."""
ACK = struct.Struct("=BQ")
AT_WORK = 255
"""No user: the worker of this number is connected."""
HANG = 300
"""Seconds after which it is a hang, and no slow machine."""


def opened(url: str) -> RedisStore:
    store = open_store(url)
    assert isinstance(store, RedisStore)
    return store


def connected(url: str, acknowledge: int) -> RedisStore:
    """Says that it is at work."""
    store = opened(url)
    while True:
        with suppress(StoreUnavailable):
            for owner in OWNERS:
                store.user(owner)
            os.write(acknowledge, ACK.pack(AT_WORK, os.getpid()))
            return store


def log_in(url: str, acknowledge: int, start: int) -> None:
    """Accepts one step after the other, as all workers do, and says so after it was told."""
    store = connected(url, acknowledge)
    for step in range(start, 2**62):
        for number, owner in enumerate(OWNERS):
            with suppress(StoreUnavailable):
                if advance(store, owner, "phone", step, now=NOW + step, limits=LIMITS):
                    os.write(acknowledge, ACK.pack(number, step))
            with suppress(StoreUnavailable):
                answer(store, acknowledge, number, owner)


def answer(store: RedisStore, acknowledge: int, number: int, owner: Owner) -> None:
    """The user's passkey answers the challenge of its next counter: all workers the same one."""
    passkey = store.passkey(owner.tenant, passkey_id(owner))
    assert passkey is not None
    counter = passkey.last_step + 1
    answered = AnsweredChallenge(owner.tenant, f"{number} {counter}", NOW + 2**40)
    if store.use_passkey(passkey, answered, counter, passkey.sealed, NOW, disable_at=10**6) == "accepted":
        os.write(acknowledge, ACK.pack(number + PASSKEYS, counter))


def passkey_id(owner: Owner) -> str:
    return f"passkey of {owner.user_id}"


def newest(acknowledged: "list[tuple[int, int]]", number: int) -> int:
    return max((step for user, step in acknowledged if user == number), default=-1)


def check_kept(store: RedisStore, acknowledged: "list[tuple[int, int]]") -> None:
    """What was acknowledged is there."""
    for number, owner in enumerate(OWNERS):
        kept = {found.factor_id: found.last_step for found in store.user(owner).factors}
        assert kept["phone"] >= newest(acknowledged, number)
        assert kept[passkey_id(owner)] >= newest(acknowledged, number + PASSKEYS)


def redeem(url: str, acknowledge: int, start: int) -> None:
    """Uses up recovery codes from the first on, of all users, and begins again with new ones."""
    store = connected(url, acknowledge)
    while True:
        for number, owner in enumerate(OWNERS):
            for selector in range(8):
                attempt = store.reserve(owner, "recovery", NOW, LIMITS, selector=str(selector))
                if isinstance(attempt, Reservation) and attempt.recovery_code:
                    sealed = attempt.recovery_code.sealed
                    if store.redeem(attempt, str(selector), NOW) is not None:
                        os.write(acknowledge, ACK.pack(number, int.from_bytes(sealed, "big")))
            if store.user(owner).recovery_codes == 0:
                codes = [RecoveryCode(owner, str(number), os.urandom(8)) for number in range(8)]
                store.replace_recovery_codes(owner, codes, NOW)


def rotate(url: str, acknowledge: int, start: int) -> None:
    """Seals all records anew, again and again, and by the way adds and removes factors."""
    store = connected(url, acknowledge)
    while True:
        last: Factor | None = None
        while batch := store.factors(last, 2):
            store.reseal([(record, b"sealed with " + os.urandom(4)) for record in batch])
            last = batch[-1]
        for owner in OWNERS:
            with suppress(FactorExists):  # another worker's, or that of one who was killed
                store.add_factor(factor(owner, "second"), NOW, 3, 0)
            store.remove_factor(owner, "second", "moved")


@contextmanager
def crowd(url: str, verb: Callable[[str, int, int], None], size: int = 3) -> Iterator["Crowd"]:
    made = Crowd(url, verb, size)
    try:
        yield made
    finally:
        made.end()


class Crowd:
    """Workers, one or two of which are killed now and then. Others take their places."""

    def __init__(self, url: str, verb: Callable[[str, int, int], None], size: int) -> None:
        self.url, self.verb = url, verb
        # A worker that has to find three shards first comes to its work later.
        self.pace = 25 if url.startswith("redis+cluster") else 100
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self.acknowledged: list[tuple[int, int]] = []
        self.at_work: set[int] = set()
        self.store = opened(url)
        self.workers = [self.worker() for _ in range(size)]

    def worker(self) -> "multiprocessing.process.BaseProcess":
        # Not from where the last one came to: a few steps again, as someone who got no answer would try.
        found = [factor for owner in OWNERS for factor in self.store.user(owner).factors]
        kept = [factor.last_step for factor in found if factor.kind != "passkey"]
        start = max(min(kept) - 3, 0)
        worker = CONTEXT.Process(target=self.verb, args=(self.url, self.write, start), daemon=True)
        worker.start()
        return worker

    def kill(self, kills: int) -> Iterator[None]:
        """Kills so many, and goes on after each moment at which it did."""
        while kills > 0:
            # Some at one moment: all that the others do meanwhile costs more than the kills.
            victims = [self.workers.pop(0) for _ in range(min(random.randint(1, 2), kills))]
            kills -= len(victims)
            pids = {worker.pid for worker in victims}
            self.work_until(partial(pids.issubset, self.at_work))
            time.sleep(random.expovariate(self.pace))
            for worker in victims:
                worker.kill()
            for worker in victims:
                worker.join()
                self.workers.append(self.worker())
            self.collect()
            yield

    def work_until(self, done: Callable[[], bool]) -> None:
        """Lets all work on."""
        deadline = time.monotonic() + HANG
        while not done():
            assert time.monotonic() < deadline, "the workers do nothing"
            time.sleep(0.002)
            self.collect()

    def collect(self) -> None:
        with suppress(BlockingIOError):
            while chunk := os.read(self.read, ACK.size * 1000):
                for number, value in ACK.iter_unpack(chunk):
                    if number == AT_WORK:
                        self.at_work.add(value)
                    else:
                        self.acknowledged.append((number, value))

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()
        self.collect()
        os.close(self.read)
        os.close(self.write)
        self.store.close()


@pytest.fixture(params=[*programs(), "cluster"])
def filled(request: pytest.FixtureRequest) -> Iterator[Server | Cluster]:
    with cluster() if request.param == "cluster" else server(programs()[request.param]) as one:
        store = opened(one.url)
        for owner in OWNERS:
            assert store.add_factor(factor(owner), NOW, 1, 0)
            passkey = factor(owner, passkey_id(owner), kind="passkey", last_step=0)
            first = AnsweredChallenge(owner.tenant, f"of {owner.user_id}", NOW + 1000)
            assert store.add_passkey(passkey, first, NOW, [], 2)
        yield one


def kills(one: Server | Cluster) -> int:
    """A shard takes seconds until it serves again, and what the scripts do is the same."""
    return KILLS // 4 if isinstance(one, Cluster) else KILLS


def whole(url: str) -> None:
    """All records can be read, and are in the index; nothing else is there."""
    store = opened(url)
    factors, codes = store.factors(None, 1000), store.recovery_codes(None, 1000)
    states = {owner: store.user(owner) for owner in OWNERS}
    assert sorted((each.owner.user_id, each.factor_id) for each in factors) == sorted(
        (owner.user_id, each.factor_id) for owner, state in states.items() for each in state.factors
    )
    assert len(codes) == sum(state.recovery_codes for state in states.values())
    assert {each.owner for each in factors} == set(OWNERS)
    for state in states.values():
        assert all(0 <= budget.failures <= budget.spent_until for budget in state.budgets.values())


def test_no_login_is_lost_or_made_twice_by_workers_that_are_killed(filled: Server | Cluster) -> None:
    apart(killed_logins, filled.url, kills(filled))


def killed_logins(url: str, kills: int) -> None:
    with crowd(url, log_in) as workers:
        for _ in workers.kill(kills):
            pass
        everybody = set(range(2 * PASSKEYS))
        workers.work_until(lambda: {user for user, _ in workers.acknowledged} == everybody)
        workers.work_until(lambda: len(workers.acknowledged) > kills)
    assert len(set(workers.acknowledged)) == len(workers.acknowledged)
    check_kept(opened(url), workers.acknowledged)
    whole(url)


def test_no_recovery_code_is_redeemed_twice_by_workers_that_are_killed(filled: Server | Cluster) -> None:
    apart(killed_recoveries, filled.url, kills(filled))


def killed_recoveries(url: str, kills: int) -> None:
    with crowd(url, redeem) as workers:
        for _ in workers.kill(kills):
            pass
        workers.work_until(lambda: len(workers.acknowledged) > kills)
    assert len(set(workers.acknowledged)) == len(workers.acknowledged)
    whole(url)


def test_a_rotation_that_is_killed_leaves_every_record_readable(filled: Server | Cluster) -> None:
    apart(killed_rotation, filled.url, kills(filled))


def killed_rotation(url: str, kills: int) -> None:
    with crowd(url, rotate) as workers:
        for _ in workers.kill(kills):
            whole_factors = workers.store.factors(None, 1000)
            assert all(kept.sealed.startswith(b"sealed ") for kept in whole_factors)
            assert {kept.owner for kept in whole_factors} == set(OWNERS)
    whole(url)


def test_what_redis_acknowledged_it_still_knows_after_it_was_killed(filled: Server | Cluster) -> None:
    with crowd(filled.url, log_in) as workers:
        for _ in range(kills(filled) // 10):
            time.sleep(random.uniform(0.05, 0.2))
            one = random.choice(filled.shards) if isinstance(filled, Cluster) else filled
            one.kill()
            workers.collect()
            one.start()
            if isinstance(filled, Cluster):
                until(filled.serves)
            store = opened(filled.url)
            check_kept(store, workers.acknowledged)
            store.close()
    assert workers.acknowledged
    assert len(set(workers.acknowledged)) == len(workers.acknowledged)
    whole(filled.url)
