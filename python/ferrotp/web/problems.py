"""What goes wrong: for people in words, for programs as a document of RFC 9457. One table for all frameworks.

401 and 403 are told apart as RFC 9110 does. 401 (15.5.2): there are no valid credentials, log in. 403 (15.5.4): it is
known who asks, and that is not enough; a second factor is missing, or must be shown again.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ..mfa import (
    AlgorithmNotOffered,
    AttestationRefused,
    ChallengeExpired,
    CodesNotAccepted,
    CounterWentBack,
    CrossOriginFrame,
    EnrollmentExpired,
    EnrollmentLost,
    FactorDisabled,
    InvalidCode,
    InvalidIdentifier,
    LastFactor,
    MFAError,
    NotEnrolled,
    OtherUsersPasskey,
    PasskeyRefused,
    PasskeyTaken,
    PasskeyUnknown,
    SignatureWrong,
    Status,
    StoreUnavailable,
    Throttled,
    TooManyFactors,
    UserNotVerified,
    WrongOrigin,
    WrongRelyingParty,
)
from .errors import HalfLoginEnded, LoginRequired, NoFactor, NotFresh, SecondFactorRequired, StepError
from .texts import Texts

URN = "urn:ferrotp:problem:"
MEDIA_TYPE = "application/problem+json"
TITLES = {
    "invalid-code": "The code is not right",
    "too-many-attempts": "Too many attempts",
    "passkey-refused": "The passkey was not accepted",
    "codes-not-accepted": "Codes are not accepted",
    "factor-disabled": "The second factor is switched off",
    "not-enrolled": "There is no second factor",
    "no-such-factor": "There is no such factor",
    "last-factor": "The last factor must stay",
    "too-many-factors": "There are as many factors as are allowed",
    "enrollment-expired": "The enrollment has expired",
    "login-required": "Nobody is logged in",
    "pending-login-expired": "The login has expired",
    "second-factor-required": "The second factor is missing",
    "fresh-authentication-required": "It must be proved again who this is",
    "invalid-request": "The request is not as documented",
    "not-json": "The request is not JSON",
    "store-unavailable": "Codes cannot be checked at the moment",
    "broken": "The second factor cannot be checked",
}
"""Every kind: the last part of `type`, and `title`."""
NEXT = {
    "challenge": "verify",
    "recover": "recover",
    "set-up": "enroll",
    "add-passkey": "begin_passkey",
    "password": "login",
}
"""What leads on, by the names of the operations. "login" is the application's own."""
STORE_RETRY_SECONDS = 60
"""When to try again what a store did not answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a step was not taken."""

    kind: str
    status: int
    """Of HTTP."""
    message: str
    """For the user."""
    retry_after: int | None = None
    """Seconds, for the header ``Retry-After``."""
    retry_at: datetime | None = None
    attempts_left: int | None = None
    """How many more wrong codes there may be before a delay; None: it is not about a wrong code, or not known."""
    next: str = ""
    """Of `NEXT`, where it is one step that leads on."""
    reason: str = ""
    """Why a passkey was refused, for programs: `PasskeyRefused.reason`."""

    @property
    def ends_login(self) -> bool:
        """Whether the half-login has died of it (lockout, or the factor is gone): begin with the password."""
        return self.kind in ("factor-disabled", "not-enrolled") and self.next not in ("verify", "recover")

    @property
    def expired(self) -> bool:
        """Whether it is the set-up that has to begin anew."""
        return self.kind == "enrollment-expired"

    def document(self) -> dict[str, object]:
        """As RFC 9457 has it."""
        document: dict[str, object] = {
            "type": URN + self.kind,
            "title": TITLES[self.kind],
            "status": self.status,
            "detail": self.message,
        }
        if self.next:
            document["next"] = self.next
        if self.kind == "invalid-code":
            document["attempts_left"] = self.attempts_left
        if self.reason:
            document["reason"] = self.reason
        if self.retry_at is not None:
            document["retry_at"] = rfc3339(self.retry_at)
        return document

    def headers(self) -> dict[str, str]:
        """What the answer says beside it."""
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            # RFC 9110, section 11.6.1 asks for the header; the scheme is no browser's, so no window opens.
            headers["WWW-Authenticate"] = "Session"
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers


def problem_of(
    error: Exception,
    texts: Texts,
    now: float,
    *,
    recovery: bool = False,
    two_codes: bool = False,
    sign_in: bool = False,
) -> Problem:
    """What the service or the gate raised. Anything else is raised again.

    :param recovery: whether it is about a recovery code
    :param two_codes: whether it is about two codes in a row
    :param sign_in: whether nobody was named, so that the answer must not say whose passkey it may be, or that there is
        one
    """
    if sign_in and isinstance(error, (PasskeyUnknown, OtherUsersPasskey, SignatureWrong)):
        return Problem("passkey-refused", 400, texts("error.passkey.sign-in"), reason="not accepted")
    if isinstance(error, StepError):
        return _step_problem(error, texts)
    if isinstance(error, LastFactor):
        return Problem("last-factor", 409, texts("remove.needed"))
    if isinstance(error, InvalidIdentifier):  # nobody can have such an id
        return _step_problem(LoginRequired(), texts)
    if isinstance(error, (InvalidCode, Throttled)):
        words = "error.recovery" if recovery else "error.two" if two_codes else "error.code"
        return _attempt_problem(error, texts, now, words)
    if isinstance(error, FactorDisabled):
        words = texts("error.locked.recovery" if recovery else "error.locked")
        return Problem("factor-disabled", 403, words, next="" if recovery else "login")
    if isinstance(error, PasskeyRefused):
        return Problem("passkey-refused", 400, texts(_passkey_words(error)), reason=error.reason)
    if isinstance(error, CodesNotAccepted):
        return Problem("codes-not-accepted", 403, texts("error.codes"))
    if isinstance(error, NoFactor):
        gone = {"set-up": "error.none", "add-passkey": "error.none", "password": "error.gone"}
        message = texts(gone.get(error.next_page, "error.passkey.unknown"))
        return Problem("not-enrolled", 403, message, next=NEXT[error.next_page])
    if isinstance(error, NotEnrolled):
        return Problem("not-enrolled", 403, texts("error.gone"))
    if isinstance(error, EnrollmentExpired):
        return Problem("enrollment-expired", 400, texts("setup.expired"))
    if isinstance(error, TooManyFactors):
        return Problem("too-many-factors", 409, texts("setup.full"))
    if isinstance(error, (StoreUnavailable, EnrollmentLost)):  # which of them it is, is for the log alone
        retry_at = datetime.fromtimestamp(math.ceil(now + STORE_RETRY_SECONDS), timezone.utc)
        return Problem("store-unavailable", 503, texts("error.unavailable"), STORE_RETRY_SECONDS, retry_at)
    if isinstance(error, MFAError):
        return Problem("broken", 500, texts("error.broken"))
    raise error


def had_drift(status: Status) -> bool:
    """Whether the last code of an authenticator app came early or late: then a wrong one may be the clock's. A counter
    (HOTP) has no clock."""
    return any(factor.drift for factor in status.factors if factor.state == "active" and factor.kind == "totp")


def codes_problem_of(error: Exception, texts: Texts, now: float) -> Problem:
    """The same for making new recovery codes, which may have been done too often."""
    problem = problem_of(error, texts, now)
    if isinstance(error, Throttled):
        return replace(problem, message=texts("codes.new.wait", when=texts.until(error.retry_at, now)))
    return problem


def _step_problem(error: StepError, texts: Texts) -> Problem:
    if isinstance(error, SecondFactorRequired):
        return Problem("second-factor-required", 403, texts("challenge.title"), next=NEXT[error.next_page])
    if isinstance(error, NotFresh):
        return Problem("fresh-authentication-required", 403, texts("challenge.why"), next=NEXT[error.next_page])
    kind = "pending-login-expired" if isinstance(error, HalfLoginEnded) else "login-required"
    return Problem(kind, 401, texts("error.gone"))


def _passkey_words(error: PasskeyRefused) -> str:
    """In people's words: several reasons are one to them."""
    words: tuple[tuple[str, tuple[type[PasskeyRefused], ...]], ...] = (
        ("error.passkey.site", (WrongOrigin, WrongRelyingParty, CrossOriginFrame)),
        ("error.passkey.late", (ChallengeExpired,)),
        ("error.passkey.unknown", (PasskeyUnknown, OtherUsersPasskey)),
        ("error.passkey.verify", (UserNotVerified,)),
        ("error.passkey.taken", (PasskeyTaken,)),
        ("error.passkey.kind", (AttestationRefused, AlgorithmNotOffered)),
        ("error.passkey.copied", (CounterWentBack,)),
    )
    return next((message_id for message_id, kinds in words if isinstance(error, kinds)), "error.passkey")


def _attempt_problem(error: InvalidCode | Throttled, texts: Texts, now: float, wrong: str) -> Problem:
    kind = "invalid-code" if isinstance(error, InvalidCode) else "too-many-attempts"
    left = error.attempts_left if isinstance(error, InvalidCode) else None
    if error.retry_at is not None:
        seconds = max(math.ceil(error.retry_at.timestamp() - now), 1)
        words = texts("error.wait", when=texts.until(error.retry_at, now))
        return Problem(kind, 429, words, seconds, error.retry_at, left)
    words = texts(wrong)
    if left == 1:
        words += " " + texts("error.last")
    return Problem(kind, 400, words, attempts_left=left)


def rfc3339(moment: datetime) -> str:
    """``2026-11-24T09:30:00.123Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
