from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


urlpatterns = [
    path("", page, name="home"),
    path("admin/", admin.site.urls),
    path("mfa/", include("mfa.urls")),
    path("auth/login/", page, name="login"),
    path("auth/logout/", page, name="logout"),
]
