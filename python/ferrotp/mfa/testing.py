"""The suite that every store passes: the ones that come with ferrotp, and yours.

::

    class TestMyStore(StoreContract):
        def opener(self):
            return functools.partial(MyStore, "where it is")

`opener` gives a function that can be pickled and opens the same store each time, in this process and in 64 others.
The tests run under pytest or anything else that collects methods named ``test_``; they need no fixture and leave rows
behind, of users and tenants that they make up. Run them without ``python -O``: they assert.
"""

import contextlib
import gc
import itertools
import multiprocessing
import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, ClassVar, Literal, TypeVar

from .. import TOTP, random_base32
from ..vault import Keyring
from .audit_chain import appends, fault_of_head, fault_of_row, link_of, sealed_head, sealed_row
from .core import moment
from .errors import (
    AlreadyEnrolled,
    FactorExists,
    InvalidCode,
    LastFactor,
    MFAError,
    Overloaded,
    PasskeyTaken,
    StoreDamaged,
    StoreUnavailable,
    TooManyFactors,
)
from .events import AuditContext, Event
from .policy import Policy
from .service import MFA
from .stores.base import (
    NEVER_USED,
    Acceptance,
    AnsweredChallenge,
    Audit,
    AuditAppend,
    AuditHead,
    Budget,
    Confirmation,
    Factor,
    Limits,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    Store,
    TrustedDevice,
    UserState,
    new_epoch,
)
from .stores.memory import MemoryStore

__all__ = ["MemoryStore", "StoreContract", "advance"]

T = TypeVar("T")

NOW = 1_800_000_000_000
_DAY = 86_400_000
_HANG = 300
"""Seconds after which it is a hang, and no slow machine."""
_LIMITS = Policy().limits()
_TWINS, _TWINS_SECRET = 62_075_368, b"12345678901234567890"
"""Found by a search: the codes from the step before are 171762, 235522, 235522, 368665."""
_GENEROUS = replace(_LIMITS, free=100_000, disable_at=100_000, cost=1)
# What databases fold, cut, escape or split at. Each is a user of its own.
_IDS = (
    "alice", "Alice", "ALICE", "alice ", "ali\u0307ce", "al\u00efce", "ali\u0308ce", "a:b", "a", "b", "a{b}c", "{", "}",
    "%", "_", "a%20b", "a b", "'", '"', "\\", "\\\\", "$1", "?", ":1", "0", "00", "1e3", "null", "None", "*", "[a-z]",
    "\u4e2d\u6587", "\U0001f511", "\u0661", "1", "x" * 255,
)  # fmt: skip


_Test = TypeVar("_Test", bound=Callable[..., None])


def _race(test: _Test) -> _Test:
    """Marks a test in which all processes do one thing at one moment, so that a collector can tell it from the rest."""
    test.is_race = True  # type: ignore[attr-defined]
    return test


class StoreContract:
    """What `Store` promises, as tests."""

    processes: ClassVar[int] = 64
    rounds: ClassVar[int] = 1000 if os.environ.get("FERROTP_SOAK") else 100
    histories: ClassVar[int] = 40
    """How many are compared with the store in memory, of 60 decisions each."""
    across_processes: ClassVar[bool] = True
    """False for a store that lives in one process: threads race, then."""
    in_order: ClassVar[bool] = True
    """False for a store that lists users in an order of its own, as `Store.factors` may."""

    def opener(self) -> Callable[[], Store]:
        """A function that can be pickled and opens the store."""
        raise NotImplementedError

    def lose_factors(self, store: Store, owner: Owner) -> None:
        """Deletes the records of a user's factors, and nothing else, behind the store's back: as a fault, a restored
        backup or a hand in the database does."""
        raise NotImplementedError

    # One decision after the other

    def test_preparing_is_idempotent(self) -> None:
        with self._store() as store:
            store.prepare()
            store.prepare()

    def test_a_step_is_accepted_once_and_no_earlier_one_after_it(self) -> None:
        with self._store() as store:
            factor = _active(store)
            assert _accept(store, factor, 1000)
            for step in (1000, 999, 0):
                assert not _accept(store, factor, step, NOW + _DAY)
            assert _accept(store, factor, 1001, NOW + 2 * _DAY)
            assert _read(store, factor).last_step == 1001

    def test_of_two_steps_with_one_code_the_earlier_counts_and_then_the_later(self) -> None:
        """Once in a million two steps in a row have the same code. If the later one counted at once, its owner's next
        code, which is right, would be refused."""
        twins = "235522"
        with self._store() as store:
            for kind, when in itertools.product(("totp", "hotp"), (_TWINS, _TWINS + 1)):
                seconds = [when * 30]
                mfa = _service(store, Keyring.generate().export(), lambda seconds=seconds: seconds[0])  # type: ignore[misc]
                user_id = secrets.token_hex(8)
                mfa.import_factor(user_id=user_id, secret=_TWINS_SECRET, kind=kind, last_step=_TWINS - 1)  # type: ignore[arg-type]
                for step in (_TWINS, _TWINS + 1):
                    assert mfa.verify(user_id=user_id, code=twins).time_step == step
                assert isinstance(_error(mfa.verify, user_id=user_id, code=twins), InvalidCode)
                seconds[0] += 30
                assert mfa.verify(user_id=user_id, code="368665").time_step == _TWINS + 2

    def test_of_two_pairs_of_codes_the_earlier_counts(self) -> None:
        with self._store() as store:
            for kind, (code, next_code, step) in itertools.product(
                ("totp", "hotp"),
                (("171762", "235522", _TWINS), ("235522", "235522", _TWINS + 1), ("235522", "368665", _TWINS + 2)),
            ):
                mfa = _service(store, Keyring.generate().export(), lambda: (_TWINS + 1) * 30)
                user_id = secrets.token_hex(8)
                mfa.import_factor(user_id=user_id, secret=_TWINS_SECRET, kind=kind, last_step=step - 2)  # type: ignore[arg-type]
                assert mfa.unlock(user_id=user_id, code=code, next_code=next_code).time_step == step
                refused = _error(mfa.unlock, user_id=user_id, code=code, next_code=next_code)
                assert isinstance(refused, InvalidCode)
                if kind == "hotp":
                    user_id = secrets.token_hex(8)
                    factor = mfa.import_factor(user_id=user_id, secret=_TWINS_SECRET, kind="hotp", last_step=step - 2)
                    pair = {"code": code, "next_code": next_code, "factor_id": factor.factor_id}
                    assert mfa.resync(user_id=user_id, **pair).time_step == step

    def test_steps_of_any_size_are_compared_exactly(self) -> None:
        with self._store() as store:
            factor = _active(store)
            for step in (9, 10, 99, 100, 2**31, 2**32, 2**53, 2**53 + 1, 2**53 + 2, 2**62 - 1):
                assert _accept(store, factor, step)
                assert not _accept(store, factor, step)
                assert _read(store, factor).last_step == step

    def test_an_attempt_is_counted_before_it_is_made(self) -> None:
        with self._store() as store, self._store() as other:
            factor = _active(store)
            assert isinstance(store.reserve(factor.owner, "otp", NOW, _LIMITS), Reservation)
            # Another process sees it at once: it is committed.
            assert other.user(factor.owner).budgets["otp"].failures == 1

    def test_a_success_takes_back_its_own_attempt_alone(self) -> None:
        with self._store() as store:
            factor = _active(store)
            for _ in range(3):
                store.reserve(factor.owner, "otp", NOW, _LIMITS)
            assert _accept(store, factor, 1)
            budget = store.user(factor.owner).budgets["otp"]
            assert (budget.failures, budget.retry_at) == (0, 0)
            assert budget.spent_until == NOW + 3 * _LIMITS.cost

    def test_a_success_that_is_not_one_takes_nothing_back(self) -> None:
        with self._store() as store:
            factor = _active(store)
            assert _accept(store, factor, 5)
            assert not _accept(store, factor, 5)
            assert store.user(factor.owner).budgets["otp"].failures == 1

    def test_delays_follow_the_ladder(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            now = NOW
            for failures in range(1, 20):
                answer = store.reserve(owner, "otp", now, _LIMITS)
                assert isinstance(answer, Reservation)
                assert answer.budget.failures == failures
                delay = _LIMITS.delay(failures)
                if delay:
                    for early in (0, delay - 1):
                        refusal = store.reserve(owner, "otp", now + early, _LIMITS)
                        assert refusal == Refusal("throttled", now + delay)
                now += delay
            assert _LIMITS.delay(19) == _LIMITS.delays[-1]

    def test_no_success_opens_more_failures_in_30_days_than_the_policy_has(self) -> None:
        with self._store() as store:
            factor = _active(store)
            now, failures = NOW, []
            for step in itertools.count(1):
                if now >= NOW + 45 * _DAY:
                    break
                right = None if step % 4 else Acceptance(factor.factor_id, step, 0)
                answer = store.attempt(factor.owner, "otp", now, _LIMITS, lambda _, right=right: right)  # type: ignore[misc]
                if isinstance(answer, Refusal):
                    assert answer.reason == "throttled" and answer.retry_at > now
                    now = answer.retry_at
                elif answer.accepted is None:
                    failures.append(now)
            for last in range(100, len(failures)):
                assert failures[last] - failures[last - 100] >= 30 * _DAY
            assert len(failures) >= 100

    def test_the_last_failure_disables_until_a_factor_is_bound_again(self) -> None:
        limits = replace(_LIMITS, free=2, delays=(1000,), disable_at=7)
        with self._store() as store:
            factor = _active(store)
            owner, now = factor.owner, NOW
            for _ in range(7):
                assert isinstance(store.reserve(owner, "otp", now, limits), Reservation)
                now += 1000
            assert store.reserve(owner, "otp", now + _DAY, limits) == Refusal("disabled")
            assert store.reserve(owner, "otp", now + 400 * _DAY, limits) == Refusal("disabled")
            # Another factor of the user shares the budget.
            second = replace(factor, factor_id=secrets.token_hex(8))
            assert store.add_factor(second, now, 10, 5)
            assert store.reserve(owner, "otp", now, limits) == Refusal("disabled")
            # Binding anew opens it, for the new one.
            fresh = _pending(owner, now)
            assert store.add_factor(fresh, now, 10, 5)
            reservation = store.reserve(owner, "enrollment", now, limits, factor_id=fresh.factor_id)
            assert isinstance(reservation, Reservation)
            assert store.confirm(reservation, Acceptance(fresh.factor_id, 1, 0), now, [], 10)
            answer = store.reserve(owner, "otp", now, limits)
            assert isinstance(answer, Reservation)
            assert [bound.factor_id for bound in answer.factors] == [fresh.factor_id]
            states = {bound.factor_id: bound.state for bound in store.user(owner).factors}
            assert states == {
                factor.factor_id: "disabled",
                second.factor_id: "disabled",
                fresh.factor_id: "active",
            }
            assert not advance(store, owner, factor.factor_id, 10**9, now=now, limits=limits)

    def test_a_clock_that_goes_back_opens_no_delay_early(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            for _ in range(5):
                store.reserve(owner, "otp", NOW, _LIMITS)
            for back in (1000, 90_000, _DAY):
                refusal = store.reserve(owner, "otp", NOW - back, _LIMITS)
                assert isinstance(refusal, Refusal) and refusal.reason == "throttled"
                assert refusal.retry_at > NOW - back

    def test_a_clock_that_was_ahead_holds_nobody_up_for_longer_than_the_longest_delay(self) -> None:
        longest = _LIMITS.delays[-1]
        # So far ahead that the bucket seems full, it takes what an attempt costs until there is room for one.
        for ahead, wait in ((_DAY, longest), (365 * _DAY, _LIMITS.cost)):
            with self._store() as store:
                owner = _active(store).owner
                for _ in range(5):
                    store.reserve(owner, "otp", NOW + ahead, _LIMITS)
                refusal = store.reserve(owner, "otp", NOW, _LIMITS)
                assert refusal == Refusal("throttled", NOW + wait, clock_was_ahead=True)
                # It was brought back once, and does not recede from then on.
                refusal = store.reserve(owner, "otp", NOW + wait - 1, _LIMITS)
                assert refusal == Refusal("throttled", NOW + wait)
                assert isinstance(store.reserve(owner, "otp", NOW + wait, _LIMITS), Reservation)

    def test_users_without_a_factor_are_told_apart_and_not_counted(self) -> None:
        with self._store() as store:
            owner = _owner()
            assert store.reserve(owner, "otp", NOW, _LIMITS) == Refusal("not enrolled")
            assert store.reserve(owner, "recovery", NOW, _LIMITS, selector="AB") == Refusal("not enrolled")
            assert store.add_factor(_pending(owner), NOW, 10, 5)
            assert store.reserve(owner, "otp", NOW, _LIMITS) == Refusal("not enrolled")
            assert store.reserve(owner, "recovery", NOW, _LIMITS, selector="AB") == Refusal("not enrolled")
            assert store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id="other") == Refusal("not enrolled")
            assert store.reserve(owner, "enrollment", NOW, _LIMITS) == Refusal("not enrolled")
            assert all(budget.failures == 0 for budget in store.user(owner).budgets.values())

    def test_a_pending_factor_is_confirmed_once_in_time_and_by_its_owner(self) -> None:
        with self._store() as store:
            owner = _owner()
            factor = _pending(owner)
            assert store.add_factor(factor, NOW, 10, 5)
            assert store.reserve(_owner(), "enrollment", NOW, _LIMITS, factor_id=factor.factor_id) == Refusal(
                "not enrolled"
            )
            first = store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id=factor.factor_id)
            second = store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id=factor.factor_id)
            assert isinstance(first, Reservation) and isinstance(second, Reservation)
            assert first.factors == (factor,)
            codes = _codes(owner, 3)
            assert store.confirm(first, Acceptance(factor.factor_id, 7, 0), factor.expires_at, codes, 10) is None
            assert store.user(owner).recovery_codes == 0
            assert store.confirm(first, Acceptance(factor.factor_id, 7, -1), NOW, codes, 10) == Confirmation(
                codes_kept=True
            )
            assert store.confirm(second, Acceptance(factor.factor_id, 8, 0), NOW, codes, 10) is None
            state = store.user(owner)
            assert state.factors == (replace(factor, state="active", last_step=7, drift=-1, last_used_at=NOW),)
            assert state.recovery_codes == 3
            assert state.budgets["enrollment"].failures == 0
            # The code that confirmed is used up.
            assert not _accept(store, state.factors[0], 7)
            assert _accept(store, state.factors[0], 8)

    def test_a_factor_is_named_when_it_is_confirmed(self) -> None:
        with self._store() as store:
            owner = _owner()
            for name, expected in (("", "Phone"), ("Tëlefon", "Tëlefon")):
                factor = replace(_pending(owner), name="Phone")
                assert store.add_factor(factor, NOW, 10, 5)
                first = store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id=factor.factor_id)
                again = store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id=factor.factor_id)
                assert isinstance(first, Reservation) and isinstance(again, Reservation)
                codes = _codes(owner, 2)
                assert store.confirm(first, Acceptance(factor.factor_id, 7, 0), NOW, codes, 10, False, name)
                assert store.confirm(again, Acceptance(factor.factor_id, 8, 0), NOW, [], 10, False, "late") is None
                kept = {found.factor_id: found for found in store.user(owner).factors}[factor.factor_id]
                assert kept == replace(factor, name=expected, state="active", last_step=7, drift=0, last_used_at=NOW), (
                    name
                )
            # The name is no code of recovery: how many there are is as before.
            assert store.user(owner).recovery_codes == 2

    def test_of_two_first_confirmations_one_brings_recovery_codes(self) -> None:
        with self._store() as store:
            owner = _owner()
            first, second, third = (_reserved(store, owner) for _ in range(3))
            shown, dead = _codes(owner, 3), _codes(owner, 3)
            for attempt, codes, kept in ((first, [], False), (second, shown, True), (third, dead, False)):
                factor_id = attempt.factors[0].factor_id
                assert store.confirm(attempt, Acceptance(factor_id, 1, 0), NOW, codes, 10) == Confirmation(kept)
            listed = [code for code in _listed(store.recovery_codes, 100) if code.owner == owner]
            assert listed == shown

    def test_a_factor_that_may_only_be_the_first_is_not_the_second(self) -> None:
        """Confirmed with the password alone at the moment of the owner's own, a thief's phone would be bound."""
        with self._store() as store:
            owner = _owner()
            owners, thiefs = _reserved(store, owner), _reserved(store, owner)
            assert store.confirm(owners, _first_code(owners), NOW, _codes(owner, 2), 10, True)
            before = store.user(owner)
            for max_factors in (1, 10):
                refused = _error(store.confirm, thiefs, _first_code(thiefs), NOW, [], max_factors, True)
                assert isinstance(refused, AlreadyEnrolled)
            assert store.user(owner) == before
            # Another user's factor is none of this one's.
            other = _reserved(store, _owner())
            assert store.confirm(other, _first_code(other), NOW, [], 10, True)

    def test_a_disabled_factor_is_a_factor_too(self) -> None:
        limits = replace(_LIMITS, disable_at=1)
        with self._store() as store:
            owner = _active(store).owner
            assert isinstance(store.reserve(owner, "otp", NOW, limits), Reservation)
            fresh = _reserved(store, owner, limits)
            assert store.confirm(fresh, _first_code(fresh), NOW, [], 10)
            assert store.remove_factor(owner, fresh.factors[0].factor_id, "moved")
            assert [factor.state for factor in store.user(owner).factors] == ["disabled"]
            thiefs = _reserved(store, owner)
            refused = _error(store.confirm, thiefs, _first_code(thiefs), NOW, [], 10, True)
            assert isinstance(refused, AlreadyEnrolled)

    def test_no_more_factors_are_confirmed_than_allowed(self) -> None:
        with self._store() as store:
            owner = _owner()
            attempts = [_reserved(store, owner) for _ in range(5)]
            for attempt in attempts[:2]:
                assert store.confirm(attempt, _first_code(attempt), NOW, [], 2)
            before = store.user(owner)
            for attempt in attempts[2:]:
                refused = _error(store.confirm, attempt, _first_code(attempt), NOW, [], 2)
                assert isinstance(refused, TooManyFactors)
            assert store.user(owner) == before

    def test_pending_factors_expire_and_are_bounded(self) -> None:
        with self._store() as store:
            owner = _owner()
            made = [_pending(owner, NOW + number) for number in range(7)]
            for factor in made:
                assert store.add_factor(factor, factor.created_at, 10, 5)
            assert {kept.factor_id for kept in store.user(owner).factors} == {kept.factor_id for kept in made[2:]}
            late = NOW + 601_000
            assert store.reserve(owner, "enrollment", late, _LIMITS, factor_id=made[6].factor_id) == Refusal(
                "not enrolled"
            )
            fresh = _pending(owner, late)
            assert store.add_factor(fresh, late, 10, 5)
            assert [kept.factor_id for kept in store.user(owner).factors] == [fresh.factor_id]

    def test_a_user_has_no_more_factors_than_allowed(self) -> None:
        with self._store() as store:
            owner = _owner()
            for _ in range(3):
                assert store.add_factor(_made(owner), NOW, 3, 5)
            assert not store.add_factor(_made(owner), NOW, 3, 5)
            assert not store.add_factor(_pending(owner), NOW, 3, 5)
            assert len(store.user(owner).factors) == 3

    def test_a_factor_of_an_id_that_is_there_is_refused_and_the_one_there_stays(self) -> None:
        with self._store() as store:
            factor = _active(store)
            assert _accept(store, factor, 7)
            kept = _read(store, factor)
            pending = _pending(factor.owner)
            assert store.add_factor(pending, NOW, 10, 5)
            for again in (_made(factor.owner), _pending(factor.owner, NOW + _DAY)):
                try:
                    store.add_factor(replace(again, factor_id=factor.factor_id), NOW + _DAY, 10, 5)
                except FactorExists:
                    pass
                else:
                    raise AssertionError("a factor was put in another's place")
            assert {*store.user(factor.owner).factors} == {kept, pending}
            # Another user's of that id is another one.
            assert store.add_factor(replace(factor, owner=_owner()), NOW, 10, 5)

    def test_a_user_of_another_system_comes_as_a_whole_and_once(self) -> None:
        with self._store() as store:
            owner, other = _owner(), _owner()
            factors = (replace(_made(owner), last_step=41, legacy=True), replace(_made(owner), name="\u4e2d\u6587 'x'"))
            user = NewUser(owner, factors, tuple(_codes(owner, 3)))
            assert store.add_users([]) == []
            assert store.add_users([user]) == [True]
            state = store.user(owner)
            assert {*state.factors} == {*factors} and state.recovery_codes == 3
            assert all(budget.failures == 0 for budget in state.budgets.values())
            second = NewUser(other, (_made(other),))
            assert store.add_users([user, second, replace(user, factors=(_made(owner),))]) == [False, True, False]
            assert {*store.user(owner).factors} == {*factors}
            assert store.user(other).factors == second.factors
            assert not _accept(store, factors[0], 41)
            assert _accept(store, factors[0], 42)
            listed = list(_listed(store.recovery_codes, 100))
            assert [code for code in listed if code.owner == owner] == list(user.recovery_codes)
            listed = list(_listed(store.factors, 100))
            assert {factor.factor_id for factor in listed if factor.owner == owner} == {
                factor.factor_id for factor in factors
            }
            third = _owner()
            twice = [NewUser(third, (_made(third),)), NewUser(third, (_made(third),))]
            assert store.add_users(twice) == [True, False]
            assert store.user(third).factors == twice[0].factors

    def test_two_codes_in_a_row_open_a_delayed_factor_and_both_are_used_up(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner = factor.owner
            for _ in range(5):
                store.reserve(owner, "otp", NOW, _LIMITS)
            spent = store.user(owner).budgets["otp"].spent_until
            assert isinstance(store.reserve(owner, "otp", NOW, _LIMITS), Refusal)
            assert _unlock(store, factor, 1000, resealed=b"resealed")
            state = store.user(owner)
            assert state.factors == (replace(factor, last_step=1001, drift=1, last_used_at=NOW, sealed=b"resealed"),)
            # The delay is over. What the guesses have spent of 30 days stays spent.
            assert (state.budgets["otp"].failures, state.budgets["otp"].retry_at) == (0, 0)
            assert state.budgets["otp"].spent_until == spent
            for first in (999, 1000, 1001):  # a step that was used, as the first or as the second
                assert not _unlock(store, factor, first)
            assert not _accept(store, factor, 1001)
            assert _unlock(store, factor, 1002)
            assert _accept(store, factor, 1004)

    def test_steps_of_any_size_are_compared_exactly_in_pairs(self) -> None:
        with self._store() as store:
            factor = _active(store)
            for first in (9, 99, 2**31, 2**53 - 1, 2**53 + 1, 2**62 - 3):
                assert _unlock(store, factor, first)
                assert not _unlock(store, factor, first)
                assert not _unlock(store, factor, first + 1)
                assert _read(store, factor).last_step == first + 1

    def test_two_codes_have_a_budget_of_their_own(self) -> None:
        limits = replace(_LIMITS, free=2, delays=(60_000,))
        with self._store() as store:
            factor, other = _active(store), _active(store)
            owner = factor.owner
            assert store.reserve(_owner(), "unlock", NOW, limits) == Refusal("not enrolled")
            for failures in range(1, 4):
                answer = store.reserve(owner, "unlock", NOW, limits)
                assert isinstance(answer, Reservation)
                assert answer.budget.failures == failures and answer.factors == (factor,)
            assert store.reserve(owner, "unlock", NOW + 59_999, limits) == Refusal("throttled", NOW + 60_000)
            assert isinstance(store.reserve(owner, "unlock", NOW + 60_000, limits), Reservation)
            # The others know nothing of it, nor does another user.
            assert all(budget.failures == 0 for budget in store.user(owner).budgets.values())
            answer = store.reserve(other.owner, "unlock", NOW, limits)
            assert isinstance(answer, Reservation) and answer.budget.failures == 1
            # A success takes its own attempt back, and the failures before it stay spent.
            assert _unlock(store, factor, 5, now=NOW + 200_000)
            answer = store.reserve(owner, "unlock", NOW + 200_000, limits)
            assert isinstance(answer, Reservation)
            assert (answer.budget.failures, answer.budget.spent_until) == (1, NOW + 5 * limits.cost)
            # It ends with the user.
            store.reset(owner)
            assert store.add_factor(factor, NOW, 10, 5)
            answer = store.reserve(owner, "unlock", NOW, limits)
            assert isinstance(answer, Reservation) and answer.budget.failures == 1

    def test_two_codes_are_no_way_around_a_factor_that_is_disabled_pending_or_gone(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner = factor.owner
            for _ in range(3):
                store.reserve(owner, "otp", NOW, _LIMITS)
            reservation = store.reserve(owner, "unlock", NOW, _LIMITS)
            assert isinstance(reservation, Reservation)

            def unlock(disable_at: int, factor_id: str = factor.factor_id) -> bool:
                return store.unlock(reservation, Acceptance(factor_id, 2, 0), NOW, disable_at=disable_at)

            assert not unlock(3)
            assert not unlock(2)
            pending = _pending(owner)
            assert store.add_factor(pending, NOW, 10, 5)
            assert not unlock(4, pending.factor_id)
            assert not unlock(4, "another")
            assert _read(store, factor) == factor
            assert store.user(owner).budgets["otp"].failures == 3
            assert unlock(4)
            store.remove_factor(owner, factor.factor_id, "a new epoch")
            assert not store.unlock(reservation, Acceptance(factor.factor_id, 9, 0), NOW, disable_at=100)

    def test_what_was_removed_does_not_come_back_by_another_import(self) -> None:
        with self._store() as store:
            owner = _owner()
            user = NewUser(owner, (_made(owner),), tuple(_codes(owner, 1)))
            assert store.add_users([user]) == [True]
            assert store.remove_factor(owner, user.factors[0].factor_id, new_epoch())
            assert store.add_users([user]) == [False]
            state = store.user(owner)
            assert (state.factors, state.recovery_codes) == ((), 0)
            assert store.reset(owner) == 0
            assert store.add_users([user]) == [True]

    def test_passkeys_that_come_with_a_user_are_of_this_user_alone(self) -> None:
        with self._store() as store:
            first = _owner()
            second, third, fourth, fifth = (Owner(first.tenant, _owner().user_id) for _ in range(4))
            passkey = _passkey(first)

            def with_it(owner: Owner) -> NewUser:
                factors = _made(owner), replace(passkey, owner=owner)
                return NewUser(owner, factors, tuple(_codes(owner, 2)))

            assert store.add_users([with_it(first), NewUser(third, (_made(third),), ())]) == [True, True]
            assert store.passkey(first.tenant, passkey.factor_id) == passkey
            assert store.user(first).recovery_codes == 2
            # Nothing of another user comes who brings it, and others of the same import do.
            users = [with_it(second), NewUser(fourth, (_passkey(fourth),), ())]
            assert store.add_users(users) == [False, True]
            state = store.user(second)
            assert (state.factors, state.recovery_codes, state.epoch) == ((), 0, "")
            theirs = replace(passkey, owner=third)
            assert isinstance(_error(store.add_passkey, theirs, _answer(third), NOW, [], 10), PasskeyTaken)
            # It is a passkey like any other, and free again when it goes.
            assert store.use_passkey(passkey, _answer(first), 1, b"used", NOW, disable_at=100) == "accepted"
            assert store.reset(first) == 2
            assert sorted(store.add_users([with_it(second), with_it(fifth)])) == [False, True]
            kept = store.passkey(second.tenant, passkey.factor_id)
            assert kept is not None and kept.owner in (second, fifth)

    def test_a_set_up_that_was_begun_keeps_nobody_from_coming(self) -> None:
        with self._store() as store:
            begun, removed = _owner(), _owner()
            pending = _pending(begun)
            assert store.add_factor(pending, NOW, 10, 5)
            reservation = store.reserve(begun, "enrollment", NOW, _LIMITS, factor_id=pending.factor_id)
            assert isinstance(reservation, Reservation)
            first = _made(removed)
            assert store.add_factor(first, NOW, 10, 5)
            assert store.remove_factor(removed, first.factor_id, "moved")
            assert store.add_factor(_pending(removed), NOW, 10, 5)
            users = [NewUser(owner, (_made(owner),), tuple(_codes(owner, 2))) for owner in (begun, removed)]
            assert store.add_users(users) == [True, False]
            assert store.add_users(users) == [False, False]
            # The set-up went: it was begun with the password alone, maybe by a thief.
            assert store.confirm(reservation, Acceptance(pending.factor_id, 1, 0), NOW, [], 10) is None
            state = store.user(begun)
            assert state.factors == users[0].factors and state.recovery_codes == 2
            assert state.budgets["otp"] == Budget()
            listed = [factor.factor_id for factor in _listed(store.factors, 100) if factor.owner == begun]
            assert listed == [users[0].factors[0].factor_id]
            # Confirmed, a user has come already.
            confirmed = _reserved(store, _owner())
            owner = confirmed.owner
            assert store.confirm(confirmed, _first_code(confirmed), NOW, [], 10)
            assert store.add_users([NewUser(owner, (_made(owner),))]) == [False]

    def test_failures_to_confirm_end_with_a_new_enrollment_and_what_was_spent_stays(self) -> None:
        limits = replace(_LIMITS, free=1, delays=(1000,), disable_at=3)
        with self._store() as store:
            owner = _owner()
            pending = _pending(owner)
            assert store.add_factor(pending, NOW, 10, 5)
            for number in range(3):
                now = NOW + 1000 * number
                answer = store.reserve(owner, "enrollment", now, limits, factor_id=pending.factor_id)
                assert isinstance(answer, Reservation)
            answer = store.reserve(owner, "enrollment", NOW + 9000, limits, factor_id=pending.factor_id)
            assert answer == Refusal("disabled")
            fresh = _pending(owner, NOW + 9000)
            assert store.add_factor(fresh, NOW + 9000, 10, 5)
            budget = store.user(owner).budgets["enrollment"]
            assert (budget.failures, budget.retry_at) == (0, 0)
            assert budget.spent_until == NOW + 3 * limits.cost
            answer = store.reserve(owner, "enrollment", NOW + 9000, limits, factor_id=fresh.factor_id)
            assert isinstance(answer, Reservation)
            # No other budget is touched, and an active factor touches none.
            assert isinstance(
                store.reserve(owner, "enrollment", NOW + 9000, limits, factor_id=fresh.factor_id), Reservation
            )
            assert store.add_factor(_made(owner), NOW + 9000, 10, 5)
            assert store.user(owner).budgets["enrollment"].failures == 2
            store.reserve(owner, "otp", NOW + 9000, limits)
            assert store.add_factor(_pending(owner, NOW + 9000), NOW + 9000, 10, 5)
            assert store.user(owner).budgets["otp"].failures == 1

    def test_of_users_added_by_many_at_once_each_is_added_once(self) -> None:
        with self._store() as store:
            users = []
            for _ in range(40):
                owner = _owner()
                users.append(NewUser(owner, (_made(owner),)))
            answers: list[list[bool]] = []

            def add(order: list[NewUser]) -> None:
                with self._store() as mine:
                    answers.append([mine.add_users([user])[0] for user in order[:20]] + mine.add_users(order[20:]))

            threads = [threading.Thread(target=add, args=(users[n:] + users[:n],)) for n in range(0, 40, 10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sum(map(sum, answers)) == len(users)
            assert all(len(store.user(user.owner).factors) == 1 for user in users)

    def test_a_recovery_code_is_redeemed_once_by_its_owner_on_a_budget_of_its_own(self) -> None:
        with self._store() as store:
            factor, other = _active(store), _active(store)
            owner = factor.owner
            codes = _codes(owner, 2)
            assert store.replace_recovery_codes(owner, codes, NOW)
            for _ in range(5):
                store.reserve(owner, "otp", NOW, _LIMITS)
            selector = codes[0].selector
            first = store.reserve(owner, "recovery", NOW, _LIMITS, selector=selector)
            second = store.reserve(owner, "recovery", NOW, _LIMITS, selector=selector)
            assert isinstance(first, Reservation) and isinstance(second, Reservation)
            assert first.recovery_code == second.recovery_code == codes[0]
            foreign = store.reserve(other.owner, "recovery", NOW, _LIMITS, selector=selector)
            assert isinstance(foreign, Reservation) and foreign.recovery_code is None
            assert store.redeem(first, selector, NOW) == 1
            assert store.redeem(second, selector, NOW) is None
            third = store.reserve(owner, "recovery", NOW, _LIMITS, selector=selector)
            assert isinstance(third, Reservation) and third.recovery_code is None
            # A success of recovery opens no delay of the factors.
            assert isinstance(store.reserve(owner, "otp", NOW, _LIMITS), Refusal)

    def test_a_code_of_a_set_that_was_replaced_is_gone_even_under_way(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            old, new = _codes(owner, 2), _codes(owner, 2)
            assert store.replace_recovery_codes(owner, old, NOW)
            reservation = store.reserve(owner, "recovery", NOW, _LIMITS, selector=old[0].selector)
            assert isinstance(reservation, Reservation)
            # The same selector, another code.
            assert store.replace_recovery_codes(owner, new, NOW)
            assert old[0].selector == new[0].selector
            assert store.redeem(reservation, old[0].selector, NOW) is None
            assert store.user(owner).recovery_codes == 2

    def test_new_recovery_codes_open_their_budget_again(self) -> None:
        limits = replace(_LIMITS, disable_at=3)
        with self._store() as store:
            owner = _active(store).owner
            for _ in range(3):
                assert isinstance(store.reserve(owner, "recovery", NOW, limits, selector="AA"), Reservation)
            assert store.reserve(owner, "recovery", NOW, limits, selector="AA") == Refusal("disabled")
            assert store.replace_recovery_codes(owner, _codes(owner, 2), NOW)
            assert isinstance(store.reserve(owner, "recovery", NOW, limits, selector="AA"), Reservation)
            assert not store.replace_recovery_codes(_owner(), _codes(owner, 2), NOW)

    def test_first_recovery_codes_replace_none(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            codes = _codes(owner, 2)
            assert store.replace_recovery_codes(owner, codes, NOW, only_first=True)
            assert not store.replace_recovery_codes(owner, _codes(owner, 3), NOW, only_first=True)
            listed = [code for code in _listed(store.recovery_codes, 100) if code.owner == owner]
            assert listed == codes
            assert store.replace_recovery_codes(owner, _codes(owner, 3), NOW)
            pending = _owner()
            assert store.add_factor(_pending(pending), NOW, 10, 5)
            assert not store.replace_recovery_codes(pending, codes, NOW, only_first=True)

    def test_a_budget_is_read_alone_as_it_is_kept(self) -> None:
        with self._store() as store, self._store() as other:
            mine, beside, nobody = _active(store), _active(store), _owner()
            begun = _owner()
            assert store.add_factor(_pending(begun), NOW, 10, 5)
            for _ in range(_LIMITS.free + 1):
                store.reserve(mine.owner, "otp", NOW, _LIMITS)
            store.reserve(mine.owner, "recovery", NOW, _LIMITS)
            assert store.budget(mine.owner, "otp").retry_at > NOW
            for owner in (mine.owner, beside.owner, begun, nobody):
                for method, kept in store.user(owner).budgets.items():
                    assert store.budget(owner, method) == other.budget(owner, method) == kept
            # To read counts nothing, and makes nothing: who is nobody yet may still come from another system.
            assert store.budget(mine.owner, "otp").failures == _LIMITS.free + 1
            assert store.budget(mine.owner, "recovery").failures == 1
            for owner in (mine.owner, nobody):
                assert store.budget(owner, "unlock") == Budget()
            assert isinstance(store.reserve(mine.owner, "unlock", NOW, _LIMITS), Reservation)
            assert store.budget(mine.owner, "unlock").failures == 1
            assert store.add_users([NewUser(nobody, (_made(nobody),))]) == [True]

    def test_what_is_spent_leaks_with_time_and_is_no_failure(self) -> None:
        limits = replace(_LIMITS, cost=10_000, horizon=30_000)
        with self._store() as store:
            owner, other = _active(store).owner, _active(store).owner
            assert [store.spend(owner, "enrollment", NOW, limits) for _ in range(5)] == [0, 0, 0] + 2 * [NOW + 10_000]
            assert store.spend(other, "enrollment", NOW, limits) == 0
            assert store.spend(owner, "enrollment", NOW + 9_999, limits) == NOW + 10_000
            assert store.spend(owner, "enrollment", NOW + 10_000, limits) == 0
            budgets = store.user(owner).budgets
            assert budgets["enrollment"] == Budget(0, 0, NOW + 40_000) and budgets["otp"] == Budget()
            # A clock that was ahead holds nobody up for longer than the bucket takes to leak what it costs.
            assert store.spend(owner, "enrollment", NOW - _DAY, limits) == NOW - _DAY + 10_000
            nobody = _owner()
            assert store.spend(nobody, "enrollment", NOW, limits) == 0
            assert store.user(nobody).budgets["enrollment"] == Budget()

    def test_a_factor_is_removed_by_its_owner_alone_and_the_budget_stays(self) -> None:
        with self._store() as store:
            factor, second = _active(store), _made()
            owner = factor.owner
            second = replace(second, owner=owner)
            assert store.add_factor(second, NOW, 10, 5)
            assert store.replace_recovery_codes(owner, _codes(owner, 2), NOW)
            store.reserve(owner, "otp", NOW, _LIMITS)
            assert store.remove_factor(_active(store).owner, factor.factor_id, "moved") is None
            assert store.remove_factor(owner, "", "moved") is None
            assert store.remove_factor(owner, factor.factor_id, "first") == factor
            assert store.remove_factor(owner, factor.factor_id, "moved") is None
            assert store.user(owner).epoch == "first"
            assert store.user(owner).recovery_codes == 2
            assert store.remove_factor(owner, second.factor_id, "second") == second
            state = store.user(owner)
            assert (state.factors, state.recovery_codes, state.budgets["otp"].failures) == ((), 0, 1)
            assert store.add_factor(_made(owner), NOW, 10, 5)
            assert store.user(owner).budgets["otp"].failures == 1

    def test_the_last_active_factor_is_kept_where_it_is_asked_for(self) -> None:
        limits = replace(_LIMITS, disable_at=1)
        with self._store() as store:
            disabled = _active(store)
            owner = disabled.owner
            assert isinstance(store.reserve(owner, "otp", NOW, limits), Reservation)
            first = _reserved(store, owner, limits)
            assert store.confirm(first, _first_code(first), NOW, _codes(owner, 2), 10)
            waiting = _pending(owner)
            assert store.add_factor(waiting, NOW, 10, 5)
            before = store.user(owner)
            last_id = first.factors[0].factor_id
            assert isinstance(_error(store.remove_factor, owner, last_id, "moved", keep_last=True), LastFactor)
            assert store.user(owner) == before
            # What is not active may go, and what is, where another is active.
            assert store.remove_factor(owner, waiting.factor_id, "moved", keep_last=True)
            assert store.remove_factor(owner, disabled.factor_id, "moved", keep_last=True)
            assert store.remove_factor(owner, "unknown", "moved", keep_last=True) is None
            second = _made(owner)
            assert store.add_factor(second, NOW, 10, 5)
            assert store.remove_factor(owner, last_id, "moved", keep_last=True)
            assert isinstance(_error(store.remove_factor, owner, second.factor_id, "moved", keep_last=True), LastFactor)
            assert store.user(owner).recovery_codes == 2
            assert store.remove_factor(owner, second.factor_id, "moved")

    def test_an_attempt_is_offered_what_a_reservation_gives(self) -> None:
        with self._store() as store:
            factor = _active(store)
            other = replace(factor, factor_id=secrets.token_hex(8))
            assert store.add_factor(other, NOW, 10, 5)
            for wanted in ("", other.factor_id):
                offered: list[Reservation] = []
                answer = store.attempt(factor.owner, "otp", NOW, _LIMITS, offered.append, factor_id=wanted)
                assert offered == [answer]
                assert isinstance(answer, Reservation) and answer.accepted is None
                expected = {factor.factor_id, other.factor_id} if not wanted else {wanted}
                assert {found.factor_id for found in answer.factors} == expected
                assert answer.budget == store.user(factor.owner).budgets["otp"]
            assert isinstance(answer, Reservation) and answer.budget.failures == 2
            nobody = store.attempt(_owner(), "otp", NOW, _LIMITS, offered.append)
            assert nobody == store.attempt(factor.owner, "otp", NOW, _LIMITS, offered.append, factor_id="none")
            assert nobody == Refusal("not enrolled") and len(offered) == 1

    def test_an_attempt_that_is_not_open_is_not_looked_at(self) -> None:
        limits = replace(_LIMITS, free=1, delays=(1000,), disable_at=3)
        with self._store() as store:
            owner = _active(store).owner
            looked: list[Reservation] = []
            for now, refused in (
                (NOW, None),
                (NOW, None),
                (NOW, Refusal("throttled", NOW + 1000)),
                (NOW + 1000, None),
                (NOW + _DAY, Refusal("disabled")),
            ):
                answer = store.attempt(owner, "otp", now, limits, looked.append)
                assert isinstance(answer, Reservation) if refused is None else answer == refused
            assert len(looked) == 3

    def test_an_attempt_whose_look_fails_is_counted(self) -> None:
        with self._store() as store:
            owner = _active(store).owner

            def fail(reservation: Reservation) -> None:
                raise KeyboardInterrupt("in the middle")

            for failures in (1, 2):
                with contextlib.suppress(KeyboardInterrupt):
                    store.attempt(owner, "otp", NOW, _LIMITS, fail)
                    raise AssertionError("the exception went no further")
                assert store.user(owner).budgets["otp"].failures == failures

    def test_what_was_not_offered_and_what_is_not_newer_is_not_accepted(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner, wrong = factor.owner, replace(_LIMITS, free=100, disable_at=1000)
            pending, foreign = _pending(owner), _active(store)
            assert store.add_factor(pending, NOW, 10, 5)
            assert advance(store, owner, factor.factor_id, 7)
            for factor_id, step in (
                (factor.factor_id, 7),
                (factor.factor_id, 6),
                (pending.factor_id, 8),
                (foreign.factor_id, 8),
                ("none", 8),
            ):
                assert not advance(store, owner, factor_id, step, limits=wrong)
            assert store.user(owner).budgets["otp"].failures == 5
            assert {kept.last_step for kept in store.user(owner).factors} == {7, NEVER_USED}
            assert _read(store, foreign).last_step == NEVER_USED

    def test_a_success_keeps_all_that_was_said_of_it(self) -> None:
        with self._store() as store:
            factor = _active(store)
            assert advance(store, factor.owner, factor.factor_id, 9, drift=-2, now=NOW + 5, anew=b"anew")
            kept = replace(factor, last_step=9, drift=-2, last_used_at=NOW + 5, sealed=b"anew")
            assert store.user(factor.owner).factors == (kept,)
            assert store.user(factor.owner).budgets["otp"] == Budget(0, 0, NOW + 5)

    def test_a_reset_removes_all_of_one_user_and_nothing_of_another(self) -> None:
        with self._store() as store:
            factor, other = _active(store), _active(store)
            store.replace_recovery_codes(factor.owner, _codes(factor.owner, 2), NOW)
            store.replace_recovery_codes(other.owner, _codes(other.owner, 2), NOW)
            before = store.user(other.owner)
            store.reserve(factor.owner, "otp", NOW, _LIMITS)
            assert store.reset(factor.owner) == 1
            assert store.reset(factor.owner) == 0
            state = store.user(factor.owner)
            assert (state.factors, state.recovery_codes, state.budgets["otp"].failures) == ((), 0, 0)
            assert store.user(other.owner) == before

    def test_users_are_deleted_at_once_and_nothing_of_them_meets_a_new_account(self) -> None:
        with self._store() as store:
            gone = [_active(store).owner for _ in range(3)]
            staying = [Owner("", gone[0].user_id), Owner(gone[0].tenant, gone[0].user_id + "x"), _owner()]
            for owner in staying:
                assert store.add_factor(_made(owner), NOW, 10, 5)
            for owner in (*gone, *staying):
                assert store.replace_recovery_codes(owner, _codes(owner, 2), NOW)
                assert store.add_device(_device(owner, b"0"), NOW, 5)
                store.reserve(owner, "otp", NOW, _LIMITS)
            assert store.add_factor(_pending(gone[1]), NOW, 10, 5)
            only_pending, removed, unknown = _owner(), _active(store), _owner()
            assert store.add_factor(_pending(only_pending), NOW, 10, 5)
            assert store.remove_factor(removed.owner, removed.factor_id, "moved")
            before = [(store.user(owner), store.devices(owner)) for owner in staying]
            deleted = [*gone, only_pending, removed.owner, unknown, gone[0]]
            assert store.delete_users([]) == []
            assert store.delete_users(deleted) == [1, 2, 1, 1, 0, 0, 0]
            for owner in deleted:
                state = store.user(owner)
                assert (state.factors, state.recovery_codes, store.devices(owner)) == ((), 0, [])
                assert all(budget == Budget() for budget in state.budgets.values())
            assert [(store.user(owner), store.devices(owner)) for owner in staying] == before
            left = {record.owner for read in (store.factors, store.recovery_codes) for record in _listed(read, 100)}
            assert not left & {*deleted} and {*staying} <= left
            # A new account of the same id begins anew, and an import brings its factors.
            assert store.add_users([NewUser(removed.owner, (_made(removed.owner),))]) == [True]

    def test_a_code_under_way_is_not_accepted_for_a_user_who_was_deleted(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner = factor.owner
            assert store.replace_recovery_codes(owner, _codes(owner, 1), NOW)
            recovery = store.reserve(owner, "recovery", NOW, _LIMITS, selector="00")
            enrollment = _reserved(store, owner)
            assert isinstance(recovery, Reservation)
            assert store.delete_users([owner]) == [2]
            refused = store.attempt(owner, "otp", NOW, _LIMITS, lambda _: Acceptance(factor.factor_id, 1, 0, None))
            assert refused == Refusal("not enrolled")
            assert store.redeem(recovery, "00", NOW) is None
            assert store.confirm(enrollment, _first_code(enrollment), NOW, [], 10) is None
            assert store.user(owner).factors == ()

    def test_a_user_whose_factors_are_lost_does_not_look_like_one_who_has_none(self) -> None:
        with self._store() as store:
            for with_codes, with_device in ((True, False), (False, True), (True, True)):
                owner = _active(store).owner
                if with_codes:
                    assert store.replace_recovery_codes(owner, _codes(owner, 2), NOW)
                if with_device:
                    assert store.add_device(_device(owner, b"0"), NOW, 5)
                self.lose_factors(store, owner)
                for _ in range(2):
                    assert isinstance(_error(store.user, owner), StoreDamaged)
                # A started set-up heals nothing.
                with suppress(StoreDamaged):
                    store.add_factor(_pending(owner), NOW, 10, 5)
                assert isinstance(_error(store.user, owner), StoreDamaged)
                store.reset(owner)
                assert store.user(owner).factors == ()

    def test_a_user_has_an_epoch_from_the_first_factor_on(self) -> None:
        with self._store() as store, self._store() as other:
            owner = _owner()
            assert store.user(owner).epoch == store.epoch(owner) == ""
            pending = _pending(owner)
            assert store.add_factor(pending, NOW, 10, 5)
            assert store.user(owner).epoch == store.epoch(owner) == ""
            reservation = store.reserve(owner, "enrollment", NOW, _LIMITS, factor_id=pending.factor_id)
            assert isinstance(reservation, Reservation)
            assert store.confirm(reservation, Acceptance(pending.factor_id, 1, 0), NOW, [], 10)
            epoch = store.user(owner).epoch
            assert len(epoch) == 32 and epoch == store.epoch(owner) == other.epoch(owner)
            # Another factor, and one that is dropped while it is pending, end no login.
            assert store.add_factor(_made(owner), NOW, 10, 5)
            later = _pending(owner)
            assert store.add_factor(later, NOW, 10, 5)
            assert store.remove_factor(owner, later.factor_id, "moved") == later
            assert store.epoch(owner) == epoch
            alone, imported = _active(store).owner, _owner()
            assert store.add_users([NewUser(imported, (_made(imported),))]) == [True]
            assert len({epoch, store.epoch(alone), store.epoch(imported), ""}) == 4

    def test_an_epoch_moves_with_the_removal_of_a_factor_and_devices_with_it(self) -> None:
        with self._store() as store:
            factor, other = _active(store), _active(store)
            owner = factor.owner
            second = _made(owner)
            assert store.add_factor(second, NOW, 10, 5)
            assert store.add_device(_device(owner, b"0"), NOW, 5)
            assert store.add_device(_device(other.owner, b"0"), NOW, 5)
            before = store.epoch(other.owner)
            assert store.remove_factor(owner, factor.factor_id, "moved") == factor
            assert store.user(owner).epoch == store.epoch(owner) == "moved"
            assert store.devices(owner) == []
            # With the last one, too, and the next first one does not bring another.
            assert store.remove_factor(owner, second.factor_id, "again") == second
            assert store.add_factor(_made(owner), NOW, 10, 5)
            assert store.epoch(owner) == "again"
            assert store.epoch(other.owner) == before and len(store.devices(other.owner)) == 1

    def test_an_epoch_is_moved_with_all_devices_and_ends_with_a_reset(self) -> None:
        with self._store() as store, self._store() as beside:
            owner, other = _active(store).owner, _active(store).owner
            for user in (owner, owner, other):
                assert store.add_device(_device(user, b"0"), NOW, 5)
            first = store.epoch(owner)
            assert store.move_epoch(owner, "moved", None) == 2
            assert beside.epoch(owner) == beside.user(owner).epoch == "moved" != first
            assert beside.devices(owner) == [] and len(beside.devices(other)) == 1
            assert store.move_epoch(owner, "again", "moved") == 0
            assert store.add_device(_device(owner, b"0"), NOW, 5)
            for was in ("moved", first, ""):
                assert store.move_epoch(owner, "a thief's", was) is None
            assert store.epoch(owner) == "again" and len(store.devices(owner)) == 1
            store.reset(owner)
            assert store.epoch(owner) == store.user(owner).epoch == ""
            assert store.add_factor(_made(owner), NOW, 10, 5)
            assert store.epoch(owner) not in ("", first, "moved", "again")

    def test_a_user_without_a_factor_has_logins_to_end_too_and_can_come_from_another_system(self) -> None:
        with self._store() as store:
            owner = _owner()
            assert store.move_epoch(owner, "any", "moved") is None and store.epoch(owner) == ""
            assert store.move_epoch(owner, "moved", "") == 0
            assert store.move_epoch(owner, "again", "") is None
            assert store.user(owner).epoch == store.epoch(owner) == "moved"
            assert store.add_users([NewUser(owner, (_made(owner),))]) == [True]
            assert store.epoch(owner) == "moved"

    def test_a_half_login_that_ended_is_remembered_until_it_would_have_died(self) -> None:
        with self._store() as store, self._store() as beside:
            factor, other = _active(store), _owner()
            owner = factor.owner
            for user in (owner, other):  # one who has no factor yet cancels a set-up
                assert not store.has_ended(user, "first")
                store.end_half_login(user, "first", NOW + 600_000, NOW)
                store.end_half_login(user, "first", NOW + 600_000, NOW)
                assert beside.has_ended(user, "first") and not beside.has_ended(user, "second")
            assert not beside.has_ended(_owner(), "first")
            store.end_half_login(owner, "second", NOW + 1_200_000, NOW + 600_000)
            assert beside.has_ended(owner, "second") and not beside.has_ended(owner, "first")
            # It is no factor, and nothing that keeps a user of another system away.
            assert store.user(other).factors == () and store.epoch(other) == ""
            assert store.add_users([NewUser(other, (_made(other),))]) == [True]
            assert store.user(owner).factors == (factor,)
            store.reset(owner)
            assert not store.has_ended(owner, "second")

    def test_an_attempt_of_a_half_login_that_ended_is_refused_before_all_else(self) -> None:
        limits = replace(_LIMITS, free=1, delays=(1000,), disable_at=2)
        with self._store() as store, self._store() as beside:
            owner, other, nobody = _active(store).owner, _active(store).owner, _owner()
            looked: list[Reservation] = []

            def attempt(user: Owner, login_id: str) -> Reservation | Refusal:
                return store.attempt(user, "otp", NOW, limits, looked.append, login_id=login_id)

            for user in (owner, nobody):
                beside.end_half_login(user, "ended", NOW + 600_000, NOW)
                before = store.user(user)
                assert attempt(user, "ended") == Refusal("ended")
                assert store.user(user) == before and looked == []
            # Another login of this user, another user's of the same id, and what is no half-login.
            for user, login_id in ((owner, "another"), (other, "ended"), (owner, "")):
                assert isinstance(attempt(user, login_id), Reservation)
            assert attempt(owner, "") == Refusal("disabled") and attempt(owner, "ended") == Refusal("ended")
            assert attempt(nobody, "another") == Refusal("not enrolled")

    def test_an_attempt_says_how_many_recovery_codes_there_are(self) -> None:
        with self._store() as store:
            factor, other = _active(store), _active(store).owner
            owner = factor.owner
            store.replace_recovery_codes(other, _codes(other, 5), NOW)
            for number in (0, 3):
                store.replace_recovery_codes(owner, _codes(owner, number), NOW)
                for said in (None, Acceptance(factor.factor_id, number, 0)):
                    answer = store.attempt(owner, "otp", NOW, _LIMITS, lambda _, said=said: said)  # type: ignore[misc]
                    assert isinstance(answer, Reservation) and answer.accepted == said
                    assert answer.recovery_codes == number

    def test_a_trusted_devices_token_works_once_and_an_old_one_ends_them_all(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner, other = factor.owner, _active(store).owner
            first, second, foreign = _device(owner, b"0"), _device(owner, b"a"), _device(other, b"0")
            for device in (first, second, foreign):
                assert store.add_device(device, NOW, 5)
            assert {device.series for device in store.devices(owner)} == {first.series, second.series}

            def use(token: bytes, following: bytes, now: int, owner: Owner = owner) -> str:
                return store.use_device(owner, first.series, token * 32, following * 32, now, 60_000)

            assert use(b"0", b"1", NOW, other) == "unknown"
            assert use(b"0", b"1", NOW) == "renewed"
            assert use(b"0", b"x", NOW + 60_000) == "same"
            assert use(b"1", b"x", NOW + 60_000) == "same"
            assert use(b"1", b"2", NOW + 100_000) == "renewed"
            (used,) = (device for device in store.devices(owner) if device.series == first.series)
            assert used == replace(first, token_hash=b"2" * 32, last_used_at=NOW + 100_000)
            assert use(b"0", b"x", NOW + 100_001) == "stolen"
            assert store.devices(owner) == []
            assert use(b"2", b"3", NOW + 100_002) == "unknown"
            assert store.devices(other) == [foreign]

    def test_tokens_at_once_are_no_theft_in_whatever_order_they_come(self) -> None:
        # A double click: each request has the cookie of before, or the one that the first was answered with.
        for orders in itertools.product((b"0", b"1"), repeat=3):
            with self._store() as store:
                owner = _active(store).owner
                device = _device(owner, b"0")
                assert store.add_device(device, NOW, 5)
                now = NOW + _DAY
                assert store.use_device(owner, device.series, b"0" * 32, b"1" * 32, now, 60_000) == "renewed"
                for number, token in enumerate(orders):
                    later = now + (-5_000, 0, 60_000)[number]  # by servers whose clocks are not quite the same
                    assert store.use_device(owner, device.series, token * 32, b"x" * 32, later, 60_000) == "same"
                (kept,) = store.devices(owner)
                assert (kept.token_hash, kept.last_used_at) == (b"1" * 32, now)
                later = now + _DAY
                assert store.use_device(owner, device.series, b"1" * 32, b"2" * 32, later, 60_000) == "renewed"
                assert store.use_device(owner, device.series, b"0" * 32, b"x" * 32, later, 60_000) == "stolen"

    def test_the_clock_set_back_makes_no_old_token_of_a_device_good_again(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            for back in (5_001, 60_000, _DAY, 29 * _DAY):
                device = _device(owner, b"0")
                assert store.add_device(device, NOW, 5)
                now = NOW + 29 * _DAY
                assert store.use_device(owner, device.series, b"0" * 32, b"1" * 32, now, 60_000) == "renewed"
                answer = store.use_device(owner, device.series, b"0" * 32, b"x" * 32, now - back, 60_000)
                assert answer == "stolen" and store.devices(owner) == []
            # The one to come still comes.
            device = _device(owner, b"0")
            assert store.add_device(device, NOW, 5)
            assert store.use_device(owner, device.series, b"0" * 32, b"1" * 32, NOW + _DAY, 60_000) == "renewed"
            assert store.use_device(owner, device.series, b"1" * 32, b"2" * 32, NOW, 60_000) == "renewed"
            # What was seen to have expired is gone.
            other = _device(owner, b"a")
            assert store.add_device(other, NOW, 5)
            for now in (other.expires_at, NOW):
                assert store.use_device(owner, other.series, b"a" * 32, b"b" * 32, now, 60_000) == "unknown"

    def test_a_token_that_was_renewed_is_stolen_after_its_grace(self) -> None:
        with self._store() as store:
            owner = _active(store).owner
            device = _device(owner, b"0")
            assert store.add_device(device, NOW, 5)
            assert store.use_device(owner, device.series, b"0" * 32, b"1" * 32, NOW, 60_000) == "renewed"
            assert store.use_device(owner, device.series, b"0" * 32, b"2" * 32, NOW + 60_001, 60_000) == "stolen"

    def test_trusted_devices_expire_are_bounded_and_go_with_the_last_factor(self) -> None:
        with self._store() as store:
            factor = _active(store)
            owner = factor.owner
            assert not store.add_device(_device(_owner(), b"0"), NOW, 5)
            made = [replace(_device(owner, b"0"), last_used_at=NOW + number) for number in range(4)]
            for device in made:
                assert store.add_device(device, NOW, 3)
            assert {device.series for device in store.devices(owner)} == {device.series for device in made[1:]}
            late = made[1].expires_at
            assert store.use_device(owner, made[1].series, b"0" * 32, b"1" * 32, late, 1) == "unknown"
            fresh = replace(_device(owner, b"0"), expires_at=late + 1)
            assert store.add_device(fresh, late, 3)
            assert store.devices(owner) == [fresh]
            assert store.remove_devices(_owner(), fresh.series) == 0
            assert store.remove_devices(owner, "other") == 0
            assert store.remove_devices(owner, fresh.series) == 1
            for _ in range(2):
                assert store.add_device(_device(owner, b"0"), NOW, 3)
            assert store.remove_devices(owner, None) == 2
            assert store.add_device(_device(owner, b"0"), NOW, 3)
            store.remove_factor(owner, factor.factor_id, "moved")
            assert store.devices(owner) == []
            again = _made(owner)
            assert store.add_factor(again, NOW, 10, 5)
            assert store.add_device(_device(owner, b"0"), NOW, 3)
            store.reset(owner)
            assert store.devices(owner) == []

    def test_a_passkey_comes_with_all_that_a_first_factor_brings_and_is_found_by_its_id(self) -> None:
        with self._store() as store:
            passkey = _passkey()
            owner = passkey.owner
            assert store.passkey(owner.tenant, passkey.factor_id) is None
            codes = _codes(owner, 3)
            assert store.add_passkey(passkey, _answer(owner), NOW, codes, 10) == Confirmation(codes_kept=True)
            state = store.user(owner)
            assert state.factors == (passkey,) and state.recovery_codes == 3 and len(state.epoch) == 32
            assert store.passkey(owner.tenant, passkey.factor_id) == passkey
            assert store.passkey(owner.tenant + "x", passkey.factor_id) is None
            assert passkey in list(_listed(store.factors, 100))
            # It is an active factor: an attempt is counted, and a device may be trusted.
            assert isinstance(store.reserve(owner, "otp", NOW, _LIMITS), Reservation)
            assert store.add_device(_device(owner, b"0"), NOW, 5)
            second = _passkey(owner)
            assert store.add_passkey(second, _answer(owner), NOW, _codes(owner, 2), 10) == Confirmation(
                codes_kept=False
            )
            assert store.user(owner).recovery_codes == 3 and store.user(owner).epoch == state.epoch
            # What comes from another system comes to those alone of whom nothing is kept.
            assert store.add_users([NewUser(owner, (_made(owner),))]) == [False]

    def test_a_passkey_is_of_one_user_of_a_tenant_alone_until_it_goes(self) -> None:
        with self._store() as store:
            passkey = _passkey()
            owner = passkey.owner
            assert store.add_passkey(passkey, _answer(owner), NOW, [], 10)
            for other in (owner, Owner(owner.tenant, "another"), Owner(owner.tenant, owner.user_id + "x")):
                before, answered = store.user(other), _answer(other)
                theirs = replace(passkey, owner=other)
                assert isinstance(_error(store.add_passkey, theirs, answered, NOW, [], 10), PasskeyTaken)
                assert store.user(other) == before
                # Nothing has changed, and the challenge can still be answered.
                assert store.add_passkey(_passkey(other), answered, NOW, [], 10)
            elsewhere = replace(passkey, owner=Owner(secrets.token_hex(4), owner.user_id))
            assert store.add_passkey(elsewhere, _answer(elsewhere.owner), NOW, [], 10)
            # An authenticator app's factor may have the same id: it is not looked up by it.
            app = replace(_made(Owner(owner.tenant, "app")), factor_id=passkey.factor_id)
            assert store.add_factor(app, NOW, 10, 5)
            assert store.passkey(owner.tenant, passkey.factor_id) == passkey
            ways: tuple[Callable[[Owner], object], ...] = (
                lambda whose: store.remove_factor(whose, passkey.factor_id, "moved"),
                store.reset,
                lambda whose: store.delete_users([whose]),
            )
            for number, goes in enumerate(ways):
                found = store.passkey(owner.tenant, passkey.factor_id)
                assert found is not None
                goes(found.owner)
                assert store.passkey(owner.tenant, passkey.factor_id) is None
                fresh = replace(passkey, owner=Owner(owner.tenant, f"next {number}"))
                assert store.add_passkey(fresh, _answer(fresh.owner), NOW, [], 10)
            assert store.user(app.owner).factors == (app,)
            assert store.passkey(elsewhere.owner.tenant, passkey.factor_id) == elsewhere

    def test_passkeys_are_factors_for_the_limits(self) -> None:
        with self._store() as store:
            app = _active(store)
            owner = app.owner
            refused = _error(store.add_passkey, _passkey(owner), _answer(owner), NOW, [], 10, only_first=True)
            assert isinstance(refused, AlreadyEnrolled)
            assert isinstance(_error(store.add_passkey, _passkey(owner), _answer(owner), NOW, [], 1), TooManyFactors)
            assert store.user(owner).factors == (app,)
            passkey = _passkey(owner)
            assert store.add_passkey(passkey, _answer(owner), NOW, [], 2)
            assert not store.add_factor(_made(owner), NOW, 2, 5)
            assert store.remove_factor(owner, app.factor_id, "moved", keep_last=True)
            assert isinstance(
                _error(store.remove_factor, owner, passkey.factor_id, "moved", keep_last=True), LastFactor
            )
            assert store.disable_passkey(passkey) and not store.disable_passkey(passkey)
            assert _read(store, passkey).state == "disabled"
            assert not store.disable_passkey(replace(app, owner=_active(store).owner))

    def test_a_challenge_is_answered_once_by_anybody_of_a_tenant(self) -> None:
        with self._store() as store:
            one, other = _bound_passkey(store), _bound_passkey(store)
            other_there = replace(other, owner=Owner(one.owner.tenant, "other"))
            assert store.add_passkey(other_there, _answer(other_there.owner), NOW, [], 10)
            answered = _answer(one.owner)
            assert _use(store, one, answered, 0) == "accepted"
            for passkey in (one, other_there):
                assert _use(store, passkey, answered, 0) == "answered"
                assert store.add_passkey(_passkey(passkey.owner), answered, NOW, [], 10) is None
            # Until it would have expired; then it may be forgotten, since nobody may answer it.
            assert _use(store, one, answered, 0, now=answered.expires_at - 1) == "answered"
            assert _use(store, one, _answer(one.owner), 0, now=answered.expires_at) == "accepted"
            # Of another tenant it is another challenge.
            assert _use(store, other, replace(answered, tenant=other.owner.tenant), 0) == "accepted"

    def test_a_passkeys_counter_counts_on_or_is_none(self) -> None:
        with self._store() as store:
            passkey = _bound_passkey(store)
            assert [_use(store, passkey, _answer(passkey.owner), 0) for _ in range(3)] == ["accepted"] * 3
            answered = _answer(passkey.owner)
            for counter, said in ((7, "accepted"), (7, "changed"), (6, "changed"), (0, "changed"), (8, "accepted")):
                fresh = _answer(passkey.owner)
                assert _use(store, passkey, fresh, counter, now=NOW + counter) == said
                kept = _read(store, passkey)
                assert (kept.last_step, kept.last_used_at) == (max(counter, 7), NOW + kept.last_step)
            # One that was not accepted has answered nothing.
            assert _use(store, passkey, answered, 8) == "changed"
            assert _use(store, passkey, answered, 2**32 - 1) == "accepted"

    def test_a_passkey_is_accepted_as_it_was_read_alone(self) -> None:
        with self._store() as store:
            passkey = _bound_passkey(store)
            answered = _answer(passkey.owner)
            stale = replace(passkey, sealed=b"another key")
            assert _use(store, stale, answered, 1) == "changed"
            assert _use(store, replace(passkey, owner=_active(store).owner), answered, 1) == "changed"
            app = _active(store)
            assert _use(store, app, _answer(app.owner), 1) == "changed"
            assert store.use_passkey(passkey, answered, 1, b"\0synced now\n", NOW, disable_at=100) == "accepted"
            assert _read(store, passkey) == replace(passkey, last_step=1, sealed=b"\0synced now\n", last_used_at=NOW)
            ends_it: tuple[Callable[[Factor], object], ...] = (
                store.disable_passkey,
                lambda kept: store.remove_factor(kept.owner, kept.factor_id, "moved"),
            )
            for ends in ends_it:
                passkey = _bound_passkey(store)
                ends(passkey)
                before = store.user(passkey.owner)
                assert _use(store, passkey, _answer(passkey.owner), 1) == "changed"
                assert store.user(passkey.owner) == before

    def test_a_passkey_is_not_held_up_by_guesses_of_codes_and_opens_none_that_are_disabled(self) -> None:
        limits = replace(_LIMITS, free=1, delays=(60_000,), disable_at=3)
        with self._store() as store:
            passkey = _bound_passkey(store)
            owner = passkey.owner
            for _ in range(2):
                assert isinstance(store.reserve(owner, "otp", NOW, limits), Reservation)
            assert isinstance(store.reserve(owner, "otp", NOW, limits), Refusal)
            spent = store.user(owner).budgets["otp"].spent_until
            assert _use(store, passkey, _answer(owner), 0, disable_at=3) == "accepted"
            assert store.user(owner).budgets["otp"] == Budget(0, 0, spent)
            for minute in range(3):
                assert isinstance(store.reserve(owner, "otp", NOW + 120_000 * minute, limits), Reservation)
            assert store.reserve(owner, "otp", NOW + _DAY, limits) == Refusal("disabled")
            before = store.user(owner).budgets["otp"]
            assert _use(store, passkey, _answer(owner), 0, disable_at=3) == "accepted"
            assert store.user(owner).budgets["otp"] == before
            # A new authenticator app opens codes again, and leaves the passkey as it is.
            fresh = _pending(owner)
            assert store.add_factor(fresh, NOW, 10, 5)
            reservation = store.reserve(owner, "enrollment", NOW, limits, factor_id=fresh.factor_id)
            assert isinstance(reservation, Reservation)
            assert store.confirm(reservation, Acceptance(fresh.factor_id, 1, 0), NOW, [], 10)
            assert _read(store, passkey).state == "active"

    # The audit

    def test_each_decision_is_made_with_its_rows_or_not_at_all(self) -> None:
        with self._store() as store:
            life = _Life(store)
            numbers = {owner: store.audit_head(owner).number for owner in (life.owner, life.other)}
            for name, owner, decision in life.decisions():
                before = life.state()
                with _raised(_NotWritten):
                    decision(life.failing)
                assert life.state() == before, f"{name} was decided without its row"
                answer = decision(life.recording(owner, name))
                assert life.told == answer, f"the rows of {name} are of another answer"
                numbers[owner] += 1
                assert store.audit_head(owner).number == store.audit_head(owner).last == numbers[owner], name
                assert [row.kind for row in store.recent_audit_rows(owner, 1 << 52, 1)] == [name]
            for owner in numbers:
                rows = store.audit_rows(owner, 0, 1000)
                assert [row.number for row in rows] == [*range(1, numbers[owner] + 1)]
                assert [fault_of_row(life.keyring, row) for row in rows] == [""] * len(rows)
                assert [row.before for row in rows] == [b"", *map(link_of, rows[:-1])]
                assert fault_of_head(life.keyring, owner, store.audit_head(owner)) == ""

    def test_rows_are_read_in_pages_from_either_end(self) -> None:
        with self._store() as store:
            life = _Life(store)
            owner = life.owner
            detail = {"text": "\u0000 \ud800 \u20ac '\"\\", "number": 2**53}
            events = [Event("verified", moment(NOW), owner.tenant, owner.user_id, detail=detail) for _ in range(7)]
            context = AuditContext("2001:db8::1", "M\u00f6zilla \U0001f511" + "x" * 400 + "\n")
            store.append_audit(appends(life.keyring, events, context))
            rows = store.audit_rows(owner, 0, 100)
            assert [row.number for row in rows] == [*range(1, 8)]
            assert {(row.address, row.user_agent) for row in rows} == {(context.address, context.user_agent[:255])}
            assert [fault_of_row(life.keyring, row) for row in rows] == [""] * 7
            assert store.audit_rows(owner, 3, 2) == rows[3:5]
            assert store.audit_rows(owner, 7, 2) == []
            assert store.recent_audit_rows(owner, 1 << 52, 3) == rows[:3:-1]
            assert store.recent_audit_rows(owner, 3, 100) == rows[1::-1]
            assert store.audit_rows(life.other, 0, 100) == []
            assert store.audit_head(life.other) == AuditHead()

    def test_a_head_is_revised_only_where_it_is_what_was_read(self) -> None:
        with self._store() as store:
            life = _Life(store)
            owner = life.owner
            events = [Event("verified", moment(NOW), owner.tenant, owner.user_id) for _ in range(5)]
            store.append_audit(appends(life.keyring, events, AuditContext()))
            first = store.audit_head(owner)
            store.append_audit(appends(life.keyring, events[:1], AuditContext()))
            rows = store.audit_rows(owner, 0, 100)
            shorter = sealed_head(life.keyring, owner, replace(first, pruned=2, anchor=link_of(rows[1])))
            assert not store.revise_audit(owner, first, shorter, [])
            assert store.audit_rows(owner, 0, 100) == rows
            # The right one, and a row under another key.
            read = store.audit_head(owner)
            shorter = sealed_head(life.keyring, owner, replace(read, pruned=2, anchor=link_of(rows[1])))
            changed = sealed_row(Keyring.generate(), rows[4])
            assert store.revise_audit(owner, read, shorter, [changed])
            assert store.audit_rows(owner, 0, 100) == [*rows[2:4], changed, *rows[5:]]
            assert store.audit_head(owner) == replace(shorter, last=6)

    def test_all_users_with_rows_are_listed_in_pages_of_any_size(self) -> None:
        with self._store() as store:
            life = _Life(store)
            owners = {Owner(life.owner.tenant, user_id) for user_id in _IDS}
            for owner in owners:
                event = Event("verified", moment(NOW), owner.tenant, owner.user_id)
                store.append_audit(appends(life.keyring, [event], AuditContext()))
            for limit in (1, 7, 1000):
                found: list[Owner] = []
                batch = store.audit_owners(None, limit)
                while batch:
                    found += batch
                    batch = store.audit_owners(batch[-1], limit)
                mine = [owner for owner in found if owner.tenant == life.owner.tenant]
                assert len(mine) == len(set(mine)) and set(mine) == owners
                if self.in_order:
                    assert found == sorted(found, key=lambda owner: (owner.tenant, owner.user_id))
            assert store.headless_audit(10) == []

    def test_a_service_with_an_audit_writes_what_it_tells(self) -> None:
        told: list[Event] = []
        with self._store() as store:
            seconds, user_id, tenant = [NOW / 1000], secrets.token_hex(8), secrets.token_hex(4)
            mfa = MFA(
                store,
                issuer="the contract",
                keyring=Keyring.generate(),
                policy=replace(Policy.cheap_for_tests(), trusted_device_days=30, audit_days=1),
                tenant=tenant,
                clock=lambda: seconds[0],
                on_event=told.append,
                audit=True,
                audit_context=lambda: AuditContext("192.0.2.7", "Firefox"),
                prepare=False,
            )
            otp = TOTP(random_base32())
            enrollment = mfa.enroll(user_id=user_id, account_name="alice", secret=otp.secret)
            codes = mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=otp.at(int(seconds[0])))
            for wrong in range(9):
                _error(mfa.verify, user_id=user_id, code=f"{wrong:07}")
            seconds[0] += 3600
            mfa.verify(user_id=user_id, code=otp.at(int(seconds[0])))
            token = mfa.trust_device(user_id=user_id)
            mfa.recognize_device(user_id=user_id, token=token.token)
            mfa.recover(user_id=user_id, code=codes[0])
            _error(mfa.recover, user_id=user_id, code=codes[0])
            mfa.regenerate_recovery_codes(user_id=user_id)
            mfa.end_sessions(user_id=user_id, by="alice")
            mfa.reveal_secret(user_id=user_id, factor_id=enrollment.factor_id, by="alice")
            mfa.remove_factor(user_id=user_id, factor_id=enrollment.factor_id)
            mfa.reset(user_id=user_id, by="the desk")
            rows = mfa.activity(user_id=user_id, limit=1000)[::-1]
            written = [(row.kind, row.at, row.factor_id, row.method) for row in rows if row.kind != "attempt counted"]
            mine = [event for event in told if event.user_id == user_id]  # and that the audit began, of nobody
            assert written == [(event.kind, event.at, event.factor_id, event.method) for event in mine]
            assert {(row.address, row.user_agent) for row in rows} == {("192.0.2.7", "Firefox")}
            assert mfa.verify_audit(user_id=user_id).rows == len(rows)
            assert [fault for fault in mfa.verify_audit(user_id=user_id).faults if fault.user_id] == []
            # Two days later the old ones go, and what is left still fits.
            seconds[0] += 2 * 86_400
            mfa.note_passed(user_id=user_id, by="sso")
            assert mfa.prune_audit() == len(rows)
            assert [row.kind for row in mfa.audit_entries()] == ["passed elsewhere"]
            assert [fault for fault in mfa.verify_audit(user_id=user_id).faults if fault.user_id] == []

    def test_users_whose_ids_are_alike_stay_apart(self) -> None:
        with self._store() as store:
            tenants = [secrets.token_hex(4) + tenant for tenant in ("", ":a", "{")]
            tenants.append(tenants[0] + "\U0001f511")
            made = [_made(Owner(tenant, user_id)) for tenant in tenants for user_id in _IDS]
            for number, factor in enumerate(made):
                assert store.add_factor(replace(factor, name=factor.owner.user_id), NOW, 1, 1)
                for _ in range(number % 3):
                    store.reserve(factor.owner, "otp", NOW, _LIMITS)
            for number, factor in enumerate(made):
                state = store.user(factor.owner)
                assert state.factors == (replace(factor, name=factor.owner.user_id),)
                assert state.budgets["otp"].failures == number % 3

    def test_what_splits_into_tenant_and_user_elsewhere_stays_apart(self) -> None:
        with self._store() as store:
            mark = secrets.token_hex(4)
            for tenant, user_id in ((f"{mark}a:b", "c"), (f"{mark}a", "b:c"), (f"{mark}a", "b"), (mark, "ab")):
                factor = _made(Owner(tenant, user_id))
                assert store.add_factor(factor, NOW, 1, 1)
                assert store.user(factor.owner).factors == (factor,)

    def test_sealed_records_are_kept_to_the_byte(self) -> None:
        with self._store() as store:
            for sealed in (bytes(range(256)), b"\0", b"\xff" * 40, b"\r\n", secrets.token_bytes(1024)):
                factor = _active(store, sealed=sealed)
                assert _read(store, factor).sealed == sealed
                code = RecoveryCode(factor.owner, "AB", sealed)
                assert store.replace_recovery_codes(factor.owner, [code], NOW)
                reservation = store.reserve(factor.owner, "recovery", NOW, _LIMITS, selector="AB")
                assert isinstance(reservation, Reservation) and reservation.recovery_code == code

    def test_all_records_are_listed_once_in_pages_of_any_size(self) -> None:
        with self._store() as store:
            tenant = secrets.token_hex(8)
            owners = [Owner(tenant, f"user {number}") for number in range(5)]
            made = [_made(owner) for owner in owners for _ in range(3)]
            for factor in made:
                assert store.add_factor(factor, NOW, 10, 5)
            codes = [code for owner in owners for code in _codes(owner, 4)]
            for owner in owners:
                store.replace_recovery_codes(owner, [code for code in codes if code.owner == owner], NOW)
            order: list[Owner] = []
            for limit in (1, 2, 7, 1000):
                listed = [factor for factor in _listed(store.factors, limit) if factor.owner.tenant == tenant]
                found = [code for code in _listed(store.recovery_codes, limit) if code.owner.tenant == tenant]
                assert sorted(listed, key=_factor_key) == sorted(made, key=_factor_key)
                assert sorted(found, key=_code_key) == sorted(codes, key=_code_key)
                # Each user's together, and all in one order, whatever the size of the pages.
                users = [owner for owner, _ in itertools.groupby(factor.owner for factor in listed)]
                assert users == [owner for owner, _ in itertools.groupby(code.owner for code in found)]
                assert users == (order := order or users) and len(users) == len(owners)
                if self.in_order:
                    assert sorted(listed, key=_factor_key) == listed and sorted(found, key=_code_key) == found

    def test_a_record_is_resealed_only_where_it_is_what_was_read(self) -> None:
        with self._store() as store:
            factor = _active(store)
            code = _codes(factor.owner, 1)[0]
            store.replace_recovery_codes(factor.owner, [code], NOW)
            stale = replace(factor, sealed=b"what was there before")
            assert store.reseal([(stale, b"new"), (replace(code, sealed=b"stale"), b"new")]) == 0
            assert store.reseal([(factor, b"new factor"), (code, b"new code")]) == 2
            assert store.reseal([(factor, b"newer"), (code, b"newer")]) == 0
            assert _read(store, factor).sealed == b"new factor"
            assert advance(store, factor.owner, factor.factor_id, 1, anew=b"lazy")
            assert _read(store, factor).sealed == b"lazy"

    def test_any_history_gives_what_the_rules_give(self) -> None:
        with self._store() as store:
            for seed in range(self.histories):
                _replay(store, random.Random(seed))  # noqa: S311 # to be repeatable

    # At the same time. A store may say that it is unavailable (a slow disk, a busy machine): then it is asked again,
    # and nobody knows whether it did what it was asked for. Such answers are `lost`; the others are exact.

    @_race
    def test_one_code_in_many_processes_is_accepted_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(self.rounds):
                mfa = crowd.service(store, number)
                user_id = secrets.token_hex(8)
                otp = TOTP(random_base32())
                mfa.import_factor(user_id=user_id, secret=otp.secret)
                answers, lost = crowd.ask("verify", number, user_id=user_id, code=otp.at(crowd.seconds(number)))
                assert answers.keys() <= {"accepted", "InvalidCode", "Throttled"}, answers
                _assert_once(answers["accepted"], lost)

    @_race
    def test_one_recovery_code_in_many_processes_is_accepted_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(self.rounds):
                mfa = crowd.service(store, number)
                user_id = secrets.token_hex(8)
                mfa.import_factor(user_id=user_id, secret=secrets.token_bytes(20))
                codes = mfa.regenerate_recovery_codes(user_id=user_id)
                answers, lost = crowd.ask("recover", number, user_id=user_id, code=codes[0])
                assert answers.keys() <= {"accepted", "InvalidCode", "Throttled"}, answers
                _assert_once(answers["accepted"], lost)
                left = mfa.status(user_id=user_id).recovery_codes
                assert left == len(codes) - 1 or (lost and left == len(codes) and not answers["accepted"])

    @_race
    def test_as_many_wrong_codes_are_looked_at_as_are_allowed_and_counted(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                mfa = crowd.service(store, number)
                user_id = secrets.token_hex(8)
                otp = TOTP(random_base32())
                mfa.import_factor(user_id=user_id, secret=otp.secret)
                live = {otp.at(crowd.seconds(number), step) for step in (-1, 0, 1)}
                wrong = next(code for code in ("000000", "000001", "000002", "000003") if code not in live)
                answers, lost = crowd.ask("verify", number, user_id=user_id, code=wrong)
                allowed = mfa.policy.free_failures + 1
                assert answers.keys() <= {"InvalidCode", "Throttled"} and answers.total() == self.processes, answers
                # One whose answer was lost may have been counted, and then another was not looked at.
                assert allowed - lost <= answers["InvalidCode"] <= allowed, answers
                assert mfa.status(user_id=user_id).failures == allowed

    @_race
    def test_one_step_is_advanced_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                factor = _active(store)
                answers, lost = crowd.ask("advance", number, factor=factor)
                assert answers.keys() <= {"accepted", "not newer"} and answers.total() == self.processes, answers
                _assert_once(answers["accepted"], lost)
                state = store.user(factor.owner)
                assert state.factors[0].last_step == 1
                # Every attempt was counted, and the one that succeeded took itself back.
                spent = state.budgets["otp"].spent_until - crowd.seconds(number) * 1000
                assert self.processes - 1 <= spent <= self.processes - 1 + lost

    @_race
    def test_one_pair_of_codes_in_many_processes_is_accepted_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                mfa = crowd.service(store, number)
                user_id = secrets.token_hex(8)
                otp = TOTP(random_base32())
                mfa.import_factor(user_id=user_id, secret=otp.secret)
                seconds = crowd.seconds(number)
                pair = {"code": otp.at(seconds - 30), "next_code": otp.at(seconds)}
                answers, lost = crowd.ask("unlock", number, user_id=user_id, **pair)
                assert answers.keys() <= {"accepted", "InvalidCode", "Throttled"}, answers
                _assert_once(answers["accepted"], lost)
                assert store.user(Owner("", user_id)).factors[0].last_step == seconds // 30 or lost

    @_race
    def test_one_token_of_a_device_is_renewed_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                device = replace(_device(_active(store).owner, b"0"), expires_at=1 << 52)
                assert store.add_device(device, NOW, 5)
                answers, lost = crowd.ask("use device", number, device=device)
                assert answers.keys() <= {"renewed", "same"} and answers.total() == self.processes, answers
                _assert_once(answers["renewed"], lost)

    @_race
    def test_parallel_removals_leave_one_factor_where_one_is_to_be_kept(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                factors = [_active(store)]
                for _ in range(3):
                    factors.append(_made(factors[0].owner))
                    assert store.add_factor(factors[-1], NOW, 10, 5)
                answers, _ = crowd.ask("remove", number, factors=factors)
                assert answers.keys() <= {"removed", "gone", "LastFactor"}, answers
                assert len(store.user(factors[0].owner).factors) >= 1

    @_race
    def test_parallel_confirmations_by_the_password_alone_bind_one_factor(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 20, 2)):
                factors = _pending_ones(store, crowd.seconds(number) * 1000, 16)
                answers, lost = crowd.ask("confirm", number, factors=factors, max_factors=10, only_first=True)
                assert answers.keys() <= {"confirmed", "confirmed with codes", "gone", "AlreadyEnrolled"}, answers
                _assert_once(answers["confirmed with codes"], lost)
                state = store.user(factors[0].owner)
                assert [factor.state for factor in state.factors].count("active") == 1
                assert state.recovery_codes == 3

    @_race
    def test_parallel_confirmations_bind_no_more_than_allowed_and_bring_one_set_of_codes(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 20, 2)):
                factors = _pending_ones(store, crowd.seconds(number) * 1000, 16)
                answers, lost = crowd.ask("confirm", number, factors=factors, max_factors=3, only_first=False)
                assert answers.keys() <= {"confirmed", "confirmed with codes", "gone", "TooManyFactors"}, answers
                _assert_once(answers["confirmed with codes"], lost)
                state = store.user(factors[0].owner)
                assert [factor.state for factor in state.factors].count("active") == 3
                assert state.recovery_codes == 3

    @_race
    def test_one_answer_of_a_passkey_in_many_processes_is_accepted_once(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 4, 1)):
                passkey = _bound_passkey(store)
                # With a counter and without: it is the challenge that is used up.
                counter, now = number % 2, crowd.seconds(number) * 1000
                answered = replace(_answer(passkey.owner), expires_at=now + 120_000)
                answers, lost = crowd.ask("use passkey", number, passkey=passkey, answered=answered, counter=counter)
                assert answers.keys() <= {"accepted", "answered"} and answers.total() == self.processes, answers
                _assert_once(answers["accepted"], lost)
                assert _read(store, passkey).last_step == counter

    @_race
    def test_one_passkey_that_many_users_come_with_at_once_is_of_one(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 20, 2)):
                passkey = _passkey()
                answers, lost = crowd.ask("add passkey", number, passkey=passkey)
                assert answers.keys() <= {"added", "PasskeyTaken"} and answers.total() == self.processes, answers
                _assert_once(answers["added"], lost)
                assert store.passkey(passkey.owner.tenant, passkey.factor_id) is not None

    @_race
    def test_attempts_in_many_processes_give_a_row_each_and_one_chain(self) -> None:
        crowd = self._crowd()
        with self._store() as store:
            for number in range(max(self.rounds // 10, 1)):
                mfa = crowd.service(store, number)
                user_id = secrets.token_hex(8)
                otp = TOTP(random_base32())
                mfa.import_factor(user_id=user_id, secret=otp.secret)
                code = otp.at(crowd.seconds(number))
                answers, lost = crowd.ask("audited verify", number, user_id=user_id, code=code)
                assert answers.keys() <= {"accepted", "InvalidCode", "Throttled"}, answers
                _assert_once(answers["accepted"], lost)
                rows = Counter(row.kind for row in mfa.activity(user_id=user_id, limit=1000))
                assert rows["verified"] == 1
                for kind, answer in (("refused", "InvalidCode"), ("throttled", "Throttled")):
                    assert answers[answer] <= rows[kind] <= answers[answer] + lost, (rows, answers)
                assert rows.keys() <= {"verified", "refused", "throttled", "guessing suspected"}
                report = mfa.verify_audit(user_id=user_id)
                assert [fault for fault in report.faults if fault.user_id] == []
                assert report.rows == rows.total()

    def test_threads_of_a_process_take_turns(self) -> None:
        size, share = 16, 25
        with self._store() as store:
            owners = [_active(store).owner for _ in range(size)]
            turns = dict.fromkeys(owners, 0)
            failures: list[BaseException] = []
            everybody = threading.Barrier(size)
            begun = threading.Event()  # they wake one after the other: what counts begins when each has had a turn

            def loop(owner: Owner) -> None:
                try:
                    for _ in range(2):  # until all connections are there
                        store.reserve(owner, "otp", NOW, _GENEROUS)
                    everybody.wait(300)
                    while sum(turns.values()) < size * share and not failures:
                        assert isinstance(store.reserve(owner, "otp", NOW, _GENEROUS), Reservation)
                        turns[owner] += 1
                        if not begun.is_set() and all(turns.values()):
                            begun.set()
                            turns.update(dict.fromkeys(owners, 0))
                except BaseException as error:
                    failures.append(error)
                    everybody.abort()

            threads = [threading.Thread(target=loop, args=(owner,)) for owner in owners]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not failures, failures
            # One whose turn takes long, for the machine is busy, has fewer; nobody has those of others.
            assert begun.is_set() and min(turns.values()) >= 1 and max(turns.values()) <= share * 4, [*turns.values()]

    def teardown_class(self) -> None:
        """Closes the store in the processes, which wait for the next one's tests."""
        suite: Any = self  # a method of the class, for pytest
        _Crowd.leave(suite if isinstance(suite, type) else type(suite))

    def _store(self) -> "_Opened":
        return _Opened(self.opener())

    def _crowd(self) -> "_Crowd":
        return _Crowd.of(type(self), self.opener)


def _assert_once(successes: int, lost: int) -> None:
    """One success; or, if answers were lost, at most one that is known of."""
    assert successes == 1 or (lost and successes == 0), (successes, lost)


class _Opened:
    def __init__(self, opener: Callable[[], Store]) -> None:
        self._opener = opener

    def __enter__(self) -> Store:
        self._store = self._opener()
        self._store.prepare()
        return self._store

    def __exit__(self, *failure: object) -> None:
        self._store.close()


class _Crowd:
    """Processes that do one thing at one moment. They serve one store after the other, since starting them is slow."""

    _crowds: ClassVar[dict[tuple[int, bool], "_Crowd"]] = {}

    @classmethod
    def of(cls, suite: "type[StoreContract]", opener: "Callable[[], Callable[[], Store]]") -> "_Crowd":
        """Those of a suite, with its store open."""
        kind = suite.processes, suite.across_processes
        crowd = cls._crowds.get(kind)
        if crowd is None:
            crowd = cls._crowds[kind] = cls(*kind, opener())
        if crowd._suite is not suite:
            crowd._open(opener())
            crowd._suite = suite
        return crowd

    @classmethod
    def leave(cls, suite: "type[StoreContract]") -> None:
        """Closes a suite's store in them. Threads end: a process that has some cannot fork without a warning."""
        for kind, crowd in list(cls._crowds.items()):
            if crowd._suite is suite:
                crowd._suite = None
                crowd._tell(("close",))
                if not suite.across_processes:
                    crowd._tell(None)
                    del cls._crowds[kind]

    def __init__(self, size: int, across_processes: bool, opener: Callable[[], Store]) -> None:
        self._suite: type[StoreContract] | None = None
        self._keys = Keyring.generate().export()
        self._members: list[Any]
        context: Any
        if across_processes:
            ways = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
            if "forkserver" in ways:
                context.set_forkserver_preload([__name__, *PRELOADED])
            semaphore, start = context.Semaphore, context.Process
        else:
            ways = []
            semaphore, start = threading.Semaphore, threading.Thread
        # Two semaphores, since a `Barrier` has its processes queue for its lock before and after each round.
        self._ready, self._go = semaphore(0), semaphore(0)
        lines = [context.Pipe() if across_processes else _line() for _ in range(size)]
        self._pipes = [mine for mine, _ in lines]
        shared, ends = (self._keys, self._ready, self._go), [theirs for _, theirs in lines]
        if "forkserver" in ways:
            self._members = [start(target=_family, args=(opener, *shared, ends), daemon=True)]
        else:
            self._members = [start(target=_member, args=(*shared, end), daemon=True) for end in ends]
        for member in self._members:
            member.start()
        for end in ends if across_processes else ():
            end.close()

    def _tell(self, task: object) -> None:
        for pipe in self._pipes:
            pipe.send(task)

    def _open(self, opener: Callable[[], Store]) -> None:
        self._tell(("open", opener))
        for pipe in self._pipes:
            answer = pipe.recv()
            if answer != "ready":
                raise RuntimeError(f"a process could not open the store: {answer}")

    def seconds(self, number: int) -> int:
        """The time in a round."""
        return NOW // 1000 + 3600 * number

    def service(self, store: Store, number: int) -> MFA:
        """The service as the processes have it, at the time of a round."""
        return _service(store, self._keys, lambda: float(self.seconds(number)))

    def ask(self, verb: str, number: int, **arguments: object) -> "tuple[Counter[str], int]":
        """What they answer, counted; and how many answers were lost before."""
        self._tell((verb, self.seconds(number), arguments))
        for _ in self._pipes:
            if not self._ready.acquire(timeout=_HANG):
                raise RuntimeError("a process of the race is gone")
        for _ in self._pipes:
            self._go.release()
        answers = [pipe.recv() for pipe in self._pipes]
        return Counter(answer for answer, _ in answers), sum(lost for _, lost in answers)


PRELOADED = (
    "ferrotp.mfa.preloaded",
    "ferrotp.mfa.stores.sql",
    "ferrotp.mfa.stores.redis",
    "ferrotp.mfa.stores.redis_cluster",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
    "sqlalchemy.dialects.mysql.pymysql",
    "pymysql",
    "redis.sentinel",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.models",
    "django.contrib.auth.hashers",
    "django.views.debug",
)
"""What drivers need, and Django's start, imported once for all processes, where it is installed."""


def _service(store: Store, keys: str, clock: Callable[[], float], *, audit: bool = False) -> MFA:
    return MFA(
        store,
        issuer="the contract",
        keyring=Keyring(keys),
        policy=Policy.cheap_for_tests(),
        clock=clock,
        prepare=False,
        audit=audit,
    )


class _NotWritten(Exception):
    """What a row raises that cannot be written."""


@contextlib.contextmanager
def _raised(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


class _Life:
    """All that is decided about a user, from the first factor to the last, and of another one who comes and goes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keyring = Keyring.generate()
        self.owner = _owner()
        self.other = replace(self.owner, user_id="other")
        self.told: object = None
        self._passkeys: list[Factor] = []

    def failing(self, answer: object) -> list[AuditAppend]:
        """Rows that cannot be written."""
        raise _NotWritten

    def recording(self, owner: Owner, kind: str) -> Audit:
        """A row for each answer."""

        def audit(answer: object) -> list[AuditAppend]:
            self.told = answer
            if isinstance(answer, list) and not any(answer):
                return []  # of several users nobody comes or goes
            event = Event(kind, moment(NOW), owner.tenant, owner.user_id)  # type: ignore[arg-type]
            return appends(self.keyring, [event], AuditContext())

        return audit

    def state(self) -> object:
        """What is kept of both users."""
        kept = [
            (_sorted(self.store.user(owner)), self.store.devices(owner), self.store.audit_head(owner))
            for owner in (self.owner, self.other)
        ]
        return kept, [self.store.passkey(self.owner.tenant, passkey.factor_id) for passkey in self._passkeys]

    def decisions(self) -> "Iterator[tuple[str, Owner, Callable[[Audit], object]]]":
        """What is decided, one after the other: its name, whose it is, and how it is done with an audit."""
        store, owner, limits = self.store, self.owner, _LIMITS
        first, second = _pending(owner), _made(owner)
        yield "begin", owner, lambda audit: store.add_factor(first, NOW, 10, 5, audit=audit)
        chosen = {"factor_id": first.factor_id}
        yield (
            "count a set-up",
            owner,
            lambda audit: store.reserve(owner, "enrollment", NOW, limits, audit=audit, **chosen),
        )
        reserved = _reservation(self.told)
        accepted, codes = Acceptance(first.factor_id, 1, 0), _codes(owner, 3)
        yield "confirm", owner, lambda audit: store.confirm(reserved, accepted, NOW, codes, 10, audit=audit)
        yield "add", owner, lambda audit: store.add_factor(second, NOW, 10, 5, audit=audit)
        right = Acceptance(first.factor_id, 5, 0)
        for name, found in (("right", right), ("used", right), ("wrong", None)):
            yield (
                name,
                owner,
                lambda audit, found=found: store.attempt(  # type: ignore[misc]
                    owner, "otp", NOW, limits, lambda _: found, audit=audit
                ),
            )
        yield (
            "of none",
            owner,
            lambda audit: store.attempt(owner, "otp", NOW, limits, lambda _: None, factor_id="none", audit=audit),
        )
        store.end_half_login(owner, "login", NOW + _DAY, NOW)
        yield (
            "ended",
            owner,
            lambda audit: store.attempt(owner, "otp", NOW, limits, lambda _: right, login_id="login", audit=audit),
        )
        for _ in range(5):
            store.reserve(owner, "otp", NOW, limits)
        yield "delayed", owner, lambda audit: store.attempt(owner, "otp", NOW, limits, lambda _: right, audit=audit)
        early = NOW - 400 * _DAY
        yield "ahead", owner, lambda audit: store.attempt(owner, "otp", early, limits, lambda _: right, audit=audit)
        yield "count", owner, lambda audit: store.reserve(owner, "unlock", NOW, limits, audit=audit)
        counted, pair = _reservation(self.told), Acceptance(first.factor_id, 9, 0)
        yield "unlock", owner, lambda audit: store.unlock(counted, pair, NOW, disable_at=100, audit=audit)
        device = _device(owner, b"0")
        yield "trust", owner, lambda audit: store.add_device(device, NOW, 5, audit=audit)
        for name, series, token, now in (
            ("renew", device.series, b"0", NOW),
            ("unknown", "none", b"0", NOW),
            ("stolen", device.series, b"9", NOW + _DAY),
        ):
            pair_of_tokens = token * 32, b"1" * 32
            yield (
                name,
                owner,
                lambda audit, series=series, tokens=pair_of_tokens, now=now: store.use_device(  # type: ignore[call-arg, misc]
                    owner, series, *tokens, now, 60_000, audit=audit
                ),
            )
        assert store.add_device(device, NOW, 5)
        yield "forget", owner, lambda audit: store.remove_devices(owner, None, audit=audit)
        fresh = _codes(owner, 2)
        yield "codes", owner, lambda audit: store.replace_recovery_codes(owner, fresh, NOW, audit=audit)
        name_of_code = fresh[0].selector
        yield (
            "count a code",
            owner,
            lambda audit: store.reserve(owner, "recovery", NOW, limits, selector=name_of_code, audit=audit),
        )
        recovering = _reservation(self.told)
        yield "recover", owner, lambda audit: store.redeem(recovering, name_of_code, NOW, audit=audit)
        passkey, answered, used = _passkey(owner), _answer(owner), _answer(owner)
        self._passkeys = [passkey]
        yield "register", owner, lambda audit: store.add_passkey(passkey, answered, NOW, [], 10, audit=audit)
        sealed = passkey.sealed
        yield (
            "use passkey",
            owner,
            lambda audit: store.use_passkey(passkey, used, 1, sealed, NOW, disable_at=100, audit=audit),
        )
        yield "disable", owner, lambda audit: store.disable_passkey(passkey, audit=audit)
        yield "sessions", owner, lambda audit: store.move_epoch(owner, new_epoch(), None, audit=audit)
        yield "remove", owner, lambda audit: store.remove_factor(owner, second.factor_id, new_epoch(), audit=audit)
        yield "reset", owner, lambda audit: store.reset(owner, audit=audit)
        coming = NewUser(self.other, (_made(self.other),), tuple(_codes(self.other, 2)))
        yield "come", self.other, lambda audit: store.add_users([coming], audit=audit)
        yield "go", self.other, lambda audit: store.delete_users([owner, self.other], audit=audit)


def _reservation(answer: object) -> Reservation:
    assert isinstance(answer, Reservation)
    return answer


class _LineEnd:
    """One end of a line between two threads. Nothing is pickled."""

    def __init__(self, incoming: "SimpleQueue[Any]", outgoing: "SimpleQueue[Any]") -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def recv(self) -> Any:
        return self._incoming.get()

    def send(self, task: object) -> None:
        self._outgoing.put(task)

    def close(self) -> None:
        """Nothing is open."""


def _line() -> tuple[_LineEnd, _LineEnd]:
    there: SimpleQueue[Any] = SimpleQueue()
    back: SimpleQueue[Any] = SimpleQueue()
    return _LineEnd(back, there), _LineEnd(there, back)


def _family(opener: Callable[[], Store], keys: str, ready: Any, go: Any, pipes: "list[Connection]") -> None:
    """Becomes as many members as there are pipes. What opening the store loads is loaded once, before."""
    with suppress(Exception):  # each of them tells of it
        opener().close()
    gc.freeze()  # what is shared stays shared: a collection would write into each object
    for pipe in pipes:
        if os.fork() == 0:
            try:
                for other in pipes:
                    if other is not pipe:
                        other.close()
                _member(keys, ready, go, pipe)
            except EOFError:
                pass  # the tests are over
            finally:
                os._exit(0)
    for pipe in pipes:
        pipe.close()
    for _ in pipes:
        os.wait()


def _member(keys: str, ready: Any, go: Any, pipe: "Connection | _LineEnd") -> None:
    """Does what it is told, until it is told nothing more."""
    member: _Member | None = None
    while (task := pipe.recv()) is not None:
        verb, *more = task
        if verb == "open":
            try:
                member = _Member(more[0](), keys)
                pipe.send("ready")
            except BaseException as error:
                pipe.send(f"{type(error).__name__}: {error}")
        elif member and verb == "close":
            member.store.close()
        elif member:
            ready.release()
            go.acquire(timeout=_HANG)
            pipe.send(member.act(verb, *more))


class _Member:
    """One of those that race."""

    def __init__(self, store: Store, keys: str) -> None:
        self.store = store
        self._mfa = _service(store, keys, lambda: float(self._seconds))
        self._audited = _service(store, keys, lambda: float(self._seconds), audit=True)
        self._seconds = 0
        self._lost = 0

    def act(self, verb: str, seconds: int, arguments: dict[str, Any]) -> tuple[str, int]:
        """The answer, and how often the store was unavailable before."""
        self._seconds, self._lost = seconds, 0
        try:
            answer = self._answer(verb, **arguments)
        except MFAError as error:
            answer = type(error).__name__
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        return answer, self._lost

    def _answer(self, verb: str, **arguments: Any) -> str:
        if verb == "advance":
            return self._advance(**arguments)
        if verb == "use device":
            return self._use(**arguments)
        if verb == "remove":
            return self._remove(**arguments)
        if verb == "use passkey":
            return self._use_passkey(**arguments)
        if verb == "add passkey":
            return self._add_passkey(**arguments)
        if verb == "confirm":
            return self._confirm(**arguments)
        mfa = self._mfa
        if verb == "audited verify":
            verb, mfa = "verify", self._audited
        self._until_answered(lambda: getattr(mfa, verb)(**arguments))
        return "accepted"

    def _advance(self, factor: Factor) -> str:
        now = self._seconds * 1000
        accepted = self._until_answered(
            lambda: advance(self.store, factor.owner, factor.factor_id, 1, now=now, limits=_GENEROUS)
        )
        return "accepted" if accepted else "not newer"

    def _use(self, device: TrustedDevice) -> str:
        now, fresh = self._seconds * 1000, secrets.token_bytes(32)
        return self._until_answered(
            lambda: self.store.use_device(device.owner, device.series, b"0" * 32, fresh, now, 60_000)
        )

    def _use_passkey(self, passkey: Factor, answered: AnsweredChallenge, counter: int) -> str:
        now = self._seconds * 1000
        return self._until_answered(
            lambda: self.store.use_passkey(passkey, answered, counter, passkey.sealed, now, disable_at=100)
        )

    def _add_passkey(self, passkey: Factor) -> str:
        now = self._seconds * 1000
        mine = replace(passkey, owner=Owner(passkey.owner.tenant, secrets.token_hex(8)))
        answered = replace(_answer(mine.owner), expires_at=now + 120_000)
        added = self._until_answered(lambda: self.store.add_passkey(mine, answered, now, [], 10))
        return "added" if added else "answered"

    def _remove(self, factors: list[Factor]) -> str:
        factor = random.choice(factors)  # noqa: S311 # which one, is no secret
        removed = self._until_answered(
            lambda: self.store.remove_factor(factor.owner, factor.factor_id, secrets.token_hex(16), keep_last=True)
        )
        return "removed" if removed else "gone"

    def _confirm(self, factors: list[Factor], max_factors: int, only_first: bool) -> str:
        now = self._seconds * 1000
        owner, factor_id = factors[0].owner, random.choice(factors).factor_id  # noqa: S311
        reservation = self._until_answered(
            lambda: self.store.reserve(owner, "enrollment", now, _GENEROUS, factor_id=factor_id)
        )
        if not isinstance(reservation, Reservation):
            return "gone"
        codes = _codes(owner, 3)
        confirmed = self._until_answered(
            lambda: self.store.confirm(reservation, Acceptance(factor_id, 1, 0), now, codes, max_factors, only_first)
        )
        if confirmed is None:
            return "gone"
        return "confirmed with codes" if confirmed.codes_kept else "confirmed"

    def _until_answered(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except Overloaded:  # nothing was decided: a process makes few hashes at a time
                time.sleep(0.005)
            except StoreUnavailable:
                self._lost += 1
                if self._lost == 100:
                    raise


def advance(
    store: Store,
    owner: Owner,
    factor_id: str,
    step: int,
    *,
    drift: int = 0,
    now: int = NOW,
    limits: Limits = _LIMITS,
    anew: bytes | None = None,
) -> bool:
    """Makes an attempt whose code is that of a step of a factor: whether the store accepts it.

    :raises RuntimeError: if no attempt is open
    """
    accepted = Acceptance(factor_id, step, drift, anew)
    answer = store.attempt(owner, "otp", now, limits, lambda _: accepted)
    if isinstance(answer, Refusal):
        raise RuntimeError(answer)
    return answer.accepted is not None


def _owner() -> Owner:
    return Owner(secrets.token_hex(4), secrets.token_hex(8))


def _made(owner: Owner | None = None, sealed: bytes = b"sealed") -> Factor:
    return Factor(
        owner or _owner(), secrets.token_hex(8), "totp", "phone", "active", sealed, False, created_at=NOW, expires_at=0
    )


def _pending(owner: Owner, now: int = NOW) -> Factor:
    return replace(_made(owner), state="pending", created_at=now, expires_at=now + 600_000)


def _reserved(store: Store, owner: Owner, limits: Limits = _LIMITS) -> Reservation:
    """A pending factor, and an attempt to confirm it."""
    factor = _pending(owner)
    assert store.add_factor(factor, NOW, 10, 5)
    reservation = store.reserve(owner, "enrollment", NOW, limits, factor_id=factor.factor_id)
    assert isinstance(reservation, Reservation)
    return reservation


def _first_code(reservation: Reservation) -> Acceptance:
    """Of the factor that is to be confirmed."""
    return Acceptance(reservation.factors[0].factor_id, 1, 0)


def _pending_ones(store: Store, now: int, count: int) -> list[Factor]:
    """Pending factors of one user."""
    owner = _owner()
    factors = [_pending(owner, now) for _ in range(count)]
    for factor in factors:
        assert store.add_factor(factor, now, 100, 100)
    return factors


def _error(call: Callable[..., object], *arguments: object, **named: object) -> MFAError | None:
    """What it raises; None if it does not."""
    try:
        call(*arguments, **named)
    except MFAError as error:
        return error
    return None


def _active(store: Store, sealed: bytes = b"sealed") -> Factor:
    factor = _made(sealed=sealed)
    assert store.add_factor(factor, NOW, 10, 5)
    return factor


def _read(store: Store, factor: Factor) -> Factor:
    return next(kept for kept in store.user(factor.owner).factors if kept.factor_id == factor.factor_id)


def _accept(store: Store, factor: Factor, step: int, now: int = NOW) -> bool:
    return advance(store, factor.owner, factor.factor_id, step, now=now)


def _unlock(store: Store, factor: Factor, first: int, resealed: bytes | None = None, now: int = NOW) -> bool:
    reservation = store.reserve(factor.owner, "unlock", now, _GENEROUS)
    assert isinstance(reservation, Reservation)
    return store.unlock(reservation, Acceptance(factor.factor_id, first + 1, 1, resealed), now, disable_at=100)


def _device(owner: Owner, token: bytes) -> TrustedDevice:
    return TrustedDevice(owner, secrets.token_hex(8), "browser", token * 32, NOW, NOW + 30 * _DAY, NOW)


def _passkey(owner: Owner | None = None) -> Factor:
    """As it is when it was registered."""
    return replace(_made(owner), factor_id=secrets.token_hex(16), kind="passkey", last_step=0)


def _answer(owner: Owner) -> AnsweredChallenge:
    return AnsweredChallenge(owner.tenant, secrets.token_hex(16), NOW + 120_000)


def _bound_passkey(store: Store) -> Factor:
    passkey = _passkey()
    assert store.add_passkey(passkey, _answer(passkey.owner), NOW, [], 10)
    return passkey


def _use(
    store: Store,
    passkey: Factor,
    answered: AnsweredChallenge,
    counter: int,
    *,
    now: int = NOW,
    disable_at: int = 100,
) -> str:
    return store.use_passkey(passkey, answered, counter, passkey.sealed, now, disable_at=disable_at)


def _codes(owner: Owner, count: int) -> list[RecoveryCode]:
    return [RecoveryCode(owner, f"{number:02}", secrets.token_bytes(60)) for number in range(count)]


def _factor_key(factor: Factor) -> tuple[bytes, bytes, bytes]:
    return factor.owner.tenant.encode(), factor.owner.user_id.encode(), factor.factor_id.encode()


def _code_key(code: RecoveryCode) -> tuple[bytes, bytes, bytes]:
    return code.owner.tenant.encode(), code.owner.user_id.encode(), code.selector.encode()


def _listed(read: Callable[[Any, int], list[Any]], limit: int) -> Iterator[Any]:
    last = None
    while batch := read(last, limit):
        assert len(batch) <= limit
        yield from batch
        last = batch[-1]


def _replay(store: Store, rng: random.Random) -> None:
    """Does the same things to a store and to the one in memory, which must answer the same."""
    model = MemoryStore()
    tenant = secrets.token_hex(6)
    owners = [Owner(tenant, user_id) for user_id in ("a", "b")]
    limits = Limits(
        free=rng.randrange(4), delays=(1000, 2000, 4000), disable_at=rng.randrange(5, 12), cost=5000, horizon=60_000
    )
    now = NOW
    ids = [f"factor {number}" for number in range(6)]
    open_attempts: list[tuple[Reservation, Reservation]] = []
    compared: dict[Owner, object] = {}
    """What each user was when they were compared last."""

    def both(name: str, *arguments: Any, **named: Any) -> Any:
        expected = _outcome(getattr(model, name), *arguments, **named)
        assert _outcome(getattr(store, name), *arguments, **named) == expected, (name, arguments, named)
        return expected

    for turn in range(60):
        now += rng.choice((0, 0, 1, 500, 1000, 4000, 60_000, -1, -90_000))
        owner = rng.choice(owners)
        match rng.randrange(12):
            case 0 | 1:
                state: Literal["pending", "active"] = "active" if rng.random() < 0.5 else "pending"
                factor_id = rng.choice(ids)
                if all(other.factor_id != factor_id for other in model.user(owner).factors):
                    factor = Factor(
                        owner,
                        factor_id,
                        "totp",
                        rng.choice(("", "phone")),
                        state,
                        rng.randbytes(20),
                        rng.random() < 0.2,
                        # No two at one moment: which of them goes first is not said.
                        created_at=now * 1000 + rng.randrange(1000),
                        expires_at=now + 30_000 if state == "pending" else 0,
                        last_step=rng.choice((-1, 5)) if state == "active" else -1,
                    )
                    both("add_factor", factor, now, 3, 2)
            case 2 | 3 | 4 | 5:
                method = rng.choice(("otp", "otp", "unlock", "recovery", "enrollment"))
                named = {"factor_id": rng.choice(("", *ids)) if method != "recovery" else ""}
                if method == "recovery":
                    named["selector"] = rng.choice(("00", "01", "zz"))
                expected = model.reserve(owner, method, now, limits, **named)
                found = store.reserve(owner, method, now, limits, **named)  # type: ignore[arg-type]
                if isinstance(expected, Reservation) and isinstance(found, Reservation):
                    assert _in_order(found) == _in_order(expected)
                    open_attempts.append((expected, found))
                else:
                    assert found == expected
            case 6:
                step, resealed = rng.randrange(12), rng.choice((None, rng.randbytes(20)))
                accepted, login_id = (
                    Acceptance(rng.choice(ids), step, rng.randrange(-1, 2), resealed),
                    rng.choice("abc"),
                )
                if rng.random() < 0.1:
                    both("end_half_login", owner, login_id, now + 60_000, now)
                expected, found = (
                    side.attempt(owner, "otp", now, limits, lambda _, accepted=accepted: accepted, login_id=login_id)  # type: ignore[misc]
                    for side in (model, store)
                )
                if isinstance(expected, Reservation) and isinstance(found, Reservation):
                    assert _in_order(found) == _in_order(expected)
                else:
                    assert found == expected
            case 7 if open_attempts:
                expected_at, found_at = open_attempts.pop(rng.randrange(len(open_attempts)))
                owner = expected_at.owner
                step, factor_id = (
                    rng.randrange(12),
                    rng.choice([factor.factor_id for factor in expected_at.factors] or ids),
                )
                arguments: tuple[Any, ...]
                more: dict[str, Any] = {}
                if expected_at.method == "otp":
                    continue  # it stays counted
                if expected_at.method == "unlock":
                    resealed = rng.choice((None, rng.randbytes(20)))
                    name, arguments = "unlock", (Acceptance(factor_id, step + 1, 0, resealed), now)
                    more = {"disable_at": limits.disable_at}
                elif expected_at.method == "enrollment":
                    name = "confirm"
                    codes = rng.choice(([], _codes(expected_at.owner, 2)))
                    accepted = Acceptance(factor_id, step, 1)
                    arguments = (accepted, now, codes, rng.choice((1, 3)), rng.random() < 0.5)
                else:
                    name, arguments = "redeem", (rng.choice(("00", "01")), now)
                outcome = _outcome(getattr(model, name), expected_at, *arguments, **more)
                assert _outcome(getattr(store, name), found_at, *arguments, **more) == outcome
            case 8:
                if rng.random() < 0.5:
                    both("replace_recovery_codes", owner, _codes(owner, 2), now)
                else:
                    epoch = f"{rng.randrange(1 << 32)}"
                    both("remove_factor", owner, rng.choice(ids), epoch, rng.random() < 0.5)
            case 10:
                name = f"passkey {rng.randrange(4)}"
                passkey = replace(
                    _passkey(owner),
                    factor_id=name,
                    created_at=now * 1000 + rng.randrange(1000),
                    last_step=rng.randrange(2),
                )
                answered = AnsweredChallenge(tenant, f"challenge {rng.randrange(8)}", now + _DAY)
                codes = rng.choice(([], _codes(owner, 2)))
                both("add_passkey", passkey, answered, now, codes, rng.choice((1, 3)), rng.random() < 0.3)
            case 11:
                kept = model.passkey(tenant, f"passkey {rng.randrange(4)}")
                answered = AnsweredChallenge(tenant, f"challenge {rng.randrange(8)}", now + _DAY)
                if kept is not None and rng.random() < 0.2:
                    both("disable_passkey", kept)
                elif kept is not None:
                    counter, sealed = rng.randrange(5), rng.choice((kept.sealed, rng.randbytes(20)))
                    more = {"disable_at": limits.disable_at}
                    both("use_passkey", kept, answered, counter, sealed, now, **more)
            case 9 if rng.random() < 0.3:
                if rng.random() < 0.5:
                    both("reset", owner)
                else:
                    both("delete_users", rng.choices(owners, k=rng.randrange(3)))
        # What is to be as it was is compared now and then: most of the time goes into reading.
        for user in owners if turn % 4 == 3 else [owner]:
            expected = _sorted(model.user(user))
            if turn % 4 == 3 or expected != compared.get(user):
                assert _sorted(store.user(user)) == expected
                compared[user] = expected


def _outcome(call: Callable[..., object], *arguments: object, **named: object) -> object:
    """What it answers, or the type of what it raises."""
    try:
        return call(*arguments, **named)
    except MFAError as error:
        return type(error)


def _in_order(reservation: Reservation) -> Reservation:
    return replace(reservation, factors=tuple(sorted(reservation.factors, key=_factor_key)))


def _sorted(state: UserState) -> tuple[object, ...]:
    return sorted(state.factors, key=_factor_key), dict(state.budgets), state.recovery_codes
