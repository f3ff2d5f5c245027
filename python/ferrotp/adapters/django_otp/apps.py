"""The application, as `INSTALLED_APPS` knows it."""

from django.apps import AppConfig
from django.db.models.signals import post_delete


class DjangoOTPConfig(AppConfig):
    """``"ferrotp.adapters.django_otp"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.django_otp"
    label = "ferrotp_otp"
    verbose_name = "Second factor (django-otp)"
    default_auto_field = "django.db.models.BigAutoField"
    ferrotp_adapter = True

    def ready(self) -> None:
        from ferrotp.django.connections import note_transactions
        from ferrotp.django.service import mfa_event

        from .models import SealedTOTPDevice, forget_factor, forget_rows

        note_transactions()
        post_delete.connect(forget_factor, sender=SealedTOTPDevice, dispatch_uid="ferrotp_otp")
        mfa_event.connect(forget_rows, dispatch_uid="ferrotp_otp")
