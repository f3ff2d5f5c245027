"""The pages of the site of `tenants_site`."""

from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from ferrotp.django import LoginView


@login_required
def inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"inside {connection.schema_name}")


urlpatterns = [
    path("inside", inside),
    path("login", LoginView.as_view(template_name="login.html")),
    path("mfa/", include("ferrotp.django.urls")),
]
