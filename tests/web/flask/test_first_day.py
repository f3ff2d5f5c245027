"""What somebody meets on the first day: how the extension starts, whom it leads where, and what its pages say then."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask, redirect, request, session, url_for
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect

import ferrotp
from ferrotp.flask import FlaskMFA, SetupError
from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring, new_key

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "correct horse battery"


class Clock:
    now = 1_800_000_015.0

    def __call__(self) -> float:
        return self.now


class World:
    """An application whose login page sends home who is logged in, as many do."""

    def __init__(self, *, protect: bool = False, **options: Any) -> None:
        self.clock = Clock()
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=Policy.cheap_for_tests(),
            clock=self.clock,
        )
        self.app = app = Flask(__name__)
        app.config.update(SECRET_KEY="x" * 40, TESTING=True, FERROTP_LOGIN_VIEW="login", WTF_CSRF_ENABLED=protect)
        if protect:
            CSRFProtect(app)
        self.flask_mfa = FlaskMFA(
            app,
            mfa=self.mfa,
            on_login=lambda user_id: session.update(user=user_id),
            current_user_id=lambda: session.get("user"),
            account_name=lambda user_id: "ann@example.com",
            **options,
        )

        @app.route("/login", methods=["GET", "POST"])
        def login() -> Any:
            if session.get("user"):
                return redirect("/")
            return self.flask_mfa.begin_login(request.values.get("user", "1"), "ann@example.com", remember=False)

        @app.get("/")
        def home() -> str:
            return "home"

    def client(self, user: str = "1") -> FlaskClient:
        client = self.app.test_client()
        client.get("/login", query_string={"user": user})
        return client

    def code(self) -> str:
        return ferrotp.TOTP(SECRET).at(int(self.clock.now))


# The QR code first, the name beside the code


def test_the_qr_code_comes_before_the_question_for_a_name() -> None:
    world = World()
    client = world.client()
    assert 'name="name"' not in client.get("/mfa/set-up").text
    client.post("/mfa/set-up")
    page = client.get("/mfa/set-up").text
    assert page.index("<svg") < page.index('name="code"') < page.index('name="name"')
    secret = re.search(r"secret=([A-Z2-7]+)", page)
    assert secret
    wrong = client.post("/mfa/set-up/confirm", data={"code": "", "name": ' Ann\'s "phone" <b>\n'})
    assert wrong.status_code == 400 and 'value="Ann&#39;s &#34;phone&#34; &lt;b&gt;"' in wrong.text
    code = ferrotp.TOTP(secret[1]).at(int(world.clock.now))
    assert client.post("/mfa/set-up/confirm", data={"code": code, "name": " Ann's\tphone "}).status_code == 200
    assert [factor.name for factor in world.mfa.status(user_id="1").factors] == ["Ann's phone"]


# Set-up where the login page sends home


def test_set_up_asks_for_the_password_on_a_page_of_its_own() -> None:
    asked = []

    def verify(user_id: str, password: str) -> bool:
        asked.append(user_id)
        return password == PASSWORD

    world = World(verify_password=verify)
    client = world.client()
    assert client.get("/mfa/set-up").status_code == 200  # just logged in
    world.clock.now += 700
    assert client.get("/mfa/set-up").location == "/mfa/password"
    page = client.get("/mfa/password")
    assert page.status_code == 200 and 'type="password"' in page.text and page.headers["Cache-Control"] == "no-store"
    wrong = client.post("/mfa/password", data={"password": "wrong"})
    assert (
        wrong.status_code == 400
        and "The password is not right." in wrong.text
        and "wrong" not in re.findall('value="(.*?)"', wrong.text)
    )
    assert client.get("/mfa/set-up").location == "/mfa/password"
    assert client.post("/mfa/password", data={"password": PASSWORD}).location == "/mfa/set-up"
    assert client.get("/mfa/set-up").status_code == 200
    assert asked == ["1", "1"]


def test_the_password_refreshes_nobody_who_has_a_second_factor() -> None:
    world = World(verify_password=lambda user_id, password: True)
    client = world.client()
    world.clock.now += 700
    world.mfa.import_factor(user_id="1", secret=SECRET)
    assert client.post("/mfa/password", data={"password": PASSWORD}).location == "/mfa/challenge"
    assert world.app.test_client().post("/mfa/password", data={"password": PASSWORD}).location.startswith("/login")
    client = world.client()
    client.post("/mfa/challenge", data={"code": world.code()})
    world.clock.now += 700
    assert client.post("/mfa/password", data={"password": PASSWORD}).location == "/mfa/challenge"
    assert client.get("/mfa/set-up").location == "/mfa/challenge"


def test_without_the_hook_the_page_of_the_password_opens_nothing() -> None:
    world = World()
    client = world.client()
    world.clock.now += 700
    assert client.post("/mfa/password", data={"password": PASSWORD}).location == "/mfa/"
    assert client.get("/mfa/set-up").location.startswith("/login")


# Obligation by role


def test_a_second_factor_is_required_of_some_users() -> None:
    world = World(required=lambda user_id: user_id == "boss")
    assert world.client("1").get("/").text == "home"
    boss = world.client("boss")
    assert boss.get("/").location is None or boss.get("/mfa/").location == "/mfa/set-up"
    page = boss.get("/mfa/set-up")
    assert "This site requires it." in page.text
    assert "This site requires it." not in world.client("1").get("/mfa/set-up").text
    world.mfa.import_factor(user_id="boss", secret=SECRET)
    boss = world.client("boss")
    boss.post("/mfa/challenge", data={"code": world.code()})
    factor = world.mfa.status(user_id="boss").factors[0].factor_id
    boss.post(f"/mfa/factors/{factor}/remove")
    assert world.mfa.status(user_id="boss").enrolled  # the last one stays


def test_an_obligation_that_cannot_be_told_lets_nobody_in() -> None:
    def required(user_id: str) -> bool:
        raise RuntimeError("the database of roles is away")

    world = World(required=required)
    client = world.app.test_client()
    with pytest.raises(RuntimeError):
        client.get("/login")
    assert "user" not in client.get("/mfa/").headers.get("Set-Cookie", "")


# What pages say


def test_a_user_without_recovery_codes_is_led_to_make_some() -> None:
    world = World()
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    assert client.post("/mfa/challenge", data={"code": world.code()}).location == "/mfa/"
    assert "You have no recovery codes. Make some now" in client.get("/mfa/").text
    client.post("/mfa/recovery-codes")
    world.clock.now += 60
    client = world.client()
    client.get("/logout")
    fresh = world.app.test_client()
    fresh.get("/login")
    assert fresh.post("/mfa/challenge", data={"code": world.code()}).location == "/"


def test_the_page_of_new_codes_loaded_again_makes_none() -> None:
    world = World()
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    client.post("/mfa/challenge", data={"code": world.code()})

    def form() -> dict[str, str]:
        opened_at = re.search(r'name="opened_at" value="([0-9]+)"', client.get("/mfa/recovery-codes").text)
        assert opened_at
        return {"opened_at": opened_at[1]}

    first = form()
    codes = re.findall("<li>(.*?)</li>", client.post("/mfa/recovery-codes", data=first).text)
    world.clock.now += 5
    assert len(codes) == 10 and client.post("/mfa/recovery-codes", data=first).location == "/mfa/"
    page = client.get("/mfa/").text
    assert "you have not confirmed that you saved them" in page and "make new ones" in page
    world.mfa.recover(user_id="1", code=codes[0])  # they are good
    client.post("/mfa/recovery-codes/saved", data={"saved": "y"})
    assert client.post("/mfa/recovery-codes", data=first).location == "/mfa/"
    # The page opened anew makes new ones, and so does a form of the application's own.
    for data in (form(), {}, {"opened_at": "soon"}, {"opened_at": "9" * 40}):
        page = client.post("/mfa/recovery-codes", data=data).text
        assert page.count("<li>") == 10 and codes[1] not in page
        world.clock.now += 5


def test_without_passkeys_their_pages_lead_to_the_other_way() -> None:
    world = World()
    client = world.client()
    for method in (client.get, client.post):
        assert method("/mfa/passkeys/add").location == "/mfa/set-up"
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    for method in (client.get, client.post):
        assert method("/mfa/passkey").location == "/mfa/challenge"
        assert method("/mfa/passkeys/add").location == "/mfa/challenge"
        assert (
            world.app.test_client().open("/mfa/passkey", method=method.__name__.upper()).location.startswith("/login")
        )


def test_the_pages_that_a_menu_links_to_are_there() -> None:
    world = World()
    with world.app.test_request_context():
        links = [url_for(f"ferrotp.{name}") for name in ("settings", "set_up", "new_codes", "end_sessions")]
    client = world.client()
    assert [client.get(link).status_code for link in links] == [200, 200, 200, 200]


@pytest.mark.parametrize(
    ("next_url", "expected"),
    [("/report?id=7", "/report?id=7"), ("https://evil.example/", "/"), ("//evil.example", "/")],
)
def test_next_url_leads_on_after_the_login_on_this_site_alone(next_url: str, expected: str) -> None:
    world = World()
    world.mfa.import_factor(user_id="1", secret=SECRET)
    world.mfa.regenerate_recovery_codes(user_id="1")

    @world.app.get("/in")
    def log_in() -> Any:
        return world.flask_mfa.begin_login("1", "ann@example.com", next_url=next_url)

    client = world.app.test_client()
    assert client.get("/in").location == "/mfa/challenge"
    assert client.post("/mfa/challenge", data={"code": world.code()}).location == expected


def test_printed_codes_say_whose_and_of_when_they_are() -> None:
    world = World()
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    client.post("/mfa/challenge", data={"code": world.code()})
    page = client.post("/mfa/recovery-codes").text
    assert '<p class="ferrotp-about-codes">ACME: recovery codes of ann@example.com, 2027-01-15</p>' in page


def test_wrong_codes_hint_at_the_clock_of_a_phone_that_was_off() -> None:
    for drift, hinted in ((0, False), (1, True), (-1, True)):
        world = World()
        world.mfa.import_factor(user_id="1", secret=SECRET)
        client = world.client()
        client.post("/mfa/challenge", data={"code": ferrotp.TOTP(SECRET).at(int(world.clock.now) + 30 * drift)})
        world.clock.now += 90
        client = world.client()
        page = client.post("/mfa/challenge", data={"code": "000000"})
        assert page.status_code == 400 and ("let the device set its time" in page.text) is hinted


def test_a_delay_is_there_for_the_countdown() -> None:
    world = World()
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    for _ in range(5):
        page = client.post("/mfa/challenge", data={"code": "000000"})
    assert page.status_code == 429 and 'data-ferrotp-wait="30"' in page.text


def test_a_form_that_the_applications_own_protection_refuses_is_a_page() -> None:
    world = World(protect=True)
    world.mfa.import_factor(user_id="1", secret=SECRET)
    client = world.client()
    page = client.post("/mfa/challenge", data={"code": world.code()})
    assert page.status_code == 400 and 'class="ferrotp"' in page.text and 'name="code"' in page.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    # What was refused was not looked at: the code is good.
    answer = client.post("/mfa/challenge", data={"code": world.code(), "csrf_token": token[1]})
    assert answer.status_code == 303
    # Over HTTPS the protection wants a referrer, too: a right token does not go past it.
    refused = client.post("/mfa/recovery-codes", data={"csrf_token": token[1]}, base_url="https://localhost")
    assert refused.status_code != 200 and world.mfa.status(user_id="1").recovery_codes == 0


# How it starts


def application(folder: Path, **templates: str) -> Flask:
    app = Flask(__name__, instance_path=str(folder))
    app.jinja_loader = jinja2.DictLoader(templates)
    app.config.update(
        SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz", FERROTP_STORE="sqlite:///mfa.db", FERROTP_ISSUER="ACME"
    )
    return app


def test_a_factory_starts_without_keys_and_serves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERROTP_KEYS", raising=False)
    app = application(tmp_path)
    FlaskMFA(app)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config["FERROTP_LOGIN_VIEW"] = "/login"
    app.add_url_rule("/login", "login", lambda: "log in")
    app.add_url_rule("/", "home", lambda: "home")
    with app.app_context():
        assert app.url_map  # what `flask db` and a shell need
    for path in ("/", "/login", "/mfa/", "/mfa/challenge"):
        assert app.test_client().get(path).status_code == 500
    assert not list(tmp_path.glob("*.db"))
    monkeypatch.setenv("FERROTP_KEYS", new_key())
    assert app.test_client().get("/").text == "home"


def test_keys_that_are_there_and_wrong_are_refused_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERROTP_KEYS", "not a key")
    with pytest.raises(SetupError, match="holds no usable key"):
        FlaskMFA(application(tmp_path))


@pytest.mark.parametrize(
    ("templates", "says"),
    [
        ({}, "there is no template 'base.html'"),
        (
            {"base.html": "<html>{% block title %}{% endblock %}{% block body %}{% endblock %}</html>"},
            'has no block "content"',
        ),
        ({"base.html": "{% extends 'site.html' %}"}, "there is no template 'site.html'"),
        ({"base.html": "{% extends 'site.html' %}", "site.html": "{% block content %}{% endblock %}"}, None),
        ({"base.html": "{% extends layout %}"}, None),
    ],
)
def test_a_base_template_that_would_show_no_page_is_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, templates: dict[str, str], says: str | None
) -> None:
    monkeypatch.setenv("FERROTP_KEYS", new_key())
    app = application(tmp_path, **templates)
    app.config["FERROTP_BASE_TEMPLATE"] = "base.html"
    if says is None:
        FlaskMFA(app)
    else:
        with pytest.raises(SetupError, match=re.escape(says)):
            FlaskMFA(app)


@pytest.mark.parametrize(("package", "missing"), [("flask", "flask_wtf"), ("starlette", "itsdangerous")])
def test_a_missing_extra_is_named(package: str, missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"try: import ferrotp.{package}\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'pip install "ferrotp[{package}]"' in done.stdout
