"""The login in a session, step by step: what each function of `ferrotp.django.auth` promises."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import resolve

from ferrotp.django import auth
from ferrotp.django.service import get_mfa
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import DeviceToken, InvalidCode, StoreUnavailable
from ferrotp.web import Login, LoginRequired, NotFresh, SecondFactorRequired, SessionEnded, device_cookie
from ferrotp.web.login import LOGIN_KEY

from .conftest import Person
from .test_login import MODEL, OTHER, begun, where


def visit(path: str = "/inside", *, method: str = "GET", session: Any = None, user: Any = None, **headers: str) -> Any:
    """A request as a view gets it."""
    request: Any = RequestFactory().generic(
        method, path, headers={name.replace("_", "-"): headers[name] for name in headers}
    )
    request.session = SessionStore() if session is None else session
    request.user, request.resolver_match = user or AnonymousUser(), resolve(path.partition("?")[0])
    return request


def half_login(person: Person, **more: Any) -> tuple[Any, Login]:
    """A request whose session waits for the second factor."""
    request = begun(person, **more)
    login = auth.load(request)
    assert login is not None and login.stage == "half"
    return request, login


# What proves who it is


def test_a_proof_counts_for_the_login_that_it_began_and_for_no_later_one(
    client: MFAClient, person: Callable[..., Person], ferrotp: Any, clock: Clock
) -> None:
    bob = person()
    for path in ("/login", "/plain-login"):
        bob.password(client, path)
        assert client.get("/mfa/set-up").status_code == 200
        assert auth.PROVED_AT_KEY not in client.session
        session = client.session
        del session[LOGIN_KEY]  # an application ends the login
        session.save()
        assert where(client.get("/mfa/set-up")).startswith("/login")
    ferrotp(REQUIRED="all")
    bob.password(client, "/plain-login")
    clock.tick(601)
    assert where(client.get("/inside")).startswith("/login")
    assert auth.PROVED_AT_KEY not in client.session


@pytest.mark.parametrize("path", ["/login", "/plain-login"])
def test_a_user_who_was_asked_again_is_known_to_the_login_page_afterwards(
    client: MFAClient, person: Callable[..., Person], clock: Clock, path: str
) -> None:
    bob = person()
    bob.password(client, path)
    clock.tick(601)
    assert where(client.get("/mfa/set-up")).startswith("/login")
    assert client.get("/plain-login").status_code == 200  # it asks
    bob.password(client, path)
    client.get("/inside")
    assert auth.REAUTHENTICATE_KEY not in client.session
    assert where(client.get("/plain-login")) == "/inside"


def test_a_new_login_drops_what_the_one_before_had_passed(client: MFAClient, alice: Person) -> None:
    alice.log_in(client)
    alice.password(client, "/careless-login")
    assert where(client.get("/vault")) == "/mfa/challenge"


def test_a_login_that_no_view_has_made_proves_nothing(alice: Person) -> None:
    request = visit()
    request.session[LOGIN_KEY] = "kept"
    auth.note_login(user=alice.user, request=request)
    auth.note_login(request=request)
    assert dict(request.session) == {LOGIN_KEY: "kept"}
    request.mfa = type("RequestMFA", (), {"in_view": False, "vouched": False})()
    auth.note_login(user=alice.user, request=request)
    assert dict(request.session) == {LOGIN_KEY: "kept"}
    request.mfa.in_view = True
    auth.note_login(user=alice.user, request=request)
    assert dict(request.session) == {auth.PROVED_AT_KEY: int(alice.clock.now)}
    # A receiver of the site's has said that the second factor was passed elsewhere.
    other = visit()
    other.session[LOGIN_KEY] = "vouched for"
    other.mfa = type("RequestMFA", (), {"in_view": True, "vouched": True})()
    auth.note_login(user=alice.user, request=other)
    assert dict(other.session) == {LOGIN_KEY: "vouched for"}


# The record


def test_what_ends_the_second_factor_leaves_the_rest_of_the_session(client: MFAClient, alice: Person) -> None:
    alice.log_in(client)
    request = visit(session=client.session, user=alice.user)
    for _ in range(2):
        auth.end_login(request)
        assert LOGIN_KEY not in request.session and request.session[SESSION_KEY] == alice.user_id
    request.session.save()
    assert where(client.get("/vault")) == "/mfa/challenge"


def test_a_login_is_of_the_sessions_user_and_of_the_requests(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    alice.log_in(client)
    session, bob = client.session, person()
    assert auth.load(visit(session=session)) == auth.load(visit(session=session, user=alice.user)) != None  # noqa: E711
    assert auth.load(visit(session=session, user=bob.user)) is None
    request = visit(session=session)
    del request.user
    assert auth.load(request) is not None
    for key, value in ((SESSION_KEY, bob.user_id), (HASH_SESSION_KEY, "another hash"), (SESSION_KEY, None)):
        other = SessionStore()
        other.update({**dict(session.items()), key: value})
        assert auth.load(visit(session=other)) is None, key
    del other[SESSION_KEY]
    assert auth.load(visit(session=other)) is None  # a login that is done is of somebody
    other = SessionStore()
    other.update({**dict(session.items())})
    del other[HASH_SESSION_KEY]
    assert auth.load(visit(session=other)) is None


def test_what_is_no_login_is_nobodys(alice: Person, ferrotp: Any) -> None:
    request = visit(user=alice.user)
    for record in ({}, "kept", 7):
        request.session[LOGIN_KEY] = record
        assert auth.load(request) is None
    del request.session[LOGIN_KEY]
    ferrotp(ISSUER="")  # a site that is not set up yet
    assert auth.load(request) is None
    auth.note_logout(request=request)


def test_a_half_login_of_a_session_that_has_a_user_is_of_this_user(
    alice: Person, person: Callable[..., Person]
) -> None:
    request, login = half_login(alice)
    request.session[SESSION_KEY] = person().user_id
    request.session[HASH_SESSION_KEY] = alice.user.get_session_auth_hash()
    assert auth.load(request) is None
    request.session[SESSION_KEY] = alice.user_id
    assert auth.load(request) == login
    request.session[HASH_SESSION_KEY] = "another"
    assert auth.load(request) is None


def test_a_session_without_a_hash_is_one_of_a_user_without_a_password(alice: Person) -> None:
    request, login = half_login(alice)
    request.session[SESSION_KEY] = alice.user_id
    assert auth.load(request) is None
    auth.save_login(request, replace(login, bound=auth.binding("")))
    assert auth.load(request) is not None


@pytest.mark.parametrize("other", [{"TENANT": "other"}, {"ISSUER": "Other"}])
def test_a_login_is_of_its_own_site(alice: Person, ferrotp: Any, other: dict[str, str]) -> None:
    request, login = half_login(alice)
    assert auth.load(request) == login
    ferrotp(**other)
    assert auth.load(request) is None


def test_the_user_of_a_login_is_there_active_and_has_the_same_password(alice: Person) -> None:
    request, login = half_login(alice)
    found = auth.user_of_login(request, login)
    assert found == alice.user and found.backend == MODEL
    for broken in (
        None,
        replace(login, user_id="no number"),
        replace(login, user_id=f"0{alice.user_id}"),
        replace(login, user_id="999999"),
        replace(login, bound=""),
        replace(login, backend=""),
        replace(login, backend="elsewhere.Backend"),
    ):
        with pytest.raises(LoginRequired):
            auth.user_of_login(request, broken)
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL, OTHER]):
        request.session[BACKEND_SESSION_KEY] = OTHER  # what Django has noted comes first
        assert auth.user_of_login(request, login).backend == OTHER
        del request.session[BACKEND_SESSION_KEY]
    alice.user.is_active = False
    alice.user.save()
    with pytest.raises(LoginRequired):
        auth.user_of_login(request, login)


def test_the_gate_is_as_strict_as_the_policy_is_with_the_user_of_the_login(
    alice: Person, person: Callable[..., Person], ferrotp: Any
) -> None:
    alice.user.last_name = "z"
    alice.user.save()
    request, login = half_login(alice)
    ferrotp(REQUIRED=[{"who": "in_django.test_login.is_named_z"}])
    assert auth.gate_of_login(request, login).mode == "required"
    request.user = person().user  # who is logged in for Django comes first
    assert auth.gate_of_login(request, login).mode == "optional"
    assert auth.gate_of_login(request, None).mode == "optional"


# The steps


@pytest.mark.parametrize("ends_with_browser", [False, True])
@pytest.mark.parametrize("remember", [True, False, None])
def test_a_session_lasts_as_its_user_said_or_else_as_the_site_says(
    alice: Person, remember: bool | None, ends_with_browser: bool
) -> None:
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=ends_with_browser, SESSION_COOKIE_AGE=1234):
        request, login = half_login(alice, remember=remember)
        auth.promote(request, login)
        expected = ends_with_browser if remember is None else not remember
        assert request.session.get_expire_at_browser_close() is expected
        assert expected or request.session.get_expiry_age() == 1234


def test_a_login_that_is_done_is_bound_to_the_password_and_knows_what_is_next(alice: Person) -> None:
    request, login = half_login(alice, next_url="/vault", remember=True)
    assert auth.promote(request, login, next_url="/fresh") == alice.user
    kept = auth.load(request)
    assert kept == replace(login, next="/fresh", remember=None, bound=kept.bound if kept else "", backend=MODEL)
    assert kept.bound == auth.binding(alice.user.get_session_auth_hash()) != auth.binding("")
    for key in (auth.PROVED_AT_KEY, auth.REAUTHENTICATE_KEY):
        request.session[key] = 1
    assert auth.promote(request, kept, alice.user, MODEL) == alice.user
    assert not {auth.PROVED_AT_KEY, auth.REAUTHENTICATE_KEY} & {*request.session.keys()}
    done = auth.load(request)
    assert done is not None and done.next == ""


def test_the_same_user_by_another_backend_is_logged_in_anew(alice: Person) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL, OTHER]):
        request, login = half_login(alice, backend=MODEL)
        auth.promote(request, login)
        assert request.session[BACKEND_SESSION_KEY] == MODEL
        auth.promote(request, login, alice.user, OTHER)
        assert request.session[BACKEND_SESSION_KEY] == OTHER
        kept = auth.load(request)
        assert kept is not None and kept.backend == OTHER


def test_a_login_that_is_done_goes_where_the_user_wanted_to_go(alice: Person, ferrotp: Any) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    device = DeviceToken("series:token", datetime(2030, 1, 1, tzinfo=timezone.utc))
    for next_url, token in (("/vault", None), ("", device)):
        request, login = half_login(alice, next_url=next_url)
        answer = auth.complete_login(request, login, token)
        assert (answer.status_code, where(answer)) == (303, next_url or "/inside")
        assert bool(answer.cookies) is (token is not None)


def test_an_adopted_login_is_bound_to_what_django_knows(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    bob = person()
    for someone in (alice, bob):
        someone.password(client, "/plain-login")
        client.get("/inside")
        kept = client.session[LOGIN_KEY]
        assert kept["backend"] == MODEL and kept["bound"] == auth.binding(client.session[HASH_SESSION_KEY])
        assert (kept["user_id"], kept["account_name"]) == (someone.user_id, someone.name)
        client.post("/logout")
    # A session of which Django does not say by which backend.
    request = visit(user=bob.user)
    request.session.update({SESSION_KEY: bob.user_id, HASH_SESSION_KEY: bob.user.get_session_auth_hash()})
    auth.adopt_login(request, bob.user)
    kept_login = auth.load(request)
    assert kept_login is not None and kept_login.backend == ""
    # A user whom no session is of is adopted for the request, and nothing is written.
    request = visit(user=bob.user)
    request.session[auth.REAUTHENTICATE_KEY] = True
    step = auth.adopt_login(request, bob.user)
    assert step.login.user_id == bob.user_id and (step.login.bound, step.login.backend) == ("", "")
    assert dict(request.session) == {auth.REAUTHENTICATE_KEY: True}
    # Nor does a proof of long ago count, or none.
    assert step.login.fresh_at == 0


def test_logging_out_ends_a_half_login_with_its_copies_and_needs_none(alice: Person) -> None:
    auth.note_logout()
    auth.note_logout(request=RequestFactory().get("/"))
    auth.note_logout(request=visit())
    request, login = half_login(alice)
    auth.note_logout(request=request)
    assert get_mfa().half_login_has_ended(user_id=alice.user_id, login_id=login.nonce)


# A step that comes too early

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize(
    ("headers", "is_json"),
    [
        ({"accept": "application/json"}, True),
        ({"accept": "application/problem+json"}, True),
        ({"accept": "*/*", "content_type": "application/json"}, True),
        ({"accept": HTML, "content_type": "application/json"}, True),
        ({"accept": HTML}, False),
        ({"accept": "text/html, application/json"}, False),
        ({"accept": "*/*"}, False),
        ({}, False),
    ],
)
def test_programs_get_a_problem_and_people_a_page(clock: Clock, headers: dict[str, str], is_json: bool) -> None:
    request = visit(**headers)
    request.content_type = headers.get("content_type", "")
    for error, status, page in (
        (LoginRequired(), 401, "/login?next=%2Finside"),
        (SecondFactorRequired("challenge"), 403, "/mfa/challenge"),
        (SecondFactorRequired("set-up"), 403, "/mfa/set-up"),
        (NotFresh("recover"), 403, "/mfa/recover"),
    ):
        answer = auth.redirect_to_step(request, error)
        if is_json:
            said = json.loads(answer.content)
            assert answer.status_code == said["status"] == status and said["type"].startswith("urn:ferrotp:problem:")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert ("WWW-Authenticate" in answer.headers) is (status == 401)
        else:
            assert (answer.status_code, where(answer)) == (303, page)


def test_a_login_that_has_ended_takes_the_session_along(client: MFAClient, alice: Person) -> None:
    alice.log_in(client)
    request = visit(session=client.session, user=alice.user)
    auth.redirect_to_step(request, SecondFactorRequired("challenge"))
    assert request.session[SESSION_KEY] == alice.user_id
    auth.redirect_to_step(request, SessionEnded())
    assert SESSION_KEY not in request.session and LOGIN_KEY not in request.session


def test_only_who_is_asked_for_the_password_once_more_is_marked(clock: Clock) -> None:
    for error, marked in ((LoginRequired(), False), (NotFresh("challenge"), False), (NotFresh("password"), True)):
        request = visit()
        auth.redirect_to_step(request, error)
        assert request.session.get(auth.REAUTHENTICATE_KEY, False) is marked


@pytest.mark.parametrize(
    ("path", "method", "headers", "kept"),
    [
        ("/vault?a=b", "GET", {}, "/vault?a=b"),
        ("/vault", "HEAD", {}, "/vault"),
        ("/vault", "GET", {"sec_fetch_dest": "document"}, "/vault"),
        ("/vault", "GET", {"sec_fetch_dest": "image"}, ""),
        ("/vault", "POST", {}, ""),
        ("/mfa/", "GET", {}, "/mfa/"),
        ("/mfa/set-up", "GET", {}, "/mfa/set-up"),
        ("/mfa/passkeys/add", "GET", {}, "/mfa/passkeys/add"),
        ("/mfa/challenge", "GET", {}, ""),
        ("/mfa/recovery-codes", "GET", {}, "/mfa/recovery-codes"),
    ],
)
def test_after_the_step_the_user_is_where_the_page_was_and_at_no_picture_or_step(
    alice: Person, path: str, method: str, headers: dict[str, str], kept: str
) -> None:
    half, login = half_login(alice)
    request = visit(path, method=method, session=half.session, **headers)
    auth.redirect_to_step(request, SecondFactorRequired("challenge"))
    after = auth.load(request)
    assert after == replace(login, next=kept)
    asked = auth.redirect_to_step(visit(path, method=method, **headers), LoginRequired())
    expected = RequestFactory().get("/", {"next": kept}).META["QUERY_STRING"] if kept else ""
    assert where(asked) == "/login" + (f"?{expected}" if expected else "")


def test_a_request_that_no_route_has_is_kept_as_any_page(alice: Person) -> None:
    half, login = half_login(alice)
    request = visit(session=half.session)
    request.resolver_match = None  # a middleware before the routes
    auth.redirect_to_step(request, SecondFactorRequired("challenge"))
    assert auth.load(request) == replace(login, next="/inside")
    assert where(auth.redirect_to_step(request, LoginRequired())).startswith("/login?")


def test_the_admins_pages_lead_to_the_admins_login(clock: Clock) -> None:
    assert where(auth.redirect_to_step(visit("/admin/"), LoginRequired())) == "/admin/login/?next=%2Fadmin%2F"


# The login page


@pytest.mark.parametrize(
    ("url", "admin", "page"),
    [
        ("/login", False, "/login"),
        ("login", False, "/login"),  # a name
        ("/login?a=b", False, "/login?a=b"),
        ("/login", True, "/admin/login/"),
        ("/nowhere", False, "/admin/login/"),
        ("https://sso.example/login", False, "https://sso.example/login"),
    ],
)
def test_the_login_page_is_the_sites_or_else_the_admins(clock: Clock, url: str, admin: bool, page: str) -> None:
    with override_settings(LOGIN_URL=url):
        assert auth.login_page(admin=admin) == page and (admin or auth.login_page() == page)
        assert auth.login_page("/a?b=c", admin=admin) == page + ("&" if "?" in page else "?") + "next=%2Fa%3Fb%3Dc"


def test_without_the_admin_the_login_page_is_what_the_settings_say(clock: Clock) -> None:
    with override_settings(ROOT_URLCONF="in_django.no_urls", LOGIN_URL="/nowhere"):
        assert auth.login_page() == auth.login_page(admin=True) == "/nowhere"


# What goes wrong


def test_the_sites_log_has_faults_and_no_wrong_codes(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    request = visit("/inside", method="POST")
    wrong = InvalidCode(3)
    words = {
        auth.problem_of(request, wrong).message,
        auth.problem_of(request, wrong, recovery=True).message,
        auth.problem_of(request, wrong, two_codes=True).message,
    }
    assert len(words) == 3 and not caplog.records
    problem = auth.problem_of(request, StoreUnavailable("away"))
    assert problem.status == 503
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("ferrotp.django", logging.ERROR)
    assert record.getMessage() == "POST '/inside': StoreUnavailable: away"


# Trusted devices

DEVICE = DeviceToken("series:token", datetime(2030, 1, 1, tzinfo=timezone.utc))


def test_a_browser_keeps_a_devices_token_for_the_sites_paths_and_no_cache_does(alice: Person) -> None:
    with override_settings(SESSION_COOKIE_PATH="/app", SESSION_COOKIE_DOMAIN="shop.example"):
        response = HttpResponse()
        auth.set_device_cookie(response, alice.user, DEVICE)
        (cookie,) = response.cookies.values()
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/app", "shop.example", "Lax")
        assert cookie["httponly"] and cookie["secure"] and "01 Jan 2030 00:00:00 GMT" in cookie["expires"]
        assert response.headers["Cache-Control"] == "private, no-store"


def test_two_users_of_a_browser_and_two_sites_of_a_host_keep_a_token_each(
    alice: Person, person: Callable[..., Person], ferrotp: Any
) -> None:
    def name(someone: Person) -> str:
        response = HttpResponse()
        auth.set_device_cookie(response, someone.user, DEVICE)
        return next(iter(response.cookies))

    names = [name(alice), name(person())]
    for changes in ({"TENANT": "other"}, {"ISSUER": "Other"}):
        ferrotp(**changes)
        names.append(name(alice))
    assert len({*names}) == 4
    assert names[0] == device_cookie(alice.user_id, "ACME", "", host=True)


def test_a_devices_token_is_good_for_its_user_and_the_users_password(
    alice: Person, person: Callable[..., Person]
) -> None:
    response, bob = HttpResponse(), person()
    auth.set_device_cookie(response, alice.user, DEVICE)
    (cookie,) = response.cookies.values()
    mark = cookie.value.rpartition(".")[2]

    def token(value: str, user: Any = alice.user) -> str | None:
        request = visit()
        request.COOKIES = dict.fromkeys((cookie.key, auth._device_cookie(user)), value)
        return auth.device_token(request, user)

    assert token(cookie.value) == DEVICE.token
    assert auth.device_token(visit(), alice.user) is None
    for value in (
        "",
        ".",
        DEVICE.token,
        f"other:token.{mark}",
        f"{DEVICE.token}.",
        f"{DEVICE.token}.{mark[:-1]}0x",
        f".{mark}",
    ):
        assert token(value) is None, value
    assert token(cookie.value, bob.user) is None
    alice.user.set_password("another")
    assert token(cookie.value, alice.user) is None


# What outlives an update

BINDING = "7e0fe6ba6467d6a37adea06ab0595ae5f368e8da1f6d992faf6ceb4179f3cc9f"
MARK = "a29e94e9caf3bbf97a59fa54bb5678645c7f2d74760ace6bbe897331fb7f43ff"


def test_what_sessions_and_browsers_keep_is_good_after_an_update(alice: Person) -> None:
    """Another salt or another order would log everybody out."""
    with override_settings(SECRET_KEY="a key"):
        assert auth.binding("hash") == BINDING
        alice.user.pk, alice.user.get_session_auth_hash = 42, lambda: "hash"
        assert auth._device_mark("token", alice.user, "hash") == MARK
    assert (auth.PROVED_AT_KEY, auth.REAUTHENTICATE_KEY) == ("_ferrotp_proved_at", "_ferrotp_again")


def test_a_user_model_without_a_password_has_an_empty_hash(alice: Person) -> None:
    assert auth._password_hash(object()) == ""
    assert auth._password_hash(alice.user) == alice.user.get_session_auth_hash()
