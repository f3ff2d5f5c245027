"""The second factor of a request: the login in its session, and the steps from one to the next.

A session's `ferrotp.web.Login` is bound to the user and to Django's hash of the user's password: it ends with either.
What looks at it does not care which way somebody came in.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, REDIRECT_FIELD_NAME, SESSION_KEY
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from ferrotp.mfa import DeviceToken, MFAError
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
from ferrotp.web.login import LOGIN_KEY, LOST_FORM_KEY

from .conf import conf
from .service import current_tenant, gate_for, get_mfa, is_current, now, user_id_of
from .texts import texts

_log = logging.getLogger("ferrotp.django")

PROVED_AT_KEY = "_ferrotp_proved_at"
"""When the session's user proved to Django who it is, until the login is adopted."""
REAUTHENTICATE_KEY = "_ferrotp_again"
"""That the session's user is asked for the password again."""
_SAME_CODE_KEY = "_ferrotp_same_code"
"""The code that ended a half-login, as a keyed hash; when; and where it led."""
_SAME_CODE_SECONDS = 10

_NO_STEPS = ("settings", "set_up", "add_passkey")
"""Our pages that a user may have wanted: the others are steps of a login."""
_STEPS = ("challenge", "recover", "passkey", "cancel", "confirm", "saved")
"""Our pages that nobody comes back to."""
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
    success_url: str = "",
) -> HttpResponse:
    """For a login view of your own: call it when the password was right, instead of `django.contrib.auth.login`, and
    return what it gives: a redirect to the challenge, to set-up, or straight on.

    :param user: from `authenticate` or a form's `get_user`
    :param next_url: where to go afterwards, if it is on this site; otherwise ``next`` of the request
    :param remember: whether the session outlives the browser; None leaves that to Django's settings
    :param backend: the dotted path of the backend that knew the user, if `authenticate` did not say
    :param enrolled: whether the site's own record says that the user has a second factor
    :param success_url: instead of `next_url`, where the view sends users: it is taken as it is, on another site, too
    :raises EnrollmentLost: if the site knows of a second factor, and the store does not: answered 503
    """
    step = gate_for(user).begin(
        user_id_of(user),
        user.get_username(),
        next_url=next_url or request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME, "")),
        remember=remember,
        device_token=device_token(request, user),
        enrolled=enrolled,
    )
    if success_url:
        step = replace(step, login=replace(step.login, next=success_url))
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
        bound = binding(request.session.get(HASH_SESSION_KEY, ""))
        if not constant_time_compare(login.bound, bound):
            if not (user is not None and user.is_authenticated and _is_bound_to(user, login)):
                return None
            login = replace(login, bound=bound)  # by the site's new key from now on
            save_login(request, login)
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
    if path not in settings.AUTHENTICATION_BACKENDS:
        raise LoginRequired
    try:
        key = auth.get_user_model()._meta.pk.to_python(login.user_id)
    except Exception:  # whatever a field of the application raises for what is no key
        raise LoginRequired from None
    user = auth.load_backend(path).get_user(key)
    if user is None or user_id_of(user) != login.user_id:
        raise LoginRequired
    if not _is_bound_to(user, login):
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
    for key in (PROVED_AT_KEY, REAUTHENTICATE_KEY, LOST_FORM_KEY):
        request.session.pop(key, None)
    bound = binding(request.session.get(HASH_SESSION_KEY, ""))
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


def note_code(request: HttpRequest, code: str, place: str) -> None:
    """This code has just ended the half-login of this session: see `place_after_same_code`."""
    request.session[_SAME_CODE_KEY] = [_code_mark(code), int(now()), place]


def place_after_same_code(request: HttpRequest) -> str | None:
    """Where the login went that the same code has just ended, if it is posted again: the second click of a double click
    is the same login. Nothing is decided, and nothing is fresh for longer."""
    noted = request.session.get(_SAME_CODE_KEY)
    code = request.POST.get("code", "")
    if noted is None or not code or not request.user.is_authenticated or not has_passed(request):
        return None
    mark, at, place = noted
    if not 0 <= now() - at < _SAME_CODE_SECONDS or not constant_time_compare(mark, _code_mark(code)):
        return None
    return str(place)


def note_failure(request: HttpRequest, user: Any) -> None:
    """A code that was not right is a login that failed: for those who listen to Django's signal."""
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)


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
        bound = binding(request.session.get(HASH_SESSION_KEY, ""))
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


def note_rehash(
    instance: Any = None, update_fields: Any = None, using: Any = None, raw: bool = False, **more: Any
) -> None:
    """Django is about to keep a right password under a newer hash: it is the same password, and what was bound to the
    earlier hash stays good for this login."""
    if raw or update_fields != frozenset({"password"}) or getattr(instance, "_password", None) is not None:
        return  # `_password` is there where the password itself is another
    kept = type(instance)._base_manager.using(using).filter(pk=instance.pk).values_list("password", flat=True).first()
    with suppress(ValueError):  # a hash that Django does not know, or none
        preferred = get_hasher("default")
        if kept and (identify_hasher(kept).algorithm != preferred.algorithm or preferred.must_update(kept)):
            instance._ferrotp_earlier_password = kept


def keep_login(request: HttpRequest, hash_before: str) -> None:
    """The user of this session changed the password in it (`update_session_auth_hash`): the login goes on, and all
    others end, as Django has it.

    :param hash_before: Django's hash of the password when the request came
    """
    session = request.session
    record, hash_now = session.get(LOGIN_KEY), session.get(HASH_SESSION_KEY, "")
    if not hash_now or hash_now == hash_before or not isinstance(record, dict):
        return
    if record.get("user_id") != session.get(SESSION_KEY):
        return
    if constant_time_compare(str(record.get("bound")), binding(hash_before)):
        session[LOGIN_KEY] = {**record, "bound": binding(hash_now)}


def note_logout(request: Any = None, **more: Any) -> None:
    """A half-login ends with its copies: a session may be a cookie."""
    session = getattr(request, "session", None)
    login = load(request) if session is not None and LOGIN_KEY in session else None
    if login is not None and login.stage != "full":
        Gate(get_mfa(), clock=now).cancel(login)


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
    if request.method == "POST" and not isinstance(error, (SessionEnded, LoginRequired)):
        url = _form_url(request)
        request.session[LOST_FORM_KEY] = True
        if error.next_page not in ("challenge", "recover"):
            messages.warning(request, texts("challenge.lost"), fail_silently=True)
    else:
        request.session.pop(LOST_FORM_KEY, None)
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
    request: HttpRequest, error: MFAError, *, recovery: bool = False, two_codes: bool = False
) -> problems.Problem:
    """What the service raised, as the page says it. What to do about a fault is for the site's log."""
    problem = problems.problem_of(error, texts, now(), recovery=recovery, two_codes=two_codes)
    if problem.status >= 500:
        _log.error("%s %r: %s: %s", request.method, request.path, type(error).__name__, error)
    return problem


# Trusted devices


def device_token(request: HttpRequest, user: Any) -> str | None:
    """What this browser keeps for this user, unless the user's password has changed since."""
    kept = request.COOKIES.get(_device_cookie(user), "")
    token, _, mark = kept.rpartition(".")
    if not token:
        return None
    earlier = copy(user)
    earlier.password = getattr(user, "_ferrotp_earlier_password", getattr(user, "password", ""))
    hashes = [*_password_hashes(user), *_password_hashes(earlier)]
    marks = [_device_mark(token, user, password_hash, key) for key, password_hash in hashes]
    return token if any(constant_time_compare(mark, good) for good in marks) else None


def set_device_cookie(response: HttpResponse, user: Any, device: DeviceToken) -> None:
    """Gives the browser the token of a trusted device."""
    response.set_cookie(
        _device_cookie(user),
        f"{device.token}.{_device_mark(device.token, user, _password_hash(user))}",
        expires=device.expires_at,
        secure=_device_cookie_is_secure(),
        httponly=True,
        samesite="Lax",
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
    )
    response["Cache-Control"] = "private, no-store"  # Django's cache for the whole site keeps what is not private


# Below


def binding(session_hash: str, key: str | None = None) -> str:
    """What `Login.bound` is for one of Django's hashes of a password.

    :param key: None: the site's, as it is now
    """
    return salted_hmac("ferrotp.django.auth", session_hash, secret=key, algorithm="sha256").hexdigest()


def _is_bound_to(user: Any, login: Login) -> bool:
    """Whether a login is bound to the password that a user has, by one of the site's keys."""
    good = [binding(password_hash, key) for key, password_hash in _password_hashes(user)]
    return any(constant_time_compare(login.bound, bound) for bound in good)


def _code_mark(code: str) -> str:
    return salted_hmac("ferrotp.django.code", code, algorithm="sha256").hexdigest()


def _requested_url(request: HttpRequest) -> str:
    """Where the user wanted to go: a page of the site, and no picture on it, and no step of a login."""
    match = request.resolver_match
    if match is not None and "ferrotp" in match.app_names and match.url_name not in _NO_STEPS:
        return ""
    if request.method not in ("GET", "HEAD") or request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return ""
    return safe_next(request.get_full_path())


def _form_url(request: HttpRequest) -> str:
    """The page of the site that a form came from, as the browser says; "" if it says none, or another site's."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.scheme not in ("http", "https") or parts.netloc != request.get_host():
        return ""
    with suppress(Resolver404):
        match = resolve(parts.path)
        if "ferrotp" in match.app_names and match.url_name in _STEPS:
            return ""
    return safe_next(parts.path + (f"?{parts.query}" if parts.query else ""))


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


def _password_hash(user: Any) -> str:
    return str(user.get_session_auth_hash()) if hasattr(user, "get_session_auth_hash") else ""


def _password_hashes(user: Any) -> Iterator[tuple[str, str]]:
    """Each of the site's keys, the current one first, and Django's hash of a user's password by it."""
    yield settings.SECRET_KEY, _password_hash(user)
    if settings.SECRET_KEY_FALLBACKS and hasattr(user, "get_session_auth_fallback_hash"):
        yield from zip(settings.SECRET_KEY_FALLBACKS, user.get_session_auth_fallback_hash(), strict=True)


def _device_cookie(user: Any) -> str:
    plain = settings.SESSION_COOKIE_PATH == "/" and not settings.SESSION_COOKIE_DOMAIN
    return device_cookie(user_id_of(user), conf().issuer, current_tenant(), host=plain and _device_cookie_is_secure())


def _device_cookie_is_secure() -> bool:
    return bool(settings.SESSION_COOKIE_SECURE) or not settings.DEBUG


def _device_mark(token: str, user: Any, password_hash: str, key: str | None = None) -> str:
    whose = conf().issuer, current_tenant(), user_id_of(user)
    value = "\0".join((token, *whose, password_hash))
    return salted_hmac("ferrotp.django.device", value, secret=key, algorithm="sha256").hexdigest()


def _only_backend() -> str:
    if len(settings.AUTHENTICATION_BACKENDS) != 1:
        raise ValueError("there are several AUTHENTICATION_BACKENDS: say which one knew the user, by `backend`")
    return str(settings.AUTHENTICATION_BACKENDS[0])
