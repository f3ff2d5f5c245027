"""The contract, on each database, in 64 processes."""

import functools
import secrets
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from folders import in_memory
from mfa.mariadb_server import MariaDBServer
from mfa.servers import PostgreSQLServer
from soak import SOAK

from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.mfa.testing import StoreContract

from .databases import database_on, database_on_mariadb
from .stores import migrate, open_store, set_up

# Without the lock each round tells that it is missing, on either server: see `mfa.sql.test_contract`.
_ON_A_SERVER = StoreContract.rounds if SOAK else 12


class _OnDjango(StoreContract):
    rounds = StoreContract.rounds if SOAK else 24
    alias: str
    database: dict[str, Any]

    def lose_factors(self, store: Any, owner: Owner) -> None:
        from ferrotp.django.models import Factor  # when Django is set up

        Factor.objects.using(self.alias).filter(tenant=owner.tenant, user_id=owner.user_id).delete()

    def opener(self) -> Callable[[], Store]:
        return functools.partial(open_store, self.alias, self.database)

    @classmethod
    def _use(cls, database: dict[str, Any]) -> None:
        cls.alias, cls.database = f"contract_{secrets.token_hex(4)}", database
        set_up({cls.alias: database})
        migrate(cls.alias)


class TestSQLite(_OnDjango):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls) -> Iterator[None]:
        with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
            cls._use({"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"})
            yield


class TestPostgreSQL(_OnDjango):
    rounds = _ON_A_SERVER

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls, postgresql: PostgreSQLServer) -> None:
        cls._use(database_on(postgresql))


class TestMariaDB(_OnDjango):
    rounds = _ON_A_SERVER

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _where(cls, mariadb: MariaDBServer) -> None:
        cls._use(database_on_mariadb(mariadb))
