"""`kill -9` at random points of processes that work on Django's store: what the other stores go through, too."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mfa.crash.harness import KILLS, torture
from soak import SOAK

from ferrotp.mfa.stores.base import Store


@pytest.mark.races
@pytest.mark.parametrize("where", ["sqlite", "postgresql", "mariadb"])
def test_killed_workers_lose_no_login_and_accept_none_twice(
    where: str, tmp_path: Path, opener_at: Callable[..., Callable[[], Store]]
) -> None:
    assert torture(opener_at(where), tmp_path, KILLS if SOAK else KILLS // 2).is_enough()
