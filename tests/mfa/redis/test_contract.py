"""Redis passes what every store passes."""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from soak import SOAK

from ferrotp.mfa.stores.base import Factor, Owner, Store
from ferrotp.mfa.stores.redis import RedisStore, _owner
from ferrotp.mfa.stores.redis_cluster import RedisClusterStore
from ferrotp.mfa.testing import StoreContract

from ..redis_cluster import cluster
from ..redis_server import programs, server


class Contract(StoreContract):
    # A script that compares nothing is caught in each round: see `mfa.sql.test_contract`.
    rounds = StoreContract.rounds if SOAK else 24
    program: ClassVar[str]
    url: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls) -> Iterator[None]:
        with server(programs()[cls.program]) as one:
            cls.url = one.url
            yield

    def lose_factors(self, store: Any, owner: Owner) -> None:
        user = _owner(owner)
        store._ask(time.monotonic() + 30, "DEL", store._keys(user).hashes[Factor] + user)

    def opener(self) -> Callable[[], Store]:
        # The machine of the tests may be small, and 64 processes race: what a deadline does has tests of its own.
        return functools.partial(RedisStore.from_url, self.url, timeout=30)


@pytest.mark.skipif("redis" not in programs(), reason="no wheel of Redis for this Python")
class TestRedis(Contract):
    program = "redis"


class TestValkey(Contract):
    program = "valkey"
    # The scripts are the same: the races in full are run on one of the two.
    rounds = Contract.rounds // (3 if "redis" in programs() and not SOAK else 1)


class TestCluster(Contract):
    """Three shards."""

    in_order = False

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls) -> Iterator[None]:
        with cluster() as one:
            cls.url = one.url
            yield

    def opener(self) -> Callable[[], Store]:
        return functools.partial(RedisClusterStore.from_url, self.url, timeout=30)


if not SOAK:
    # A decision about one user is the script that races above. What several users want is decided elsewhere here.
    for _name, _test in vars(StoreContract).items():
        if getattr(_test, "is_race", False) and _name != "test_one_passkey_that_many_users_come_with_at_once_is_of_one":
            setattr(TestCluster, _name, None)
