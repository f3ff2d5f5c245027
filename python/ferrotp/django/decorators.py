"""Views that ask for a second factor. They take functions and coroutine functions."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse

from ferrotp.web import LoginRequired, StepError

from . import auth
from .service import gate_for

_V = TypeVar("_V", bound=Callable[..., Any])


def mfa_required(view: _V) -> _V:
    """A view for users who have passed the second factor in this login. Others are led there: to the password, to the
    challenge, to set-up; programs get 401 or 403."""
    return _requiring("require_mfa", view)


def fresh_required(view: _V) -> _V:
    """A view for users who have proved within the last ``FRESH_SECONDS`` who they are, by all factors that they have.
    Others are asked again (ASVS 7.5.1)."""
    return _requiring("require_fresh", view)


def fresh_mfa_required(view: _V) -> _V:
    """Both: a view for users who have passed the second factor, within the last ``FRESH_SECONDS``."""
    return _requiring("require_fresh_mfa", view)


def mfa_exempt(view: _V) -> _V:
    """A view that may be had with the password alone: it sees the user as Django does."""
    view.ferrotp_exempt = True  # type: ignore[attr-defined]
    return view


class MFARequiredMixin:
    """`mfa_required` for a view that is a class: set `fresh` for `fresh_mfa_required`."""

    fresh = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch = super().dispatch  # type: ignore[misc]
        requirement = "require_fresh_mfa" if self.fresh else "require_mfa"
        if getattr(self, "view_is_async", False):
            return _answer_async(requirement, dispatch, request, args, kwargs)
        return refusal(requirement, request) or dispatch(request, *args, **kwargs)


def refusal(requirement: str, request: HttpRequest) -> HttpResponse | None:
    """What to answer instead of the view; None if the view may answer.

    :param requirement: the name of a method of `Gate`
    """
    try:
        if not request.user.is_authenticated:
            raise LoginRequired
        getattr(gate_for(request.user), requirement)(auth.load(request))
    except StepError as error:
        return auth.redirect_to_step(request, error)
    return None


def _requiring(requirement: str, view: _V) -> _V:
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return refusal(requirement, request) or view(request, *args, **kwargs)

    async def answer_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return await _answer_async(requirement, view, request, args, kwargs)

    wrapper: Any = answer_async if iscoroutinefunction(view) else answer
    return functools.wraps(view)(wrapper)  # type: ignore[return-value]


async def _answer_async(requirement: str, view: Any, request: HttpRequest, args: Any, kwargs: Any) -> Any:
    refused = await sync_to_async(refusal, thread_sensitive=True)(requirement, request)
    return refused if refused is not None else await view(request, *args, **kwargs)
