"""Sealed secrets: encrypted, bound to their owner, matched without becoming Python objects; see docs/vault.md."""

from typing import Literal, NamedTuple

from ._native import Hashing, Keyring, new_key

__all__ = ["Hashing", "Keyring", "KeyringError", "OTPSecret", "SealedRecordError", "VaultError", "new_key"]


class VaultError(Exception):
    """What the vault refuses. No message holds a key, a secret or a code."""


class KeyringError(VaultError, ValueError):
    """Keys that cannot be used, or are not there, or lie open to others."""


class SealedRecordError(VaultError):
    """A record that does not open, which is never a wrong code.

    `reason` is "changed" (the record itself, or the row that it stands in: it may be another user's), "unknown key" or
    "malformed"; `key_id` is the key that the record names, where it can be read.
    """

    reason: Literal["changed", "unknown key", "malformed"]
    key_id: str | None

    def __init__(
        self,
        message: str,
        reason: Literal["changed", "unknown key", "malformed"] = "malformed",
        key_id: str | None = None,
    ) -> None:
        super().__init__(message, reason, key_id)
        self.reason = reason
        self.key_id = key_id

    def __str__(self) -> str:
        return str(self.args[0])


class OTPSecret(NamedTuple):
    """A secret in clear, from `Keyring.reveal`. Its `repr` does not show it; the rest is up to the caller."""

    kind: str
    """"totp" or "hotp"."""
    algorithm: str
    """"SHA1", "SHA256" or "SHA512"."""
    digits: int
    period: int
    """Seconds of a time step; 0 for HOTP."""
    secret: str
    """Base32 without padding, as `otpauth` URIs and `ferrotp.TOTP` take it."""

    def __repr__(self) -> str:
        return f"<OTPSecret: {self.kind}, {self.algorithm}, {self.digits} digits, secret not shown>"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a revealed secret is not pickled or copied")
