"""The second factor for a Django site and its admin; see docs/django.md.

``"ferrotp.django"`` in `INSTALLED_APPS`, `ferrotp.django.middleware.MFAMiddleware` behind `AuthenticationMiddleware`,
and ``path("mfa/", include("ferrotp.django.urls"))``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import begin_impersonation, begin_login, end_impersonation, has_passed, login_has_passed
    from .decorators import MFARequiredMixin, fresh_mfa_required, fresh_required, mfa_exempt, mfa_required
    from .deletions import delete_users
    from .service import get_async_mfa, get_mfa, mfa_event
    from .views import LoginView

__all__ = [
    "LoginView",
    "MFARequiredMixin",
    "begin_impersonation",
    "begin_login",
    "delete_users",
    "end_impersonation",
    "fresh_mfa_required",
    "fresh_required",
    "get_async_mfa",
    "get_mfa",
    "has_passed",
    "login_has_passed",
    "mfa_event",
    "mfa_exempt",
    "mfa_required",
]

_MODULES = {
    "LoginView": "views",
    "MFARequiredMixin": "decorators",
    "begin_impersonation": "auth",
    "begin_login": "auth",
    "end_impersonation": "auth",
    "delete_users": "deletions",
    "fresh_mfa_required": "decorators",
    "fresh_required": "decorators",
    "get_async_mfa": "service",
    "get_mfa": "service",
    "has_passed": "auth",
    "login_has_passed": "auth",
    "mfa_event": "service",
    "mfa_exempt": "decorators",
    "mfa_required": "decorators",
}


def __getattr__(name: str) -> Any:
    # The package is imported before the applications are loaded, and some of these want them loaded.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
