"""What browsers send for passkeys (Web Authentication, Level 3), read and verified by Yubico's `fido2`. Only this
module knows it. It bounds what is read, refuses what the library's reader lets pass, and gives each refusal its type.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from fido2 import cbor
from fido2.attestation.base import AttestationResult, AttestationVerifier, InvalidAttestation
from fido2.cose import CoseKey
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from .errors import AlgorithmNotOffered, AttestationRefused, PasskeyMalformed, SignatureWrong
from .passkey_records import TRANSPORTS, base64url, from_base64url

ALGORITHMS = (-7, -8, -257)
"""That are offered, the best liked first: ES256, EdDSA and RS256, which is what authenticators in use sign by. They
are bounds of the format: a passkey signs by its one for as long as it lives."""

LONGEST_JSON = 131_072
LONGEST_CLIENT_DATA = 8_192
LONGEST_OBJECT = 65_536
"""Of an attestation, whose chains of certificates are the longest part."""
LONGEST_DATA = 8_192
"""Of an authenticator, whose extensions are the longest part."""
LONGEST_SIGNATURE = 1_024
LONGEST_CREDENTIAL_ID = 1_023
"""Web Authentication, section 4."""

_UNREADABLE = (
    ValueError,  # UnicodeDecodeError and json's too
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    ArithmeticError,
    RecursionError,
    UnsupportedAlgorithm,
)
"""What reading bytes of any kind comes to, in a reader that expects good ones."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the browser says of the page that asked."""

    challenge: bytes = field(repr=False)
    origin: str
    cross_origin: bool
    """Whether it was in a frame of another origin's page."""
    hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What the authenticator says, in all that it signs."""

    rp_id_hash: bytes
    user_present: bool
    user_verified: bool
    backup_eligible: bool
    backed_up: bool
    counter: int


@dataclass(frozen=True, slots=True)
class Registration:
    """An answer to `navigator.credentials.create`."""

    client: Client
    authenticator: Authenticator
    credential_id: bytes
    public_key: bytes
    aaguid: str
    transports: tuple[str, ...]
    attachment: str
    attestation: AttestationObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assertion:
    """An answer to `navigator.credentials.get`."""

    client: Client
    authenticator: Authenticator
    credential_id: bytes
    user_handle: bytes
    """Empty if the authenticator gave none."""
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def read_registration(response: object) -> Registration:
    """Reads what `PublicKeyCredential.toJSON()` gave. Nothing is verified but that it is whole, and of an algorithm
    that was offered.

    :raises PasskeyMalformed: it is not; `AlgorithmNotOffered`
    """
    credential = _Credential(response)
    client = credential.client("webauthn.create")
    raw = credential.field("attestationObject", LONGEST_OBJECT)
    try:
        attestation = AttestationObject(raw)
        # The reader takes a text that ends early for a short one, and a key that stands twice.
        is_whole = len(cbor.encode(cbor.decode(raw))) == len(raw)
        data = attestation.auth_data
        attested = data.credential_data
        is_whole = is_whole and attested is not None and _is_whole(data)
        key: Any = attested.public_key if attested is not None else {}
    except _UNREADABLE:
        raise PasskeyMalformed from None
    if not is_whole or attested is None or attested.credential_id != credential.id:
        raise PasskeyMalformed
    if key.get(3) not in ALGORITHMS:
        raise AlgorithmNotOffered
    public_key = cbor.encode(dict(key))
    check_public_key(public_key)
    return Registration(
        client,
        _authenticator(data),
        credential.id,
        public_key,
        str(attested.aaguid),
        credential.transports(),
        credential.attachment(),
        attestation,
    )


def read_attested_data(raw: bytes) -> tuple[bytes, bytes, str]:
    """Id, public key and AAGUID of a credential, as its authenticator wrote them (section 6.5.2).

    :raises PasskeyMalformed: they are not whole
    """
    try:
        data = AttestedCredentialData(raw)
        is_whole = len(data) == len(raw) == 18 + len(data.credential_id) + len(cbor.encode(dict(data.public_key)))
        public_key = cbor.encode(dict(data.public_key))
    except _UNREADABLE:
        raise PasskeyMalformed from None
    if not is_whole or len(raw) > LONGEST_DATA:
        raise PasskeyMalformed
    return data.credential_id, public_key, str(data.aaguid)


def read_assertion(response: object) -> Assertion:
    """The same for an assertion.

    :raises PasskeyMalformed: it is not whole
    """
    credential = _Credential(response)
    client = credential.client("webauthn.get")
    raw = credential.field("authenticatorData", LONGEST_DATA)
    try:
        data = AuthenticatorData(raw)
        is_whole = data.credential_data is None and _is_whole(data)
    except _UNREADABLE:
        raise PasskeyMalformed from None
    if not is_whole:
        raise PasskeyMalformed
    signature = credential.field("signature", LONGEST_SIGNATURE)
    handle = credential.field("userHandle", 64) if credential.response.get("userHandle") is not None else b""
    return Assertion(client, _authenticator(data), credential.id, handle, raw + client.hash, signature)


def check_signature(public_key: bytes, signed: bytes, signature: bytes) -> None:
    """:raises SignatureWrong: it is not that of the key"""
    try:
        _key(public_key).verify(signed, signature)
    except (InvalidSignature, *_UNREADABLE):
        raise SignatureWrong from None


def check_attestation(registration: Registration, roots: Sequence[bytes]) -> None:
    """:raises AttestationRefused: the authenticator's maker is none of the roots'"""
    try:
        _Attestations(roots).verify_attestation(registration.attestation, registration.client.hash)
    except (InvalidAttestation, InvalidSignature, AssertionError, *_UNREADABLE):
        raise AttestationRefused from None


def check_roots(roots: Sequence[bytes]) -> None:
    """:raises ValueError: one of them is no certificate"""
    for root in roots:
        x509.load_der_x509_certificate(root)


class _Attestations(AttestationVerifier):
    """Attestations by one of these makers. Those that nobody vouches for (self attestation, none) are refused."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        super().__init__()
        self._roots = roots

    def ca_lookup(self, attestation_result: AttestationResult, auth_data: AuthenticatorData) -> bytes | None:
        if not attestation_result.trust_path:
            return None
        last = x509.load_der_x509_certificate(attestation_result.trust_path[-1])
        for root in self._roots:
            if x509.load_der_x509_certificate(root).subject == last.issuer:
                return root
        return None


class _Credential:
    """The JSON of a `PublicKeyCredential`, of either kind."""

    def __init__(self, response: object) -> None:
        if isinstance(response, (str, bytes)):
            response = _json(response, LONGEST_JSON)
        if not isinstance(response, Mapping) or response.get("type") != "public-key":
            raise PasskeyMalformed
        self._whole = response
        inner = response.get("response")
        if not isinstance(inner, Mapping):
            raise PasskeyMalformed
        self.response: Mapping[str, Any] = inner
        self.id = _bytes(response.get("rawId"), LONGEST_CREDENTIAL_ID)
        if not self.id or response.get("id") != base64url(self.id):
            raise PasskeyMalformed

    def field(self, name: str, longest: int) -> bytes:
        return _bytes(self.response.get(name), longest)

    def client(self, type_: str) -> Client:
        raw = self.field("clientDataJSON", LONGEST_CLIENT_DATA)
        contents = _json(raw, LONGEST_CLIENT_DATA)
        if not isinstance(contents, Mapping) or contents.get("type") != type_:
            raise PasskeyMalformed
        try:
            data = CollectedClientData(raw)
        except _UNREADABLE:
            raise PasskeyMalformed from None
        challenge = _bytes(contents.get("challenge"), LONGEST_CLIENT_DATA)
        if challenge != data.challenge or not isinstance(data.origin, str):
            raise PasskeyMalformed
        crossed = contents.get("crossOrigin", False) is not False or contents.get("topOrigin") is not None
        return Client(challenge, data.origin, crossed, sha256(raw).digest())

    def transports(self) -> tuple[str, ...]:
        """What the browser says of them, as far as it is known. It is not signed, and only helps browsers."""
        said = self.response.get("transports")
        return tuple(name for name in TRANSPORTS if isinstance(said, list) and name in said)

    def attachment(self) -> str:
        said = self._whole.get("authenticatorAttachment")
        return said if said in ("platform", "cross-platform") else ""


def _json(text: str | bytes, longest: int) -> object:
    if len(text) > longest:
        raise PasskeyMalformed
    try:
        return json.loads(text)
    except _UNREADABLE:
        raise PasskeyMalformed from None


def _bytes(text: object, longest: int) -> bytes:
    """What is in base64url, as browsers write it."""
    if not isinstance(text, str) or len(text) > (longest * 4 + 2) // 3:
        raise PasskeyMalformed
    try:
        return from_base64url(text)
    except ValueError:
        raise PasskeyMalformed from None


def _is_whole(data: AuthenticatorData) -> bool:
    """Whether what was read of it is all of it: the reader takes a text that ends early for a short one."""
    length = 37 + len(data.credential_data or b"")
    if data.extensions is not None:
        length += len(cbor.encode(data.extensions))
    return length == len(data)


def _authenticator(data: AuthenticatorData) -> Authenticator:
    said = Authenticator(
        data.rp_id_hash,
        data.is_user_present(),
        data.is_user_verified(),
        data.is_backup_eligible(),
        data.is_backed_up(),
        data.counter,
    )
    if said.backed_up and not said.backup_eligible:
        raise PasskeyMalformed
    return said


def _key(public_key: bytes) -> CoseKey:
    contents: Any = cbor.decode(public_key)
    return CoseKey.parse(contents)


def check_public_key(public_key: bytes) -> None:
    """That a signature can be checked by it: a point that is on no curve would be found at the first login.

    :raises PasskeyMalformed: it cannot
    """
    kinds = {-7: (2, (-2, -3)), -8: (1, (-2,)), -257: (3, ())}
    try:
        key = _key(public_key)
        kind, coordinates = kinds[key[3]]
        if key[1] != kind or any(len(key[name]) != 32 for name in coordinates):
            raise PasskeyMalformed
        if kind == 3 and not 256 <= len(key[-1].lstrip(b"\0")) <= 512:
            raise PasskeyMalformed
        key.verify(b"", b"")
    except InvalidSignature:
        return
    except _UNREADABLE:
        raise PasskeyMalformed from None
    raise PasskeyMalformed
