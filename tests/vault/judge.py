"""The record's format, written a second time from docs/vault.md, over pyca's `cryptography`, `argon2-cffi` and hashlib.

Run as a program, it writes tests/vectors/vault_records.json, which cargo test and pytest open.
"""

import base64
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import argon2.low_level
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = Path(__file__).parent.parent / "vectors" / "vault_records.json"

Owner = tuple[str, str, str]

KINDS = {"totp": 1, "hotp": 2}
ALGORITHMS = {"SHA1": 1, "SHA256": 2, "SHA512": 3}


def _hkdf(key: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)


def key_text(key: bytes) -> str:
    return "ferrotp1_" + base64.urlsafe_b64encode(key).decode().rstrip("=")


def key_from_text(text: str) -> bytes:
    assert text.startswith("ferrotp1_")
    return base64.urlsafe_b64decode(text.removeprefix("ferrotp1_") + "=")


def key_id(key: bytes) -> bytes:
    return _hkdf(key, None, b"ferrotp v1 key id", 8)


def mac(key: bytes, label: str, texts: tuple[str, ...]) -> bytes:
    message = b"".join(struct.pack(">Q", len(text.encode())) + text.encode() for text in texts)
    return hmac.digest(_hkdf(key, None, b"ferrotp v1 mac " + label.encode(), 32), message, "sha256")


def associated_data(key: bytes, owner: Owner, purpose: str) -> bytes:
    data = b"\x01" + key_id(key)
    for name in (*owner, purpose):
        encoded = name.encode()
        data += struct.pack(">I", len(encoded)) + encoded
    return data


def seal(key: bytes, owner: Owner, purpose: str, plain: bytes, salt: bytes, nonce: bytes) -> bytes:
    record_key = _hkdf(key, salt, b"ferrotp v1 record " + purpose.encode(), 32)
    sealed = AESGCM(record_key).encrypt(nonce, plain, associated_data(key, owner, purpose))
    return b"\x01" + key_id(key) + salt + nonce + sealed


def unseal(key: bytes, owner: Owner, purpose: str, record: bytes) -> bytes:
    assert record[:9] == b"\x01" + key_id(key)
    salt, nonce, sealed = record[9:25], record[25:37], record[37:]
    record_key = _hkdf(key, salt, b"ferrotp v1 record " + purpose.encode(), 32)
    return AESGCM(record_key).decrypt(nonce, sealed, associated_data(key, owner, purpose))


@dataclass
class Otp:
    kind: str
    algorithm: str
    digits: int
    period: int
    secret: bytes

    def to_bytes(self) -> bytes:
        head = struct.pack(">BBBI", KINDS[self.kind], ALGORITHMS[self.algorithm], self.digits, self.period)
        return head + self.secret

    @classmethod
    def from_bytes(cls, plain: bytes) -> "Otp":
        kind, algorithm, digits, period = struct.unpack(">BBBI", plain[:7])
        kinds = {number: name for name, number in KINDS.items()}
        algorithms = {number: name for name, number in ALGORITHMS.items()}
        return cls(kinds[kind], algorithms[algorithm], digits, period, plain[7:])


def argon2id(code: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
    return argon2.low_level.hash_secret_raw(
        code, salt, passes, memory_kib, lanes, hash_len=32, type=argon2.low_level.Type.ID, version=0x13
    )


def pbkdf2(code: bytes, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", code, salt, iterations, 32)


def recovery_bytes(code: bytes, salt: bytes, scheme: str, *costs: int) -> bytes:
    if scheme == "argon2id":
        return struct.pack(">BIII", 1, *costs) + salt + argon2id(code, salt, *costs)
    return struct.pack(">BI", 2, *costs) + salt + pbkdf2(code, salt, *costs)


def recovery_fits(plain: bytes, code: bytes) -> bool:
    start, salt, expected = plain[:-48], plain[-48:-32], plain[-32:]
    if start[0] == 1:
        return argon2id(code, salt, *struct.unpack(">III", start[1:])) == expected
    assert start[0] == 2
    return pbkdf2(code, salt, *struct.unpack(">I", start[1:])) == expected


def _drawn(label: str, length: int) -> bytes:
    return hashlib.shake_256(b"ferrotp vault vectors: " + label.encode()).digest(length)


def vectors() -> dict[str, Any]:
    key = _drawn("key", 32)
    owners: list[Owner] = [
        ("", "ann", "phone"),
        ("acme", "42", "b0f7a2f4-8c1e-4d7b-9a59-0d2f6f4c7e11"),
        ("träger", "użytkownik", "ключ 🔑"),
    ]
    otps = [
        Otp("totp", "SHA1", 6, 30, b"12345678901234567890"),
        Otp("totp", "SHA256", 8, 60, _drawn("sha256", 32)),
        Otp("hotp", "SHA512", 7, 0, _drawn("sha512", 128)),
        Otp("hotp", "SHA1", 10, 0, _drawn("short", 10)),
    ]
    records: list[dict[str, Any]] = []
    for number, (otp, owner) in enumerate(zip(otps, [*owners, owners[0]], strict=True)):
        salt, nonce = _drawn(f"salt {number}", 16), _drawn(f"nonce {number}", 12)
        sealed = seal(key, owner, "otp", otp.to_bytes(), salt, nonce)
        values = {**vars(otp), "secret": otp.secret.hex()}
        records.append({"purpose": "otp", "owner": owner, **values, "record": sealed.hex()})
    code = "7K3F9QZX01VN8YTB"
    for number, (scheme, costs) in enumerate([("argon2id", (64, 2, 2)), ("pbkdf2", (1000,))]):
        salt, nonce, hash_salt = _drawn(f"rs {number}", 16), _drawn(f"rn {number}", 12), _drawn(f"rh {number}", 16)
        plain = recovery_bytes(code.encode(), hash_salt, scheme, *costs)
        owner = ("acme", "42", code[:2])
        sealed = seal(key, owner, "recovery", plain, salt, nonce)
        records.append({"purpose": "recovery", "owner": owner, "scheme": scheme, "code": code, "record": sealed.hex()})
    return {
        "source": "tests/vault/judge.py: the format of docs/vault.md, over pyca/cryptography, argon2-cffi and hashlib",
        "key": key_text(key),
        "key_id": key_id(key).hex(),
        "records": records,
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
