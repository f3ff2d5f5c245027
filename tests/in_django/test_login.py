"""The way in: each of them, and what is gated."""

import asyncio
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.debug import ExceptionReporter

from ferrotp.django import begin_login, get_mfa, has_passed
from ferrotp.django.auth import load, promote, user_of_login
from ferrotp.django.test import AsyncMFAClient, Clock, MFAClient
from ferrotp.mfa import Event
from ferrotp.web import LoginRequired
from ferrotp.web.login import LOGIN_KEY

from .conftest import Person
from .site import PASSWORD


def where(response: Any) -> str:
    return str(response.headers.get("Location", ""))


def test_without_a_factor_the_password_lets_in(client: MFAClient, person: Callable[..., Person]) -> None:
    bob = person()
    assert where(bob.password(client)) == "/inside"
    assert client.get("/inside").content.decode() == f"inside {bob.name}"
    assert where(client.get("/vault")) == "/mfa/set-up"


def test_with_a_factor_a_code_is_asked_for_and_nobody_is_logged_in_before(client: MFAClient, alice: Person) -> None:
    assert where(alice.password(client, next="/vault")) == "/mfa/challenge"
    assert SESSION_KEY not in client.session
    assert where(client.get("/inside")).startswith("/login")
    assert client.get("/").content == b"index nobody"
    page = client.get("/mfa/challenge").content.decode()
    assert 'autocomplete="one-time-code"' in page and 'value=""' not in page.split('name="code"')[1][:200]
    wrong = client.post("/mfa/challenge", {"code": alice.wrong()})
    assert wrong.status_code == 400 and 'role="alert"' in wrong.content.decode()
    assert alice.wrong() not in wrong.content.decode()
    code = alice.code()
    assert where(client.post("/mfa/challenge", {"code": f"{code[:3]} {code[3:]}"})) == "/vault"
    assert client.get("/vault").content.decode() == f"vault {alice.name}"


def test_guesses_do_not_keep_the_owner_out(client: MFAClient, alice: Person, events: list[Event]) -> None:
    thief = MFAClient()
    for visitor in (thief, client):
        assert where(alice.password(visitor)) == "/mfa/challenge"
    assert b'name="next_code"' not in client.get("/mfa/challenge").content
    for _ in range(5):
        assert thief.post("/mfa/challenge", {"code": alice.wrong()}).status_code in (400, 429)
    assert [event.kind for event in events].count("guessing suspected") == 1
    refused = client.post("/mfa/challenge", {"code": alice.code()})
    assert refused.status_code == 429 and refused.headers["Retry-After"]
    for answer in (refused, client.get("/mfa/challenge")):
        assert 'name="next_code"' in answer.content.decode() and "two in a row" in answer.content.decode()
    assert b'name="next_code"' not in client.get("/mfa/recover").content
    pair = {"code": alice.device.at(alice.clock.now, -1), "next_code": alice.code()}
    wrong = client.post("/mfa/challenge", {**pair, "code": alice.wrong()})
    assert wrong.status_code == 400 and "two codes in a row" in wrong.content.decode()
    assert pair["next_code"] not in wrong.content.decode() and where(client.get("/inside")).startswith("/login")
    assert where(client.post("/mfa/challenge", pair)) == "/inside"
    assert client.get("/inside").status_code == 200
    assert thief.post("/mfa/challenge", pair).status_code == 400
    assert where(thief.get("/inside")).startswith("/login")


def test_the_session_key_and_the_token_against_forgery_are_new_when_the_second_factor_passes(
    client: MFAClient, alice: Person
) -> None:
    client.get("/")
    alice.password(client)
    half = client.session.session_key
    client.get("/mfa/challenge")
    token = client.cookies["csrftoken"].value
    client.post("/mfa/challenge", {"code": alice.code()})
    assert client.session.session_key != half
    assert client.cookies["csrftoken"].value != token
    assert not client.session.exists(half)


def test_the_session_key_and_the_token_against_forgery_are_new_when_the_password_passes(
    client: MFAClient, alice: Person
) -> None:
    client.get("/login")
    client.session.save()
    key, token = client.session.session_key, client.cookies["csrftoken"].value
    assert where(alice.password(client)) == "/mfa/challenge"
    assert client.session.session_key != key
    assert client.cookies["csrftoken"].value != token


def test_a_post_without_a_token_changes_nothing(clock: Clock, alice: Person) -> None:
    client = MFAClient(enforce_csrf_checks=True)
    client.force_mfa_login(alice.user)
    for path in ("challenge", "recover", "cancel", "set-up", "set-up/confirm", "recovery-codes", "devices/forget"):
        assert client.post(f"/mfa/{path}", {"code": alice.code()}).status_code == 403, path
    assert client.post(f"/mfa/factors/{alice.factor_id}/remove").status_code == 403


def behind_authentication(middleware: str) -> list[str]:
    """The site's middleware, with another that logs users in."""
    place = settings.MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    return [*settings.MIDDLEWARE[:place], middleware, *settings.MIDDLEWARE[place:]]


REMOTE_USER = {
    "MIDDLEWARE": behind_authentication("django.contrib.auth.middleware.RemoteUserMiddleware"),
    "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.RemoteUserBackend"],
}


@pytest.mark.parametrize("way", ["plain-login", "careless-login", "force", "reset", "remote", "admin"])
def test_every_way_in_is_gated_alike(client: MFAClient, alice: Person, way: str) -> None:
    """ASVS 6.3.4: what counts is the mark in the session."""
    alice.user.is_staff = alice.user.is_superuser = True
    alice.user.save()
    if way == "force":
        client.force_login(alice.user)
    elif way == "reset":
        uid = urlsafe_base64_encode(force_bytes(alice.user.pk))
        path = where(client.get(f"/reset/{uid}/{default_token_generator.make_token(alice.user)}/"))
        new = {"new_password1": PASSWORD + "!", "new_password2": PASSWORD + "!"}
        assert where(client.post(path, new)) == "/inside"
    elif way == "admin":
        assert where(alice.password(client, "/admin/login/", next="/admin/")) == "/admin/"
    elif way == "remote":
        with override_settings(**REMOTE_USER):
            client = MFAClient(REMOTE_USER=alice.name)
            check_gated(client, alice)
        return
    else:
        alice.password(client, f"/{way}")
    check_gated(client, alice)


def check_gated(client: MFAClient, alice: Person) -> None:
    for path in ("/inside", "/vault", "/admin/", "/", "/async-vault"):
        assert where(client.get(path)) == "/mfa/challenge", path
    assert client.get("/inside", headers={"Accept": "application/json"}).status_code == 403
    assert client.get("/api").content.decode() == f"api {alice.name}"  # marked as exempt
    assert where(client.get("/mfa/")) == "/mfa/challenge"
    before = client.session.session_key
    client.get("/vault")
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/vault"
    assert client.session.session_key != before
    assert client.get("/vault").content.decode() == f"vault {alice.name}"
    assert client.get("/inside").status_code == 200


def test_a_hook_serves_custom_login_views(client: MFAClient, alice: Person) -> None:
    assert where(alice.password(client, "/custom-login?next=/vault")) == "/mfa/challenge"
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/vault"


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example/", "/\\evil.example", "/a/..//evil.example"])
def test_next_leads_nowhere_else(client: MFAClient, alice: Person, evil: str) -> None:
    alice.password(client, next=evil)
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"


def test_a_code_is_accepted_once(client: MFAClient, alice: Person) -> None:
    other = MFAClient()
    alice.password(client), alice.password(other)
    code = alice.code()
    assert where(client.post("/mfa/challenge", {"code": code})) == "/inside"
    assert other.post("/mfa/challenge", {"code": code}).status_code == 400


def test_a_half_login_dies_after_ten_minutes_on_logout_and_on_a_new_password(
    client: MFAClient, alice: Person, clock: Clock
) -> None:
    alice.password(client)
    clock.tick(601)
    assert where(client.post("/mfa/challenge", {"code": alice.code()})).startswith("/login")
    alice.password(client)
    client.post("/logout")
    assert where(client.post("/mfa/challenge", {"code": alice.code()})).startswith("/login")
    alice.password(client)
    alice.user.set_password("another password")
    alice.user.save()
    assert where(client.post("/mfa/challenge", {"code": alice.code()})).startswith("/login")
    assert SESSION_KEY not in client.session


@pytest.mark.parametrize("end", ["/mfa/cancel", "/logout"])
def test_a_copied_half_login_dies_when_it_is_cancelled(alice: Person, end: str) -> None:
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies"):
        client, thief = MFAClient(), MFAClient()
        alice.password(client)
        thief.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
        client.post(end)
        copy = thief.cookies[settings.SESSION_COOKIE_NAME].value
        for path, code in (("/mfa/challenge", alice.code()), ("/mfa/recover", alice.codes[0])):
            assert where(thief.post(path, {"code": code})).startswith("/login"), path
            thief.cookies[settings.SESSION_COOKIE_NAME] = copy
        alice.log_in(client)
        assert client.get("/vault").status_code == 200


def test_a_half_login_dies_of_a_lockout(client: MFAClient, alice: Person, clock: Clock, ferrotp: Any) -> None:
    ferrotp(POLICY={"disable_after": 3, "first_delay": 1, "longest_delay": 1})
    alice.password(client)
    for _ in range(2):
        assert client.post("/mfa/challenge", {"code": alice.wrong()}).status_code == 400
    assert client.post("/mfa/challenge", {"code": alice.wrong()}).status_code == 403
    assert where(client.get("/mfa/challenge")).startswith("/login")
    # The way out
    assert where(alice.password(client)) == "/mfa/recover"
    assert where(client.post("/mfa/recover", {"code": alice.codes[0]})) == "/mfa/"


def test_a_delay_says_when_to_try_again(client: MFAClient, alice: Person) -> None:
    alice.password(client)
    for _ in range(5):
        response = client.post("/mfa/challenge", {"code": alice.wrong()})
    assert response.status_code == 429 and response.headers["Retry-After"] == "30"
    assert "Try again in 30 seconds." in response.content.decode()


def test_the_mark_ends_with_the_password_and_with_the_user(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    alice.log_in(client)
    assert client.get("/vault").status_code == 200
    new = {"old_password": PASSWORD, "new_password1": "fresh horse battery", "new_password2": "fresh horse battery"}
    elsewhere = MFAClient()
    alice.log_in(elsewhere)
    assert where(client.post("/password", new)) == "/inside"
    assert client.get("/vault").status_code == 200
    assert where(elsewhere.get("/inside")).startswith("/login")
    # A mark that is moved into another user's session is none.
    bob = person().enroll()
    thief = MFAClient()
    thief.force_login(bob.user)
    session = thief.session
    session["_ferrotp"] = client.session["_ferrotp"]
    session.save()
    assert where(thief.get("/vault")) == "/mfa/challenge"
    session = thief.session
    session["_ferrotp"] = {**client.session["_ferrotp"]}
    session["_ferrotp"]["user_id"] = bob.user_id
    session.save()
    assert session[HASH_SESSION_KEY] != client.session[HASH_SESSION_KEY]
    assert where(thief.get("/vault")) == "/mfa/challenge"


def test_a_session_that_passed_is_worth_nothing_to_another_user_of_the_same_request(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    """A thief with a token of hers, beside his own login with both factors."""
    thief = person().enroll()
    with override_settings(MIDDLEWARE=behind_authentication("in_django.urls.token")):
        thief.log_in(client)
        for path in ("/vault", "/inside", "/fresh-vault", "/async-vault"):
            assert where(client.get(path, headers={"X-Token": alice.name})) == "/mfa/challenge", path
        for code in (alice.code(), thief.code()):
            client.post("/mfa/challenge", {"code": code}, headers={"X-Token": alice.name})
        assert where(client.get("/vault", headers={"X-Token": alice.name})) == "/mfa/challenge"
        assert client.get("/vault").content.decode() == f"vault {thief.name}"
        # By the token alone there is no session, and none is made.
        program = MFAClient(headers={"X-Token": person().name, "Accept": "application/json"})
        assert program.get("/inside").status_code == 200 and not program.cookies
        assert program.get("/vault").status_code == 401


def test_a_recovery_code_lets_in_once_and_leads_to_the_settings(client: MFAClient, alice: Person) -> None:
    alice.password(client)
    assert client.post("/mfa/recover", {"code": "0000-0000-0000-0000"}).status_code == 400
    assert where(client.post("/mfa/recover", {"code": alice.codes[0].lower()})) == "/mfa/"
    assert "You used a recovery code" in client.get("/mfa/").content.decode()
    other = MFAClient()
    alice.password(other)
    assert other.post("/mfa/recover", {"code": alice.codes[0]}).status_code == 400


def test_set_up_and_recovery_codes(client: MFAClient, person: Callable[..., Person], clock: Clock) -> None:
    from mfa.authenticator import Device

    bob = person()
    bob.password(client)
    assert where(client.post("/mfa/set-up")) == "/mfa/set-up"
    page = client.get("/mfa/set-up")
    assert page.headers["Cache-Control"] == "private, no-store" and "<svg" in page.content.decode()
    uri = page.content.decode().split('href="otpauth://')[1].split('"')[0].replace("&amp;", "&")
    device = Device("otpauth://" + uri)
    wrong = client.post("/mfa/set-up/confirm", {"code": device.wrong(clock.now)})
    assert wrong.status_code == 400 and uri.replace("&", "&amp;") in wrong.content.decode()
    done = client.post("/mfa/set-up/confirm", {"code": device.at(clock.now)})
    codes = [line.split("<")[0] for line in done.content.decode().split("<li>")[1:]]
    assert len(codes) == 10 and done.headers["Cache-Control"] == "private, no-store"
    file = client.post("/mfa/recovery-codes/saved", {"codes": codes, "download": "y"})
    assert file.headers["Content-Disposition"].startswith("attachment") and codes[0] in file.content.decode()
    assert client.post("/mfa/recovery-codes/saved", {"codes": codes}).status_code == 400
    assert where(client.post("/mfa/recovery-codes/saved", {"codes": codes, "saved": "y"})) == "/mfa/"
    assert client.get("/vault").status_code == 200
    # Changes want a fresh proof.
    clock.tick(601)
    assert client.get("/vault").status_code == 200
    for path in ("/fresh-vault", "/mfa/set-up", "/mfa/recovery-codes", "/async-class-vault"):
        assert where(client.get(path)) == "/mfa/challenge", path
    client.get("/fresh-vault")
    assert where(client.post("/mfa/challenge", {"code": device.at(clock.now)})) == "/fresh-vault"
    assert client.get("/fresh-vault").status_code == 200
    assert client.get("/async-class-vault").status_code == 200
    assert "New recovery codes" not in client.get("/mfa/recovery-codes").content.decode()
    form = re.search(r'name="(opened_at)" value="([0-9]+)"', client.get("/mfa/recovery-codes").content.decode())
    assert form
    again = client.post("/mfa/recovery-codes", {form[1]: form[2]}).content.decode()
    assert codes[0] not in again and again.count("<li>") == 10
    # That page loaded again makes none: it leads to the settings, which say what to do.
    assert where(client.post("/mfa/recovery-codes", {form[1]: form[2]})) == "/mfa/"
    assert "you have not confirmed that you saved them" in client.get("/mfa/").content.decode()
    assert get_mfa().recover(user_id=bob.user_id, code=again.split("<li>")[1].split("<")[0]).remaining == 9


def test_another_users_device_is_not_removed(client: MFAClient, alice: Person, person: Callable[..., Person]) -> None:
    """CVE-2020-5240."""
    bob = person().enroll()
    bob.log_in(client)
    for method in (client.get, client.post):
        assert where(method(f"/mfa/factors/{alice.factor_id}/remove")) == "/mfa/"
    assert get_mfa().status(user_id=alice.user_id).enrolled
    assert client.get(f"/mfa/factors/{bob.factor_id}/remove").status_code == 200
    client.post(f"/mfa/factors/{bob.factor_id}/remove")
    assert not get_mfa().status(user_id=bob.user_id).enrolled


def test_a_password_alone_is_fresh_for_ten_minutes_and_then_asked_for_again(
    client: MFAClient, person: Callable[..., Person], clock: Clock
) -> None:
    """By every login view, and without a loop where it sends away whom it knows."""
    bob = person(is_staff=True, is_superuser=True)
    for path in ("/login", "/plain-login", "/admin/login/"):
        bob.password(client, path)
        assert client.get("/mfa/set-up").status_code == 200, path
        clock.tick(601)
        assert where(client.get("/mfa/set-up")) == "/login?next=%2Fmfa%2Fset-up"
        for page in ("/login", "/plain-login", "/admin/login/"):
            assert client.get(page).status_code == 200, page
        assert client.get("/inside").status_code == 200
    bob.password(client, "/plain-login")
    assert client.get("/mfa/set-up").status_code == 200


def test_a_login_by_the_password_alone_ends_where_a_factor_is_set_up_since(
    client: MFAClient, person: Callable[..., Person]
) -> None:
    bob = person()
    bob.password(client)
    bob.enroll()
    for path in ("/inside", "/", "/mfa/", "/mfa/set-up"):
        assert where(client.get(path)) == "/mfa/challenge", path
    assert where(client.post("/mfa/challenge", {"code": bob.code()})) == "/mfa/set-up"


def test_a_page_costs_nothing_with_a_second_factor_and_one_query_without(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    """Beside the session and the user, which Django reads."""
    alice.log_in(client)
    bob, other = person(), MFAClient()
    bob.password(other)
    for one, path, queries in ((client, "/vault", 2), (client, "/inside", 2), (other, "/inside", 3)):
        with CaptureQueriesContext(connection) as captured:
            assert one.get(path).status_code == 200
        assert len(captured) == queries, path


def test_what_the_steps_of_a_login_ask_of_the_sites_database(client: MFAClient, alice: Person) -> None:
    """Django's own session and user among them; the decision about the code is on the store's connection. One more than
    before a session was noted for the list of the settings page."""
    counts = []
    for step in (lambda: alice.password(client), lambda: client.post("/mfa/challenge", {"code": alice.code()})):
        with CaptureQueriesContext(connection) as captured:
            step()
        counts.append(len(captured))
    password, code = counts
    assert password <= 8 and code <= 13, counts


# A login ends with what it was proved by


ENDS: dict[str, Callable[[Person], object]] = {
    "reset": lambda person: get_mfa().reset(user_id=person.user_id, by="root"),
    "removal": lambda person: get_mfa().remove_factor(user_id=person.user_id, factor_id=person.factor_id),
    "log out everywhere": lambda person: get_mfa().end_sessions(user_id=person.user_id, by="root"),
}


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
@pytest.mark.parametrize("end", ENDS)
def test_a_copied_session_ends_with_what_it_was_proved_by(
    alice: Person, clock: Clock, ferrotp: Any, end: str, engine: str
) -> None:
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        clients = [MFAClient() for _ in range(4)]
        for client in clients:
            alice.log_in(client)
            assert client.get("/vault").status_code == 200
        ENDS[end](alice)
        first, second, third, fourth = clients
        for client, path in ((first, "/fresh-vault"), (second, "/mfa/set-up")):
            assert where(client.get(path)).startswith("/login"), path
        assert where(third.post("/mfa/sessions/end")).startswith("/login")
        clock.tick(60)
        for client in clients:
            for path in ("/vault", "/inside", "/mfa/", "/admin/"):
                assert where(client.get(path)).startswith(("/login", "/admin/login")), path
        assert not fourth.session.get("_auth_user_id")
        assert not get_mfa().status(user_id=alice.user_id).pending


def test_a_copied_session_does_not_outlive_a_reset_and_a_new_set_up(
    client: MFAClient, alice: Person, clock: Clock
) -> None:
    alice.log_in(client)
    client.post("/mfa/set-up")
    thief, kept = MFAClient(), client.session[LOGIN_KEY]
    get_mfa().reset(user_id=alice.user_id, by="root")
    alice.enroll()
    for path in ("/fresh-vault", "/mfa/set-up", "/mfa/recovery-codes", "/mfa/sessions/end"):
        assert where(client.get(path)).startswith("/login")
        assert where(client.get("/inside")).startswith("/login")
        # As with sessions in cookies: the thief has what was signed.
        thief.force_login(alice.user)
        session = thief.session
        session[LOGIN_KEY] = kept
        session.save()
        client = thief
    assert len(get_mfa().status(user_id=alice.user_id).factors) == 1


def test_who_logs_out_everywhere_else_stays_under_a_new_key(
    client: MFAClient, alice: Person, clock: Clock, events: list[Event]
) -> None:
    elsewhere = MFAClient()
    for browser in (client, elsewhere):
        alice.log_in(browser)
    assert "/mfa/sessions/end" in client.get("/mfa/").content.decode()
    assert client.get("/mfa/sessions/end").status_code == 200
    key = client.session.session_key
    assert where(client.post("/mfa/sessions/end")) == "/mfa/"
    assert client.session.session_key != key and "logged in here only" in client.get("/mfa/").content.decode()
    assert events[-1].kind == "sessions ended"
    clock.tick(60)
    assert client.get("/vault").status_code == client.get("/fresh-vault").status_code == 200
    assert where(elsewhere.get("/vault")).startswith("/login")
    alice.log_in(elsewhere)
    assert client.post("/mfa/recovery-codes", {"end_sessions": "y"}).status_code == 200
    clock.tick(60)
    assert client.get("/vault").status_code == 200 and where(elsewhere.get("/vault")).startswith("/login")
    alice.log_in(elsewhere)
    assert where(client.post(f"/mfa/factors/{alice.factor_id}/remove")) == "/mfa/"
    clock.tick(60)
    assert client.get("/inside").status_code == 200 and where(elsewhere.get("/inside")).startswith("/login")


# Who must have one


def test_who_must_have_one_sets_it_up_at_the_next_login(
    client: MFAClient, person: Callable[..., Person], clock: Clock, ferrotp: Any
) -> None:
    ferrotp(REQUIRED=[{"who": "staff", "from": "2027-01-16"}, {"who": "group:finance"}])
    bob, carol, dave = person(is_staff=True), person(), person()
    dave.user.groups.create(name="finance")
    assert where(dave.password(MFAClient())) == "/mfa/set-up"
    assert where(carol.password(MFAClient())) == "/inside"
    assert where(bob.password(client)) == "/inside"
    clock.tick(2 * 86_400)
    # The session that there is, too: it was by the password alone.
    assert where(client.get("/inside")) == "/mfa/set-up"
    assert where(client.get("/mfa/set-up")).startswith("/login")  # that was days ago
    nobody = {"/inside": "/login?next=/inside", "/": "", "/admin/": "/admin/login/?next=/admin/"}
    held = dict.fromkeys(nobody, "/mfa/set-up")
    for path, led in (("/login", nobody), ("/careless-login", held), ("/plain-login", held)):
        fresh = MFAClient()
        bob.password(fresh, path)
        assert {page: where(fresh.get(page)) for page in led} == led
        assert fresh.get("/mfa/set-up").status_code == 200
        assert where(fresh.get("/mfa/")) == "/mfa/set-up"
    set_up(fresh, clock)
    assert fresh.get("/inside").status_code == 200
    # The last one stays.
    factor = get_mfa().status(user_id=bob.user_id).factors[0]
    fresh.post(f"/mfa/factors/{factor.factor_id}/remove")
    assert get_mfa().status(user_id=bob.user_id).enrolled


def test_a_cookie_that_remembers_sets_up_no_first_factor(
    client: MFAClient, person: Callable[..., Person], clock: Clock, ferrotp: Any
) -> None:
    """Or a thief would bind a device of its own: the password comes first, as for every change."""
    ferrotp(REQUIRED="all")
    bob = person()
    client.cookies["remember"] = bob.name
    with override_settings(MIDDLEWARE=behind_authentication("in_django.urls.remember")):
        for path in ("/inside", "/mfa/set-up", "/mfa/challenge", "/vault"):
            assert where(client.get(path)).startswith("/login"), path
        assert client.get("/inside", headers={"Accept": "application/json"}).status_code == 401
        assert where(client.post("/mfa/set-up")).startswith("/login")
        assert client.get("/login").status_code == 200
        bob.password(client, "/plain-login")
        assert where(client.get("/inside")) == "/mfa/set-up"
        set_up(client, clock)
        assert client.get("/inside").status_code == 200


@pytest.mark.parametrize("required", ["all", []])
def test_whom_the_web_server_vouches_for_needs_no_password_to_set_up(
    person: Callable[..., Person], clock: Clock, ferrotp: Any, required: Any
) -> None:
    ferrotp(REQUIRED=required)
    with override_settings(**REMOTE_USER):
        client = MFAClient(REMOTE_USER=person().name)
        assert where(client.get("/vault")) == "/mfa/set-up"
        set_up(client, clock)
        assert client.get("/vault").status_code == 200


def set_up(client: MFAClient, clock: Clock) -> None:
    from mfa.authenticator import Device

    client.post("/mfa/set-up")
    text = client.get("/mfa/set-up").content.decode()
    device = Device("otpauth://" + text.split('href="otpauth://')[1].split('"')[0].replace("&amp;", "&"))
    assert client.post("/mfa/set-up/confirm", {"code": device.at(clock.now)}).status_code == 200


def test_a_reminder_comes_before_the_date_and_ends_with_a_factor(
    person: Callable[..., Person], clock: Clock, ferrotp: Any
) -> None:
    ferrotp(REQUIRED=[{"who": "staff", "from": "2027-03-01"}, {"who": "superusers", "from": "2027-02-01"}])
    boss, staff, other = person(is_staff=True, is_superuser=True), person(is_staff=True), person()
    days: dict[str, str | None] = {}
    for someone in (boss, staff, other):
        client = MFAClient()
        someone.password(client)
        days[someone.name] = client.get("/due").content.decode()
    assert days == {boss.name: "2027-02-01", staff.name: "2027-03-01", other.name: "None"}
    client = MFAClient()
    assert client.get("/due").content == b"None"
    staff.enroll().log_in(client)
    assert client.get("/due").content == b"None"
    out = io.StringIO()
    call_command("ferrotp_report", stdout=out)
    assert f"  {boss.name}  must have one from 2027-02-01 on\n" in out.getvalue()
    clock.tick(60 * 86_400)
    boss.password(MFAClient())
    client = MFAClient()
    assert where(boss.password(client)) == "/mfa/set-up"


def test_freshness_is_shorter_for_some(person: Callable[..., Person], clock: Clock, ferrotp: Any) -> None:
    ferrotp(FRESH=[{"who": "group:treasury", "seconds": 60}, {"who": "staff", "seconds": 90}])
    treasurer, staff, other = person(is_staff=True).enroll(), person(is_staff=True).enroll(), person().enroll()
    treasurer.user.groups.create(name="treasury")
    clients = [MFAClient() for _ in range(3)]
    for someone, client in zip((treasurer, staff, other), clients, strict=True):
        client.force_mfa_login(someone.user)
    for seconds, fresh in ((50, [True, True, True]), (20, [False, True, True]), (30, [False, False, True])):
        clock.tick(seconds)
        assert [client.get("/fresh-vault").status_code == 200 for client in clients] == fresh


def test_required_by_a_function_of_the_site(person: Callable[..., Person], ferrotp: Any) -> None:
    ferrotp(REQUIRED=[{"who": f"{__name__}.is_named_z"}])
    bob = person()
    assert where(bob.password(MFAClient())) == "/inside"
    bob.user.last_name = "z"
    bob.user.save()
    assert where(bob.password(MFAClient())) == "/mfa/set-up"


def is_named_z(user: User) -> bool:
    return user.last_name == "z"


# Async


def test_async_views_are_gated(alice: Person, clock: Clock) -> None:
    async def story() -> None:
        client = AsyncMFAClient()
        response = await client.post("/login", {"username": alice.name, "password": PASSWORD})
        assert where(response) == "/mfa/challenge"
        assert where(await client.get("/async-vault")).startswith("/login")
        assert where(await client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
        response = await client.get("/async-vault")
        assert response.content.decode() == f"async vault {alice.name}"
        assert (await client.get("/class-vault")).status_code == 200

    asyncio.run(story())


def test_a_code_is_checked_in_an_async_view(alice: Person, clock: Clock) -> None:
    client = AsyncMFAClient()
    client.force_mfa_login(alice.user)

    async def story() -> list[str]:
        right = alice.code()
        codes = (right, right, alice.wrong())
        return [(await client.post("/async-guess", {"code": code})).content.decode() for code in codes]

    assert asyncio.run(story()) == ["right", "wrong", "wrong"]
    assert get_mfa().status(user_id=alice.user_id).failures == 2


def test_async_requests_by_other_ways_are_gated(alice: Person, clock: Clock) -> None:
    client = AsyncMFAClient()
    client.force_login(alice.user)

    async def story() -> None:
        for path in ("/async-vault", "/vault", "/async-class-vault", "/inside"):
            assert where(await client.get(path)) == "/mfa/challenge", path

    asyncio.run(story())


# Trusted devices


def test_a_trusted_device_is_not_asked_until_the_password_changes(
    client: MFAClient, alice: Person, clock: Clock, ferrotp: Any
) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"}, headers={"User-Agent": "Firefox/1 Linux"})
    cookie = next(cookie for cookie in client.cookies.values() if "ferrotp_device_token_" in cookie.key)
    assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax"
    token = cookie.value
    client.post("/logout")
    clock.tick(3600)
    assert where(alice.password(client)) == "/inside"
    assert client.cookies[cookie.key].value != token
    assert client.get("/vault").status_code == 200
    assert where(client.get("/fresh-vault")) == "/mfa/challenge"
    client.post("/logout")
    alice.password(client, "/careless-login")
    assert client.get("/vault").status_code == 200  # by every way in
    client.post("/logout")
    alice.user.set_password("other")
    alice.user.save()
    client.post("/login", {"username": alice.name, "password": "other"})
    assert where(client.get("/mfa/")) == "/mfa/challenge"


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_double_click_on_log_in_is_no_theft(
    client: MFAClient, alice: Person, clock: Clock, ferrotp: Any, events: list[Event], last: int
) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
    name, morsel = next((name, morsel) for name, morsel in client.cookies.items() if "ferrotp_device_token_" in name)
    clock.tick(3600)
    tabs = [MFAClient() for _ in range(3)]
    for tab in tabs:
        tab.cookies[name] = morsel.value
        assert where(alice.password(tab)) == "/inside"
    clock.tick(3600)
    client.post("/logout")
    client.cookies[name] = tabs[last].cookies[name].value
    assert where(alice.password(client)) == "/inside"
    assert "device theft suspected" not in [event.kind for event in events]


@pytest.mark.parametrize(
    ("changes", "secure", "host"),
    [
        ({}, True, True),
        ({"DEBUG": True}, False, False),
        ({"DEBUG": True, "SESSION_COOKIE_SECURE": True}, True, True),
        ({"SESSION_COOKIE_PATH": "/mfa"}, True, False),
        ({"SESSION_COOKIE_DOMAIN": "testserver"}, True, False),
    ],
)
def test_the_device_cookie_is_for_https_alone_outside_of_debug(
    alice: Person, ferrotp: Any, changes: dict[str, Any], secure: bool, host: bool
) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    with override_settings(**{"DEBUG": False, "SESSION_COOKIE_SECURE": False, **changes}):
        client = MFAClient()
        alice.password(client)
        client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
        cookie = next(cookie for cookie in client.cookies.values() if "ferrotp_device_token_" in cookie.key)
        assert (bool(cookie["secure"]), cookie.key.startswith("__Host-")) == (secure, host)
        alice.clock.tick(100)
        client.post("/logout")
        assert where(alice.password(client)) == "/inside"


def test_a_report_of_an_error_holds_no_token_of_a_device(client: MFAClient, alice: Person, ferrotp: Any) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
    request = RequestFactory().get("/")
    request.COOKIES = {name: morsel.value for name, morsel in client.cookies.items()}
    (kept,) = (value for name, value in request.COOKIES.items() if "ferrotp_device_token_" in name)
    request.META["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in request.COOKIES.items())
    report = ExceptionReporter(request, ValueError, ValueError("boom"), None)
    for text in (report.get_traceback_html(), report.get_traceback_text()):
        assert "boom" in text and kept not in text and kept.split(".")[2] not in text


def test_a_stolen_device_token_ends_all_devices(
    client: MFAClient, alice: Person, clock: Clock, ferrotp: Any, events: list[Event]
) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
    name = next(name for name in client.cookies if "ferrotp_device_token_" in name)
    stolen = client.cookies[name].value
    for _ in range(2):
        clock.tick(100)
        client.post("/logout")
        alice.password(client)
    thief = MFAClient()
    thief.cookies[name] = stolen
    assert where(alice.password(thief)) == "/mfa/challenge"
    assert "device theft suspected" in [event.kind for event in events]
    client.post("/logout")
    assert where(alice.password(client)) == "/mfa/challenge"


# Signals, mails, the helpers


def test_events_are_sent_and_hold_no_code(client: MFAClient, alice: Person, events: list[Event]) -> None:
    alice.password(client)
    wrong, code = alice.wrong(), alice.code()
    client.post("/mfa/challenge", {"code": wrong})
    client.post("/mfa/challenge", {"code": code})
    assert [event.kind for event in events] == ["refused", "verified"]
    assert all(event.user_id == alice.user_id for event in events)
    values = [str(value) for event in events for value in (event.factor_id, *event.detail.values())]
    assert wrong not in values and code not in values


def test_a_receiver_that_raises_changes_nothing(client: MFAClient, alice: Person) -> None:
    from ferrotp.django import mfa_event

    def broken(**more: Any) -> None:
        raise RuntimeError("broken receiver")

    mfa_event.connect(broken)
    try:
        alice.password(client)
        assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
    finally:
        mfa_event.disconnect(broken)


def test_changes_are_told_by_mail(alice: Person, ferrotp: Any) -> None:
    ferrotp(NOTIFY="mail")
    get_mfa().recover(user_id=alice.user_id, code=alice.codes[0])
    (letter,) = mail.outbox
    assert letter.to == [alice.user.email] and "recovery code was used" in letter.body
    assert alice.codes[0] not in letter.body


def test_what_there_was_goes_with_the_user(alice: Person, events: list[Event]) -> None:
    alice.user.delete()
    assert events[-1].kind == "user deleted" and events[-1].detail == {"factors": 1}
    assert not get_mfa().status(user_id=alice.user_id).enrolled


def test_the_helper_logs_in_with_both_factors(client: MFAClient, person: Callable[..., Person], clock: Clock) -> None:
    bob = person(is_staff=True, is_superuser=True)
    client.force_mfa_login(bob.user)
    assert client.get("/fresh-vault").content.decode() == f"fresh vault {bob.name}"
    assert client.get("/admin/").status_code == 200
    assert client.get("/own-admin/").status_code == 200
    client.force_mfa_login(bob.user, fresh=False)
    assert client.get("/vault").status_code == 200
    assert where(client.get("/fresh-vault")) != ""


# A login view of the site's own


def begun(person: Person, data: dict[str, str] | None = None, query: str = "", **more: Any) -> Any:
    """A request after `begin_login`."""
    request = RequestFactory().post(f"/own-login{query}", data or {})
    request.session, request.user = SessionStore(), AnonymousUser()
    begin_login(request, person.user, **more)
    return request


def test_the_helper_is_awaited_in_tests_that_are_coroutines(person: Callable[..., Person], clock: Clock) -> None:
    bob, client = person(), AsyncMFAClient()

    async def story() -> None:
        assert where(await client.get("/async-vault")).startswith("/login")
        await client.aforce_mfa_login(bob.user)
        assert (await client.get("/async-vault")).status_code == 200
        assert (await client.get("/fresh-vault")).status_code == 200
        await client.aforce_mfa_login(bob.user, fresh=False)
        assert where(await client.get("/fresh-vault")).startswith("/login")

    asyncio.run(story())


def test_a_login_view_goes_where_the_form_or_the_address_says(alice: Person) -> None:
    for data, query, more, expected in (
        ({"next": "/vault"}, "", {}, "/vault"),
        ({}, "?next=/vault", {}, "/vault"),
        ({"next": "/vault"}, "?next=/inside", {}, "/vault"),
        ({"next": "/vault"}, "", {"next_url": "/fresh"}, "/fresh"),
        ({"next": "https://evil.example/"}, "", {}, ""),
        ({}, "", {}, ""),
    ):
        login = load(begun(alice, data, query, **more))
        assert login is not None and login.next == expected


@pytest.mark.parametrize(("remember", "ends_with_the_browser"), [(True, False), (False, True), (None, False)])
def test_a_login_view_says_whether_a_session_outlives_the_browser(
    person: Callable[..., Person], remember: bool | None, ends_with_the_browser: bool
) -> None:
    bob = person()
    assert begun(bob, remember=remember).session.get_expire_at_browser_close() is ends_with_the_browser
    request = begun(bob.enroll(), remember=remember)
    login = load(request)
    assert login is not None and login.remember is remember  # until the second factor
    promote(request, login)
    assert request.session.get_expire_at_browser_close() is ends_with_the_browser


MODEL = "django.contrib.auth.backends.ModelBackend"
OTHER = "django.contrib.auth.backends.AllowAllUsersModelBackend"


def test_a_login_keeps_the_backend_that_knew_the_user(alice: Person, person: Callable[..., Person]) -> None:
    def kept(**more: Any) -> str:
        login = load(begun(alice, **more))
        assert login is not None
        return login.backend

    assert kept() == MODEL
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL, OTHER]):
        with pytest.raises(ValueError, match="say which one knew the user"):
            kept()
        assert kept(backend=OTHER) == OTHER
        assert begun(person(), backend=OTHER).session[BACKEND_SESSION_KEY] == OTHER  # without a second factor
        alice.user.backend = MODEL  # `authenticate` says so
        assert kept() == MODEL
        assert kept(backend=OTHER) == OTHER


def test_the_password_step_logs_out_whom_the_session_was_of(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    bob = person()
    bob.password(client)
    assert client.session[SESSION_KEY] == bob.user_id
    assert where(alice.password(client)) == "/mfa/challenge"
    assert SESSION_KEY not in client.session
    assert where(client.get("/inside")).startswith("/login")


def test_the_password_step_keeps_what_a_visitor_had_in_the_session_under_a_new_key(alice: Person) -> None:
    request = RequestFactory().post("/own-login")
    request.session, request.user = SessionStore(), AnonymousUser()
    request.session["basket"] = ["tea"]
    request.session.save()
    before = request.session.session_key
    begin_login(request, alice.user)
    assert request.session["basket"] == ["tea"]
    assert request.session.session_key != before


def test_only_a_login_that_has_passed_and_has_not_ended_counts_as_passed(
    client: MFAClient, alice: Person, person: Callable[..., Person], clock: Clock
) -> None:
    def passed(client: MFAClient, person: Person) -> bool:
        request = RequestFactory().get("/")
        request.session, request.user = client.session, person.user
        return has_passed(request)

    bob, other = person(), MFAClient()
    bob.password(other)
    assert not passed(other, bob)
    alice.password(client)
    assert not passed(client, alice)
    client.post("/mfa/challenge", {"code": alice.code()})
    assert passed(client, alice)
    get_mfa().end_sessions(user_id=alice.user_id, by="root")
    clock.tick(120)
    assert not passed(client, alice)


def test_a_login_ends_with_the_backend_that_knew_the_user(alice: Person) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL, OTHER]):
        request = begun(alice, backend=OTHER)
        login = load(request)
        assert user_of_login(request, login) == alice.user
    with pytest.raises(LoginRequired):
        user_of_login(request, login)


def test_a_login_that_is_done_is_of_its_own_user_under_a_new_key_and_a_new_token(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    half = load(begun(alice))
    assert half is not None
    bob = person()
    request = begun(bob)  # by the same backend
    request.user = bob.user
    promote(request, half, alice.user, MODEL)
    assert request.session[SESSION_KEY] == alice.user_id and request.user == alice.user
    # And where the user is asked again.
    login = load(request)
    assert login is not None
    request.session.save()
    before = request.session.session_key
    request.META.pop("CSRF_COOKIE_NEEDS_UPDATE")
    promote(request, login, alice.user, MODEL)
    assert request.session[SESSION_KEY] == alice.user_id and request.session.session_key != before
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]
