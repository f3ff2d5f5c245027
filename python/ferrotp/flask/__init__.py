"""The second factor for a Flask application: pages, sessions and decorators over `ferrotp.mfa`. See docs/flask.md."""

from ..web import Notice, Notifier, SetupError
from .extension import FlaskMFA

__all__ = ["FlaskMFA", "Notice", "Notifier", "SetupError"]
