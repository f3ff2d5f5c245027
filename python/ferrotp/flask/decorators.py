"""Views that ask for a second factor. They take functions and coroutine functions."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from flask import current_app

from ..web import StepError
from .auth import current_login, redirect_to_step, state

_P = ParamSpec("_P")
_R = TypeVar("_R")
_V = TypeVar("_V", bound=Callable[..., Any])


def mfa_required(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """A view for users who have passed the second factor in this login. Others are led there: to the password, to the
    challenge, to set-up; programs get 401 or 403."""
    return _requiring("require_mfa", view)


def fresh_required(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """A view for users who have proved within the last ``FERROTP_FRESH_SECONDS`` who they are, by all factors that they
    have. Others are asked again."""
    return _requiring("require_fresh", view)


def fresh_mfa_required(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """Both: a view for users who have passed the second factor, within the last ``FERROTP_FRESH_SECONDS``."""
    return _requiring("require_fresh_mfa", view)


def mfa_exempt(view: _V) -> _V:
    """A view that the application's users may have without the second factor: one that takes API tokens, for one."""
    view.ferrotp_exempt = True  # type: ignore[attr-defined]
    return view


def _requiring(requirement: str, view: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(view)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            getattr(state().gate, requirement)(current_login())
        except StepError as error:
            return cast(_R, redirect_to_step(error))
        return cast(_R, current_app.ensure_sync(view)(*args, **kwargs))

    return wrapper
