"""The site that the tests log into: settings, URLs and a few views, in this process."""

import tempfile
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from ferrotp.vault import new_key

FOLDER = Path(tempfile.mkdtemp(prefix="ferrotp-django-"))
PASSWORD = "correct horse battery"


def set_up_site() -> None:
    """Django, with all that a site has."""
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="for tests, and known to everybody who reads them",
        DEBUG=False,
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / "site.sqlite3")}},
        ROOT_URLCONF="in_django.urls",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "ferrotp.django",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "ferrotp.django.middleware.MFAMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [Path(__file__).parent / "templates"],
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ],
                },
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LOGIN_URL="/login",
        LOGIN_REDIRECT_URL="/inside",
        USE_TZ=True,
        LANGUAGE_CODE="en",
        SESSION_COOKIE_SECURE=True,
        FERROTP=given(),
    )
    django.setup()


_KEY = new_key()


def given(**more: Any) -> dict[str, Any]:
    """``FERROTP``, with this otherwise."""
    return {"ISSUER": "ACME", "KEYS": _KEY, "POLICY": "cheap_for_tests", **more}
