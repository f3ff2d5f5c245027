"""48 processes of a site that start at once: each logs a user in, and none finds the store unavailable."""

import functools
import secrets
import tempfile
from collections.abc import Iterator

import pytest
from django.db import connections
from folders import in_memory
from mfa.servers import shared_postgresql
from mfa.sql.starting import log_in, together

from .databases import database_on
from .stores import migrate, open_store, set_up

PROCESSES = 48
PATIENCE = 60
"""Seconds: the promise is that nobody fails for want of a table, a file or a connection, not the speed of the disk."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
            yield {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}
    else:
        # Half of the connections that a server has if nothing is set; a few are the site's own.
        yield database_on(shared_postgresql(max_connections=55))


@pytest.mark.races
def test_a_cold_start(database: dict[str, object]) -> None:
    alias = f"cold_{secrets.token_hex(4)}"
    set_up({alias: database})
    migrate(alias)
    opener = functools.partial(open_store, alias, database, PATIENCE)
    try:
        assert together(opener, log_in, PROCESSES) == ["done"] * PROCESSES
    finally:
        connections[alias].close()
