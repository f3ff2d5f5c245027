"""The devices in the admin: seen, renamed and removed. No secret is shown there; its user adds a device."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import SealedTOTPDevice


@admin.register(SealedTOTPDevice)
class SealedTOTPDeviceAdmin(admin.ModelAdmin):  # type: ignore[type-arg,unused-ignore]
    """Whose device, since when, and when it was last used."""

    list_display = ("user", "name", "confirmed", "created_at")
    list_filter = ("confirmed", "created_at")
    raw_id_fields = ("user",)
    fields = ("user", "name", "confirmed", "created_at", "last_used_at")
    readonly_fields = ("user", "confirmed", "created_at", "last_used_at")
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def last_used_at(self, device: SealedTOTPDevice) -> Any:
        return device.last_used_at
