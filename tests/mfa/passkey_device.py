"""The user's authenticator and browser, by `cbor2` and `cryptography`: no test asks the library under test what is right.

It signs what it is told to, so that attacks are made by it, too.
"""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
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
        client = self.client_data("webauthn.create", options["challenge"], **changes)
        attested = self.aaguid + struct.pack(">H", len(self.credential_id)) + self.credential_id
        attested += cbor2.dumps(changes.get("cose", self.key.cose))
        data = self.data(changes.get("flags", self.flags) | AT, attested, **changes)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
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
        client = self.client_data("webauthn.get", options["challenge"], **changes)
        data = self.data(changes.get("flags", self.flags), b"", **changes)
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

    def client_data(self, type_: str, challenge: str, **changes: Any) -> bytes:
        contents = {
            "type": changes.get("type", type_),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": changes.get("cross_origin", False),
            **({"topOrigin": changes["top_origin"]} if "top_origin" in changes else {}),
        }
        return json.dumps(contents).encode()

    def data(self, flags: int, attested: bytes, **changes: Any) -> bytes:
        rp_id = changes.get("rp_id", self.rp_id)
        counter = changes.get("counter", self.counter)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, counter) + attested
