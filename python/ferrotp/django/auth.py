"""The second factor of a request: the mark in its session, and the steps from one to the next.

A session's mark is a `ferrotp.web.Login`, bound to the user and to Django's hash of the user's password: it ends with
either. What looks at it does not care which way somebody came in.
"""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, REDIRECT_FIELD_NAME, SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from ferrotp.mfa import DeviceToken, MFAError
from ferrotp.web import Gate, Login, LoginRequired, LoginStep, NotFresh, SecondFactorRequired, device_cookie, safe_next
from ferrotp.web.pages import Problem, problem

from .service import gate_for, get_mfa, now, user_id_of
from .texts import texts

_log = logging.getLogger("ferrotp.django")

KEY = "_ferrotp"
MESSAGE = "_ferrotp_message"
PROVED_AT = "_ferrotp_proved_at"
AGAIN = "_ferrotp_again"

PAGES = {"challenge": "ferrotp:challenge", "recover": "ferrotp:recover", "set-up": "ferrotp:set_up"}
_NAMES: dict[type[Exception], str] = {
    LoginRequired: "login_required",
    SecondFactorRequired: "second_factor_required",
    NotFresh: "fresh_authentication_required",
}

STEP_ERRORS = (LoginRequired, SecondFactorRequired, NotFresh)
"""What `redirect_to_step` takes."""


# For the application


def begin_login(
    request: HttpRequest, user: Any, *, next_url: str = "", remember: bool | None = None, backend: str | None = None
) -> HttpResponse:
    """For a login view of your own: call it when the password was right, instead of `django.contrib.auth.login`, and
    return what it gives: a redirect to the challenge, to set-up, or straight on.

    :param user: from `authenticate` or a form's `get_user`
    :param next_url: where to go afterwards, if it is on this site; otherwise ``next`` of the request
    :param remember: whether the session outlives the browser; None leaves that to Django's settings
    :param backend: the dotted path of the backend that knew the user, if `authenticate` did not say
    """
    gate = gate_for(user)
    user_id = user_id_of(user)
    asked = request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME, ""))
    step = gate.begin(
        user_id,
        user.get_username(),
        next_url=next_url or asked,
        remember=bool(remember),
        device_token=device_token(request, user),
    )
    path = backend or getattr(user, "backend", None) or _only_backend()
    if step.next_page == "done":
        promote(request, step.login, user, path)
        _remember(request, remember)
        return with_device(_on(step.login), user, step.device)
    # Whoever was logged in here is out, and the session has a new key.
    if SESSION_KEY in request.session:
        auth.logout(request)
    else:
        request.session.cycle_key()
    rotate_token(request)
    save_login(request, step.login, bound=_hash_of(user), backend=path)
    if remember is not None:
        request.session[KEY]["remember"] = bool(remember)
    return HttpResponseRedirect(reverse(PAGES[step.next_page]))


def has_passed(request: HttpRequest) -> bool:
    """Whether this session's user has passed a second factor. For conditions; a view is gated by `mfa_required`."""
    login = load(request)
    return login is not None and login.passed and login.stage == "full"


def end_login(request: HttpRequest) -> None:
    """Takes the mark of the second factor away, and leaves the rest. `django.contrib.auth.logout` takes all."""
    request.session.pop(KEY, None)


# The mark


def load(request: HttpRequest) -> Login | None:
    """The login in a session, if it lives, and is of the user that the session and the request are of."""
    record = request.session.get(KEY)
    if not isinstance(record, dict):
        return None
    login = Login.load(record.get("login"), now())
    if login is None:
        return None
    user = getattr(request, "user", None)  # by a token, it may be another user than the session's
    if user is not None and user.is_authenticated and user_id_of(user) != login.user_id:
        return None
    of_session = request.session.get(SESSION_KEY)
    if login.stage == "full" or of_session is not None:
        if of_session != login.user_id:
            return None
        if not constant_time_compare(str(record.get("bound")), _bound(request.session.get(HASH_SESSION_KEY, ""))):
            return None
    return login


def save_login(request: HttpRequest, login: Login, *, bound: str | None = None, backend: str | None = None) -> None:
    """Into the session.

    :param bound: Django's hash of the user's password, if nobody is logged in for Django
    :param backend: likewise, the backend that knew the user
    """
    before = request.session.get(KEY) or {}
    if bound is None and SESSION_KEY in request.session:
        bound = request.session.get(HASH_SESSION_KEY, "")
    request.session[KEY] = {
        "login": login.dump(),
        "bound": _bound(bound) if bound is not None else before.get("bound", ""),
        "backend": backend or before.get("backend", ""),
        "remember": before.get("remember"),
    }


def user_behind(request: HttpRequest, login: Login) -> Any:
    """The user of a login, whom Django may not know to be logged in yet.

    :raises LoginRequired: if the user is gone, inactive, or has another password by now
    """
    record = request.session.get(KEY) or {}
    path = request.session.get(BACKEND_SESSION_KEY) or record.get("backend", "")
    if path not in settings.AUTHENTICATION_BACKENDS:
        raise LoginRequired
    try:
        key = auth.get_user_model()._meta.pk.to_python(login.user_id)
    except Exception:  # whatever a field of the application raises for what is no key
        raise LoginRequired from None
    user = auth.load_backend(path).get_user(key)
    if user is None or user_id_of(user) != login.user_id:
        raise LoginRequired
    if not constant_time_compare(str(record.get("bound")), _bound(_hash_of(user))):
        raise LoginRequired
    user.backend = path
    return user


def promote(request: HttpRequest, login: Login, user: Any = None, backend: str | None = None) -> Any:
    """Makes a login that is done the session's own: under a new session key, and with the user logged in for Django."""
    if user is None:
        user = user_behind(request, login)
    remember = (request.session.get(KEY) or {}).get("remember")
    path = backend or user.backend
    if request.session.get(SESSION_KEY) == login.user_id and request.session.get(BACKEND_SESSION_KEY) == path:
        request.session.cycle_key()
        rotate_token(request)
        request.user = user
    else:
        auth.login(request, user, backend=path)
    for name in (KEY, PROVED_AT, AGAIN):
        request.session.pop(name, None)
    save_login(request, replace(login, stage="full", next="", remember=False))
    _remember(request, remember)
    return user


def complete_login(
    request: HttpRequest, login: Login, device: DeviceToken | None = None, user: Any = None
) -> HttpResponse:
    """The login is done: Django knows, and it goes on."""
    user = promote(request, login, user)
    return with_device(_on(login), user, device)


def log_out(request: HttpRequest) -> HttpResponse:
    """Ends the login or half-login, and goes to the login page."""
    auth.logout(request)
    return HttpResponseRedirect(login_page())


# The ways that lead there


def begin_again(request: HttpRequest, user: Any) -> tuple[Login, DeviceToken | None]:
    """A login for somebody who is logged in for Django, by a way that did not lead past the gate: an ordinary login
    view, a password reset, a cookie that remembers, the web server. It counts as the password.

    :raises LoginRequired: if the user has to set up a factor first, and has not proved just now who it is: whoever
        stole a cookie that remembers would bind a device of its own
    """
    gate = gate_for(user)
    step: LoginStep = gate.begin(user_id_of(user), user.get_username(), device_token=device_token(request, user))
    proved_at = request.session.pop(PROVED_AT, 0)
    login = replace(step.login, fresh_at=0 if step.login.passed else proved_at)
    if login.stage == "set-up" and not login.is_fresh(now(), gate.fresh_seconds):
        raise LoginRequired
    if request.session.get(SESSION_KEY) == login.user_id:
        request.session.pop(AGAIN, None)
        save_login(request, login)
    return login, step.device


def redirect_to_step(request: HttpRequest, no: Exception) -> HttpResponse:
    """The answer to whoever may not take a step: the page that comes before it, or, for programs, 401 in JSON."""
    accepts = request.headers.get("Accept", "")
    if request.content_type == "application/json" or ("json" in accepts and "html" not in accepts):
        response: HttpResponse = JsonResponse({"error": _NAMES[type(no)]}, status=401)
        response["Cache-Control"] = "no-store"
        return response
    here = _here(request)
    to = getattr(no, "next_page", "password")
    if to == "password":
        if isinstance(no, NotFresh):
            request.session[AGAIN] = True
        return HttpResponseRedirect(login_page(here, admin=_in_admin(request)))
    login = load(request)
    if login is not None and here:
        save_login(request, replace(login, next=here))
    return HttpResponseRedirect(reverse(PAGES[to]))


def login_page(next_url: str = "", *, admin: bool = False) -> str:
    """The login page: the site's, or the admin's, where there is no other."""
    page = resolve_url(settings.LOGIN_URL)
    if admin or not _resolves(page):
        with suppress(NoReverseMatch):
            page = reverse("admin:login")
    if not next_url:
        return page
    return page + ("&" if "?" in page else "?") + urlencode({REDIRECT_FIELD_NAME: next_url})


def _resolves(page: str) -> bool:
    try:
        resolve(urlsplit(page).path)
    except Resolver404:
        return urlsplit(page).netloc != ""  # it is somewhere else
    return True


def problem_of(request: HttpRequest, error: MFAError, *, recovery: bool = False) -> Problem:
    """What the service raised, as the page says it. What to do about a fault is for the site's log."""
    what = problem(error, texts, now(), recovery=recovery)
    if what.status >= 500:
        _log.error("%s %r: %s: %s", request.method, request.path, type(error).__name__, error)
    return what


# Trusted devices


def device_token(request: HttpRequest, user: Any) -> str | None:
    """What this browser keeps for this user, unless the user's password has changed since."""
    kept = request.COOKIES.get(device_cookie(user_id_of(user)), "")
    token, _, mark = kept.rpartition(".")
    return token if token and constant_time_compare(mark, _device_mark(token, user)) else None


def with_device(response: HttpResponse, user: Any, device: DeviceToken | None) -> HttpResponse:
    """Gives the browser the token of a trusted device."""
    if device is not None:
        response.set_cookie(
            device_cookie(user_id_of(user)),
            f"{device.token}.{_device_mark(device.token, user)}",
            expires=device.expires_at,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
        )
        response["Cache-Control"] = "no-store"
    return response


# Below


def whose(request: HttpRequest, login: Login | None) -> Any:
    """The user whom this login is of."""
    if login is None:
        raise LoginRequired
    return user_behind(request, login)


def gate_of(request: HttpRequest, login: Login | None) -> Gate:
    """The gate for whoever this login is of."""
    return gate_for(request.user if request.user.is_authenticated else whose(request, login))


def _on(login: Login) -> HttpResponse:
    return HttpResponseRedirect(login.next or resolve_url(settings.LOGIN_REDIRECT_URL))


def _here(request: HttpRequest) -> str:
    """Where the user wanted to go: a page of the site, and no picture on it, and no step of a login."""
    match = request.resolver_match
    if match is not None and "ferrotp" in match.app_names and match.url_name not in ("settings", "set_up"):
        return ""
    if request.method not in ("GET", "HEAD") or request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return ""
    return safe_next(request.get_full_path())


def _in_admin(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and "admin" in match.app_names


def _hash_of(user: Any) -> str:
    return str(user.get_session_auth_hash()) if hasattr(user, "get_session_auth_hash") else ""


def _bound(session_hash: str) -> str:
    return salted_hmac("ferrotp.django.auth", session_hash, algorithm="sha256").hexdigest()


def _device_mark(token: str, user: Any) -> str:
    value = f"{token} {user_id_of(user)} {_hash_of(user)}"
    return salted_hmac("ferrotp.django.device", value, algorithm="sha256").hexdigest()


def _only_backend() -> str:
    if len(settings.AUTHENTICATION_BACKENDS) != 1:
        raise ValueError("there are several AUTHENTICATION_BACKENDS: say which one knew the user, by `backend`")
    return str(settings.AUTHENTICATION_BACKENDS[0])


def _remember(request: HttpRequest, remember: Any) -> None:
    if remember is not None:
        request.session.set_expiry(settings.SESSION_COOKIE_AGE if remember else 0)


__all__ = [
    "begin_login",
    "end_login",
    "get_mfa",
    "has_passed",
    "texts",
]
