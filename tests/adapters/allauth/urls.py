"""django-allauth's pages, its API, and one page for who is logged in."""

from allauth.mfa.totp.internal import auth
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from adapters.base import URLS, StoppedTime

auth.time = StoppedTime


@login_required
def inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse("inside")


urlpatterns = [
    *URLS,
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("inside", inside),
    path("admin/", admin.site.urls),
]
