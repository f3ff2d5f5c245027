"""What the operations take and give, for FastAPI and its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..web import api_fields as fields

_ID = Field(pattern=fields.ID_PATTERN, examples=[fields.ID_EXAMPLE])


class _Body(BaseModel):
    """A code that came as a number has lost its zeros, so nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _model(body: fields.Body) -> type[BaseModel]:
    """The model of a body."""
    members: dict[str, Any] = {}
    for name, field in body.fields.items():
        nullable = not field.required and field.default is None
        info = Field(
            ... if field.required else field.default,
            max_length=field.max_length,
            pattern=field.pattern,
            description=field.description,
            examples=field.examples,
        )
        members[name] = (field.type | None if nullable else field.type, info)
    return create_model(body.name, __base__=_Body, __doc__=body.description, __module__=__name__, **members)


BODIES = {operation.name: _model(operation.body) for operation in fields.OPERATIONS if operation.body is not None}
"""Of each operation that takes one."""


_RENEWED = "What the application gives instead of its session or token, where the user's logins ended."


class LoginAnswer(BaseModel):
    """Where a login stands."""

    status: Literal["done", "pending"]
    next: Literal["verify", "recover", "enroll", "begin_passkey"] | None = Field(
        description="The operation that leads on."
    )
    pending_token: str | None = Field(description="For that operation. It is no session, and opens nothing else.")
    expires_at: datetime | None = Field(description="Of the pending token.")
    session: dict[str, Any] | None = Field(description="What the application gives when the login is done.")


class RecoverAnswer(LoginAnswer):
    """The login is done."""

    recovery_codes_left: int


class ConfirmAnswer(LoginAnswer):
    """The factor is active, and the login is done."""

    recovery_codes: list[str] = Field(
        description="To be saved by the user: they are given this once. Empty if there are earlier ones."
    )


class PasskeyOptionsAnswer(BaseModel):
    """What a browser needs."""

    options: dict[str, Any] = Field(description="JSON, in the form that `PublicKeyCredential` parses.")


class SignInOptionsAnswer(PasskeyOptionsAnswer):
    """What a browser needs, and what the client gives back with the answer."""

    sign_in_token: str


class NewPasskeyAnswer(ConfirmAnswer):
    """The passkey is active, and the login is done."""

    factor_id: Annotated[str, _ID]


class Passkey(BaseModel):
    """What there is to say of a passkey beside its factor."""

    factor_id: Annotated[str, _ID]
    synced: bool = Field(description="Whether it may be in more than one device.")
    attachment: Literal["platform", "cross-platform", ""] = Field(description="In this device, or beside it.")
    transports: list[str]


class EnrollAnswer(BaseModel):
    """A key, to be scanned and then confirmed. It is given this once."""

    factor_id: Annotated[str, _ID]
    uri: str = Field(
        description="otpauth://", examples=["otpauth://totp/ACME:alice%40example.com?secret=…&issuer=ACME"]
    )
    secret: str = Field(description="Base32, to be typed where no camera is.")
    qr_svg: str = Field(description="The URI as a QR code: a whole SVG element, on its own white ground.")
    expires_at: datetime


class Factor(BaseModel):
    """A factor of the user's own."""

    factor_id: Annotated[str, _ID]
    kind: Literal["totp", "hotp", "passkey"]
    name: str
    state: Literal["active", "disabled"]
    created_at: datetime
    last_used_at: datetime | None
    legacy: bool = Field(description="By an older standard: the user should enroll again.")


class RemoveAnswer(Factor):
    """A factor that is gone."""

    session: dict[str, Any] | None = Field(description=_RENEWED)


class Device(BaseModel):
    """A trusted device: it is not asked for a code."""

    device_id: Annotated[str, _ID]
    name: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class StatusAnswer(BaseModel):
    """What there is of the user."""

    enrolled: bool = Field(description="Whether logging in takes a second factor.")
    required: bool = Field(description="Whether everybody has to have one.")
    fresh: bool = Field(description="Whether a change is taken now; otherwise it asks for a code first.")
    factors: list[Factor]
    passkeys: list[Passkey] = Field(description="Of the factors, those that are passkeys.")
    recovery_codes_left: int
    disabled: bool = Field(description="Whether the factors are switched off after too many wrong codes.")
    retry_at: datetime | None = Field(description="When the next code is looked at, if there is a delay.")
    trusted_device_days: int = Field(description="0: there are no trusted devices.")
    trusted_devices: list[Device]


class CodesAnswer(BaseModel):
    """New recovery codes, given this once."""

    recovery_codes: list[str]
    session: dict[str, Any] | None = Field(description=_RENEWED)


class CancelAnswer(BaseModel):
    """The login is over."""

    status: Literal["cancelled"]


class ForgetAnswer(BaseModel):
    """How many devices are trusted no more."""

    forgotten: int


class ActivityEntry(BaseModel):
    """One thing that happened to the user."""

    at: datetime
    kind: str = Field(description="As the service's events are called.", examples=["verified", "refused"])
    method: str = Field(examples=["totp"])
    factor_id: str
    address: str = Field(description="Where the request came from.", examples=["192.0.2.1"])
    user_agent: str


class ActivityAnswer(BaseModel):
    """What happened of late, the newest first."""

    entries: list[ActivityEntry]


class FieldError(BaseModel):
    """What is wrong with one field. What was sent is not repeated."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(description="urn:ferrotp:problem: and the kind.", examples=["urn:ferrotp:problem:invalid-code"])
    title: str = Field(examples=["The code is not right"])
    status: int = Field(examples=[400])
    detail: str = Field(description="For the user.")
    attempts_left: int | None = Field(None, description="How many more wrong codes there may be before a delay.")
    retry_at: datetime | None = Field(
        None, description="When the next code is looked at. The header Retry-After has it in seconds."
    )
    reason: str | None = Field(None, description="Why a passkey was refused.", examples=["wrong origin"])
    next: Literal["verify", "unlock", "recover", "enroll", "begin_passkey", "login"] | None = Field(
        None, description="What leads on. login: the application's own, with the password."
    )
    errors: list[FieldError] | None = None
