"""The application, as `INSTALLED_APPS` knows it."""

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured


class TwoFactorConfig(AppConfig):
    """``"ferrotp.adapters.two_factor"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.two_factor"
    label = "ferrotp_two_factor"
    verbose_name = "Second factor (django-two-factor-auth)"
    ferrotp_adapter = True

    def ready(self) -> None:
        for needed in ("two_factor", "ferrotp.adapters.django_otp"):
            if not apps.is_installed(needed):
                raise ImproperlyConfigured(f'"{self.name}" in INSTALLED_APPS needs "{needed}" there, too')
        from two_factor.plugins.registry import registry  # type: ignore[import-untyped,import-not-found,unused-ignore]

        from .method import SealedGeneratorMethod

        # The wizard knows the method by its code, and crashes with a new one.
        registry.unregister(SealedGeneratorMethod.code)
        registry.register(SealedGeneratorMethod())
