"""`kill -9` at random points, on each database."""

import functools
from pathlib import Path

import pytest

from ferrotp.mfa.stores.sql import SQLStore

from ..mariadb_server import MariaDBServer
from ..servers import PostgreSQLServer
from .harness import torture


@pytest.mark.parametrize("where", ["wal", "delete", "postgresql", "mariadb"])
def test_killed_workers_lose_no_login_and_accept_none_twice(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if where in ("postgresql", "mariadb"):
        server: PostgreSQLServer | MariaDBServer = request.getfixturevalue(where)
        url = server.database()
    else:
        url = f"sqlite:///{tmp_path}/mfa.db?journal={where}"
    account = torture(functools.partial(SQLStore, url), tmp_path)
    # It did happen: logins before and after kills, recoveries, and whole sweeps beside them.
    assert len(account.logins) > account.kills
    assert account.recovered and account.sweeps and len(account.answered) > account.kills / 4
