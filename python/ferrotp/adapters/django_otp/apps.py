"""The application, as `INSTALLED_APPS` knows it."""

from typing import Any

from django.apps import AppConfig
from django.core.exceptions import PermissionDenied
from django.db.models.signals import post_delete


class DjangoOTPConfig(AppConfig):
    """``"ferrotp.adapters.django_otp"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.django_otp"
    label = "ferrotp_otp"
    verbose_name = "Second factor (django-otp)"
    default_auto_field = "django.db.models.BigAutoField"
    ferrotp_adapter = True

    def ferrotp_refusal(self, request: Any) -> None:
        """For ferrotp's pages in the admin: staff who reset a user have verified a device in this login. There is
        nothing to lead others to: django-otp has no page of its own that asks.

        :raises PermissionDenied: if they have not
        """
        is_verified = getattr(request.user, "is_verified", None)  # of OTPMiddleware
        if is_verified is None or not is_verified():
            raise PermissionDenied("log in with a device first")

    def ready(self) -> None:
        from ferrotp.django.connections import note_transactions
        from ferrotp.django.service import mfa_event

        from .models import SealedTOTPDevice, forget_factor, forget_rows

        note_transactions()
        post_delete.connect(forget_factor, sender=SealedTOTPDevice, dispatch_uid="ferrotp_otp")
        mfa_event.connect(forget_rows, dispatch_uid="ferrotp_otp")
