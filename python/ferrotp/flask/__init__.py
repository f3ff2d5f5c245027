"""The second factor for a Flask application: pages, sessions and decorators over `ferrotp.mfa`. See docs/flask.md."""

from ..web import Notice, Notifier, SessionInfo, SetupError, UserSessions

try:
    from .decorators import fresh_mfa_required, fresh_required, mfa_exempt, mfa_required
    from .extension import FlaskMFA
except ModuleNotFoundError as error:
    if (error.name or "").startswith("ferrotp"):
        raise
    raise ImportError(f'ferrotp.flask needs {error.name}: pip install "ferrotp[flask]"') from None

__all__ = [
    "FlaskMFA",
    "Notice",
    "Notifier",
    "SessionInfo",
    "SetupError",
    "UserSessions",
    "fresh_mfa_required",
    "fresh_required",
    "mfa_exempt",
    "mfa_required",
]
