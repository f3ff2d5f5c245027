"""Where the service meets an application: what an attacker, or an honest deployment, gets past it by."""

import logging
import threading
import time
import warnings
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferrotp.mfa import (
    MFA,
    DeviceNotTrusted,
    EnrollmentExpired,
    Event,
    InvalidCode,
    InvalidIdentifier,
    MFAError,
    NotEnrolled,
    Overloaded,
    Policy,
    StoreDamaged,
    StoreRefused,
    Throttled,
    hashing,
)
from ferrotp.mfa.stores.base import Owner
from ferrotp.vault import Keyring
from ferrotp.web import Gate

from .authenticator import Device
from .conftest import World


@pytest.fixture
def world() -> World:
    return World(Policy(trusted_device_days=30, hashing=Policy.cheap_for_tests().hashing))


def test_trusted_devices_end_with_a_recovery(world: World) -> None:
    _, device, codes = world.enroll()
    world.mfa.verify(user_id="42", code=device.at(world.clock.now))
    token = world.mfa.trust_device(user_id="42").token
    with pytest.raises(InvalidCode):
        world.mfa.recover(user_id="42", code="AAAA-AAAA-AAAA-AAAA")
    token = world.mfa.recognize_device(user_id="42", token=token).token  # a wrong code ends nothing
    world.mfa.recover(user_id="42", code=codes[0])
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="42", token=token)


def test_nothing_is_hashed_for_a_user_who_can_have_no_recovery_codes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten Argon2id hashes take 200 ms and 19 MiB each: who asks for them without a factor gets a no at once."""
    from ferrotp.mfa import recovery

    monkeypatch.setattr(recovery, "new_codes", lambda *_: pytest.fail("it hashed"))
    with pytest.raises(NotEnrolled):
        world.mfa.regenerate_recovery_codes(user_id="42")
    world.mfa.enroll(user_id="42", account_name="alice")
    with pytest.raises(NotEnrolled):
        world.mfa.regenerate_recovery_codes(user_id="42")


def test_no_value_in_a_line_of_the_log_reads_as_a_field(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ferrotp.mfa")
    world.enroll()
    world.mfa.reset(user_id="42", by="eve user=admin")
    line = caplog.records[-1].getMessage()
    assert line == "reset: tenant='' user='42' factor='' by='eve user=admin' factors='1'"


def test_a_store_that_is_new_is_told_of_once_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty store lets everybody in by password: one that was made by mistake must not be made in silence."""
    events: list[Event] = []
    url = f"sqlite:///{tmp_path}/mfa.db"
    for _ in range(2):
        MFA(url, issuer="ACME", keyring=Keyring.generate(), on_event=events.append).close()
    assert [(event.kind, event.detail) for event in events] == [
        ("store created", {"store": f"<SQLStore sqlite {tmp_path}/mfa.db>"})
    ]
    assert f"{tmp_path}/mfa.db" in caplog.text


def test_a_new_store_at_a_relative_path_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(RuntimeWarning, match=f"{tmp_path}/mfa.db was named by a relative path"):
        mfa = MFA("sqlite:///mfa.db", issuer="ACME", keyring=Keyring.generate())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    mfa.enroll(user_id=42, account_name="alice")  # the file that it was, wherever the process has gone
    mfa.close()
    mfa.status(user_id=42)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    mfa.close()


def test_with_prepare_false_a_store_that_is_not_there_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mfa = MFA("sqlite:///mfa.db", issuer="ACME", keyring=Keyring.generate(), prepare=False)
    with pytest.raises(StoreRefused, match="prepare"):
        mfa.status(user_id=42)
    mfa.close()


def test_an_absolute_path_is_not_warned_of(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MFA(f"sqlite:///{tmp_path}/mfa.db", issuer="ACME", keyring=Keyring.generate()).close()


# What is lost does not look like what never was


def lose_factors(world: World, user_id: str) -> None:
    for place in [place for place in world.store._factors if place[0].user_id == user_id]:
        del world.store._factors[place]


def test_a_damaged_user_is_told_of_and_comes_in_by_no_way(world: World) -> None:
    _, device, codes = world.enroll()
    lose_factors(world, "42")
    code = device.at(world.clock.now)
    for ask in (
        lambda: world.mfa.status(user_id="42"),
        lambda: world.mfa.regenerate_recovery_codes(user_id="42"),
        lambda: world.mfa.factor(user_id="42", factor_id="any"),
        lambda: Gate(world.mfa).begin("42", "alice"),
        lambda: Gate(world.mfa).adopt("42", "alice"),
    ):
        world.events.clear()
        with pytest.raises(StoreDamaged):
            ask()
        assert [(event.kind, event.detail) for event in world.events] == [
            ("store damaged", {"reason": "the user has recovery codes or trusted devices, and the factor is gone"})
        ]
    with pytest.raises(NotEnrolled):
        world.mfa.verify(user_id="42", code=code)
    with pytest.raises(NotEnrolled):
        world.mfa.recover(user_id="42", code=codes[0])
    world.mfa.reset(user_id="42", by="an administrator")
    assert not world.mfa.status(user_id="42").enrolled


# Slow hashes


def test_new_sets_of_codes_are_bounded_by_user_before_anything_is_hashed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enroll()
    made: list[str] = []
    new_recovery_codes = Keyring.new_recovery_codes

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(world.keyring, name)

        def new_recovery_codes(self, *arguments: Any, **named: Any) -> Any:
            made.append(arguments[1])
            return new_recovery_codes(world.keyring, *arguments, **named)

    monkeypatch.setattr(world.mfa._core, "keys", Counting())
    answers = Counter[str]()

    def post() -> None:
        try:
            world.mfa.regenerate_recovery_codes(user_id="42")
            answers["made"] += 1
        except MFAError as error:
            answers[type(error).__name__] += 1

    threads = [threading.Thread(target=post) for _ in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Ten at once; the set-up has made one of them.
    assert answers["made"] + answers["Overloaded"] == 9 and answers["Throttled"] == 39
    assert len(made) == answers["made"]
    with pytest.raises(Throttled) as refused:
        world.mfa.regenerate_recovery_codes(user_id="42")
    world.clock.now = refused.value.retry_at.timestamp()
    assert world.mfa.regenerate_recovery_codes(user_id="42")
    world.clock.now += 30 * 86_400
    for _ in range(10):
        world.mfa.regenerate_recovery_codes(user_id="42")


def test_few_slow_hashes_are_under_way_and_who_cannot_wait_is_refused_uncounted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user_id in range(hashing.AT_ONCE + hashing.WAITING + 1):
        world.mfa.import_factor(user_id=user_id, secret=b"12345678901234567890")
    under_way, most, go_on = [0], [0], threading.Event()
    lock = threading.Lock()

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(world.keyring, name)

        def new_recovery_codes(self, *arguments: Any, **named: Any) -> Any:
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            go_on.wait(30)
            with lock:
                under_way[0] -= 1
            return world.keyring.new_recovery_codes(*arguments, **named)

    monkeypatch.setattr(hashing, "LONGEST_WAIT", 30.0)
    monkeypatch.setattr(world.mfa._core, "keys", Slow())
    waiting = [
        threading.Thread(target=world.mfa.regenerate_recovery_codes, kwargs={"user_id": user_id})
        for user_id in range(hashing.AT_ONCE + hashing.WAITING)
    ]
    for thread in waiting:
        thread.start()
    deadline = time.monotonic() + 20
    while hashing._queue.entrances._value and time.monotonic() < deadline:
        time.sleep(0.01)
    last = hashing.AT_ONCE + hashing.WAITING
    for ask in (
        lambda: world.mfa.regenerate_recovery_codes(user_id=last),
        lambda: world.mfa.recover(user_id=last, code="AAAA-AAAA-AAAA-AAAA"),
    ):
        with pytest.raises(Overloaded):
            ask()
    assert world.store.user(Owner("", str(last))).budgets["recovery"].failures == 0
    # What hashes nothing goes on.
    assert world.mfa.status(user_id=last).enrolled
    go_on.set()
    for thread in waiting:
        thread.join()
    assert most[0] == hashing.AT_ONCE
    assert world.mfa.regenerate_recovery_codes(user_id=last)


def test_a_turn_that_does_not_come_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "LONGEST_WAIT", 0.05)
    with ExitStack() as turns:
        for _ in range(hashing.AT_ONCE):
            turns.enter_context(hashing.turn())
        with pytest.raises(Overloaded), hashing.turn():
            pass
    with hashing.turn():
        pass


# Ways out


def test_a_hundred_wrong_confirmations_end_an_enrollment_and_not_all_that_follow(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    waits = 0
    for _ in range(300):
        try:
            world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code="000000")
        except InvalidCode:
            pass
        except Throttled as error:
            waits += 1
            world.clock.now = error.retry_at.timestamp()
        except EnrollmentExpired:  # ten minutes are over, and the failures end with it
            enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    assert waits > 10 and "disabled" not in world.kinds()
    world.clock.now += 86_400
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    device = Device(enrollment.uri)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.at(world.clock.now))


def test_as_many_failures_as_disable_a_factor_end_an_enrollment_in_the_right_words() -> None:
    world = World(replace(Policy.cheap_for_tests(), disable_after=3, enrollment_lifetime=86_400))
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    wrong = Device(enrollment.uri).wrong(world.clock.now)
    for expected in (InvalidCode, InvalidCode, EnrollmentExpired, EnrollmentExpired):
        with pytest.raises(expected):
            world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=wrong)
    assert "disabled" not in world.kinds()  # nobody's app was switched off
    world.enroll()


def test_a_user_who_begins_and_ends_set_ups_makes_no_hashes_without_end(world: World) -> None:
    sets = 0
    for _ in range(30):
        enrollment, _, codes = world.enroll()
        sets += bool(codes)
        world.mfa.remove_factor(user_id="42", factor_id=enrollment.factor_id)
    assert 9 <= sets <= 10  # an attempt under way takes room, too


# Accounts that end


def test_users_are_deleted_in_batches_and_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    delete_users = world.store.delete_users
    monkeypatch.setattr(
        world.store, "delete_users", lambda owners: (batches.append(len(owners)), delete_users(owners))[1]
    )
    world.enroll("1")
    world.enroll("1200")
    world.events.clear()
    assert world.mfa.delete_users(user_ids=range(1201)) == 2
    assert batches == [500, 500, 201]
    assert [(event.kind, event.user_id) for event in world.events] == [("user deleted", "1"), ("user deleted", "1200")]
    assert not any(event.notify_user for event in world.events)
    with pytest.raises(InvalidIdentifier):
        world.mfa.delete_users(user_ids=["2", None])  # type: ignore[list-item]
