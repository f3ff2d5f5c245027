"""Where the pages are."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView, PasswordResetConfirmView, PasswordResetView
from django.contrib.staticfiles.views import serve
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("register", views.register, name="register"),
    path("login", views.Login.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("inside", views.inside, name="inside"),
    path("vault", views.vault, name="vault"),
    path("async-vault", views.async_vault, name="async_vault"),
    path("password", views.password, name="password"),
    path("api/me", views.api_me, name="api_me"),
    path("api/guess", views.api_guess, name="api_guess"),
    path("reset", PasswordResetView.as_view(success_url="/"), name="password_reset"),
    path(
        "reset/<uidb64>/<token>/",
        PasswordResetConfirmView.as_view(post_reset_login=True, success_url="/inside"),
        name="password_reset_confirm",
    ),
    path("mfa/", include("ferrotp.django.urls")),  # MFA
    path("admin/", admin.site.urls),
    path("static/<path:path>", serve, {"insecure": True}),
]
