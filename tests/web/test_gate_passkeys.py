"""Passkeys at the gate: each step of a login by one, or of setting one up, in its turn, and bound to its login."""

from dataclasses import replace

import pytest
from mfa.authenticator import Clock, Device
from mfa.passkey_device import ORIGIN, PasskeyDevice

from ferrotp.mfa import MFA, CodesNotAccepted, Event, LastFactor, OtherSession, Passkeys, PasskeyUnknown, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import Gate, Login, LoginRequired, SecondFactorRequired
from ferrotp.web.errors import NoFactor


class World:
    """A site where a second factor is required, and a browser with a passkey."""

    def __init__(self, *, sign_in: bool = False) -> None:
        self.clock, self.events, self.device = Clock(), list[Event](), PasskeyDevice()
        asked = Passkeys(rp_id="example.com", origins=[ORIGIN], sign_in=sign_in)
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=replace(Policy.cheap_for_tests(), passkeys=asked),
            clock=self.clock,
            on_event=self.events.append,
        )
        self.gate = Gate(self.mfa, mode="required", clock=self.clock)

    def begin(self) -> Login:
        return self.gate.begin("42", "alice@example.com").login

    def set_up(self, login: Login) -> Login:
        return self.gate.finish_passkey(login, self.device.create(self.gate.begin_passkey(login)), "phone")[0]


@pytest.fixture
def world() -> World:
    return World()


def test_a_passkey_ends_a_set_up_and_then_a_half_login(world: World) -> None:
    half = world.begin()
    response = world.device.create(world.gate.begin_passkey(half))
    login, passkey = world.gate.finish_passkey(half, response, "  My\tphone ")
    assert half.stage == "set-up" and passkey.name == "My phone"
    assert world.gate.require_fresh_mfa(login) == login and login.epoch == world.mfa.epoch(user_id="42")
    assert world.mfa.status(user_id="42").recovery_codes == 0  # they come by `first_codes`
    again = world.begin()
    assert again.stage == "half"
    verified = world.gate.verify_passkey(again, world.device.get(world.gate.passkey_challenge(again)))
    assert world.gate.require_fresh_mfa(verified) == verified


def test_what_a_browser_answers_is_good_for_the_login_that_asked(world: World) -> None:
    half, other = world.begin(), world.begin()
    response = world.device.create(world.gate.begin_passkey(half))
    for login, session in ((other, ""), (half, "another")):
        with pytest.raises(OtherSession):
            world.gate.finish_passkey(login, response, "phone", session)
    world.gate.finish_passkey(half, response, "phone")
    half, other = world.begin(), world.begin()
    used = world.device.get(world.gate.passkey_challenge(half))
    for login, session in ((other, ""), (half, "another")):
        with pytest.raises(OtherSession):
            world.gate.verify_passkey(login, used, session)
    assert world.gate.verify_passkey(half, used).passed


def test_a_login_that_has_no_id_of_its_own_says_which_session_it_is(world: World) -> None:
    half = world.begin()
    response = world.device.create(world.gate.begin_passkey(half, "of the application"))
    world.gate.finish_passkey(world.begin(), response, "phone", "of the application")
    used = world.device.get(world.gate.passkey_challenge(world.begin(), "of the application"))
    assert world.gate.verify_passkey(world.begin(), used, "of the application").passed


def test_the_password_alone_binds_no_passkey_where_a_factor_came_meanwhile(world: World) -> None:
    thief = world.begin()
    response = world.device.create(world.gate.begin_passkey(thief))
    world.mfa.import_factor(user_id="42", secret=b"12345678901234567890", last_step=1)
    told = len(world.events)
    with pytest.raises(LoginRequired):
        world.gate.begin_passkey(thief)
    with pytest.raises(LoginRequired):
        world.gate.finish_passkey(thief, response, "phone")
    assert len(world.events) == told  # the service was not asked
    # It came at the same moment.
    world.gate._refuse_late_set_up = lambda login: None  # type: ignore[method-assign]
    with pytest.raises(LoginRequired):
        world.gate.finish_passkey(thief, response, "phone")
    world.gate.allow_set_up = lambda login: login  # type: ignore[method-assign, assignment, return-value]
    full = replace(thief, stage="full")
    response = world.device.create(world.gate.begin_passkey(full))
    with pytest.raises(SecondFactorRequired) as raised:
        world.gate.finish_passkey(full, response, "phone")
    assert raised.value.next_page == "challenge" and world.mfa.passkeys(user_id="42") == []


def test_a_login_that_has_passed_adds_another_passkey(world: World) -> None:
    login = world.set_up(world.begin())
    world.device = PasskeyDevice()
    assert world.set_up(login).passed and len(world.mfa.passkeys(user_id="42")) == 2


# Signing in by a passkey alone


def signing_in() -> World:
    """A site that lets people sign in by a passkey, with a user who has one."""
    world = World(sign_in=True)
    world.set_up(world.begin())
    world.clock.now += 60
    return world


def answer(world: World, session: str = "browser") -> dict[str, object]:
    return world.device.get(world.gate.sign_in_challenge(session))


def test_a_passkey_alone_is_a_whole_login() -> None:
    world = signing_in()
    login = world.gate.sign_in(answer(world), "browser", next_url="/vault", remember=True)
    assert (login.user_id, login.account_name, login.issuer, login.tenant) == ("42", "42", "ACME", "")
    assert (login.stage, login.passed, login.next, login.remember) == ("full", True, "/vault", True)
    assert login.since == login.fresh_at == int(world.clock.now)
    assert login.epoch == world.mfa.epoch(user_id="42") and world.gate.require_fresh_mfa(login) == login
    other = world.gate.sign_in(answer(world), "browser", next_url="https://evil.example/")
    assert (other.next, other.remember) == ("", None) and other.nonce != login.nonce


def test_signing_in_is_of_the_tenant_that_asked() -> None:
    world = signing_in()
    world.gate, world.device = world.gate.for_tenant("other"), PasskeyDevice()
    world.set_up(world.begin())
    login = world.gate.sign_in(answer(world), "browser")
    assert login.tenant == "other" and world.gate.load(login.dump()) == login


def test_signing_in_is_bound_to_the_browser_that_asked() -> None:
    world = signing_in()
    with pytest.raises(OtherSession):
        world.gate.sign_in(answer(world), "another browser")


@pytest.mark.parametrize("state", ["disabled", "another's"])
def test_a_passkey_that_was_taken_away_meanwhile_signs_nobody_in(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    world = signing_in()
    status = world.mfa.status(user_id="42")
    (factor,) = status.factors
    now = replace(factor, state="disabled") if state == "disabled" else replace(factor, factor_id="another")
    monkeypatch.setattr(world.mfa, "status", lambda **user: replace(status, factors=(now,)))
    with pytest.raises(PasskeyUnknown):
        world.gate.sign_in(answer(world), "browser")


def test_it_is_asked_of_each_user_by_id_who_must_have_a_passkey(world: World) -> None:
    gate = Gate(world.mfa, passkey_required=lambda user_id: user_id == "42", clock=world.clock)
    must, may = gate.begin("42", "alice"), gate.begin("43", "bob")
    assert (must.next_page, must.login.stage) == ("add-passkey", "set-up")
    assert (may.next_page, may.login.stage) == ("done", "full")
    with pytest.raises(SecondFactorRequired) as caught:
        gate.require_mfa(must.login)
    assert caught.value.next_page == "add-passkey"
    for user_id, required, page in (("42", True, "add-passkey"), ("43", False, "set-up")):
        assert gate.must_have_passkey(user_id) is gate.is_required(user_id) is required
        assert (gate.sets_up_codes(user_id), gate.set_up_page(user_id)) == (not required, page)
    # Codes are accepted until there is a passkey, and then still from those who need none.
    assert gate.takes_codes("42", world.mfa.status(user_id="42"))
    login = world.set_up(world.begin())
    with_passkey = world.mfa.status(user_id=login.user_id)
    assert not gate.takes_codes("42", with_passkey) and gate.takes_codes("43", with_passkey)


def test_it_is_asked_of_each_user_by_id_who_must_have_a_second_factor(world: World) -> None:
    gate = Gate(world.mfa, required=lambda user_id: user_id == "42")
    assert gate.is_required("42") and not gate.is_required("43")


def test_nobody_must_have_a_passkey_where_there_are_none() -> None:
    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    with pytest.raises(ValueError, match="the policy has none"):
        Gate(mfa, passkey_required=lambda user_id: True)
    assert not Gate(mfa).must_have_passkey("42")


def test_no_code_is_taken_of_a_user_who_has_the_passkey_that_is_asked_for(world: World) -> None:
    world.set_up(world.begin())
    enrollment = world.mfa.enroll(user_id="42", account_name="alice@example.com")
    app = Device(enrollment.uri)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=app.at(world.clock.now))
    world.clock.now += 60
    half, code = world.begin(), app.at(world.clock.now)
    asked: list[str] = []

    def passkey_required(user_id: str) -> bool:
        asked.append(user_id)
        return user_id == "42"

    gate = Gate(world.mfa, passkey_required=passkey_required, clock=world.clock)
    with pytest.raises(CodesNotAccepted):
        gate.verify(half, code)
    assert asked == ["42"]  # once: it may be a query
    with pytest.raises(CodesNotAccepted):
        gate.unlock(half, app.at(world.clock.now, -1), code)
    assert world.gate.verify(half, code)[0].passed  # nor was it used up


def test_a_user_without_the_factor_that_was_asked_for_is_led_to_what_there_is(world: World) -> None:
    gate, mfa = world.gate, world.mfa
    enrollment = mfa.enroll(user_id="42", account_name="alice@example.com")
    mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=Device(enrollment.uri).at(world.clock.now))
    half = world.begin()
    with pytest.raises(NoFactor) as caught:
        gate.passkey_challenge(half)
    assert caught.value.next_page == "challenge"  # by a code
    mfa.reset(user_id="42", by="root")
    for step in (
        lambda: gate.verify(half, "123456"),
        lambda: gate.unlock(half, "123456", "654321"),
        lambda: gate.recover(half, "0000-0000-0000-0000"),
        lambda: gate.passkey_challenge(half),
    ):
        with pytest.raises(NoFactor) as caught:
            step()
        assert caught.value.next_page == "password"


def test_the_last_passkey_stays_of_a_user_who_must_have_one_and_the_app_may_go(world: World) -> None:
    login = world.set_up(world.begin())
    enrollment = world.mfa.enroll(user_id="42", account_name="alice@example.com")
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=Device(enrollment.uri).at(world.clock.now))
    (passkey,) = (factor for factor in world.mfa.status(user_id="42").factors if factor.kind == "passkey")
    for must in ("42", "43"):
        gate = Gate(world.mfa, passkey_required=lambda user_id, must=must: user_id == must, clock=world.clock)
        if must == "42":
            for step in (gate.removable_factor, gate.remove):
                with pytest.raises(LastFactor):
                    step(login, passkey.factor_id)
        assert gate.removable_factor(login, enrollment.factor_id).kind == "totp"
    gate = Gate(world.mfa, required=lambda user_id: True, clock=world.clock)  # any factor will do
    assert gate.removable_factor(login, passkey.factor_id) == passkey
    assert gate.remove(login, passkey.factor_id)[1].kind == "passkey"


def test_one_of_two_passkeys_may_go(world: World) -> None:
    login = world.set_up(world.begin())
    gate = Gate(world.mfa, passkey_required=lambda user_id: True, clock=world.clock)
    (first,) = world.mfa.status(user_id="42").factors
    other = PasskeyDevice()
    gate.finish_passkey(login, other.create(gate.begin_passkey(login)), "key")
    assert gate.remove(login, first.factor_id)[1].factor_id == first.factor_id


def test_a_login_by_the_password_alone_that_is_asked_for_a_code_is_led_to_set_up_what_is_asked_of_its_user(
    world: World,
) -> None:
    login = Gate(world.mfa, clock=world.clock).begin("42", "alice@example.com").login
    for must, page in (("42", "add-passkey"), ("43", "set-up")):
        gate = Gate(world.mfa, passkey_required=lambda user_id, must=must: user_id == must, clock=world.clock)
        for step in (gate.passkey_challenge, gate.require_mfa):
            with pytest.raises((NoFactor, SecondFactorRequired)) as caught:
                step(login)
            assert caught.value.next_page == page
        if must == "42":
            with pytest.raises(CodesNotAccepted):
                gate.enroll(login)
        else:
            assert gate.enroll(login)


def test_codes_are_taken_of_a_user_who_has_not_added_the_passkey_yet(world: World) -> None:
    enrollment = world.mfa.enroll(user_id="42", account_name="alice@example.com")
    app = Device(enrollment.uri)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=app.at(world.clock.now))
    world.clock.now += 60
    gate = Gate(world.mfa, passkey_required=lambda user_id: user_id == "42", clock=world.clock)
    login, _ = gate.verify(gate.begin("42", "alice").login, app.at(world.clock.now))
    with pytest.raises(SecondFactorRequired) as caught:
        gate.require_mfa(login)
    assert caught.value.next_page == "add-passkey"
    added = gate.finish_passkey(login, world.device.create(gate.begin_passkey(login)), "phone")[0]
    assert gate.require_mfa(added) == added
