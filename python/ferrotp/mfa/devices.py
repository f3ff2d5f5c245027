"""Trusted devices: browsers that are not asked for a code, each by a series of tokens of which each works once."""

import hashlib
import secrets

from .core import Core, identifier, is_identifier, new_id
from .errors import DeviceNotTrusted, NotEnrolled, PolicyError, moment
from .results import DeviceInfo, DeviceToken, UserId
from .stores.base import TrustedDevice

LONGEST_TOKEN = 199
"""Characters of a token that are looked at: a bound of the format, whose tokens have 76."""


def trust(core: Core, user_id: UserId, name: str) -> DeviceToken:
    """`MFA.trust_device`."""
    if not core.policy.trusted_device_days:
        raise PolicyError("the policy has no trusted devices: set trusted_device_days")
    owner = core.owner(user_id)
    now = core.now()
    token = secrets.token_urlsafe(32)
    expires_at = now + 86_400_000 * core.policy.trusted_device_days
    name = identifier("name", name) if name else ""
    device = TrustedDevice(owner, new_id(), name, _hash(token), now, expires_at, now)
    if not core.store.add_device(device, now, core.policy.max_devices):
        raise NotEnrolled
    core.emit("device trusted", now, owner, device=device.series, name=device.name)
    return DeviceToken(f"{device.series}.{token}", moment(expires_at))


def recognize(core: Core, user_id: UserId, token: str) -> DeviceToken:
    """`MFA.recognize_device`."""
    owner = core.owner(user_id)
    now = core.now()
    looked_at = isinstance(token, str) and len(token) <= LONGEST_TOKEN
    series, _, secret = token.partition(".") if looked_at else ("", "", "")
    if not core.policy.trusted_device_days or not is_identifier(series) or not secret or not token.isascii():
        raise DeviceNotTrusted
    following = secrets.token_urlsafe(32)
    answer = core.store.use_device(owner, series, _hash(secret), _hash(following), now, 1000 * core.policy.device_grace)
    if answer in ("renewed", "same"):
        core.emit("device recognized", now, owner, device=series)
        kept = f"{series}.{following}" if answer == "renewed" else token
        devices = core.store.devices(owner)
        expires_at = next((device.expires_at for device in devices if device.series == series), now)
        return DeviceToken(kept, moment(expires_at))
    core.emit("device theft suspected" if answer == "stolen" else "device refused", now, owner, device=series)
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
    removed = core.store.remove_devices(owner, series)
    if removed:
        core.emit("devices removed", core.now(), owner, devices=removed)
    return removed


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
