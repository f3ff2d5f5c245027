"""The second factor of a request: the login in its session, and the steps from one to the next.

A session's `ferrotp.web.Login` is bound to the user and to Django's hash of the user's password: it ends with either.
What looks at it does not care which way somebody came in.
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
from django.middleware.csrf import get_token, rotate_token
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from ferrotp.mfa import DeviceToken, MFAError, PasskeyUnknown
from ferrotp.web import (
    Gate,
    Login,
    LoginRequired,
    LoginStep,
    NotFresh,
    SessionEnded,
    StepError,
    device_cookie,
    problems,
    safe_next,
)
from ferrotp.web.login import LOGIN_KEY

from .conf import conf
from .service import current_tenant, gate_for, get_mfa, is_current, now, user_id_of
from .texts import texts

_log = logging.getLogger("ferrotp.django")

PROVED_AT_KEY = "_ferrotp_proved_at"
"""When the session's user proved to Django who it is, until the login is adopted."""
REAUTHENTICATE_KEY = "_ferrotp_again"
"""That the session's user is asked for the password again."""

_NO_STEPS = ("settings", "set_up", "add_passkey")
"""Our pages that a user may have wanted: the others are steps of a login."""
PAGES = {"challenge": "ferrotp:challenge", "recover": "ferrotp:recover", "set-up": "ferrotp:set_up"}


class SeeOther(HttpResponseRedirect):
    """What comes after a POST is a GET (RFC 9110, section 15.4.4)."""

    status_code = 303


# For the application


def begin_login(
    request: HttpRequest,
    user: Any,
    *,
    next_url: str = "",
    remember: bool | None = None,
    backend: str | None = None,
    enrolled: bool = False,
) -> HttpResponse:
    """For a login view of your own: call it when the password was right, instead of `django.contrib.auth.login`, and
    return what it gives: a redirect to the challenge, to set-up, or straight on.

    :param user: from `authenticate` or a form's `get_user`
    :param next_url: where to go afterwards, if it is on this site; otherwise ``next`` of the request
    :param remember: whether the session outlives the browser; None leaves that to Django's settings
    :param backend: the dotted path of the backend that knew the user, if `authenticate` did not say
    :param enrolled: whether the site's own record says that the user has a second factor
    :raises EnrollmentLost: if the site knows of a second factor, and the store does not: answered 503
    """
    step = gate_for(user).begin(
        user_id_of(user),
        user.get_username(),
        next_url=next_url or request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME)),
        remember=remember,
        device_token=device_token(request, user),
        enrolled=enrolled,
    )
    path = backend or getattr(user, "backend", None) or _only_backend()
    if step.next_page == "done":
        return complete_login(request, step.login, step.device, user, path)
    # Any user who was logged in here is out, and the session has a new key.
    if SESSION_KEY in request.session:
        auth.logout(request)
    else:
        request.session.cycle_key()
    rotate_token(request)
    save_login(request, replace(step.login, bound=binding(_password_hash(user)), backend=path))
    return SeeOther(reverse(PAGES[step.next_page]))


def has_passed(request: HttpRequest) -> bool:
    """Whether this session's user has passed a second factor. For conditions; a view is gated by `mfa_required`."""
    login = load(request)
    return login is not None and login.passed and login.stage == "full" and is_current(login)


def end_login(request: HttpRequest) -> None:
    """Takes the login's second factor away, and leaves the rest. `django.contrib.auth.logout` takes all."""
    request.session.pop(LOGIN_KEY, None)


# The record


def load(request: HttpRequest) -> Login | None:
    """The login in a session, if it lives, and is of the user that the session and the request are of."""
    record = request.session.get(LOGIN_KEY)
    if record is None:
        return None
    given = conf()
    lifetime = given.policy.half_login_lifetime
    login = Login.load(record, now(), lifetime, issuer=given.issuer, tenant=current_tenant())
    if login is None:
        return None
    user = getattr(request, "user", None)  # by a token, it may be another user than the session's
    if user is not None and user.is_authenticated and user_id_of(user) != login.user_id:
        return None
    session_user_id = request.session.get(SESSION_KEY)
    if login.stage == "full" or session_user_id is not None:
        if session_user_id != login.user_id:
            return None
        if not constant_time_compare(login.bound, _session_binding(request)):
            return None
    return login


def save_login(request: HttpRequest, login: Login) -> None:
    """Into the session."""
    request.session[LOGIN_KEY] = login.dump()


def user_of_login(request: HttpRequest, login: Login | None) -> Any:
    """The user of a login, whom Django may not know to be logged in yet.

    :raises LoginRequired: if there is no login, or the user is gone, inactive, or has another password by now
    """
    if login is None:
        raise LoginRequired
    path = request.session.get(BACKEND_SESSION_KEY) or login.backend
    user = _user_of_backend(path, login.user_id) if path in settings.AUTHENTICATION_BACKENDS else None
    if user is None:
        raise LoginRequired
    if not constant_time_compare(login.bound, binding(_password_hash(user))):
        raise LoginRequired
    user.backend = path
    return user


def gate_of_login(request: HttpRequest, login: Login | None) -> Gate:
    """The gate for the user of this request, who may not be logged in for Django yet."""
    return gate_for(request.user if request.user.is_authenticated else user_of_login(request, login))


# The steps


def promote(
    request: HttpRequest, login: Login, user: Any = None, backend: str | None = None, *, next_url: str = ""
) -> Any:
    """Makes a login that is done the session's own: under a new session key, and with the user logged in for Django.

    :param next_url: where to go after one more page
    """
    if user is None:
        user = user_of_login(request, login)
    path = backend or user.backend
    if request.session.get(SESSION_KEY) == login.user_id and request.session.get(BACKEND_SESSION_KEY) == path:
        request.session.cycle_key()
        rotate_token(request)
        request.user = user
    else:
        auth.login(request, user, backend=path)
    for key in (PROVED_AT_KEY, REAUTHENTICATE_KEY):
        request.session.pop(key, None)
    bound = _session_binding(request)
    save_login(request, replace(login, next=next_url, remember=None, bound=bound, backend=path))
    if login.remember is not None:
        request.session.set_expiry(settings.SESSION_COOKIE_AGE if login.remember else 0)
    return user


def complete_login(
    request: HttpRequest,
    login: Login,
    device: DeviceToken | None = None,
    user: Any = None,
    backend: str | None = None,
) -> HttpResponse:
    """The login is done: Django knows, and it goes on."""
    user = promote(request, login, user, backend)
    response = SeeOther(login.next or resolve_url(settings.LOGIN_REDIRECT_URL))
    if device is not None:
        set_device_cookie(response, user, device)
    return response


def sign_in_session(request: HttpRequest) -> str:
    """Names this browser before anybody is logged in: by the secret of its token against forgery, so that no session
    is begun for each visitor of the login page."""
    get_token(request)
    return salted_hmac("ferrotp.django.sign-in", request.META["CSRF_COOKIE"], algorithm="sha256").hexdigest()


def complete_sign_in(request: HttpRequest, login: Login) -> HttpResponse:
    """The login by a passkey alone is done, if one of the site's backends gives its user, who is active and may log in
    (``MAY_SIGN_IN``).

    :raises PasskeyUnknown: if not. The answer is that to a passkey that nobody has
    """
    may_sign_in = conf().may_sign_in
    for path in settings.AUTHENTICATION_BACKENDS:
        user = _user_of_backend(path, login.user_id)
        if user is None:
            continue
        if not getattr(user, "is_active", True) or (may_sign_in is not None and not may_sign_in(user)):
            break
        return complete_login(request, replace(login, account_name=user.get_username()), None, user, path)
    raise PasskeyUnknown


def adopt_login(request: HttpRequest, user: Any) -> LoginStep:
    """A login for somebody who is logged in for Django, by a way that did not lead past the gate: an ordinary login
    view, a password reset, a cookie that remembers, the web server. It counts as the password.

    :raises LoginRequired: if the user has to set up a factor first, and has not proved just now who it is
    """
    try:
        step = gate_for(user).adopt(
            user_id_of(user),
            user.get_username(),
            proved_at=request.session.get(PROVED_AT_KEY, 0),
            device_token=device_token(request, user),
        )
    except LoginRequired:
        request.session.pop(PROVED_AT_KEY, None)
        raise
    request.session.pop(PROVED_AT_KEY, None)
    if request.session.get(SESSION_KEY) == step.login.user_id:
        request.session.pop(REAUTHENTICATE_KEY, None)
        bound = _session_binding(request)
        backend = request.session.get(BACKEND_SESSION_KEY, "")
        step = replace(step, login=replace(step.login, bound=bound, backend=backend))
        save_login(request, step.login)
    return step


def note_login(user: Any = None, request: Any = None, **more: Any) -> None:
    """Somebody has just proved who it is, and a new login begins: to a view, or to the web server. A cookie that logs
    its owner in before any view is reached proves nothing anew."""
    mfa = getattr(request, "mfa", None)
    if (mfa is not None and mfa.in_view) or _is_by_web_server(user):
        request.session.pop(LOGIN_KEY, None)
        request.session[PROVED_AT_KEY] = int(now())


def note_logout(request: Any = None, **more: Any) -> None:
    """A half-login ends with its copies: a session may be a cookie."""
    login = load(request) if hasattr(request, "session") else None
    if login is not None:
        Gate(get_mfa()).cancel(login)


def redirect_to_step(request: HttpRequest, error: StepError) -> HttpResponse:
    """The answer to a step that comes too early: the page that comes before it; for programs, the problem in JSON."""
    if isinstance(error, SessionEnded):
        auth.logout(request)
    accepts = request.headers.get("Accept", "")
    if request.content_type == "application/json" or ("json" in accepts and "html" not in accepts):
        problem = problems.problem_of(error, texts, now())
        headers = problem.headers()
        return JsonResponse(
            problem.document(), status=problem.status, content_type=problems.MEDIA_TYPE, headers=headers
        )
    url = _requested_url(request)
    if error.next_page == "password":
        if isinstance(error, NotFresh):
            request.session[REAUTHENTICATE_KEY] = True
        return SeeOther(login_page(url, admin=_is_in_admin(request)))
    login = load(request)
    if login is not None and url:
        save_login(request, replace(login, next=url))
    return SeeOther(reverse(PAGES[error.next_page]))


def login_page(next_url: str = "", *, admin: bool = False) -> str:
    """The login page: the site's, or the admin's, where there is no other."""
    page = resolve_url(settings.LOGIN_URL)
    if admin or not _is_somewhere(page):
        with suppress(NoReverseMatch):
            page = reverse("admin:login")
    if not next_url:
        return page
    return page + ("&" if "?" in page else "?") + urlencode({REDIRECT_FIELD_NAME: next_url})


def problem_of(
    request: HttpRequest, error: MFAError, *, recovery: bool = False, two_codes: bool = False, sign_in: bool = False
) -> problems.Problem:
    """What the service raised, as the page says it. What to do about a fault is for the site's log."""
    problem = problems.problem_of(error, texts, now(), recovery=recovery, two_codes=two_codes, sign_in=sign_in)
    if problem.status >= 500:
        _log.error("%s %r: %s: %s", request.method, request.path, type(error).__name__, error)
    return problem


# Trusted devices


def device_token(request: HttpRequest, user: Any) -> str | None:
    """What this browser keeps for this user, unless the user's password has changed since."""
    kept = request.COOKIES.get(_device_cookie(user), "")
    token, _, mark = kept.rpartition(".")
    return token if token and constant_time_compare(mark, _device_mark(token, user)) else None


def set_device_cookie(response: HttpResponse, user: Any, device: DeviceToken) -> None:
    """Gives the browser the token of a trusted device."""
    response.set_cookie(
        _device_cookie(user),
        f"{device.token}.{_device_mark(device.token, user)}",
        expires=device.expires_at,
        secure=_device_cookie_is_secure(),
        httponly=True,
        samesite="Lax",
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
    )
    response["Cache-Control"] = "no-store"


# Below


def binding(session_hash: str) -> str:
    """What `Login.bound` is for one of Django's hashes of a password."""
    return salted_hmac("ferrotp.django.auth", session_hash, algorithm="sha256").hexdigest()


def _session_binding(request: HttpRequest) -> str:
    return binding(request.session.get(HASH_SESSION_KEY, ""))


def _requested_url(request: HttpRequest) -> str:
    """Where the user wanted to go: a page of the site, and no picture on it, and no step of a login."""
    match = request.resolver_match
    if match is not None and "ferrotp" in match.app_names and match.url_name not in _NO_STEPS:
        return ""
    if request.method not in ("GET", "HEAD") or request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return ""
    return safe_next(request.get_full_path())


def _is_in_admin(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and "admin" in match.app_names


def _is_somewhere(page: str) -> bool:
    """Whether a URL leads to a view, or to another site."""
    try:
        resolve(urlsplit(page).path)
    except Resolver404:
        return urlsplit(page).netloc != ""
    return True


def _is_by_web_server(user: Any) -> bool:
    from django.contrib.auth.backends import RemoteUserBackend  # wants the models of django.contrib.auth

    path = getattr(user, "backend", None)
    return path is not None and isinstance(auth.load_backend(path), RemoteUserBackend)


def _user_of_backend(path: str, user_id: str) -> Any:
    """The user of an id of the service, if a backend has it; None if not."""
    try:
        key = auth.get_user_model()._meta.pk.to_python(user_id)
    except Exception:  # whatever a field of the application raises for what is no key
        return None
    backend = auth.load_backend(path)
    user = backend.get_user(key) if hasattr(backend, "get_user") else None
    return user if user is not None and user_id_of(user) == user_id else None


def _password_hash(user: Any) -> str:
    return str(user.get_session_auth_hash()) if hasattr(user, "get_session_auth_hash") else ""


def _device_cookie(user: Any) -> str:
    plain = settings.SESSION_COOKIE_PATH == "/" and not settings.SESSION_COOKIE_DOMAIN
    return device_cookie(user_id_of(user), conf().issuer, current_tenant(), host=plain and _device_cookie_is_secure())


def _device_cookie_is_secure() -> bool:
    return bool(settings.SESSION_COOKIE_SECURE) or not settings.DEBUG


def _device_mark(token: str, user: Any) -> str:
    whose = conf().issuer, current_tenant(), user_id_of(user)
    value = "\0".join((token, *whose, _password_hash(user)))
    return salted_hmac("ferrotp.django.device", value, algorithm="sha256").hexdigest()


def _only_backend() -> str:
    if len(settings.AUTHENTICATION_BACKENDS) != 1:
        raise ValueError("there are several AUTHENTICATION_BACKENDS: say which one knew the user, by `backend`")
    return str(settings.AUTHENTICATION_BACKENDS[0])
