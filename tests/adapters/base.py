"""What the sites of all frameworks share: settings, a clock that the tests turn, and a way to look inside."""

import json
import os
from pathlib import Path
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

DATABASE = json.loads(os.environ.get("ADAPTERS_DATABASE", "{}"))
WITH_FERROTP = os.environ.get("ADAPTERS_SIDE", "ferrotp") == "ferrotp"
PASSWORD = "correct horse battery"


def now() -> float:
    """Where the clock stands, for ferrotp and for the framework."""
    return float(Path(os.environ["ADAPTERS_CLOCK"]).read_text())


class StoppedTime:
    """Instead of the module `time`, where a framework looks for the moment that codes are of."""

    time = staticmethod(now)


def common() -> dict[str, Any]:
    """Settings of any site, for ``globals().update``."""
    return {
        "SECRET_KEY": "for tests, and known to everybody who reads them",
        "ALLOWED_HOSTS": ["*"],
        "DATABASES": {"default": DATABASE},
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin",
        ],
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        "TEMPLATES": [
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
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "LOGIN_REDIRECT_URL": "/inside",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "USE_TZ": True,
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "loggers": {"ferrotp.mfa": {"handlers": ["console"], "level": "WARNING"}},
        },
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "FERROTP": {
            "ISSUER": "ACME",
            "KEYS": os.environ["FERROTP_KEYS"],
            "POLICY": "cheap_for_tests",
            "CLOCK": "adapters.base.now",
        },
    }


def make_user(request: HttpRequest) -> JsonResponse:
    """A user with a password and nothing else."""
    from django.contrib.auth.models import User

    name = request.GET["name"]
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True, is_superuser=True)
    return JsonResponse({"id": user.pk})


def make_session(request: HttpRequest) -> JsonResponse:
    """A login by password alone, as a user has it who sets up a first device."""
    from django.contrib.auth import login
    from django.contrib.auth.models import User

    login(request, User.objects.get(username=request.GET["name"]), "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return JsonResponse({"session": request.session.session_key})


def failures(request: HttpRequest) -> JsonResponse:
    """How many failures in a row ferrotp has counted of a user."""
    from ferrotp.django.service import get_mfa

    return JsonResponse({"failures": get_mfa().status(user_id=request.GET["id"]).failures})


URLS = [path("_user", make_user), path("_session", make_session), path("_failures", failures)]
