"""The rule of attempts that every store follows, number by number: each comparison is at its edge here."""

from dataclasses import replace

import pytest

from ferrotp.mfa.errors import AlreadyEnrolled, LastFactor, PasskeyTaken, StoreDamaged, TooManyFactors
from ferrotp.mfa.stores.base import (
    CLOCKS_APART,
    METHODS,
    NEVER_BOUND,
    NEVER_USED,
    TIMEOUT,
    Acceptance,
    AuditHead,
    AuditRow,
    Budget,
    Factor,
    Limits,
    NewUser,
    Owner,
    Refusal,
    Reservation,
    UserState,
    advanced,
    charge,
    check_not_last,
    check_passkey,
    check_room,
    check_whole,
    cleans_up,
    is_just_renewed,
    new_epoch,
    refund,
    spend,
    surplus,
    without_others_passkeys,
)

NOW = 1_000_000
LIMITS = Limits(free=2, delays=(100, 200, 400), disable_at=7, cost=10, horizon=1000)


def test_delays_begin_after_the_free_failures_and_the_last_one_repeats() -> None:
    assert [LIMITS.delay(failures) for failures in range(8)] == [0, 0, 0, 100, 200, 400, 400, 400]
    assert replace(LIMITS, free=0).delay(0) == 0
    assert replace(LIMITS, free=0).delay(1) == 100


def test_an_attempt_is_counted_with_its_delay_and_its_cost() -> None:
    budget = Budget()
    for failures, retry_at in ((1, 0), (2, 0), (3, NOW + 100)):
        budget, refusal = charge(budget, NOW, LIMITS)
        assert refusal is None
        assert budget == Budget(failures, retry_at, NOW + 10 * failures)


def test_a_delay_ends_at_its_very_moment() -> None:
    budget = Budget(3, NOW + 100, NOW)
    assert charge(budget, NOW + 99, LIMITS) == (budget, Refusal("throttled", NOW + 100))
    after, refusal = charge(budget, NOW + 100, LIMITS)
    assert refusal is None and after == Budget(4, NOW + 100 + 200, NOW + 110)


def test_no_attempt_is_open_that_would_fill_the_bucket_beyond_the_horizon() -> None:
    full = Budget(0, 0, NOW + 991)
    assert charge(full, NOW, LIMITS) == (full, Refusal("throttled", NOW + 1))
    brim = Budget(0, 0, NOW + 990)
    assert charge(brim, NOW, LIMITS) == (Budget(1, 0, NOW + 1000), None)


def test_the_next_attempt_is_open_when_the_delay_is_over_and_the_bucket_has_room() -> None:
    assert Budget(0, 0, 0).open_at(NOW, LIMITS) <= NOW
    assert Budget(3, NOW + 5, 0).open_at(NOW, LIMITS) == NOW + 5
    assert Budget(0, 0, NOW + 995).open_at(NOW, LIMITS) == NOW + 5
    assert Budget(3, NOW + 7, NOW + 995).open_at(NOW, LIMITS) == NOW + 7
    assert Budget(3, NOW + 3, NOW + 995).open_at(NOW, LIMITS) == NOW + 5
    # What was spent long ago is over: the cost counts from now, also where one attempt is all that there is room for.
    assert Budget(0, 0, NOW - 5000).open_at(NOW, replace(LIMITS, cost=1000)) == NOW
    assert Budget(0, 0, 0).open_at(NOW, replace(LIMITS, cost=1001)) == NOW + 1


def test_what_is_spent_passes_with_time_and_is_no_credit() -> None:
    assert charge(Budget(0, 0, NOW - 500), NOW, LIMITS)[0].spent_until == NOW + 10
    assert charge(Budget(0, 0, NOW + 500), NOW, LIMITS)[0].spent_until == NOW + 510


def test_the_failure_before_the_last_is_open_and_nothing_is_after_it() -> None:
    budget, refusal = charge(Budget(6, 0, 0), NOW, LIMITS)
    assert refusal is None and budget.failures == 7
    for failures in (7, 8):
        used_up = Budget(failures, 0, NOW)
        assert charge(used_up, NOW, LIMITS) == (used_up, Refusal("disabled", 0))


def test_a_clock_that_was_ahead_is_brought_back_to_the_longest_delay_and_the_horizon() -> None:
    for budget, kept, opens in (
        (Budget(3, NOW + 401, NOW), Budget(3, NOW + 400, NOW), NOW + 400),
        (Budget(0, 0, NOW + 1001), Budget(0, 0, NOW + 1000), NOW + 10),
    ):
        assert charge(budget, NOW, LIMITS) == (kept, Refusal("throttled", opens, clock_was_ahead=True))
        # Brought back once.
        assert charge(kept, NOW, LIMITS) == (kept, Refusal("throttled", opens))
    used_up = Budget(7, NOW + 9999, NOW + 9999)
    assert charge(used_up, NOW, LIMITS) == (
        Budget(7, NOW + 400, NOW + 1000),
        Refusal("disabled", 0, clock_was_ahead=True),
    )


def test_a_success_takes_back_its_own_attempt_and_no_more() -> None:
    assert refund(Budget(5, NOW + 400, NOW + 50), LIMITS) == Budget(0, 0, NOW + 40)
    assert refund(Budget(1, 0, 10), LIMITS) == Budget(0, 0, 0)
    assert refund(Budget(1, 0, 5), LIMITS) == Budget(0, 0, 0), "times begin at 0"
    charged, _ = charge(Budget(0, 0, NOW + 30), NOW, LIMITS)
    assert refund(charged, LIMITS) == Budget(0, 0, NOW + 30)


def record(name: str, expires_at: int) -> Factor:
    return Factor(Owner("", "u"), name, "totp", "", "pending", b"", False, 0, expires_at)


@pytest.mark.parametrize(
    ("room", "going"),
    [(3, ["gone", "now"]), (2, ["gone", "now"]), (1, ["gone", "now", "a"]), (0, ["gone", "now", "a", "b"])],
)
def test_expired_records_go_and_the_first_ones_beyond_the_room(room: int, going: list[str]) -> None:
    records = [record("gone", NOW - 1), record("now", NOW), record("a", NOW + 1), record("b", NOW + 1)]
    assert [surplus_record.factor_id for surplus_record in surplus(records, NOW, room)] == going


def test_a_new_factor_and_a_new_budget_are_unused() -> None:
    fresh = record("a", 0)
    assert (fresh.last_step, fresh.drift, fresh.last_used_at) == (NEVER_USED, 0, 0) and NEVER_USED == -1
    assert Budget() == Budget(0, 0, 0)
    refusal = Refusal("not enrolled")
    assert (refusal.retry_at, refusal.clock_was_ahead) == (0, False)
    assert METHODS == ("otp", "recovery", "enrollment")
    assert NEVER_BOUND == -1, "as it stands in the stores that there are"
    assert (TIMEOUT, CLOCKS_APART) == (1.8, 5.0), "as the documents say"


def test_a_step_that_was_never_used_leaves_step_0_open() -> None:
    assert NEVER_USED == -1, "as it stands in the stores that there are"


def test_no_sealed_record_is_in_a_repr() -> None:
    from ferrotp.mfa.stores.base import RecoveryCode, TrustedDevice

    owner = Owner("", "u")
    shown = [
        repr(replace(record("a", 0), sealed=b"hunter2")),
        repr(RecoveryCode(owner, "AB", b"hunter2")),
        repr(TrustedDevice(owner, "s", "browser", b"hunter2", 0, 0, 0)),
    ]
    assert not any("hunter2" in text for text in shown)


# What every store asks beside the budgets


def test_nothing_that_chains_an_audit_is_in_a_repr() -> None:
    row = AuditRow(Owner("", "u"), 1, 0, "kind", "", "", "{}", "", "", before=b"BEFORE", key_id="key", mac=b"MAC")
    head = AuditHead(1, link=b"LINK", anchor=b"ANCHOR", key_id="key", mac=b"MAC")
    shown = f"{row} {head}"
    assert not any(
        chained in shown for chained in ("BEFORE", "MAC", "LINK", "ANCHOR", "before=", "mac=", "link=", "anchor=")
    )
    assert "number=1" in repr(row) and "key_id='key'" in repr(head)
    with pytest.raises(TypeError):
        AuditRow(Owner("", "u"), 1, 0, "kind", "", "", "{}", "", "", before=b"", key_id="key")  # type: ignore[call-arg]


def test_the_head_of_an_audit_without_rows_is_empty() -> None:
    assert AuditHead() == AuditHead(0, b"", 0, b"", "", b"", 0)


def test_one_of_a_hundred_answers_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def draw(below: int) -> int:
        asked.append(below)
        return len(asked) - 1

    monkeypatch.setattr("random.randrange", draw)
    assert [cleans_up() for _ in range(3)] == [True, False, False]
    assert asked == [100] * 3


def test_what_is_gone_by_a_fault_does_not_look_like_what_never_was() -> None:
    pending = record("a", 0)
    active = replace(pending, state="active")
    for factors, has_budgets, codes, devices in (
        ([], True, 1, 0),
        ([], True, 0, 1),
        ([], False, 1, 1),
        ([pending], True, 1, 0),
        ([pending], True, 0, 1),
        ([pending], False, 0, 0),
        ([active], False, 0, 0),
        ([pending, active], False, 10, 1),
    ):
        with pytest.raises(StoreDamaged):
            check_whole(factors, has_budgets, codes, devices)
    for factors, has_budgets, codes, devices in (
        ([], False, 0, 0),
        ([], True, 0, 0),
        ([pending], True, 0, 0),
        ([active], True, 10, 1),
        ([pending, replace(active, state="disabled")], True, 10, 1),
    ):
        check_whole(factors, has_budgets, codes, devices)


def test_a_factor_is_confirmed_while_there_is_room_and_as_the_first_where_it_must_be() -> None:
    pending, active, disabled = (replace(record("a", 0), state=state) for state in ("pending", "active", "disabled"))
    check_room([pending] * 5, 1, True)
    check_room([active], 2, False)
    for bound in (active, disabled):
        with pytest.raises(AlreadyEnrolled):
            check_room([pending, bound], 5, True)
        with pytest.raises(TooManyFactors):
            check_room([pending, bound], 1, False)


def test_the_last_active_factor_is_told_from_the_others() -> None:
    first, second = (replace(record(name, 0), state="active") for name in ("a", "b"))
    for factors in ([first], [replace(second, state="pending"), first], [first, replace(second, state="disabled")]):
        with pytest.raises(LastFactor):
            check_not_last(factors, "a")
    check_not_last([first, second], "a")
    check_not_last([first], "b")


def test_what_something_costs_is_taken_while_there_is_room() -> None:
    assert spend(Budget(3, NOW + 5, NOW + 20), NOW, LIMITS) == (Budget(3, NOW + 5, NOW + 30), 0)
    assert spend(Budget(0, 0, NOW - 500), NOW, LIMITS) == (Budget(0, 0, NOW + 10), 0)
    brim, full = Budget(0, 0, NOW + 990), Budget(0, 0, NOW + 991)
    assert spend(brim, NOW, LIMITS) == (Budget(0, 0, NOW + 1000), 0)
    assert spend(full, NOW, LIMITS) == (full, NOW + 1)
    ahead = Budget(0, 0, NOW + 9999)  # of a clock that was ahead: no more is owed than the horizon
    assert spend(ahead, NOW, LIMITS) == (ahead, NOW + 10)


def test_a_device_was_just_renewed_within_the_grace_and_within_the_skew_of_clocks() -> None:
    for passed, is_just in ((-5001, False), (-5000, True), (0, True), (100, True), (101, False)):
        assert is_just_renewed(NOW, NOW + passed, 100) is is_just, passed
    assert is_just_renewed(NOW, NOW, 0) and not is_just_renewed(NOW, NOW + 1, 0)


def test_only_a_newer_step_of_a_factor_that_was_offered_is_accepted() -> None:
    first, second = (replace(record(name, 0), state="active", last_step=7) for name in ("a", "b"))
    reservation = Reservation(Owner("", "u"), "otp", LIMITS, Budget(), (first, second))
    newer = Acceptance("b", 8, 0)
    assert reservation.newer(newer) == (second, newer)
    for refused in (None, Acceptance("b", 7, 0), Acceptance("b", 6, 0), Acceptance("c", 8, 0)):
        assert reservation.newer(refused) is None
    assert replace(reservation, factors=()).newer(newer) is None


def test_an_accepted_code_moves_its_factor_on() -> None:
    factor = replace(record("a", 0), state="active", sealed=b"old")
    moved = advanced(factor, Acceptance("a", 8, -1), NOW)
    assert moved == replace(factor, last_step=8, drift=-1, last_used_at=NOW)
    assert advanced(factor, Acceptance("a", 8, -1, b"new"), NOW) == replace(moved, sealed=b"new")


def test_the_record_of_a_factor_is_the_one_that_was_offered() -> None:
    offered = (replace(record("a", 0), sealed=b"of a"), replace(record("b", 0), sealed=b"of b"))
    reservation = Reservation(Owner("", "u"), "otp", LIMITS, Budget(), offered)
    assert [reservation.sealed(factor_id) for factor_id in ("a", "b", "c")] == [b"of a", b"of b", None]


def test_what_is_left_out_is_nothing() -> None:
    reservation = Reservation(Owner("", "u"), "otp", LIMITS, Budget())
    assert (reservation.factors, reservation.recovery_code, reservation.accepted) == ((), None, None)
    assert reservation.recovery_codes == 0
    assert Acceptance("a", 1, 0).resealed is None
    assert NewUser(Owner("", "u"), ()).recovery_codes == ()
    assert UserState((), {}, 0).epoch == ""


def test_no_epoch_comes_twice() -> None:
    assert len({new_epoch() for _ in range(100)}) == 100
    assert len(bytes.fromhex(new_epoch())) == 16


def test_a_passkey_that_the_user_has_is_taken_before_all_else() -> None:
    mine = replace(record("a", 0), kind="passkey", state="active")
    for max_factors, only_first in ((10, False), (1, False), (10, True)):
        with pytest.raises(PasskeyTaken):
            check_passkey([mine], mine, max_factors, only_first)
    check_passkey([mine], replace(mine, factor_id="b"), 10, False)
    with pytest.raises(TooManyFactors):
        check_passkey([mine], replace(mine, factor_id="b"), 1, False)
    with pytest.raises(AlreadyEnrolled):
        check_passkey([mine], replace(mine, factor_id="b"), 10, True)


def test_of_users_who_are_added_none_brings_anothers_passkey() -> None:
    def bringing(user_id: str, *factor_ids: str, tenant: str = "", kind: str = "passkey") -> NewUser:
        owner = Owner(tenant, user_id)
        return NewUser(owner, tuple(replace(record(name, 0), owner=owner, kind=kind) for name in factor_ids))  # type: ignore[arg-type]

    first, thief, free = bringing("first", "a", "b"), bringing("thief", "b", "c"), bringing("free", "c")
    elsewhere, app = bringing("thief", "a", tenant="other"), bringing("app", "a", kind="totp")
    users = [first, thief, free, elsewhere, app]
    assert without_others_passkeys(users, lambda passkey: None) == [first, free, elsewhere, app]
    kept = {"c": Owner("", "somebody"), "a": first.owner}
    found = without_others_passkeys(users[:3], lambda passkey: kept.get(passkey.factor_id))
    assert found == [first]
