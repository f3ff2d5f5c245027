"""The pages, and the login. A GET changes nothing, and none but the pending set-up returns a secret."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings as site
from django.contrib.auth import logout
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render as render_template
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods
from django.views.static import serve

from ferrotp import web
from ferrotp.mfa import MFAError, NotEnrolled, StoreUnavailable
from ferrotp.web import PAGE_HEADERS, Gate, Login, LoginRequired
from ferrotp.web.gate import LastFactor
from ferrotp.web.pages import (
    CodesPage,
    Problem,
    challenge_page,
    codes_file,
    remove_page,
    set_up_page,
    settings_page,
)

from . import auth
from .conf import conf
from .forms import ChallengeForm, ConfirmForm, NameForm, RecoveryForm, SavedForm
from .texts import texts

_V = TypeVar("_V", bound=Callable[..., Any])


def undivided(view: _V) -> _V:
    """A view that ``ATOMIC_REQUESTS`` puts no transaction around, in any database: what it decides is committed."""
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


@method_decorator(undivided, name="dispatch")
class LoginView(DjangoLoginView):
    """Django's own, and then the second factor. A form with a field `remember` makes the session end with the browser
    unless it is set."""

    def form_valid(self, form: Any) -> HttpResponse:
        return auth.begin_login(
            self.request,
            form.get_user(),
            next_url=self.get_redirect_url(),
            remember=form.cleaned_data.get("remember"),
        )

    @classmethod
    def as_view(cls, **initial: Any) -> Any:
        # `dispatch` is decorated for those who call it; the handler looks at the view.
        return undivided(super().as_view(**initial))


def is_page(view: object) -> bool:
    """Whether a view is one of these."""
    return getattr(view, "ferrotp_page", False) is True


def _open(view: Any) -> Any:
    view.ferrotp_page = True
    view.login_required = False  # LoginRequiredMiddleware: in a half-login nobody is logged in
    return view


def page(*methods: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """What all pages have in common, for one of your own in their place, too: headers, the token against forgery, no
    transaction around it, no codes in reports of faults; and who is not to be there is led to where to be."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        view = require_http_methods(list(methods))(view)

        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                response = view(request, *args, **kwargs)
            except auth.STEP_ERRORS as no:
                response = auth.redirect_to_step(request, no)
            except MFAError as error:
                response = unavailable(request, error)
            for name, value in PAGE_HEADERS.items():
                response.headers.setdefault(name, value)
            response["Cache-Control"] = PAGE_HEADERS["Cache-Control"]
            return response

        made: Any = sensitive_variables()(sensitive_post_parameters()(csrf_protect(wrapper)))
        return undivided(_open(made))  # type: ignore[no-any-return]

    return decorate


# At login, or again before a change


@page("GET", "HEAD", "POST")
def challenge(request: HttpRequest) -> HttpResponse:
    """Asks for a code of the app."""
    return _asked(request, ChallengeForm)


@page("GET", "HEAD", "POST")
def recover(request: HttpRequest) -> HttpResponse:
    """Asks for a recovery code."""
    return _asked(request, RecoveryForm)


def _asked(request: HttpRequest, kind: type[ChallengeForm]) -> HttpResponse:
    form = kind(request, request.POST if request.method == "POST" else None)
    login, gate = form.login, form.gate
    if not form.is_bound:
        return render(request, "challenge", page=challenge_page(gate, login, texts, recovery=kind.recovery))
    if form.is_valid():
        if not kind.recovery or login.stage == "full":
            return form.complete_login()
        # Whoever needed a recovery code should look after the device first.
        form.login = replace(form.login, next=reverse("ferrotp:settings"))
        response = form.complete_login()
        request.session[auth.MESSAGE] = ["recover.used", {}]
        return response
    what = form.problem or Problem(texts("error.empty"), 400)
    if what.ends_login:
        logout(request)
        return shown(request, what, "ended", login_page=auth.login_page(), error=what.message)
    page = challenge_page(gate, login, texts, recovery=kind.recovery, error=what.message)
    return shown(request, what, "challenge", page=page)


@page("POST")
def cancel(request: HttpRequest) -> HttpResponse:
    """Ends a half-login, or goes back from being asked again."""
    login = auth.load(request)
    if login is not None and login.stage == "full":
        return _to("settings")
    return auth.log_out(request)


# Set-up


@page("GET", "HEAD", "POST")
def set_up(request: HttpRequest) -> HttpResponse:
    """Shows the key that waits for its code, or offers to make one."""
    login, gate = _may_set_up(request)
    what: Problem | None = None
    if request.method == "POST":
        form = NameForm(request.POST)
        form.is_valid()
        try:
            auth.save_login(request, gate.enroll(login, form.cleaned_data.get("name", "")))
            return _to("set_up")
        except MFAError as error:
            what = auth.problem_of(request, error)
    message = what.message if what else ""
    return shown(request, what, "set_up", page=set_up_page(gate, login, texts, gate.pending(login), error=message))


@page("POST")
def confirm(request: HttpRequest) -> HttpResponse:
    """Ends set-up, and shows the recovery codes if they are new."""
    login, gate = _may_set_up(request)
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        what = Problem(texts("error.empty"), 400)
    else:
        try:
            entered, codes = gate.confirm(login, form.cleaned_data["code"])
        except MFAError as error:
            what = auth.problem_of(request, error)
        else:
            auth.promote(request, entered)
            request.session[auth.MESSAGE] = ["setup.done", {}]
            if not codes:
                return _to("settings")
            # Where to go when they are saved.
            auth.save_login(request, replace(entered, next=login.next if login.stage == "set-up" else ""))
            return render(request, "codes", page=CodesPage(tuple(codes)))
    if what.expired:
        login = replace(login, pending="")
        auth.save_login(request, login)
    page = set_up_page(gate, login, texts, gate.pending(login), error=what.message)
    return shown(request, what, "set_up", page=page)


def _may_set_up(request: HttpRequest) -> tuple[Login, Gate]:
    login = auth.load(request)
    gate = auth.gate_of(request, login)
    return gate.may_set_up(login), gate


# Recovery codes


@page("GET", "HEAD", "POST")
def new_codes(request: HttpRequest) -> HttpResponse:
    """Makes new recovery codes, and shows them this once."""
    login, gate = _inside(request)
    login = gate.fresh(login)
    if request.method != "POST":
        return render(request, "new_codes", error="")
    try:
        kept, codes = gate.new_codes(login)
    except NotEnrolled:
        return _to("settings")
    auth.save_login(request, replace(kept, next=""))
    return render(request, "codes", page=CodesPage(tuple(codes)))


@page("POST")
def saved(request: HttpRequest) -> HttpResponse:
    """The user says that the codes are saved, or wants them as a file: they come back with the form, since nothing here
    keeps them."""
    login, gate = _inside(request)
    form = SavedForm(request.POST)
    form.is_valid()
    if form.cleaned_data["download"]:
        text = codes_file(form.codes, texts, issuer=gate.mfa.issuer, account=login.account_name)
        response = HttpResponse(text, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
        return response
    if not form.cleaned_data["saved"]:
        what = Problem(texts("codes.unsaved"), 400)
        return shown(request, what, "codes", page=CodesPage(form.codes, what.message))
    auth.save_login(request, replace(login, unsaved_codes=False, next=""))
    return HttpResponseRedirect(login.next) if login.next else _to("settings")


# Settings


@page("GET", "HEAD")
def settings(request: HttpRequest) -> HttpResponse:
    """What there is, and what can be changed."""
    login, gate = _inside(request)
    message_id, values = request.session.pop(auth.MESSAGE, None) or ("", {})
    message = texts(message_id, **values) if message_id else ""
    return render(request, "settings", page=settings_page(gate, login, texts, message=message))


@page("GET", "HEAD", "POST")
def remove(request: HttpRequest, factor_id: str) -> HttpResponse:
    """Removes a factor of the user's own."""
    login, gate = _inside(request)
    try:
        page = remove_page(gate, gate.factor(login, factor_id), texts)
        if request.method != "POST":
            return render(request, "remove", page=page, error="")
        gate.remove(login, factor_id)
        request.session[auth.MESSAGE] = ["settings.removed", {"name": page.factor.name}]
    except NotEnrolled:
        request.session[auth.MESSAGE] = ["settings.gone", {}]
    except LastFactor:
        request.session[auth.MESSAGE] = ["remove.needed", {}]
    return _to("settings")


@page("POST")
def forget_devices(request: HttpRequest, series: str | None = None) -> HttpResponse:
    """Trusts one of the user's devices no more, or none of them."""
    login, gate = _inside(request)
    there = gate.forget_devices(login, series)
    request.session[auth.MESSAGE] = ["settings.devices.forgotten" if there else "settings.gone", {}]
    return _to("settings")


# Style and script


def static(request: HttpRequest, path: str) -> HttpResponseBase:
    """Those of all integrations, for everybody; they need no collectstatic."""
    return serve(request, path, document_root=_STATIC)


_STATIC = str(Path(web.__file__).parent / "static")
_open(static)


# Below


def _inside(request: HttpRequest) -> tuple[Login, Gate]:
    login = auth.load(request)
    gate = auth.gate_of(request, login)
    login = gate.inside(login)
    if not request.user.is_authenticated:
        raise LoginRequired
    return login, gate


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """What the service could not decide."""
    if not isinstance(error, MFAError):
        raise error
    what = auth.problem_of(request, error)
    if not isinstance(error, StoreUnavailable) and what.status < 500:
        what = replace(what, status=500)
    return shown(request, what, "unavailable", error=what.message)


def shown(request: HttpRequest, what: Problem | None, template: str, **values: Any) -> HttpResponse:
    """A page that says what is wrong, if anything is."""
    response = render(request, template, status=what.status if what else 200, **values)
    if what is not None and what.retry_after is not None:
        response["Retry-After"] = str(what.retry_after)
    return response


def render(request: HttpRequest, template: str, *, status: int = 200, **values: Any) -> HttpResponse:
    """One of the pages."""
    context = {
        "heading": _heading(template, values.get("page")),
        "ferrotp_base": conf().base_template,
        "ferrotp_lang": get_language() or site.LANGUAGE_CODE,
        **values,
    }
    response = render_template(request, f"ferrotp/{template}.html", context, status=status)
    response["Cache-Control"] = PAGE_HEADERS["Cache-Control"]
    return response


def _heading(template: str, page: Any) -> str:
    if template == "challenge":
        return texts("challenge.again" if page.again else "recover.title" if page.recovery else "challenge.title")
    return page.title if template == "remove" else texts(_HEADINGS[template])


_HEADINGS = {
    "codes": "codes.title",
    "ended": "error.gone",
    "new_codes": "codes.new.title",
    "set_up": "setup.title",
    "settings": "settings.title",
    "unavailable": "error.unavailable.title",
}


def _to(name: str) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"ferrotp:{name}"))


__all__ = ["LoginView"]
