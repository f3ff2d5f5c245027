"""`mypy.stubtest`, in a process where Django's applications are loaded: some modules are not to be imported before."""

import sys
from importlib.util import find_spec

import django
from django.conf import settings
from mypy.stubtest import main

# Its newest release wants Python 3.11.
ALLAUTH = ["allauth", "allauth.account", "allauth.mfa", "ferrotp.adapters.allauth"] if find_spec("allauth") else []

settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_otp",
        "django_otp.plugins.otp_totp",
        "django_otp.plugins.otp_static",
        "two_factor",
        "ferrotp.django",
        "ferrotp.adapters.django_otp",
        "ferrotp.adapters.two_factor",
        *ALLAUTH,
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"] if ALLAUTH else [],
    FERROTP={"ISSUER": "ACME"},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
sys.exit(main())
