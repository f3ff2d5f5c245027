"""The audit in Starlette and FastAPI: rows from the request, and the user's own events by the API."""

from functools import partial

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from ferrotp.mfa import MFA

from . import test_router
from .test_router import World


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_the_api_shows_users_their_own_events(kind: type[Starlette], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_router, "MFA", partial(MFA, audit=True))
    world = World(kind)
    token, device, _ = world.enrolled()
    assert world.ask("GET", "/mfa/activity")[0] == 401
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    assert world.ask("GET", "/mfa/activity", token=f"Bearer {pending}")[0] == 401
    wrong = {"code": device.wrong(world.clock.now), "pending_token": pending}
    assert world.ask("POST", "/mfa/verify", wrong)[0] == 400
    world.mfa.reset(user_id="43", by="the desk")
    status, found = world.ask("GET", "/mfa/activity", token=token)
    assert status == 200 and world.headers["cache-control"] == "no-store"
    kinds = [entry["kind"] for entry in found["entries"]]
    assert kinds == ["refused", "recovery codes replaced", "enrollment confirmed", "enrollment started"]
    newest = found["entries"][0]
    assert newest.keys() == {"at", "kind", "method", "factor_id", "address", "user_agent"}
    assert newest["address"] == "127.0.0.1" and newest["at"].endswith("Z")


def test_without_an_audit_there_is_no_such_operation() -> None:
    world = World()
    token = world.enrolled()[0]
    assert world.ask("GET", "/mfa/activity", token=token)[0] == 404
    assert "activity" not in [operation.name for operation in world.api.offered()]
