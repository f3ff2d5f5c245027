"""The W3C's published vectors, all of them, through the service: only the challenge is taken for its own, since it is
theirs. What our policy says of each is in `REFUSED`, and for attested ones in `ATTESTED`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferrotp.mfa import (
    AlgorithmNotOffered,
    AttestationRefused,
    CrossOriginFrame,
    PasskeyRefused,
    Passkeys,
    Policy,
    SignatureWrong,
    passkeys,
)
from ferrotp.mfa.challenges import Challenge
from ferrotp.mfa.core import Core
from ferrotp.mfa.stores.base import Owner

from .conftest import World
from .passkey_device import b64

FILE = Path(__file__).parent.parent / "vectors" / "webauthn_level3.json"
CONTENTS: dict[str, Any] = json.loads(FILE.read_text())
VECTORS: list[dict[str, Any]] = CONTENTS["vectors"]
POLICY = replace(Policy.cheap_for_tests(), passkeys=Passkeys(rp_id="example.org", origins=["https://example.org"]))
REFUSED: dict[str, type[PasskeyRefused]] = {
    # Good by the specification where a site wants to be framed. None of ours does.
    "none.ES256.crossOrigin": CrossOriginFrame,
    "none.ES256.topOrigin": CrossOriginFrame,
    # `begin_passkey` offers none of these.
    "packed.ES384": AlgorithmNotOffered,
    "packed.ES512": AlgorithmNotOffered,
    "packed.Ed448": AlgorithmNotOffered,
}
"""Whatever the policy asks for. The others are taken by the default one, which looks at no attestation."""
ATTESTED = {"packed.ES256", "packed.RS256", "packed.EdDSA", "apple.ES256", "fido-u2f.ES256"}
"""Taken where the policy asks for makers, and names theirs. Of the others one has no attestation (`none`), one is by
nobody but itself (`packed-self`), and the library reads none of `android-key` and not the flag of this `tpm`, whose
byte for "safe" is neither 0 nor 1."""


def response_of(vector: dict[str, Any], part: str) -> dict[str, Any]:
    """As `toJSON()` writes it."""
    credential_id = b64(bytes.fromhex(vector["registration"]["credential_id"]))
    names = ("clientDataJSON", "attestationObject", "authenticatorData", "signature")
    fields = {name: b64(bytes.fromhex(vector[part][name])) for name in names if name in vector[part]}
    return {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": fields}


def registered(vector: dict[str, Any]) -> dict[str, Any]:
    session = session_of(vector["registration"]["challenge"])
    return {"session": session, "response": response_of(vector, "registration")}


def session_of(challenge: str) -> str:
    """Named as the challenge begins: so a test knows that it was looked at."""
    return challenge[:64]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A service whose challenges are the vectors'."""

    def check(core: Core, raw: bytes, owner: Owner, purpose: str, session: str, now: int) -> Challenge:
        assert session == session_of(raw.hex())
        end = (now + 1000).to_bytes(8, "big")
        return Challenge(raw[:16] + end + bytes(32), core.keyring.writes_with)

    monkeypatch.setattr(passkeys, "check_challenge", check)
    return World(POLICY)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_vectors_of_the_w3c_hold(world: World, vector: dict[str, Any]) -> None:
    registration, authentication = vector["registration"], vector["authentication"]
    asked = {"session": session_of(authentication["challenge"]), "response": response_of(vector, "authentication")}
    if vector["name"] in REFUSED:
        with pytest.raises(REFUSED[vector["name"]]) as refused:
            world.mfa.finish_passkey(user_id="42", **registered(vector))
        assert world.events[-1].kind == "enrollment refused"
        assert world.events[-1].detail == {"reason": refused.value.reason}
        return
    made = world.mfa.finish_passkey(user_id="42", **registered(vector))
    assert made.passkey.aaguid.replace("-", "") == registration["aaguid"]
    assert world.mfa.verify_passkey(user_id="42", **asked).factor_id == made.passkey.factor_id
    for name in ("signature", "authenticatorData"):
        raw = bytearray.fromhex(authentication[name])
        raw[-1] ^= 1
        changed = response_of({**vector, "authentication": {**authentication, name: raw.hex()}}, "authentication")
        with pytest.raises(SignatureWrong):
            world.mfa.verify_passkey(user_id="42", session=asked["session"], response=changed)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_policy_that_asks_for_makers_takes_the_w3c_s_attested_vectors_alone(
    world: World, vector: dict[str, Any]
) -> None:
    assert world.mfa.policy.passkeys
    root = bytes.fromhex(CONTENTS["attestation_root"])
    asked = replace(world.mfa.policy.passkeys, attestation="direct", attestation_roots=[root])
    mfa = world.service(replace(POLICY, passkeys=asked))
    if vector["name"] in ATTESTED:
        assert mfa.finish_passkey(user_id="42", **registered(vector)).passkey.state == "active"
        return
    with pytest.raises(REFUSED.get(vector["name"], AttestationRefused)):
        mfa.finish_passkey(user_id="42", **registered(vector))
    assert not mfa.passkeys(user_id="42")


def test_a_credential_id_of_1023_bytes_is_kept_and_one_of_1024_is_refused(world: World) -> None:
    vector = next(vector for vector in VECTORS if vector["name"] == "none.ES256.long-credential-id")
    credential_id = bytes.fromhex(vector["registration"]["credential_id"])
    assert len(credential_id) == 1023
    longer = json.loads(json.dumps(vector))
    raw = bytearray.fromhex(vector["registration"]["attestationObject"])
    place = raw.index(credential_id)
    raw[place:place] = b"x"
    raw[place - 2 : place] = (1024).to_bytes(2, "big")  # the id's length; then that of the authenticator's data
    data = raw.index(b"authData") + len("authData")
    assert raw[data] == 0x59
    raw[data + 1 : data + 3] = (int.from_bytes(raw[data + 1 : data + 3], "big") + 1).to_bytes(2, "big")
    longer["registration"].update(credential_id=(b"x" + credential_id).hex(), attestationObject=raw.hex())
    with pytest.raises(PasskeyRefused) as refused:
        world.mfa.finish_passkey(user_id="42", **registered(longer))
    assert refused.value.reason == "malformed"
    made = world.mfa.finish_passkey(user_id="42", **registered(vector))
    assert made.passkey.factor_id in {passkey.factor_id for passkey in world.mfa.passkeys(user_id="42")}
    described = world.mfa.passkey_challenge(user_id="42", session="any")["allowCredentials"]
    assert [entry["id"] for entry in described] == [b64(credential_id)]
