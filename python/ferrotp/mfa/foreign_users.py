"""Users as another system had them, and what the policy says of them."""

from dataclasses import dataclass, field
from math import log2
from typing import ClassVar, Literal

from .. import _native
from .errors import PolicyError
from .policy import Policy
from .results import UserId

LEAST_BITS = 19.9
"""Of a recovery code: six digits (NIST SP 800-63B-4, section 3.1.2.2). Nothing below the
standard can be chosen, so this is no policy."""
MAX_CODES = 100
"""Recovery codes that a user brings along at most. What came under one policy is looked through under the next, so this
is a bound of an attempt's work and no policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFactor:
    """An authenticator that the user has already."""

    secret: str | bytes = field(repr=False)
    """Base32, or bytes."""
    kind: Literal["totp", "hotp"] = "totp"
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30
    last_step: int | None = None
    """The time step, or the counter, of the last code that was accepted; -1 if none was. None if nobody knows: then no
    code of this moment is accepted, so that none is that was used before."""
    name: str = ""
    factor_id: str = ""
    """The same each time for the same device, so that it can be told again. A random one if it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPasskey:
    """A passkey that the user has already. It was made for the policy's `rp_id`: for another it never answers."""

    kind: ClassVar[Literal["passkey"]] = "passkey"
    credential_id: bytes
    """1 to 1,023 bytes."""
    public_key: bytes
    """As COSE has it (RFC 9052), of ES256, EdDSA or RS256."""
    user_handle: bytes
    """By which the authenticator knows its user: at most 64 bytes, as the other system gave them when it was made.
    Empty if nobody knows: its next answer after a password says so, and until then it signs in nobody alone."""
    counter: int = 0
    """Of signatures, as the other system kept it. 0 if it kept none."""
    backup_eligible: bool | None = None
    """Whether it may be in more than one device. None if the other system did not keep it: its next answer says so."""
    backed_up: bool = False
    attachment: Literal["platform", "cross-platform", ""] = ""
    transports: tuple[str, ...] = ()
    aaguid: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedUser:
    """A user with all that comes along."""

    user_id: UserId
    factors: "tuple[ImportedFactor | ImportedPasskey, ...]"
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
    """Unused ones, in clear."""


def secret_bytes(secret: str | bytes) -> bytes:
    """The key of a secret in base32, or the bytes as they are."""
    if isinstance(secret, bytes):
        return secret
    key = _native.decode_base32("".join(secret.split())) if isinstance(secret, str) else None
    if not isinstance(key, bytes):
        raise PolicyError("the secret must be base32, or bytes")
    return key


def is_legacy(factor: ImportedFactor, policy: Policy) -> bool:
    """Whether the user should enroll again; `PolicyError` for what is not taken at all.

    Its numbers are those of the standards and of sealed records; whether a legacy secret comes is the policy's.
    """
    key = secret_bytes(factor.secret)
    legacy = len(key) < 16 or (factor.kind == "totp" and factor.period > 120)
    if legacy and not policy.legacy_secrets:
        raise PolicyError(
            "a secret has at least 128 bits, and a time step at most 120 seconds: "
            "enroll again, or set the policy's legacy_secrets"
        )
    if len(key) < 10 or len(key) > 128 or not 6 <= factor.digits <= 8 or not 1 <= factor.period <= 300:
        raise PolicyError("a secret has 80 to 1,024 bits, a code 6 to 8 digits, a period 1 to 300 seconds")
    if factor.algorithm not in ("SHA1", "SHA256", "SHA512") or factor.kind not in ("totp", "hotp"):
        raise PolicyError("kind must be 'totp' or 'hotp', algorithm SHA1, SHA256 or SHA512")
    if factor.last_step is not None and not -1 <= factor.last_step < 1 << 62:
        raise PolicyError("last_step must be a time step or a counter")
    return legacy


def check(user: ImportedUser, policy: Policy) -> None:
    """Raises `PolicyError` for a user who cannot come."""
    if not 1 <= len(user.factors) <= policy.max_factors:
        raise PolicyError(f"a user brings along 1 to {policy.max_factors} factors")
    for factor in user.factors:
        if isinstance(factor, ImportedFactor):
            is_legacy(factor, policy)
    passkeys = [factor.credential_id for factor in user.factors if isinstance(factor, ImportedPasskey)]
    if len({*passkeys}) < len(passkeys):
        raise PolicyError("a user brings each passkey along once")
    if len(user.recovery_codes) > MAX_CODES:
        raise PolicyError(f"a user brings along at most {MAX_CODES} recovery codes")
    if not all(map(is_taken, user.recovery_codes)):
        raise PolicyError("a recovery code has at least 20 bits, six digits, and at most 64 bytes")


def is_taken(code: str) -> bool:
    """Whether a recovery code of another system is taken over: none of too few bits, and none over 64 bytes."""
    return code_bits(code) >= LEAST_BITS and len(code.encode()) <= 64


def code_bits(code: str) -> float:
    """How many random bits a recovery code has at most, by its length and the alphabet that it seems to be of."""
    symbols = [letter for letter in code.lower() if letter.isalnum()]
    if all("0" <= letter <= "9" for letter in symbols):
        size = 10
    else:
        size = 16 if all(letter in "0123456789abcdef" for letter in symbols) else 32
    return len(symbols) * log2(size)
