"""`Policy`: every number of the second factor in one place, with where it comes from."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ..vault import Hashing
from .errors import PolicyError
from .stores.base import Limits

_DAY = 86_400
_HORIZON = 30 * _DAY * 1000
"""Milliseconds that the limits on all failures look back."""
_NEVER = 2**31
"""More failures in a row than there can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkeys:
    """Who asks for passkeys, and what is asked of them. Impossible values raise `PolicyError`."""

    rp_id: str
    """The relying party: the domain that the passkeys are for, without scheme and port. It can never change: a passkey
    works for this one alone, and on the hosts below it."""
    origins: Collection[str]
    """The pages that may ask for them, as browsers write an origin: ``https://example.com``. Each is at `rp_id` or
    below it, by https; by http at localhost alone."""
    user_verification: Literal["required", "preferred", "discouraged"] = "preferred"
    """Whether the authenticator asks for a PIN or a fingerprint. Signing in by a passkey alone always requires it."""
    attachment: Literal["platform", "cross-platform", ""] = ""
    """Only passkeys of the device itself, or only those beside it; empty: either."""
    attestation: Literal["none", "direct"] = "none"
    """``direct`` takes those alone whose maker is shown by one of `attestation_roots`. It is for organizations that
    hand out the keys: most passkeys of phones show none."""
    attestation_roots: Collection[bytes] = ()
    """Certificates of makers, in DER."""
    sign_in: bool = False
    """Whether a passkey alone may sign in, without a password: two factors in one, the device and what unlocks it."""
    disable_copied: bool = False
    """Whether a passkey whose counter went back is disabled. It is refused in either case, and the user is told."""

    def __post_init__(self) -> None:
        _check_rp_id(self.rp_id)
        if isinstance(self.origins, str) or not self.origins:
            raise PolicyError("origins must be a collection of at least one origin")
        for origin in self.origins:
            _check_origin(origin, self.rp_id)
        object.__setattr__(self, "origins", frozenset(self.origins))
        for name, allowed in (
            ("user_verification", ("required", "preferred", "discouraged")),
            ("attachment", ("platform", "cross-platform", "")),
            ("attestation", ("none", "direct")),
            ("sign_in", (True, False)),
            ("disable_copied", (True, False)),
        ):
            value = getattr(self, name)
            if type(value) is not type(allowed[0]) or value not in allowed:
                raise PolicyError(f"{name} must be one of {', '.join(map(repr, allowed))}")
        if isinstance(self.attestation_roots, (bytes, str)):
            raise PolicyError("attestation_roots must be a collection of certificates")
        object.__setattr__(self, "attestation_roots", tuple(self.attestation_roots))
        if not all(isinstance(root, bytes) for root in self.attestation_roots):
            raise PolicyError("attestation_roots must be certificates in DER, as bytes")
        if (self.attestation == "direct") != bool(self.attestation_roots):
            raise PolicyError("attestation='direct' and attestation_roots go together: neither does anything alone")
        if self.sign_in and self.user_verification == "discouraged":
            raise PolicyError("sign_in needs the user verified: user_verification must not be 'discouraged'")


_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def _check_rp_id(rp_id: str) -> None:
    if not isinstance(rp_id, str) or len(rp_id) > 253 or not _HOST.fullmatch(rp_id):
        raise PolicyError(
            "rp_id must be a domain in small letters (in punycode, if need be), without scheme, port and path"
        )
    try:
        ip_address(rp_id)
    except ValueError:
        pass
    else:
        raise PolicyError("rp_id must be a domain: browsers take no address")
    if "." not in rp_id and rp_id != "localhost":
        raise PolicyError("rp_id must be a domain of your own, such as example.com; or localhost")


def _check_origin(origin: str, rp_id: str) -> None:
    refused = PolicyError(
        f"the origin {origin!r} must be as browsers write it: https://host, and :port if it is not 443"
    )
    if not isinstance(origin, str):
        raise refused
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise refused from None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    written = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")
    if default is None or written != origin or not _HOST.fullmatch(host):
        raise refused
    if parts.scheme == "http" and host != "localhost" and not host.endswith(".localhost"):
        raise PolicyError(f"the origin {origin!r} must be https: browsers make passkeys by http at localhost alone")
    if host != rp_id and not host.endswith("." + rp_id):
        raise PolicyError(f"the origin {origin!r} is neither at the rp_id {rp_id!r} nor below it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is asked of factors and of those who present a code. Times are in seconds.

    The defaults are the ones to use. `asvs_strict` follows OWASP ASVS 5.0 where that is stricter; `cheap_for_tests`
    hashes recovery codes fast. Impossible values raise `PolicyError`.
    """

    algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1"
    """Of new factors. Google Authenticator, for one, knows no other (RFC 6238, section 1.2 allows all three)."""
    digits: int = 6
    """Of new factors: 6 to 8 (RFC 4226, section 5.3)."""
    period: int = 30
    """Seconds of a time step of new factors: 15 to 120 (RFC 6238, section 5.2; NIST SP 800-63B-4, section 3.1.4.1)."""
    secret_bytes: int = 20
    """Of new factors: 16 to 64 (RFC 4226, section 4, R6: at least 128 bits, 160 recommended)."""
    window: int = 1
    """Time steps before and after the current one that are accepted, too: 0 to 2 (RFC 6238, section 5.2: at most one
    step for the delay of the network; two is for devices with poor clocks)."""
    hotp_look_ahead: int = 5
    """Counters beyond the expected one that are accepted, too: 0 to 20 (RFC 4226, section 7.4: as few as possible)."""
    hotp_resync_window: int = 100
    """Counters that `resync` searches for two consecutive codes: 1 to 1,000 (RFC 4226, section 7.4)."""
    free_failures: int = 4
    """Consecutive failures without a delay: 0 to 10."""
    first_delay: int = 30
    """Seconds after one failure more. It doubles with each further one (RFC 4226, section 7.3)."""
    longest_delay: int = 3600
    """Seconds that the delay grows to: at most a day."""
    disable_after: int = 100
    """Consecutive failures after which the factor must be bound again: 1 to 100 (NIST SP 800-63B-4, section 3.2.2)."""
    failures_in_30_days: int = 100
    """Failures in any 30 days, whatever succeeds in between: 2 to 1,000. Half of them may come at once."""
    notify_after: int = 3
    """Consecutive failures of which the user is told, once in a row of them: 1 to 100 (ASVS 6.3.5: the password was
    right, so somebody has it)."""
    unlock_delay: int = 60
    """Seconds between failed pairs of codes, after `free_failures` of them: 1 to 3,600. Two codes in a row let the
    owner in while single ones are delayed. It is short: those who have the password can spend these attempts, too."""
    unlock_failures_in_30_days: int = 10_000
    """Failed pairs of codes in any 30 days: 2 to 100,000. A pair is one of 10^12, where a code is one of 10^6: so many
    are worth less than the hundred single codes, and one who spends them all keeps the owner waiting for minutes."""
    enrollment_lifetime: int = 600
    """Seconds to confirm a new factor in: 60 to a day (NIST SP 800-63B-4, section 4.1.2; ASVS 6.5.5)."""
    max_factors: int = 10
    """Factors of a user: 1 to 100."""
    max_pending: int = 5
    """Enrollments of a user that wait to be confirmed: 1 to 20. A newer one drops the oldest."""
    recovery_codes: int = 10
    """In a set: 1 to 20, of 80 bits each (NIST SP 800-63B-4, section 4.2.1.1 asks for 64)."""
    new_codes_in_30_days: int = 20
    """New sets that a user may have in any 30 days: 2 to 100. Half of them may come at once. A set is ten slow hashes
    (ASVS 15.2.2). They come out of the budget of enrollment: who binds factors over and over makes sets, too."""
    hashing: Hashing = field(default_factory=Hashing.argon2id)
    """How recovery codes are hashed (OWASP Password Storage Cheat Sheet)."""
    trusted_device_days: int = 0
    """How long a device that its user trusts is not asked for a code: 0, which is off, to 90."""
    max_devices: int = 20
    """Trusted devices of a user: 1 to 100. A newer one drops the one used longest ago."""
    device_grace: int = 60
    """Seconds in which a device token that was just renewed is no theft: two requests of one browser at once.
    1 to 300."""
    trust_window: int = 60
    """Seconds after an accepted code in which the device may be trusted: 10 to 600."""
    max_past_steps: int = 20
    """Time steps for which a code that was sent may be good: 0 to 20, ten minutes of 30 seconds each (NIST SP
    800-63B-4, section 3.1.3.2)."""
    half_login_lifetime: int = 600
    """Seconds that a login lives between its password and its code: 60 to 3,600 (ASVS 7.2.4 leaves the number to the
    application)."""
    session_check_seconds: int = 60
    """How late a page may find out that its login was ended elsewhere: 0, which asks the store each time, to 600. Views
    that ask for fresh authentication always ask (ASVS 7.4.1, 7.4.3)."""
    audit_days: int = 0
    """How long `MFA.prune_audit` leaves the rows of the audit: 0, which is for ever, to 3,650. How long they may and
    must be kept is a matter of law, and of the application."""
    passkeys: Passkeys | None = None
    """Who asks for passkeys, and what is asked of them; None: nobody does."""
    codes: bool = True
    """Whether codes of authenticator apps are enrolled and accepted. No: only passkeys and recovery codes are."""
    legacy_secrets: bool = False
    """Whether `import_factor` and `import_users` take secrets of 80 to 127 bits and periods of up to 300 seconds, as
    older pyotp made them. They are flagged, and `report` lists the users who should enroll again."""

    def __post_init__(self) -> None:
        if self.algorithm not in ("SHA1", "SHA256", "SHA512"):
            raise PolicyError("algorithm must be SHA1, SHA256 or SHA512")
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise PolicyError(f"{name} must be a whole number from {least} to {most}")
        if self.longest_delay < self.first_delay:
            raise PolicyError("longest_delay must not be shorter than first_delay")
        if not isinstance(self.hashing, Hashing):
            raise PolicyError("hashing must be a ferrotp.vault.Hashing")
        if self.passkeys is not None and not isinstance(self.passkeys, Passkeys):
            raise PolicyError("passkeys must be a ferrotp.mfa.Passkeys, or None")
        if type(self.codes) is not bool:
            raise PolicyError("codes must be True or False")
        if not self.codes and self.passkeys is None:
            raise PolicyError("without codes there must be passkeys")
        if type(self.legacy_secrets) is not bool:
            raise PolicyError("legacy_secrets must be True or False")

    @classmethod
    def default(cls) -> "Policy":
        """NIST SP 800-63B-4 and RFC 6238: one time step of tolerance to either side."""
        return cls()

    @classmethod
    def asvs_strict(cls) -> "Policy":
        """OWASP ASVS 5.0, requirement 6.5.5: a TOTP code lives for 30 seconds, so there is no window. People whose
        devices' clocks are off will be refused, and codes typed at the end of a step, too."""
        return cls(window=0, hotp_look_ahead=2)

    @classmethod
    def phishing_resistant(cls, passkeys: Passkeys) -> "Policy":
        """Passkeys and recovery codes alone (NIST SP 800-63B-4, section 3.2.5; ASVS 6.3.3 at level 3). Who has an
        authenticator app only comes in by a recovery code, and adds a passkey."""
        return cls(passkeys=passkeys, codes=False)

    @classmethod
    def cheap_for_tests(cls) -> "Policy":
        """The defaults with recovery codes hashed in microseconds. For test suites only."""
        return cls(hashing=Hashing.argon2id(memory_kib=8, passes=1, lanes=1))

    def new_codes_limits(self) -> Limits:
        """What a new set of recovery codes costs, as a store takes it."""
        limits = self.limits()
        return replace(limits, cost=-(-limits.horizon // (self.new_codes_in_30_days // 2)))

    def limits(self) -> Limits:
        """The limits on attempts, as a store takes them."""
        delays = [self.first_delay]
        while delays[-1] < self.longest_delay:
            delays.append(min(2 * delays[-1], self.longest_delay))
        return Limits(
            free=self.free_failures,
            delays=tuple(1000 * delay for delay in delays),
            disable_at=self.disable_after,
            cost=_cost(self.failures_in_30_days),
            horizon=_HORIZON,
        )

    def unlock_limits(self) -> Limits:
        """The same for two codes in a row. They are never disabled by themselves: that would keep the owner out."""
        return Limits(
            free=self.free_failures,
            delays=(1000 * self.unlock_delay,),
            disable_at=_NEVER,
            cost=_cost(self.unlock_failures_in_30_days),
            horizon=_HORIZON,
        )


def _cost(failures_in_30_days: int) -> int:
    """A leaky bucket of half the failures that leaks the other half within the 30 days. Rounded up: never more."""
    return -(-_HORIZON // (failures_in_30_days // 2))


_RANGES = (
    ("digits", 6, 8),
    ("period", 15, 120),
    ("secret_bytes", 16, 64),
    ("window", 0, 2),
    ("hotp_look_ahead", 0, 20),
    ("hotp_resync_window", 1, 1000),
    ("free_failures", 0, 10),
    ("first_delay", 1, _DAY),
    ("longest_delay", 1, _DAY),
    ("disable_after", 1, 100),
    ("failures_in_30_days", 2, 1000),
    ("notify_after", 1, 100),
    ("unlock_delay", 1, 3600),
    ("unlock_failures_in_30_days", 2, 100_000),
    ("enrollment_lifetime", 60, _DAY),
    ("max_factors", 1, 100),
    ("max_pending", 1, 20),
    ("recovery_codes", 1, 20),
    ("new_codes_in_30_days", 2, 100),
    ("trusted_device_days", 0, 90),
    ("max_devices", 1, 100),
    ("device_grace", 1, 300),
    ("trust_window", 10, 600),
    ("max_past_steps", 0, 20),
    ("half_login_lifetime", 60, 3600),
    ("session_check_seconds", 0, 600),
    ("audit_days", 0, 3650),
)
