"""Where the service meets an application: what an attacker, or an honest deployment, gets past it by."""

import logging
import warnings
from pathlib import Path

import pytest

from ferrotp.mfa import MFA, DeviceNotTrusted, Event, InvalidCode, NotEnrolled, Policy, StoreRefused
from ferrotp.vault import Keyring

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
