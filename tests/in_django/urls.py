"""The site's pages, with each way in that sites have."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import authenticate, login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import LogoutView, PasswordChangeView, PasswordResetConfirmView
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from ferrotp.django import (
    LoginView,
    MFARequiredMixin,
    begin_login,
    fresh_mfa_required,
    get_async_mfa,
    get_mfa,
    mfa_exempt,
    mfa_required,
)
from ferrotp.django.admin import MFAAdminSite
from ferrotp.django.forms import ChallengeForm
from ferrotp.django.models import Factor
from ferrotp.django.views import page
from ferrotp.mfa import InvalidCode

own_admin = MFAAdminSite("own_admin")
own_admin.register(Factor)


def say(text: str) -> Any:
    return lambda request: HttpResponse(f"{text} {request.user.get_username() or 'nobody'}")


def custom_login(request: HttpRequest) -> HttpResponse:
    """A login view of the site's own, by the hook."""
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    return begin_login(request, user) if user else HttpResponse("no", status=400)


def careless_login(request: HttpRequest) -> HttpResponse:
    """A login view that knows of no second factor: a link in a mail, an API, single sign-on."""
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    login(request, user)
    return HttpResponse("done")


def token(get_response: Any) -> Any:
    """A middleware of the site's, which knows users by a token in a header and by no session."""

    def respond(request: HttpRequest) -> HttpResponse:
        if name := request.headers.get("X-Token"):
            request.user = User.objects.get(username=name)
        return get_response(request)

    return respond


def remember(get_response: Any) -> Any:
    """A middleware of the site's, which logs in whomever a cookie remembers."""

    def respond(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated and (name := request.COOKIES.get("remember")):
            login(request, User.objects.get(username=name))
        return get_response(request)

    return respond


@page("GET", "POST")
def own_challenge(request: HttpRequest) -> HttpResponse:
    """A page of the site's own, in the place of ours."""
    form = ChallengeForm(request, request.POST or None)
    if form.is_valid():
        return form.complete_login()
    return HttpResponse(f"OWN {form.as_p()}", status=form.problem.status if form.problem else 200)


def guess(request: HttpRequest) -> HttpResponse:
    """Checks a code, and fails afterwards, in any case."""
    try:
        get_mfa().verify(user_id=str(request.user.pk), code=request.POST["code"])
    finally:
        raise RuntimeError("the view fails")


def guess_inside(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        get_mfa().verify(user_id=str(request.user.pk), code=request.POST["code"])
    return HttpResponse("right")


def write_and_guess(request: HttpRequest) -> HttpResponse:
    request.user.first_name = "written"
    request.user.save()
    get_mfa().verify(user_id=str(request.user.pk), code=request.POST["code"])
    return HttpResponse("right")


@mfa_required
async def async_vault(request: HttpRequest) -> HttpResponse:
    user = await request.auser() if hasattr(request, "auser") else request.user  # Django 5
    return HttpResponse(f"async vault {user.get_username()}")


@mfa_required  # unlike `login_required`, it takes coroutine functions on Django 4.2, too
async def async_guess(request: HttpRequest) -> HttpResponse:
    user = await request.auser() if hasattr(request, "auser") else request.user  # Django 5
    try:
        get_mfa().verify(user_id=user.pk, code=request.POST["code"])
    except SynchronousOnlyOperation:
        pass
    else:
        raise AssertionError("a coroutine was held up")
    try:
        await get_async_mfa().verify(user_id=user.pk, code=request.POST["code"])
    except InvalidCode:
        return HttpResponse("wrong")
    return HttpResponse("right")


class ClassVault(MFARequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return say("class vault")(request)


class AsyncClassVault(MFARequiredMixin, View):
    fresh = True

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("async class vault")


@method_decorator(login_required, name="dispatch")
class PasswordChange(PasswordChangeView):
    success_url = "/inside"


urlpatterns = [
    path("", say("index")),
    path("login", LoginView.as_view(template_name="login.html"), name="login"),
    path("plain-login", DjangoLoginView.as_view(template_name="login.html", redirect_authenticated_user=True)),
    path("custom-login", custom_login),
    path("careless-login", careless_login),
    path("logout", LogoutView.as_view(next_page="/")),
    path("inside", login_required(say("inside")), name="inside"),
    path("due", lambda request: HttpResponse(str(request.mfa.due and request.mfa.due.date()))),
    path("vault", mfa_required(say("vault"))),
    path("fresh-vault", fresh_mfa_required(say("fresh vault"))),
    path("async-vault", async_vault),
    path("async-guess", async_guess),
    path("class-vault", ClassVault.as_view()),
    path("async-class-vault", AsyncClassVault.as_view()),
    path("api", mfa_exempt(say("api"))),
    path("guess", guess),
    path("guess-inside", guess_inside),
    path("write-and-guess", write_and_guess),
    path("password", PasswordChange.as_view(template_name="login.html")),
    path(
        "reset/<uidb64>/<token>/",
        PasswordResetConfirmView.as_view(post_reset_login=True, success_url="/inside", template_name="login.html"),
        name="password_reset_confirm",
    ),
    path("mfa/", include("ferrotp.django.urls")),
    path("admin/", admin.site.urls),
    path("own-admin/", own_admin.urls),
]
