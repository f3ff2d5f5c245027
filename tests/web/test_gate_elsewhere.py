"""Logins that passed elsewhere, or are somebody else's: what the gate writes down, and what they may."""

from dataclasses import replace

import pytest
from mfa.authenticator import Device

from ferrotp.mfa import Event, InvalidIdentifier
from ferrotp.web import Gate, NotFresh

from .test_sessions import World


@pytest.fixture
def world() -> World:
    return World()


def told(world: World) -> list[Event]:
    events: list[Event] = []
    world.mfa._core.on_event = events.append
    return events


def test_a_login_that_passed_elsewhere_is_whole_and_written_down(world: World) -> None:
    events = told(world)
    step = world.gate.begin_passed(42, " alice@example.com ", by="sso", next_url="/vault", remember=False)
    login = step.login
    assert (step.next_page, step.device) == ("done", None)
    assert (login.user_id, login.account_name, login.issuer, login.tenant) == ("42", "alice@example.com", "ACME", "")
    assert (login.stage, login.passed, login.next, login.remember) == ("full", True, "/vault", False)
    assert login.since == login.fresh_at == int(world.clock.now) and login.epoch == world.mfa.epoch(user_id="42")
    assert world.gate.require_fresh_mfa(login) == login
    assert [(event.kind, event.user_id, event.detail) for event in events] == [
        ("passed elsewhere", "42", {"by": "sso"})
    ]
    plain = world.gate.begin_passed("42", "\n", by="sso", next_url="//evil.example").login
    assert (plain.account_name, plain.next, plain.remember) == ("42", "", None) and plain.nonce != login.nonce
    for gate in (Gate(world.mfa.for_tenant("other"), clock=world.clock),):
        assert gate.begin_passed("42", "alice", by="sso").login.tenant == "other"
    with pytest.raises(InvalidIdentifier):
        world.gate.begin_passed("", "alice", by="sso")


def test_one_who_comes_in_as_another_user_has_passed_what_the_one_had_and_changes_nothing(world: World) -> None:
    root, events = replace(world.log_in(), user_id="1"), told(world)
    for passed in (True, False):
        login = world.gate.begin_impersonated(42, "alice", by="hijack", impersonator=replace(root, passed=passed))
        assert (login.user_id, login.account_name, login.stage, login.passed) == ("42", "alice", "full", passed)
        assert login.fresh_at == 0 and login.epoch == world.mfa.epoch(user_id="42")
        assert events[-1].kind == "impersonated" and events[-1].user_id == "42"
        assert events[-1].detail == {"by": "hijack", "impersonator": "1"}
    passed = world.gate.begin_impersonated("42", "alice", by="hijack", impersonator=root)
    assert world.gate.require_mfa(passed) == passed
    with pytest.raises(NotFresh):
        world.gate.require_fresh(passed)


def test_a_device_has_the_name_that_came_with_its_first_code(world: World) -> None:
    login = world.gate.enroll(world.log_in())
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now), "  My\tphone ")
    assert world.mfa.status(user_id="42").factors[1].name == "My phone"


def test_new_codes_say_when_they_were_made(world: World) -> None:
    login, codes = world.gate.new_codes(world.log_in())
    assert len(codes) == 10 and login.unsaved_codes and login.codes_at == int(world.clock.now)
