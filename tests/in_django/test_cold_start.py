"""48 processes of a site that start at once: each logs a user in, and none finds the store unavailable."""

import functools
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from mfa.servers import PostgreSQLServer
from mfa.sql.starting import log_in, together

from ferrotp.mfa.stores.base import TIMEOUT

from .databases import database_on
from .stores import migrate, open_store, set_up

PROCESSES = 48


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, object]]:
    if request.param == "sqlite":
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db.sqlite3")}
        return
    server = PostgreSQLServer(max_connections=55)  # a site's own are open, too
    yield database_on(server)
    server.close()


def test_a_cold_start(database: dict[str, object]) -> None:
    alias = f"cold_{secrets.token_hex(4)}"
    set_up({alias: database})
    migrate(alias)
    opener = functools.partial(open_store, alias, database, TIMEOUT)
    assert together(opener, log_in, PROCESSES) == ["done"] * PROCESSES
