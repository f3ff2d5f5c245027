"""`kill -9` at random points, on each database."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from ferrotp.mfa.stores.sql import SQLStore

from .harness import torture


@pytest.mark.parametrize("where", ["wal", "delete", "postgresql", "mariadb"])
def test_killed_workers_lose_no_login_and_accept_none_twice(
    where: str, tmp_path: Path, database_at: Callable[[str], str]
) -> None:
    assert torture(functools.partial(SQLStore, database_at(where)), tmp_path).is_enough()
