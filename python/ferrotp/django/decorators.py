"""Views for whoever has passed the second factor. All take functions and coroutine functions."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse

from ferrotp.web import LoginRequired

from . import auth
from .service import gate_for

_V = TypeVar("_V", bound=Callable[..., Any])


def mfa_required(view: _V) -> _V:
    """A view for whoever has passed the second factor in this login. Others are led there: to the password, to the
    challenge, to set-up; programs get 401."""
    return _gated(view, fresh=False)


def fresh_mfa_required(view: _V) -> _V:
    """A view for whoever has passed it within the last ``FRESH_SECONDS``. Others are asked again (ASVS 7.5.1)."""
    return _gated(view, fresh=True)


def mfa_exempt(view: _V) -> _V:
    """A view that may be had with the password alone: it sees the user as Django does."""
    view.ferrotp_exempt = True  # type: ignore[attr-defined]
    return view


class MFARequiredMixin:
    """The same for a view that is a class: set `fresh` for `fresh_mfa_required`."""

    fresh = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch = super().dispatch  # type: ignore[misc]
        if getattr(self, "view_is_async", False):
            return _awaited(dispatch, request, self.fresh, args, kwargs)
        return look(request, fresh=self.fresh) or dispatch(request, *args, **kwargs)


def look(request: HttpRequest, *, fresh: bool) -> HttpResponse | None:
    """What to answer instead of the view; None if the view may answer."""
    try:
        if not request.user.is_authenticated:
            raise LoginRequired
        gate = gate_for(request.user)
        login = gate.passed(auth.load(request))
        if fresh:
            gate.fresh(login)
    except auth.STEP_ERRORS as no:
        return auth.redirect_to_step(request, no)
    return None


def _gated(view: _V, *, fresh: bool) -> _V:
    def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return look(request, fresh=fresh) or view(request, *args, **kwargs)

    async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return await _awaited(view, request, fresh, args, kwargs)

    made: Any = awaited if iscoroutinefunction(view) else gated
    return functools.wraps(view)(made)  # type: ignore[return-value]


async def _awaited(view: Any, request: HttpRequest, fresh: bool, args: Any, kwargs: Any) -> Any:
    answer = await sync_to_async(look, thread_sensitive=True)(request, fresh=fresh)
    return answer if answer is not None else await view(request, *args, **kwargs)
