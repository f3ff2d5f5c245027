from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from mfa.decorators import public
from mfa.views import LoginView


@login_required
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("", home),
    path("login/", LoginView.as_view()),
    path("logout/", public(LogoutView.as_view(next_page="/"))),
    path("admin/", admin.site.urls),
    path("mfa/", include("mfa.urls", namespace="mfa")),
]
