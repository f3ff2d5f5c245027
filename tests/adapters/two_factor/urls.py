"""django-two-factor-auth's pages, one behind `otp_required`, and the admin that it gates."""

import two_factor.forms
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django_otp import oath
from django_otp.decorators import otp_required
from django_otp.plugins.otp_totp import models as stock
from two_factor.admin import AdminSiteOTPRequired
from two_factor.urls import urlpatterns as pages

from adapters.base import URLS, WITH_FERROTP, StoppedTime, now

stock.time = StoppedTime
two_factor.forms.time = oath.time = now


@otp_required
def inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"verified: {request.user.is_verified()}")


site = AdminSiteOTPRequired()
if WITH_FERROTP:
    from ferrotp.django.admin import FactorAdmin
    from ferrotp.django.models import Factor

    site.register(Factor, FactorAdmin)

urlpatterns = [*URLS, path("", include(pages)), path("inside", inside), path("admin/", site.urls)]
