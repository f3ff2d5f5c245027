"""What drf-spectacular says of the operations: an OpenAPI document from the table that also says what they take."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema

from ferrotp.web.api_fields import ID_PATTERN, Body, Field, Operation
from ferrotp.web.problems import MEDIA_TYPE

_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE: dict[str, Any] = {"type": "string", "nullable": True}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_MAYBE_MOMENT: dict[str, Any] = {**_MOMENT, "nullable": True}
_NUMBER: dict[str, Any] = {"type": "integer"}
_YES: dict[str, Any] = {"type": "boolean"}
_SESSION: dict[str, Any] = {"type": "object", "nullable": True, "description": "What the application gives."}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_LOGIN = {
    "status": {"type": "string", "enum": ["done", "pending"]},
    "next": {**_MAYBE, "description": "The operation that leads on."},
    "pending_token": _MAYBE,
    "expires_at": _MAYBE_MOMENT,
    "session": _SESSION,
}
_CODES = _list(_TEXT)
_FACTOR = {
    "factor_id": _TEXT,
    "kind": {"type": "string", "enum": ["totp", "hotp", "passkey"]},
    "name": _TEXT,
    "state": {"type": "string", "enum": ["active", "disabled"]},
    "created_at": _MOMENT,
    "last_used_at": _MAYBE_MOMENT,
    "legacy": _YES,
}
_PASSKEY = {"factor_id": _TEXT, "synced": _YES, "attachment": _TEXT, "transports": _list(_TEXT)}
_DEVICE = {
    "device_id": _TEXT,
    "name": _TEXT,
    "created_at": _MOMENT,
    "last_used_at": _MOMENT,
    "expires_at": _MOMENT,
}
_STATUS = {
    "enrolled": _YES,
    "required": _YES,
    "fresh": _YES,
    "factors": _list(_object(**_FACTOR)),
    "passkeys": _list(_object(**_PASSKEY)),
    "recovery_codes_left": _NUMBER,
    "disabled": _YES,
    "retry_at": _MAYBE_MOMENT,
    "trusted_device_days": _NUMBER,
    "trusted_devices": _list(_object(**_DEVICE)),
}
_EVENT = {
    "at": _MOMENT,
    "kind": {**_TEXT, "description": "As the service's events are called."},
    "method": _TEXT,
    "factor_id": _TEXT,
    "address": _TEXT,
    "user_agent": _TEXT,
}
_KEY = {"factor_id": _TEXT, "uri": _TEXT, "secret": _TEXT, "qr_svg": _TEXT, "expires_at": _MOMENT}
_OPTIONS = {"options": {"type": "object"}}
_FORGOTTEN = {"forgotten": _NUMBER}
_ANSWERS: dict[str, dict[str, Any]] = {
    "status": _STATUS,
    "recover": {**_LOGIN, "recovery_codes_left": _NUMBER},
    "cancel": {"status": _TEXT},
    "enroll": _KEY,
    "confirm": {**_LOGIN, "recovery_codes": _CODES},
    "regenerate": {"recovery_codes": _CODES, "session": _SESSION},
    "remove": {**_FACTOR, "session": _SESSION},
    "forget_devices": _FORGOTTEN,
    "forget_device": _FORGOTTEN,
    "activity": {"entries": _list(_object(**_EVENT))},
    "passkey_challenge": _OPTIONS,
    "begin_passkey": _OPTIONS,
    "sign_in_challenge": {**_OPTIONS, "sign_in_token": _TEXT},
    "finish_passkey": {**_LOGIN, "recovery_codes": _CODES, "factor_id": _TEXT},
}
"""What an operation gives; those that are left out give where the login stands."""
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": {**_TEXT, "description": "urn:ferrotp:problem: and the kind"},
        "title": _TEXT,
        "status": _NUMBER,
        "detail": {**_TEXT, "description": "For the user."},
        "attempts_left": {**_NUMBER, "nullable": True},
        "retry_at": {**_MOMENT, "description": "When the next code is looked at."},
        "reason": _TEXT,
        "next": _TEXT,
        "errors": _list(_object(field=_TEXT, message=_TEXT)),
    },
    "required": ["type", "title", "status", "detail"],
}


def described(operation: Operation) -> Any:
    """The decorator of an operation's method."""
    answers: dict[Any, Any] = {operation.status: _object(**_ANSWERS.get(operation.name, _LOGIN))}
    answers.update({(status, MEDIA_TYPE): _PROBLEM for status in operation.problems})
    parameters = []
    if operation.parameter:
        parameters = [OpenApiParameter(operation.parameter, {**_TEXT, "pattern": ID_PATTERN}, OpenApiParameter.PATH)]
    return extend_schema(
        operation_id=operation.name,
        description=operation.description,
        request=None if operation.body is None else {"application/json": _body(operation.body)},
        responses=answers,
        parameters=parameters,
        tags=["second factor"],
    )


def _body(body: Body) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "description": body.description,
        "properties": {name: _field(field) for name, field in body.fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, field in body.fields.items() if field.required]
    return {**made, "required": required} if required else made


def _field(field: Field) -> dict[str, Any]:
    made: dict[str, Any] = {"type": {bool: "boolean", dict: "object"}.get(field.type, "string")}
    if not field.required and field.default is None:
        made["nullable"] = True
    elif not field.required:
        made["default"] = field.default
    for name, value in (
        ("maxLength", field.max_length),
        ("pattern", field.pattern),
        ("description", field.description),
        ("example", field.examples[0] if field.examples else None),
    ):
        if value is not None:
            made[name] = value
    return made
