"""Where the service meets an application: what an attacker, or an honest deployment, gets past it by."""

import logging

import pytest

from ferrotp.mfa import DeviceNotTrusted, InvalidCode, NotEnrolled, Policy

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
