"""What the application listens to."""

from contextlib import suppress
from typing import Any

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
    setting_changed.connect(_setting_changed, dispatch_uid="ferrotp")
    checks.register()


def _setting_changed(setting: str, **more: Any) -> None:
    if setting in ("FERROTP", "DATABASES"):
        service.forget()
