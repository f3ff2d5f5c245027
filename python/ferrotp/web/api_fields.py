"""The JSON API as data: its operations, and the fields that each takes. Starlette's and Django's routes look at what is
posted by this table; the routes and models of FastAPI and of Django REST framework are made from it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_TOKEN_LENGTH = 4096
"""Characters of a token that are looked at."""
ID_PATTERN = "^[0-9a-f]{32}$"
ID_EXAMPLE = "5f0c2d7e9a4b4c8d8e1f2a3b4c5d6e7f"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body: a text, true or false, or an object of the browser's own."""

    type: type = str
    required: bool = False
    default: object = None
    """None: the field may be null, too."""
    max_length: int | None = None
    pattern: str | None = None
    description: str | None = None
    examples: list[str] | None = None

    def fault(self, value: object) -> str:
        """What is wrong with a value; empty if nothing is. The value is not repeated: it may be a code."""
        if value is None and not self.required and self.default is None:
            return ""
        if self.type is bool:
            return "" if isinstance(value, bool) else "must be true or false"
        if self.type is dict:
            return "" if isinstance(value, dict) else "must be an object"
        if not isinstance(value, str) or (self.pattern and not re.fullmatch(self.pattern, value)):
            return "must be a string of the documented form"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "must be text"
        if self.max_length is not None and len(value) > self.max_length:
            return f"must have at most {self.max_length} characters"
        return ""


CODE = Field(
    required=True, max_length=200, description="As typed: spaces, and digits of any script.", examples=["492 039"]
)
NEXT_CODE = Field(
    required=True, max_length=200, description="The code that the app shows after `code`.", examples=["301 118"]
)
RECOVERY_CODE = Field(required=True, max_length=200, description="As typed.", examples=["7K3M-Q2ZP-94TW-XDRA"])
PENDING_TOKEN = Field(
    max_length=MAX_TOKEN_LENGTH,
    description="From the login, while it waits for the second factor. Without it: the user who is logged in.",
)
TRUST_DEVICE = Field(bool, default=False, description="Not to be asked on this device again for some days.")
NAME = Field(default="", max_length=200, description="What the user calls the device.", examples=["My phone"])
FACTOR_ID = Field(required=True, pattern=ID_PATTERN, examples=[ID_EXAMPLE])


SIGN_IN_TOKEN = Field(
    required=True,
    pattern="^[0-9A-Za-z_-]{22}$",
    description="From `sign_in_challenge`, for this client alone.",
    examples=["7rJtVx0c3mJ4m2sB1Qe9Zw"],
)
CREDENTIAL = Field(dict, required=True, description="What `credential.toJSON()` gave, as the browser made it.")


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation takes: the name of the model, its words, its fields."""

    name: str
    description: str
    fields: Mapping[str, Field] = field(default_factory=dict)

    def faults(self, given: Mapping[str, Any]) -> list[dict[str, str]]:
        """What is wrong with a body, field by field."""
        # Names that nobody knows are not repeated: somebody may have sent a code as one.
        unknown = not given.keys() <= self.fields.keys()
        faults = [{"field": "", "message": "there are fields that are not known"}] if unknown else []
        for name, rule in self.fields.items():
            message = rule.fault(given[name]) if name in given else "is missing" if rule.required else ""
            if message:
                faults.append({"field": name, "message": message})
        return faults


@dataclass(frozen=True, slots=True)
class Operation:
    """A route. Its name is that of the method of `Operations`."""

    name: str
    method: str
    path: str
    description: str
    problems: tuple[int, ...]
    """Statuses that may be answered instead."""
    body: Body | None = None
    parameter: str = ""
    """Of the path."""
    status: int = 200
    for_passkeys: bool = False
    """Whether it is there only where the policy has passkeys."""
    for_sign_in: bool = False
    """Whether it is there only where a passkey alone may sign in."""
    for_audit: bool = False
    """Whether it is there only where events are kept."""


VERIFY_BODY = Body(
    "VerifyBody",
    "A code of an authenticator app.",
    {"code": CODE, "pending_token": PENDING_TOKEN, "trust_device": TRUST_DEVICE},
)
UNLOCK_BODY = Body(
    "UnlockBody",
    "Two codes in a row of an authenticator app.",
    {"code": CODE, "next_code": NEXT_CODE, "pending_token": PENDING_TOKEN, "trust_device": TRUST_DEVICE},
)
RECOVER_BODY = Body("RecoverBody", "A recovery code.", {"code": RECOVERY_CODE, "pending_token": PENDING_TOKEN})
ENROLL_BODY = Body("EnrollBody", "What the user calls the device.", {"name": NAME, "pending_token": PENDING_TOKEN})
CONFIRM_BODY = Body(
    "ConfirmBody",
    "The first code of a new factor, and its name: unless that is empty, instead of the one before.",
    {"factor_id": FACTOR_ID, "code": CODE, "name": NAME, "pending_token": PENDING_TOKEN},
)
END_SESSIONS = Field(
    bool, default=False, description="Somebody may have had the codes: log the user out everywhere else, too."
)
REGENERATE_BODY = Body("RegenerateBody", "What else is to end.", {"end_sessions": END_SESSIONS})
CANCEL_BODY = Body(
    "CancelBody",
    "A pending login.",
    {"pending_token": Field(required=True, max_length=MAX_TOKEN_LENGTH, description="From the login.")},
)
PASSKEY_OPTIONS_BODY = Body("PasskeyOptionsBody", "Which login asks.", {"pending_token": PENDING_TOKEN})
NEW_PASSKEY_BODY = Body(
    "NewPasskeyBody",
    "A passkey that the browser made.",
    {"credential": CREDENTIAL, "name": NAME, "pending_token": PENDING_TOKEN},
)
VERIFY_PASSKEY_BODY = Body(
    "VerifyPasskeyBody",
    "The answer of a passkey.",
    {"credential": CREDENTIAL, "pending_token": PENDING_TOKEN, "trust_device": TRUST_DEVICE},
)
SIGN_IN_OPTIONS_BODY = Body("SignInOptionsBody", "Nothing.")
SIGN_IN_BODY = Body(
    "SignInBody",
    "The answer of a passkey, by which nobody was named.",
    {"credential": CREDENTIAL, "sign_in_token": SIGN_IN_TOKEN},
)
END_SESSIONS_BODY = Body("EndSessionsBody", "Nothing.")

OPERATIONS = (
    Operation("status", "GET", "/status", "What there is of the user who is logged in.", (401, 403, 500, 503)),
    Operation(
        "verify",
        "POST",
        "/verify",
        "Takes a code of an authenticator app, once. It ends a pending login; or, for a user who is logged in, proves "
        "again who it is, which changes ask for.",
        (400, 401, 403, 415, 422, 429, 500, 503),
        VERIFY_BODY,
    ),
    Operation(
        "unlock",
        "POST",
        "/unlock",
        "The same by two codes in a row, which have limits of their own: for the owner, while somebody's guesses delay "
        "single codes. `verify` answers 429 then, and names this operation as `next`.",
        (400, 401, 403, 415, 422, 429, 500, 503),
        UNLOCK_BODY,
    ),
    Operation(
        "recover",
        "POST",
        "/recover",
        "The same by a recovery code. It has limits of its own, and works while codes of the app are delayed.",
        (400, 401, 403, 415, 422, 429, 500, 503),
        RECOVER_BODY,
    ),
    Operation(
        "passkey_challenge",
        "POST",
        "/passkey/challenge",
        "What the browser needs to use a passkey: `options` is for `PublicKeyCredential.parseRequestOptionsFromJSON`. "
        "It is good for two minutes, for this login alone.",
        (401, 403, 415, 422, 500, 503),
        PASSKEY_OPTIONS_BODY,
        for_passkeys=True,
    ),
    Operation(
        "verify_passkey",
        "POST",
        "/passkey/verify",
        "Takes the answer of a passkey, once, as `verify` takes a code. Wrong codes that came before do not delay it.",
        (400, 401, 403, 415, 422, 429, 500, 503),
        VERIFY_PASSKEY_BODY,
        for_passkeys=True,
    ),
    Operation(
        "begin_passkey",
        "POST",
        "/passkeys/options",
        "What the browser needs to make a passkey: `options` is for "
        "`PublicKeyCredential.parseCreationOptionsFromJSON`. It asks for a fresh login.",
        (401, 403, 409, 415, 422, 500, 503),
        PASSKEY_OPTIONS_BODY,
        for_passkeys=True,
    ),
    Operation(
        "finish_passkey",
        "POST",
        "/passkeys",
        "Registers the passkey that the browser made: it is active at once. With the first factor come recovery codes.",
        (400, 401, 403, 409, 415, 422, 500, 503),
        NEW_PASSKEY_BODY,
        status=201,
        for_passkeys=True,
    ),
    Operation(
        "sign_in_challenge",
        "POST",
        "/sign-in/challenge",
        "What the browser needs to sign in by a passkey alone, without user name and password: `options` is for "
        "`PublicKeyCredential.parseRequestOptionsFromJSON`, also in the field of a login form (conditional mediation). "
        "It names nobody, and is good for two minutes.",
        (415, 422, 500, 503),
        SIGN_IN_OPTIONS_BODY,
        for_passkeys=True,
        for_sign_in=True,
    ),
    Operation(
        "sign_in",
        "POST",
        "/sign-in",
        "Takes the answer of a passkey, once, as both factors. What is refused says neither whose passkey it may be "
        "nor whether there is one.",
        (400, 401, 415, 422, 500, 503),
        SIGN_IN_BODY,
        for_passkeys=True,
        for_sign_in=True,
    ),
    Operation(
        "cancel",
        "POST",
        "/cancel",
        "Ends a login that waits for the second factor, and every copy of its token.",
        (401, 415, 422, 500, 503),
        CANCEL_BODY,
    ),
    Operation(
        "enroll",
        "POST",
        "/enroll",
        "Makes a new key, which waits for its first code. It asks for a fresh login.",
        (400, 401, 403, 409, 415, 422, 500, 503),
        ENROLL_BODY,
        status=201,
    ),
    Operation(
        "confirm",
        "POST",
        "/confirm",
        "Makes the new factor active by its first code, which is thereby used up. With the first factor come recovery "
        "codes.",
        (400, 401, 403, 415, 422, 429, 500, 503),
        CONFIRM_BODY,
    ),
    Operation(
        "regenerate",
        "POST",
        "/recovery-codes",
        "Makes new recovery codes. The earlier ones end. It asks for a fresh login.",
        (401, 403, 415, 422, 500, 503),
        REGENERATE_BODY,
        status=201,
    ),
    Operation(
        "remove",
        "DELETE",
        "/factors/{factor_id}",
        "Removes a factor of the user's own. The user's other logins end with it, and with the last one the recovery "
        "codes. It asks for a fresh login.",
        (401, 403, 404, 409, 422, 500, 503),
        parameter="factor_id",
    ),
    Operation(
        "end_sessions",
        "POST",
        "/end-sessions",
        "Logs the user out everywhere else, and trusts none of the user's devices any more. It asks for a fresh login.",
        (401, 403, 415, 422, 500, 503),
        END_SESSIONS_BODY,
    ),
    Operation(
        "forget_devices", "DELETE", "/devices", "Trusts none of the user's devices any more.", (401, 403, 500, 503)
    ),
    Operation(
        "forget_device",
        "DELETE",
        "/devices/{device_id}",
        "Trusts one of the user's devices no more.",
        (401, 403, 422, 500, 503),
        parameter="device_id",
    ),
    Operation(
        "activity",
        "GET",
        "/activity",
        "What happened to the user of late, the newest first: logins, refusals, and changes.",
        (401, 403, 500, 503),
        for_audit=True,
    ),
)


def offered(passkeys: bool, sign_in: bool = False, audit: bool = False) -> list[Operation]:
    """The operations of an application.

    :param passkeys: whether its policy has them
    :param sign_in: whether one alone may sign in
    :param audit: whether its service keeps the events
    """
    return [
        operation
        for operation in OPERATIONS
        if (passkeys or not operation.for_passkeys)
        and (sign_in or not operation.for_sign_in)
        and (audit or not operation.for_audit)
    ]
