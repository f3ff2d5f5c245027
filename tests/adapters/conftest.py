"""The databases that every adapter is attacked on."""

from pathlib import Path
from typing import Any

import figures
import pytest
from in_django.databases import database_on
from mfa.servers import PostgreSQLServer, shared_postgresql


@pytest.fixture(scope="session")
def postgresql() -> PostgreSQLServer:
    """A server that all tests share, and leave as it was."""
    return shared_postgresql()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A new database, as Django's settings name it."""
    if request.param == "sqlite":
        path = Path(tmp_path_factory.mktemp("adapters")) / "site.sqlite3"
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": {"timeout": 20}}
    return database_on(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def measured() -> list[str]:
    """Lines for the table in docs/adapters.md, which are printed at the end."""
    return figures.lines
