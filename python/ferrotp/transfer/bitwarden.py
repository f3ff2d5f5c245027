"""Bitwarden's exports, of the vault and of its authenticator: JSON, plain or under a password of its own, and CSV."""

import hashlib
import hmac
from typing import Any

from ._common import Fields
from ._csv import read_csv
from ._frame import Export, Options, Results, each
from ._json import read_json
from ._opening import WRONG, aes_cbc, argon2id, pbkdf2
from ._vaults import VaultCsv
from .account import Account
from .errors import EncryptedError, MalformedError, UnsupportedError, WrongKeyError
from .uris import value_account

FORMAT = "bitwarden"
_PBKDF2, _ARGON2ID = 0, 1


def _known(values: Any) -> bool:
    return isinstance(values, dict) and ("encrypted" in values or "passwordProtected" in values)


def _read(values: dict[str, Any], options: Options) -> Results:
    top = Fields(values, FORMAT, "$")
    if values.get("encrypted"):
        if not values.get("passwordProtected"):
            raise EncryptedError(
                "only the account that wrote it can open it: export again from Bitwarden, as JSON with a file password",
                FORMAT,
            )
        values = read_json(_opened(top, options), FORMAT)
        if not isinstance(values, dict):
            raise MalformedError("there are no items in the export", FORMAT)

    def item(fields: Fields) -> Account | None:
        if fields.get("login") is None:
            return None
        login = fields.inner("login")
        text = login.text("totp")
        if not text.strip():
            return None
        private = (login.get("password"), fields.get("notes"))
        place = f"{login.place}.totp"
        return value_account(text, FORMAT, place, options, fields.text("name"), login.text("username"), private)

    return each(values.get("items"), FORMAT, "$.items", item)


def _opened(top: Fields, options: Options) -> bytes:
    password = options.secret_password(EXPORT).encode()
    salt = top.text("salt").encode()
    kind, iterations = top.number("kdfType", _PBKDF2, 0, 1 << 31), top.number("kdfIterations", 0, 0, 1 << 31)
    if kind == _PBKDF2:
        master = pbkdf2(FORMAT, "sha256", password, salt, iterations)
    elif kind == _ARGON2ID:
        memory, lanes = top.number("kdfMemory", 0, 0, 1 << 31), top.number("kdfParallelism", 0, 0, 1 << 31)
        master = argon2id(FORMAT, password, hashlib.sha256(salt).digest(), iterations, memory * 1024, lanes)
    else:
        raise top.wrong(UnsupportedError, "another key derivation than PBKDF2 and Argon2id", "kdfType")
    # HKDF-Expand, of one block each.
    key, mac_key = (hmac.digest(master, purpose + b"\x01", "sha256") for purpose in (b"enc", b"mac"))
    _decrypted(top, "encKeyValidation_DO_NOT_EDIT", key, mac_key)
    return _decrypted(top, "data", key, mac_key)


def _decrypted(top: Fields, name: str, key: bytes, mac_key: bytes) -> bytes:
    """A text of Bitwarden's: ``2.iv|ciphertext|mac``, in base64."""
    if not top.text(name).startswith("2."):
        raise top.wrong(UnsupportedError, "another cipher than AES-CBC with HMAC-SHA-256", name)
    parts = top.base64_parts(name, "|", start="2.")
    if len(parts) != 3:
        raise top.wrong(MalformedError, "not three parts", name)
    iv, sealed, mac = parts
    own = hmac.new(mac_key, iv, "sha256")
    own.update(sealed)
    if not hmac.compare_digest(own.digest(), mac):
        raise WrongKeyError(WRONG, FORMAT)
    return aes_cbc(FORMAT, key, iv, sealed)


_CSV = VaultCsv(FORMAT, "logintotp", ("issuer", "name"), ("loginusername",), ("loginpassword", "notes", "fields"))
EXPORT = Export(FORMAT, "a Bitwarden export", "json", _known, _read, read_json)
TABLE = Export(FORMAT, "a Bitwarden CSV", "csv", _CSV.known, _CSV.read, read_csv)
decode = EXPORT.decode
decode_csv = TABLE.decode
