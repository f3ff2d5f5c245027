"""Passkeys in the API: the same by Starlette and FastAPI, and what goes wrong is a problem like any other."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from mfa.passkey_device import Key, PasskeyDevice
from starlette.applications import Starlette

from ferrotp.mfa import Passkeys, Policy

from .test_router import World

POLICY = replace(Policy.cheap_for_tests(), passkeys=Passkeys(rp_id="example.com", origins=["https://example.com"]))
BOTH = pytest.mark.parametrize("kind", [Starlette, FastAPI])


def register(world: World, token: str) -> tuple[PasskeyDevice, dict[str, Any]]:
    device = PasskeyDevice()
    status, asked = world.ask("POST", "/mfa/passkeys/options", {}, token)
    assert status == 200 and world.headers["cache-control"] == "no-store"
    credential = device.create(asked["options"])
    status, made = world.ask("POST", "/mfa/passkeys", {"credential": credential, "name": "Phone"}, token)
    assert status == 201, made
    return device, made


@BOTH
def test_a_passkey_is_registered_and_ends_a_pending_login(kind: type[Starlette]) -> None:
    world = World(kind, POLICY)
    token = world.ask("POST", "/login?user=42")[1]["session"]["token"]
    device, made = register(world, token)
    assert len(made["recovery_codes"]) == 10 and made["status"] == "done"
    token = made["session"]["token"]
    status = world.ask("GET", "/mfa/status", token=token)[1]
    assert [(factor["kind"], factor["name"]) for factor in status["factors"]] == [("passkey", "Phone")]
    assert status["passkeys"] == [
        {
            "factor_id": made["factor_id"],
            "synced": True,
            "attachment": "platform",
            "transports": ["internal", "hybrid"],
        }
    ]
    begun = world.ask("POST", "/login?user=42")[1]
    assert begun["status"] == "pending" and begun["next"] == "verify"
    pending = {"pending_token": begun["pending_token"]}
    options = world.ask("POST", "/mfa/passkey/challenge", pending)[1]["options"]
    credential = device.get(options)
    status_code, done = world.ask("POST", "/mfa/passkey/verify", {"credential": credential, **pending})
    assert status_code == 200 and done["status"] == "done"
    assert world.ask("GET", "/guarded/fresh-mfa", token=done["session"]["token"])[0] == 200
    # Sent twice, it is one login.
    status_code, problem = world.ask("POST", "/mfa/passkey/verify", {"credential": credential, **pending})
    assert (status_code, problem["type"], problem["reason"]) == (
        400,
        "urn:ferrotp:problem:passkey-refused",
        "used challenge",
    )
    # A second one needs a fresh login that passed; and each may go.
    _, made = register(world, done["session"]["token"])
    assert made["recovery_codes"] == []
    gone = world.ask("DELETE", f"/mfa/factors/{made['factor_id']}", token=made["session"]["token"])
    assert gone[0] == 200 and gone[1]["kind"] == "passkey"


@BOTH
def test_a_challenge_is_of_the_pending_login_that_asked(kind: type[Starlette]) -> None:
    world = World(kind, POLICY)
    device, _ = register(world, world.ask("POST", "/login?user=42")[1]["session"]["token"])
    mine, thiefs = (world.ask("POST", "/login?user=42")[1]["pending_token"] for _ in range(2))
    options = world.ask("POST", "/mfa/passkey/challenge", {"pending_token": thiefs})[1]["options"]
    answer = {"credential": device.get(options), "pending_token": mine}
    status, problem = world.ask("POST", "/mfa/passkey/verify", answer)
    assert (status, problem["reason"]) == (400, "other session")
    for body, reason in (
        (device.get(options, origin="https://evil.net"), "wrong origin"),
        (device.get(options, key=Key()), "wrong signature"),
        ({}, "malformed"),
        ({"id": [[[]]], "response": 7}, "malformed"),
    ):
        status, problem = world.ask("POST", "/mfa/passkey/verify", {"credential": body, "pending_token": thiefs})
        assert (status, problem["reason"]) == (400, reason), problem
        assert problem["detail"] and "challenge" not in problem["detail"]
    # The budget is the codes', too.
    status, problem = world.ask("POST", "/mfa/passkey/verify", {"credential": {}, "pending_token": thiefs})
    assert (status, problem["type"]) == (429, "urn:ferrotp:problem:too-many-attempts")
    # The owner is not held up.
    options = world.ask("POST", "/mfa/passkey/challenge", {"pending_token": mine})[1]["options"]
    answer = {"credential": device.get(options), "pending_token": mine}
    assert world.ask("POST", "/mfa/passkey/verify", answer)[0] == 200


@BOTH
def test_registering_asks_for_a_fresh_login_that_passed(kind: type[Starlette]) -> None:
    world = World(kind, POLICY)
    assert world.ask("POST", "/mfa/passkeys/options", {})[0] == 401
    token, _, _ = world.enrolled()
    world.clock.now += 3600
    status, problem = world.ask("POST", "/mfa/passkeys/options", {}, token)
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:fresh-authentication-required")
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    status, problem = world.ask("POST", "/mfa/passkeys/options", {"pending_token": pending})
    assert (status, problem["next"]) == (403, "verify")
    # Somebody without a passkey has none to answer with.
    status, problem = world.ask("POST", "/mfa/passkey/challenge", {"pending_token": pending})
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:not-enrolled")


@BOTH
def test_a_login_that_the_application_alone_knows_may_answer(kind: type[Starlette]) -> None:
    world = World(kind, POLICY)
    device, _ = register(world, world.ask("POST", "/login?user=42")[1]["session"]["token"])
    world.sessions["Bearer own"] = ("42", "no stamp")
    options = world.ask("POST", "/mfa/passkey/challenge", {}, "Bearer own")[1]["options"]
    answer = {"credential": device.get(options)}
    status, done = world.ask("POST", "/mfa/passkey/verify", answer, "Bearer own")
    assert status == 200, done
    assert world.ask("GET", "/guarded/mfa", token=done["session"]["token"])[0] == 200


@BOTH
def test_where_the_policy_takes_passkeys_alone_a_code_is_a_problem(kind: type[Starlette]) -> None:
    world = World(kind, replace(POLICY, codes=False))
    register(world, world.ask("POST", "/login?user=42")[1]["session"]["token"])
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    status, problem = world.ask("POST", "/mfa/verify", {"code": "000000", "pending_token": pending})
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:codes-not-accepted")


@BOTH
def test_without_passkeys_in_the_policy_there_is_no_operation_for_them(kind: type[Starlette]) -> None:
    world = World(kind)
    token, _, _ = world.enrolled()
    for path in ("/mfa/passkeys", "/mfa/passkeys/options", "/mfa/passkey/verify", "/mfa/passkey/challenge"):
        assert world.ask("POST", path, {}, token)[0] in (404, 405)
    assert world.ask("GET", "/mfa/status", token=token)[1]["passkeys"] == []


def test_the_document_names_the_operations_and_their_models() -> None:
    world = World(FastAPI, POLICY)
    assert isinstance(world.app, FastAPI)
    document = world.app.openapi()
    for path, model in (("/mfa/passkey/verify", "VerifyPasskeyBody"), ("/mfa/passkeys", "NewPasskeyBody")):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["$ref"].endswith(model)
        credential = document["components"]["schemas"][model]["properties"]["credential"]
        assert credential["type"] == "object"
    assert "reason" in document["components"]["schemas"]["Problem"]["properties"]
