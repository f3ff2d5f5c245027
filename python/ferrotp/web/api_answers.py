"""What the JSON API answers of a user, in every framework."""

from typing import Any

from ..mfa import AuditEntry, DeviceInfo, FactorInfo
from .gate import Gate
from .login import Login
from .problems import rfc3339


def status_body(gate: Gate, login: Login) -> dict[str, Any]:
    """What there is of the user who is logged in."""
    mfa, user_id = gate.mfa, login.user_id
    status, days = mfa.status(user_id=user_id), mfa.policy.trusted_device_days
    return {
        "enrolled": status.enrolled,
        "required": gate.is_required(user_id),
        "fresh": gate.is_fresh(login),
        "factors": [factor_body(factor) for factor in status.factors],
        "passkeys": [
            {
                "factor_id": passkey.factor_id,
                "synced": passkey.backup_eligible,
                "attachment": passkey.attachment,
                "transports": list(passkey.transports),
            }
            for passkey in mfa.passkeys(user_id=user_id)
        ],
        "recovery_codes_left": status.recovery_codes,
        "disabled": status.disabled,
        "retry_at": None if status.retry_at is None else rfc3339(status.retry_at),
        "trusted_device_days": days,
        "trusted_devices": [device_body(device) for device in (mfa.trusted_devices(user_id=user_id) if days else [])],
    }


def activity_body(gate: Gate, login: Login) -> dict[str, Any]:
    """What happened to the user who is logged in, of late. Who did it and what else the application notes is not the
    user's to see."""
    return {"entries": [_entry_body(entry) for entry in recent(gate, login)]}


SHOWN = 50
"""Events that a user is shown at once."""


def recent(gate: Gate, login: Login) -> list[AuditEntry]:
    """The user's last events, but for those that come with another."""
    found = gate.mfa.activity(user_id=login.user_id, limit=2 * SHOWN)
    return [entry for entry in found if entry.kind != "attempt counted"][:SHOWN]


def _entry_body(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(entry.at),
        "kind": entry.kind,
        "method": entry.method,
        "factor_id": entry.factor_id,
        "address": entry.address,
        "user_agent": entry.user_agent,
    }


def factor_body(factor: FactorInfo) -> dict[str, Any]:
    """One factor."""
    return {
        "factor_id": factor.factor_id,
        "kind": factor.kind,
        "name": factor.name,
        "state": factor.state,
        "created_at": rfc3339(factor.created_at),
        "last_used_at": None if factor.last_used_at is None else rfc3339(factor.last_used_at),
        "legacy": factor.legacy,
    }


def device_body(device: DeviceInfo) -> dict[str, Any]:
    """One trusted device."""
    return {
        "device_id": device.series,
        "name": device.name,
        "created_at": rfc3339(device.created_at),
        "last_used_at": rfc3339(device.last_used_at),
        "expires_at": rfc3339(device.expires_at),
    }
