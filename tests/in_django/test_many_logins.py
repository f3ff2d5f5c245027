"""Right codes are accepted, and once, on Django's store: what the other stores go through, too."""

from collections.abc import Callable

import figures
import pytest
from mfa.many_logins import LOGINS, log_in_often

from ferrotp.mfa.stores.base import Store


@pytest.mark.parametrize("where", ["sqlite", "postgresql", "mariadb"])
def test_every_refusal_of_a_right_code_is_explained(where: str, opener_at: Callable[..., Callable[[], Store]]) -> None:
    found = log_in_often(opener_at(where, timeout=60))
    figures.report(f"{LOGINS:,} logins with right codes in Django on {where}: {found}")
