"""The second factor for a Flask application: pages, sessions and decorators over `ferrotp.mfa`. See docs/flask.md."""

from ..web import Notice, Notifier, SetupError
from .decorators import fresh_mfa_required, fresh_required, mfa_exempt, mfa_required
from .extension import FlaskMFA

__all__ = [
    "FlaskMFA",
    "Notice",
    "Notifier",
    "SetupError",
    "fresh_mfa_required",
    "fresh_required",
    "mfa_exempt",
    "mfa_required",
]
