"""2FAS Auth's export in plain JSON."""

from typing import Any

from .._tracebacks import without_frames
from ._common import Fields, OnError, collect, entries, read_json
from .account import Account, Kind
from .errors import EncryptedError, UnsupportedError

FORMAT = "2fas"
_KINDS: dict[str, Kind] = {"": "totp", "TOTP": "totp", "HOTP": "hotp", "STEAM": "steam"}


@without_frames
def decode(data: bytes | str, on_error: OnError | None = None) -> list[Account]:
    """The accounts of an export.

    :param on_error: called with each service's error, and the others are read; else the first error is raised
    :raises EncryptedError: if it is an encrypted export: export again, without a password
    :raises UnsupportedError: for a service of another kind than TOTP, HOTP and STEAM, and for a schema over 4
    """
    return read(read_json(data, FORMAT), on_error)


def read(values: dict[str, Any], on_error: OnError | None) -> list[Account]:
    """The accounts of an export whose JSON has been read."""
    if values.get("servicesEncrypted"):
        raise EncryptedError("the export is encrypted; export it from 2FAS without a password", FORMAT)
    if not 1 <= Fields(values, FORMAT, "$").number("schemaVersion", 1, 0, 1 << 63) <= 4:
        raise UnsupportedError("the export has another schema than 1 to 4", FORMAT, "$.schemaVersion")
    return collect(entries(values.get("services"), FORMAT, "$.services", _service), FORMAT, on_error)


def _service(value: object, place: str) -> Account:
    service = Fields(value, FORMAT, place)
    service.account = service.text("name")
    otp = service.inner("otp")
    issuer = otp.text("issuer") or service.text("name")
    name = otp.text("account") or otp.text("label")
    service.account = otp.account = ":".join(filter(None, (issuer, name)))
    kind = _KINDS.get(otp.text("tokenType").upper())
    if kind is None:
        raise otp.wrong(UnsupportedError, "the kind is not TOTP, HOTP or STEAM", "tokenType")
    return Account(
        secret=service.secret("secret"),
        name=name,
        issuer=issuer or None,
        kind=kind,
        algorithm=otp.algorithm("algorithm"),
        digits=otp.number("digits", 5 if kind == "steam" else 6, 1, 10),
        period=otp.number("period", 30, 1, 1 << 31),
        counter=otp.number("counter", 0, 0, (1 << 64) - 1) if kind == "hotp" else 0,
    )
