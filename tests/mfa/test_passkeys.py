"""Passkeys at the service: what a browser may send, and what an attacker does."""

import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from ferrotp.mfa import (
    MFA,
    AlgorithmNotOffered,
    AlreadyEnrolled,
    AttestationRefused,
    ChallengeExpired,
    ChallengeUnknown,
    ChallengeUsed,
    CodesNotAccepted,
    CounterWentBack,
    CrossOriginFrame,
    InvalidCode,
    LastFactor,
    NewPasskey,
    NotEnrolled,
    OtherSession,
    OtherUsersPasskey,
    PasskeyMalformed,
    PasskeyRefused,
    Passkeys,
    PasskeyTaken,
    PasskeyUnknown,
    Policy,
    PolicyError,
    SealedRecordError,
    SignatureWrong,
    Throttled,
    TooManyFactors,
    UserNotPresent,
    UserNotVerified,
    WrongOrigin,
    WrongRelyingParty,
)
from ferrotp.mfa.stores.base import Owner
from ferrotp.vault import Keyring

from .conftest import World
from .passkey_device import BE, BS, ORIGIN, UP, UV, Key, Maker, PasskeyDevice, b64, unb64

ASKED = Passkeys(rp_id="example.com", origins=[ORIGIN, "https://login.example.com"])
POLICY = replace(Policy.cheap_for_tests(), passkeys=ASKED)


def policy_of(**changes: Any) -> Policy:
    return replace(POLICY, passkeys=replace(ASKED, **changes))


@pytest.fixture
def world() -> World:
    return World(POLICY)


def register(
    world: World,
    device: PasskeyDevice | None = None,
    *,
    user_id: str = "42",
    mfa: MFA | None = None,
    name: str = "phone",
) -> tuple[PasskeyDevice, NewPasskey]:
    device, mfa = device or PasskeyDevice(), mfa or world.mfa
    options = mfa.begin_passkey(user_id=user_id, session="s", account_name="alice@example.com")
    made = mfa.finish_passkey(user_id=user_id, session="s", response=device.create(options), name=name)
    world.clock.now += 1
    return device, made


def assertion(world: World, device: PasskeyDevice, user_id: str | None = "42", **changes: Any) -> dict[str, Any]:
    return device.get(world.mfa.passkey_challenge(user_id=user_id, session="s"), **changes)


# Registration and use


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
def test_a_passkey_is_registered_and_says_yes(world: World, algorithm: int) -> None:
    device, made = register(world, PasskeyDevice(algorithm=algorithm))
    assert len(made.recovery_codes) == 10
    passkey = made.passkey
    assert (passkey.name, passkey.state, passkey.last_used_at, passkey.counter) == ("phone", "active", None, 0)
    assert (passkey.backup_eligible, passkey.backed_up, passkey.attachment) == (True, True, "platform")
    assert passkey.transports == ("internal", "hybrid")
    assert passkey.aaguid == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    for _ in range(2):
        yes = world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
        assert (yes.user_id, yes.method, yes.factor_id, yes.factor_name) == (
            "42",
            "passkey",
            passkey.factor_id,
            "phone",
        )
        assert yes.amr == ("swk", "user", "mfa")
    assert world.kinds()[-1] == "verified" and world.events[-1].method == "passkey"
    (used,) = world.mfa.passkeys(user_id="42")
    assert used.last_used_at == yes.at
    status = world.mfa.status(user_id="42")
    assert status.enrolled and [factor.kind for factor in status.factors] == ["passkey"]
    assert status.recovery_codes == 10 and status.epoch


def test_the_options_are_what_browsers_parse(world: World) -> None:
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice@example.com", display_name="Alice")
    assert json.loads(json.dumps(options)) == options
    assert options["rp"] == {"id": "example.com", "name": "ACME"}
    assert options["user"]["name"] == "alice@example.com" and options["user"]["displayName"] == "Alice"
    assert len(unb64(options["user"]["id"])) == 32 and len(unb64(options["challenge"])) >= 32
    assert [parameters["alg"] for parameters in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["timeout"] == 120_000 and options["excludeCredentials"] == []
    device, _ = register(world)
    again = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice@example.com")
    # The same handle, so that an authenticator keeps one account; and what is there already is not made again.
    assert unb64(again["user"]["id"]) == device.user_handle
    described = {"type": "public-key", "id": b64(device.credential_id), "transports": ["internal", "hybrid"]}
    assert again["excludeCredentials"] == [described]
    asked = world.mfa.passkey_challenge(user_id="42", session="s")
    assert json.loads(json.dumps(asked)) == asked
    assert asked["rpId"] == "example.com" and asked["allowCredentials"] == [described]
    assert asked["challenge"] != world.mfa.passkey_challenge(user_id="42", session="s")["challenge"]


def test_a_user_handle_says_nothing_of_the_user(world: World) -> None:
    handles = set()
    for user_id in ("42", "42", "43"):
        options = world.mfa.begin_passkey(user_id=user_id, session="s", account_name="alice@example.com")
        handles.add(options["user"]["id"])
        assert b"42" not in unb64(options["user"]["id"]) or user_id != "42"
    assert len(handles) == 3


def test_what_was_parsed_and_its_text_are_the_same(world: World) -> None:
    device = PasskeyDevice()
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    world.mfa.finish_passkey(user_id="42", session="s", response=json.dumps(device.create(options)))
    world.mfa.verify_passkey(user_id="42", session="s", response=json.dumps(assertion(world, device)))


def test_a_passkey_of_a_device_alone_is_told_from_a_synced_one_and_that_may_change(world: World) -> None:
    bound, made = register(world, PasskeyDevice(flags=UP | UV))
    assert not made.passkey.backup_eligible
    yes = world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, bound))
    assert yes.amr == ("hwk", "user", "mfa")
    synced, _ = register(world, PasskeyDevice(flags=UP | UV | BE))
    assert not world.mfa.passkeys(user_id="42")[1].backed_up
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, synced, flags=UP | UV | BE | BS))
    assert world.mfa.passkeys(user_id="42")[1].backed_up
    # Whether it may be synced never changes (section 6.1.3).
    with pytest.raises(PasskeyMalformed):
        world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, bound, flags=UP | UV | BE))


def test_a_second_passkey_brings_no_codes_and_several_are_asked_for(world: World) -> None:
    devices = [register(world, name=name) for name in ("phone", "key")]
    assert [len(made.recovery_codes) for _, made in devices] == [10, 0]
    assert len(world.mfa.passkey_challenge(user_id="42", session="s")["allowCredentials"]) == 2
    for device, made in devices:
        yes = world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
        assert yes.factor_id == made.passkey.factor_id


def test_a_passkey_is_one_factor_among_the_others(world: World) -> None:
    enrollment, _, _ = world.enroll()
    device, made = register(world)
    assert made.recovery_codes == ()
    epoch = world.mfa.epoch(user_id="42")
    assert world.mfa.remove_factor(user_id="42", factor_id=enrollment.factor_id, keep_last=True).kind == "totp"
    with pytest.raises(LastFactor):
        world.mfa.remove_factor(user_id="42", factor_id=made.passkey.factor_id, keep_last=True)
    assert world.mfa.epoch(user_id="42") != epoch
    epoch = world.mfa.epoch(user_id="42")
    waiting = assertion(world, device)
    removed = world.mfa.remove_factor(user_id="42", factor_id=made.passkey.factor_id)
    assert removed.kind == "passkey" and removed.name == "phone"
    assert world.mfa.epoch(user_id="42") != epoch and not world.mfa.status(user_id="42").enrolled
    with pytest.raises(PasskeyUnknown):
        world.mfa.verify_passkey(user_id="42", session="s", response=waiting)
    with pytest.raises(NotEnrolled):
        world.mfa.passkey_challenge(user_id="42", session="s")
    # Another user may have the same authenticator, now.
    register(world, device, user_id="43")
    assert world.mfa.reset(user_id="43", by="admin") == 1
    register(world, device, user_id="44")


def test_a_passkey_has_no_secret_to_reveal_and_no_code(world: World) -> None:
    _, made = register(world)
    with pytest.raises(NotEnrolled):
        world.mfa.reveal_secret(user_id="42", factor_id=made.passkey.factor_id, by="admin")
    for named in ({}, {"factor_id": made.passkey.factor_id}):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code="000000", **named)  # type: ignore[arg-type]
    with pytest.raises(InvalidCode):
        world.mfa.unlock(user_id="42", code="000000", next_code="000001")
    with pytest.raises(InvalidCode):
        world.mfa.resync(user_id="42", factor_id=made.passkey.factor_id, code="000000", next_code="000001")
    assert world.mfa.recover(user_id="42", code=made.recovery_codes[0]).amr == ("otp", "mfa")
    assert "recovery codes" in repr(made) and made.recovery_codes[0] not in repr(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)


def test_limits_hold_for_passkeys_as_for_other_factors() -> None:
    world = World(replace(POLICY, max_factors=2))
    device = PasskeyDevice()
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    world.enroll()
    with pytest.raises(AlreadyEnrolled):
        world.mfa.finish_passkey(user_id="42", session="s", response=device.create(options), only_first=True)
    assert world.events[-1].kind == "enrollment refused" and world.events[-1].detail["reason"] == "enrolled"
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    register(world)
    with pytest.raises(TooManyFactors):
        world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    with pytest.raises(TooManyFactors):
        world.mfa.finish_passkey(user_id="42", session="s", response=device.create(options))


# Attacks

_Attack = Callable[[World, PasskeyDevice], Any]


def _with(**changes: Any) -> _Attack:
    return lambda world, device: assertion(world, device, **changes)


def _edited(edit: Callable[[dict[str, Any]], object]) -> _Attack:
    def attack(world: World, device: PasskeyDevice) -> Any:
        response = assertion(world, device)
        edit(response)
        return response

    return attack


def _of_another_user(world: World, device: PasskeyDevice) -> Any:
    other, _ = register(world, user_id="43")
    return assertion(world, other)


def _challenge_of_another_user(world: World, device: PasskeyDevice) -> Any:
    register(world, user_id="43")
    return assertion(world, device, user_id="43")


def _challenge_of_another_session(world: World, device: PasskeyDevice) -> Any:
    return device.get(world.mfa.passkey_challenge(user_id="42", session="another pending login"))


def _challenge_of_another_tenant(world: World, device: PasskeyDevice) -> Any:
    other = world.mfa.for_tenant("other")
    register(world, mfa=other)
    return device.get(other.passkey_challenge(user_id="42", session="s"))


def _challenge_of_a_registration(world: World, device: PasskeyDevice) -> Any:
    return device.get(world.mfa.begin_passkey(user_id="42", session="s", account_name="alice"))


def _challenge_of_another_application(world: World, device: PasskeyDevice) -> Any:
    other = MFA(world.store, issuer="Other", keyring=world.keyring, policy=POLICY, clock=world.clock)
    return device.get(other.passkey_challenge(user_id="42", session="s"))


def _challenge_of_another_keyring(world: World, device: PasskeyDevice) -> Any:
    other = World(POLICY)
    register(other)
    return device.get(other.mfa.passkey_challenge(user_id="42", session="s"))


def _challenge_with_a_longer_life(world: World, device: PasskeyDevice) -> Any:
    raw = bytearray(unb64(world.mfa.passkey_challenge(user_id="42", session="s")["challenge"]))
    raw[20] ^= 1
    return device.get({"challenge": b64(bytes(raw))})


def _expired(world: World, device: PasskeyDevice) -> Any:
    response = assertion(world, device)
    world.clock.now += 120
    return response


def _replayed(world: World, device: PasskeyDevice) -> Any:
    response = assertion(world, device)
    world.mfa.verify_passkey(user_id="42", session="s", response=response)
    return response


def _signed_anew_for_a_used_challenge(world: World, device: PasskeyDevice) -> Any:
    options = world.mfa.passkey_challenge(user_id="42", session="s")
    world.mfa.verify_passkey(user_id="42", session="s", response=device.get(options))
    return device.get(options)


def _never_registered(world: World, device: PasskeyDevice) -> Any:
    return assertion(world, PasskeyDevice())


def _put(*path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def edit(response: dict[str, Any]) -> None:
        for name in path[:-1]:
            response = response[name]
        response[path[-1]] = value

    return edit


TOO_LONG = b64(bytes(1024))
"""For the id of a credential."""

ATTACKS: list[tuple[str, _Attack, type[PasskeyRefused]]] = [
    ("wrong origin", _with(origin="https://example.com.evil.net"), WrongOrigin),
    ("origin by http", _with(origin="http://example.com"), WrongOrigin),
    ("origin below that was not named", _with(origin="https://blog.example.com"), WrongOrigin),
    ("origin with a port", _with(origin="https://example.com:8443"), WrongOrigin),
    ("wrong relying party", _with(rp_id="evil.net"), WrongRelyingParty),
    ("relying party above", _with(rp_id="com"), WrongRelyingParty),
    ("frame of another origin", _with(cross_origin=True), CrossOriginFrame),
    ("frame that says so otherwise", _with(top_origin="https://evil.net"), CrossOriginFrame),
    ("frame, as a text", _with(cross_origin="true"), CrossOriginFrame),
    ("challenge of another user", _challenge_of_another_user, ChallengeUnknown),
    ("challenge of another session", _challenge_of_another_session, OtherSession),
    ("challenge of another tenant", _challenge_of_another_tenant, ChallengeUnknown),
    ("challenge of a registration", _challenge_of_a_registration, ChallengeUnknown),
    ("challenge of another application", _challenge_of_another_application, ChallengeUnknown),
    ("challenge of another keyring", _challenge_of_another_keyring, ChallengeUnknown),
    ("challenge with a longer life", _challenge_with_a_longer_life, ChallengeUnknown),
    ("challenge made up", _with(challenge=b64(bytes(56))), ChallengeUnknown),
    ("challenge that is empty", _with(challenge=""), ChallengeUnknown),
    ("challenge that is old", _expired, ChallengeExpired),
    ("replay", _replayed, ChallengeUsed),
    ("a used challenge signed anew", _signed_anew_for_a_used_challenge, ChallengeUsed),
    ("passkey of another user", _of_another_user, OtherUsersPasskey),
    ("handle of another user", _with(handle=b"x" * 32), OtherUsersPasskey),
    ("passkey that is unknown", _never_registered, PasskeyUnknown),
    ("signature by another key", _with(key=Key()), SignatureWrong),
    ("signature by another algorithm", _with(key=Key(-8)), SignatureWrong),
    ("signature of another text", _edited(_put("response", "signature", value=b64(Key().sign(b"x")))), SignatureWrong),
    ("signature that is none", _edited(_put("response", "signature", value="")), SignatureWrong),
    ("nobody was there", _with(flags=UV | BE | BS), UserNotPresent),
    ("synced, and not to be", _with(flags=UP | UV | BS), PasskeyMalformed),
    ("another type", _with(type="webauthn.create"), PasskeyMalformed),
    ("no JSON", lambda world, device: "{", PasskeyMalformed),
    ("nothing", lambda world, device: None, PasskeyMalformed),
    ("a list", lambda world, device: [], PasskeyMalformed),
    ("deep", lambda world, device: "[" * 100_000, PasskeyMalformed),
    ("an id that is another", _edited(_put("id", value=b64(b"other"))), PasskeyMalformed),
    ("an id that is too long", _edited(lambda r: r.update(id=TOO_LONG, rawId=TOO_LONG)), PasskeyMalformed),
    ("an id that is empty", _edited(lambda r: r.update(id="", rawId="")), PasskeyMalformed),
    ("an id in base64", _edited(lambda r: r.update(id=r["id"] + "=", rawId=r["rawId"] + "=")), PasskeyMalformed),
    ("no response", _edited(_put("response", value=None)), PasskeyMalformed),
    ("no signature", _edited(lambda r: r["response"].pop("signature")), PasskeyMalformed),
    ("client data that is a list", _edited(_put("response", "clientDataJSON", value=b64(b"[]"))), PasskeyMalformed),
    ("client data too long", _edited(_put("response", "clientDataJSON", value=b64(b" " * 9000))), PasskeyMalformed),
    ("data that is too long", _edited(_put("response", "authenticatorData", value=b64(bytes(9000)))), PasskeyMalformed),
    ("a handle that is too long", _edited(_put("response", "userHandle", value=b64(bytes(65)))), PasskeyMalformed),
    ("numbers for texts", _edited(_put("response", "signature", value=7)), PasskeyMalformed),
    ("not ASCII", _edited(_put("response", "signature", value="\u0661")), PasskeyMalformed),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "error"), [case[1:] for case in ATTACKS], ids=[case[0] for case in ATTACKS])
def test_an_attack_is_refused_by_its_own_error_in_an_event_and_counted(
    world: World, attack: _Attack, error: type[PasskeyRefused]
) -> None:
    device, _ = register(world)
    response = attack(world, device)
    before = world.mfa.passkeys(user_id="42")
    world.events.clear()
    with pytest.raises(PasskeyRefused) as caught:
        world.mfa.verify_passkey(user_id="42", session="s", response=response)
    assert type(caught.value) is error
    (event,) = world.events
    assert (event.kind, event.user_id, event.method) == ("passkey refused", "42", "passkey")
    assert event.detail == {"reason": error.reason, "failures": 1}
    assert world.mfa.status(user_id="42").failures == 1
    assert world.mfa.passkeys(user_id="42") == before
    # The owner comes in.
    assert world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))


def test_every_reason_is_told_by_its_own_words_and_class() -> None:
    def below(kind: type[PasskeyRefused]) -> list[type[PasskeyRefused]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    kinds = below(PasskeyRefused)
    assert len({kind.reason for kind in kinds}) == len(kinds) == 18
    assert all(kind.__doc__ and kind.reason in str(kind()) for kind in kinds)


def test_every_cut_of_an_answer_is_refused(world: World) -> None:
    device, _ = register(world)
    whole = assertion(world, device)
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    other = PasskeyDevice()
    created = other.create(options)
    for response, ask in ((whole, world.mfa.verify_passkey), (created, world.mfa.finish_passkey)):
        for name in ("authenticatorData", "signature", "clientDataJSON", "attestationObject"):
            raw = unb64(response["response"].get(name, ""))
            for end in range(len(raw)):
                cut = {**response, "response": {**response["response"], name: b64(raw[:end])}}
                with pytest.raises((PasskeyMalformed, SignatureWrong, Throttled)):
                    ask(user_id="42", session="s", response=cut)
    world.mfa.finish_passkey(user_id="42", session="s", response=created)


@pytest.mark.parametrize(
    "planted",
    [
        b"\x9f" * 1000,
        b"\x81" * 60_000,
        b"\xa1" * 60_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\xbb" + b"\xff" * 8 + b"\x00" * 60_000,
        b"",
        b"\xf6",
        cbor2.dumps({}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": b""}),
        cbor2.dumps({"fmt": 1, "attStmt": None, "authData": "text"}),
        cbor2.dumps([1, 2]),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(36) + b"\x41" + bytes(30)}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(32) + b"\xc1" + bytes(200)}),
    ],
    ids=range(14),
)
def test_any_cbor_is_refused_or_read(world: World, planted: bytes) -> None:
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    response = PasskeyDevice().create(options)
    response["response"]["attestationObject"] = b64(planted)
    with pytest.raises(PasskeyMalformed):
        world.mfa.finish_passkey(user_id="42", session="s", response=response)
    for oversized in (bytes(65_537), cbor2.dumps({"fmt": "none", "attStmt": {"x": bytes(65_536)}, "authData": b""})):
        response["response"]["attestationObject"] = b64(oversized)
        with pytest.raises(PasskeyMalformed):
            world.mfa.finish_passkey(user_id="42", session="s", response=response)


def _key_with(algorithm: int = -7, **changes: Any) -> dict[str, Any]:
    return {"cose": {**Key(algorithm).cose, **{int(name.replace("m", "-")): value for name, value in changes.items()}}}


REGISTRATIONS: list[tuple[str, dict[str, Any], type[PasskeyRefused]]] = [
    ("wrong origin", {"origin": "https://evil.net"}, WrongOrigin),
    ("wrong relying party", {"rp_id": "evil.net"}, WrongRelyingParty),
    ("frame of another origin", {"cross_origin": True}, CrossOriginFrame),
    ("nobody was there", {"flags": UV}, UserNotPresent),
    ("another type", {"type": "webauthn.get"}, PasskeyMalformed),
    ("algorithm that was not offered", {"cose": Key(-35).cose}, AlgorithmNotOffered),
    ("algorithm that nobody knows", _key_with(**{"3": -65_535}), AlgorithmNotOffered),
    ("a point on no curve", _key_with(m3=bytes(32)), PasskeyMalformed),
    ("a coordinate that is short", _key_with(m3=b"1" * 31), PasskeyMalformed),
    ("another curve", _key_with(m1=2), PasskeyMalformed),
    ("another kind of key", _key_with(**{"1": 3}), PasskeyMalformed),
    ("an RSA key of 1024 bits", _key_with(-257, m1=b"\xff" * 128), PasskeyMalformed),
    ("an RSA key with an even exponent", _key_with(-257, m2=b"\x02"), PasskeyMalformed),
    ("synced, and not to be", {"flags": UP | UV | BS}, PasskeyMalformed),
]


@pytest.mark.parametrize(
    ("changes", "error"), [case[1:] for case in REGISTRATIONS], ids=[case[0] for case in REGISTRATIONS]
)
def test_a_registration_that_is_not_what_was_asked_for_is_refused(
    world: World, changes: dict[str, Any], error: type[PasskeyRefused]
) -> None:
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    with pytest.raises(PasskeyRefused) as caught:
        world.mfa.finish_passkey(user_id="42", session="s", response=PasskeyDevice().create(options, **changes))
    assert type(caught.value) is error
    event = world.events[-1]
    assert (event.kind, event.method, event.detail) == ("enrollment refused", "passkey", {"reason": error.reason})
    assert not world.mfa.status(user_id="42").enrolled


def test_a_registration_is_of_its_user_session_and_time_and_once(world: World) -> None:
    def refused(error: type[Exception], response: Any, user_id: str = "42", session: str = "s") -> None:
        with pytest.raises(error):
            world.mfa.finish_passkey(user_id=user_id, session=session, response=response)

    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    device = PasskeyDevice()
    response = device.create(options)
    refused(ChallengeUnknown, response, user_id="43")
    refused(OtherSession, response, session="another")
    world.mfa.finish_passkey(user_id="42", session="s", response=response)
    refused(ChallengeUsed, response)
    refused(ChallengeUsed, PasskeyDevice().create(options))  # another key for the same challenge
    asked = world.mfa.passkey_challenge(user_id="42", session="s")
    refused(ChallengeUnknown, PasskeyDevice().create({**options, "challenge": asked["challenge"]}))
    for user_id in ("42", "43"):
        again = world.mfa.begin_passkey(user_id=user_id, session="s", account_name="alice")
        refused(PasskeyTaken, device.create(again), user_id=user_id)
    late = PasskeyDevice().create(world.mfa.begin_passkey(user_id="42", session="s", account_name="alice"))
    world.clock.now += 120
    refused(ChallengeExpired, late)
    assert len(world.mfa.passkeys(user_id="42")) == 1 and world.mfa.passkeys(user_id="43") == []


def test_a_counter_that_goes_back_is_refused_and_the_user_is_told(world: World) -> None:
    device = PasskeyDevice(flags=UP | UV)
    device.counts = True
    _, made = register(world, device)
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
    assert world.mfa.passkeys(user_id="42")[0].counter == 1
    for counter in (1, 0):
        world.events.clear()
        with pytest.raises(CounterWentBack):
            world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device, counter=counter))
        assert world.kinds() == ["passkey copy suspected", "passkey refused"]
        copied = world.events[0]
        assert copied.notify_user and copied.factor_id == made.passkey.factor_id
        assert copied.detail == {"counter": counter, "kept": 1, "disabled": False}
    device.counter = 9
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))


def test_a_counter_that_goes_back_disables_the_passkey_where_the_policy_says_so() -> None:
    world = World(policy_of(disable_copied=True))
    device = PasskeyDevice(flags=UP | UV)
    device.counts = True
    register(world, device)
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
    with pytest.raises(CounterWentBack):
        world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device, counter=1))
    assert world.events[-2].detail["disabled"] is True
    assert world.mfa.passkeys(user_id="42")[0].state == "disabled"
    assert world.mfa.status(user_id="42").enrolled  # the password alone does not do
    with pytest.raises(NotEnrolled):
        world.mfa.passkey_challenge(user_id="42", session="s")


def test_user_verification_is_asked_for_where_the_policy_says_so() -> None:
    for said, refuses in (("required", True), ("preferred", False), ("discouraged", False)):
        world = World(policy_of(user_verification=said))
        device = PasskeyDevice(flags=UP)
        options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
        assert options["authenticatorSelection"]["userVerification"] == said
        if refuses:
            with pytest.raises(UserNotVerified):
                world.mfa.finish_passkey(user_id="42", session="s", response=device.create(options))
        device, _ = register(world, PasskeyDevice(flags=UP | UV))
        unverified = assertion(world, device, flags=UP)
        if refuses:
            with pytest.raises(UserNotVerified):
                world.mfa.verify_passkey(user_id="42", session="s", response=unverified)
        else:
            world.mfa.verify_passkey(user_id="42", session="s", response=unverified)


def test_of_many_answers_at_once_one_is_accepted(world: World) -> None:
    device, _ = register(world)
    response = assertion(world, device)
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(world.mfa.verify_passkey(user_id="42", session="s", response=response))
        except ChallengeUsed:
            outcomes.append(None)
    assert [outcome is not None for outcome in outcomes] == [True, False, False, False]


# One budget


def test_wrong_answers_and_wrong_codes_are_one_budget_and_a_right_answer_is_not_held_up(world: World) -> None:
    _, app, _ = world.enroll()
    device, _ = register(world)
    for number in range(3):
        with pytest.raises(InvalidCode):
            world.mfa.verify(user_id="42", code=app.wrong(world.clock.now, number))
    wrong = [assertion(world, device, key=Key()) for _ in range(4)]
    for response in wrong[:2]:
        with pytest.raises(SignatureWrong):
            world.mfa.verify_passkey(user_id="42", session="s", response=response)
    assert world.kinds().count("guessing suspected") == 1
    assert world.mfa.status(user_id="42").retry_at is not None
    for response in wrong[2:]:
        with pytest.raises(Throttled):
            world.mfa.verify_passkey(user_id="42", session="s", response=response)
    with pytest.raises(Throttled):
        world.mfa.verify(user_id="42", code=app.at(world.clock.now))
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
    # It ended the row of failures, as a right code would.
    assert world.mfa.status(user_id="42").failures == 0
    world.mfa.verify(user_id="42", code=app.at(world.clock.now))


def test_codes_that_are_disabled_hold_up_no_passkey_and_are_not_opened_by_one() -> None:
    world = World(replace(POLICY, free_failures=0, first_delay=1, longest_delay=1, disable_after=3))
    _, app, _ = world.enroll()
    device, _ = register(world)
    for _ in range(3):
        world.clock.now += 2
        response = assertion(world, device, key=Key())
        with pytest.raises(SignatureWrong):
            world.mfa.verify_passkey(user_id="42", session="s", response=response)
    assert world.kinds()[-1] == "disabled" and world.mfa.status(user_id="42").disabled
    world.clock.now += 100
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
    assert world.mfa.status(user_id="42").disabled
    # A wrong one is still told, with its own error.
    with pytest.raises(SignatureWrong):
        world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device, key=Key()))
    # A new authenticator app opens codes, and the passkey stays.
    enrollment = world.mfa.enroll(user_id="42", account_name="alice")
    fresh = type(app)(enrollment.uri)
    world.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=fresh.at(world.clock.now))
    states = {factor.kind: factor.state for factor in world.mfa.status(user_id="42").factors if factor.kind != "totp"}
    assert states == {"passkey": "active"}
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))


# Signing in by a passkey alone


def test_nobody_signs_in_by_a_passkey_alone_unless_the_policy_says_so(world: World) -> None:
    device, _ = register(world)
    with pytest.raises(PolicyError):
        world.mfa.passkey_challenge(user_id=None, session="s")
    with pytest.raises(PolicyError):
        world.mfa.verify_passkey(user_id=None, session="s", response=assertion(world, device))


def test_a_passkey_alone_signs_in_and_names_its_user() -> None:
    world = World(policy_of(sign_in=True))
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    assert options["authenticatorSelection"]["residentKey"] == "required"
    device, _ = register(world)
    asked = world.mfa.passkey_challenge(user_id=None, session="s")
    assert asked["allowCredentials"] == [] and asked["userVerification"] == "required"
    response = device.get(asked)
    yes = world.mfa.verify_passkey(user_id=None, session="s", response=response)
    assert yes.user_id == "42" and yes.amr == ("swk", "user", "mfa")
    attacks: list[tuple[Any, type[PasskeyRefused]]] = [
        (response, ChallengeUsed),
        (assertion(world, device), ChallengeUnknown),  # of a second factor
        (assertion(world, device, user_id=None, flags=UP | BE | BS), UserNotVerified),
        (assertion(world, device, user_id=None, handle=b""), OtherUsersPasskey),
        (assertion(world, device, user_id=None, handle=b"x" * 32), OtherUsersPasskey),
        (assertion(world, device, user_id=None, key=Key()), SignatureWrong),
        (assertion(world, PasskeyDevice(), user_id=None), PasskeyUnknown),
        (device.get(world.mfa.passkey_challenge(user_id=None, session="another")), OtherSession),
        (device.get(world.mfa.for_tenant("t").passkey_challenge(user_id=None, session="s")), ChallengeUnknown),
    ]
    for attack, error in attacks:
        with pytest.raises(PasskeyRefused) as caught:
            world.mfa.verify_passkey(user_id=None, session="s", response=attack)
        assert type(caught.value) is error
        assert world.events[-1].kind == "passkey refused" and world.events[-1].detail == {"reason": error.reason}
    # Outsiders delay nobody's codes.
    assert world.mfa.status(user_id="42").failures == 0
    # A challenge to sign in is none for a second factor.
    with pytest.raises(ChallengeUnknown):
        world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device, user_id=None))


# The policy


@pytest.mark.parametrize(
    "changes",
    [
        {"rp_id": "https://example.com"},
        {"rp_id": "Example.com"},
        {"rp_id": "example.com:443"},
        {"rp_id": "example.com/"},
        {"rp_id": ".example.com"},
        {"rp_id": "com"},
        {"rp_id": ""},
        {"rp_id": "127.0.0.1", "origins": ["https://127.0.0.1"]},
        {"rp_id": "münchen.example"},
        {"rp_id": None},
        {"origins": []},
        {"origins": "https://example.com"},
        {"origins": ["https://evil.net"]},
        {"origins": ["https://example.com.evil.net"]},
        {"origins": ["https://badexample.com"]},
        {"origins": ["http://example.com"]},
        {"origins": ["https://example.com/"]},
        {"origins": ["https://example.com:443"]},
        {"origins": ["https://EXAMPLE.com"]},
        {"origins": ["https://example.com", "android:apk-key-hash:x"]},
        {"origins": ["https://user@example.com"]},
        {"origins": ["https://example.com:99999"]},
        {"origins": [None]},
        {"rp_id": "example.com", "origins": ["http://localhost:5000"]},
        {"user_verification": "sometimes"},
        {"user_verification": None},
        {"attachment": "usb"},
        {"attestation": "enterprise"},
        {"attestation": "direct"},
        {"attestation_roots": [b"x"]},
        {"attestation": "direct", "attestation_roots": b"x"},
        {"attestation": "direct", "attestation_roots": ["x"]},
        {"sign_in": 1},
        {"sign_in": True, "user_verification": "discouraged"},
        {"disable_copied": "no"},
    ],
    ids=str,
)
def test_an_impossible_policy_is_refused_when_it_is_made(changes: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        Passkeys(**{"rp_id": "example.com", "origins": [ORIGIN], **changes})


def test_what_is_possible_is_taken() -> None:
    Passkeys(rp_id="localhost", origins=["http://localhost:5000", "http://app.localhost", "https://localhost:8443"])
    Passkeys(rp_id="example.com", origins={ORIGIN, "https://a.b.example.com:8443"}, sign_in=True)
    Passkeys(rp_id="xn--mnchen-3ya.example", origins=("https://xn--mnchen-3ya.example",))
    with pytest.raises(PolicyError):
        Policy(passkeys="example.com")  # type: ignore[arg-type]
    with pytest.raises(PolicyError):
        Policy(codes=False)
    with pytest.raises(PolicyError, match="certificates"):
        World(policy_of(attestation="direct", attestation_roots=[b"no certificate"]))


def test_without_a_policy_there_are_no_passkeys() -> None:
    world = World()
    for call in (
        lambda: world.mfa.begin_passkey(user_id="42", session="s", account_name="alice"),
        lambda: world.mfa.finish_passkey(user_id="42", session="s", response={}),
        lambda: world.mfa.passkey_challenge(user_id="42", session="s"),
        lambda: world.mfa.verify_passkey(user_id="42", session="s", response={}),
    ):
        with pytest.raises(PolicyError, match="passkeys"):
            call()
    assert world.mfa.passkeys(user_id="42") == []


def test_a_service_whose_policy_resists_phishing_takes_passkeys_and_recovery_codes_alone(world: World) -> None:
    _, app, codes = world.enroll()
    strict = replace(Policy.phishing_resistant(ASKED), hashing=POLICY.hashing)
    mfa = world.service(strict)
    code = app.at(world.clock.now)
    refused: list[Callable[[], object]] = [
        lambda: mfa.verify(user_id="42", code=code),
        lambda: mfa.unlock(user_id="42", code=code, next_code=app.at(world.clock.now, 1)),
        lambda: mfa.resync(user_id="42", factor_id="x", code=code, next_code=code),
        lambda: mfa.enroll(user_id="42", account_name="alice"),
        lambda: mfa.confirm(user_id="42", factor_id="x", code=code),
    ]
    for call in refused:
        world.events.clear()
        with pytest.raises(CodesNotAccepted):
            call()
        assert [event.detail["reason"] for event in world.events] == ["codes not accepted"]
    assert mfa.status(user_id="42").enrolled
    mfa.recover(user_id="42", code=codes[0])
    device, _ = register(world, mfa=mfa)
    mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))
    world.mfa.verify(user_id="42", code=code)


def test_the_device_is_of_the_kind_that_the_policy_asks_for() -> None:
    world = World(policy_of(attachment="cross-platform"))
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    assert options["authenticatorSelection"]["authenticatorAttachment"] == "cross-platform"
    with pytest.raises(AttestationRefused):
        world.mfa.finish_passkey(user_id="42", session="s", response=PasskeyDevice().create(options))


def test_an_authenticator_is_of_a_maker_that_the_policy_names() -> None:
    good, other = Maker("Good"), Maker("Other")
    forger = Maker("Good")  # of the same name, and another key
    world = World(policy_of(attestation="direct", attestation_roots=[good.root, other.root]))
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    assert options["attestation"] == "direct"
    for changes in ({}, {"maker": forger}, {"maker": Maker("Unknown")}):
        with pytest.raises(AttestationRefused):
            world.mfa.finish_passkey(user_id="42", session="s", response=PasskeyDevice().create(options, **changes))
    assert world.events[-1].detail == {"reason": "attestation refused"}
    for user_id, maker in (("42", good), ("43", other)):
        options = world.mfa.begin_passkey(user_id=user_id, session="s", account_name="alice")
        response = PasskeyDevice().create(options, maker=maker)
        assert world.mfa.finish_passkey(user_id=user_id, session="s", response=response)
    # Where nobody asks for it, what a browser gives of it all the same is not looked at.
    world = World(POLICY)
    options = world.mfa.begin_passkey(user_id="42", session="s", account_name="alice")
    world.mfa.finish_passkey(user_id="42", session="s", response=PasskeyDevice().create(options, maker=forger))


# What is kept


def test_a_record_that_was_changed_or_moved_opens_nothing(world: World) -> None:
    device, made = register(world)
    register(world, user_id="43")
    factor_id = made.passkey.factor_id
    whole = world.store.passkey("", factor_id)
    assert whole is not None
    theirs = world.mfa.passkeys(user_id="43")[0].factor_id
    other = world.store.passkey("", theirs)
    assert other is not None
    for sealed in (other.sealed, whole.sealed[:-1], whole.sealed.replace(b'"id"', b'"ID"'), b"", b"\xff", b"a b c d"):
        world.store._factors[Owner("", "42"), factor_id] = replace(whole, sealed=sealed)
        assert world.mfa.passkeys(user_id="42") == []
        response = device.get({"challenge": _challenge_for(world)})
        world.events.clear()
        with pytest.raises(SealedRecordError):
            world.mfa.verify_passkey(user_id="42", session="s", response=response)
        assert world.kinds() == ["sealed record refused"]
    # One with a key of the attacker's, which the attacker wrote there.
    key = b64(cbor2.dumps(Key().cose)).encode()
    start, _, rest = whole.sealed.partition(b'"key":"')
    forged = start + b'"key":"' + key + rest[rest.index(b'"') :]
    world.store._factors[Owner("", "42"), factor_id] = replace(whole, sealed=forged)
    with pytest.raises(SealedRecordError):
        world.mfa.verify_passkey(user_id="42", session="s", response=device.get({"challenge": _challenge_for(world)}))
    world.store._factors[Owner("", "42"), factor_id] = whole
    world.mfa.verify_passkey(user_id="42", session="s", response=assertion(world, device))


def _challenge_for(world: World) -> str:
    from ferrotp.mfa.challenges import new_challenge

    core = world.mfa._core
    return b64(new_challenge(core, Owner("", "42"), "second factor", "s", core.now()).raw)


def test_keys_rotate_over_passkeys_and_use_reseals_them(world: World) -> None:
    device, _ = register(world)
    second, _ = register(world)
    old = world.keyring
    new = Keyring([Keyring.generate().export(), old.export()])
    mfa = world.service(POLICY, new)
    # A challenge that was given before the change is good after it.
    waiting = assertion(world, device)
    mfa.verify_passkey(user_id="42", session="s", response=waiting)
    assert dict(mfa.keys_in_use())[new.writes_with] == 1
    rotation = mfa.rotate_keys()
    assert rotation.failed == () and rotation.done
    mfa.retire_key(old.writes_with)
    fresh = world.service(POLICY, Keyring(new.export().split()[0]))
    for each in (device, second):
        fresh.verify_passkey(
            user_id="42", session="s", response=each.get(fresh.passkey_challenge(user_id="42", session="s"))
        )


def test_no_challenge_and_no_answer_is_in_a_log_an_event_or_an_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    device = PasskeyDevice()
    with caplog.at_level(logging.DEBUG):
        options = world.mfa.begin_passkey(user_id="42", session="the session", account_name="alice")
        response = device.create(options)
        world.mfa.finish_passkey(user_id="42", session="the session", response=response)
        asked = world.mfa.passkey_challenge(user_id="42", session="the session")
        answer = device.get(asked)
        errors = []
        for said in (
            answer,
            answer,
            {**answer, "id": "x"},
            device.get(asked, key=Key()),
            device.get(asked, origin="x"),
        ):
            try:
                world.mfa.verify_passkey(user_id="42", session="the session", response=said)
            except PasskeyRefused as error:
                errors.append(f"{error!r} {error} {error.__cause__!r} {error.args}")
    said_so_far = caplog.text + repr(world.events) + repr(errors) + repr(world.mfa.passkeys(user_id="42"))
    raw = unb64(asked["challenge"])
    for text in (options["challenge"], asked["challenge"], raw.hex(), raw[:16].hex(), repr(raw)[2:20], "the session"):
        assert text not in said_so_far
    for part in (answer["response"]["signature"], answer["response"]["clientDataJSON"], b64(device.user_handle)):
        assert part not in said_so_far
    assert b64(device.credential_id) not in said_so_far
    assert "verified" in caplog.text and "passkey refused" in caplog.text
