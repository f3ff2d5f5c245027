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
from django.contrib.auth.signals import user_logged_in, user_login_failed
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
from ferrotp.web.login import LOGIN_KEY, LOST_FORM_KEY

from .conf import conf
from .service import current_tenant, gate_for, get_mfa, is_current, now, user_id_of
from .texts import texts

_log = logging.getLogger("ferrotp.django")

PROVED_AT_KEY = "_ferrotp_proved_at"
"""When the session's user proved to Django who it is, until the login is adopted."""
REAUTHENTICATE_KEY = "_ferrotp_again"
"""That the session's user is asked for the password again."""
IMPERSONATION_KEY = "_ferrotp_impersonation"
"""That the session's user is somebody else: the user's id, and the login to go back to."""
_SAME_CODE_KEY = "_ferrotp_same_code"
"""The code that ended a half-login, as a keyed hash; when; and where it led."""
_SAME_CODE_SECONDS = 10

_NO_STEPS = ("settings", "set_up", "add_passkey", "new_codes", "end_sessions", "end_session", "remove")
"""Our pages that a user may have wanted: the others are steps of a login."""
_STEPS = ("challenge", "recover", "passkey", "cancel", "confirm", "saved")
"""Our pages that nobody comes back to."""
PAGES = {
    "challenge": "ferrotp:challenge",
    "recover": "ferrotp:recover",
    "set-up": "ferrotp:set_up",
    "add-passkey": "ferrotp:set_up",  # which leads there itself
}


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
    passed_by: str = "",
) -> HttpResponse:
    """For a login view of your own: call it when the password was right, instead of `django.contrib.auth.login`, and
    return what it gives: a redirect to the challenge, to set-up, or straight on.

    :param user: from `authenticate` or a form's `get_user`
    :param next_url: where to go afterwards, if it is on this site; otherwise ``next`` of the request
    :param remember: whether the session outlives the browser; None leaves that to Django's settings
    :param backend: the dotted path of the backend that knew the user, if `authenticate` did not say
    :param enrolled: whether the site's own record says that the user has a second factor
    :param passed_by: what vouches for it that the user has passed a second factor elsewhere (the name of a single
        sign-on whose `amr` says so): none is asked for here
    :param success_url: instead of `next_url`, where the view sends users: it is taken as it is, on another site, too
    :raises EnrollmentLost: if the site knows of a second factor, and the store does not: answered 503
    """
    step, path = begin_step(
        request,
        user,
        next_url=next_url,
        remember=remember,
        backend=backend,
        enrolled=enrolled,
        success_url=success_url,
        passed_by=passed_by,
    )
    if step.next_page == "done":
        return complete_login(request, step.login, step.device, user, path)
    hold(request, user, step.login, path)
    return SeeOther(reverse(PAGES[step.next_page]))


def begin_step(
    request: HttpRequest,
    user: Any,
    *,
    next_url: str = "",
    remember: bool | None = None,
    backend: str | None = None,
    enrolled: bool = False,
    success_url: str = "",
    passed_by: str = "",
) -> tuple[LoginStep, str]:
    """The first step of `begin_login`, which changes nothing in the session: where the login stands, and the backend
    that knew the user."""
    next_url = next_url or request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME, ""))
    path = backend or getattr(user, "backend", None) or _only_backend()
    passed_by = passed_by or (path if path in conf().exempt_backends else "")
    gate = gate_for(user)
    if passed_by:
        step = gate.begin_passed(
            user_id_of(user), user.get_username(), by=passed_by, next_url=next_url, remember=remember
        )
    else:
        step = gate.begin(
            user_id_of(user),
            user.get_username(),
            next_url=next_url,
            remember=remember,
            device_token=device_token(request, user),
            enrolled=enrolled,
        )
    if success_url:
        step = replace(step, login=replace(step.login, next=success_url))
    return step, path


def hold(request: HttpRequest, user: Any, login: Login, backend: str) -> None:
    """Puts a login that waits for its second factor into the session."""
    # Any user who was logged in here is out, and the session has a new key.
    if SESSION_KEY in request.session:
        auth.logout(request)
    else:
        request.session.cycle_key()
    rotate_token(request)
    save_login(request, bind(login, user, backend))


def bind(login: Login, user: Any, backend: str) -> Login:
    """A login that ends with the user's password, wherever it is kept."""
    return replace(login, bound=binding(_password_hash(user)), backend=backend)


def login_has_passed(request: HttpRequest, *, by: str) -> None:
    """Says of the user who has just been logged in for Django (`django.contrib.auth.login`) that a second factor was
    passed elsewhere: a single sign-on whose `amr` says so, another package's passkey. None is asked for here.

    :param by: what vouches for it, for the event "passed elsewhere"
    :raises LoginRequired: if nobody is logged in
    """
    user: Any = request.user
    if not user.is_authenticated or request.session.get(SESSION_KEY) != user_id_of(user):
        raise LoginRequired
    step = gate_for(user).begin_passed(user_id_of(user), user.get_username(), by=by)
    _save_bound(request, step.login)
    request.session.pop(PROVED_AT_KEY, None)
    seen = getattr(request, "mfa", None)
    if seen is not None:
        seen.vouched = True


def begin_impersonation(request: HttpRequest, *, by: str) -> None:
    """The user of this session has just logged in as another one (`django.contrib.auth.login`), to see what that one
    sees. The second factor of the one who comes in counts, and none of the other's is asked for; what changes factors
    is refused until `end_impersonation`. django-hijack is known by itself.

    :param by: what does it, for the event "impersonated"
    """
    seen, user = request.mfa, request.user  # type: ignore[attr-defined]
    session = request.session
    session.pop(PROVED_AT_KEY, None)
    session[IMPERSONATION_KEY] = {
        "user_id": user_id_of(user),
        "login": None if seen.login is None else seen.login.dump(),
        "before": seen.impersonation,
    }
    if seen.login is not None:
        login = gate_for(user).begin_impersonated(user_id_of(user), user.get_username(), by=by, impersonator=seen.login)
        _save_bound(request, login)


def end_impersonation(request: HttpRequest) -> None:
    """The one who came in as another user has just been logged in as before. The login is what it was."""
    seen, session = request.mfa, request.session  # type: ignore[attr-defined]
    session.pop(IMPERSONATION_KEY, None)
    session.pop(PROVED_AT_KEY, None)
    record = seen.impersonation
    if record is None:
        return
    if record["before"] is not None:
        session[IMPERSONATION_KEY] = record["before"]
    session[LOGIN_KEY] = record["login"]
    if load(request) is None:  # of another user, or the password is another by now
        session.pop(LOGIN_KEY, None)


def is_impersonated(request: HttpRequest) -> bool:
    """Whether the user of this session is somebody else, who came in by `begin_impersonation`."""
    record = request.session.get(IMPERSONATION_KEY)
    return record is not None and record["user_id"] == request.session.get(SESSION_KEY)


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
        bound = _session_binding(request)
        if not constant_time_compare(login.bound, bound):
            if not (user is not None and user.is_authenticated and is_bound_to(user, login)):
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
    return _user_by(request.session.get(BACKEND_SESSION_KEY) or login.backend, login)


def user_of_token(login: Login) -> Any:
    """The same for a login that is in no session.

    :raises LoginRequired: as `user_of_login`
    """
    return _user_by(login.backend, login)


def _user_by(path: str, login: Login) -> Any:
    user = _user_of_backend(path, login.user_id) if path in settings.AUTHENTICATION_BACKENDS else None
    if user is None:
        raise LoginRequired
    if not is_bound_to(user, login):
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


def known_sign_in(login: Login) -> tuple[Login, Any]:
    """A login by a passkey alone, with its user: whom one of the site's backends gives, who is active, and may log in
    (``MAY_SIGN_IN``).

    :raises PasskeyUnknown: if there is none. The answer is that to a passkey that nobody has
    """
    may_sign_in = conf().may_sign_in
    for path in settings.AUTHENTICATION_BACKENDS:
        user = _user_of_backend(path, login.user_id)
        if user is None:
            continue
        if not getattr(user, "is_active", True) or (may_sign_in is not None and not may_sign_in(user)):
            break
        return replace(login, account_name=user.get_username(), backend=path), user
    raise PasskeyUnknown


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


def note_token(request: HttpRequest, user: Any) -> None:
    """A login that is done, and is in no session: Django's signal is sent as for the others."""
    seen = getattr(request, "mfa", None)
    if seen is not None:
        seen.vouched = True  # it is not about the session, if there is one
    user_logged_in.send(sender=user.__class__, request=request, user=user)


def log_out(request: HttpRequest) -> None:
    """Ends the session's login, a half-login with its copies too."""
    auth.logout(request)


def adopt_login(request: HttpRequest, user: Any) -> LoginStep:
    """A login for somebody who is logged in for Django, by a way that did not lead past the gate: an ordinary login
    view, a password reset, a cookie that remembers, the web server. It counts as the password.

    :raises LoginRequired: if the user has to set up a factor first, and has not proved just now who it is
    """
    gate, backend = gate_for(user), request.session.get(BACKEND_SESSION_KEY, "")
    user_id, name, proved_at = user_id_of(user), user.get_username(), request.session.get(PROVED_AT_KEY, 0)
    try:
        if backend in conf().exempt_backends and request.session.get(SESSION_KEY) == user_id:
            step = gate.begin_passed(user_id, name, by=backend)
            step = replace(step, login=replace(step.login, fresh_at=proved_at))
        else:
            token = None if is_impersonated(request) else device_token(request, user)
            step = gate.adopt(user_id, name, proved_at=proved_at, device_token=token)
    except LoginRequired:
        request.session.pop(PROVED_AT_KEY, None)
        raise
    request.session.pop(PROVED_AT_KEY, None)
    if request.session.get(SESSION_KEY) == step.login.user_id:
        request.session.pop(REAUTHENTICATE_KEY, None)
        step = replace(step, login=_save_bound(request, step.login))
    return step


def _save_bound(request: HttpRequest, login: Login) -> Login:
    """Into the session of a user who is logged in for Django: bound to it."""
    bound = _session_binding(request)
    login = replace(login, bound=bound, backend=request.session.get(BACKEND_SESSION_KEY, ""))
    save_login(request, login)
    return login


def note_login(user: Any = None, request: Any = None, **more: Any) -> None:
    """Somebody has just proved who it is, and a new login begins: to a view, or to the web server. A cookie that logs
    its owner in before any view is reached proves nothing anew."""
    mfa = getattr(request, "mfa", None)
    if mfa is not None and mfa.vouched:
        return  # a receiver of the site's came before this one
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
    login = load(request) if hasattr(request, "session") else None
    if login is not None:
        Gate(get_mfa()).cancel(login)


def redirect_to_step(request: HttpRequest, error: StepError) -> HttpResponse:
    """The answer to a step that comes too early: the page that comes before it; for programs, the problem in JSON."""
    if isinstance(error, SessionEnded):
        auth.logout(request)
    if is_htmx(request):
        response = problem_response(problems.problem_of(error, texts, now()))
        response["HX-Redirect"] = _page_of_step(request, error)
        return response
    if wants_json(request):
        return problem_response(problems.problem_of(error, texts, now()))
    return SeeOther(_page_of_step(request, error))


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks, which takes a problem and no page."""
    accepts = request.headers.get("Accept", "")
    if request.content_type == "application/json" or ("json" in accepts and "html" not in accepts):
        return True
    match = request.resolver_match
    return is_htmx(request) or getattr(getattr(match, "func", None), "ferrotp_api", False)


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks for a piece of a page: a redirect would put a whole page there. ``HX-Redirect`` leads all of
    it, whatever the status."""
    return request.headers.get("HX-Request") == "true"


def problem_response(problem: problems.Problem, **more: object) -> JsonResponse:
    """A problem for a program (RFC 9457).

    :param more: further members of the document
    """
    response = JsonResponse(
        {**problem.document(), **more},
        status=problem.status,
        content_type=problems.MEDIA_TYPE,
        headers=problem.headers(),
    )
    response["Cache-Control"] = "private, no-store"
    return response


def _page_of_step(request: HttpRequest, error: StepError) -> str:
    """The page that comes before a step, and what it will have to say."""
    url = _site_url(request, request.headers.get("HX-Current-URL", "")) or _requested_url(request)
    if request.method == "POST" and not isinstance(error, (SessionEnded, LoginRequired)):
        url = _site_url(request, request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
        request.session[LOST_FORM_KEY] = True
        if error.next_page not in ("challenge", "recover"):
            messages.warning(request, texts("challenge.lost"), fail_silently=True)
    else:
        request.session.pop(LOST_FORM_KEY, None)
    if error.next_page == "password":
        if isinstance(error, NotFresh):
            request.session[REAUTHENTICATE_KEY] = True
        return login_page(url, admin=_is_in_admin(request))
    login = load(request)
    if login is not None and url:
        save_login(request, replace(login, next=url))
    return reverse(PAGES[error.next_page])


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
    request: HttpRequest,
    error: MFAError | StepError,
    *,
    recovery: bool = False,
    two_codes: bool = False,
    sign_in: bool = False,
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


def is_bound_to(user: Any, login: Login) -> bool:
    """Whether a login is bound to the password that a user has, by one of the site's keys."""
    for key, password_hash in _password_hashes(user):
        if constant_time_compare(login.bound, binding(password_hash, key)):
            return True
    return False


def _code_mark(code: str) -> str:
    return salted_hmac("ferrotp.django.code", code, algorithm="sha256").hexdigest()


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


def _site_url(request: HttpRequest, url: str) -> str:
    """The page of the site that a form came from, as the browser says; "" if it says none, or another site's."""
    parts = urlsplit(url)
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
