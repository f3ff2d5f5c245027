"""What real sites do around the login: their own views, middleware, hashes, keys, managers, caches and signals."""

import io
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.contrib.auth import signals
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings
from django.urls import reverse

from ferrotp.django import LoginView, get_mfa
from ferrotp.django.connections import StoreConnections
from ferrotp.django.management.commands import ferrotp_import
from ferrotp.django.models import Factor
from ferrotp.django.test import Clock, MFAClient

from .conftest import Person
from .site import PASSWORD
from .test_login import set_up, where

NEW = {"old_password": PASSWORD, "new_password1": "fresh horse battery", "new_password2": "fresh horse battery"}


# Where a login leads


class OwnDefault(LoginView):
    def get_default_redirect_url(self) -> str:
        return "/vault"


@pytest.mark.parametrize(
    ("view", "data", "place"),
    [
        (LoginView.as_view(next_page="/vault"), {}, "/vault"),
        (LoginView.as_view(next_page="inside"), {}, "/inside"),
        (OwnDefault.as_view(), {}, "/vault"),
        (OwnDefault.as_view(), {"next": "/api"}, "/api"),
        (OwnDefault.as_view(), {"next": "https://evil.example/"}, "/vault"),
        (
            LoginView.as_view(success_url_allowed_hosts={"shop.example"}),
            {"next": "https://shop.example/cart?a=1"},
            "https://shop.example/cart?a=1",
        ),
        (LoginView.as_view(success_url_allowed_hosts={"shop.example"}), {"next": "https://evil.example/"}, "/inside"),
        (LoginView.as_view(success_url_allowed_hosts={"shop.example"}), {"next": "//evil.example/"}, "/inside"),
    ],
)
@pytest.mark.parametrize("enrolled", [False, True])
def test_a_login_view_leads_where_djangos_own_would(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch, view: Any, data: Any, place: str, enrolled: bool
) -> None:
    from in_django import urls

    someone = person()
    if enrolled:
        someone.enroll()
    route = next(pattern for pattern in urls.urlpatterns if getattr(pattern, "name", "") == "login")
    monkeypatch.setattr(route, "callback", view)
    client = MFAClient()
    answer = someone.password(client, **data)
    if enrolled:
        assert where(answer) == "/mfa/challenge"
        answer = client.post("/mfa/challenge", {"code": someone.code()})
    assert where(answer) == place


@pytest.mark.parametrize("start", ["/admin/auth/user/", "/own-admin/"])
def test_after_a_set_up_that_had_to_be_the_admin_goes_on_where_it_was(
    client: MFAClient, person: Callable[..., Person], clock: Clock, start: str
) -> None:
    boss = person(is_staff=True, is_superuser=True)
    boss.password(client, "/admin/login/", next=start)
    assert where(client.get(start)) == "/mfa/set-up"
    set_up(client, clock)
    assert where(client.post("/mfa/recovery-codes/saved", {"saved": "y"})) == start
    assert client.get(start).status_code == 200


def test_after_a_set_up_that_a_view_asked_for_the_view_comes(
    client: MFAClient, person: Callable[..., Person], clock: Clock
) -> None:
    person().password(client)
    assert where(client.get("/vault")) == "/mfa/set-up"
    set_up(client, clock)
    assert where(client.post("/mfa/recovery-codes/saved", {"saved": "y"})) == "/vault"


# A form that comes too late


def test_a_form_that_was_posted_too_late_is_said_to_be_lost_and_its_page_comes_back(
    client: MFAClient, alice: Person, clock: Clock
) -> None:
    alice.log_in(client)
    clock.tick(601)
    form = {"amount": "5"}
    lost = client.post("/fresh-vault", form, headers={"Referer": "http://testserver/inside?form=1"})
    assert where(lost) == "/mfa/challenge"
    assert "has not been done" in client.get("/mfa/challenge").content.decode()
    assert "has not been done" in client.post("/mfa/challenge", {"code": alice.wrong()}).content.decode()
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside?form=1"
    clock.tick(30)
    # It is said once, and never of a page that was only looked at.
    clock.tick(601)
    client.get("/fresh-vault")
    assert "has not been done" not in client.get("/mfa/challenge").content.decode()


@pytest.mark.parametrize("referer", ["https://evil.example/inside", "http://testserver//evil.example/", ""])
def test_a_form_of_another_site_leads_nowhere_else(
    client: MFAClient, alice: Person, clock: Clock, referer: str
) -> None:
    alice.log_in(client)
    clock.tick(601)
    client.post("/fresh-vault", {}, headers={"Referer": referer} if referer else {})
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"


def test_a_code_that_is_posted_twice_is_one_login(client: MFAClient, alice: Person, clock: Clock) -> None:
    """The second click of a double click, in a browser that has the cookie of the first one's answer."""
    alice.password(client, next="/vault")
    code = alice.code()
    first = client.post("/mfa/challenge", {"code": code})
    key = client.session.session_key
    second = client.post("/mfa/challenge", {"code": code})
    assert (second.status_code, where(second)) == (303, where(first)) == (303, "/vault")
    assert client.session.session_key == key
    # It is no way to be fresh for longer, and a code is looked at again afterwards.
    clock.tick(11)
    assert client.post("/mfa/challenge", {"code": code}).status_code == 400
    clock.tick(600)
    assert where(client.get("/fresh-vault")) == "/mfa/challenge"


# Middleware around ours


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django 5.1 brought LoginRequiredMiddleware")
@pytest.mark.parametrize("way", ["/login", "/plain-login"])
def test_a_middleware_that_wants_a_login_before_ours_makes_no_loop(clock: Clock, alice: Person, way: str) -> None:
    place = settings.MIDDLEWARE.index("ferrotp.django.middleware.MFAMiddleware")
    wanting = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE[:place], wanting, *settings.MIDDLEWARE[place:]]):
        client = MFAClient()
        assert where(client.get("/")).startswith("/login")
        answer, seen = alice.password(client, way), []
        while answer.status_code in (302, 303):
            seen.append(where(answer))
            assert len(seen) < 4, seen
            answer = client.get(where(answer))
        assert seen[-1] == "/mfa/challenge" and answer.status_code == 200
        client.post("/mfa/challenge", {"code": alice.code()})
        assert client.get("/").status_code == client.get("/vault").status_code == 200


def test_a_policy_that_only_reports_leaves_ours_in_force(client: MFAClient, alice: Person) -> None:
    policy = {"default-src": ["'none'"]}
    reporting = {
        "csp.middleware.CSPMiddleware": {"CONTENT_SECURITY_POLICY_REPORT_ONLY": {"DIRECTIVES": policy}},
        "in_django.csp_of_django.ContentSecurityPolicyMiddleware": {"SECURE_CSP_REPORT_ONLY": policy, "SECURE_CSP": {}},
    }
    alice.password(client)
    with override_settings(
        MIDDLEWARE=["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
    ):  # it sends nothing at all
        browser = MFAClient()
        browser.cookies.update(client.cookies)
        assert "frame-ancestors 'none'" in browser.get("/mfa/challenge").headers["Content-Security-Policy"]
    for middleware, own in reporting.items():
        with override_settings(MIDDLEWARE=[middleware, *settings.MIDDLEWARE], **own):
            browser = MFAClient()
            browser.cookies.update(client.cookies)
            page = browser.get("/mfa/challenge")
            assert "Content-Security-Policy-Report-Only" in page.headers or "csp_of_django" in middleware
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"], middleware


def test_a_cache_for_the_whole_site_keeps_no_token_of_a_device(client: MFAClient, alice: Person, ferrotp: Any) -> None:
    """A browser that is trusted comes back by a cookie that remembers: the site's page brings its new token."""
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
    client.post("/logout")
    alice.clock.tick(3600)
    place = settings.MIDDLEWARE.index("ferrotp.django.middleware.MFAMiddleware")
    middleware = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE[:place],
        "in_django.urls.remember",
        *settings.MIDDLEWARE[place:],
    ]
    caching = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "devices"}}
    with override_settings(CACHES=caching, MIDDLEWARE=middleware):
        browser = MFAClient()
        browser.cookies.update(client.cookies)
        browser.cookies["remember"] = alice.name
        answer = browser.get("/")
        (name,) = (name for name in answer.cookies if "ferrotp_device_token_" in name)
        token = answer.cookies[name].value
        assert answer.content.decode() == f"index {alice.name}" and answer.headers["Cache-Control"].count("private")
        assert not any(token.encode() in value for value in caches["default"]._cache.values())


# Passwords and keys


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
def test_a_change_of_ones_own_password_asks_for_no_code(
    client: MFAClient, alice: Person, clock: Clock, engine: str
) -> None:
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        elsewhere = MFAClient()
        alice.log_in(client), alice.log_in(elsewhere)
        assert where(client.post("/password", NEW)) == "/inside"
        for path in ("/inside", "/vault", "/fresh-vault"):
            assert client.get(path).status_code == 200, path
        # Every other session ends, as Django has it; and so does what was copied before.
        assert where(elsewhere.get("/inside")).startswith("/login")
        thief = MFAClient()
        User.objects.get(pk=alice.user.pk)
        thief.force_login(User.objects.get(pk=alice.user.pk))
        assert where(thief.get("/vault")) == "/mfa/challenge"


def test_a_half_login_is_not_carried_over_by_a_change_of_the_password(
    client: MFAClient, alice: Person, clock: Clock
) -> None:
    """A session by the password alone, at a view of the site that changes it: the code is asked for."""
    alice.password(client, "/plain-login")
    assert where(client.post("/password", NEW)) == "/mfa/challenge"
    alice.user.refresh_from_db()
    assert alice.user.check_password(PASSWORD)


HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]


def _trusted(alice: Person, ferrotp: Any) -> MFAClient:
    """A browser that is trusted, and logged out."""
    ferrotp(POLICY={"trusted_device_days": 30})
    client = MFAClient()
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "y"})
    client.post("/logout")
    alice.clock.tick(3600)
    return client


def test_a_password_that_is_hashed_anew_keeps_the_device(alice: Person, clock: Clock, ferrotp: Any) -> None:
    client = _trusted(alice, ferrotp)
    with override_settings(PASSWORD_HASHERS=HASHERS):
        assert where(alice.password(client)) == "/inside"
        alice.user.refresh_from_db()
        assert alice.user.password.startswith("pbkdf2")
        client.post("/logout")
        clock.tick(60)
        assert where(alice.password(client)) == "/inside"
    # A change of the password ends the trust as before.
    client.post("/logout")
    alice.user.set_password(PASSWORD)
    alice.user.save()
    with override_settings(PASSWORD_HASHERS=HASHERS):
        assert where(alice.password(client)) == "/mfa/challenge"


@pytest.mark.parametrize("way", ["mark", "half-login", "device"])
def test_another_secret_key_with_the_old_one_behind_it_keeps_marks_and_devices(
    client: MFAClient, alice: Person, ferrotp: Any, way: str
) -> None:
    new = {"SECRET_KEY": secrets.token_hex(32), "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY]}
    if way == "device":
        client = _trusted(alice, ferrotp)
        with override_settings(**new):
            assert where(alice.password(client)) == "/inside"
            assert client.get("/vault").status_code == 200
        with override_settings(SECRET_KEY=new["SECRET_KEY"]):  # its mark is by the new key since
            client.post("/logout")
            alice.clock.tick(60)
            assert where(alice.password(client)) == "/inside"
        return
    alice.log_in(client) if way == "mark" else alice.password(client)
    with override_settings(**new):
        if way == "half-login":
            assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
        assert client.get("/vault").status_code == 200
        assert client.get("/inside").status_code == 200
    with override_settings(SECRET_KEY=new["SECRET_KEY"]):
        assert client.get("/vault").status_code == 200


def test_a_key_that_is_no_fallback_ends_all_marks(client: MFAClient, alice: Person) -> None:
    alice.log_in(client)
    with override_settings(SECRET_KEY=secrets.token_hex(32)):
        assert client.get("/vault").status_code != 200


# Signals


@pytest.fixture
def sent() -> Iterator[list[tuple[str, str]]]:
    """Django's signals of logins, as axes and collectors of events hear them."""
    found: list[tuple[str, str]] = []

    def logged_in(user: Any, **more: Any) -> None:
        found.append(("logged in", user.get_username()))

    def failed(credentials: Any, request: Any = None, **more: Any) -> None:
        assert request is not None and not any(str(value).isdigit() for value in credentials.values())
        found.append(("failed", credentials["username"]))

    signals.user_logged_in.connect(logged_in)
    signals.user_login_failed.connect(failed)
    yield found
    signals.user_logged_in.disconnect(logged_in)
    signals.user_login_failed.disconnect(failed)


def test_djangos_signals_are_sent_when_they_are_true(
    client: MFAClient, alice: Person, clock: Clock, sent: list[tuple[str, str]]
) -> None:
    client.post("/login", {"username": alice.name, "password": "wrong"})
    assert sent.pop() == ("failed", alice.name) and not sent
    alice.password(client)
    assert sent == []
    client.post("/mfa/challenge", {"code": alice.wrong()})
    client.post("/mfa/recover", {"code": "AAAA-BBBB-CCCC-DDDD"})
    assert sent == 2 * [("failed", alice.name)]
    sent.clear()
    client.post("/mfa/challenge", {"code": ""})
    assert sent == []
    client.post("/mfa/challenge", {"code": alice.code()})
    assert sent == [("logged in", alice.name)]
    # Somebody who is logged in and is asked again has not failed to log in.
    clock.tick(601)
    client.post("/mfa/challenge", {"code": alice.wrong()})
    assert sent == [("logged in", alice.name)]


# Databases and managers


def test_options_of_the_database_reach_the_store_and_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    from .stores import set_up as set_up_databases

    options = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "pool": False}
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "site",
        "USER": "app",
        "PASSWORD": "p/w",
        "HOST": "db",
    }
    set_up_databases({"verified": {**database, "OPTIONS": options}})
    asked: list[dict[str, Any]] = []

    class Refused(Exception):
        pass

    def connect(*arguments: Any, **given: Any) -> Any:
        asked.append(given)
        raise Refused

    psycopg = connections["verified"].Database  # type: ignore[attr-defined]
    monkeypatch.setattr(psycopg, "connect", connect)
    import psycopg as driver

    monkeypatch.setattr(driver, "connect", connect)
    monkeypatch.setattr(driver.Connection, "connect", connect)
    engine = ferrotp_import.source_of("verified")
    assert "p/w" not in repr(engine)
    with pytest.raises(Refused):
        engine.raw_connection()
    store = StoreConnections("verified", 2)
    with pytest.raises(Exception), store.transaction():  # noqa: B017, PT011 - whatever became of Refused
        pass
    assert len(asked) >= 2
    for given in asked:
        assert given["sslmode"] == "verify-full" and given["sslrootcert"] == "/etc/ca.pem", given
        assert given["password"] == "p/w" and given["host"] == "db"


def test_a_missing_table_is_said_with_the_command_that_makes_it(tmp_path: Any, ferrotp: Any) -> None:
    from .stores import set_up as set_up_databases

    alias = f"second_{secrets.token_hex(4)}"
    set_up_databases({alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "second.sqlite3")}})
    ferrotp(DATABASE=alias)
    with pytest.raises(CommandError, match=f"run manage.py migrate --database={alias}$"):
        call_command("ferrotp_report", stdout=io.StringIO())


class Visible(User._default_manager.__class__):  # type: ignore[name-defined,misc]
    """A manager of a site's that hides superusers."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(is_superuser=False)


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Visible()
    manager.model, manager.name = User, "objects"
    monkeypatch.setitem(User._meta.__dict__, "default_manager", manager)


def test_a_manager_that_hides_superusers_lets_nobody_reset_them(
    client: MFAClient, person: Callable[..., Person], hidden: None
) -> None:
    boss = person(is_superuser=True).enroll()
    desk = person(is_staff=True)
    for name in ("view_factor", "reset_user"):
        desk.user.user_permissions.add(Permission.objects.get(codename=name))
    client.force_mfa_login(desk.user)
    factor = Factor.objects.get(user_id=boss.user_id)
    page = reverse("admin:ferrotp_reset_user", args=[factor.pk])
    assert client.get(page).status_code == client.post(page).status_code == 403
    assert get_mfa().status(user_id=boss.user_id).enrolled
    # A page holds a hundred, and users of other tests are there.
    found = client.get("/admin/ferrotp/factor/", {"q": boss.user_id})
    assert boss.name in found.content.decode()
    out = io.StringIO()
    call_command("ferrotp_report", stdout=out)
    other = person(is_superuser=True)
    call_command("ferrotp_report", stdout=out)
    assert f"  {other.name}\n" in out.getvalue()
    call_command("ferrotp_reset", boss.name, "--noinput", stdout=out)
    assert not get_mfa().status(user_id=boss.user_id).enrolled
