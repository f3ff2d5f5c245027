"""The contract, on each database, in 64 processes."""

import functools
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from folders import in_memory
from soak import SOAK

from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.stores.sql.records import owner_values
from ferrotp.mfa.testing import StoreContract

from ..mariadb_server import MariaDBServer
from ..servers import PostgreSQLServer

# Stores that were broken on purpose were caught as follows. On servers, where a round trip lies between reading and
# writing, in each round: attempts that compare nothing or not the budget, decisions without the lock, an audit whose
# head is not compared. In a file without transactions in half of the rounds of one code, in a third of those of one
# step, in one of five of the removals.
_IN_A_FILE = StoreContract.rounds if SOAK else 50
_ON_A_SERVER = StoreContract.rounds if SOAK else 24


class _OnSQL(StoreContract):
    rounds = _IN_A_FILE
    url: str

    def lose_factors(self, store: Any, owner: Owner) -> None:
        with store._pool.borrow() as connection:
            connection.run(store._statements.drop_factors, owner_values(owner))

    def opener(self) -> Callable[[], Store]:
        # The machine of the tests may be small, and 64 processes race: what a deadline does has tests of its own.
        return functools.partial(SQLStore, self.url, timeout=30)


class TestSQLiteWAL(_OnSQL):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls) -> Iterator[None]:
        with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
            cls.url = f"sqlite:///{folder}/mfa.db?journal=wal"
            yield


class TestSQLiteDelete(_OnSQL):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls) -> Iterator[None]:
        with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
            cls.url = f"sqlite:///{folder}/mfa.db?journal=delete"
            yield


class TestPostgreSQL(_OnSQL):
    rounds = _ON_A_SERVER

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls, postgresql: PostgreSQLServer) -> None:
        cls.url = postgresql.url


class TestMariaDB(_OnSQL):
    rounds = _ON_A_SERVER if SOAK else _ON_A_SERVER // 2  # a step takes it longest

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls, mariadb: MariaDBServer) -> None:
        cls.url = mariadb.database()
