"""The user's authenticator and browser, by `cbor2` and `cryptography`: no test asks the library under test for truth.

It signs what it is told to, so that attacks are made by it, too.
"""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta, timezone
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
ORIGIN = "https://example.com"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """A credential's key pair, of an algorithm of COSE."""

    def __init__(self, algorithm: int = -7) -> None:
        self.algorithm = algorithm
        self._key: Any
        if algorithm in (-7, -35):
            self._key = ec.generate_private_key(ec.SECP256R1() if algorithm == -7 else ec.SECP384R1())
        elif algorithm == -8:
            self._key = ed25519.Ed25519PrivateKey.generate()
        else:
            self._key = rsa.generate_private_key(65537, 2048)

    @property
    def cose(self) -> dict[int, Any]:
        if self.algorithm == -8:
            raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {1: 1, 3: -8, -1: 6, -2: raw}
        numbers = self._key.public_key().public_numbers()
        if self.algorithm == -257:
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
        size, curve = (32, 1) if self.algorithm == -7 else (48, 2)
        x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
        return {1: 2, 3: self.algorithm, -1: curve, -2: x, -3: y}

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == -8:
            return bytes(self._key.sign(message))
        if self.algorithm == -257:
            return bytes(self._key.sign(message, padding.PKCS1v15(), hashes.SHA256()))
        return bytes(self._key.sign(message, ec.ECDSA(hashes.SHA256() if self.algorithm == -7 else hashes.SHA384())))


class PasskeyDevice:
    """A passkey, and the browser that it is in."""

    def __init__(
        self, *, rp_id: str = "example.com", origin: str = ORIGIN, algorithm: int = -7, flags: int = UP | UV | BE | BS
    ) -> None:
        self.rp_id, self.origin, self.flags = rp_id, origin, flags
        self.key = Key(algorithm)
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = b""
        self.counts = False
        self.counter = 0
        self.aaguid = bytes(range(16))

    def create(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """An answer to `navigator.credentials.create`, as `toJSON()` writes it."""
        self.user_handle = unb64(options["user"]["id"])
        client = self._client_data("webauthn.create", options["challenge"], changes)
        attested = self.aaguid + struct.pack(">H", len(self.credential_id)) + self.credential_id
        attested += cbor2.dumps(changes.get("cose", self.key.cose))
        data = self._data(changes.get("flags", self.flags) | AT, attested, changes)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        if "maker" in changes:
            attestation.update(fmt="packed", attStmt=changes["maker"].statement(data + hashlib.sha256(client).digest()))
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": {
                "clientDataJSON": b64(client),
                "attestationObject": b64(cbor2.dumps(attestation)),
                "transports": ["internal", "hybrid", "future"],
            },
        }

    def get(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """An answer to `navigator.credentials.get`."""
        if self.counts:
            self.counter += 1
        client = self._client_data("webauthn.get", options["challenge"], changes)
        data = self._data(changes.get("flags", self.flags), b"", changes)
        signature = changes.get("key", self.key).sign(data + hashlib.sha256(client).digest())
        handle = changes.get("handle", self.user_handle)
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(handle) if handle else None,
            },
        }

    def _client_data(self, type_: str, challenge: str, changes: dict[str, Any]) -> bytes:
        contents = {
            "type": changes.get("type", type_),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": changes.get("cross_origin", False),
            **({"topOrigin": changes["top_origin"]} if "top_origin" in changes else {}),
        }
        return json.dumps(contents).encode()

    def _data(self, flags: int, attested: bytes, changes: dict[str, Any]) -> bytes:
        rp_id = changes.get("rp_id", self.rp_id)
        counter = changes.get("counter", self.counter)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, counter) + attested


def seeded_device(seed: int) -> PasskeyDevice:
    """The same device each time, for programs that register it and tests that use it."""
    device = PasskeyDevice()
    device.key._key = ec.derive_private_key(seed, ec.SECP256R1())
    device.credential_id = hashlib.sha256(str(seed).encode()).digest()
    return device


class Maker:
    """A maker of authenticators, who vouches for them (Web Authentication, section 8.2.1)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._certificate(self._root_key, f"{name} root", is_root=True)

    def statement(self, signed: bytes) -> dict[str, Any]:
        certificate = self._certificate(self._key, f"{self._name} batch", is_root=False)
        return {"alg": -7, "sig": self._key.sign(signed, ec.ECDSA(hashes.SHA256())), "x5c": [certificate]}

    def _certificate(self, key: ec.EllipticCurvePrivateKey, name: str, *, is_root: bool) -> bytes:
        def called(common_name: str) -> x509.Name:
            oid = x509.NameOID
            return x509.Name(
                [
                    x509.NameAttribute(oid.COUNTRY_NAME, "AA"),
                    x509.NameAttribute(oid.ORGANIZATION_NAME, self._name),
                    x509.NameAttribute(oid.ORGANIZATIONAL_UNIT_NAME, "Authenticator Attestation"),
                    x509.NameAttribute(oid.COMMON_NAME, common_name),
                ]
            )

        start = datetime(2024, 1, 1, tzinfo=timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(f"{self._name} root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=36_500))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        )
        return builder.sign(self._root_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
