"""A login ends with what it was proved by: for the gate, and so for all frameworks. Theirs are in their own tests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from mfa.authenticator import Clock, Device

from ferrotp.mfa import MFA, FactorDisabled, InvalidCode, NotEnrolled, Policy, StoreUnavailable, Throttled
from ferrotp.mfa.stores.base import Owner
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import EpochCache, Gate, LastFactor, Login, LoginRequired, NotFresh, SecondFactorRequired, SessionEnded
from ferrotp.web.errors import HalfLoginEnded


class CountingStore(MemoryStore):
    """Counts what is asked, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = False

    def epoch(self, owner: Any) -> str:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return super().epoch(owner)


class World:
    """Two servers of one site, a user with a device, and the user's login, of which a thief has a copy."""

    def __init__(self, mode: str = "optional", **policy: int) -> None:
        self.clock = Clock()
        self.store = CountingStore()
        self.mfa = MFA(
            self.store,
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=replace(Policy.cheap_for_tests(), trusted_device_days=30, **policy),
            clock=self.clock,
        )
        self.gate, self.other = (Gate(self.mfa, mode=mode, clock=self.clock) for _ in range(2))  # type: ignore[arg-type]
        self.login, self.device, self.codes = self.set_up()

    def set_up(self) -> tuple[Login, Device, tuple[str, ...]]:
        login = self.gate.enroll(self.gate.begin("42", "alice@example.com").login, "Phone")
        enrollment = self.gate.pending_enrollment(login)
        assert enrollment is not None
        device = Device(enrollment.uri)
        login, codes = self.gate.first_codes(self.gate.confirm(login, device.at(self.clock.now)))
        self.clock.now += 60
        return login, device, tuple(codes)

    def log_in(self) -> Login:
        login, _ = self.gate.verify(self.gate.begin("42", "alice@example.com").login, self.device.at(self.clock.now))
        self.clock.now += 30
        return login

    @property
    def factor_id(self) -> str:
        return self.mfa.status(user_id="42").factors[0].factor_id


@pytest.fixture
def world() -> World:
    return World()


def test_a_login_goes_on_while_nothing_ends_it(world: World) -> None:
    login = world.log_in()
    for gate in (world.gate, world.other):
        for require in (gate.require_login, gate.require_mfa, gate.require_fresh, gate.require_fresh_mfa):
            assert require(login) == login == require(replace(login, nonce=login.nonce))
    assert world.gate.load(login.dump()) == login


ENDS: dict[str, Callable[[World], object]] = {
    "a reset": lambda world: world.mfa.reset(user_id="42", by="root"),
    "the removal of the factor": lambda world: world.mfa.remove_factor(user_id="42", factor_id=world.factor_id),
    "log out everywhere": lambda world: world.mfa.end_sessions(user_id="42", by="alice"),
    "new codes for stolen ones": lambda world: world.mfa.regenerate_recovery_codes(user_id="42", end_sessions=True),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_copied_login_ends_with_what_it_was_proved_by(world: World, end: str) -> None:
    copied = world.log_in()
    for gate in (world.gate, world.other):
        gate.require_mfa(copied)
    ENDS[end](world)
    for gate in (world.gate, world.other):
        # At once where it matters: nothing fresh, no thief's phone, no removal of the user's.
        for change in (
            gate.require_fresh,
            gate.require_fresh_mfa,
            gate.allow_set_up,
            gate.new_codes,
            gate.end_sessions,
            gate.allow_challenge,
            lambda login: world.gate.enroll(login, "a thief's"),
            lambda login: world.gate.remove(login, "any"),
        ):
            with pytest.raises(SessionEnded):
                change(copied)
    world.clock.now += 60
    for require in (world.gate.require_login, world.gate.require_mfa, world.other.require_login):
        with pytest.raises(SessionEnded):
            require(copied)


def test_a_copied_login_does_not_outlive_a_reset_and_a_new_set_up(world: World) -> None:
    copied = world.log_in()
    pending = world.gate.enroll(copied, "a thief's")
    enrollment = world.gate.pending_enrollment(pending)
    assert enrollment is not None
    world.mfa.reset(user_id="42", by="root")
    world.login, world.device, _ = world.set_up()
    for login in (copied, pending):
        for step in (world.gate.require_fresh, world.gate.pending_enrollment):
            with pytest.raises(SessionEnded):
                step(login)
    with pytest.raises(SessionEnded):
        world.gate.confirm(pending, Device(enrollment.uri).at(world.clock.now))
    assert world.gate.require_fresh(world.login) == world.login
    assert len(world.mfa.status(user_id="42").factors) == 1


def test_the_login_that_ends_the_others_goes_on_at_once_on_every_server(world: World) -> None:
    acting, other = world.log_in(), world.log_in()
    for gate in (world.gate, world.other):  # both servers know the epoch of before
        assert gate.require_mfa(acting) and gate.require_mfa(other)
    acting = world.gate.end_sessions(acting)
    for gate in (world.gate, world.other):
        assert gate.require_mfa(acting) == acting == gate.require_fresh(acting)
    acting, codes = world.other.new_codes(acting, end_sessions=True)
    assert len(codes) == 10 and world.gate.require_fresh(acting) == acting
    acting, _ = world.other.remove(acting, world.factor_id)
    assert world.gate.require_fresh(acting) == acting
    with pytest.raises(SessionEnded):
        world.gate.require_fresh(other)


def test_of_a_thief_and_the_owner_who_end_the_others_at_one_moment_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thief asks again and again: one of the tries is looked at before the owner's, and decided after it."""
    owner, thief = world.log_in(), world.log_in()
    ended: list[Login] = []
    end_sessions = world.mfa.end_sessions

    def meanwhile(**more: Any) -> str:
        monkeypatch.setattr(world.mfa, "end_sessions", end_sessions)
        ended.append(world.other.end_sessions(owner))
        return end_sessions(**more)

    monkeypatch.setattr(world.mfa, "end_sessions", meanwhile)
    with pytest.raises(SessionEnded):
        world.gate.end_sessions(thief)
    assert world.gate.require_fresh(ended[0]) == ended[0]


def test_new_codes_by_themselves_end_no_login(world: World) -> None:
    acting, other = world.log_in(), world.log_in()
    acting, _ = world.gate.new_codes(acting)
    assert world.gate.require_fresh(other) == other and world.gate.require_fresh(acting) == acting


def test_another_factor_ends_no_login_and_the_first_one_ends_those_by_the_password_alone(world: World) -> None:
    before = world.log_in()
    login = world.gate.enroll(before, "Tablet")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    login = world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now))
    assert world.gate.require_fresh(before) == before and world.gate.require_fresh(login) == login


def test_logging_out_everywhere_wants_a_fresh_proof(world: World) -> None:
    """Or a thief with a copied login would throw the user out, and stay."""
    login = world.log_in()
    world.clock.now += 600
    with pytest.raises(NotFresh):
        world.gate.end_sessions(login)
    assert world.gate.require_login(login) == login


def test_a_half_login_that_began_before_is_none_afterwards(world: World) -> None:
    half = world.gate.begin("42", "alice@example.com").login
    world.mfa.end_sessions(user_id="42", by="alice")
    full, _ = world.gate.verify(half, world.device.at(world.clock.now))
    with pytest.raises(SessionEnded):
        world.gate.require_fresh(full)


def test_a_login_by_the_password_alone_ends_too() -> None:
    world = World()
    world.mfa.reset(user_id="42", by="root")
    login, other = (world.gate.begin("42", "alice@example.com").login for _ in range(2))
    login = world.gate.end_sessions(login)
    assert world.gate.require_fresh(login) == login
    for require in (world.gate.require_login, world.gate.require_fresh, world.gate.allow_set_up):
        with pytest.raises(SessionEnded):
            require(other)


def test_the_devices_end_with_the_logins(world: World) -> None:
    for end in ("log out everywhere", "new codes for stolen ones", "the removal of the factor"):
        token = world.mfa.trust_device(user_id="42", name="Firefox").token
        ENDS[end](world)
        step = world.gate.begin("42", "alice@example.com", device_token=token)
        assert step.device is None and world.mfa.trusted_devices(user_id="42") == []


# How late, and what it costs


def test_the_store_is_asked_once_a_minute_and_at_every_fresh_view(world: World) -> None:
    login = world.log_in()
    world.store.asked = 0
    for _ in range(100):
        world.gate.require_mfa(login)
    assert world.store.asked == 1
    world.clock.now += 59
    world.gate.require_login(login)
    assert world.store.asked == 1
    world.clock.now += 1
    world.gate.require_login(login)
    assert world.store.asked == 2
    for _ in range(10):
        world.gate.require_fresh_mfa(login)
    assert world.store.asked == 12


def test_a_login_that_ended_is_found_out_after_a_minute_at_most(world: World) -> None:
    login = world.log_in()
    world.gate.require_mfa(login)
    world.mfa.end_sessions(user_id="42", by="alice")
    world.clock.now += 59
    assert world.gate.require_mfa(login) == login
    world.clock.now += 1
    with pytest.raises(SessionEnded):
        world.gate.require_mfa(login)


def test_the_clock_set_back_makes_it_no_later(world: World) -> None:
    login = world.log_in()
    world.gate.require_mfa(login)
    world.mfa.end_sessions(user_id="42", by="alice")
    world.clock.now -= 1
    with pytest.raises(SessionEnded):
        world.gate.require_mfa(login)


def test_nought_asks_the_store_each_time() -> None:
    world = World(session_check_seconds=0)
    login = world.log_in()
    world.gate.require_mfa(login)
    world.mfa.end_sessions(user_id="42", by="alice")
    with pytest.raises(SessionEnded):
        world.gate.require_mfa(login)


def test_a_store_that_is_away_ends_nothing_and_lets_nobody_in(world: World) -> None:
    login = world.log_in()
    world.gate.require_mfa(login)
    world.store.away = True
    with pytest.raises(StoreUnavailable):
        world.gate.require_fresh(login)
    assert world.gate.require_mfa(login) == login
    world.clock.now += 60
    with pytest.raises(StoreUnavailable):
        world.gate.require_mfa(login)
    world.store.away = False
    assert world.gate.require_mfa(login) == login


def test_what_is_kept_is_bounded_and_the_longest_read_goes_first(world: World) -> None:
    cache = EpochCache(size=3)
    logins = [replace(world.login, user_id=str(number), epoch="") for number in range(5)]
    for login in [*logins, logins[2]]:
        assert cache.is_current(world.mfa, login, 0.0, 60)
    assert len(cache._read) == 3
    world.store.asked = 0
    for login in logins[2:]:
        assert cache.is_current(world.mfa, login, 1.0, 60)
    assert world.store.asked == 0
    assert cache.is_current(world.mfa, logins[0], 1.0, 60) and world.store.asked == 1


# What is required since


def test_a_login_by_the_password_alone_sets_up_where_it_became_required_since() -> None:
    world = World()
    world.mfa.reset(user_id="42", by="root")
    login = world.gate.begin("42", "alice@example.com").login
    gate = Gate(world.mfa, mode="required", clock=world.clock)
    for require in (gate.require_login, gate.require_mfa, gate.require_fresh, gate.require_fresh_mfa):
        with pytest.raises(SecondFactorRequired) as raised:
            require(login)
        assert raised.value.next_page == "set-up"
    # It was fresh, so it may; later it proves once more who it is.
    set_up = gate.enroll(login, "Phone")
    enrollment = gate.pending_enrollment(set_up)
    assert enrollment is not None
    with pytest.raises(InvalidCode):
        gate.confirm(set_up, Device(enrollment.uri).wrong(world.clock.now))
    done, codes = gate.first_codes(gate.confirm(set_up, Device(enrollment.uri).at(world.clock.now)))
    assert gate.require_fresh_mfa(done) == done and len(codes) == 10
    world.clock.now += 600
    with pytest.raises(LoginRequired):
        gate.allow_set_up(None)
    world.mfa.reset(user_id="42", by="root")
    late = replace(world.gate.begin("42", "alice@example.com").login, fresh_at=int(world.clock.now) - 600)
    with pytest.raises(NotFresh) as late_set_up:
        gate.allow_set_up(late)
    assert late_set_up.value.next_page == "password"


# Half-logins, of which somebody has a copy


def test_a_copied_half_login_dies_when_it_is_cancelled(world: World) -> None:
    half, other = (world.gate.begin("42", "alice@example.com").login for _ in range(2))
    world.gate.cancel(half)
    for gate in (world.gate, world.other):
        with pytest.raises(HalfLoginEnded):
            gate.allow_challenge(half)
        with pytest.raises(HalfLoginEnded):
            gate.verify(half, world.device.at(world.clock.now))
        with pytest.raises(HalfLoginEnded):
            gate.unlock(half, world.device.at(world.clock.now), world.device.at(world.clock.now + 30))
        with pytest.raises(HalfLoginEnded):
            gate.recover(half, world.codes[0])
        with pytest.raises(HalfLoginEnded):
            gate.passkey_challenge(half)
        with pytest.raises(HalfLoginEnded):
            gate.verify_passkey(half, {})
    assert world.mfa.status(user_id="42").failures == 0
    # Somebody with the password alone ends nobody's login but their own.
    assert world.gate.verify(other, world.device.at(world.clock.now))[0].passed


def test_no_code_is_looked_at_out_of_turn(world: World) -> None:
    ended = world.log_in()
    world.mfa.end_sessions(user_id="42", by="root")
    set_up = replace(ended, stage="set-up", passed=False)
    for login, refused in ((ended, SessionEnded), (set_up, SecondFactorRequired), (None, LoginRequired)):
        code = world.device.at(world.clock.now)
        steps: tuple[Callable[[], object], ...] = (
            lambda login=login, code=code: world.gate.verify(login, code),  # type: ignore[misc]
            lambda login=login: world.gate.unlock(login, "000000", "000001"),  # type: ignore[misc]
            lambda login=login: world.gate.recover(login, world.codes[0]),  # type: ignore[misc]
            lambda login=login: world.gate.passkey_challenge(login),  # type: ignore[misc]
            lambda login=login: world.gate.verify_passkey(login, {}),  # type: ignore[misc]
        )
        for step in steps:
            with pytest.raises(refused):
                step()
    status = world.mfa.status(user_id="42")
    assert status.failures == 0 and status.recovery_codes == 10


def test_a_copied_half_login_dies_of_a_lockout(world: World) -> None:
    """It led on to the recovery code, where a thief goes on guessing."""
    half, later = (world.gate.begin("42", "alice@example.com").login for _ in range(2))
    limits = world.mfa.policy.limits()
    for _ in range(limits.disable_at - 1):
        world.store.reserve(Owner("", "42"), "otp", int(world.clock.now * 1000), replace(limits, free=1000, cost=0))
    with pytest.raises(FactorDisabled):
        world.gate.verify(half, world.device.wrong(world.clock.now))
    for step in (world.gate.allow_challenge, lambda login: world.other.recover(login, world.codes[0])):
        with pytest.raises(HalfLoginEnded):
            step(half)
    assert world.gate.recover(later, world.codes[0])[0].passed


def test_a_login_that_has_just_ended_asks_for_no_code(world: World) -> None:
    """However short a while ago this process asked the store."""
    login = world.log_in()
    assert world.gate.require_login(login) == login
    world.mfa.end_sessions(user_id="42", by="root")
    with pytest.raises(SessionEnded):
        world.gate.allow_challenge(login)


def test_a_login_that_has_to_set_up_is_no_login_where_that_is_optional_by_now() -> None:
    world = World("required")
    world.mfa.reset(user_id="42", by="root")
    set_up = world.gate.begin("42", "alice@example.com").login
    optional = Gate(world.mfa, clock=world.clock)
    for require in (optional.require_login, optional.require_mfa, optional.require_fresh, optional.require_fresh_mfa):
        with pytest.raises(SecondFactorRequired) as early:
            require(set_up)
        assert early.value.next_page == "set-up"


def test_new_codes_end_the_other_logins_where_that_is_asked(world: World) -> None:
    other, login = world.log_in(), world.log_in()
    login, codes = world.gate.new_codes(login)
    assert world.other.require_fresh(other) == other and login.unsaved_codes and len(codes) == 10
    login, _ = world.gate.new_codes(login, end_sessions=True)
    assert world.other.require_fresh(login) == login
    with pytest.raises(SessionEnded):
        world.other.require_fresh(other)


def test_a_page_that_asks_before_a_factor_is_removed_knows_which_and_whether() -> None:
    world = World("required")
    login = world.log_in()
    with pytest.raises(LastFactor):
        world.gate.removable_factor(login, world.factor_id)
    with pytest.raises(NotEnrolled):
        world.gate.removable_factor(login, "f" * 32)
    login = world.gate.enroll(login, "Tablet")
    second = login.pending_factor
    with pytest.raises(NotEnrolled):
        world.gate.removable_factor(login, second)  # it is not active yet
    with pytest.raises(LastFactor):
        world.gate.removable_factor(login, world.factor_id)
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    login = world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now))
    for factor in world.mfa.status(user_id="42").factors:
        assert world.gate.removable_factor(login, factor.factor_id) == factor
    assert Gate(world.mfa, clock=world.clock).removable_factor(login, second).factor_id == second


def test_a_trusted_device_has_its_name_and_is_forgotten(world: World) -> None:
    login = world.log_in()
    world.gate.trust_device(login, " Firefox  on Linux ")
    (device,) = world.mfa.trusted_devices(user_id="42")
    assert device.name == "Firefox on Linux"
    assert world.gate.forget_devices(login, "f" * 32) == 0
    assert world.gate.forget_devices(login, device.series) == 1
    world.gate.trust_device(login, "Chrome")
    assert world.gate.forget_devices(login) == 1 and not world.mfa.trusted_devices(user_id="42")


def test_a_set_up_stands_where_no_recovery_codes_can_be_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any, **more: Any) -> None:
        raise StoreUnavailable("away")

    login = world.log_in()
    monkeypatch.setattr(MFA, "regenerate_recovery_codes", away)
    after, codes = world.gate.first_codes(login)
    assert after == login and tuple(codes) == ()


def test_a_device_has_the_name_that_it_was_given(world: World) -> None:
    login = world.gate.enroll(world.log_in(), "  My\tphone ")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now))
    assert [factor.name for factor in world.mfa.status(user_id="42").factors] == ["Phone", "My phone"]


def test_two_codes_in_a_row_go_on_where_single_ones_are_delayed(world: World) -> None:
    half = world.gate.begin("42", "alice@example.com").login
    for _ in range(world.mfa.policy.limits().free + 1):
        with pytest.raises(InvalidCode):
            world.gate.verify_typed(half, world.device.wrong(world.clock.now), " ")
    with pytest.raises(Throttled):
        world.gate.verify_typed(half, world.device.at(world.clock.now), " ")
    codes = world.device.at(world.clock.now - 30), world.device.at(world.clock.now)
    for wrong in ((codes[1], codes[0]), (codes[0], world.device.wrong(world.clock.now))):
        with pytest.raises(InvalidCode):
            world.gate.verify_typed(half, *wrong)
    login, _ = world.gate.verify_typed(half, *codes)
    assert login.passed and world.gate.require_fresh_mfa(login) == login
    assert login.epoch == world.mfa.epoch(user_id="42")
    world.clock.now += 30
    assert world.gate.verify_typed(half, world.device.at(world.clock.now))[0].passed  # one is enough again


@pytest.mark.parametrize("how", ["verify", "unlock", "recover"])
def test_a_half_login_ends_by_whatever_step_finds_the_user_locked(world: World, how: str) -> None:
    half = world.gate.begin("42", "alice@example.com").login
    limits = replace(world.mfa.policy.limits(), free=1000, cost=0)
    for method in ("otp", "recovery"):
        for _ in range(limits.disable_at):
            world.store.reserve(Owner("", "42"), method, int(world.clock.now * 1000), limits)  # type: ignore[arg-type]
    code, following = world.device.at(world.clock.now), world.device.at(world.clock.now + 30)
    codes = {"verify": [code], "unlock": [code, following], "recover": [world.codes[0]]}
    with pytest.raises(FactorDisabled):
        getattr(world.gate, how)(half, *codes[how])
    for gate in (world.gate, world.other):
        with pytest.raises(HalfLoginEnded):
            gate.allow_challenge(half)


def test_a_trusted_device_opens_no_login_whose_factor_is_locked(world: World) -> None:
    device = world.gate.trust_device(world.log_in(), "Firefox on Linux")
    assert device is not None
    limits = replace(world.mfa.policy.limits(), free=1000, cost=0)
    for _ in range(limits.disable_at):
        world.store.reserve(Owner("", "42"), "otp", int(world.clock.now * 1000), limits)
    step = world.gate.begin("42", "alice@example.com", device_token=device.token)
    assert (step.next_page, step.login.stage, step.device) == ("recover", "half", None)


def test_the_cookies_of_trusted_devices_are_told_apart_by_user_application_and_tenant(world: World) -> None:
    elsewhere = MFA(MemoryStore(), issuer="Other", keyring=Keyring.generate(), clock=world.clock)
    gates = (world.gate, Gate(elsewhere), world.gate.for_tenant("north"))
    names = [gate.device_cookie(user_id, host=host) for gate in gates for user_id in (42, 43) for host in (False, True)]
    assert len(set(names)) == 12
    assert world.gate.device_cookie(42) == world.gate.device_cookie(42, host=False)
    assert world.gate.device_cookie(42) == world.gate.device_cookie("42") == world.other.device_cookie("42")


def test_gates_that_live_for_one_request_share_what_they_know(world: World) -> None:
    login = world.log_in()
    shared = EpochCache()
    asked = world.store.asked
    for _ in range(3):
        Gate(world.mfa, clock=world.clock, epochs=shared).require_login(login)
    assert world.store.asked == asked + 1


def test_a_copied_set_up_dies_when_it_is_cancelled() -> None:
    world = World("required")
    world.mfa.reset(user_id="42", by="root")
    set_up = world.gate.enroll(world.gate.begin("42", "alice@example.com").login, "a thief's")
    enrollment = world.gate.pending_enrollment(set_up)
    assert enrollment is not None
    world.gate.cancel(set_up)
    code = Device(enrollment.uri).at(world.clock.now)
    for step in (
        world.gate.allow_set_up,
        world.gate.pending_enrollment,
        lambda login: world.gate.enroll(login, ""),
        lambda login: world.gate.confirm(login, code),
    ):
        with pytest.raises(HalfLoginEnded):
            step(set_up)
    assert not world.mfa.status(user_id="42").enrolled


def test_a_login_that_is_done_is_not_cancelled(world: World) -> None:
    login = world.log_in()
    world.gate.cancel(login)
    world.gate.cancel(None)
    assert not world.mfa.half_login_has_ended(user_id="42", login_id=login.nonce)
    assert world.gate.require_fresh(login) == world.gate.allow_challenge(login) == login


def test_a_store_that_is_away_keeps_nobody_from_logging_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any) -> None:
        raise StoreUnavailable("away")

    half = world.gate.begin("42", "alice@example.com").login
    monkeypatch.setattr(world.store, "end_half_login", away)
    world.gate.cancel(half)
