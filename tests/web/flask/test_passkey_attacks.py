"""Passkeys over HTTP in Flask: attacks, and signing in by a passkey alone."""

import html
import json
import re
from dataclasses import replace
from typing import Any

import flask
import flask_login
import pytest
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from mfa.authenticator import Clock, Device
from mfa.passkey_attacks import PASSKEYS, POLICY, What, give_passkey, new_id, play
from mfa.passkey_device import PasskeyDevice

from ferrotp.flask import FlaskMFA, SetupError, mfa_required
from ferrotp.mfa import MFA, Event, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web.login import LOGIN_KEY, SIGN_IN_KEY

PATHS: dict[What, tuple[str, str]] = {
    "second factor": ("/mfa/challenge", "/mfa/passkey"),
    "sign in": ("/login", "/mfa/sign-in"),
    "register": ("/mfa/passkeys/add", "/mfa/passkeys/add"),
}


class User(flask_login.UserMixin):
    def __init__(self, user_id: str, is_active: bool) -> None:
        self.id, self._is_active = user_id, is_active

    @property
    def is_active(self) -> bool:
        return self._is_active


class FlaskBrowser:
    """See `passkey_attacks.Browser`. The token against forgery is the application's own to check: see `forged`."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.answer: Any = None

    def options(self, what: What, query: str = "") -> dict[str, Any]:
        page = self.client.get(PATHS[what][0] + query)
        assert page.status_code == 200, page.location
        found = re.search(r'data-ferrotp-options="([^"]+)"', page.text)
        assert found, page.text
        options: dict[str, Any] = json.loads(html.unescape(found[1]))
        return options

    def post(self, what: What, credential: object, **more: str) -> int:
        text = credential if isinstance(credential, str) else json.dumps(credential)
        self.answer = self.client.post(PATHS[what][1], data={"credential": text, **more})
        return int(self.answer.status_code)

    def is_in(self) -> bool:
        return self.client.get("/vault").status_code == 200

    @property
    def told(self) -> str:
        found = re.search(r'id="ferrotp-error" role="alert"><p>(.*?)</p>', self.answer.text)
        return found[1] if found else ""


class FlaskSite:
    """See `passkey_attacks.Site`. Its users are Flask-Login's."""

    def __init__(self, policy: Policy = POLICY, **options: Any) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.active: dict[str, bool] = {}
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=policy,
            clock=self.clock,
            on_event=self.events.append,
        )
        app = self.app = flask.Flask(__name__)
        app.config.update(SECRET_KEY="kX3v9Qm2Zs8LrT5wYbN7cHd4", TESTING=True, WTF_CSRF_ENABLED=False)
        manager = flask_login.LoginManager(app)
        manager.login_view = "login"
        manager.user_loader(lambda user_id: User(user_id, self.active[user_id]) if user_id in self.active else None)
        flask_mfa = FlaskMFA(app, mfa=self.mfa, **options)

        @app.route("/login", methods=["GET", "POST"])
        def login() -> ResponseReturnValue:
            if flask.request.method == "POST":
                return flask_mfa.begin_login(flask.request.form["user"], "alice@example.com")
            return flask.render_template_string("<h1>Log in</h1>{{ ferrotp_sign_in() }}")

        @app.get("/vault")
        @mfa_required
        def vault() -> str:
            return f"vault of {flask_mfa.user_id}"

        @app.get("/")
        def home() -> str:
            return "home"

    def user(self) -> str:
        user_id = new_id()
        self.active[user_id] = True
        return user_id

    def browser(self, what: What, user_id: str) -> FlaskBrowser:
        client = self.app.test_client()
        if what != "sign in":
            where = client.post("/login", data={"user": user_id}).location
            assert where == ("/mfa/challenge" if what == "second factor" else "/")
        return FlaskBrowser(client)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds


@pytest.fixture
def site() -> FlaskSite:
    return FlaskSite()


@pytest.mark.parametrize("what", ["second factor", "sign in", "register"])
def test_each_attack_is_refused_with_its_own_error_and_told(site: FlaskSite, what: What) -> None:
    play(site, what)


def test_a_passkey_alone_signs_in_by_the_login_page(site: FlaskSite) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    page = browser.client.get("/login?next=/vault")
    assert page.headers["Cache-Control"] == "no-store"
    options = browser.options("sign in")
    assert options["allowCredentials"] == [] and options["userVerification"] == "required"
    with browser.client.session_transaction() as session:
        session["of"] = "the visitor"
        before = session[SIGN_IN_KEY]
    assert browser.post("sign in", device.get(options), next="/vault") == 303 and browser.answer.location == "/vault"
    assert browser.client.get("/vault").text == f"vault of {user_id}"
    assert browser.client.get("/mfa/").status_code == 200
    with browser.client.session_transaction() as session:
        assert SIGN_IN_KEY not in session and session[LOGIN_KEY]["passed"] and before not in str(dict(session))
    # It is as fresh as one by password and code; and it ends like any other.
    assert browser.client.get("/mfa/recovery-codes").status_code == 200
    site.mfa.end_sessions(user_id=user_id, by="admin")
    site.wait(61)
    assert not browser.is_in()


def test_where_it_is_off_there_is_nothing_of_it() -> None:
    site = FlaskSite(replace(POLICY, passkeys=replace(PASSKEYS, sign_in=False)))
    client = site.app.test_client()
    assert client.get("/login").text == "<h1>Log in</h1>"
    for path in ("/mfa/sign-in", "/mfa/sign-in/options"):
        assert client.get(path).status_code == client.post(path, data={"credential": "{}"}).status_code == 404


def test_a_user_who_is_gone_or_inactive_is_refused_like_a_passkey_that_nobody_has(site: FlaskSite) -> None:
    told = []
    for change in (lambda of: site.active.pop(of), lambda of: site.active.update({of: False})):
        user_id = site.user()
        device = give_passkey(site, user_id)
        change(user_id)
        browser = site.browser("sign in", user_id)
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 400 and not browser.is_in()
        told.append(browser.told)
    browser = site.browser("sign in", "")
    stranger = PasskeyDevice()
    stranger.user_handle = b"x" * 32
    assert browser.post("sign in", stranger.get(browser.options("sign in"))) == 400
    assert set(told) == {browser.told} and browser.told


def test_the_application_has_the_last_word(site: FlaskSite) -> None:
    asked: list[str] = []
    site = FlaskSite(may_sign_in=lambda user_id: asked.append(user_id))
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    assert browser.post("sign in", device.get(browser.options("sign in"))) == 400 and not browser.is_in()
    assert asked == [user_id]


def test_without_flask_login_the_application_must_say_who_may(site: FlaskSite) -> None:
    with pytest.raises(SetupError, match="may_sign_in"):
        FlaskSite(on_login=lambda user_id: None)
    logins: list[str] = []
    site = FlaskSite(on_login=logins.append, may_sign_in=lambda user_id: True)
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    assert browser.post("sign in", device.get(browser.options("sign in"))) == 303 and logins == [user_id]


@pytest.mark.parametrize("leads_off", ["https://evil.net/", "//evil.net", "/\\evil.net", "javascript:alert(1)"])
def test_nobody_is_led_off_the_site(site: FlaskSite, leads_off: str) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    assert "evil" not in browser.client.get("/mfa/sign-in", query_string={"next": leads_off}).text
    assert browser.post("sign in", device.get(browser.options("sign in")), next=leads_off) == 303
    assert browser.answer.location == "/"


def test_another_user_who_was_logged_in_is_out(site: FlaskSite) -> None:
    browser = site.browser("sign in", "")
    for _ in range(2):
        user_id = site.user()
        device = give_passkey(site, user_id)
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 303
        assert browser.client.get("/vault").text == f"vault of {user_id}"


def test_a_reset_that_comes_in_between_is_not_overtaken(site: FlaskSite, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    verify = site.mfa.verify_passkey

    def reset_just_after(**given: Any) -> Any:
        yes = verify(**given)
        site.mfa.reset(user_id=user_id, by="admin")
        give_passkey(site, user_id)
        return yes

    monkeypatch.setattr(MFA, "verify_passkey", lambda self, **given: reset_just_after(**given))
    browser = site.browser("sign in", user_id)
    assert browser.post("sign in", device.get(browser.options("sign in"))) == 400 and not browser.is_in()


def test_a_form_of_another_site_changes_nothing(site: FlaskSite) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = True
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    site.events.clear()
    assert browser.post("sign in", device.get(browser.options("sign in"))) == 400
    assert site.events == [] and not browser.is_in()


def test_a_page_that_was_open_for_long_gets_a_new_challenge(site: FlaskSite) -> None:
    browser = site.browser("sign in", "")
    old = browser.options("sign in")["challenge"]
    assert browser.post("sign in", "") == 400 and browser.told
    fresh = browser.client.get("/mfa/sign-in/options")
    assert fresh.headers["Cache-Control"] == "no-store" and fresh.json["options"]["challenge"] != old
    device = give_passkey(site, site.user())
    assert browser.post("sign in", device.get(fresh.json["options"])) == 303 and browser.is_in()


def test_a_user_who_must_have_a_passkey_is_led_to_add_one_and_codes_end_with_it() -> None:
    site = FlaskSite(passkey_required=lambda user_id: True)
    user_id = site.user()
    enrollment = site.mfa.enroll(user_id=user_id, account_name="alice")
    app = Device(enrollment.uri)
    site.mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=app.at(site.clock.now))
    site.wait(60)
    client = site.app.test_client()
    client.post("/login", data={"user": user_id})
    assert client.post("/mfa/challenge", data={"code": app.at(site.clock.now)}).status_code == 303
    assert client.get("/vault").location == "/mfa/set-up"
    assert client.get("/mfa/set-up").location == "/mfa/passkeys/add"
    browser, device = FlaskBrowser(client), PasskeyDevice()
    assert browser.post("register", device.create(browser.options("register"))) < 400 and browser.is_in()
    site.wait(60)
    browser = site.browser("second factor", user_id)
    refused = browser.client.post("/mfa/challenge", data={"code": app.at(site.clock.now)})
    assert refused.status_code == 403 and not browser.is_in()
    assert browser.post("second factor", device.get(browser.options("second factor"))) == 303 and browser.is_in()
    with pytest.raises(ValueError, match="passkey_required"):
        FlaskSite(Policy.cheap_for_tests(), passkey_required=lambda user_id: True)
