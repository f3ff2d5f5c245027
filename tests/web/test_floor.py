"""The floor below the frameworks: what a session holds, where a URL leads, what a page says."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from mfa.authenticator import Clock, Device

from ferrotp.mfa import MFA, EnrollmentExpired, FactorDisabled, InvalidCode, NotEnrolled, Policy, Throttled
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import (
    ENGLISH,
    Gate,
    LastFactor,
    Login,
    LoginRequired,
    NotFresh,
    Notice,
    Notifier,
    SecondFactorRequired,
    SetupError,
    Texts,
    check_secret_key,
    device_name,
    open_mfa,
    safe_next,
)
from ferrotp.web.gate import tidy_name
from ferrotp.web.pages import codes_file, posted_codes, set_up_page
from ferrotp.web.problems import problem_of


class World:
    """A gate, its clock, and a user."""

    def __init__(self, mode: str = "optional", trusted_device_days: int = 0) -> None:
        self.clock = Clock()
        policy = replace(Policy.cheap_for_tests(), trusted_device_days=trusted_device_days)
        self.notices: list[Notice] = []
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=policy,
            clock=self.clock,
            on_event=Notifier(self.notices.append, issuer="ACME"),
        )
        self.gate = Gate(self.mfa, mode=mode, clock=self.clock)  # type: ignore[arg-type]

    def begin(self, **more: object) -> Login:
        return self.gate.begin("42", "alice@example.com", **more).login  # type: ignore[arg-type]

    def enrolled(self) -> tuple[Login, Device]:
        """A user with a device, a minute after it was set up."""
        login = self.gate.enroll(self.begin(), "Phone")
        enrollment = self.gate.pending_enrollment(login)
        assert enrollment is not None
        device = Device(enrollment.uri)
        login, codes = self.gate.first_codes(self.gate.confirm(login, device.at(self.clock.now)))
        assert len(codes) == 10
        self.clock.now += 60
        return login, device


@pytest.fixture
def world() -> World:
    return World()


# Login: a dictionary in, a dictionary out


def test_a_login_survives_its_session(world: World) -> None:
    login = world.begin(next_url="/inside?a=b")
    assert world.gate.load(json.loads(json.dumps(login.dump()))) == login
    assert login.next == "/inside?a=b"
    for remember in (True, False, None):
        assert world.begin(remember=remember).remember is remember


def test_a_half_login_dies_after_ten_minutes(world: World) -> None:
    world.enrolled()
    data = world.begin().dump()
    world.clock.now += 599
    assert world.gate.load(data) is not None
    world.clock.now += 1
    assert world.gate.load(data) is None


def test_a_half_login_from_the_future_is_none(world: World) -> None:
    world.enrolled()
    data = world.begin().dump()
    world.clock.now -= 3600
    assert world.gate.load(data) is None


def test_a_set_up_that_is_required_dies_after_ten_minutes_too() -> None:
    world = World("required")
    data = world.begin().dump()
    world.clock.now += 600
    assert world.gate.load(data) is None


@pytest.mark.parametrize("change", [{"stage": "done"}, {"passed": 1}, {"since": "0"}, {"user_id": ""}, {"more": 1}])
def test_what_is_no_login_is_none(world: World, change: dict[str, object]) -> None:
    data = world.begin().dump()
    assert world.gate.load({**data, **change}) is None
    assert world.gate.load(None) is world.gate.load([]) is world.gate.load({}) is world.gate.load("half") is None


def test_nothing_of_the_old_session_ties_it_to_the_new(world: World) -> None:
    _, device = world.enrolled()
    half = world.begin()
    full, _ = world.gate.verify(half, device.at(world.clock.now))
    assert full.nonce != half.nonce and full.passed and full.stage == "full"
    assert world.begin().nonce != world.begin().nonce


def test_no_secret_and_no_code_gets_into_a_session(world: World) -> None:
    login = world.gate.enroll(world.begin(), "Phone")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    confirmed, codes = world.gate.first_codes(world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now)))
    for data in (login.dump(), confirmed.dump()):
        text = json.dumps(data)
        assert enrollment.secret not in text
        assert not any(code in text for code in codes)


# Gate: no step out of turn


def requirements(gate: Gate) -> tuple[Callable[[Login | None], Login], ...]:
    return gate.require_login, gate.require_mfa, gate.require_fresh, gate.require_fresh_mfa


def test_a_half_login_is_not_inside(world: World) -> None:
    world.enrolled()
    half = world.begin()
    for step in (*requirements(world.gate), world.gate.allow_set_up):
        with pytest.raises(SecondFactorRequired) as raised:
            step(half)
        assert raised.value.next_page == "challenge"
    with pytest.raises(SecondFactorRequired):
        world.gate.enroll(half, "Mine")
    with pytest.raises(SecondFactorRequired):
        world.gate.forget_devices(half)


def test_a_replayed_half_login_leads_to_the_challenge_alone(world: World) -> None:
    _, device = world.enrolled()
    half = world.begin()
    code = device.at(world.clock.now)
    world.gate.verify(half, code)
    with pytest.raises(InvalidCode):
        world.gate.verify(half, code)
    with pytest.raises(SecondFactorRequired):
        world.gate.require_mfa(half)


def test_nobody_is_let_in_without_a_login(world: World) -> None:
    for step in (*requirements(world.gate), world.gate.allow_set_up, world.gate.allow_challenge):
        with pytest.raises(LoginRequired):
            step(None)


def test_a_user_who_must_set_up_can_do_nothing_else() -> None:
    world = World("required")
    login = world.begin()
    assert login.stage == "set-up"
    for step in (*requirements(world.gate), world.gate.allow_challenge):
        with pytest.raises(SecondFactorRequired) as raised:
            step(login)
        assert raised.value.next_page == "set-up"


def test_a_required_set_up_is_no_way_around_a_factor_that_came_meanwhile() -> None:
    world = World("required")
    early, late = world.begin(), world.gate.enroll(world.begin(), "")
    enrollment = world.gate.pending_enrollment(late)
    assert enrollment is not None
    waiting = world.gate.enroll(early, "")
    world.gate.confirm(late, Device(enrollment.uri).at(world.clock.now))
    with pytest.raises(LoginRequired):
        world.gate.enroll(early, "")
    with pytest.raises(LoginRequired):
        world.gate.confirm(waiting, "000000")


def test_changes_ask_for_fresh_authentication(world: World) -> None:
    login, device = world.enrolled()
    factor_id = world.mfa.status(user_id="42").factors[0].factor_id
    world.clock.now += 600
    for change in (
        lambda: world.gate.enroll(login, ""),
        lambda: world.gate.new_codes(login),
        lambda: world.gate.remove(login, factor_id),
        lambda: world.gate.removable_factor(login, factor_id),
    ):
        with pytest.raises(NotFresh):
            change()
    login, _ = world.gate.verify(login, device.at(world.clock.now))
    world.gate.remove(login, factor_id)


def test_a_login_by_the_password_alone_ends_where_a_factor_is_set_up(world: World) -> None:
    before = world.begin()  # another browser, maybe a thief's
    assert world.gate.require_login(before) == before
    _, device = world.enrolled()
    for step in (*requirements(world.gate), world.gate.allow_set_up):
        with pytest.raises(SecondFactorRequired) as raised:
            step(before)
        assert raised.value.next_page == "challenge"
    after, _ = world.gate.verify(before, device.at(world.clock.now))
    assert world.gate.require_fresh(after) == after


def test_a_device_of_another_user_cannot_be_removed(world: World) -> None:
    login, _ = world.enrolled()
    factor_id = world.mfa.status(user_id="42").factors[0].factor_id
    other = world.gate.begin("43", "eve@example.com").login
    with pytest.raises(NotEnrolled):
        world.gate.remove(other, factor_id)
    pending = world.gate.enroll(login, "").pending_factor
    with pytest.raises(EnrollmentExpired):
        world.gate.confirm(replace(other, pending_factor=pending), "000000")
    assert world.gate.pending_enrollment(replace(other, pending_factor=pending)) is None


def test_the_last_factor_stays_where_one_is_required() -> None:
    world = World("required")
    login, _ = world.enrolled()
    with pytest.raises(LastFactor):
        world.gate.remove(login, world.mfa.status(user_id="42").factors[0].factor_id)


def test_a_trusted_device_passes_and_is_not_fresh() -> None:
    world = World(trusted_device_days=30)
    _, device = world.enrolled()
    login, _ = world.gate.verify(world.begin(), device.at(world.clock.now))
    token = world.gate.trust_device(login, "Firefox on Linux")
    assert token is not None
    step = world.gate.begin("42", "alice", device_token=token.token)
    assert step.next_page == "done" and step.device is not None and step.device.token != token.token
    world.gate.require_mfa(step.login)
    with pytest.raises(NotFresh):
        world.gate.require_fresh(step.login)
    # A copy of the old token: theft, and nothing is trusted any more.
    world.clock.now += 61
    assert world.gate.begin("42", "alice", device_token=token.token).next_page == "challenge"
    assert world.gate.begin("42", "alice", device_token=step.device.token).next_page == "challenge"


def test_a_login_that_the_application_made_by_itself_is_not_fresh(world: World) -> None:
    login = world.gate.adopt("42", "alice@example.com").login
    assert world.gate.require_login(login) == login
    with pytest.raises(NotFresh) as raised:
        world.gate.require_fresh(login)
    assert raised.value.next_page == "password"
    now = int(world.clock.now)
    assert world.gate.is_fresh(world.gate.adopt("42", "alice", proved_at=now).login)
    assert not world.gate.is_fresh(world.gate.adopt("42", "alice", proved_at=now - 600).login)


def test_a_login_that_the_application_made_by_itself_binds_no_device_where_one_is_required() -> None:
    world = World("required")
    with pytest.raises(LoginRequired):
        world.gate.adopt("42", "alice@example.com")
    assert world.gate.adopt("42", "alice@example.com", proved_at=int(world.clock.now)).next_page == "set-up"


def test_a_login_that_the_application_made_by_itself_is_asked_for_a_code(world: World) -> None:
    world.enrolled()
    step = world.gate.adopt("42", "alice@example.com", proved_at=int(world.clock.now))
    assert (step.next_page, step.login.stage, step.login.passed) == ("challenge", "half", False)


def test_a_trusted_device_proves_nothing_anew() -> None:
    world = World(trusted_device_days=30)
    _, device = world.enrolled()
    token = world.gate.trust_device(world.gate.verify(world.begin(), device.at(world.clock.now))[0], "")
    assert token is not None
    step = world.gate.adopt("42", "alice", proved_at=int(world.clock.now), device_token=token.token)
    assert step.login.passed and not world.gate.is_fresh(step.login)


def test_what_is_no_device_of_the_user_does_not_reach_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    login, _ = world.enrolled()
    asked: list[str | None] = []
    monkeypatch.setattr(world.mfa, "forget_devices", lambda *, user_id, series=None: asked.append(series) or 1)
    for series in ("", "x" * 32, "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", "' OR 1=1", "*"):
        assert world.gate.forget_devices(login, series) == 0
    assert asked == []
    assert world.gate.forget_devices(login, "a" * 32) == world.gate.forget_devices(login) == 1
    assert asked == ["a" * 32, None]


def test_without_a_factor_a_second_factor_is_missing_and_the_password_is_fresh(world: World) -> None:
    login = world.begin()
    assert world.gate.require_fresh(login) == login
    for requirement in (world.gate.require_mfa, world.gate.require_fresh_mfa):
        with pytest.raises(SecondFactorRequired) as raised:
            requirement(login)
        assert raised.value.next_page == "set-up"


def test_a_fresh_second_factor_is_both(world: World) -> None:
    login, device = world.enrolled()
    assert world.gate.require_fresh_mfa(login) == login
    world.clock.now += 600
    assert world.gate.require_mfa(login) == login
    with pytest.raises(NotFresh) as raised:
        world.gate.require_fresh_mfa(login)
    assert raised.value.next_page == "challenge"
    login, _ = world.gate.verify(login, device.at(world.clock.now))
    assert world.gate.require_fresh_mfa(login) == login


def test_a_device_is_not_trusted_by_the_password_or_where_the_policy_has_none() -> None:
    world = World(trusted_device_days=30)
    assert world.gate.trust_device(world.begin(), "") is None  # fresh, and no code
    login, _ = World().enrolled()
    assert World().gate.trust_device(login, "") is None


def test_a_set_up_ends_with_its_code_and_asks_whether_the_codes_are_saved(world: World) -> None:
    login = world.gate.enroll(world.begin(next_url="/inside"), "Phone")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    confirmed = world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now))
    assert world.mfa.status(user_id="42").recovery_codes == 0  # nobody has seen any
    confirmed, _ = world.gate.first_codes(confirmed)
    assert (confirmed.pending_factor, confirmed.unsaved_codes, confirmed.passed) == ("", True, True)
    with pytest.raises(EnrollmentExpired):
        world.gate.confirm(confirmed, "000000")
    world.clock.now += 60
    again = world.gate.enroll(replace(confirmed, unsaved_codes=False), "Tablet")
    enrollment = world.gate.pending_enrollment(again)
    assert enrollment is not None
    second, codes = world.gate.first_codes(world.gate.confirm(again, Device(enrollment.uri).at(world.clock.now)))
    assert not codes and not second.unsaved_codes
    assert world.gate.new_codes(second)[0].unsaved_codes


def test_an_enrollment_that_has_expired_is_not_shown(world: World) -> None:
    login = world.gate.enroll(world.begin(), "Phone")
    world.clock.now += 599
    assert world.gate.pending_enrollment(login) is not None
    world.clock.now += 1
    login = replace(login, fresh_at=int(world.clock.now))
    world.clock.now += world.mfa.policy.enrollment_lifetime
    assert world.gate.pending_enrollment(replace(login, fresh_at=int(world.clock.now))) is None


def test_a_user_whose_factors_are_switched_off_is_asked_for_a_recovery_code() -> None:
    world = World(trusted_device_days=30)
    _, device = world.enrolled()
    half = world.begin()
    full, _ = world.gate.verify(half, device.at(world.clock.now))
    trusted = world.gate.trust_device(full, "Firefox on Linux")
    assert trusted is not None
    for _ in range(200):
        try:
            world.gate.verify(half, device.wrong(world.clock.now))
        except InvalidCode as error:
            world.clock.now = max(world.clock.now, error.retry_at.timestamp() if error.retry_at else 0)
        except Throttled as error:
            world.clock.now = error.retry_at.timestamp()
        except FactorDisabled:
            break
    step = world.gate.begin("42", "alice", device_token=trusted.token)
    assert step.next_page == "recover" and step.login.stage == "half"
    with pytest.raises(NotFresh) as raised:
        world.gate.require_fresh(full)
    assert raised.value.next_page == "recover"


def test_the_last_device_goes_where_none_is_required_and_one_of_two_where_one_is() -> None:
    world = World()
    login, _ = world.enrolled()
    factor_id = world.mfa.status(user_id="42").factors[0].factor_id
    assert world.gate.removable_factor(login, factor_id).factor_id == factor_id
    world = World("required")
    login, _ = world.enrolled()
    login = world.gate.enroll(replace(login, fresh_at=int(world.clock.now)), "Tablet")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    login = world.gate.confirm(login, Device(enrollment.uri).at(world.clock.now))
    world.gate.remove(login, world.mfa.status(user_id="42").factors[0].factor_id)
    assert len(world.mfa.status(user_id="42").factors) == 1


def test_a_name_is_printable_trimmed_and_short() -> None:
    assert tidy_name("  My\n  phone\x00\u200e ") == "My phone"
    assert tidy_name("x" * 100) == "x" * 60 and tidy_name("x" * 59 + " y") == "x" * 59
    world = World()
    assert world.gate.begin("42", " \n").login.account_name == "42"
    assert world.gate.begin("42", " alice@example.com").login.account_name == "alice@example.com"


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="mode"):
        World("Required")


def test_a_device_is_trusted_only_right_after_a_code() -> None:
    world = World(trusted_device_days=30)
    login, _ = world.enrolled()
    world.clock.now += 60
    assert world.gate.trust_device(login, "") is None


@pytest.mark.parametrize("user_agent", ["", "<script>", "x" * 100_000, "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"])
def test_a_device_is_called_by_known_words_alone(user_agent: str) -> None:
    assert device_name(user_agent) in ("", "Firefox, Linux")


# Next


@pytest.mark.parametrize("url", ["/", "/inside", "/a/b?c=d&e=/f#g", "/ä", "/a?next=https://example.com"])
def test_a_path_on_this_site_is_followed(url: str) -> None:
    assert safe_next(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", None, 1, "inside", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "https://evil.example", "https:/evil.example", "javascript:alert(1)", "/\t/evil.example", "\t//evil.example",
        "/\n/evil.example", "/a\r\nSet-Cookie: a=b", "/..//evil.example", "/./\\evil.example", "/a//evil.example",
        "/.//evil.example", " /inside", "/\x00", "/" + "a" * 2001, "/\u0085/evil.example", "data:text/html,a",
    ],
)  # fmt: skip
def test_what_leads_off_the_site_is_not(url: object) -> None:
    assert safe_next(url, "/home") == "/home"


# Words


def test_a_delay_is_said_in_words() -> None:
    texts = Texts()

    def after(seconds: float) -> str:
        return texts.until(datetime.fromtimestamp(1000 + seconds, timezone.utc), 1000)

    assert [after(seconds) for seconds in (0, 0.2, 1, 29.5, 59, 60, 61, 119, 120, 3599, 3600, 90_000, 200_000)] == [
        "in one second", "in one second", "in one second", "in 30 seconds", "in 59 seconds", "in one minute",
        "in 2 minutes", "in 2 minutes", "in 2 minutes", "in one hour", "in one hour", "in 25 hours", "in 3 days",
    ]  # fmt: skip
    error = problem_of(Throttled(datetime.fromtimestamp(1119.5, timezone.utc)), texts, 1000)
    assert (error.status, error.retry_after) == (429, 120)
    assert error.message == "Too many wrong codes. Try again in 2 minutes."


def test_values_stay_as_they_are() -> None:
    assert Texts()("settings.removed", name="{x} <b>") == "“{x} <b>” is removed."


def test_every_kind_of_notice_has_its_text(world: World) -> None:
    from ferrotp.mfa.events import NOTIFY

    # A reminder says that nothing has happened, and is a whole mail of its own.
    assert {"notice." + kind.replace(" ", "-") for kind in NOTIFY - {"reminded"}} <= ENGLISH.keys()
    assert {"notice.reminder.subject", "notice.reminder.body"} <= ENGLISH.keys()
    login, _ = world.enrolled()
    world.gate.new_codes(login)
    assert [notice.event.kind for notice in world.notices] == [
        "enrollment confirmed", "recovery codes replaced", "recovery codes replaced",
    ]  # fmt: skip
    assert world.notices[0].subject == "ACME: your two-step login was changed"
    assert "added to your account" in world.notices[0].body


# Pages


def test_the_picture_is_described_and_the_secret_is_not_in_its_description(world: World) -> None:
    login = world.gate.enroll(world.begin(), "")
    enrollment = world.gate.pending_enrollment(login)
    page = set_up_page(world.gate, login, Texts(), enrollment)
    assert enrollment is not None and enrollment.secret not in page.qr
    assert "QR code for your authenticator app" in page.qr and "style" not in page.qr
    assert page.key == enrollment.grouped_secret
    for secret in (enrollment.secret, page.key, page.key.partition(" ")[0], page.uri, page.qr):
        assert secret not in repr(page)


def test_a_form_gives_back_codes_and_nothing_else() -> None:
    assert posted_codes(["ABCD-EFGH-JKMN-PQRS", "<b>", "a b", "A" * 100, "AB\r\nCD"]) == ("ABCD-EFGH-JKMN-PQRS",)
    assert len(posted_codes(["ABCD-EFGH"] * 100)) == 20
    text = codes_file(["ABCD-EFGH"], Texts(), issuer="AC\nME", account="alice")
    assert text.splitlines()[0] == "AC ME: recovery codes of alice" and "ABCD-EFGH" in text


# Set-up


KEYS = Keyring.generate().export()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"issuer": "ACME", "keys": KEYS}, "FERROTP_STORE is not set"),
        ({"store": "sqlite://", "keys": KEYS}, "FERROTP_ISSUER is not set"),
        ({"store": "sqlite://", "issuer": "ACME"}, "FERROTP_KEYS holds no usable key"),
        ({"store": "sqlite://", "issuer": "ACME", "keys": "c2hvcnQ"}, "FERROTP_KEYS holds no usable key"),
        ({"store": "mysql://", "issuer": "ACME", "keys": KEYS}, "FERROTP_STORE cannot be used"),
        ({"store": "sqlite:////not/there/mfa.db", "issuer": "ACME", "keys": KEYS}, "FERROTP_STORE cannot be used"),
    ],
)
def test_a_bad_set_up_is_refused_in_one_sentence(
    settings: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERROTP_KEYS", raising=False)
    with pytest.raises(SetupError) as raised:
        open_mfa(**{"store": None, "issuer": None, **settings})  # type: ignore[arg-type]
    assert str(raised.value).startswith(sentence) and "\n" not in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__
    assert settings.get("keys", "-none-") not in str(raised.value)


@pytest.mark.parametrize(
    "key", [None, "", b"", "dev", "secret", "changeme-changeme", "a" * 64, "your-secret-key-here", 1]
)
def test_a_secret_key_that_can_be_guessed_is_refused(key: object) -> None:
    with pytest.raises(SetupError, match="SECRET_KEY"):
        check_secret_key(key)


def test_a_random_secret_key_is_taken() -> None:
    check_secret_key("kX3v9Qm2Zs8LrT5wYbN7cHd4")
    check_secret_key(bytes(range(7, 39)))
