"""The application, as `INSTALLED_APPS` knows it."""

from django.apps import AppConfig


class DjangoOTPConfig(AppConfig):
    """``"ferrotp.adapters.django_otp"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.django_otp"
    label = "ferrotp_otp"
    verbose_name = "Second factor (django-otp)"
    default_auto_field = "django.db.models.BigAutoField"
    ferrotp_adapter = True

    def ready(self) -> None:
        from ferrotp.django.connections import note_transactions

        from . import receivers

        note_transactions()
        receivers.connect()
