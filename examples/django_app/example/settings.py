"""A small site with its own users and an admin, to which ferrotp adds the second factor.

The lines that are about it are marked by ``# MFA``.
"""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ferrotp.vault import new_key  # MFA

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("EXAMPLE_FOLDER") or HERE.parent / "instance").absolute()
FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)


def kept(path: Path, make: Callable[[], str]) -> str:
    """What a file holds, or is made to hold: for its owner's eyes."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = kept(FOLDER / "secret-key", lambda: secrets.token_urlsafe(50))
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
ASGI_APPLICATION = "example.asgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ferrotp.django",  # MFA
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example.middleware.strict",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "example.middleware.remember",
    "ferrotp.django.middleware.MFAMiddleware",  # MFA
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {
    "default": json.loads(os.environ.get("EXAMPLE_DATABASE", "null"))
    or {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3", "OPTIONS": {"timeout": 5}},
}
DATABASES["default"]["ATOMIC_REQUESTS"] = "EXAMPLE_ATOMIC_REQUESTS" in os.environ
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]  # what this site's own pages speak; ferrotp's speak more
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE.parent.parent / "flask_app" / "static"]  # one style for both examples
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "inside"
LOGOUT_REDIRECT_URL = "index"
SESSION_COOKIE_NAME = "session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = "EXAMPLE_HTTPS" in os.environ
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
if "EXAMPLE_MAILS" in os.environ:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = os.environ["EXAMPLE_MAILS"]
if "EXAMPLE_CHEAP_PASSWORDS" in os.environ:  # for tests
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Passkeys are of a domain, and of pages by https, or at localhost: EXAMPLE_ORIGIN=http://localhost:8000
ORIGIN = os.environ.get("EXAMPLE_ORIGIN", "")
PASSKEYS = {"passkeys": {"rp_id": "localhost", "origins": [ORIGIN], "sign_in": True}} if ORIGIN else {}

# Who must have a second factor: "all", or such as "staff,group:finance".
REQUIRED = "all" if os.environ.get("EXAMPLE_MODE") == "required" else os.environ.get("EXAMPLE_REQUIRED", "")

FERROTP = {  # MFA
    "ISSUER": "Ferrotp example",
    "KEYS": kept(FOLDER / "mfa-key", new_key),
    "POLICY": {"trusted_device_days": 30, **PASSKEYS},
    "REQUIRED": [{"who": who} for who in REQUIRED.split(",") if who],
    "BASE_TEMPLATE": "base.html",
    "NOTIFY": "mail",
    "CLOCK": os.environ.get("EXAMPLE_CLOCK"),
}
