"""The router on its own: plain Starlette and FastAPI answer alike; tokens; set-up that is refused at start."""

import base64
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from mfa.authenticator import Clock, Device
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ferrotp.mfa import MFA, Policy, StoreUnavailable
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.starlette import SetupError, StarletteMFA, require_fresh, require_fresh_mfa, require_login, require_mfa
from ferrotp.starlette.tokens import Tokens
from ferrotp.vault import Keyring
from ferrotp.web import Gate, Login

from .example import EXAMPLE

# Playwright, once it is there, has a loop of its own in the main thread.
_apart = ThreadPoolExecutor(1)
GUARDS = {"login": require_login, "mfa": require_mfa, "fresh": require_fresh, "fresh-mfa": require_fresh_mfa}
KEY = "N3vJ5kq8RrW2xYbT7mPzL0cHfGdS1aUe"


class World:
    """A small application whose session is a table, asked without a socket."""

    scheme = "https"

    def __init__(self, kind: type[Starlette] = Starlette, policy: Policy | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=policy or replace(Policy.cheap_for_tests(), trusted_device_days=30),
            clock=self.clock,
        )
        self.sessions: dict[str, tuple[str, str]] = {}
        self.app = kind()
        self.logged_in: list[str] = []

        async def current_user(request: Request) -> str | None:
            return self.sessions.get(request.headers.get("authorization", ""), (None, ""))[0]

        def stamp(request: Request) -> str | None:
            return self.sessions.get(request.headers.get("authorization", ""), ("", None))[1]

        def on_login(request: Request, response: Response, user_id: str, stamp: str) -> dict[str, object]:
            token = f"Bearer {len(self.sessions)}"
            self.sessions[token] = (user_id, stamp)
            self.logged_in.append(user_id)
            return {"token": token}

        self.api = StarletteMFA(
            self.mfa, secret_key=KEY, current_user=current_user, stamp=stamp, on_login=on_login, **options
        )

        async def login(request: Request) -> Response:
            return await self.api.begin_login(request, request.query_params["user"], "alice@example.com")

        async def guarded(request: Request) -> Response:
            guard = GUARDS[request.path_params["how"]]
            return JSONResponse({"user": await guard(request)})

        self.app.router.routes += [
            Route("/login", login, methods=["POST"]),
            Route("/guarded/{how}", guarded),
        ]
        self.api.install(self.app, "/mfa")

    async def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": self.scheme,
            "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("test", 443), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        text = b"".join(message.get("body", b"") for message in sent[1:])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, json.loads(text) if "json" in found.get("content-type", "") else None

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
        headers = {"content-type": "application/json"} if method == "POST" else {}
        if token:
            headers["authorization"] = token
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        status, self.headers, found = _apart.submit(anyio.run, self._ask, method, path, raw, headers).result()
        return status, found

    def enrolled(self) -> tuple[str, Device, list[str]]:
        """A user with a device: token, device, recovery codes; a minute later."""
        token = self.ask("POST", "/login?user=42")[1]["session"]["token"]
        status, enrolled = self.ask("POST", "/mfa/enroll", {"name": "Phone"}, token)
        assert status == 201
        device = Device(enrolled["uri"])
        body = {"factor_id": enrolled["factor_id"], "code": device.at(self.clock.now)}
        status, confirmed = self.ask("POST", "/mfa/confirm", body, token)
        assert status == 200
        self.clock.now += 60
        return confirmed["session"]["token"], device, confirmed["recovery_codes"]


@pytest.fixture(params=[Starlette, FastAPI])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_the_whole_story_with_a_bearer_token(world: World) -> None:
    token, device, codes = world.enrolled()
    assert len(codes) == 10
    assert world.ask("GET", "/guarded/mfa", token=token) == (200, {"user": "42"})
    status, login = world.ask("POST", "/login?user=42")
    assert status == 200 and login["status"] == "pending" and login["next"] == "verify" and login["session"] is None
    pending = login["pending_token"]
    assert world.ask("GET", "/guarded/login", token=f"Bearer {pending}")[0] == 401
    code = device.at(world.clock.now)
    status, done = world.ask("POST", "/mfa/verify", {"code": code, "pending_token": pending})
    assert status == 200 and done["status"] == "done" and world.headers["cache-control"] == "no-store"
    status, problem = world.ask("POST", "/mfa/verify", {"code": code, "pending_token": pending})
    assert (status, problem["type"], problem["attempts_left"]) == (400, "urn:ferrotp:problem:invalid-code", 4)
    assert world.headers["content-type"] == "application/problem+json"
    status, recovered = world.ask("POST", "/mfa/recover", {"code": codes[0], "pending_token": pending})
    assert status == 200 and recovered["recovery_codes_left"] == 9
    token = recovered["session"]["token"]
    status, replaced = world.ask("POST", "/mfa/recovery-codes", {}, token)
    assert status == 201 and not set(replaced["recovery_codes"]) & set(codes)
    found = world.ask("GET", "/mfa/status", token=token)[1]
    assert found["enrolled"] and found["fresh"] and found["recovery_codes_left"] == 10
    status, removed = world.ask("DELETE", f"/mfa/factors/{found['factors'][0]['factor_id']}", token=token)
    assert status == 200 and removed["name"] == "Phone"
    assert world.ask("GET", "/mfa/status", token=token)[1]["enrolled"] is False
    assert world.ask("DELETE", "/mfa/devices", token=token) == (200, {"forgotten": 0})


def test_a_device_is_named_when_it_is_confirmed(world: World) -> None:
    """A page shows the QR code first, and asks for the name beside the code."""
    token = world.ask("POST", "/login?user=42")[1]["session"]["token"]
    enrolled = world.ask("POST", "/mfa/enroll", {"name": "New"}, token)[1]
    body = {"factor_id": enrolled["factor_id"], "code": Device(enrolled["uri"]).at(world.clock.now)}
    assert world.ask("POST", "/mfa/confirm", {**body, "name": 7}, token)[0] == 422
    token = world.ask("POST", "/mfa/confirm", {**body, "name": " Ann's\tphone "}, token)[1]["session"]["token"]
    assert world.ask("GET", "/mfa/status", token=token)[1]["factors"][0]["name"] == "Ann's phone"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"code": 1}', b'{"code": null}', b"{}",
        b'{"code": "\\ud800"}',
        b'{"code": "1", "more": 1}', b'{"code": "1", "trust_device": "yes"}', b'{"code": "1", "pending_token": 5}',
        b'{"code": "' + b"1" * 201 + b'"}', b'{"code": "1", "pending_token": "' + b"." * 4097 + b'"}',
    ],
)  # fmt: skip
def test_what_is_not_as_documented_is_refused_by_both(world: World, body: bytes) -> None:
    status, problem = world.ask("POST", "/mfa/verify", body)
    assert status == 422 and problem["type"] == "urn:ferrotp:problem:invalid-request"
    assert world.headers["content-type"] == "application/problem+json"


def test_a_null_token_is_none(world: World) -> None:
    assert world.ask("POST", "/mfa/verify", {"code": "1", "pending_token": None})[0] == 401


@pytest.mark.parametrize("path", ["/mfa/verify", "/mfa/recover", "/mfa/enroll", "/mfa/confirm", "/mfa/recovery-codes"])
def test_a_get_is_no_post(world: World, path: str) -> None:
    assert world.ask("GET", path)[0] == 405


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_set_up_comes_before_anything_else_where_it_is_required(kind: type[Starlette]) -> None:
    world = World(kind, mode="required")
    login = world.ask("POST", "/login?user=42")[1]
    assert (login["status"], login["next"], world.logged_in) == ("pending", "enroll", [])
    pending = {"pending_token": login["pending_token"]}
    status, problem = world.ask("POST", "/mfa/verify", {"code": "123456", **pending})
    assert (status, problem["next"]) == (403, "enroll")
    enrolled = world.ask("POST", "/mfa/enroll", pending)[1]
    code = Device(enrolled["uri"]).at(world.clock.now)
    status, done = world.ask("POST", "/mfa/confirm", {"factor_id": enrolled["factor_id"], "code": code, **pending})
    assert status == 200 and world.logged_in == ["42"] and len(done["recovery_codes"]) == 10
    token = done["session"]["token"]
    assert world.ask("GET", "/guarded/mfa", token=token)[0] == 200
    status, problem = world.ask("DELETE", f"/mfa/factors/{enrolled['factor_id']}", token=token)
    assert (status, problem["type"]) == (409, "urn:ferrotp:problem:last-factor")
    # The token that set up is for the challenge now, and never again for another key
    assert world.ask("POST", "/mfa/enroll", pending)[0] == 401


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_a_second_factor_is_required_of_some_users(kind: type[Starlette]) -> None:
    bosses = {"7"}
    world = World(kind, required=lambda user_id: user_id in bosses)
    other = world.ask("POST", "/login?user=42")[1]["session"]["token"]
    assert world.ask("GET", "/mfa/status", token=other)[1]["required"] is False
    login = world.ask("POST", "/login?user=7")[1]
    assert (login["status"], login["next"], login["session"]) == ("pending", "enroll", None)
    assert world.logged_in == ["42"]
    # A user who becomes one is led to set-up in the session that there is.
    bosses.add("42")
    status, problem = world.ask("GET", "/guarded/login", token=other)
    assert (status, problem["next"]) == (403, "enroll")


def test_guards_say_what_leads_on(world: World) -> None:
    status, problem = world.ask("GET", "/guarded/login")
    assert (status, problem["type"]) == (401, "urn:ferrotp:problem:login-required")
    token = world.ask("POST", "/login?user=42")[1]["session"]["token"]
    assert world.ask("GET", "/guarded/login", token=token)[0] == 200
    status, problem = world.ask("GET", "/guarded/mfa", token=token)
    assert (status, problem["next"]) == (403, "enroll")
    token, device, _ = world.enrolled()
    assert world.ask("GET", "/guarded/fresh", token=token)[0] == 200
    world.clock.now += 600
    status, problem = world.ask("GET", "/guarded/fresh", token=token)
    assert (status, problem["type"], problem["next"]) == (
        403, "urn:ferrotp:problem:fresh-authentication-required", "verify"
    )  # fmt: skip
    status, done = world.ask("POST", "/mfa/verify", {"code": device.at(world.clock.now)}, token)
    assert world.ask("GET", "/guarded/fresh", token=done["session"]["token"])[0] == 200


def test_problems_name_every_time_as_rfc_3339_does(world: World) -> None:
    token, device, _ = world.enrolled()
    wrong = next(code for code in ("000000", "111111", "222222", "333333")
                 if code not in {device.at(world.clock.now + 30 * step) for step in range(-2, 3)})  # fmt: skip
    for _ in range(5):
        status, problem = world.ask("POST", "/mfa/verify", {"code": wrong}, token)
    assert status == 429 and problem["attempts_left"] == 0 and problem["status"] == 429
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", problem["retry_at"])
    assert world.headers["retry-after"] == "30"
    assert "in 30 seconds" in problem["detail"]


@pytest.mark.parametrize(("drift", "hinted"), [(0, False), (1, True)])
def test_wrong_codes_hint_at_the_clock_of_a_phone_that_was_off(world: World, drift: int, hinted: bool) -> None:
    token, device, _ = world.enrolled()
    assert world.ask("POST", "/mfa/verify", {"code": device.at(world.clock.now, drift)}, token)[0] == 200
    world.clock.now += 90
    for number, status in enumerate([400, 400, 400, 400, 429, 429]):
        found, problem = world.ask("POST", "/mfa/verify", {"code": device.wrong(world.clock.now, number)}, token)
        assert found == status and ("let the device set its time" in problem["detail"]) is hinted
    two = {"code": device.wrong(world.clock.now), "next_code": device.wrong(world.clock.now, 1)}
    problem = world.ask("POST", "/mfa/unlock", two, token)[1]
    assert ("let the device set its time" in problem["detail"]) is hinted
    problem = world.ask("POST", "/mfa/recover", {"code": "AAAA-BBBB"}, token)[1]
    assert "let the device set its time" not in problem["detail"]


def test_a_counter_has_no_clock(world: World) -> None:
    world.mfa.import_factor(user_id="42", secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", kind="hotp")
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    code = Device("otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").code(3)
    token = world.ask("POST", "/mfa/verify", {"code": code, "pending_token": pending})[1]["session"]["token"]
    assert "clock" not in world.ask("POST", "/mfa/verify", {"code": code}, token)[1]["detail"]


def test_a_guard_without_its_handler_says_no_too() -> None:
    world = World()
    app = Starlette(routes=[Route("/x", lambda request: None)])

    async def guarded(request: Request) -> Response:
        return JSONResponse(await world.api.require_mfa(request))

    app.router.routes.append(Route("/guarded", guarded))
    world.app = app
    assert world.ask("GET", "/guarded")[0] == 401


def test_each_requirement_is_what_its_name_says(world: World) -> None:
    def asked(token: str) -> dict[str, tuple[int, object]]:
        answers = {how: world.ask("GET", f"/guarded/{how}", token=token) for how in GUARDS}
        return {how: (status, body.get("next")) for how, (status, body) in answers.items()}

    password_alone = world.ask("POST", "/login?user=43")[1]["session"]["token"]
    missing, yes = (403, "enroll"), (200, None)
    assert asked(password_alone) == {"login": yes, "mfa": missing, "fresh": yes, "fresh-mfa": missing}
    token, *_ = world.enrolled()
    assert set(asked(token).values()) == {yes}
    world.clock.now += 600
    assert asked(token) == {"login": yes, "mfa": yes, "fresh": (403, "verify"), "fresh-mfa": (403, "verify")}
    assert set(asked("").values()) == {(401, None)}
    assert world.headers["www-authenticate"] == "Session"


def test_the_device_cookie_is_out_of_reach_of_scripts(world: World) -> None:
    _, device, _ = world.enrolled()
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    body = {"code": device.at(world.clock.now), "pending_token": pending, "trust_device": True}
    assert world.ask("POST", "/mfa/verify", body)[0] == 200
    cookie = world.headers["set-cookie"].lower()
    assert cookie.startswith("__host-ferrotp_device_token_") and all(
        attribute in cookie for attribute in ("httponly", "secure", "samesite=lax", "path=/")
    )


@pytest.mark.parametrize(
    ("debug", "asked", "secure"), [(False, None, True), (True, None, False), (True, True, True), (False, False, False)]
)
def test_the_device_cookie_is_for_https_alone_outside_of_debug(debug: bool, asked: bool | None, secure: bool) -> None:
    """Behind a proxy that ends TLS, requests come by http."""
    world = World(secure_cookies=asked)
    world.app.debug, world.scheme = debug, "http"
    _, device, _ = world.enrolled()
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    body = {"code": device.at(world.clock.now), "pending_token": pending, "trust_device": True}
    assert world.ask("POST", "/mfa/verify", body)[0] == 200
    cookie = world.headers["set-cookie"]
    assert ("Secure" in cookie, cookie.startswith("__Host-")) == (secure, secure)


def test_a_switch_to_required_reaches_the_sessions_that_exist(world: World) -> None:
    token = world.ask("POST", "/login?user=43")[1]["session"]["token"]
    assert world.ask("GET", "/guarded/login", token=token)[0] == 200
    world.api.gate.mode = "required"
    for how in GUARDS:
        status, body = world.ask("GET", f"/guarded/{how}", token=token)
        assert (status, body["next"]) == (403, "enroll"), how
    assert world.ask("POST", "/mfa/recovery-codes", {}, token)[1]["next"] == "enroll"
    status, enrolled = world.ask("POST", "/mfa/enroll", {}, token)
    assert status == 201  # the password was proved just now
    code = Device(enrolled["uri"]).at(world.clock.now)
    answer = world.ask("POST", "/mfa/confirm", {"factor_id": enrolled["factor_id"], "code": code}, token)[1]
    assert world.ask("GET", "/guarded/mfa", token=answer["session"]["token"])[0] == 200


# Tokens


def gate(clock: Clock | None = None) -> Gate:
    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    return Gate(mfa, clock=clock or Clock())


def test_a_key_that_is_changed_signs_no_more_and_is_read_on() -> None:
    clock = Clock()
    here = gate(clock)
    login = Login.start("half", "42", "alice@example.com", clock.now, issuer="ACME")
    new = "Zq4mWc9LxT1vKb6HsYd3RfUe8PnJg0aX"
    old_token = Tokens(here, KEY).sign_half_login(login, "challenge")
    both = Tokens(here, [KEY, new])
    assert both.read_half_login(old_token) == (login, "challenge")
    assert Tokens(here, new).read_half_login(both.sign_half_login(login, "challenge")) == (login, "challenge")
    assert Tokens(here, new).read_half_login(old_token) is None


def test_a_token_has_one_purpose() -> None:
    clock = Clock()
    tokens = Tokens(gate(clock), KEY)
    half, full = (Login.start(stage, "42", "a", clock.now, issuer="ACME") for stage in ("half", "full"))  # type: ignore[arg-type]
    assert tokens.read_stamp(tokens.sign_half_login(half, "challenge")) is None
    assert tokens.read_half_login(tokens.sign_stamp(full)) is None
    assert tokens.read_stamp(tokens.sign_stamp(half)) is None
    assert tokens.read_half_login(tokens.sign_half_login(full, "challenge")) is None
    for odd in (None, b"x", 5, "", "é", "x" * 5000):
        assert tokens.read_stamp(odd) is None


def test_tokens_of_one_key_are_told_apart_by_their_salt() -> None:
    clock = Clock()
    tokens = Tokens(gate(clock), KEY)
    full = Login.start("full", "42", "a", clock.now, issuer="ACME")
    assert tokens.read_stamp(tokens._stamps.dumps(full.dump())) == full
    assert tokens.read_stamp(tokens._half_logins.dumps(full.dump())) is None


def test_a_stamp_holds_the_login_and_nothing_of_the_way_there() -> None:
    clock = Clock()
    tokens = Tokens(gate(clock), KEY)
    full = Login.start("full", "42", "a", clock.now, issuer="ACME").promote(clock.now, fresh=True)
    on_the_way = replace(full, next="/inside", pending_factor="f" * 32, remember=True)
    assert tokens.read_stamp(tokens.sign_stamp(on_the_way)) == full


def test_a_token_that_is_too_long_or_no_token_is_not_looked_at() -> None:
    clock = Clock()
    tokens = Tokens(gate(clock), KEY)
    half = Login.start("half", "42", secrets.token_urlsafe(4000), clock.now, issuer="ACME")
    assert tokens.read_half_login(tokens.sign_half_login(half, "challenge")) is None
    assert tokens.read_half_login(tokens._half_logins.dumps(["login"])) is None
    good = tokens.sign_half_login(replace(half, account_name="a"), "challenge")
    assert tokens.read_half_login(good) is not None
    for index in (5, -20):  # of the payload, of the signature; the last character has bits that say nothing
        assert tokens.read_half_login(good[:index] + ("A" if good[index] != "A" else "B") + good[index + 1 :]) is None


def test_a_token_of_the_greatest_length_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    tokens = Tokens(gate(clock), KEY)
    token = tokens.sign_half_login(Login.start("half", "42", "a", clock.now, issuer="ACME"), "challenge")
    monkeypatch.setattr("ferrotp.starlette.tokens.MAX_TOKEN_LENGTH", len(token))
    assert tokens.read_half_login(token) is not None
    monkeypatch.setattr("ferrotp.starlette.tokens.MAX_TOKEN_LENGTH", len(token) - 1)
    assert tokens.read_half_login(token) is None


@pytest.mark.parametrize("purpose", ["pending login", "stamp"])
def test_tokens_are_signed_by_hmac_sha256_for_a_purpose_an_issuer_and_a_tenant(purpose: str) -> None:
    """The form is fixed: the tokens of one process are read by another, of an earlier release too."""
    clock = Clock()
    here = gate(clock).for_tenant("north")
    login = Login.start("full" if purpose == "stamp" else "half", "42", "a", clock.now, issuer="ACME", tenant="north")
    tokens = Tokens(here, KEY)
    token = tokens.sign_stamp(login) if purpose == "stamp" else tokens.sign_half_login(login, "challenge")
    salt = "\0".join(["ferrotp.starlette", purpose, "version 3", "ACME", "north"])
    key = hmac.digest(KEY.encode(), salt.encode(), "sha256")
    payload, _, tag = token.rpartition(".")
    expected = base64.urlsafe_b64encode(hmac.digest(key, payload.encode(), "sha256")).rstrip(b"=")
    assert tag.encode() == expected


def test_a_pending_token_lives_as_long_as_the_policy_says() -> None:
    clock = Clock()
    mfa = MFA(
        MemoryStore(),
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=replace(Policy.cheap_for_tests(), half_login_lifetime=60),
    )
    tokens = Tokens(Gate(mfa, clock=clock), KEY)
    token = tokens.sign_half_login(Login.start("half", "42", "a", clock.now, issuer="ACME"), "challenge")
    clock.now += 59
    assert tokens.read_half_login(token) is not None
    clock.now += 1
    assert tokens.read_half_login(token) is None


# Set-up that is refused at start


@pytest.mark.parametrize("key", ["", "dev", "debug-secret-key", "a" * 40, [], ["dev", KEY]])
def test_a_key_that_can_be_guessed_is_refused_at_start(key: Any) -> None:
    with pytest.raises(SetupError, match=r"secret_key .*make one with"):
        Tokens(gate(), key)


def test_a_store_that_is_away_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object) -> None:
        raise StoreUnavailable("connection refused")

    monkeypatch.setattr(MemoryStore, "user", away)
    with pytest.raises(SetupError, match=r"does not answer .*start it, or correct its URL"):
        World()


def test_a_guard_of_an_application_that_has_no_second_factor_says_so() -> None:
    world = World()
    del world.app.state.ferrotp
    with pytest.raises(SetupError, match=r"call its install\(app\)"):
        world.ask("GET", "/guarded/mfa")


@pytest.mark.parametrize(
    ("variables", "files", "says"),
    [
        ({"FERROTP_KEYS": ""}, {}, "FERROTP_KEYS"),
        ({"FERROTP_KEYS": "too-short"}, {}, "FERROTP_KEYS"),
        ({}, {"secret-key": "debug"}, "secret_key can be guessed"),
    ],
)
def test_the_example_refuses_a_bad_set_up_in_one_sentence(
    tmp_path: Path, variables: dict[str, str], files: dict[str, str], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if variables:
        code = (
            "from ferrotp.web import open_mfa\n"
            "open_mfa(store='sqlite:///mfa.db', issuer='ACME', keys=None)"
        )  # fmt: skip
    else:
        code = f"import server; server.create_app({str(tmp_path)!r})"
    env = {**os.environ, "PYTHONPATH": str(EXAMPLE), **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "SetupError" in last and says in last and "make one with" in last


def test_the_example_tells_its_whole_story_without_a_person() -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE), "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All went as it should." in done.stdout
