"""Right codes are accepted, and once, on Django's store: what the other stores go through, too."""

import functools
import secrets
from pathlib import Path

import figures
import pytest
from django.db import connections
from mfa.many_logins import LOGINS, log_in_often

from .databases import database_on, database_on_mariadb
from .stores import migrate, open_store, set_up


@pytest.mark.parametrize("where", ["sqlite", "postgresql", "mariadb"])
def test_every_refusal_of_a_right_code_is_explained(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if where == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tmp_path}/db.sqlite3"}
    elif where == "postgresql":
        database = database_on(request.getfixturevalue(where))
    else:
        database = database_on_mariadb(request.getfixturevalue(where))
    alias = f"logins_{secrets.token_hex(4)}"
    set_up({alias: database})
    migrate(alias)
    connections[alias].close()  # no other process is to have it
    found = log_in_often(functools.partial(open_store, alias, database, 60))
    figures.report(f"{LOGINS:,} logins with right codes in Django on {where}: {found}")
