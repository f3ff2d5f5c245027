"""Challenges for passkeys. None is kept while it is open: it carries its end and two MACs of the keyring, one of whom
and what it is for, one of the session. So nobody can fill a table by asking for challenges. That one was answered is
kept by the store, in the decision that says yes.
"""

import secrets
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Literal

from .core import Core
from .errors import ChallengeExpired, ChallengeUnknown, OtherSession
from .stores.base import AnsweredChallenge, Owner

Purpose = Literal["register", "second factor", "sign in"]

LIFETIME = 120_000
"""Milliseconds. Browsers are told to give up then. A bound of the protocol: the one who waits longer asks again."""

_NONCE, _END, _MAC = 16, 8, 16
LENGTH = _NONCE + _END + 2 * _MAC


@dataclass(frozen=True, slots=True)
class Challenge:
    """One that was made here, with the key that made it."""

    raw: bytes = field(repr=False)
    key_id: str

    @property
    def nonce(self) -> str:
        """128 random bits, in hexadecimal."""
        return self.raw[:_NONCE].hex()

    @property
    def expires_at(self) -> int:
        return int.from_bytes(self.raw[_NONCE : _NONCE + _END], "big")

    def answered_by(self, owner: Owner) -> AnsweredChallenge:
        """What the store is told of it."""
        return AnsweredChallenge(owner.tenant, self.nonce, self.expires_at)


def new_challenge(core: Core, owner: Owner, purpose: Purpose, session: str, now: int) -> Challenge:
    """A challenge for a user, or for whom it may concern if the user's id is empty."""
    start = secrets.token_bytes(_NONCE) + (now + LIFETIME).to_bytes(_END, "big")
    key_id = core.keyring.writes_with
    return Challenge(
        start + _for_whom(core, key_id, owner, purpose, start) + _session(core, key_id, session, start), key_id
    )


def check_challenge(core: Core, raw: bytes, owner: Owner, purpose: Purpose, session: str, now: int) -> Challenge:
    """The challenge that a browser answered.

    :raises ChallengeUnknown: it is none of this service's for this user and purpose
    :raises ChallengeExpired: it was open for too short a while; `OtherSession` if it was another session's
    """
    start, for_whom, in_session = raw[: _NONCE + _END], raw[_NONCE + _END : -_MAC], raw[-_MAC:]
    for key_id in core.keyring.key_ids if len(raw) == LENGTH else ():
        if not compare_digest(for_whom, _for_whom(core, key_id, owner, purpose, start)):
            continue
        challenge = Challenge(raw, key_id)
        if challenge.expires_at <= now:
            raise ChallengeExpired
        if not compare_digest(in_session, _session(core, key_id, session, start)):
            raise OtherSession
        return challenge
    raise ChallengeUnknown


def user_handle(core: Core, owner: Owner, challenge: Challenge) -> bytes:
    """The handle of a user who has none: as random as the challenge, and found again from it."""
    texts = (core.issuer, owner.tenant, owner.user_id, challenge.nonce)
    return core.keyring.mac(challenge.key_id, "passkey user handle", texts) or b""


def _for_whom(core: Core, key_id: str, owner: Owner, purpose: Purpose, start: bytes) -> bytes:
    rp_id = core.policy.passkeys.rp_id if core.policy.passkeys else ""
    texts = (core.issuer, rp_id, owner.tenant, owner.user_id, purpose, start.hex())
    return (core.keyring.mac(key_id, "passkey challenge", texts) or b"")[:_MAC]


def _session(core: Core, key_id: str, session: str, start: bytes) -> bytes:
    return (core.keyring.mac(key_id, "passkey challenge's session", (session, start.hex())) or b"")[:_MAC]
