"""The pages: ``path("mfa/", include("ferrotp.django.urls"))``."""

from pathlib import Path

from django.urls import path
from django.views.static import serve

import ferrotp.web

from . import views

# Style and script are those of all integrations, and need no collectstatic.
STATIC = Path(ferrotp.web.__file__).parent / "static"

app_name = "ferrotp"
urlpatterns = [
    path("", views.settings, name="settings"),
    path("challenge", views.challenge, name="challenge"),
    path("recover", views.recover, name="recover"),
    path("cancel", views.cancel, name="cancel"),
    path("set-up", views.set_up, name="set_up"),
    path("set-up/confirm", views.confirm, name="confirm"),
    path("recovery-codes", views.new_codes, name="new_codes"),
    path("recovery-codes/saved", views.saved, name="saved"),
    path("factors/<str:factor_id>/remove", views.remove, name="remove"),
    path("devices/forget", views.forget_devices, name="forget_devices"),
    path("devices/<str:series>/forget", views.forget_devices, name="forget_device"),
    path("static/<path:path>", serve, {"document_root": STATIC}, name="static"),
]
