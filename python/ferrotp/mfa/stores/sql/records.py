"""Records as rows, and rows as records."""

import json
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from ..base import (
    Acceptance,
    AuditHead,
    AuditRow,
    Budget,
    Factor,
    Limits,
    Owner,
    RecoveryCode,
    Reservation,
    TrustedDevice,
)

Rows = Sequence[tuple[Any, ...]]
Values = Mapping[str, Any]

FACTOR_FIELDS = (
    "factor_id",
    "kind",
    "name",
    "state",
    "sealed",
    "legacy",
    "created_at",
    "expires_at",
    "last_step",
    "drift",
    "last_used_at",
)
_DEVICE_FIELDS = ("series", "name", "token_hash", "created_at", "expires_at", "last_used_at")


def owner_values(owner: Owner) -> dict[str, Any]:
    return {"tenant": owner.tenant, "user_id": owner.user_id}


def factor_values(factor: Factor) -> dict[str, Any]:
    return {**owner_values(factor.owner), **{name: getattr(factor, name) for name in FACTOR_FIELDS}}


def code_values(code: RecoveryCode) -> dict[str, Any]:
    return {**owner_values(code.owner), "selector": code.selector, "sealed": code.sealed}


def device_values(device: TrustedDevice) -> dict[str, Any]:
    return {**owner_values(device.owner), **{name: getattr(device, name) for name in _DEVICE_FIELDS}}


def factor_of(owner: Owner, row: Sequence[Any]) -> Factor:
    factor_id, kind, name, state, sealed, legacy, *times = row
    return Factor(owner, factor_id, kind, name, state, sealed, legacy != 0, *times)


def otp_reservation(
    owner: Owner, method: Any, limits: Limits, budget: Budget, rows: "Sequence[Sequence[Any]]", recovery_codes: int = 0
) -> Reservation:
    factors = tuple(map(factor_of, repeat(owner), rows))
    return Reservation(owner, method, limits, budget, factors, recovery_codes=recovery_codes)


def recovery_reservation(
    owner: Owner, limits: Limits, budget: Budget, selector: str, sealed: bytes | None
) -> Reservation:
    code = None if sealed is None else RecoveryCode(owner, selector, sealed)
    return Reservation(owner, "recovery", limits, budget, (), code)


def advance_values(factor: Factor, accepted: Acceptance, now: int) -> dict[str, Any]:
    """A factor as it was read, and what an accepted code makes of it."""
    return {
        **owner_values(factor.owner),
        "factor_id": factor.factor_id,
        "was_step": factor.last_step,
        "was_sealed": factor.sealed,
        "step": accepted.step,
        "drift": accepted.drift,
        "used_at": now,
        "sealed": accepted.resealed or factor.sealed,
    }


def audit_row_values(row: AuditRow) -> dict[str, Any]:
    return {
        **owner_values(row.owner),
        "number": row.number,
        "happened_at": row.at,
        "kind": row.kind,
        "factor_id": row.factor_id,
        "method": row.method,
        "detail": row.detail,
        "address": row.address,
        "user_agent": row.user_agent,
        "earlier": row.before,
        "key_id": row.key_id,
        "mac": row.mac,
    }


def audit_head_values(owner: Owner, read: AuditHead, head: AuditHead) -> dict[str, Any]:
    """A head as it was read, and what is to be in its place."""
    return {
        **owner_values(owner),
        "was_number": read.number,
        "was_mac": read.mac,
        "head_number": head.number,
        "head_link": head.link,
        "head_pruned": head.pruned,
        "head_anchor": head.anchor,
        "head_key_id": head.key_id,
        "head_mac": head.mac,
    }


def as_json(rows: "Sequence[dict[str, Any]]") -> str:
    """Any number of rows as one text, with bytes in hexadecimal."""
    texts = [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]
    return json.dumps(texts, ensure_ascii=False)
