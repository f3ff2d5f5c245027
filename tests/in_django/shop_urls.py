"""The pages of the shop."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from ferrotp.django import LoginView, fresh_mfa_required, mfa_required

from .shop.sign_on import callback


def fail(request: HttpRequest) -> HttpResponse:
    """A view whose transaction is rolled back, after a guess that stays counted."""
    from ferrotp.django import get_mfa

    get_mfa().verify(user_id=request.user.pk, code=request.POST["code"])
    raise AssertionError("a wrong code is no yes")


change = PasswordChangeView.as_view(template_name="login.html", success_url="/vault")
urlpatterns: list[Any] = [
    path("login", LoginView.as_view(template_name="login.html")),
    path("vault", mfa_required(lambda request: HttpResponse("vault"))),
    path("transfer", fresh_mfa_required(lambda request: HttpResponse("sent"))),
    path("guess", login_required(fail)),
    path("password", login_required(change)),
    path("sso", callback),
    path("mfa/", include("ferrotp.django.urls")),
    path("admin/", admin.site.urls),
]
if apps.is_installed("hijack"):
    urlpatterns.append(path("hijack/", include("hijack.urls")))
if apps.is_installed("rest_framework"):
    from rest_framework.decorators import api_view, permission_classes
    from rest_framework.response import Response

    from ferrotp.django.drf import HasSecondFactor

    @api_view(["GET"])
    @permission_classes([HasSecondFactor])
    def me(request: Any) -> Any:
        return Response({"me": request.user.get_username()})

    urlpatterns.append(path("api/me", me))
