"""TOTP records of passlib and libpass: JSON, whose key is under AES-256-CTR with PBKDF2 of an application's secret.

It has no MAC, so a wrong secret opens every record, to garbage that nobody can tell from a key: that is what a proof is
asked for.
"""

import json
from base64 import b32decode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ... import _native
from ..foreign_users import ImportedFactor
from .database import SourceError

COSTLIEST = 20
"""Powers of two of PBKDF2's rounds: passlib's are 14. A record must not keep the import busy for an hour."""


class WalletError(Exception):
    """A record that is none. The reason is one of a fixed set."""


class NoSecretError(WalletError):
    """A record that another of the application's secrets opens."""


def parse_secrets(text: str) -> dict[str, bytes]:
    """The application's secrets by tag, as `SECURITY_TOTP_SECRETS` has them: JSON, or lines of ``tag: secret``."""
    pairs: list[tuple[Any, Any]] = []
    try:
        if text.lstrip().startswith("{"):
            pairs = list(json.loads(text).items())
        else:
            lines = [line.strip() for line in text.splitlines()]
            pairs = [tuple(line.split(":", 1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]
        secrets = {str(tag).strip(): str(value).strip().encode() for tag, value in pairs}
    except (ValueError, TypeError):
        secrets = {}
    if not secrets or not all(secrets.values()):
        raise SourceError('the TOTP secrets are JSON such as {"1": "…"}, or lines of "tag: secret"')
    return secrets


class Lock(NamedTuple):
    """What a record's key is derived from."""

    tag: str
    """Of the application's secret."""
    cost: int
    """The power of two of PBKDF2's rounds."""
    salt: bytes


def derived_keys(texts: Iterable[str], secrets: Mapping[str, bytes]) -> dict[Lock, bytes]:
    """The keys of the records that are encrypted, derived side by side. What is no such record is passed over."""
    salts: dict[tuple[str, int], set[bytes]] = {}
    for text in texts:
        try:
            lock = _lock(_parsed(text).get("enckey"), secrets)
        except WalletError:
            continue
        salts.setdefault(lock[:2], set()).add(lock.salt)
    keys = {}
    for (tag, cost), together in salts.items():
        found = _native.wallet_keys(bytes(secrets[tag]), list(together), 1 << cost)
        keys.update({Lock(tag, cost, salt): key for salt, key in zip(together, found, strict=True)})
    return keys


def factor_of_record(
    text: str, secrets: Mapping[str, bytes], keys: Mapping[Lock, bytes], name: str, key: str
) -> ImportedFactor:
    """The factor of a record.

    :param keys: those that are derived already
    """
    record = _parsed(text)
    if record.get("type") != "totp" or record.get("v") != 1:
        raise WalletError("no TOTP record of passlib")
    secret = _decrypted(record["enckey"], secrets, keys) if "enckey" in record else _base32(record.get("key"))
    algorithm = record.get("alg", "sha1")
    digits, period = record.get("digits", 6), record.get("period", 30)
    if not isinstance(algorithm, str) or type(digits) is not int or type(period) is not int:
        raise WalletError("a TOTP record of passlib with parameters that are none")
    return ImportedFactor(
        secret=secret, algorithm=algorithm.upper(), digits=digits, period=period, name=name, factor_id=key
    )


def _parsed(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise WalletError("no TOTP record of passlib")
    return record


def _lock(enckey: Any, secrets: Mapping[str, bytes]) -> Lock:
    if not isinstance(enckey, dict) or enckey.get("v") != 1:
        raise WalletError("no TOTP record of passlib")
    cost, tag = enckey.get("c"), enckey.get("t")
    if type(cost) is not int or not 0 <= cost <= COSTLIEST:
        raise WalletError("a TOTP record of passlib with a cost that is none")
    if not isinstance(tag, str) or tag not in secrets:
        raise NoSecretError("its TOTP secret is not among those that were given")
    return Lock(tag, cost, _base32(enckey.get("s")))


def _decrypted(enckey: Any, secrets: Mapping[str, bytes], keys: Mapping[Lock, bytes]) -> bytes:
    lock = _lock(enckey, secrets)
    sealed = _base32(enckey.get("k"))
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError:
        raise SourceError("encrypted sources need: pip install 'ferrotp[import]'") from None
    key = keys.get(lock)
    if key is None:
        (key,) = _native.wallet_keys(bytes(secrets[lock.tag]), [lock.salt], 1 << lock.cost)
    decryptor = Cipher(algorithms.AES(key[:32]), modes.CTR(key[32:])).decryptor()
    return decryptor.update(sealed) + decryptor.finalize()


def _base32(text: Any) -> bytes:
    """As passlib reads it: without padding, 8 for B and 0 for O."""
    if isinstance(text, str):
        text = text.strip().replace("8", "B").replace("0", "O").rstrip("=")
        try:
            return b32decode(text + "=" * (-len(text) % 8), casefold=True)
        except ValueError:
            pass
    raise WalletError("a TOTP record of passlib that is cut off, or not base32")
