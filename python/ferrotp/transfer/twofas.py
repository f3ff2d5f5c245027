"""2FAS Auth's export, plain or encrypted: JSON."""

from typing import Any

from ._common import Fields
from ._frame import Entry, Export, Options, Results, each
from ._json import read_json
from ._opening import aes_gcm, pbkdf2
from .errors import MalformedError, UnsupportedError

FORMAT = "2fas"
_ENTRY = Entry(
    name=("otp.account", "otp.label"),
    issuer=("otp.issuer", "name"),
    kind="otp.tokenType",
    algorithm="otp.algorithm",
    digits="otp.digits",
    period="otp.period",
    counter="otp.counter",
)
_ITERATIONS = 10_000


def _known(values: Any) -> bool:
    return isinstance(values, dict) and bool({"services", "servicesEncrypted"} & values.keys())


def _read(values: dict[str, Any], options: Options) -> Results:
    top = Fields(values, FORMAT, "$")
    if not 1 <= top.number("schemaVersion", 1, 0, 1 << 63) <= 4:
        raise UnsupportedError("the export has another schema than 1 to 4", FORMAT, "$.schemaVersion")
    if top.text("servicesEncrypted"):
        return each(read_json(_opened(top, options), FORMAT), FORMAT, "$.services", _service)
    return each(values.get("services"), FORMAT, "$.services", _service)


def _service(fields: Fields) -> Any:
    fields.account = fields.text("name")
    fields.inner("otp")
    return _ENTRY.read(fields)


def _opened(top: Fields, options: Options) -> bytes:
    """The services in clear. Three parts in base64 with colons between: ciphertext and tag, salt, nonce."""
    password = options.secret_password(EXPORT).encode()
    parts = top.base64_parts("servicesEncrypted", ":")
    if len(parts) != 3:
        raise top.wrong(MalformedError, "not three parts", "servicesEncrypted")
    sealed, salt, nonce = parts
    return aes_gcm(FORMAT, pbkdf2(FORMAT, "sha256", password, salt, _ITERATIONS), nonce, sealed)


EXPORT = Export(FORMAT, "a 2FAS export", "json", _known, _read, read_json)
decode = EXPORT.decode
