"""The application, as `INSTALLED_APPS` knows it."""

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured


class AllauthConfig(AppConfig):
    """``"ferrotp.adapters.allauth"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.allauth"
    label = "ferrotp_allauth"
    verbose_name = "Second factor (django-allauth)"
    ferrotp_adapter = True

    def ready(self) -> None:
        for needed in ("allauth.mfa", "ferrotp.django"):
            if not apps.is_installed(needed):
                raise ImproperlyConfigured(f'"{self.name}" in INSTALLED_APPS needs "{needed}" there, too')
        from ferrotp.django.connections import note_transactions

        from . import checking

        note_transactions()
        checking.connect()
