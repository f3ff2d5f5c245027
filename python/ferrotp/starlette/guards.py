"""What a route asks for: a FastAPI dependency, ``Depends(require_mfa)``, or a line, ``await require_mfa(request)``."""

from starlette.requests import Request

from ..web import SetupError
from .operations import Operations


async def require_login(request: Request) -> str:
    """The user's id, if logged in by as many factors as there are.

    :raises ProblemError: if not
    """
    return await _installed(request).require_login(request)


async def require_mfa(request: Request) -> str:
    """The user's id, if the second factor was passed in this login.

    :raises ProblemError: if not
    """
    return await _installed(request).require_mfa(request)


async def require_fresh(request: Request) -> str:
    """The user's id, if all factors that there are were proved just now: for what must not be done at a desk that
    somebody left.

    :raises ProblemError: if not
    """
    return await _installed(request).require_fresh(request)


async def require_fresh_mfa(request: Request) -> str:
    """The user's id, if the second factor was passed, just now.

    :raises ProblemError: if not
    """
    return await _installed(request).require_fresh_mfa(request)


def _installed(request: Request) -> Operations:
    operations = getattr(request.app.state, "ferrotp", None)
    if not isinstance(operations, Operations):
        raise SetupError("StarletteMFA is not installed on this application: call its install(app).")
    return operations
