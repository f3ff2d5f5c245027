"""The application, as `INSTALLED_APPS` knows it."""

import time
from typing import Any
from urllib.parse import urlencode

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpResponseRedirect
from django.urls import reverse


class AllauthConfig(AppConfig):
    """``"ferrotp.adapters.allauth"`` in `INSTALLED_APPS`."""

    name = "ferrotp.adapters.allauth"
    label = "ferrotp_allauth"
    verbose_name = "Second factor (django-allauth)"
    ferrotp_adapter = True

    def ferrotp_refusal(self, request: Any) -> Any:
        """For ferrotp's pages in the admin: staff who reset a user have just shown a second factor to allauth; others
        are led to its page that asks again.

        :raises PermissionDenied: if they have none
        """
        from allauth.account.authentication import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            get_authentication_records,
        )
        from allauth.mfa.utils import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            is_mfa_enabled,
        )

        from ferrotp.django.conf import conf

        records = get_authentication_records(request, request.user)
        shown_at = [record["at"] for record in records if record["method"] == "mfa"]
        if any(0 <= time.time() - at < conf().fresh_seconds for at in shown_at):
            return None
        if not is_mfa_enabled(request.user):
            raise PermissionDenied("set up a second factor first")
        return HttpResponseRedirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")

    def ready(self) -> None:
        for needed in ("allauth.mfa", "ferrotp.django"):
            if not apps.is_installed(needed):
                raise ImproperlyConfigured(f'"{self.name}" in INSTALLED_APPS needs "{needed}" there, too')
        from ferrotp.django.connections import note_transactions

        from . import checking

        note_transactions()
        checking.connect()
