"""Somebody has the password and guesses codes: the user is told, and the owner comes in all the same."""

import secrets

import pytest

from ferrotp.mfa import FactorDisabled, InvalidCode, NotEnrolled, Policy, PolicyError, Throttled
from ferrotp.mfa.events import NOTIFY

from .authenticator import Device
from .conftest import World


def guess(world: World, device: Device, seconds: float, user_id: str = "42") -> int:
    """Wrong codes, as fast as they are looked at, for so long. How many were."""
    end, looked_at = world.clock.now + seconds, 0
    while world.clock.now < end:
        try:
            world.mfa.verify(user_id=user_id, code=device.wrong(world.clock.now))
        except InvalidCode as error:
            looked_at += 1
            if error.retry_at:
                world.clock.now = min(error.retry_at.timestamp(), end)
        except Throttled as error:
            world.clock.now = min(error.retry_at.timestamp(), end)
    return looked_at


def pair(world: World, device: Device, steps: int = 0) -> dict[str, str]:
    """What the owner types: the code before, and the one that the device shows."""
    return {"code": device.at(world.clock.now, steps - 1), "next_code": device.at(world.clock.now, steps)}


def test_guesses_do_not_keep_the_owner_out_for_half_a_day() -> None:
    # Fifty guesses in six minutes: delays as short as the policy lets them be.
    world = World(Policy(free_failures=10, first_delay=1, longest_delay=9, hashing=Policy.cheap_for_tests().hashing))
    _, device, _ = world.enroll()
    began = world.clock.now
    assert guess(world, device, 360) == 50
    assert world.clock.now - began <= 360
    with pytest.raises(Throttled) as refused:
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    assert refused.value.retry_at.timestamp() - world.clock.now > 12 * 3600
    accepted = world.mfa.unlock(user_id="42", **pair(world, device))
    assert accepted.time_step == int(world.clock.now) // 30
    assert world.kinds()[-1] == "unlocked"


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_two_codes_in_a_row_within_the_window_unlock_once_and_are_both_used(world: World, steps: int) -> None:
    _, device, _ = world.enroll()
    world.clock.now += 30  # the code that confirmed is older than both
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    codes = pair(world, device, steps)
    accepted = world.mfa.unlock(
        user_id="42", code=f" {codes['code'][:3]} {codes['code'][3:]}", next_code=codes["next_code"]
    )
    assert accepted.drift == steps
    with pytest.raises(InvalidCode):
        world.mfa.unlock(user_id="42", **codes)
    for code in codes.values():  # the delay of single codes is over, and neither is good any more
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=code)
    world.clock.now += 30 * (steps + 1)
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))


def test_two_codes_that_are_no_pair_are_refused(world: World) -> None:
    world = World(Policy(free_failures=10, window=1, hashing=Policy.cheap_for_tests().hashing))
    _, device, _ = world.enroll()
    now = world.clock.now
    here, before = device.at(now), device.at(now, -1)
    wrong = device.wrong(now)
    for code, next_code in (
        (here, before),
        (here, here),
        (before, before),
        (device.at(now, -2), here),
        (before, device.at(now, 1)),
        (device.at(now, -3), device.at(now, -2)),
        (device.at(now, 1), device.at(now, 2)),
        (wrong, here),
        (before, wrong),
        ("", ""),
    ):
        with pytest.raises(InvalidCode):
            world.mfa.unlock(user_id="42", code=code, next_code=next_code)
    world.mfa.unlock(user_id="42", code=before, next_code=here)


def test_a_pair_with_a_code_that_was_used_is_refused(world: World) -> None:
    _, device, _ = world.enroll()
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    world.clock.now += 30
    with pytest.raises(InvalidCode):  # somebody who saw the login types what the owner typed, and guesses the next
        world.mfa.unlock(user_id="42", **pair(world, device))
    world.clock.now += 30
    world.mfa.unlock(user_id="42", **pair(world, device))


def test_pairs_are_limited_and_neither_limit_is_the_others(world: World) -> None:
    _, device, codes = world.enroll()
    policy = world.mfa.policy
    wrong = device.wrong(world.clock.now)
    for number in range(policy.free_failures + 1):
        with pytest.raises(InvalidCode) as refused:
            world.mfa.unlock(user_id="42", code=wrong, next_code=wrong)
        assert refused.value.attempts_left == policy.free_failures - number
    with pytest.raises(Throttled) as throttled:
        world.mfa.unlock(user_id="42", **pair(world, device))
    assert throttled.value.retry_at.timestamp() - world.clock.now == pytest.approx(policy.unlock_delay, abs=0.01)
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    world.mfa.recover(user_id="42", code=codes[0])
    world.clock.now += policy.unlock_delay
    world.mfa.unlock(user_id="42", **pair(world, device))


def test_no_more_pairs_are_looked_at_in_30_days_than_the_policy_has(world: World) -> None:
    world = World(Policy(unlock_failures_in_30_days=20, unlock_delay=1, hashing=Policy.cheap_for_tests().hashing))
    _, device, _ = world.enroll()
    start, looked_at = world.clock.now, 0
    while world.clock.now < start + 30 * 86_400:
        wrong = device.wrong(world.clock.now)
        try:
            world.mfa.unlock(user_id="42", code=wrong, next_code=wrong)
        except InvalidCode as error:
            looked_at += 1
            world.clock.now = error.retry_at.timestamp() if error.retry_at else world.clock.now
        except Throttled as error:
            world.clock.now = error.retry_at.timestamp()
    assert 15 <= looked_at <= 20


def test_pairs_give_nobody_more_guesses_at_single_codes(world: World) -> None:
    """What single codes have spent of their 30 days stays spent, however often the owner unlocks."""
    _, device, _ = world.enroll()
    start, looked_at = world.clock.now, 0
    next_login = start + 86_400
    while world.clock.now < start + 30 * 86_400:
        looked_at += guess(world, device, next_login - world.clock.now)
        world.mfa.unlock(user_id="42", **pair(world, device))
        next_login += 86_400
    assert 50 <= looked_at <= 100


def test_a_disabled_factor_is_not_unlocked(world: World) -> None:
    _, device, _ = world.enroll()
    with pytest.raises(FactorDisabled):
        guess(world, device, 60 * 86_400)
    with pytest.raises(FactorDisabled):
        world.mfa.unlock(user_id="42", **pair(world, device))
    assert world.events[-1].kind == "unlock refused" and world.events[-1].detail["reason"] == "disabled"


def test_nobody_without_a_factor_unlocks(world: World) -> None:
    with pytest.raises(NotEnrolled):
        world.mfa.unlock(user_id="43", code="000000", next_code="000001")
    world.mfa.enroll(user_id="43", account_name="bob")
    with pytest.raises(NotEnrolled):
        world.mfa.unlock(user_id="43", code="000000", next_code="000001")


def test_a_counter_unlocks_by_its_next_two_codes(world: World) -> None:
    _, token, _ = world.enroll(kind="hotp")
    first, second, third, fourth = (token.press() for _ in range(4))
    with pytest.raises(InvalidCode):
        world.mfa.unlock(user_id="42", code=first, next_code=third)
    accepted = world.mfa.unlock(user_id="42", code=second, next_code=third)
    assert (accepted.method, accepted.drift) == ("hotp", 1)
    with pytest.raises(InvalidCode):
        world.mfa.unlock(user_id="42", code=third, next_code=fourth)
    world.mfa.verify(user_id="42", code=fourth)


# The user is told


def told(world: World) -> list[str]:
    return [event.method for event in world.events if event.kind == "guessing suspected"]


def test_the_user_is_told_of_guesses_once_in_a_row_of_them(world: World) -> None:
    _, device, _ = world.enroll()
    assert "guessing suspected" in NOTIFY
    for number in range(1, 6):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
        assert told(world) == ["otp"] * (number >= 3)
    (event,) = [event for event in world.events if event.kind == "guessing suspected"]
    assert event.notify_user and event.user_id == "42" and event.detail == {"failures": 3}
    # A success ends the row, and the next one is told of again.
    world.clock.now += 60
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    guess(world, device, 86_400)
    assert told(world) == ["otp", "otp"]
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.recover(user_id="42", code="AAAA-AAAA-AAAA-AAAA")
    assert told(world) == ["otp", "otp", "recovery"]
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.unlock(user_id="42", code="000000", next_code="000000")
    assert told(world) == ["otp", "otp", "recovery", "unlock"]


def test_nobody_is_told_of_one_or_two_wrong_codes_or_of_a_set_up(world: World) -> None:
    _, device, _ = world.enroll()
    for _ in range(2):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    for _ in range(5):
        with pytest.raises(InvalidCode):
            world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.wrong(world.clock.now))
    assert told(world) == []


def test_the_policy_says_after_how_many() -> None:
    world = World(Policy(notify_after=1, hashing=Policy.cheap_for_tests().hashing))
    _, device, _ = world.enroll()
    with pytest.raises(InvalidCode):
        world.mfa.verify(user_id="42", code=device.wrong(world.clock.now))
    assert told(world) == ["otp"]
    for name, value in (
        ("notify_after", 0),
        ("notify_after", 101),
        ("unlock_delay", 0),
        ("unlock_failures_in_30_days", 1),
        ("unlock_failures_in_30_days", 100_001),
    ):
        with pytest.raises(PolicyError, match=name):
            Policy(**{name: value})  # type: ignore[arg-type]


def test_no_event_of_an_unlock_holds_a_code(world: World) -> None:
    _, device, _ = world.enroll()
    codes = pair(world, device)
    world.mfa.unlock(user_id="42", **codes)
    wrong = secrets.token_hex(12)
    with pytest.raises(InvalidCode) as refused:
        world.mfa.unlock(user_id="42", code=wrong, next_code=wrong)
    shown = repr(world.events) + repr(refused.value) + str(refused.value)
    assert wrong not in shown and not any(code in shown for code in codes.values())
