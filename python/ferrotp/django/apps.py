"""The application, as `INSTALLED_APPS` knows it."""

from django.apps import AppConfig

from .words import lazy_word as _


class FerrotpConfig(AppConfig):
    """``"ferrotp.django"`` in `INSTALLED_APPS`."""

    name = "ferrotp.django"
    label = "ferrotp"
    verbose_name = _("Second factor")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import receivers

        receivers.connect()
