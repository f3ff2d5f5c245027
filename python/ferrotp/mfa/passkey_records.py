"""What is kept of a passkey. Nothing of it is secret, so it is in clear, with a MAC of the keyring that binds it to
tenant, user and factor: a row that somebody writes into the store, or moves to another user, opens nothing."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from ..vault import Keyring, SealedRecordError
from .stores.base import Factor, Owner

TRANSPORTS = ("internal", "hybrid", "usb", "nfc", "ble", "smart-card")
"""Those that are kept: Web Authentication, section 5.8.4."""

_MAGIC = "passkey1"


@dataclass(frozen=True, slots=True)
class Passkey:
    """A credential, as it was registered."""

    credential_id: bytes
    public_key: bytes
    """As COSE has it (RFC 9052)."""
    user_handle: bytes
    """By which the authenticator knows its user: random, so that it says nothing of the user. Empty: as for
    `backup_eligible`."""
    aaguid: str
    transports: tuple[str, ...]
    attachment: str
    backup_eligible: bool | None
    """None: it came from a system that did not keep it, and has not answered since."""
    backed_up: bool
    """When it was used last."""


def factor_id_of(credential_id: bytes) -> str:
    """The id of the factor: of the form of all ids that are made here, whatever the authenticator chose for the
    credential."""
    return sha256(credential_id).hexdigest()[:32]


def seal(keyring: Keyring, owner: Owner, passkey: Passkey) -> bytes:
    """The record for a store, under the key that writes."""
    contents = {
        "id": base64url(passkey.credential_id),
        "key": base64url(passkey.public_key),
        "handle": base64url(passkey.user_handle),
        "aaguid": passkey.aaguid,
        "transports": passkey.transports,
        "attachment": passkey.attachment,
        "eligible": passkey.backup_eligible,
        "backed_up": passkey.backed_up,
    }
    text = json.dumps(contents, separators=(",", ":"), sort_keys=True)
    return _record(keyring, owner, factor_id_of(passkey.credential_id), text)


def open_passkey(keyring: Keyring, factor: Factor) -> Passkey:
    """The passkey of a factor.

    :raises ferrotp.vault.SealedRecordError: if the record was changed or moved, or its key is not in the keyring
    """
    contents = json.loads(_text(keyring, factor))
    return Passkey(
        from_base64url(contents["id"]),
        from_base64url(contents["key"]),
        from_base64url(contents["handle"]),
        contents["aaguid"],
        tuple(contents["transports"]),
        contents["attachment"],
        contents["eligible"],
        contents["backed_up"],
    )


def reseal(keyring: Keyring, factor: Factor) -> bytes | None:
    """The same record under the key that writes, or None if it is under it already. It is opened in either case."""
    text = _text(keyring, factor)
    if key_id(factor.sealed) == keyring.writes_with:
        return None
    return _record(keyring, factor.owner, factor.factor_id, text)


def key_id(sealed: bytes) -> str:
    """The id of the key of a record's MAC, read and not verified.

    :raises ferrotp.vault.SealedRecordError: if it is no record
    """
    return _parts(sealed)[0]


def base64url(data: bytes) -> str:
    """Without padding, as browsers write it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of what `base64url` wrote, and of nothing else.

    :raises ValueError: for any other text
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, UnicodeEncodeError):
        raise ValueError("no base64url") from None
    if base64url(data) != text:
        raise ValueError("no base64url")
    return data


def _record(keyring: Keyring, owner: Owner, factor_id: str, text: str) -> bytes:
    mac = _mac(keyring, keyring.writes_with, owner, factor_id, text)
    return f"{_MAGIC} {keyring.writes_with} {mac} {text}".encode()


def _parts(sealed: bytes) -> tuple[str, str, str]:
    """The id of the key, the MAC, and what it is of."""
    try:
        magic, key, mac, text = sealed.decode("ascii").split(" ", 3)
    except ValueError:
        magic = key = mac = text = ""
    if magic != _MAGIC:
        raise SealedRecordError("this is no record of a passkey", "malformed")
    return key, mac, text


def _text(keyring: Keyring, factor: Factor) -> str:
    key, mac, text = _parts(factor.sealed)
    expected = _mac(keyring, key, factor.owner, factor.factor_id, text)
    if not expected:
        raise SealedRecordError(f"the keyring has no key {key}", "unknown key", key)
    if not compare_digest(mac, expected):
        raise SealedRecordError("the record of the passkey was changed, or is another user's", "changed", key)
    return text


def _mac(keyring: Keyring, key: str, owner: Owner, factor_id: str, text: str) -> str:
    """Empty if the keyring has no such key."""
    return (keyring.mac(key, "passkey record", (owner.tenant, owner.user_id, factor_id, text)) or b"").hex()
