"""`ProblemError`: a `Problem` of `ferrotp.web`, to be raised; and what is wrong with a request."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..web import Texts
from ..web.problems import MEDIA_TYPE, Problem

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""For every answer."""


class ProblemError(HTTPException):
    """A problem, to be raised. Where no handler knows it, Starlette's own answers with its status: never with a yes.

    :param more: further members of the document
    """

    def __init__(self, problem: Problem, **more: object) -> None:
        super().__init__(problem.status, problem.message, HEADERS | problem.headers())
        self.kind = problem.kind
        self.document: dict[str, object] = {**problem.document(), **more}

    def response(self) -> Response:
        """The document."""
        return JSONResponse(self.document, self.status_code, self.headers, MEDIA_TYPE)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler for `ProblemError`."""
    assert isinstance(error, ProblemError)  # noqa: S101 — it is registered for these alone
    return error.response()


def invalid_request(detail: str, errors: list[dict[str, str]] | None = None) -> ProblemError:
    """The request is not as documented. What was sent is not sent back: it may be a code."""
    return ProblemError(Problem("invalid-request", 422, detail), errors=errors or [])


def require_json(request: Request) -> None:
    """A form of another site cannot post JSON: browsers ask first (CORS), and nobody says yes. So the type of what is
    posted keeps forged requests out.

    :raises ProblemError: if it is something else
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(Problem("not-json", 415, "Send a JSON object, as Content-Type: application/json."))


def pending_login_expired(texts: Texts) -> ProblemError:
    """The half-login has died, or the token is none."""
    return ProblemError(Problem("pending-login-expired", 401, texts("error.gone")))
