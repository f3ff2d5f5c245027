"""What the application listens to."""

from typing import Any

from django.db.models.signals import post_delete

from .models import SealedTOTPDevice


def connect() -> None:
    """When the applications are loaded."""
    post_delete.connect(_deleted, sender=SealedTOTPDevice, dispatch_uid="ferrotp_otp")


def _deleted(instance: SealedTOTPDevice, **more: Any) -> None:
    instance.forget()
