"""django-otp's login, a page behind `otp_required`, its admin, and a set-up of a few lines, as its users write it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django_otp import match_token, verify_token
from django_otp.admin import OTPAdminSite
from django_otp.decorators import otp_required
from django_otp.plugins.otp_totp import models as stock
from django_otp.views import LoginView

from adapters.base import URLS, WITH_FERROTP, StoppedTime

stock.time = StoppedTime

if WITH_FERROTP:
    from ferrotp.adapters.django_otp.models import SealedTOTPDevice as Device
else:
    Device = stock.TOTPDevice


@login_required
def set_up(request: HttpRequest) -> HttpResponse:
    """GET makes a device and shows it, POST confirms it."""
    if request.method == "GET":
        device = Device.objects.create(user=request.user, name="phone", confirmed=False)
        return JsonResponse({"device": device.persistent_id, "uri": device.config_url})
    device = Device.from_persistent_id(request.POST["device"])
    if device.user_id != request.user.pk or not device.verify_token(request.POST["token"]):
        return HttpResponse("no", status=403)
    device.confirmed = True
    device.save()
    return HttpResponse("yes")


def show_again(request: HttpRequest) -> HttpResponse:
    """What somebody asks for who wants a confirmed device's secret."""
    return JsonResponse({"uri": Device.from_persistent_id(request.GET["device"]).config_url})


class _Undone(Exception):
    pass


def guess_and_undo(request: HttpRequest) -> HttpResponse:
    """A guess in a transaction that is rolled back."""
    user = User.objects.get(pk=request.GET["id"])
    found: Any = None
    try:
        with transaction.atomic():
            found = verify_token(user, request.GET["device"], request.GET["token"])
            raise _Undone
    except _Undone:
        return JsonResponse({"accepted": found is not None})


def match(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(pk=request.GET["id"])
    return JsonResponse({"accepted": match_token(user, request.GET["token"]) is not None})


@otp_required
def inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"verified: {request.user.is_verified()}")


site = OTPAdminSite()
if WITH_FERROTP:
    from ferrotp.adapters.django_otp.admin import SealedTOTPDeviceAdmin
    from ferrotp.django.admin import FactorAdmin
    from ferrotp.django.models import Factor

    site.register(Device, SealedTOTPDeviceAdmin)
    site.register(Factor, FactorAdmin)

urlpatterns = [
    *URLS,
    path("login", LoginView.as_view()),
    path("set-up", set_up),
    path("show-again", show_again),
    path("guess-and-undo", guess_and_undo),
    path("match", match),
    path("inside", inside),
    path("admin/", site.urls),
]
