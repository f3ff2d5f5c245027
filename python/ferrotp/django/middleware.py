"""Every way in is gated alike: what counts is the mark in the session, and not how somebody came in."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.views import serve as serve_from_apps
from django.http import HttpRequest, HttpResponse
from django.views.static import serve

from ferrotp.mfa import AuditContext, DeviceToken, EnrollmentLost, MFAError, SealedRecordError, StoreUnavailable
from ferrotp.mfa.audit_chain import request_context
from ferrotp.web import Login, LoginRequired, SecondFactorRequired, StepError

from . import auth, sessions
from .conf import conf
from .service import due_date, fresh_seconds_of, gate_for, is_current, is_enrolled, is_required, lacks_passkey, now
from .views import unavailable


class RequestMFA:
    """What a request knows of the second factor: ``request.mfa``."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.held_user: Any = None
        """Who is logged in but for the second factor, while `request.user` is anonymous."""
        self.device: tuple[Any, DeviceToken] | None = None
        self.seen_user: Any = None
        self.in_view = False
        """Whether a view was reached: whom it logs in, it has asked."""
        self.vouched = False
        """Whether the site has said that the login of this request passed elsewhere."""
        self.login: Login | None = None
        """The login that is done, as it was when the request came."""
        self.impersonation: dict[str, Any] | None = None
        """What the session knew of an impersonation when the request came."""
        self.password_hash = ""
        """Django's hash of the password, as the session of a login that is done had it when the request came."""

    @property
    def passed(self) -> bool:
        """Whether a second factor was part of this login."""
        return auth.has_passed(self._request)

    @property
    def fresh(self) -> bool:
        """Whether the user has proved within the last minutes who it is."""
        login = auth.load(self._request)
        if login is None or login.stage != "full":
            return False
        if not login.is_fresh(now(), fresh_seconds_of(self._request.user)):
            return False
        return is_current(login, 0)

    @property
    def due(self) -> datetime | None:
        """When this user will have to have a second factor, and has none yet: for a reminder on the site's pages."""
        user = self._request.user
        moment = due_date(user) if user.is_authenticated else None
        return None if moment is None or is_enrolled(user) else moment


def _audit_context(request: HttpRequest) -> AuditContext:
    """Who asks, for the rows of the audit."""
    return AuditContext(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_USER_AGENT", ""))


class MFAMiddleware:
    """After `SessionMiddleware`, `AuthenticationMiddleware` and what else logs users in.

    A user who has not passed the second factor, and should, is an `AnonymousUser` to everything behind this middleware,
    and led to the challenge by every view but those of the login and of logout, and those marked by `mfa_exempt`.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._async:
            return self._call_async(request)
        asking = request_context.set(partial(_audit_context, request))
        try:
            answer = self._begin_request(request)
            if answer is None:
                answer = self.get_response(request)
            if self._was_sent_to_login(request, answer):
                answer = self._lead_on(request, answer)
            answer = self._finish_response(request, answer)
            if sessions.is_unnoted(request):
                sessions.note(request)
            return answer
        finally:
            request_context.reset(asking)

    async def _call_async(self, request: HttpRequest) -> HttpResponse:
        asking = request_context.set(partial(_audit_context, request))
        try:
            answer = await sync_to_async(self._begin_request, thread_sensitive=True)(request)
            if answer is None:
                answer = await self.get_response(request)
            if self._was_sent_to_login(request, answer):
                answer = await sync_to_async(self._lead_on, thread_sensitive=True)(request, answer)
            answer = self._finish_response(request, answer)
            if sessions.is_unnoted(request):
                await sync_to_async(sessions.note, thread_sensitive=True)(request)
            return answer
        finally:
            request_context.reset(asking)

    def process_view(
        self, request: Any, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        if getattr(view, "ferrotp_page", False):
            return None
        answer = self._hide_half_login(request)  # again: something behind this middleware may have logged somebody in
        request.mfa.in_view = True
        if answer is not None:
            return answer
        return self._gate(request, view)

    def _gate(self, request: Any, view: Callable[..., Any]) -> HttpResponse | None:
        held, again = request.mfa.held_user, auth.REAUTHENTICATE_KEY in request.session
        if held is not None or again or request.method == "POST":
            purpose = _purpose(request, view)
            if purpose == "release" and held is not None:
                _set_user(request, held)
            if again and purpose == "login":
                _set_user(request, AnonymousUser())  # or the login page would send a user whom it knows away
            if purpose:
                return None
        if held is not None:
            if getattr(view, "ferrotp_exempt", False):
                _set_user(request, held)
                return None
            login = auth.load(request)
            if login is None:
                return auth.redirect_to_step(request, LoginRequired())
            must_set_up = login.stage == "set-up" or (login.stage == "full" and not login.passed) or lacks_passkey(held)
            return auth.redirect_to_step(request, SecondFactorRequired("set-up" if must_set_up else "challenge"))
        if "admin" in request.resolver_match.app_names and conf().admin and request.user.is_authenticated:
            try:
                gate_for(request.user).require_mfa(auth.load(request))
            except StepError as error:
                return auth.redirect_to_step(request, error)
            except MFAError as error:
                return unavailable(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A view that asks the service something may find the store away, or empty."""
        faults = (StoreUnavailable, SealedRecordError, EnrollmentLost)
        return unavailable(request, error) if isinstance(error, faults) else None

    # Below

    def _begin_request(self, request: Any) -> HttpResponse | None:
        request.mfa = RequestMFA(request)
        return self._hide_half_login(request)

    @staticmethod
    def _hide_half_login(request: Any) -> HttpResponse | None:
        user = request.user
        if user is request.mfa.seen_user or not user.is_authenticated:
            return None
        request.mfa.seen_user = user
        request.mfa.impersonation = request.session.get(auth.IMPERSONATION_KEY)
        try:
            login = auth.load(request)
            # A login by the password alone ends where a factor was set up since, in another browser.
            if login is None or (login.stage == "full" and not login.passed and is_enrolled(user)):
                step = auth.adopt_login(request, user)
                login = step.login
                if step.device is not None:
                    request.mfa.device = user, step.device
            elif login.stage == "full" and not is_current(login):
                logout(request)
                _set_user(request, AnonymousUser())
                request.mfa.held_user = None
                return None
            # One by the password alone is not enough any more where a second factor became required since.
            is_done = login.stage == "full" and (login.passed or not is_required(user)) and not lacks_passkey(user)
        except LoginRequired:
            is_done = False
        except MFAError as error:
            _set_user(request, AnonymousUser())
            return unavailable(request, error)
        if is_done:
            request.mfa.held_user = None
            request.mfa.password_hash = request.session.get(HASH_SESSION_KEY, "")
            request.mfa.login = login
        else:
            request.mfa.held_user = user
            _set_user(request, AnonymousUser())
        return None

    @staticmethod
    def _was_sent_to_login(request: Any, response: HttpResponse) -> bool:
        """Whether a middleware before this one, which wants a login of every page (Django's LoginRequiredMiddleware),
        sent somebody to the login page who is logged in but for the second factor: it would go round and round."""
        if request.mfa.held_user is None or request.mfa.in_view or request.resolver_match is None:
            return False
        place = urlsplit(response.headers.get("Location", "")).path
        return response.status_code == 302 and place == urlsplit(auth.login_page()).path

    def _lead_on(self, request: Any, response: HttpResponse) -> HttpResponse:
        return self._gate(request, request.resolver_match.func) or response

    @staticmethod
    def _finish_response(request: Any, response: HttpResponse) -> HttpResponse:
        if request.mfa.password_hash:
            auth.keep_login(request, request.mfa.password_hash)
        if request.mfa.device is not None:
            auth.set_device_cookie(response, *request.mfa.device)
        return response


def _purpose(request: Any, view: Any) -> str:
    """What a view is for: "login", "logout", "static", "release" (the end of an impersonation), or something else:
    ""."""
    match = request.resolver_match
    if "admin" in match.app_names and match.url_name in ("login", "logout"):
        return str(match.url_name)
    class_ = getattr(view, "view_class", None)
    if isinstance(class_, type):
        if issubclass(class_, LoginView):
            return "login"
        if issubclass(class_, LogoutView):
            return "logout"
        if any((base.__module__, base.__name__) == ("hijack.views", "ReleaseUserView") for base in class_.__mro__):
            return "release"
    if view in (serve, serve_from_apps):
        return "static"
    if request.path == urlsplit(auth.login_page()).path:
        return "login"
    return ""


def _set_user(request: Any, user: Any) -> None:
    async def auser() -> Any:
        return user

    request.user = request._cached_user = request._acached_user = user
    request.auser = auser
