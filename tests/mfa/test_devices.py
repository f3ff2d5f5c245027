"""Trusted devices under attack: a row written into the table, a copied cookie, two tabs, keys that change."""

import hashlib
import itertools
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ferrotp.mfa import MFA, DeviceNotTrusted, Policy, open_store
from ferrotp.mfa.stores.base import Owner, Store, TrustedDevice
from ferrotp.vault import Keyring

from .conftest import World

POLICY = replace(Policy.cheap_for_tests(), trusted_device_days=30)
DAY = 86_400


@pytest.fixture
def world() -> World:
    world = World(POLICY)
    world.enroll("alice")
    world.enroll("mallory")
    return world


def put_in(store: Store, row: TrustedDevice) -> None:
    """By somebody who can write to the database."""
    assert store.add_device(row, row.created_at, 100)


def row_of(world: World, user_id: str, series: str, token_hash: bytes) -> TrustedDevice:
    now = int(world.clock.now * 1000)
    return TrustedDevice(Owner("", user_id), series, "", token_hash, now, now + 10**12, now)


HASHES: dict[str, Callable[[str, str], bytes]] = {
    "of the secret": lambda token, secret: hashlib.sha256(secret.encode()).digest(),
    "of the token": lambda token, secret: hashlib.sha256(token.encode()).digest(),
    "the secret": lambda token, secret: secret.encode(),
    "empty": lambda token, secret: b"",
}


@pytest.mark.parametrize("how", HASHES)
def test_a_row_that_somebody_wrote_into_the_table_opens_nothing(world: World, how: str) -> None:
    series, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
    tokens = [f"{series}.{secret}", f"{series}.{world.keyring.writes_with}.{secret}", f"{series}..{secret}"]
    for token in tokens:
        world.store.remove_devices(Owner("", "alice"), None)
        put_in(world.store, row_of(world, "alice", series, HASHES[how](token, secret)))
        with pytest.raises(DeviceNotTrusted):
            world.mfa.recognize_device(user_id="alice", token=token)


def test_a_row_with_a_mac_under_another_key_or_for_another_label_opens_nothing(world: World) -> None:
    series, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
    mine = Keyring.generate()
    for keyring, label in ((mine, "device token"), (world.keyring, "next device token"), (world.keyring, "other")):
        key_id = keyring.writes_with
        mac = keyring.mac(key_id, label, ("ACME", "", "alice", series, secret))
        assert mac is not None
        world.store.remove_devices(Owner("", "alice"), None)
        put_in(world.store, row_of(world, "alice", series, mac))
        with pytest.raises(DeviceNotTrusted):
            world.mfa.recognize_device(user_id="alice", token=f"{series}.{key_id}.{secret}")


def test_a_device_of_ones_own_moved_to_another_user_tenant_series_or_application_opens_nothing(world: World) -> None:
    token = world.mfa.trust_device(user_id="mallory").token
    (row,) = world.store.devices(Owner("", "mallory"))
    _, key_id, secret = token.split(".")
    put_in(world.store, replace(row, owner=Owner("", "alice")))
    other_series = secrets.token_hex(16)
    put_in(world.store, replace(row, owner=Owner("", "alice"), series=other_series))
    for shown in (token, f"{other_series}.{key_id}.{secret}"):
        with pytest.raises(DeviceNotTrusted):
            world.mfa.recognize_device(user_id="alice", token=shown)
    elsewhere = MFA(world.store, issuer="Other", keyring=world.keyring, policy=POLICY, clock=world.clock)
    with pytest.raises(DeviceNotTrusted):
        elsewhere.recognize_device(user_id="mallory", token=token)


@pytest.mark.parametrize("url", ["memory", "sqlite"])
def test_a_double_click_is_no_theft_whatever_answer_comes_last(url: str, tmp_path: Path) -> None:
    """Three requests at once with one cookie; the browser keeps what any of the answers set, and comes back with it."""
    for last in itertools.product(range(3), repeat=2):
        world = World(POLICY)
        if url == "sqlite":
            world.store = open_store(f"sqlite:///{tmp_path}/{last[0]}{last[1]}.db")  # type: ignore[assignment]
            world.store.prepare()
            world.mfa = world.service(POLICY)
        world.enroll("alice")
        cookie = world.mfa.trust_device(user_id="alice").token
        for answer in last:
            world.clock.now += DAY
            answers = [world.mfa.recognize_device(user_id="alice", token=cookie).token for _ in range(3)]
            assert cookie not in answers
            cookie = answers[answer]
            # One of the three is still on its way when the answer to another is used again.
            assert world.mfa.recognize_device(user_id="alice", token=cookie).token == cookie
        assert "device theft suspected" not in world.kinds()


def test_an_answer_that_was_lost_costs_nothing_while_the_other_request_is_answered(world: World) -> None:
    """A browser drops the first of two navigations, and with it what its answer set."""
    cookie = world.mfa.trust_device(user_id="alice").token
    world.clock.now += DAY
    world.mfa.recognize_device(user_id="alice", token=cookie)
    cookie = world.mfa.recognize_device(user_id="alice", token=cookie).token
    world.clock.now += DAY
    assert world.mfa.recognize_device(user_id="alice", token=cookie).token != cookie


def test_a_copied_cookie_is_found_out_when_the_other_comes(world: World) -> None:
    stolen = world.mfa.trust_device(user_id="alice").token
    world.clock.now += DAY
    after = world.mfa.recognize_device(user_id="alice", token=stolen).token  # by the thief, or by the owner
    world.clock.now += 61
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="alice", token=stolen)
    assert world.kinds()[-1] == "device theft suspected"
    assert world.mfa.trusted_devices(user_id="alice") == []
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="alice", token=after)


def test_the_clock_set_back_makes_no_old_token_good_again(world: World) -> None:
    token = world.mfa.trust_device(user_id="alice").token
    world.clock.now += DAY
    world.mfa.recognize_device(user_id="alice", token=token)
    world.clock.now -= DAY // 2
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="alice", token=token)
    token = world.mfa.trust_device(user_id="alice").token
    world.clock.now += 31 * DAY
    for _ in range(2):
        with pytest.raises(DeviceNotTrusted):
            world.mfa.recognize_device(user_id="alice", token=token)
        world.clock.now -= 30 * DAY


def test_a_token_is_read_while_its_key_is_in_the_keyring(world: World) -> None:
    old, new = world.keyring.export(), Keyring.generate().export()
    servers = [world.service(POLICY, Keyring(keys)) for keys in (old, f"{old} {new}", f"{new} {old}")]
    token = servers[0].trust_device(user_id="alice").token
    world.clock.now += DAY
    # While servers are restarted one by one, they write with different keys, and answer with the same token.
    answers = {server.recognize_device(user_id="alice", token=token).token for server in servers[1:] * 2}
    assert len(answers) == 1 and token not in answers
    (token,) = answers
    world.clock.now += DAY
    token = servers[2].recognize_device(user_id="alice", token=token).token
    world.clock.now += DAY
    assert Keyring(new).writes_with in token
    servers[2].rotate_keys()
    alone = world.service(POLICY, Keyring(new))  # the older key was retired
    token = alone.recognize_device(user_id="alice", token=token).token
    world.clock.now += DAY
    # Without its key it asks for a code, and is no theft.
    with pytest.raises(DeviceNotTrusted):
        servers[0].recognize_device(user_id="alice", token=token)
    assert alone.recognize_device(user_id="alice", token=token).token != token


def test_devices_end_with_recovery_reset_and_the_removal_of_a_factor(world: World) -> None:
    ends: list[Callable[[], object]] = [
        lambda: world.mfa.recover(user_id="alice", code=world.mfa.regenerate_recovery_codes(user_id="alice")[0]),
        lambda: world.mfa.end_sessions(user_id="alice", by="alice"),
        lambda: world.mfa.remove_factor(
            user_id="alice", factor_id=world.mfa.status(user_id="alice").factors[0].factor_id
        ),
        lambda: world.mfa.reset(user_id="alice", by="root"),
    ]
    for end in ends:
        world.enroll("alice")
        token = world.mfa.trust_device(user_id="alice").token
        end()
        world.enroll("alice")
        with pytest.raises(DeviceNotTrusted):
            world.mfa.recognize_device(user_id="alice", token=token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "a" * 200,
        "\u00e9.b.c",
        "a..c",
        urlsafe_b64encode(bytes(60)).decode(),
        None,
    ],
)
def test_what_is_no_token_is_refused_and_harms_nothing(world: World, token: str | None) -> None:
    kept = world.mfa.trust_device(user_id="alice").token
    with pytest.raises(DeviceNotTrusted):
        world.mfa.recognize_device(user_id="alice", token=token)  # type: ignore[arg-type]
    world.mfa.recognize_device(user_id="alice", token=kept)
