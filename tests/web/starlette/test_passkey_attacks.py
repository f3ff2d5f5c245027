"""Passkeys over HTTP in the JSON API: attacks, and signing in by a passkey alone."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from mfa.passkey_attacks import PASSKEYS, POLICY, What, give_passkey, new_id, play
from mfa.passkey_device import PasskeyDevice
from starlette.applications import Starlette

from ferrotp.mfa import MFA, Event, Policy
from ferrotp.starlette import SetupError

from .test_router import World

BOTH = pytest.mark.parametrize("kind", [Starlette, FastAPI])
PATHS: dict[What, tuple[str, str]] = {
    "second factor": ("/mfa/passkey/challenge", "/mfa/passkey/verify"),
    "sign in": ("/mfa/sign-in/challenge", "/mfa/sign-in"),
    "register": ("/mfa/passkeys/options", "/mfa/passkeys"),
}


class APIBrowser:
    """See `passkey_attacks.Browser`."""

    def __init__(self, world: World, named: dict[str, str], token: str) -> None:
        self.world, self.named, self.token = world, named, token
        self.answer: dict[str, Any] = {}

    def options(self, what: What) -> dict[str, Any]:
        status, asked = self.world.ask("POST", PATHS[what][0], self.named if what != "sign in" else {}, self.token)
        assert status == 200, asked
        if what == "sign in":
            self.named = {"sign_in_token": asked["sign_in_token"]}
        options: dict[str, Any] = asked["options"]
        return options

    def post(self, what: What, credential: object) -> int:
        sent = credential if isinstance(credential, dict) else {"text": credential}
        status, self.answer = self.world.ask("POST", PATHS[what][1], {"credential": sent, **self.named}, self.token)
        if status < 400:
            self.token = self.answer["session"]["token"]
        return status

    def is_in(self) -> bool:
        return self.world.ask("GET", "/guarded/mfa", token=self.token)[0] == 200

    @property
    def told(self) -> str:
        if "status" not in self.answer:
            return ""
        assert self.answer["type"] == "urn:ferrotp:problem:passkey-refused" and self.answer["detail"]
        return str(self.answer)


class APISite:
    """See `passkey_attacks.Site`."""

    def __init__(self, kind: type[Starlette], policy: Policy = POLICY) -> None:
        self.gone: set[str] = set()
        self.world = World(kind, policy, may_sign_in=lambda user_id: user_id not in self.gone)
        self.mfa: MFA = self.world.mfa
        self.events: list[Event] = []
        self.mfa._core.on_event = self.events.append

    def user(self) -> str:
        return new_id()

    def browser(self, what: What, user_id: str) -> APIBrowser:
        if what == "sign in":
            return APIBrowser(self.world, {}, "")
        begun = self.world.ask("POST", f"/login?user={user_id}")[1]
        if what == "register":
            return APIBrowser(self.world, {}, begun["session"]["token"])
        return APIBrowser(self.world, {"pending_token": begun["pending_token"]}, "")

    def wait(self, seconds: float) -> None:
        self.world.clock.now += seconds


@BOTH
@pytest.mark.parametrize("what", ["second factor", "sign in", "register"])
def test_each_attack_is_refused_with_its_own_error_and_told(kind: type[Starlette], what: What) -> None:
    play(APISite(kind), what)


@BOTH
def test_a_passkey_alone_signs_in_and_a_user_who_may_not_is_nobody(kind: type[Starlette]) -> None:
    site = APISite(kind)
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    options = browser.options("sign in")
    assert options["allowCredentials"] == [] and options["userVerification"] == "required"
    assert browser.post("sign in", device.get(options)) == 200
    assert browser.answer["status"] == "done" and site.world.logged_in[-1] == user_id
    assert site.world.ask("GET", "/guarded/fresh-mfa", token=browser.token) == (200, {"user": user_id})
    # Another session each time.
    other = site.browser("sign in", user_id)
    assert other.post("sign in", device.get(other.options("sign in"))) == 200 and other.token != browser.token
    # A user who is gone or blocked, and one who never was.
    site.gone.add(user_id)
    told = set()
    stranger = PasskeyDevice()
    stranger.user_handle = device.user_handle
    for authenticator in (device, stranger):
        refused = site.browser("sign in", user_id)
        assert refused.post("sign in", authenticator.get(refused.options("sign in"))) == 400
        told.add(refused.told)
    assert len(told) == 1 and user_id not in told.pop() and site.world.logged_in.count(user_id) == 2
    # A pending token is no token to sign in, nor the other way round.
    begun = site.world.ask("POST", f"/login?user={user_id}")[1]
    body = {"credential": device.get(options), "sign_in_token": begun["pending_token"]}
    assert site.world.ask("POST", "/mfa/sign-in", body)[0] == 422
    body = {"credential": device.get(options), "pending_token": browser.named["sign_in_token"]}
    assert site.world.ask("POST", "/mfa/passkey/verify", body)[0] == 401


@BOTH
def test_where_it_is_off_there_is_no_operation_for_it(kind: type[Starlette]) -> None:
    world = World(kind, replace(POLICY, passkeys=replace(PASSKEYS, sign_in=False)))
    for path in ("/mfa/sign-in", "/mfa/sign-in/challenge"):
        assert world.ask("POST", path, {})[0] in (404, 405)
    with pytest.raises(SetupError, match="may_sign_in"):
        World(kind, POLICY)


def test_the_document_names_both_operations() -> None:
    app = APISite(FastAPI).world.app
    assert isinstance(app, FastAPI)
    document = app.openapi()
    assert document["paths"]["/mfa/sign-in"]["post"]["operationId"] == "sign_in"
    answer = document["paths"]["/mfa/sign-in/challenge"]["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"]["$ref"].endswith("SignInOptionsAnswer")
    assert "sign_in_token" in document["components"]["schemas"]["SignInOptionsAnswer"]["properties"]


@BOTH
def test_a_user_who_must_have_a_passkey_is_asked_for_one_and_codes_end_with_it(kind: type[Starlette]) -> None:
    world = World(kind, POLICY, may_sign_in=lambda user_id: True, passkey_required=lambda user_id: False)
    token, app, _ = world.enrolled()
    world.api.gate._passkey_required = lambda user_id: True
    status, problem = world.ask("GET", "/guarded/mfa", token=token)
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:second-factor-required")
    assert problem["next"] == "begin_passkey"
    status, problem = world.ask("POST", "/mfa/enroll", {}, token)
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:codes-not-accepted")
    device = PasskeyDevice()
    options = world.ask("POST", "/mfa/passkeys/options", {}, token)[1]["options"]
    status, made = world.ask("POST", "/mfa/passkeys", {"credential": device.create(options)}, token)
    assert status == 201 and world.ask("GET", "/guarded/mfa", token=made["session"]["token"])[0] == 200
    pending = {"pending_token": world.ask("POST", "/login?user=42")[1]["pending_token"]}
    status, problem = world.ask("POST", "/mfa/verify", {"code": app.at(world.clock.now), **pending})
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:codes-not-accepted")
    options = world.ask("POST", "/mfa/passkey/challenge", pending)[1]["options"]
    answer = {"credential": device.get(options), **pending}
    assert world.ask("POST", "/mfa/passkey/verify", answer)[0] == 200


@BOTH
def test_what_leads_on_is_a_passkey_where_nothing_else_will_do(kind: type[Starlette]) -> None:
    always = {"may_sign_in": lambda user_id: True, "passkey_required": lambda user_id: True}
    world = World(kind, POLICY, **always)
    begun = world.ask("POST", "/login?user=42")[1]
    assert (begun["status"], begun["next"]) == ("pending", "begin_passkey")
    pending = {"pending_token": begun["pending_token"]}
    status, problem = world.ask("POST", "/mfa/verify", {"code": "000000", **pending})
    assert (status, problem["next"]) == (403, "begin_passkey")
    assert world.ask("POST", "/mfa/passkeys/options", pending)[0] == 200
    # A policy that takes no codes of anybody.
    world = World(kind, replace(POLICY, codes=False), may_sign_in=lambda user_id: True)
    token = world.ask("POST", "/login?user=42")[1]["session"]["token"]
    assert world.ask("GET", "/guarded/mfa", token=token)[1]["next"] == "begin_passkey"
    status, problem = world.ask("POST", "/mfa/passkey/challenge", {}, token)
    assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:not-enrolled", "begin_passkey")


@BOTH
def test_a_user_without_the_factor_that_was_asked_for_is_told_which_other_there_is(kind: type[Starlette]) -> None:
    world = World(kind, POLICY, may_sign_in=lambda user_id: True)
    _, app, _ = world.enrolled()
    pending = {"pending_token": world.ask("POST", "/login?user=42")[1]["pending_token"]}
    status, problem = world.ask("POST", "/mfa/passkey/challenge", pending)
    assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:not-enrolled", "verify")
    assert world.ask("POST", "/mfa/verify", {"code": app.at(world.clock.now), **pending})[0] == 200
    # What a half-login began with may go.
    world.mfa.reset(user_id="42", by="support")
    status, problem = world.ask("POST", "/mfa/recover", {"code": "1", **pending})
    assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:not-enrolled", "login")
