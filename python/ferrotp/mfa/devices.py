"""Trusted devices: browsers that are not asked for a code, each by a series of tokens of which each works once.

A token is ``series.key.secret``. The store keeps a MAC of it under a key of the keyring, which `key` names: a row that
somebody wrote there opens nothing. The secret of the next token is a MAC of the one before, so that requests at once
are all answered with the same one: in whatever order the answers come, the browser keeps what works next time.
"""

import secrets
from base64 import urlsafe_b64encode

from .core import Core, identifier, is_identifier, moment, new_id
from .errors import DeviceNotTrusted, NotEnrolled, PolicyError
from .events import Kind
from .results import DeviceInfo, DeviceToken, UserId
from .stores.base import Owner, TrustedDevice

LONGEST_TOKEN = 199
"""Characters of a token that are looked at: a bound of the format, whose tokens have 93."""


def trust(core: Core, user_id: UserId, name: str) -> DeviceToken:
    """`MFA.trust_device`."""
    if not core.policy.trusted_device_days:
        raise PolicyError("the policy has no trusted devices: set trusted_device_days")
    owner = core.owner(user_id)
    now = core.now()
    token = f"{new_id()}.{core.keyring.writes_with}.{secrets.token_urlsafe(32)}"
    series = token.partition(".")[0]
    expires_at = now + 86_400_000 * core.policy.trusted_device_days
    name = identifier("name", name) if name else ""
    token_hash = _mac(core, owner, token)
    assert token_hash is not None  # noqa: S101 - it is the key that writes
    device = TrustedDevice(owner, series, name, token_hash, now, expires_at, now)

    def events(core: Core, added: bool) -> None:
        if added:
            core.emit("device trusted", now, owner, device=series, name=name)

    if not core.decide(core.store.add_device, device, now, core.policy.max_devices, events=events):
        raise NotEnrolled
    return DeviceToken(token, moment(expires_at))


def recognize(core: Core, user_id: UserId, token: str) -> DeviceToken:
    """`MFA.recognize_device`."""
    owner = core.owner(user_id)
    now = core.now()
    is_token = isinstance(token, str) and len(token) <= LONGEST_TOKEN and token.isascii() and token.count(".") == 2
    is_token = is_token and is_identifier(token.partition(".")[0])
    if not is_token or not core.policy.trusted_device_days:
        raise DeviceNotTrusted
    series, token_hash = token.partition(".")[0], _mac(core, owner, token)
    if token_hash is None:  # its key was retired, or somebody made it up
        core.emit("device refused", now, owner, device=series)
        raise DeviceNotTrusted
    following = _following(core, owner, token, core.keyring.writes_with)
    next_hash = _mac(core, owner, following) or b""

    def events(core: Core, answer: str) -> None:
        if answer != "same":
            kinds: dict[str, Kind] = {"renewed": "device recognized", "stolen": "device theft suspected"}
            core.emit(kinds.get(answer, "device refused"), now, owner, device=series)

    token_pair, grace = (token_hash, next_hash), 1000 * core.policy.device_grace
    answer = core.decide(core.store.use_device, owner, series, *token_pair, now, grace, events=events)
    if answer in ("renewed", "same"):
        device = next((device for device in core.store.devices(owner) if device.series == series), None)
        kept = following if answer == "renewed" else _kept(core, owner, token, device)
        if device is None or kept is None:  # removed, or renewed once more, in between
            raise DeviceNotTrusted
        if answer == "same":  # known only now that there is a token to answer with
            core.emit("device recognized", now, owner, device=series)
        return DeviceToken(kept, moment(device.expires_at))
    raise DeviceNotTrusted


def trusted(core: Core, user_id: UserId) -> list[DeviceInfo]:
    """`MFA.trusted_devices`."""
    now = core.now()
    return [
        DeviceInfo(
            device.series,
            device.name,
            moment(device.created_at),
            moment(device.last_used_at),
            moment(device.expires_at),
        )
        for device in core.store.devices(core.owner(user_id))
        if device.expires_at > now
    ]


def forget(core: Core, user_id: UserId, series: str | None) -> int:
    """`MFA.forget_devices`."""
    owner = core.owner(user_id)
    if series is not None and not is_identifier(series):
        return 0  # an empty one, or what no database takes: no device has it
    return remove(core, owner, series, core.now())


def remove(core: Core, owner: Owner, series: str | None, now: int) -> int:
    """Trusts one device no more, or none. How many there were."""

    def events(core: Core, removed: int) -> None:
        if removed:
            core.emit("devices removed", now, owner, devices=removed)

    return core.decide(core.store.remove_devices, owner, series, events=events)


def _mac(core: Core, owner: Owner, token: str) -> bytes | None:
    """What the store keeps of a token of this user. None if the keyring does not have its key."""
    series, key_id, secret = token.split(".")
    return core.keyring.mac(key_id, "device token", (core.issuer, owner.tenant, owner.user_id, series, secret))


def _following(core: Core, owner: Owner, token: str, key_id: str) -> str:
    """The token that comes after one, under this key of the keyring."""
    series = token.partition(".")[0]
    mac = core.keyring.mac(key_id, "next device token", (core.issuer, owner.tenant, owner.user_id, token))
    return f"{series}.{key_id}.{urlsafe_b64encode(mac or b'').rstrip(b'=').decode()}"


def _kept(core: Core, owner: Owner, token: str, device: TrustedDevice | None) -> str | None:
    """The token that the device is to come with next, where `token` or the one after it is that. Another server may
    write with another key of the keyring."""
    candidates = (token, *(_following(core, owner, token, key_id) for key_id in core.keyring.key_ids))
    found = (kept for kept in candidates if device is not None and _mac(core, owner, kept) == device.token_hash)
    return next(found, None)
