"""Right codes are accepted, and once: `make soak` asks a million times on each store."""

import functools
from collections.abc import Callable

import figures
import pytest

from ferrotp.mfa import open_store
from ferrotp.mfa.stores.base import Store

from .many_logins import LOGINS, log_in_often
from .redis_server import server


@pytest.mark.parametrize("where", ["wal", "delete", "postgresql", "mariadb", "redis"])
def test_every_refusal_of_a_right_code_is_explained(where: str, database_at: Callable[[str], str]) -> None:
    if where == "redis":
        with server() as own:
            found = log_in_often(functools.partial(_open, own.url))
    else:
        found = log_in_often(functools.partial(_open, database_at(where)))
    figures.report(f"{LOGINS:,} logins with right codes on {where}: {found}")


def _open(url: str) -> Store:
    return open_store(url, timeout=60)
