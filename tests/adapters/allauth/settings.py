"""A site with django-allauth's own pages, and its API."""

from adapters.base import WITH_FERROTP, common

globals().update(common())
INSTALLED_APPS += ["allauth", "allauth.account", "allauth.mfa", "allauth.headless"]  # noqa: F821
if WITH_FERROTP:
    INSTALLED_APPS += ["ferrotp.django", "ferrotp.adapters.allauth"]
    MFA_ADAPTER = "ferrotp.adapters.allauth.adapter.SealingMFAAdapter"
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]  # noqa: F821
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "adapters.allauth.urls"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_REAUTHENTICATION_REQUIRED = False
# By address and in each process's own memory: all these users come from one.
ACCOUNT_RATE_LIMITS = False
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True
HEADLESS_FRONTEND_URLS = {"account_signup": "/"}
