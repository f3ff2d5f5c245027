"""What goes wrong, as a document of RFC 9457: for programs by its `type`, for people by its words."""

import math
from datetime import datetime, timezone

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..mfa import (
    EnrollmentExpired,
    FactorDisabled,
    InvalidCode,
    InvalidIdentifier,
    MFAError,
    NotEnrolled,
    StoreUnavailable,
    Throttled,
    TooManyFactors,
)
from ..web import LoginRequired, NotFresh, SecondFactorRequired, Texts
from ..web.gate import LastFactor
from ..web.pages import problem as in_words

URN = "urn:ferrotp:problem:"
TITLES = {
    "invalid-code": "The code is not right",
    "too-many-attempts": "Too many wrong codes",
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
NEXT = {"challenge": "verify", "recover": "recover", "set-up": "enroll", "password": "login"}
"""What leads on, by the names of the operations. "login" is the application's own."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""For every answer."""


class ProblemError(HTTPException):
    """A problem, to be raised. Where no handler knows it, Starlette's own answers with its status: never with a yes."""

    def __init__(
        self, kind: str, status: int, detail: str, *, headers: dict[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(status, detail, dict(HEADERS) | (headers or {}))
        self.kind = kind
        self.document: dict[str, object] = {
            "type": URN + kind,
            "title": TITLES[kind],
            "status": status,
            "detail": detail,
            **more,
        }

    def response(self) -> Response:
        """The document."""
        return JSONResponse(self.document, self.status_code, self.headers, "application/problem+json")


async def answer(request: Request, error: Exception) -> Response:
    """Starlette's handler for `ProblemError`."""
    assert isinstance(error, ProblemError)  # noqa: S101 — it is registered for these alone
    return error.response()


def invalid(detail: str, errors: list[dict[str, str]] | None = None) -> ProblemError:
    """The request is not as documented. What was sent is not sent back: it may be a code."""
    return ProblemError("invalid-request", 422, detail, errors=errors or [])


def not_json() -> ProblemError:
    """Another site's form can post, but not JSON: so the type of what is posted keeps forged requests out."""
    return ProblemError("not-json", 415, "Send a JSON object, as Content-Type: application/json.")


def login_required(texts: Texts, kind: str = "login-required") -> ProblemError:
    """Nobody is logged in, or the pending login has died."""
    # RFC 9110, section 11.6.1 asks for the header; the scheme is no browser's, so no window opens.
    return ProblemError(kind, 401, texts("error.gone"), headers={"WWW-Authenticate": "Session"})


def problem_of(error: Exception, texts: Texts, now: float, *, recovery: bool = False) -> ProblemError:
    """What the service or the gate raised."""
    if isinstance(error, (LoginRequired, InvalidIdentifier)):  # nobody can have such an id
        return login_required(texts)
    if isinstance(error, SecondFactorRequired):
        return ProblemError("second-factor-required", 403, texts("challenge.title"), next=NEXT[error.next_page])
    if isinstance(error, NotFresh):
        return ProblemError("fresh-authentication-required", 403, texts("challenge.why"), next=NEXT[error.next_page])
    if isinstance(error, LastFactor):
        return ProblemError("last-factor", 409, texts("remove.needed"))
    if not isinstance(error, MFAError):
        raise error
    words = in_words(error, texts, now, recovery=recovery)
    more: dict[str, object] = {}
    headers: dict[str, str] = {}
    retry_at: datetime | None = getattr(error, "retry_at", None)
    if retry_at is None and words.retry_after is not None:
        retry_at = datetime.fromtimestamp(math.ceil(now + words.retry_after), timezone.utc)
    if isinstance(error, InvalidCode):
        more["attempts_left"] = error.attempts_left
    if retry_at is not None:
        more["retry_at"] = rfc3339(retry_at)
    if words.retry_after is not None:
        headers["Retry-After"] = str(words.retry_after)
    if isinstance(error, FactorDisabled) and not recovery:
        more["next"] = "login"
    return ProblemError(_kind(error), words.status, words.message, headers=headers, **more)


def rfc3339(moment: datetime) -> str:
    """``2026-11-24T09:30:00.123Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kind(error: MFAError) -> str:
    for kind, name in _KINDS.items():
        if isinstance(error, kind):
            return name
    return "broken"


_KINDS: dict[type[MFAError], str] = {
    InvalidCode: "invalid-code",
    Throttled: "too-many-attempts",
    FactorDisabled: "factor-disabled",
    NotEnrolled: "not-enrolled",
    EnrollmentExpired: "enrollment-expired",
    TooManyFactors: "too-many-factors",
    StoreUnavailable: "store-unavailable",
}
