"""The site's pages, with a login page that offers to sign in by a passkey."""

from django.urls import path

from ferrotp.django import LoginView

from . import urls

urlpatterns = [path("login", LoginView.as_view(template_name="sign_in_login.html")), *urls.urlpatterns]
