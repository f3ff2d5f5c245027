"""What the application listens to."""

from contextlib import suppress
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db.models.signals import pre_save

from . import auth, checks, deletions, service


def connect() -> None:
    """When the applications are loaded."""
    user_logged_in.connect(auth.note_login, dispatch_uid="ferrotp")
    user_logged_out.connect(auth.note_logout, dispatch_uid="ferrotp")
    with suppress(ImproperlyConfigured):  # the user model is not installed
        pre_save.connect(auth.note_rehash, sender=get_user_model(), dispatch_uid="ferrotp")
    deletions.connect()
    if apps.is_installed("hijack"):
        hijack = import_module("hijack.signals")
        hijack.hijack_started.connect(_hijack_started, dispatch_uid="ferrotp")
        hijack.hijack_ended.connect(_hijack_ended, dispatch_uid="ferrotp")
    setting_changed.connect(_setting_changed, dispatch_uid="ferrotp")
    checks.register()


def _hijack_started(request: Any, **more: Any) -> None:
    auth.begin_impersonation(request, by="django-hijack")


def _hijack_ended(request: Any, **more: Any) -> None:
    auth.end_impersonation(request)


def _setting_changed(setting: str, **more: Any) -> None:
    if setting in ("FERROTP", "DATABASES", "AUTHENTICATION_BACKENDS"):
        service.forget()
