"""The pages of the shop."""

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.urls import include, path

from ferrotp.django import LoginView, mfa_required

change = PasswordChangeView.as_view(template_name="login.html", success_url="/vault")
urlpatterns = [
    path("login", LoginView.as_view(template_name="login.html")),
    path("vault", mfa_required(lambda request: HttpResponse("vault"))),
    path("password", login_required(change)),
    path("mfa/", include("ferrotp.django.urls")),
    path("admin/", admin.site.urls),
]
