"""Redis passes what every store passes."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from ferrotp.mfa.stores.base import Factor, Owner, Store
from ferrotp.mfa.stores.redis import RedisStore, _owner
from ferrotp.mfa.testing import StoreContract

from ..redis_server import programs, server


class Contract(StoreContract):
    program: ClassVar[str]
    url: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls) -> Iterator[None]:
        with server(programs()[cls.program]) as one:
            cls.url = one.url
            yield

    def lose_factors(self, store: Any, owner: Owner) -> None:
        store._client.delete(store._hashes[Factor] + _owner(owner))

    def opener(self) -> Callable[[], Store]:
        # The machine of the tests may be small, and 64 processes race: what a deadline does has tests of its own.
        return functools.partial(RedisStore.from_url, self.url, timeout=30)


@pytest.mark.skipif("redis" not in programs(), reason="no wheel of Redis for this Python")
class TestRedis(Contract):
    program = "redis"


class TestValkey(Contract):
    program = "valkey"
    # The scripts are the same: the races in full are run on one of the two.
    rounds = StoreContract.rounds // 10 if "redis" in programs() else StoreContract.rounds
