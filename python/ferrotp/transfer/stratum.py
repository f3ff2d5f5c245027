"""The backup of Stratum, which was Authenticator Pro: JSON, plain, or encrypted in today's way or the legacy one."""

from typing import Any

from ._contents import Contents, checked
from ._frame import Entry, Export, Options, Results, each, has
from ._json import read_json
from ._opening import WRONG, aes_cbc, aes_gcm, argon2id, pbkdf2
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


def _read_sealed(file: Contents, options: Options) -> Results:
    password = options.secret_password(SEALED).encode()
    is_legacy = _mark(file) == _LEGACY_MARK
    body = memoryview(file.whole(FORMAT))[16:]
    if is_legacy:  # salt of 20 bytes, initial block of 16; no tag
        key = pbkdf2(FORMAT, "sha1", password, bytes(body[:20]), 64_000)
        plain = aes_cbc(FORMAT, key, bytes(body[20:36]), body[36:])
    else:  # salt of 16 bytes, nonce of 12
        key = argon2id(FORMAT, password, bytes(body[:16]).ljust(16, b"\0"), passes=3, memory=65_536, lanes=4)
        plain = aes_gcm(FORMAT, key, bytes(body[16:28]), body[28:])
    try:
        values = read_json(plain, FORMAT)
    except MalformedError:
        if not is_legacy:
            raise
        values = None  # the padding of a wrong key is right once in 256 times
    if values is None:
        raise WrongKeyError(WRONG, FORMAT)
    if not EXPORT.known(values):
        raise MalformedError("there are no accounts in the backup", FORMAT)
    return _read(values, options)


def _mark(file: Contents) -> bytes:
    return file.start(len(_MARK))


EXPORT = Export(FORMAT, "a Stratum (Authenticator Pro) backup", "json", has("Authenticators"), _read, read_json)
SEALED = Export(
    FORMAT,
    "a Stratum (Authenticator Pro) backup",
    "bytes",
    lambda file: _mark(file) in (_MARK, _LEGACY_MARK),
    _read_sealed,
    checked,
)
decode = EXPORT.decode
decode_sealed = SEALED.decode
