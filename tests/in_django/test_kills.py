"""`kill -9` at random points of processes that work on Django's store: what the other stores go through, too."""

import functools
import secrets
from pathlib import Path

import pytest
from django.db import connections
from mfa.crash.harness import KILLS, SOAK, torture

from .databases import database_on, database_on_mariadb
from .stores import migrate, open_store, set_up


@pytest.mark.races
@pytest.mark.parametrize("where", ["sqlite", "postgresql", "mariadb"])
def test_killed_workers_lose_no_login_and_accept_none_twice(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if where == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tmp_path}/db.sqlite3"}
    elif where == "postgresql":
        database = database_on(request.getfixturevalue(where))
    else:
        database = database_on_mariadb(request.getfixturevalue(where))
    alias = f"kills_{secrets.token_hex(4)}"
    set_up({alias: database})
    migrate(alias)
    connections[alias].close()  # no worker is to have it
    account = torture(functools.partial(open_store, alias, database), tmp_path, KILLS if SOAK else KILLS // 2)
    # It did happen: logins before and after kills, answers of passkeys, and whole sweeps beside them.
    assert len(account.logins) > account.kills and len(account.answered) > account.kills / 4
    assert account.sweeps
