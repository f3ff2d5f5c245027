"""The pages, and the login. A GET changes nothing, and none but the pending set-up returns a secret."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings as site
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render as render_template
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods
from django.views.static import serve

from ferrotp import web
from ferrotp.mfa import MFAError, NotEnrolled, StoreUnavailable, TooManyFactors
from ferrotp.web import PAGE_HEADERS, Gate, LastFactor, Login, LoginRequired, StepError, device_name, safe_next
from ferrotp.web.login import LOST_FORM_KEY, MESSAGE_KEY
from ferrotp.web.pages import (
    CodesPage,
    challenge_page,
    codes_file,
    codes_page,
    end_session_page,
    passkey_page,
    remove_page,
    set_up_page,
    settings_page,
    show_codes,
    sign_in_page,
    was_posted_before,
)
from ferrotp.web.problems import Problem, codes_problem_of

from . import auth, sessions
from .conf import conf
from .forms import ChallengeForm, ConfirmForm, NewPasskeyForm, PasskeyForm, RecoveryForm, SavedForm, SignInForm
from .service import gate_for_anybody, is_sign_in_offered
from .texts import texts

_V = TypeVar("_V", bound=Callable[..., Any])

_NEVER_KEPT = "private, no-store"
"""Django's cache for the whole site keeps what is not private, also a page that says "no-store": a secret in clear."""


def _has_policy_of_its_own() -> bool:
    """Whether the site has a middleware for its Content-Security-Policy: Django's, and django-csp's, leave a header
    that is there, and ours would go before a stricter one. One that only reports leaves ours in force."""
    return any(_sends_policy(path) for path in site.MIDDLEWARE if "csp" in path.lower())


def _sends_policy(middleware: str) -> bool:
    """Whether a middleware for policies has one that is more than a report."""
    if middleware.endswith(".ContentSecurityPolicyMiddleware"):  # Django's
        return bool(getattr(site, "SECURE_CSP", None))
    if middleware == "csp.middleware.CSPMiddleware":
        return bool(import_string("csp.utils.build_policy")())
    return True


def non_atomic(view: _V) -> _V:
    """A view that ``ATOMIC_REQUESTS`` puts no transaction around, in any database: what it decides is committed."""
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


@method_decorator(non_atomic, name="dispatch")
class LoginView(DjangoLoginView):
    """Django's own, and then the second factor. A form with a field `remember` makes the session end with the browser
    unless it is set."""

    def form_valid(self, form: Any) -> HttpResponse:
        return auth.begin_login(
            self.request,
            form.get_user(),
            remember=form.cleaned_data.get("remember"),
            success_url=self._requested_url() or self.get_default_redirect_url(),
        )

    def _requested_url(self) -> str:
        """What ``next`` says, if it is on this site, or on another that the view allows by name."""
        url = self.get_redirect_url()
        allowed = urlsplit(url).netloc in self.get_success_url_allowed_hosts()
        return url if allowed and url.startswith(("http://", "https://")) else safe_next(url)

    @classmethod
    def as_view(cls, **initial: Any) -> Any:
        # `dispatch` is decorated for those who call it; the handler looks at the view.
        return non_atomic(super().as_view(**initial))


def _mark_as_page(view: Any) -> Any:
    view.ferrotp_page = True  # the middleware lets it through
    view.login_required = False  # LoginRequiredMiddleware: in a half-login nobody is logged in
    return view


def page(*methods: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """What all pages have in common, for one of your own in their place, too: headers, the token against forgery, no
    transaction around it, no codes in reports of faults; and a step that comes too early leads to the one before it."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        view = require_http_methods(list(methods))(view)

        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if auth.is_impersonated(request):  # nobody touches the factors of a user whom somebody else is for now
                raise PermissionDenied("not as another user")
            try:
                response = view(request, *args, **kwargs)
            except StepError as error:
                response = auth.redirect_to_step(request, error)
            except MFAError as error:
                response = unavailable(request, error)
            for name, value in PAGE_HEADERS.items():
                if name != "Content-Security-Policy" or not _has_policy_of_its_own():
                    response.headers.setdefault(name, value)
            response["Cache-Control"] = _NEVER_KEPT
            return response

        made: Any = sensitive_variables()(sensitive_post_parameters()(csrf_protect(wrapper)))
        return non_atomic(_mark_as_page(made))  # type: ignore[no-any-return]

    return decorate


# At login, or again before a change


@page("GET", "HEAD", "POST")
def challenge(request: HttpRequest) -> HttpResponse:
    """Asks for a code of the app."""
    if (place := auth.place_after_same_code(request)) is not None:
        return auth.SeeOther(place)
    form = ChallengeForm(request, request.POST if request.method == "POST" else None)
    is_half_login = form.login.stage == "half"
    if not form.is_valid():
        return _challenge_page(request, form)
    # An imported user's, for one.
    lacks_codes = is_half_login and form.verification is not None and not form.verification.remaining
    if lacks_codes:
        form.login = replace(form.login, next=reverse("ferrotp:settings"))
    response = form.complete_login()
    if lacks_codes:
        request.session[MESSAGE_KEY] = ["settings.codes.missing", {}]
    return response


@page("GET", "HEAD", "POST")
def recover(request: HttpRequest) -> HttpResponse:
    """Asks for a recovery code."""
    if (place := auth.place_after_same_code(request)) is not None:
        return auth.SeeOther(place)
    form = RecoveryForm(request, request.POST if request.method == "POST" else None)
    is_half_login = form.login.stage == "half"
    if not form.is_valid():
        return _challenge_page(request, form)
    if not is_half_login:
        return form.complete_login()
    # A user who needed a recovery code should look after the device first.
    form.login = replace(form.login, next=reverse("ferrotp:settings"))
    response = form.complete_login()
    request.session[MESSAGE_KEY] = ["recover.used", {}]
    return response


def _challenge_page(request: HttpRequest, form: ChallengeForm) -> HttpResponse:
    """Asks, and says what was wrong with what was typed."""
    problem = None
    if form.is_bound:
        problem = form.problem or Problem("invalid-request", 400, texts("error.empty"))
        if problem.ends_login:
            logout(request)
            return render(request, "ended", problem, login_page=auth.login_page(), error=problem.message)
    message = problem.message if problem else ""
    page = challenge_page(form.gate, form.login, texts, recovery=form.recovery, error=message)
    if LOST_FORM_KEY in request.session:
        page = replace(page, note=f"{texts('challenge.lost')} {page.note}".rstrip())
    return render(request, "challenge", problem, page=page)


@page("GET", "HEAD", "POST")
def passkey(request: HttpRequest) -> HttpResponse:
    """A passkey instead of a code: the challenge's page posts what the browser made."""
    form = PasskeyForm(request, request.POST if request.method == "POST" else None)
    if not form.is_bound or form.gate.mfa.policy.passkeys is None:
        return _redirect_to("challenge")
    return form.complete_login() if form.is_valid() else _challenge_page(request, form)


@page("GET", "HEAD", "POST")
def sign_in(request: HttpRequest) -> HttpResponse:
    """A passkey alone, instead of the password: what the form on the login page posts, and a page of its own."""
    if not is_sign_in_offered():
        return auth.SeeOther(auth.login_page())
    gate, problem = gate_for_anybody(), None
    next_url = (request.POST if request.method == "POST" else request.GET).get(REDIRECT_FIELD_NAME, "")
    if request.method == "POST":
        form = SignInForm(request.POST)
        if not form.is_valid():  # the page was open for longer than its challenge is good
            problem = Problem("invalid-request", 400, texts("error.passkey.late"))
        else:
            try:
                login = gate.sign_in(form.cleaned_data["credential"], auth.sign_in_session(request), next_url=next_url)
                login, user = auth.known_sign_in(login)
                return auth.complete_login(request, login, None, user, login.backend)
            except MFAError as error:
                problem = auth.problem_of(request, error, sign_in=True)
    message = problem.message if problem else ""
    page = sign_in_page(gate, auth.sign_in_session(request), next_url=next_url, error=message)
    return render(request, "sign_in", problem, page=page, login_page=auth.login_page(page.next))


@page("GET")
def sign_in_options(request: HttpRequest) -> HttpResponse:
    """A new challenge, for a login page that is open for long."""
    if not is_sign_in_offered():
        return HttpResponse(status=404)
    return JsonResponse({"options": gate_for_anybody().sign_in_challenge(auth.sign_in_session(request))})


@page("POST")
def cancel(request: HttpRequest) -> HttpResponse:
    """Ends a half-login, or goes back from being asked again."""
    login = auth.load(request)
    if login is not None and login.stage == "full":
        return _redirect_to("settings")
    logout(request)
    return auth.SeeOther(auth.login_page())


# Set-up


@page("GET", "HEAD", "POST")
def set_up(request: HttpRequest) -> HttpResponse:
    """Shows the key that waits for its code, or offers to make one."""
    login, gate = _login_that_may_set_up(request)
    if not gate.sets_up_codes(login.user_id):
        return _redirect_to("add_passkey")
    problem: Problem | None = None
    if request.method == "POST":
        try:
            auth.save_login(request, gate.enroll(login))
            return _redirect_to("set_up")
        except MFAError as error:
            problem = auth.problem_of(request, error)
    return _set_up_page(request, gate, login, problem)


@page("GET", "HEAD", "POST")
def confirm(request: HttpRequest) -> HttpResponse:
    """Ends set-up, and shows the recovery codes if there are none."""
    login, gate = _login_that_may_set_up(request)
    if request.method != "POST" or (login.unsaved_codes and not login.pending_factor):
        # The page of codes, loaded again: the settings say what to do about codes that were not saved.
        return _redirect_to("set_up" if login.pending_factor else "settings")
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        problem = Problem("invalid-request", 400, texts("error.empty"))
    else:
        try:
            confirmed = gate.confirm(login, form.cleaned_data["code"], form.cleaned_data["name"])
        except MFAError as error:
            problem = auth.problem_of(request, error)
        else:
            # Where to go when the codes are saved. They are made when the application has had its say: if it fails,
            # there are none that nobody has seen.
            auth.promote(request, confirmed, next_url="" if login.passed else login.next)
            request.session[MESSAGE_KEY] = ["setup.done", {}]
            return show_codes(partial(_first_codes, request), partial(_codes_page, request)) or _redirect_to("settings")
    if problem.expired:
        login = replace(login, pending_factor="")
        auth.save_login(request, login)
    return _set_up_page(request, gate, login, problem)


@page("GET", "HEAD", "POST")
def add_passkey(request: HttpRequest) -> HttpResponse:
    """Makes a passkey, and shows the recovery codes if there are none."""
    login, gate = _login_that_may_set_up(request)
    if gate.mfa.policy.passkeys is None:
        return _redirect_to("set_up")
    problem: Problem | None = None
    if request.method == "POST":
        form = NewPasskeyForm(request.POST)
        if not form.is_valid():
            if login.unsaved_codes:
                return _redirect_to("settings")
            problem = Problem("invalid-request", 400, texts("error.passkey.late"))
        else:
            try:
                confirmed, _ = gate.finish_passkey(login, form.cleaned_data["credential"], form.cleaned_data["name"])
            except MFAError as error:
                problem = auth.problem_of(request, error)
            else:
                auth.promote(request, confirmed, next_url="" if login.passed else login.next)
                request.session[MESSAGE_KEY] = ["passkey.done", {}]
                shown = show_codes(partial(_first_codes, request), partial(_codes_page, request))
                return shown or _redirect_to("settings")
    name = device_name(request.headers.get("User-Agent", ""))
    try:
        page = passkey_page(gate, login, texts, name=name, error=problem.message if problem else "")
    except TooManyFactors:
        request.session[MESSAGE_KEY] = ["setup.full", {}]
        return _redirect_to("settings")
    return render(request, "passkey", problem, page=page)


def _first_codes(request: HttpRequest) -> CodesPage | None:
    """None: there are codes already, or none can be made just now."""
    login, gate = _full_login(request)
    login, codes = gate.first_codes(login)
    auth.save_login(request, login if codes else replace(login, next=""))
    return codes_page(gate, login, texts, codes) if codes else None


def _codes_page(request: HttpRequest, page: CodesPage) -> HttpResponse:
    return render(request, "codes", page=page)


def _login_that_may_set_up(request: HttpRequest) -> tuple[Login, Gate]:
    login = auth.load(request)
    gate = auth.gate_of_login(request, login)
    return gate.allow_set_up(login), gate


def _set_up_page(request: HttpRequest, gate: Gate, login: Login, problem: Problem | None) -> HttpResponse:
    message = problem.message if problem else ""
    enrollment, name = gate.pending_enrollment(login), request.POST.get("name", "")
    page = set_up_page(gate, login, texts, enrollment, error=message, name=name)
    return render(request, "set_up", problem, page=page)


# Recovery codes


@page("GET", "HEAD", "POST")
def new_codes(request: HttpRequest) -> HttpResponse:
    """Makes new recovery codes, and shows them this once."""
    login, gate = _full_login(request)
    login = gate.require_fresh(login)
    opened_at = int(gate.now())
    if request.method != "POST":
        return render(request, "new_codes", opened_at=opened_at, error="")
    if was_posted_before(login, request.POST.get("opened_at", "")):
        return _redirect_to("settings")
    try:
        shown = show_codes(partial(_new_codes, request, gate, login), partial(_codes_page, request))
    except NotEnrolled:
        shown = None
    except MFAError as error:
        problem = codes_problem_of(error, texts, gate.now())
        return render(request, "new_codes", problem, opened_at=opened_at, error=problem.message)
    return shown or _redirect_to("settings")


def _new_codes(request: HttpRequest, gate: Gate, login: Login) -> CodesPage:
    login, codes = gate.new_codes(login, end_sessions=bool(request.POST.get("end_sessions")))
    auth.promote(request, login)
    return codes_page(gate, login, texts, codes)


@page("GET", "HEAD", "POST")
def saved(request: HttpRequest) -> HttpResponse:
    """The user says that the codes are saved, or wants them as a file: they come back with the form, since nothing here
    keeps them."""
    login, gate = _full_login(request)
    if request.method != "POST":
        return _redirect_to("settings")
    form = SavedForm(request.POST)
    form.is_valid()
    if form.cleaned_data["download"]:
        text = codes_file(form.codes, texts, issuer=gate.mfa.issuer, account=login.account_name)
        response = HttpResponse(text, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
        return response
    if not form.cleaned_data["saved"]:
        problem = Problem("invalid-request", 400, texts("codes.unsaved"))
        return render(request, "codes", problem, page=codes_page(gate, login, texts, form.codes, error=problem.message))
    auth.save_login(request, replace(login, unsaved_codes=False, next=""))
    return auth.SeeOther(login.next) if login.next else _redirect_to("settings")


# Settings


@page("GET", "HEAD")
def settings(request: HttpRequest) -> HttpResponse:
    """What there is, and what can be changed."""
    login, gate = _full_login(request)
    message_id, values = request.session.pop(MESSAGE_KEY, None) or ("", {})
    message = texts(message_id, **values) if message_id else ""
    listed = sessions.of_request(request, login)
    return render(request, "settings", page=settings_page(gate, login, texts, message=message, sessions=listed))


@page("GET", "HEAD", "POST")
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Logs the user out everywhere else."""
    login, gate = _full_login(request)
    login = gate.require_fresh(login)
    if request.method != "POST":
        return render(request, "end_sessions", error="")
    auth.promote(request, gate.end_sessions(login))
    request.session[MESSAGE_KEY] = ["settings.sessions.ended", {}]
    return _redirect_to("settings")


@page("GET", "HEAD", "POST")
def end_session(request: HttpRequest, handle: str) -> HttpResponse:
    """Logs the user out in one other browser."""
    login, gate = _full_login(request)
    login = gate.require_fresh(login)
    page = end_session_page(gate, texts, sessions.of_request(request, login), handle)
    if page is not None and request.method != "POST":
        return render(request, "end_session", page=page, error="")
    ended = page is not None and sessions.end(login, handle)
    request.session[MESSAGE_KEY] = ["settings.sessions.logged-out" if ended else "settings.gone", {}]
    return _redirect_to("settings")


@page("GET", "HEAD", "POST")
def remove(request: HttpRequest, factor_id: str) -> HttpResponse:
    """Removes a factor of the user's own."""
    login, gate = _full_login(request)
    try:
        page = remove_page(gate, gate.removable_factor(login, factor_id), texts)
        if request.method != "POST":
            return render(request, "remove", page=page, error="")
        kept, _ = gate.remove(login, factor_id)
        auth.promote(request, kept)
        request.session[MESSAGE_KEY] = ["settings.removed", {"name": page.factor.name}]
    except NotEnrolled:
        request.session[MESSAGE_KEY] = ["settings.gone", {}]
    except LastFactor:
        request.session[MESSAGE_KEY] = ["remove.needed", {}]
    return _redirect_to("settings")


@page("POST")
def forget_devices(request: HttpRequest, series: str | None = None) -> HttpResponse:
    """Stops trusting one of the user's devices, or all of them."""
    login, gate = _full_login(request)
    forgotten = gate.forget_devices(login, series)
    request.session[MESSAGE_KEY] = ["settings.devices.forgotten" if forgotten else "settings.gone", {}]
    return _redirect_to("settings")


# Style and script


def static(request: HttpRequest, path: str) -> HttpResponseBase:
    """Those of all integrations, for everybody; they need no collectstatic."""
    return serve(request, path, document_root=_STATIC)


_STATIC = str(Path(web.__file__).parent / "static")
_mark_as_page(static)


# Below


def _full_login(request: HttpRequest) -> tuple[Login, Gate]:
    """The login of a user who is logged in for Django, too."""
    login = auth.load(request)
    gate = auth.gate_of_login(request, login)
    login = gate.require_login(login)
    if not request.user.is_authenticated:
        raise LoginRequired
    return login, gate


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """What the service could not decide."""
    if not isinstance(error, MFAError):
        raise error
    problem = auth.problem_of(request, error)
    if not isinstance(error, StoreUnavailable) and problem.status < 500:
        problem = replace(problem, status=500)
    if auth.wants_json(request):
        return auth.problem_response(problem)
    return render(request, "unavailable", problem, error=problem.message)


def render(request: HttpRequest, template: str, problem: Problem | None = None, **values: Any) -> HttpResponse:
    """One of the pages.

    :param problem: what is wrong, if anything is: it gives the status
    """
    context = {
        "heading": _heading(template, values.get("page")),
        "ferrotp_base": conf().base_template,
        "ferrotp_lang": texts.language,
        "wait": None if problem is None else problem.retry_after,
        **values,
    }
    status = problem.status if problem else 200
    response = render_template(request, f"ferrotp/{template}.html", context, status=status)
    response["Cache-Control"] = _NEVER_KEPT
    if problem is not None and problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def _heading(template: str, page: Any) -> str:
    if template == "challenge":
        asks = "challenge.title" if page.codes and not page.passkey else "challenge.again"
        return texts("challenge.again" if page.again else "recover.title" if page.recovery else asks)
    return page.title if template in ("remove", "end_session") else texts(_HEADINGS[template])


_HEADINGS = {
    "codes": "codes.title",
    "end_sessions": "settings.sessions.end",
    "ended": "error.gone",
    "new_codes": "codes.new.title",
    "passkey": "passkey.title",
    "set_up": "setup.title",
    "settings": "settings.title",
    "sign_in": "sign-in.title",
    "unavailable": "error.unavailable.title",
}


def _redirect_to(name: str) -> HttpResponse:
    return auth.SeeOther(reverse(f"ferrotp:{name}"))


__all__ = ["LoginView"]
