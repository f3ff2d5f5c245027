"""What the application listens to."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.signals import setting_changed
from django.db import transaction
from django.db.models.signals import post_delete

from ferrotp.mfa import InvalidIdentifier

from . import auth, checks, service


def connect() -> None:
    """When the applications are loaded."""
    user_logged_in.connect(auth.note_login, dispatch_uid="ferrotp")
    user_logged_out.connect(auth.note_logout, dispatch_uid="ferrotp")
    post_delete.connect(_user_deleted, sender=settings.AUTH_USER_MODEL, dispatch_uid="ferrotp")
    setting_changed.connect(_setting_changed, dispatch_uid="ferrotp")
    checks.register()


def _user_deleted(instance: Any, using: str, **more: Any) -> None:
    """What there was of the user goes, once it is sure that the user does."""
    user_id = service.user_id_of(instance)

    def reset() -> None:
        with suppress(InvalidIdentifier):  # such a user had nothing
            service.get_mfa().reset(user_id=user_id, by=f"{get_user_model().__name__} deleted")

    transaction.on_commit(reset, using=using, robust=True)


def _setting_changed(setting: str, **more: Any) -> None:
    if setting in ("FERROTP", "DATABASES"):
        service.forget()
