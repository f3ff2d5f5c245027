"""A site that logs in with django-otp's own view and form."""

from adapters.base import WITH_FERROTP, common

globals().update(common())
INSTALLED_APPS += ["django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static"]  # noqa: F821
if WITH_FERROTP:
    INSTALLED_APPS += ["ferrotp.django", "ferrotp.adapters.django_otp"]
MIDDLEWARE.insert(4, "django_otp.middleware.OTPMiddleware")  # noqa: F821
ROOT_URLCONF = "adapters.django_otp.urls"
LOGIN_URL = OTP_LOGIN_URL = "/login"
