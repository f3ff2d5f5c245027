"""What the operations take and give, for FastAPI and its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .starlette_routes import CODE_LENGTH, NAME_LENGTH
from .tokens import LONGEST

_ID = Field(pattern="^[0-9a-f]{32}$", examples=["5f0c2d7e9a4b4c8d8e1f2a3b4c5d6e7f"])
_CODE = Field(max_length=CODE_LENGTH, description="As typed: spaces, and digits of any script.", examples=["492 039"])
_RECOVERY_CODE = Field(max_length=CODE_LENGTH, description="As typed.", examples=["7K3M-Q2ZP-94TW-XDRA"])
_PENDING = Field(
    max_length=LONGEST,
    description="From the login, while it waits for the second factor. Without it: whoever is logged in.",
)


class _Body(BaseModel):
    """A code that came as a number has lost its zeros, so nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class VerifyBody(_Body):
    """A code of an authenticator app."""

    code: Annotated[str, _CODE]
    pending_token: Annotated[str | None, _PENDING] = None
    trust_device: bool = Field(False, description="Not to be asked on this device again for some days.")


class RecoverBody(_Body):
    """A recovery code."""

    code: Annotated[str, _RECOVERY_CODE]
    pending_token: Annotated[str | None, _PENDING] = None


class EnrollBody(_Body):
    """What the user calls the device."""

    name: str = Field("", max_length=NAME_LENGTH, examples=["My phone"])
    pending_token: Annotated[str | None, _PENDING] = None


class ConfirmBody(_Body):
    """The first code of a new factor."""

    factor_id: Annotated[str, _ID]
    code: Annotated[str, _CODE]
    pending_token: Annotated[str | None, _PENDING] = None


class RegenerateBody(_Body):
    """Nothing."""


class LoginAnswer(BaseModel):
    """Where a login stands."""

    status: Literal["done", "pending"]
    next: Literal["verify", "recover", "enroll"] | None = Field(description="The operation that leads on.")
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
    kind: Literal["totp", "hotp"]
    name: str
    state: Literal["active", "disabled"]
    created_at: datetime
    last_used_at: datetime | None
    legacy: bool = Field(description="By an older standard: the user should enroll again.")


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
    recovery_codes_left: int
    disabled: bool = Field(description="Whether the factors are switched off after too many wrong codes.")
    retry_at: datetime | None = Field(description="When the next code is looked at, if there is a delay.")
    trusted_device_days: int = Field(description="0: there are no trusted devices.")
    trusted_devices: list[Device]


class CodesAnswer(BaseModel):
    """New recovery codes, given this once."""

    recovery_codes: list[str]


class ForgetAnswer(BaseModel):
    """How many devices are trusted no more."""

    forgotten: int


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
    next: Literal["verify", "recover", "enroll", "login"] | None = Field(
        None, description="What leads on. login: the application's own, with the password."
    )
    errors: list[FieldError] | None = None
