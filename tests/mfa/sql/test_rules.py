"""The rule of attempts in SQL is the one of `charge` and `refund`, for every budget and policy."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferrotp.mfa.stores.base import Budget, Limits, Owner, Refusal, Reservation, charge, refund
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.testing import advance

from .samples import FACTOR, NOW

LIMITS = st.builds(
    Limits,
    free=st.integers(0, 12),
    delays=st.lists(st.integers(0, 5000), min_size=1, max_size=9).map(tuple),
    disable_at=st.integers(1, 25),
    cost=st.integers(1, 3000),
    horizon=st.integers(0, 20_000),
)
BUDGETS = st.builds(
    Budget,
    failures=st.integers(0, 30),
    retry_at=st.just(0) | st.integers(NOW - 10_000, NOW + 10_000) | st.integers(0, 2**61),
    spent_until=st.just(0) | st.integers(NOW - 30_000, NOW + 30_000) | st.integers(0, 2**61),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SQLStore:
    if request.param == "sqlite":
        directory: Path = tmp_path_factory.mktemp("rules")
        made = SQLStore(f"sqlite:///{directory}/mfa.db")
    else:
        made = SQLStore(request.getfixturevalue(request.param).database())
    made.prepare()
    return made


def set_budget(store: SQLStore, owner: Owner, budget: Budget) -> None:
    """Past all rules: a clock that was wrong may have left anything."""
    values = {"tenant": owner.tenant, "user_id": owner.user_id, "method": "otp"}
    with store._pool.borrow() as connection:
        assert connection.run(store._statements.budget, values) == [(0, 0, 0)]
        place = f"WHERE tenant = '{owner.tenant}' AND method = 'otp'"
        connection.script(
            f"UPDATE ferrotp_budget SET failures = {budget.failures}, retry_at = {budget.retry_at},"
            f" spent_until = {budget.spent_until} {place}"
        )


@settings(max_examples=300, deadline=None)
@given(budget=BUDGETS, limits=LIMITS, now=st.integers(NOW - 8000, NOW + 8000))
def test_an_attempt_is_charged_and_refunded_as_the_rules_say(
    store: SQLStore, budget: Budget, limits: Limits, now: int
) -> None:
    owner = Owner(secrets.token_hex(8), "user")
    assert store.add_factor(replace(FACTOR, owner=owner), now, 10, 5)
    set_budget(store, owner, budget)
    expected, refusal = charge(budget, now, limits)
    answer = store.reserve(owner, "otp", now, limits)
    assert store.user(owner).budgets["otp"] == expected
    if refusal:
        assert answer == refusal
        assert isinstance(answer, Refusal)
    else:
        assert isinstance(answer, Reservation)
        assert answer.budget == expected
        owner = Owner(secrets.token_hex(8), "user")
        assert store.add_factor(replace(FACTOR, owner=owner), now, 10, 5)
        set_budget(store, owner, budget)
        assert advance(store, owner, "factor", 1, now=now, limits=limits)
        assert store.user(owner).budgets["otp"] == refund(expected, limits)
