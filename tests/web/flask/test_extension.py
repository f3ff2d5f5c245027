"""Flask applications of other shapes: without Flask-Login, with sessions on the server, and badly set up."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from mfa.authenticator import Clock, Device

from ferrotp.flask import FlaskMFA, SetupError, fresh_mfa_required, fresh_required, mfa_exempt, mfa_required
from ferrotp.mfa import MFA, Policy, StoreUnavailable
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring
from ferrotp.web import Gate

SECRET_KEY = "kX3v9Qm2Zs8LrT5wYbN7cHd4"


class World:
    """A small application without Flask-Login: who is logged in stands in ``session["user"]``."""

    def __init__(self, *, change: Callable[[flask.Flask], object] | None = None, **config: Any) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.mfa = MFA(
            self.store,
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=replace(Policy.cheap_for_tests(), trusted_device_days=30),
            clock=self.clock,
        )
        self.logins: list[str] = []
        self.transfers = 0
        app = self.app = flask.Flask(__name__, template_folder=config.pop("templates", None))
        app.config.update(SECRET_KEY=SECRET_KEY, TESTING=True, WTF_CSRF_ENABLED=False, **config)
        if change is not None:
            change(app)
        flask_mfa = self.flask_mfa = FlaskMFA(
            on_login=self._logged_in, current_user_id=lambda: flask.session.get("user"), **self.options()
        )
        flask_mfa.init_app(app, mfa=self.mfa)

        @app.post("/login/<user_id>")
        def login(user_id: str) -> ResponseReturnValue:
            return flask_mfa.begin_login(user_id, f"{user_id}@example.com", next_url=flask.request.args.get("next"))

        @app.get("/logout")
        def logout() -> str:
            flask.session.pop("user", None)
            flask_mfa.end_login()
            return "out"

        @app.get("/vault")
        @mfa_required
        def vault() -> str:
            return f"vault of {flask_mfa.user_id}"

        @app.get("/safe")
        @fresh_mfa_required
        def safe() -> str:
            return "safe"

        @app.post("/order")
        @fresh_mfa_required
        def order() -> str:
            return "ordered"

        @app.get("/address")
        @fresh_required
        def address() -> str:
            return "address"

        @app.post("/transfer")
        def transfer() -> str:
            self.transfers += 1
            return "sent"

        @app.get("/api")
        @mfa_exempt
        def api() -> str:
            return "api"

        @app.get("/")
        def home() -> str:
            return f"home of {flask.session.get('user')}"

        @app.get("/password")
        def password() -> str:
            return "password please"

    def options(self) -> dict[str, Any]:
        return {}

    def _logged_in(self, user_id: str) -> None:
        self.logins.append(user_id)
        flask.session["user"] = user_id

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def enrolled(self, user_id: str = "7") -> Device:
        enrollment = self.mfa.enroll(user_id=user_id, account_name="x")
        device = Device(enrollment.uri)
        self.mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=device.at(self.clock.now))
        self.clock.now += 60
        return device


@pytest.fixture
def world() -> World:
    return World(FERROTP_LOGIN_VIEW="password")


def test_without_a_factor_the_password_lets_in(world: World) -> None:
    client = world.client()
    assert client.post("/login/7?next=/safe").location == "/safe"
    assert client.get("/").text == "home of 7" and world.logins == ["7"]
    assert client.get("/vault").location == "/mfa/set-up"


def test_the_application_hears_of_the_login_after_the_second_factor(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    assert client.post("/login/7?next=/vault").location == "/mfa/challenge"
    assert client.get("/").text == "home of None" and world.logins == []
    assert client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/vault"
    assert client.get("/vault").text == "vault of 7" and world.logins == ["7"]
    # Asked again before a change: no second login.
    world.clock.now += 700
    assert client.get("/safe").location == "/mfa/challenge"
    assert client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/safe"
    assert client.get("/safe").text == "safe" and world.logins == ["7"]


def test_a_posted_code_is_one_decision_of_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = world.enrolled()
    client = world.client()
    client.post("/login/7")
    asked: list[str] = []
    for name in ("attempt", "has_ended", "user", "epoch"):
        ask = getattr(world.store, name)
        noted = lambda *arguments, ask=ask, **more: asked.append(ask.__name__) or ask(*arguments, **more)  # noqa: E731
        monkeypatch.setattr(world.store, name, noted)
    assert client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/"
    assert asked == ["attempt"]


def test_logging_out_ends_it(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    client.post("/login/7")
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    client.get("/logout")
    assert client.get("/vault").location == "/password?next=/vault"
    client.post("/login/7")
    client.get("/logout")
    assert client.get("/mfa/challenge").location.startswith("/password")


def test_the_stamp_is_of_one_user(world: World) -> None:
    device = world.enrolled()
    world.enrolled("8")
    client = world.client()
    client.post("/login/7")
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    with client.session_transaction() as session:
        session["user"] = None
    assert client.get("/vault").location.startswith("/password")
    with client.session_transaction() as session:
        session["user"] = "8"
    assert client.get("/vault").location == "/mfa/challenge"


def test_another_users_login_ends_the_first(world: World) -> None:
    first, second = world.enrolled("7"), world.enrolled("8")
    client = world.client()
    client.post("/login/7")
    client.post("/mfa/challenge", data={"code": first.at(world.clock.now)})
    assert client.post("/login/8").location == "/mfa/challenge"
    assert client.get("/").text == "home of None"
    client.post("/mfa/challenge", data={"code": second.at(world.clock.now)})
    assert client.get("/").text == "home of 8"


def test_a_session_from_before_the_set_up_is_led_to_the_challenge(world: World) -> None:
    early = world.client()
    early.post("/login/7")
    assert early.get("/").text == "home of 7"
    device = world.enrolled()
    for path in ("/", "/vault", "/mfa/", "/mfa/set-up"):
        assert early.get(path).location == "/mfa/challenge", path
    early.get("/vault")
    assert early.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/vault"
    assert early.get("/").text == "home of 7"


def test_a_login_page_that_is_named_by_its_path_is_no_loop() -> None:
    world = World(FERROTP_MODE="required", FERROTP_LOGIN_VIEW="/password")
    client = world.client()
    with client.session_transaction() as session:
        session["user"] = "7"
    assert client.get("/password").text == "password please"
    assert client.get("/").location == "/password?next=%2F"


def test_a_user_whom_the_application_logs_in_by_itself_is_led_to_the_challenge(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    with client.session_transaction() as session:
        session["user"] = "7"
    assert client.get("/").location == "/mfa/challenge"
    assert client.get("/api").text == "api"
    answer = client.get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
    assert (answer.json["type"], answer.json["next"]) == ("urn:ferrotp:problem:second-factor-required", "verify")
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    assert client.get("/").text == "home of 7"


def test_a_post_needs_the_second_factor_as_a_get_does(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    with client.session_transaction() as session:
        session["user"] = "7"
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = client.open("/transfer", method=method)
        assert answer.location == "/mfa/challenge" or answer.status_code == 405, method
    assert client.post("/transfer").status_code == 303 and client.post("/transfer", json={}).status_code == 403
    assert world.transfers == 0
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    assert client.post("/transfer").text == "sent" and world.transfers == 1


def test_fresh_is_asked_of_every_factor_that_there_is(world: World) -> None:
    client = world.client()
    client.post("/login/7")
    assert client.get("/address").text == "address"  # the password was just right
    assert client.get("/safe").location == "/mfa/set-up"
    world.clock.now += 600
    assert client.get("/address").location == "/password?next=/address"


def test_a_form_that_was_posted_too_late_is_said_to_be_lost(world: World) -> None:
    device, client = world.enrolled(), world.client()
    client.post("/login/7")
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    for referer, place in (("http://localhost/vault?form=1", "/vault?form=1"), ("https://evil.example/vault", "/")):
        world.clock.now += 600
        assert client.post("/order", headers={"Referer": referer}).location == "/mfa/challenge"
        assert "has not been done" in client.get("/mfa/challenge").text
        assert client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == place
    world.clock.now += 600
    assert client.get("/safe").location == "/mfa/challenge"
    assert "has not been done" not in client.get("/mfa/challenge").text


def test_after_a_set_up_that_a_view_asked_for_the_view_comes(world: World) -> None:
    client = world.client()
    client.post("/login/7")
    assert client.get("/vault").location == "/mfa/set-up"
    client.post("/mfa/set-up", data={"name": "Phone"})
    uri = re.search(r'href="(otpauth:[^"]+)"', client.get("/mfa/set-up").text)
    assert uri
    client.post("/mfa/set-up/confirm", data={"code": Device(uri[1].replace("&amp;", "&")).at(world.clock.now)})
    assert client.post("/mfa/recovery-codes/saved", data={"saved": "y"}).location == "/vault"


def test_set_up_comes_before_anything_else_where_it_is_required() -> None:
    world = World(FERROTP_MODE="required", FERROTP_LOGIN_VIEW="password")
    client = world.client()
    assert client.post("/login/7?next=/vault").location == "/mfa/set-up"
    assert client.get("/mfa/").location == "/mfa/set-up" and client.get("/vault").location == "/mfa/set-up"
    assert world.logins == []
    client.post("/mfa/set-up")
    text = client.get("/mfa/set-up").text
    uri = re.search(r'href="(otpauth:[^"]+)"', text)
    assert uri
    answer = client.post("/mfa/set-up/confirm", data={"code": Device(uri[1].replace("&amp;", "&")).at(world.clock.now)})
    codes = re.findall(r"<li>([0-9A-Z-]+)</li>", answer.text)
    assert len(codes) == 10 and world.logins == ["7"]
    assert client.post("/mfa/recovery-codes/saved", data={"codes": codes, "saved": "y"}).location == "/vault"
    factor_id = world.mfa.status(user_id="7").factors[0].factor_id
    assert client.post(f"/mfa/factors/{factor_id}/remove").location == "/mfa/"
    assert "Add another first" in client.get("/mfa/").text
    assert world.mfa.status(user_id="7").enrolled


def test_somebody_who_is_logged_in_elsewhere_cannot_skip_a_required_set_up() -> None:
    world = World(FERROTP_MODE="required", FERROTP_LOGIN_VIEW="password")
    client = world.client()
    with client.session_transaction() as session:
        session["user"] = "7"
    for path in ("/", "/vault", "/mfa/"):
        assert client.get(path).status_code == 303, path
    # A cookie that remembers is no password: set-up is not open to it.
    assert client.get("/mfa/set-up").location.startswith("/password")


def test_a_switch_to_required_reaches_the_sessions_that_exist(world: World) -> None:
    fresh, old = world.client(), world.client()
    for client in (old, fresh):
        assert client.post("/login/7").location == "/" and client.get("/address").text == "address"
        world.clock.now += 600 if client is old else 0
    state = world.app.extensions["ferrotp"]
    world.app.extensions["ferrotp"] = replace(state, gate=Gate(world.mfa, mode="required", clock=world.clock))
    assert fresh.post("/login/7").location == "/mfa/set-up"
    fresh = old  # of whom nothing is fresh
    for path in ("/", "/vault", "/address", "/safe", "/mfa/", "/mfa/recovery-codes", "/mfa/sessions/end"):
        assert fresh.get(path).location == "/mfa/set-up", path
    assert fresh.post("/transfer").location == "/mfa/set-up" and world.transfers == 0
    assert fresh.get("/mfa/set-up").location == "/password?next=/mfa/set-up"


def test_one_who_has_just_proved_the_password_sets_up_where_it_became_required() -> None:
    world = World(FERROTP_LOGIN_VIEW="password")
    client = world.client()
    client.post("/login/7?next=/vault")
    state = world.app.extensions["ferrotp"]
    world.app.extensions["ferrotp"] = replace(state, gate=Gate(world.mfa, mode="required", clock=world.clock))
    assert client.get("/vault").location == "/mfa/set-up"
    client.post("/mfa/set-up")
    uri = re.search(r'href="(otpauth:[^"]+)"', client.get("/mfa/set-up").text)
    assert uri
    code = Device(uri[1].replace("&amp;", "&")).at(world.clock.now)
    assert client.post("/mfa/set-up/confirm", data={"code": code}).status_code == 200
    assert client.get("/vault").text == "vault of 7"


def test_a_login_that_has_ended_is_nobodys_in_views_without_a_gate_too(world: World) -> None:
    device = world.enrolled()
    client = world.client()

    @world.app.get("/who")
    @mfa_exempt
    def who() -> str:
        return str(world.flask_mfa.user_id)

    client.post("/login/7")
    assert client.get("/who").text == "None"
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    assert client.get("/who").text == "7"
    world.mfa.end_sessions(user_id="7", by="root")
    world.clock.now += 60
    assert client.get("/who").text == "None"


def test_mounted_under_a_prefix_it_leads_nowhere_else(world: World) -> None:
    device = world.enrolled()
    mounted = world.client()

    def ask(method: str, path: str, **more: Any) -> Any:
        return mounted.open(path, method=method, base_url="http://localhost/shop", **more)

    assert ask("GET", "/vault?a=b").location == "/shop/password?next=/shop/vault?a%3Db"
    assert ask("POST", "/login/7").location == "/shop/mfa/challenge"
    assert ask("POST", "/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/shop/"
    world.clock.now += 700
    assert ask("GET", "/safe?a=b").location == "/shop/mfa/challenge"
    answer = ask("POST", "/mfa/challenge", data={"code": device.at(world.clock.now)})
    assert answer.location == "/shop/safe?a=b" and ask("GET", "/safe?a=b").text == "safe"
    assert ask("GET", "/mfa/").text.count('href="/shop/mfa/') >= 3
    path_login = World(FERROTP_LOGIN_VIEW="/password", FERROTP_AFTER_LOGIN="/vault")
    client = path_login.client()
    assert client.get("/vault", base_url="http://localhost/shop").location == "/shop/password?next=%2Fshop%2Fvault"
    assert client.post("/login/7", base_url="http://localhost/shop").location == "/shop/vault"
    assert client.get("/password", base_url="http://localhost/shop").text == "password please"


def test_where_the_user_wanted_to_go_is_kept_through_the_steps(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    client.post("/login/7?next=/vault?a=b")
    wrong = {"code": device.wrong(world.clock.now)}
    client.get("/mfa/recover")
    client.post("/mfa/recover", data=wrong)
    client.get("/mfa/challenge")
    client.post("/mfa/challenge", data=wrong)
    client.get("/")  # is led back to the challenge, by way of another page
    assert client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}).location == "/vault?a=b"
    # A step of a login that is over is no place to come back to.
    assert world.client().get("/mfa/challenge").location == "/password"
    assert world.client().get("/mfa/").location == "/password?next=/mfa/"


def test_forms_carry_a_token_even_where_the_application_forgot() -> None:
    world = World(FERROTP_LOGIN_VIEW="password")
    world.app.testing = False
    client = world.client()
    client.post("/login/7")
    assert client.post("/mfa/set-up").status_code == 400
    assert not world.mfa.status(user_id="7").pending


def test_a_store_that_is_away_lets_nobody_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = world.enrolled()
    client = world.client()
    client.post("/login/7")

    def away(*args: object, **more: object) -> object:
        raise StoreUnavailable("no answer")

    for name in ("attempt", "user"):
        monkeypatch.setattr(world.store, name, away)
    for answer in (
        client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}),
        client.get("/mfa/challenge"),
        client.post("/login/7"),
        client.post("/login/8"),
    ):
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"
        assert "Try again in a minute." in answer.text and "no answer" not in answer.text
    monkeypatch.undo()
    assert client.get("/").text == "home of None"


def test_pages_can_be_overridden_and_translated(tmp_path: Path) -> None:
    (tmp_path / "ferrotp").mkdir()
    (tmp_path / "ferrotp" / "challenge.html").write_text("mine: {{ t('challenge.title') }}")
    world = World(templates=str(tmp_path), FERROTP_LANG="de", FERROTP_URL_PREFIX="/zwei")
    world.enrolled()
    client = world.client()
    client.post("/login/7")
    assert client.get("/zwei/challenge").text == "mine: Code eingeben"
    client.post("/login/8")
    text = client.get("/zwei/").text
    assert '<html lang="de">' in text and "<h1>Anmeldung in zwei Schritten</h1>" in text
    assert "<title>Anmeldung in zwei Schritten</title>" in text


def test_the_device_cookie_is_out_of_reach_of_scripts(world: World) -> None:
    device = world.enrolled()
    client = world.client()
    client.post("/login/7", base_url="https://localhost")
    answer = client.post(
        "/mfa/challenge", data={"code": device.at(world.clock.now), "trust": "y"}, base_url="https://localhost"
    )
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if "ferrotp_device_token_" in line)
    assert "HttpOnly" in cookie and "Secure" in cookie and "SameSite=Lax" in cookie and "Domain" not in cookie
    assert cookie.startswith("__Host-") and "Path=/;" in cookie
    assert client.post("/login/7", base_url="https://localhost").location == "/"


@pytest.mark.parametrize(
    ("debug", "path", "secure", "host"),
    [
        (False, None, True, True),
        (True, None, False, False),
        (False, "/shop", True, False),
        (True, "/shop", False, False),
    ],
)
def test_the_device_cookie_is_for_https_alone_outside_of_debug(
    world: World, debug: bool, path: str | None, secure: bool, host: bool
) -> None:
    """Behind a proxy that ends TLS, requests come by http."""
    device = world.enrolled()
    world.app.debug = debug
    world.app.config["SESSION_COOKIE_PATH"] = path
    client, base = world.client(), f"http://localhost{path or ''}"
    client.post("/login/7", base_url=base)
    code = {"code": device.at(world.clock.now), "trust": "y"}
    answer = client.post("/mfa/challenge", data=code, base_url=base)
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if "ferrotp_device_token_" in line)
    assert ("Secure" in cookie, cookie.startswith("__Host-")) == (secure, host)
    assert f"Path={path or '/'};" in cookie


# Sessions on the server


@pytest.fixture
def server_sessions(tmp_path: Path) -> World:
    from cachelib import FileSystemCache
    from flask_session import Session

    def change(app: flask.Flask) -> None:
        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(str(tmp_path)))
        Session(app)

    return World(change=change, FERROTP_LOGIN_VIEW="password")


def session_id(client: FlaskClient) -> str:
    cookie = client.get_cookie("session")
    assert cookie is not None
    return cookie.value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_session_id_changes_at_each_stage_and_the_old_one_is_nothing(server_sessions: World) -> None:
    world = server_sessions
    device = world.enrolled()
    client, thief = world.client(), world.client()
    client.get("/logout")
    client.post("/login/7")
    half = session_id(client)
    assert client.get("/mfa/challenge").status_code == 200
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    full = session_id(client)
    assert half != full and client.get("/vault").text == "vault of 7"
    thief.set_cookie("session", half)
    assert thief.get("/mfa/challenge").location.startswith("/password")
    thief.set_cookie("session", full)
    client.get("/logout")
    assert thief.get("/vault").location.startswith("/password")


# Set-up


def bare(**config: Any) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config.update(config)
    return app


GOOD = {"SECRET_KEY": SECRET_KEY, "FERROTP_STORE": "sqlite://", "FERROTP_ISSUER": "ACME"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is not set: make one with"),
        ({"SECRET_KEY": "dev"}, "SECRET_KEY can be guessed, and with it every session: make one with"),
        ({"FERROTP_KEYS": "c2hvcnQ="}, "FERROTP_KEYS holds no usable key"),
        ({"FERROTP_STORE": None}, "FERROTP_STORE is not set"),
        ({"FERROTP_ISSUER": None}, "FERROTP_ISSUER is not set"),
        (
            {"FERROTP_KEYS": Keyring.generate().export(), "FERROTP_STORE": "sqlite:////no/mfa.db"},
            "FERROTP_STORE cannot",
        ),
    ],
)
def test_a_bad_set_up_is_refused_at_start(
    change: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERROTP_KEYS", raising=False)
    with pytest.raises(SetupError) as raised:
        FlaskMFA(bare(**{**GOOD, **change}))
    assert str(raised.value).startswith(sentence) and "\n" not in str(raised.value)


def test_a_store_that_is_away_is_told_at_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> object:
        raise StoreUnavailable("the database did not answer")

    monkeypatch.setattr(world.store, "user", away)
    with pytest.raises(SetupError, match=r"^The store of the second factor does not answer \(.*\): start it, or"):
        FlaskMFA(bare(SECRET_KEY=SECRET_KEY), mfa=world.mfa)


def test_a_good_set_up_from_settings_starts(tmp_path: Path) -> None:
    app = bare(
        **{**GOOD, "FERROTP_STORE": f"sqlite:///{tmp_path / 'mfa.db'}"}, FERROTP_KEYS=Keyring.generate().export()
    )
    FlaskMFA(app)
    assert app.test_client().get("/mfa/challenge").status_code == 401


def test_it_works_where_flask_login_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_login", None)
    monkeypatch.setitem(sys.modules, "flask_login.signals", None)
    world = World(FERROTP_LOGIN_VIEW="password")
    assert world.client().post("/login/7").location == "/"
