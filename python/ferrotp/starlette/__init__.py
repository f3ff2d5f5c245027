"""The second factor as a JSON API for Starlette and FastAPI, over `ferrotp.mfa`. See docs/starlette.md.

It needs starlette and itsdangerous (``ferrotp[starlette]``). Where FastAPI is installed, too, `StarletteMFA.router` is
an APIRouter with models and a full OpenAPI document.
"""

from ..web import Notice, Notifier, SetupError

try:
    from .api import StarletteMFA
    from .guards import require_fresh, require_fresh_mfa, require_login, require_mfa
    from .problems import ProblemError
except ModuleNotFoundError as error:
    if (error.name or "").startswith("ferrotp"):
        raise
    raise ImportError(f'ferrotp.starlette needs {error.name}: pip install "ferrotp[starlette]"') from None

__all__ = [
    "Notice",
    "Notifier",
    "ProblemError",
    "SetupError",
    "StarletteMFA",
    "require_fresh",
    "require_fresh_mfa",
    "require_login",
    "require_mfa",
]
