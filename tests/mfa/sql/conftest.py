"""Databases for the tests of the SQL store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ferrotp.mfa.stores.sql import SQLStore

from ..mariadb_server import MariaDBServer
from ..servers import PostgreSQLServer


@pytest.fixture(params=["wal", "delete", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is, of each kind."""
    if request.param in ("postgresql", "mariadb"):
        server: PostgreSQLServer | MariaDBServer = request.getfixturevalue(request.param)
        return server.database()
    return f"sqlite:///{tmp_path}/mfa.db?journal={request.param}"


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    opened = SQLStore(url)
    opened.prepare()
    yield opened
    opened.close()
