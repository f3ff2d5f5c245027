"""A site as shops have them: users with UUIDs who log in by address, German, no time zones, `ATOMIC_REQUESTS`, the
second factors in a database of their own, a cache for the whole site, a strict policy, single sign-on, and, where this
Django has them, REST framework and django-hijack. Where its data are, and in which databases, is in the environment.
"""

import importlib.util
import json
import os
from pathlib import Path

FOLDER = Path(os.environ["SHOP_FOLDER"])


def _sqlite(name: str) -> dict[str, object]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / f"{name}.sqlite3")}


_databases = json.loads(os.environ.get("SHOP_DATABASES", "{}")) or {
    "default": _sqlite("site"),
    "factors": _sqlite("factors"),
}
_there = [name for name in ("rest_framework", "hijack") if importlib.util.find_spec(name)]
_apps = ["admin", "auth", "contenttypes", "sessions", "messages"]

SECRET_KEY = "for tests, and known to everybody who reads them"
ALLOWED_HOSTS = ["*"]
DATABASES = {**_databases, "default": {**_databases["default"], "ATOMIC_REQUESTS": True}}
DATABASE_ROUTERS = ["in_django.shop.router.Router"]
AUTH_USER_MODEL = "shop.Account"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "in_django.shop.sign_on.SignOnBackend"]
MIGRATION_MODULES = {**dict.fromkeys(_apps), "shop": None}
ROOT_URLCONF = "in_django.shop_urls"
INSTALLED_APPS = [*(f"django.contrib.{name}" for name in _apps), "in_django.shop", "ferrotp.django", *_there]
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ferrotp.django.middleware.MFAMiddleware",
    *(["hijack.middleware.HijackUserMiddleware"] if "hijack" in _there else []),
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": FOLDER / "cache"}}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["'none'"], "style-src": ["'self'"], "script-src": ["'self'"]}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/vault"
USE_TZ = False
TIME_ZONE = "Europe/Berlin"
LANGUAGE_CODE = "de"
SESSION_COOKIE_SECURE = True
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = FOLDER / "mails"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "EXCEPTION_HANDLER": "ferrotp.django.drf.exception_handler",
}
FERROTP = {
    "ISSUER": "Shop",
    "KEYS": os.environ["SHOP_KEYS"],
    "DATABASE": "factors",
    "POLICY": "cheap_for_tests",
    "REQUIRED": [{"who": "staff"}, {"who": "group:Zwei Schritte"}],
    "NOTIFY": "mail",
    "CLOCK": "in_django.shop.clock.now",
}
