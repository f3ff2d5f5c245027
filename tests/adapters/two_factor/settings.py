"""A site with django-two-factor-auth's own pages."""

from adapters.base import WITH_FERROTP, common

globals().update(common())
INSTALLED_APPS += [  # noqa: F821
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "two_factor",
]
if WITH_FERROTP:
    INSTALLED_APPS += ["ferrotp.django", "ferrotp.adapters.django_otp", "ferrotp.adapters.two_factor"]
MIDDLEWARE.insert(4, "django_otp.middleware.OTPMiddleware")  # noqa: F821
ROOT_URLCONF = "adapters.two_factor.urls"
LOGIN_URL = "two_factor:login"
TWO_FACTOR_PATCH_ADMIN = True
