"""What `ferrotp.django.auth` leaves in a session, and takes out of it: each test is a promise that a small change of
the code would break."""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, login
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import reverse

from ferrotp.django import auth
from ferrotp.django.middleware import RequestMFA
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import Event, MFAError
from ferrotp.web import Login, LoginRequired, NotFresh, SecondFactorRequired, SessionEnded
from ferrotp.web.login import LOGIN_KEY, LOST_FORM_KEY

from .conftest import Person
from .test_auth import DEVICE, half_login, visit
from .test_login import MODEL, OTHER, where
from .test_login_edges import HASHERS


def logged_in(client: MFAClient, person: Person) -> Any:
    """A later request of somebody who has logged in, with both factors if there are two."""
    if person.codes:
        person.log_in(client)
    else:
        person.password(client)
    return next_visit(client.session, person)


def next_visit(session: Any, person: Person) -> Any:
    """A request as the middleware hands it on to a view."""
    request = visit(session=session, user=person.user)
    request.mfa = RequestMFA(request)
    request.mfa.in_view = True
    request.mfa.login = auth.load(request)
    request.mfa.impersonation = session.get(auth.IMPERSONATION_KEY)
    return request


# Logins that passed elsewhere


def test_who_passed_elsewhere_has_a_login_that_ends_with_the_password_and_proves_nothing_else(
    alice: Person, events: list[Event]
) -> None:
    request = next_visit(visit().session, alice)
    login(request, alice.user, backend=MODEL)
    assert auth.PROVED_AT_KEY in request.session
    auth.login_has_passed(request, by="sso")
    assert auth.PROVED_AT_KEY not in request.session and request.mfa.vouched is True
    kept = auth.load(request)
    assert kept is not None and kept.passed and kept.is_fresh(alice.clock.now, 1)
    assert (kept.user_id, kept.account_name, kept.backend) == (alice.user_id, alice.name, MODEL)
    assert kept.bound == auth.binding(request.session[HASH_SESSION_KEY])
    assert (events[-1].kind, events[-1].user_id, events[-1].detail) == (
        "passed elsewhere",
        alice.user_id,
        {"by": "sso"},
    )
    # A request that has not gone through the middleware, in a view of a test or of a command.
    del request.mfa
    auth.login_has_passed(request, by="sso")
    assert auth.has_passed(request)


def test_a_login_view_may_say_that_the_second_factor_was_passed_elsewhere(alice: Person, events: list[Event]) -> None:
    step, path = auth.begin_step(visit(), alice.user, passed_by="sso", next_url="/vault", remember=True)
    assert (step.next_page, path, step.login.passed) == ("done", MODEL, True)
    assert (step.login.user_id, step.login.account_name) == (alice.user_id, alice.name)
    assert (step.login.next, step.login.remember) == ("/vault", True)
    assert events[-1].detail == {"by": "sso"}


def test_a_first_step_leads_where_the_request_says_and_to_the_challenge(
    alice: Person, person: Callable[..., Person]
) -> None:
    request = RequestFactory().post("/own-login", {"next": "/vault"})
    step, _ = auth.begin_step(request, alice.user)
    assert (step.next_page, step.login.next, step.login.account_name) == ("challenge", "/vault", alice.name)
    step, _ = auth.begin_step(request, person().user)
    assert (step.next_page, step.login.next, step.login.passed) == ("done", "/vault", False)


@pytest.fixture
def by_single_sign_on(ferrotp: Callable[..., None]) -> Iterator[None]:
    """A site of two backends, of which one asks for a second factor itself."""
    ferrotp(EXEMPT_BACKENDS=[OTHER])
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL, OTHER]):
        yield


def test_a_backend_that_is_exempt_vouches_for_its_own_session_and_is_as_fresh_as_its_proof(
    alice: Person, person: Callable[..., Person], by_single_sign_on: None, events: list[Event]
) -> None:
    request = visit()
    login(request, alice.user, backend=OTHER)
    for proved_at, fresh_at in ((1_800_000_000, 1_800_000_000), (None, 0)):
        if proved_at is not None:
            request.session[auth.PROVED_AT_KEY] = proved_at
        step = auth.adopt_login(request, alice.user)
        assert (step.login.passed, step.login.fresh_at, step.login.backend) == (True, fresh_at, OTHER)
        assert (step.login.user_id, step.login.account_name) == (alice.user_id, alice.name)
        assert step.login == auth.load(request)
        assert events[-1].detail == {"by": OTHER}
    # Somebody whom a token names is not vouched for by the session of another.
    bob = person().enroll()
    request.user = bob.user
    step = auth.adopt_login(request, bob.user)
    assert (step.next_page, step.login.user_id, step.login.passed) == ("challenge", bob.user_id, False)
    # Nor by a session of the other backend.
    other = visit()
    login(other, alice.user, backend=MODEL)
    assert auth.adopt_login(other, alice.user).next_page == "challenge"


def test_a_login_view_asks_nothing_of_a_user_whom_an_exempt_backend_knew(
    alice: Person, by_single_sign_on: None, events: list[Event]
) -> None:
    step, _ = auth.begin_step(visit(), alice.user, backend=OTHER)
    assert (step.next_page, step.login.passed) == ("done", True) and events[-1].detail == {"by": OTHER}
    assert auth.begin_step(visit(), alice.user, backend=MODEL)[0].next_page == "challenge"


def test_a_proof_is_used_up_where_it_was_too_long_ago(person: Callable[..., Person], ferrotp: Any) -> None:
    ferrotp(REQUIRED="all")
    bob = person()
    request = visit()
    login(request, bob.user, backend=MODEL)
    for proved_at in (int(bob.clock.now) - 601, None):
        if proved_at is not None:
            request.session[auth.PROVED_AT_KEY] = proved_at
        with pytest.raises(LoginRequired):
            auth.adopt_login(request, bob.user)
        assert auth.PROVED_AT_KEY not in request.session


def test_an_adopted_login_is_as_strict_as_the_policy_is_with_its_user(
    person: Callable[..., Person], ferrotp: Any
) -> None:
    ferrotp(REQUIRED=[{"who": "in_django.test_login.is_named_z"}])
    for name, page in (("z", "set-up"), ("a", "done")):
        bob = person(last_name=name)
        request = visit()
        login(request, bob.user, backend=MODEL)
        request.session[auth.PROVED_AT_KEY] = int(bob.clock.now)
        assert auth.adopt_login(request, bob.user).next_page == page


# Impersonation


def come_in(client: MFAClient, boss: Person, user: Person) -> tuple[Any, Login | None]:
    """A request in which Django has just logged somebody in as another user, and the login of before."""
    request = logged_in(client, boss)
    before = request.mfa.login
    login(request, user.user, backend=MODEL)
    assert request.session[auth.PROVED_AT_KEY] == int(boss.clock.now)
    return request, before


@pytest.mark.parametrize("enrolled", [False, True])
def test_who_comes_in_as_another_user_has_proved_nothing_for_that_one(
    client: MFAClient, person: Callable[..., Person], events: list[Event], enrolled: bool
) -> None:
    boss, victim = person(), person().enroll()
    if enrolled:
        boss.enroll()
    request, before = come_in(client, boss, victim)
    assert before is not None and before.passed is enrolled
    auth.begin_impersonation(request, by="desk")
    assert auth.PROVED_AT_KEY not in request.session
    assert request.session[auth.IMPERSONATION_KEY] == {
        "user_id": victim.user_id,
        "login": before.dump(),
        "before": None,
    }
    assert auth.is_impersonated(request)
    kept = auth.load(request)
    assert kept is not None
    assert (kept.user_id, kept.account_name, kept.backend) == (victim.user_id, victim.name, MODEL)
    assert (kept.passed, kept.fresh_at) == (enrolled, 0)
    assert kept.bound == auth.binding(request.session[HASH_SESSION_KEY])
    told = {"by": "desk", "impersonator": boss.user_id}
    assert (events[-1].kind, events[-1].user_id, events[-1].detail) == ("impersonated", victim.user_id, told)
    # The record is of this user: a session that has gone on to another one is nobody's impersonation.
    request.session[SESSION_KEY] = boss.user_id
    assert not auth.is_impersonated(request)
    del request.session[auth.IMPERSONATION_KEY]
    assert not auth.is_impersonated(request)


def test_who_had_no_login_that_was_done_brings_none_along(client: MFAClient, person: Callable[..., Person]) -> None:
    boss, victim = person(), person().enroll()
    request, _ = come_in(client, boss, victim)
    request.mfa.login, request.mfa.impersonation = None, {"user_id": "7"}
    del request.session[auth.PROVED_AT_KEY]
    auth.begin_impersonation(request, by="desk")
    record = {"user_id": victim.user_id, "login": None, "before": {"user_id": "7"}}
    assert request.session[auth.IMPERSONATION_KEY] == record
    assert LOGIN_KEY not in request.session


def go_back(request: Any, boss: Person, victim: Person) -> Any:
    """The request in which Django has just logged the one who came in back in."""
    back = next_visit(request.session, victim)
    login(back, User.objects.get(pk=boss.user.pk), backend=MODEL)
    assert back.session[auth.PROVED_AT_KEY] == int(boss.clock.now)
    return back


def test_who_goes_back_has_the_login_of_before_and_has_proved_nothing_anew(
    client: MFAClient, person: Callable[..., Person]
) -> None:
    boss, victim = person().enroll(), person().enroll()
    request, before = come_in(client, boss, victim)
    auth.begin_impersonation(request, by="desk")
    boss.clock.tick(300)
    back = go_back(request, boss, victim)
    back.session[auth.IMPERSONATION_KEY] = back.mfa.impersonation  # as where a site keeps the session
    auth.end_impersonation(back)
    assert auth.load(back) == before
    assert not {auth.PROVED_AT_KEY, auth.IMPERSONATION_KEY} & {*back.session.keys()}


def test_who_goes_back_from_an_impersonation_in_an_impersonation_is_in_the_first(
    client: MFAClient, person: Callable[..., Person]
) -> None:
    boss, victim = person().enroll(), person().enroll()
    request, _ = come_in(client, boss, victim)
    request.mfa.impersonation = outer = {"user_id": boss.user_id, "login": None, "before": None}
    auth.begin_impersonation(request, by="desk")
    back = go_back(request, boss, victim)
    auth.end_impersonation(back)
    assert back.session[auth.IMPERSONATION_KEY] == outer and auth.is_impersonated(back)


@pytest.mark.parametrize("what", ["no login", "another password", "another user"])
def test_a_login_of_before_that_is_not_good_any_more_is_not_brought_back(
    client: MFAClient, person: Callable[..., Person], what: str
) -> None:
    boss, victim = person().enroll(), person().enroll()
    request, _ = come_in(client, boss, victim)
    if what == "no login":
        request.mfa.login = None
    auth.begin_impersonation(request, by="desk")
    if what == "another password":
        boss.user.set_password("another")
        boss.user.save()
    back = go_back(request, person() if what == "another user" else boss, victim)
    auth.end_impersonation(back)
    assert LOGIN_KEY not in back.session


def test_the_end_of_no_impersonation_leaves_the_login(client: MFAClient, alice: Person) -> None:
    request = logged_in(client, alice)
    before = request.mfa.login
    auth.end_impersonation(request)
    assert auth.load(request) == before is not None


# A code that is posted twice


def posted(request: Any, code: str | None, user: Any = None) -> str | None:
    again = RequestFactory().post("/mfa/challenge", {} if code is None else {"code": code})
    again.session, again.user = request.session, request.user if user is None else user
    return auth.place_after_same_code(again)


def test_the_same_code_leads_to_the_same_place_for_ten_seconds_in_the_session_that_it_let_in(
    client: MFAClient, alice: Person, person: Callable[..., Person], clock: Clock
) -> None:
    request = logged_in(client, alice)
    assert posted(request, "123456") is None
    auth.note_code(request, "123456", "/vault")
    for seconds, place in ((0, "/vault"), (9, "/vault"), (10, None), (-1, None)):
        now = clock.now
        clock.tick(seconds)
        assert posted(request, "123456") == place, seconds
        clock.now = now
    for code in ("654321", "", None):
        assert posted(request, code) is None, code
    assert posted(request, "123456", AnonymousUser()) is None  # held, or out
    assert posted(request, "123456", person().user) is None
    auth.end_login(request)
    assert posted(request, "123456") is None


def test_an_empty_code_is_no_code_even_where_it_was_noted(client: MFAClient, alice: Person) -> None:
    request = logged_in(client, alice)
    auth.note_code(request, "", "/vault")
    assert posted(request, "") is None and posted(request, None) is None


def keyed(purpose: str, value: str, key: str) -> str:
    """A hash that is good for one purpose (Django's `salted_hmac`)."""
    return hmac.digest(hashlib.sha256((purpose + key).encode()).digest(), value.encode(), "sha256").hex()


def test_a_code_and_a_browser_are_hashes_keyed_for_their_own_purpose(alice: Person) -> None:
    """A session may be a cookie that its owner reads, and no hash of one kind is worth anything as another."""
    request = visit()
    request.META["CSRF_COOKIE"] = "a" * 32
    with override_settings(SECRET_KEY="a key"):
        auth.note_code(request, "123456", "/vault")
        assert request.session["_ferrotp_same_code"][0] == keyed("ferrotp.django.code", "123456", "a key")
        assert auth.sign_in_session(request) == keyed("ferrotp.django.sign-in", "a" * 32, "a key")


def test_what_sessions_keep_is_found_after_an_update() -> None:
    """A user who is in another one's account stays known to be there, and the way back is kept."""
    assert auth.IMPERSONATION_KEY == "_ferrotp_impersonation"


# Passwords


def rehashed(person: Person, password: str | None, **more: Any) -> str | None:
    """What is bound to the earlier hash, when Django is about to save a newer one."""
    if password is not None:
        User.objects.filter(pk=person.user.pk).update(password=password)
    user = User.objects.get(pk=person.user.pk)
    if new := more.pop("new", None):
        user._password = new
    with override_settings(PASSWORD_HASHERS=HASHERS):
        auth.note_rehash(instance=user, **{"update_fields": frozenset({"password"}), **more})
    return getattr(user, "_ferrotp_earlier_password", None)


def test_the_same_password_under_a_newer_hash_keeps_what_was_bound_to_the_earlier_one(
    alice: Person, person: Callable[..., Person]
) -> None:
    person()
    weak = PBKDF2PasswordHasher().encode("secret", "salt", iterations=1)
    good = PBKDF2PasswordHasher().encode("secret", "saltsaltsaltsaltsaltsa")
    assert rehashed(alice, None) == alice.user.password  # another algorithm
    assert rehashed(alice, weak) == weak  # more iterations
    assert rehashed(alice, good) is None  # nothing to renew: it is another password
    for password in ("!unusable", "no hash", ""):
        assert rehashed(alice, password) is None


def test_what_is_no_rehash_keeps_nothing(alice: Person) -> None:
    for more in (
        {"raw": True},  # a fixture is loaded
        {"update_fields": None},
        {"update_fields": frozenset({"password", "email"})},
        {"new": "another password"},
    ):
        assert rehashed(alice, None, **more) is None, more
    user = User(username="not saved yet")
    auth.note_rehash(instance=user, update_fields=frozenset({"password"}))
    assert not hasattr(user, "_ferrotp_earlier_password")


def test_a_change_of_ones_own_password_takes_the_login_along_and_nothing_else(client: MFAClient, alice: Person) -> None:
    request = logged_in(client, alice)
    session, before = request.session, request.session[HASH_SESSION_KEY]
    record = {**session[LOGIN_KEY]}
    session[HASH_SESSION_KEY] = "the new hash"
    auth.keep_login(request, before)
    assert session[LOGIN_KEY] == {**record, "bound": auth.binding("the new hash")}
    for kept, changes in (
        (record, {HASH_SESSION_KEY: before}),  # it is the same password
        (record, {HASH_SESSION_KEY: None}),
        ({**record, "user_id": "7"}, {}),
        ({**record, "bound": auth.binding("a third hash")}, {}),
        ({"user_id": alice.user_id}, {}),
        (None, {}),
        ("no login", {}),
    ):
        session.update({LOGIN_KEY: kept, HASH_SESSION_KEY: "the new hash", **changes})
        if session[HASH_SESSION_KEY] is None:
            del session[HASH_SESSION_KEY]
        session.modified = False
        auth.keep_login(request, before)
        assert session[LOGIN_KEY] == kept and not session.modified, (kept, changes)
    del session[LOGIN_KEY]
    auth.keep_login(request, before)
    assert LOGIN_KEY not in session


def test_a_user_has_a_hash_for_each_key_of_the_site_or_no_login_counts() -> None:
    class OneHash:
        def get_session_auth_hash(self) -> str:
            return "hash"

        def get_session_auth_fallback_hash(self) -> Iterator[str]:
            yield "hash by the old key"

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert [*auth._password_hashes(OneHash())] == [("new", "hash"), ("old", "hash by the old key")]
        assert [*auth._password_hashes(object())] == [("new", "")]  # a model without a password
    with (
        override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old", "older"]),
        pytest.raises(ValueError, match="shorter"),
    ):
        [*auth._password_hashes(OneHash())]
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        assert [*auth._password_hashes(object())] == [("new", "")]


def kept_by_browser(user: Any) -> Any:
    """A request of a browser that keeps a trusted device's token for a user."""
    request, response = visit(), HttpResponse()
    auth.set_device_cookie(response, user, DEVICE)
    request.COOKIES = {name: cookie.value for name, cookie in response.cookies.items()}
    return request


def test_a_device_of_before_there_was_a_password_ends_with_the_first_one(alice: Person) -> None:
    alice.user.password = ""
    request = kept_by_browser(alice.user)
    assert auth.device_token(request, alice.user) == DEVICE.token
    alice.user.set_password("the first one")
    assert auth.device_token(request, alice.user) is None


def test_a_device_is_known_by_the_hash_of_today_and_by_that_before_it_was_renewed(alice: Person) -> None:
    by_the_earlier, earlier = kept_by_browser(alice.user), alice.user.password
    alice.user.password = "pbkdf2$newer"
    by_the_newer = kept_by_browser(alice.user)
    assert auth.device_token(by_the_earlier, alice.user) is None
    alice.user._ferrotp_earlier_password = earlier
    for request in (by_the_earlier, by_the_newer):
        assert auth.device_token(request, alice.user) == DEVICE.token
    assert alice.user.password == "pbkdf2$newer"


def test_what_was_bound_by_an_earlier_key_of_the_site_is_good_while_the_site_names_it(alice: Person) -> None:
    with override_settings(SECRET_KEY="old"):
        _, kept = half_login(alice)
        browser = kept_by_browser(alice.user)
    for settings, good in (
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}, True),
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["older"]}, False),
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": []}, False),
    ):
        with override_settings(**settings):
            assert auth.is_bound_to(alice.user, kept) is good
            assert (auth.device_token(browser, alice.user) == DEVICE.token) is good


def test_a_device_of_a_user_whose_model_has_no_password_is_kept(clock: Clock) -> None:
    user = SimpleNamespace(id=7, _meta=User._meta)
    assert auth.device_token(kept_by_browser(user), user) == DEVICE.token


# Signals


def test_a_wrong_code_is_told_with_the_request_and_the_name_and_no_code(alice: Person) -> None:
    told: list[Any] = []

    def listen(sender: Any, credentials: Any, request: Any, **more: Any) -> None:
        told.append((sender, credentials, request))

    request = visit()
    user_login_failed.connect(listen)
    try:
        auth.note_failure(request, alice.user)
    finally:
        user_login_failed.disconnect(listen)
    assert told == [("ferrotp.django.auth", {"username": alice.name}, request)]


def test_a_login_by_a_token_changes_nothing_in_the_session_that_comes_along(client: MFAClient, alice: Person) -> None:
    told: list[Any] = []

    def listen(sender: Any, request: Any, user: Any, **more: Any) -> None:
        told.append((sender, request, user))

    request = logged_in(client, alice)
    before = dict(request.session.items())
    user_logged_in.connect(listen)
    try:
        auth.note_token(request, alice.user)
    finally:
        user_logged_in.disconnect(listen)
    assert told == [(User, request, alice.user)] and request.mfa.vouched is True
    assert dict(request.session.items()) == before


# A step that comes too early


@pytest.mark.parametrize("name", ["settings", "set_up", "add_passkey", "new_codes", "end_sessions"])
def test_our_own_pages_are_gone_on_with_after_the_step(alice: Person, name: str) -> None:
    assert auth._requested_url(visit(reverse(f"ferrotp:{name}"))) == reverse(f"ferrotp:{name}")


def test_a_page_about_one_factor_or_session_is_gone_on_with_too(alice: Person) -> None:
    for name, which in (("remove", "some-factor"), ("end_session", "some-session")):
        url = reverse(f"ferrotp:{name}", args=[which])
        assert auth._requested_url(visit(url)) == url


def test_a_passkey_that_is_missing_is_set_up_on_the_page_for_it(clock: Clock) -> None:
    assert where(auth.redirect_to_step(visit(), SecondFactorRequired("add-passkey"))) == "/mfa/set-up"


def test_htmx_is_led_on_from_the_page_that_it_shows(alice: Person) -> None:
    site = "http://testserver"
    for method, headers, kept in (
        ("GET", {"hx_current_url": f"{site}/vault?a=b"}, "/vault?a=b"),
        ("GET", {"hx_current_url": "http://evil.example/vault"}, "/inside"),
        ("GET", {}, "/inside"),
        ("POST", {"hx_current_url": f"{site}/vault?a=b", "referer": f"{site}/fresh-vault"}, "/vault?a=b"),
        ("POST", {"referer": f"{site}/fresh-vault"}, "/fresh-vault"),
        ("POST", {}, "/before"),
    ):
        half, before = half_login(alice)
        auth.save_login(half, replace(before, next="/before"))
        request = visit(method=method, session=half.session, hx_request="true", **headers)
        answer = auth.redirect_to_step(request, SecondFactorRequired("challenge"))
        assert answer.status_code == 403 and answer.headers["HX-Redirect"] == "/mfa/challenge"
        assert json.loads(answer.content)["type"] == "urn:ferrotp:problem:second-factor-required"
        assert answer.headers["Cache-Control"] == "private, no-store"
        after = auth.load(request)
        assert after == replace(before, next=kept), (method, headers)
        assert request.session.get(LOST_FORM_KEY) is (True if method == "POST" else None)


def test_a_form_of_nobodys_or_of_a_login_that_has_ended_is_not_said_to_be_lost(clock: Clock) -> None:
    for error in (LoginRequired(), SessionEnded()):
        request = visit(method="POST", referer="http://testserver/vault")
        request.session[LOST_FORM_KEY] = True
        assert where(auth.redirect_to_step(request, error)) == "/login"
        assert LOST_FORM_KEY not in request.session


def test_a_lost_form_is_said_once_by_the_page_that_comes_next(clock: Clock) -> None:
    for error, said in (
        (SecondFactorRequired("challenge"), 0),
        (NotFresh("recover"), 0),
        (NotFresh("password"), 1),
        (SecondFactorRequired("set-up"), 1),
    ):
        request = visit(method="POST")
        request._messages = FallbackStorage(request)
        auth.redirect_to_step(request, error)
        texts = [str(message) for message in request._messages]
        assert len(texts) == said and all("has not been done" in text for text in texts), error.next_page


def test_a_fault_of_the_service_is_in_the_sites_log(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    problem = auth.problem_of(visit(), MFAError("the record is damaged"))
    assert problem.status == 500
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "GET '/inside': MFAError: the record is damaged")
    ]


def test_a_step_that_is_done_forgets_what_the_steps_before_it_noted(client: MFAClient, alice: Person) -> None:
    request = logged_in(client, alice)
    kept = request.mfa.login
    for key in (auth.PROVED_AT_KEY, auth.REAUTHENTICATE_KEY, LOST_FORM_KEY):
        request.session[key] = 1
    auth.promote(request, kept, alice.user, MODEL)
    assert not {auth.PROVED_AT_KEY, auth.REAUTHENTICATE_KEY, LOST_FORM_KEY} & {*request.session.keys()}


def test_a_login_by_a_passkey_alone_has_the_name_of_its_account(alice: Person) -> None:
    """Such a login begins with an id: what the pages show, and an authenticator app keeps, is the name."""
    _, before = half_login(alice)
    found, _ = auth.known_sign_in(replace(before, account_name=alice.user_id))
    assert found == replace(before, account_name=alice.name, backend=MODEL)


def test_a_login_in_no_session_is_of_the_user_whom_its_backend_knows(alice: Person) -> None:
    _, kept = half_login(alice)
    found = auth.user_of_token(kept)
    assert found == alice.user and found.backend == MODEL
    for broken in (replace(kept, backend=OTHER), replace(kept, bound=auth.binding("another password"))):
        with pytest.raises(LoginRequired):
            auth.user_of_token(broken)


def test_a_password_step_has_a_new_token_against_forgery(alice: Person) -> None:
    request = visit()
    request.META["CSRF_COOKIE"] = before = "a" * 32
    auth.hold(request, alice.user, half_login(alice)[1], MODEL)
    assert request.META["CSRF_COOKIE"] != before and request.META["CSRF_COOKIE_NEEDS_UPDATE"]


def test_the_web_server_is_believed_by_its_own_backend_alone() -> None:
    remote = "django.contrib.auth.backends.RemoteUserBackend"
    for path, believed in ((remote, True), (MODEL, False), (None, False)):
        assert auth._is_by_web_server(SimpleNamespace(backend=path)) is believed
    assert auth._is_by_web_server(None) is False
