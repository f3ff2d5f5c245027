"""The W3C's published vectors, through the service: only the challenge is taken for its own, since it is theirs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferrotp.mfa import CrossOriginFrame, Passkeys, Policy, SignatureWrong, passkeys
from ferrotp.mfa.challenges import Challenge
from ferrotp.mfa.core import Core
from ferrotp.mfa.stores.base import Owner

from .conftest import World
from .passkey_device import b64

FILE = Path(__file__).parent.parent / "vectors" / "webauthn_level3.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text())["vectors"]
POLICY = replace(Policy.cheap_for_tests(), passkeys=Passkeys(rp_id="example.org", origins=["https://example.org"]))


def response_of(vector: dict[str, Any], part: str) -> dict[str, Any]:
    """As `toJSON()` writes it."""
    credential_id = b64(bytes.fromhex(vector["registration"]["credential_id"]))
    names = ("clientDataJSON", "attestationObject", "authenticatorData", "signature")
    fields = {name: b64(bytes.fromhex(vector[part][name])) for name in names if name in vector[part]}
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": fields}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A service whose challenges are the vectors'."""
    world = World(POLICY)
    expected: list[bytes] = []

    def check(core: Core, raw: bytes, owner: Owner, purpose: str, session: str, now: int) -> Challenge:
        assert session == raw.hex()  # the tests pass theirs
        expected.append(raw)
        end = (now + 1000).to_bytes(8, "big")
        return Challenge(raw[:16] + end + bytes(32), core.keyring.writes_with)

    monkeypatch.setattr(passkeys, "check_challenge", check)
    return world


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_vectors_of_the_w3c_hold(world: World, vector: dict[str, Any]) -> None:
    registration, authentication = vector["registration"], vector["authentication"]
    created = {"session": registration["challenge"], "response": response_of(vector, "registration")}
    asked = {"session": authentication["challenge"], "response": response_of(vector, "authentication")}
    if vector["name"].endswith(("crossOrigin", "topOrigin")):
        # Good by the specification where a site wants to be framed. None of ours does.
        with pytest.raises(CrossOriginFrame):
            world.mfa.finish_passkey(user_id="42", **created)
        return
    made = world.mfa.finish_passkey(user_id="42", **created)
    assert made.passkey.aaguid.replace("-", "") == registration["aaguid"]
    assert world.mfa.verify_passkey(user_id="42", **asked).factor_id == made.passkey.factor_id
    for name in ("signature", "authenticatorData"):
        raw = bytearray.fromhex(authentication[name])
        raw[-1] ^= 1
        changed = response_of({**vector, "authentication": {**authentication, name: raw.hex()}}, "authentication")
        with pytest.raises(SignatureWrong):
            world.mfa.verify_passkey(user_id="42", session=authentication["challenge"], response=changed)
