"""passlib's records, whose keys are derived several at once."""

import base64
import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ferrotp import _native
from ferrotp.mfa.foreign_users import ImportedFactor
from ferrotp.mfa.imports import FlaskSecurity, run_import
from ferrotp.mfa.imports.source_user import Moment, SourceUser
from ferrotp.mfa.imports.wallet import Lock, derived_keys

from .conftest import Service

SECRETS = {"1": b"the application's secret", "2": b"another"}


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


def record(key: bytes, tag: str = "1", cost: int = 4, salt: bytes | None = None) -> str:
    """As passlib writes it."""
    salt = os.urandom(20) if salt is None else salt
    derived = hashlib.pbkdf2_hmac("sha256", SECRETS[tag], salt, 1 << cost, 48)
    sealed = Cipher(algorithms.AES(derived[:32]), modes.CTR(derived[32:])).encryptor().update(key)
    enckey = {"c": cost, "k": base32(sealed), "s": base32(salt), "t": tag, "v": 1}
    return json.dumps({"enckey": enckey, "type": "totp", "v": 1})


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 16, 17])
def test_keys_that_are_derived_together_are_those_of_hashlib(count: int) -> None:
    salts = [os.urandom(number % 70) for number in range(count)]
    for secret in (b"", b"secret", bytes(200)):
        for rounds in (1, 2, 300):
            expected = [hashlib.pbkdf2_hmac("sha256", secret, salt, rounds, 48) for salt in salts]
            assert _native.wallet_keys(secret, salts, rounds) == expected


@pytest.mark.parametrize("count", [1, 8])
def test_rfc_7914_section_11(count: int) -> None:
    expected = bytes.fromhex(
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b317"
    )
    assert _native.wallet_keys(b"Password", [b"NaCl"] * count, 80_000) == [expected] * count


def test_keys_are_derived_once_for_each_salt_and_nonsense_is_passed_over() -> None:
    salt = bytes(range(20))
    same = record(b"k" * 20, salt=salt)
    locks = {Lock("1", 4, salt), Lock("2", 5, salt), Lock("1", 3, salt)}
    texts = [same, same, record(b"k", "2", 5, salt), "nonsense", "[]", same.replace("enckey", "key"), ""]
    keys = derived_keys([*texts, record(b"k", cost=3, salt=salt), same.replace('"1"', '"9"')], SECRETS)
    assert keys == {
        lock: hashlib.pbkdf2_hmac("sha256", SECRETS[lock.tag], lock.salt, 1 << lock.cost, 48) for lock in locks
    }


def test_a_prepared_format_reads_without_deriving(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [os.urandom(20) for _ in range(4)]
    rows: list[dict[str, list[dict[str, Any]]]] = [
        {"user": [{"secret": record(keys[0]), "method": "authenticator"}]},
        {"user": [{"unified": json.dumps({"authenticator": record(keys[1], "2"), "sms": record(keys[3])})}]},
        {"user": [{"secret": record(keys[2]), "unified": "{"}]},
        {"user": [{"secret": 5, "unified": "[1]"}]},
        {"user": [{"secret": None, "unified": json.dumps({"authenticator": [1]})}]},
    ]
    format = FlaskSecurity(secrets=SECRETS).prepared([dict(row) for row in rows])
    monkeypatch.delattr(_native, "wallet_keys")
    found = []
    for row in rows:
        user = SourceUser("1")
        format.read(user, dict(row), Moment(time.time(), 1))
        found.append([factor.secret for factor in user.factors if isinstance(factor, ImportedFactor)])
    assert found == [[keys[0]], [keys[1]], [keys[2]], [], []]
    assert b"the application" not in repr(format).encode()


def test_users_of_several_secrets_and_costs_come_with_nonsense_between_them(tmp_path: Path, service: Service) -> None:
    keys = {number: os.urandom(20) for number in range(1, 41)}
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection, connection:
        connection.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, fs_uniquifier TEXT, tf_totp_secret)")
        for number, key in keys.items():
            text = record(key, "12"[number % 2], 3 + number % 3) if number % 5 else "nonsense"
            connection.execute("INSERT INTO user VALUES (?, ?, ?)", (number, f"u{number}", text))
    proof = {"1": pyotp.TOTP(base64.b32encode(keys[1]).decode()).now()}
    report = run_import(str(tmp_path / "app.db"), FlaskSecurity(secrets=SECRETS), service.mfa, proofs=proof)
    assert (report.users, report.imported) == (40, 32)
    service.now = time.time() + 300  # the codes of the moment of the import are not taken
    for number, key in keys.items():
        assert len(service.mfa.status(user_id=str(number)).factors) == bool(number % 5)
        if number % 5:
            assert service.takes(number, pyotp.TOTP(base64.b32encode(key).decode()).at(int(service.now)))
