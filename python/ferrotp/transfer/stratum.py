"""The backup of Stratum, which was Authenticator Pro: JSON, plain, or encrypted in today's way or the legacy one."""

from typing import Any

from ._common import read_json
from ._frame import Entry, Export, Options, Results, each, has
from ._opening import aes_cbc, aes_gcm, argon2id, pbkdf2
from .errors import MalformedError, WrongKeyError

FORMAT = "stratum"
_MARK, _LEGACY_MARK = b"AUTHENTICATORPRO", b"AuthenticatorPro"
_ENTRY = Entry(
    "Secret", ("Username",), ("Issuer",), "Type", "Algorithm", "Digits", "Period", "Counter",
    kinds={1: "hotp", 2: "totp", 4: "steam"},
    algorithms={0: "SHA1", 1: "SHA256", 2: "SHA512"},
)  # fmt: skip


def _read(values: dict[str, Any], options: Options) -> Results:
    return each(values["Authenticators"], FORMAT, "$.Authenticators", _ENTRY.read)


def _read_sealed(data: bytes, options: Options) -> Results:
    password = options.secret_password(SEALED).encode()
    body = data[16:]
    if data.startswith(_MARK):  # salt of 16 bytes, nonce of 12
        key = argon2id(FORMAT, password, body[:16].ljust(16, b"\0"), passes=3, memory=65_536, lanes=4)
        plain = aes_gcm(FORMAT, key, body[16:28], body[28:])
    else:  # salt of 20 bytes, initial block of 16; no tag
        plain = aes_cbc(FORMAT, pbkdf2(FORMAT, "sha1", password, body[:20], 64_000), body[20:36], body[36:])
    try:
        values = read_json(plain, FORMAT)
    except MalformedError:
        if data.startswith(_MARK):
            raise
        values = None  # the padding of a wrong key is right once in 256 times
    if values is None:
        raise WrongKeyError("the password is wrong, or the file was changed", FORMAT)
    if not EXPORT.known(values):
        raise MalformedError("there are no accounts in the backup", FORMAT)
    return _read(values, options)


def _bytes(data: "bytes | str", format: str) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "replace")


EXPORT = Export(FORMAT, "a Stratum (Authenticator Pro) backup", "json", has("Authenticators"), _read, read_json)
SEALED = Export(
    FORMAT,
    "a Stratum (Authenticator Pro) backup",
    "bytes",
    lambda data: data.startswith((_MARK, _LEGACY_MARK)),
    _read_sealed,
    _bytes,
)
decode = EXPORT.decode
decode_sealed = SEALED.decode
