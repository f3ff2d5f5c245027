"""The pages: one design with the other frameworks', and to be replaced."""

import html
import pickle
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import caches
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from mfa.authenticator import Device

from ferrotp.django import forms, views
from ferrotp.django.store import DjangoStore
from ferrotp.django.test import Clock, MFAClient
from ferrotp.web import PAGE_HEADERS, SessionInfo, Texts
from ferrotp.web.errors import HalfLoginEnded
from ferrotp.web.pages import CodesPage, challenge_page, end_session_page, remove_page, set_up_page, settings_page
from ferrotp.web.texts import ENGLISH

from .conftest import Person
from .test_login import where


def _normal(page: str) -> str:
    """Without what is each framework's own: the token against forgery, and white space."""
    page = re.sub(r'<input type="hidden" name="csrf\w+" value="[^"]*">', "<token>", page)
    page = page.replace("&#x27;", "'").replace("&#39;", "'").replace("&quot;", '"').replace("&#34;", '"')
    page = re.sub(r"\s+", " ", page)
    return re.sub(r" ?(<|>) ?", r"\1", page).strip()


@pytest.fixture
def in_flask() -> Callable[..., str]:
    flask = pytest.importorskip("flask")
    from ferrotp.django import get_mfa
    from ferrotp.flask import FlaskMFA
    from ferrotp.flask.rendering import render

    app = flask.Flask("pages")
    app.config.update(SECRET_KEY="x" * 40, TESTING=True, FERROTP_LOGIN_VIEW="/login")
    FlaskMFA(app, mfa=get_mfa())

    def show(template: str, **values: Any) -> str:
        with app.test_request_context("/mfa/"):
            return str(render(template, **values).get_data(as_text=True))

    return show


def test_the_qr_code_comes_before_the_question_for_a_name(client: MFAClient, person: Callable[..., Person]) -> None:
    from ferrotp.django.service import get_mfa

    bob = person()
    bob.password(client)
    assert 'name="name"' not in client.get("/mfa/set-up").content.decode()
    client.post("/mfa/set-up")
    page = client.get("/mfa/set-up").content.decode()
    assert page.index("<svg") < page.index('name="code"') < page.index('name="name"')
    device = Device(html.unescape(re.search(r'href="(otpauth:[^"]+)"', page)[1]))  # type: ignore[index]
    wrong = client.post("/mfa/set-up/confirm", {"code": "", "name": ' Bob\'s "phone" <b>\n'})
    assert wrong.status_code == 400 and 'value="Bob&#x27;s &quot;phone&quot; &lt;b&gt;"' in wrong.content.decode()
    client.post("/mfa/set-up/confirm", {"code": device.at(bob.clock.now), "name": " Bob's\tphone "})
    assert [factor.name for factor in get_mfa().status(user_id=bob.user_id).factors] == ["Bob's phone"]


def test_each_page_is_what_flask_shows(alice: Person, in_flask: Callable[..., str], ferrotp: Any) -> None:
    from dataclasses import replace

    from ferrotp.django.service import gate_for, get_mfa
    from ferrotp.web import Login

    ferrotp(POLICY={"trusted_device_days": 30})
    gate, texts = gate_for(alice.user), Texts()
    now = gate.now()
    half = Login.start("half", alice.user_id, "al<i>ce@example.com", now, issuer=get_mfa().issuer)
    full = half.promote(now, fresh=True)
    enrollment = get_mfa().enroll(user_id=alice.user_id, account_name=alice.name)
    get_mfa().trust_device(user_id=alice.user_id, name="Firefox <b>")
    factor = get_mfa().status(user_id=alice.user_id).factors[0]
    began_at = datetime.fromtimestamp(now - 90_000, timezone.utc)
    sessions = [SessionInfo("a" * 32, began_at, current=True), SessionInfo("b" * 32, began_at, "Firefox <b>")]
    assert end_session_page(gate, texts, sessions, "a" * 32) is None
    rows: list[tuple[str, dict[str, Any]]] = [
        ("challenge", {"page": challenge_page(gate, login, texts, recovery=recovery, error=error)})
        for login in (half, full)
        for recovery in (False, True)
        for error in ("", "It is <wrong>.")
    ]
    rows += [("set_up", {"page": set_up_page(gate, login, texts, waiting, error=error)})
             for login in (half, full) for waiting in (None, enrollment) for error in ("", "Wrong.")]  # fmt: skip
    rows += [
        ("challenge", {"page": replace(rows[0][1]["page"], two_codes=True, note="Two.", error=error)})
        for error in ("", "Wrong.")
    ]
    rows += [
        ("set_up", {"page": replace(rows[-3][1]["page"], required=True, qr="", key="")}),
        ("codes", {"page": CodesPage(("AAAA-BBBB", "CCCC-DDDD"))}),
        ("codes", {"page": CodesPage(("AAAA-BBBB",), "Save them.")}),
        ("new_codes", {"opened_at": 1_800_000_000, "error": ""}),
        ("end_sessions", {"error": ""}),
        ("end_sessions", {"error": "Too <late>."}),
        ("ended", {"error": "Over.", "login_page": "/login"}),
        ("unavailable", {"error": "Later."}),
        ("remove", {"page": remove_page(gate, factor, texts), "error": ""}),
        ("settings", {"page": settings_page(gate, full, texts, sessions=sessions)}),
        ("end_session", {"page": end_session_page(gate, texts, sessions, "b" * 32), "error": ""}),
        ("end_session", {"page": end_session_page(gate, texts, sessions, "b" * 32), "error": "Too <late>."}),
        ("settings", {"page": settings_page(gate, full, texts, message="Done.")}),
        ("settings", {"page": settings_page(gate, replace(full, unsaved_codes=True), texts)}),
        ("settings", {"page": settings_page(gate, replace(full, user_id="nobody"), texts)}),
    ]
    for template, values in rows:
        request = RequestFactory().get("/mfa/")
        shown = views.render(request, template, **values).content.decode()
        assert _normal(shown) == _normal(in_flask(template, **values)), (template, values)


# Replaced by the site


def test_pages_stand_in_the_sites_base_and_can_be_replaced(
    client: MFAClient, alice: Person, ferrotp: Any, tmp_path: Path
) -> None:
    (tmp_path / "ferrotp").mkdir()
    (tmp_path / "own_base.html").write_text(
        "<main>OWN {% block title %}{% endblock %}{% block content %}{% endblock %}"
    )
    (tmp_path / "ferrotp" / "ended.html").write_text("REPLACED")
    templates = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    ferrotp(BASE_TEMPLATE="own_base.html", POLICY={"disable_after": 1})
    with override_settings(TEMPLATES=templates):
        alice.password(client)
        assert client.get("/mfa/challenge").content.decode().startswith("<main>OWN Enter your code")
        assert client.post("/mfa/challenge", {"code": alice.wrong()}).content == b"REPLACED"


def test_the_forms_serve_pages_of_the_sites_own(client: MFAClient, alice: Person) -> None:
    alice.password(client)

    def request(data: dict[str, str] | None) -> HttpRequest:
        made = RequestFactory().post("/own", data or {})
        made.session, made.user = client.session, type("Anonymous", (), {"is_authenticated": False})()
        return made

    form = forms.ChallengeForm(request(None))
    html = form.as_p()
    assert 'inputmode="numeric"' in html and 'autocomplete="one-time-code"' in html and "maxlength" not in html
    wrong = forms.ChallengeForm(request(None), {"code": alice.wrong()})
    assert not wrong.is_valid() and wrong.problem is not None and wrong.problem.status == 400
    assert ENGLISH["error.code"] in wrong.as_p() and alice.wrong() not in wrong.as_p()
    empty = forms.ChallengeForm(request(None), {"code": "  "})
    assert not empty.is_valid() and ENGLISH["error.empty"] in empty.as_p()
    post = request(None)
    right = forms.ChallengeForm(post, {"code": alice.code()})
    assert right.is_valid()
    assert where(right.complete_login()) == "/inside"
    assert post.session["_auth_user_id"] == alice.user_id
    recovery = forms.RecoveryForm(post, {"code": alice.codes[0]})
    assert recovery.is_valid() and "trust" not in recovery.fields


def test_a_posted_code_is_one_decision_of_the_store(
    client: MFAClient, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.password(client)
    asked: list[str] = []
    for name in ("attempt", "has_ended", "user", "epoch"):
        ask = getattr(DjangoStore, name)
        noted = lambda *arguments, ask=ask, **more: asked.append(ask.__name__) or ask(*arguments, **more)  # noqa: E731
        monkeypatch.setattr(DjangoStore, name, noted)
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
    assert asked == ["attempt"]


def test_a_form_of_an_ended_half_login_says_nothing(client: MFAClient, alice: Person) -> None:
    """Not even that no code was typed."""
    alice.password(client)
    session = dict(client.session.items())
    client.post("/mfa/cancel")
    for data in ({}, {"code": alice.code()}):
        made = RequestFactory().post("/own", data)
        made.session, made.user = SessionStore(), type("Anonymous", (), {"is_authenticated": False})()  # type: ignore[assignment]
        made.session.update(session)
        form = forms.ChallengeForm(made, data)
        with pytest.raises(HalfLoginEnded):
            form.is_valid()


def test_a_page_of_the_sites_own_stands_in_the_place_of_ours(client: MFAClient, alice: Person) -> None:
    """Whichever way somebody came in."""
    with override_settings(ROOT_URLCONF="in_django.own_page"):
        assert where(client.get("/mfa/challenge")).startswith("/login")
        for path in ("/login", "/plain-login"):
            alice.password(client, path)
            page = client.get("/mfa/challenge")
            assert page.content.startswith(b"OWN") and page.headers["Cache-Control"] == "private, no-store"
            assert client.post("/mfa/challenge", {"code": alice.wrong()}).status_code == 400
            assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
            assert client.get("/vault").status_code == 200
            alice.clock.tick()
            client.post("/logout")


# What a report of a fault tells


def test_a_report_of_a_fault_holds_no_code_and_no_secret(
    client: MFAClient, alice: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch, reports: list[str]
) -> None:
    from mfa.authenticator import Device

    from ferrotp.django.store import DjangoStore

    def broken(*arguments: Any, **more: Any) -> Any:
        raise RuntimeError("broken")

    client.raise_request_exception = False
    alice.log_in(client)
    client.post("/mfa/set-up")
    page = client.get("/mfa/set-up").content.decode()
    device = Device("otpauth://" + page.split('href="otpauth://')[1].split('"')[0].replace("&amp;", "&"))
    secret = page.split("secret=")[1].split("&")[0]
    for name in ("attempt", "confirm", "redeem", "replace_recovery_codes"):
        monkeypatch.setattr(DjangoStore, name, broken)
    monkeypatch.setattr(views, "set_up_page", broken)
    codes = [alice.code(), device.at(clock.now), alice.codes[0]]
    answers = [
        client.post("/mfa/challenge", {"code": codes[0]}),
        client.post("/mfa/set-up/confirm", {"code": codes[1]}),
        client.get("/mfa/set-up"),
        client.post("/mfa/recover", {"code": codes[2]}),
        client.post("/mfa/recovery-codes"),
    ]
    with override_settings(ROOT_URLCONF="in_django.own_page"):
        answers.append(client.post("/mfa/challenge", {"code": codes[0]}))
    assert [answer.status_code for answer in answers] == [500] * len(answers) == [500] * len(reports)
    for report in reports:
        assert "RuntimeError" in report
        assert not any(secret_text in report for secret_text in (*codes, secret, *alice.codes))


def test_a_path_cannot_forge_a_line_of_the_log(
    client: MFAClient, alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2025-48432 elsewhere."""
    from ferrotp.django.store import DjangoStore
    from ferrotp.mfa import StoreUnavailable

    def away(*arguments: Any, **more: Any) -> Any:
        raise StoreUnavailable("away")

    client.force_mfa_login(alice.user)
    monkeypatch.setattr(DjangoStore, "user", away)
    assert client.get("/mfa/factors/a%0AERROR forged/remove").status_code == 503
    assert "forged" in caplog.text and "\nERROR forged" not in caplog.text


# Headers


def test_every_page_has_its_headers_and_a_strict_policy_suffices(client: MFAClient, alice: Person) -> None:
    alice.password(client)
    answers = [client.get("/mfa/challenge"), client.post("/mfa/challenge", {"code": alice.code()})]
    answers += [client.get(f"/mfa/{path}") for path in ("", "set-up", "recovery-codes")]
    answers += [client.post("/mfa/recovery-codes"), client.get("/mfa/cancel")]
    for answer in answers:
        for name, value in {**PAGE_HEADERS, "Cache-Control": "private, no-store"}.items():
            assert answer.headers[name] == value, name
        assert " style=" not in answer.content.decode() and " on" + "click=" not in answer.content.decode()
    assert client.get("/mfa/cancel").status_code == 405


CSP_OF_DJANGO = "django.middleware.csp.ContentSecurityPolicyMiddleware"


@pytest.mark.parametrize("middleware", ["csp.middleware.CSPMiddleware", CSP_OF_DJANGO])
def test_the_sites_own_content_security_policy_wins(client: MFAClient, alice: Person, middleware: str) -> None:
    """Both leave a header that is there: ours, which is laxer, would stay."""
    if middleware == CSP_OF_DJANGO and django.VERSION < (6, 0):
        middleware = "in_django.csp_of_django.ContentSecurityPolicyMiddleware"
    policy = {"default-src": ["'none'"], "style-src": ["'self'"]}
    own = {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": policy}, "SECURE_CSP": policy}
    with override_settings(MIDDLEWARE=[middleware, *settings.MIDDLEWARE], **own):
        alice.password(client)
        for answer in (client.get("/mfa/challenge"), client.post("/mfa/challenge", {"code": alice.wrong()})):
            said = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in said and "style-src 'self'" in said
            assert answer.headers["X-Frame-Options"] == "DENY"  # and ours holds where the site has none


def test_a_cache_for_the_whole_site_keeps_no_page_with_a_secret(
    client: MFAClient, person: Callable[..., Person]
) -> None:
    cache = "django.core.cache.backends.locmem.LocMemCache"
    caching = {
        "CACHES": {"default": {"BACKEND": cache, "LOCATION": "kept"}},
        "MIDDLEWARE": [
            "django.middleware.cache.UpdateCacheMiddleware",
            *settings.MIDDLEWARE,
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
    }
    with override_settings(**caching):
        bob = person()
        bob.password(client)
        client.post("/mfa/set-up")
        page = client.get("/mfa/set-up").content.decode()
        secret = re.search(r"secret=([A-Z2-7]+)", page)
        assert secret
        device = Device(html.unescape(re.search(r'href="(otpauth:[^"]+)"', page)[1]))  # type: ignore[index]
        codes = client.post("/mfa/set-up/confirm", {"code": device.at(bob.clock.now)}).content.decode()
        client.get("/mfa/")
        client.get("/mfa/set-up")
        client.get("/")
        values = [pickle.loads(value) for value in caches["default"]._cache.values()]
        kept = repr([getattr(value, "content", value) for value in values])
        assert "index" in kept  # it does keep pages
        assert secret[1] not in kept and "ferrotp" not in kept
        assert not any(code in kept for code in re.findall(r"<li>([0-9A-Z-]{9,})</li>", codes))


def test_style_and_script_need_no_collectstatic(client: MFAClient) -> None:
    for name, kind in (("ferrotp.css", "text/css"), ("ferrotp.js", "javascript")):
        answer = client.get(f"/mfa/static/{name}")
        assert answer.status_code == 200 and kind in answer.headers["Content-Type"]
        answer.close()
    for evil in ("../pages.py", "%2e%2e/pages.py", ".."):
        assert client.get(f"/mfa/static/{evil}").status_code in (400, 404)


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django 5.1 brought LoginRequiredMiddleware")
def test_where_every_page_wants_a_login_these_do_not(clock: Clock, alice: Person) -> None:
    middleware = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    with override_settings(MIDDLEWARE=middleware):
        client = MFAClient()
        assert where(client.get("/")).startswith("/login")
        assert client.get("/login").status_code == 200
        for path in ("/login", "/plain-login"):
            alice.password(client, path)
            assert client.get("/mfa/challenge").status_code == client.get("/mfa/recover").status_code == 200
            style = client.get("/mfa/static/ferrotp.css")
            assert style.status_code == 200
            style.close()
            assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside"
            assert client.get("/").status_code == 200
            client.post("/mfa/cancel"), client.post("/logout")
            alice.clock.tick()


def test_the_store_away_is_a_page_that_says_so(
    client: MFAClient, alice: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ferrotp.django import get_mfa
    from ferrotp.django.store import DjangoStore
    from ferrotp.mfa import StoreRefused, StoreUnavailable

    alice.password(client)

    def away(*arguments: Any, **more: Any) -> Any:
        raise StoreUnavailable("away")

    user = DjangoStore.user

    def refused(*arguments: Any, **more: Any) -> Any:
        raise StoreRefused("run migrate")

    for name in ("attempt", "user", "add_factor"):
        monkeypatch.setattr(DjangoStore, name, away)
    answer = client.post("/mfa/challenge", {"code": alice.code()})
    assert answer.status_code == 503 and "away" not in answer.content.decode()
    monkeypatch.setattr(DjangoStore, "attempt", refused)
    monkeypatch.setattr(DjangoStore, "user", user)
    answer = client.post("/mfa/challenge", {"code": alice.code()})
    assert answer.status_code == 500 and "migrate" not in answer.content.decode()
    assert "POST '/mfa/challenge': StoreRefused: run migrate" in caplog.text
    monkeypatch.setattr(DjangoStore, "user", away)
    assert where(client.get("/inside")).startswith("/login")
    other = MFAClient()
    other.force_login(alice.user)
    for path in ("/inside", "/vault", "/admin/", "/api"):
        assert other.get(path).status_code == 503
    client.force_mfa_login(alice.user, fresh=False)
    assert client.get("/vault").status_code == 200  # who is in stays in
    assert client.get("/fresh-vault").status_code == 503
    assert get_mfa() is get_mfa()
