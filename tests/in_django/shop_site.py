"""A site as shops have them, in a process of its own: users with UUIDs who log in by address, German, no time zones,
`ATOMIC_REQUESTS`, the second factors in a database of their own, a cache for the whole site, a strict policy.

Run by test_shop.py: prints "ok" at its end.
"""

import html
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

from ferrotp.vault import new_key

FOLDER = Path(sys.argv[1])
STRICT = {"default-src": ["'none'"], "style-src": ["'self'"], "script-src": ["'self'"]}


class Router:
    """The second factors are apart."""

    def db_for_read(self, model: Any, **more: Any) -> str:
        return "factors" if model._meta.app_label == "ferrotp" else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **more: Any) -> bool:
        return (app_label == "ferrotp") == (db == "factors")


def database(name: str, **more: Any) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / name), **more}


APPS = ["admin", "auth", "contenttypes", "sessions", "messages"]
settings.configure(
    SECRET_KEY="for tests, and known to everybody who reads them",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": database("site.sqlite3", ATOMIC_REQUESTS=True), "factors": database("factors.sqlite3")},
    DATABASE_ROUTERS=["__main__.Router"],
    AUTH_USER_MODEL="shop.Account",
    MIGRATION_MODULES={**dict.fromkeys(APPS), "shop": None},
    ROOT_URLCONF="in_django.shop_urls",
    INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPS), "in_django.shop", "ferrotp.django"],
    MIDDLEWARE=[
        "django.middleware.cache.UpdateCacheMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "ferrotp.django.middleware.MFAMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
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
                ]
            },
        }
    ],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    CONTENT_SECURITY_POLICY={"DIRECTIVES": STRICT},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGIN_URL="/login",
    LOGIN_REDIRECT_URL="/vault",
    USE_TZ=False,
    TIME_ZONE="Europe/Berlin",
    LANGUAGE_CODE="de",
    SESSION_COOKIE_SECURE=True,
    FERROTP={
        "ISSUER": "Shop",
        "KEYS": new_key(),
        "DATABASE": "factors",
        "POLICY": "cheap_for_tests",
        "REQUIRED": [{"who": "staff"}],
    },
)
django.setup()

from django.core.cache import caches  # noqa: E402
from django.test import Client  # noqa: E402

from ferrotp import parse_uri  # noqa: E402
from ferrotp.django import get_mfa  # noqa: E402
from ferrotp.django.test import mfa_clock  # noqa: E402
from in_django.shop.models import Account  # noqa: E402

PASSWORD = "correct horse battery"


def account(address: str, **more: Any) -> Account:
    made = Account(email=address, **more)
    made.set_password(PASSWORD)
    made.save()
    return made


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def main() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("migrate", "ferrotp", database="factors", verbosity=0)
    assert "ferrotp" not in run("check", databases=["default", "factors"])
    boss, ann = account("Boss@shop.example", is_staff=True, is_superuser=True), account("ann@shop.example")
    with mfa_clock(1_800_000_015.0) as clock:
        browser = Client()
        entered = browser.post("/login", {"username": "Boss@shop.example", "password": PASSWORD, "next": "/admin/"})
        assert entered["Location"] == "/mfa/set-up", entered
        browser.post("/mfa/set-up", {"name": "Telefon"})
        shown = browser.get("/mfa/set-up")
        assert (
            shown["Cache-Control"] == "private, no-store" and "default-src 'none'" in shown["Content-Security-Policy"]
        )
        uri = html.unescape(re.search(r'href="(otpauth:[^"]+)"', shown.content.decode())[1])  # type: ignore[index]
        phone = parse_uri(uri)
        assert "Boss%40shop.example" in uri
        codes = browser.post("/mfa/set-up/confirm", {"code": phone.at(int(clock.now)), "name": "Telefon"})
        assert codes.status_code == 200
        saved = browser.post("/mfa/recovery-codes/saved", {"saved": "y"})
        assert saved["Location"] == "/admin/", saved["Location"]
        # The admin: in German, with times of this place, and the user by address.
        admin = browser.get("/admin/ferrotp/factor/").content.decode()
        assert "Boss@shop.example" in admin and "Telefon" in admin and 'lang="de"' in admin
        assert "Zweite Faktoren" in admin and "zuletzt verwendet" in admin.lower() and "last used" not in admin.lower()
        assert "ann@shop.example" in browser.get("/admin/ferrotp/factor/without/").content.decode()
        kept = repr([*caches["default"]._cache.values()])  # type: ignore[attr-defined]
        secret = re.search(r"secret=([A-Z2-7]+)", uri)[1]  # type: ignore[index]
        assert secret not in kept
        # Once more, by a code. A guess in a request's transaction stays counted.
        clock.tick(60)
        browser = Client()
        entered = browser.post("/login", {"username": "Boss@shop.example", "password": PASSWORD})
        assert entered["Location"] == "/mfa/challenge"
        assert browser.post("/mfa/challenge", {"code": "000000"}).status_code == 400
        done = browser.post("/mfa/challenge", {"code": phone.at(int(clock.now))})
        assert done["Location"] == "/vault" and browser.get("/vault").status_code == 200
        changed = {"old_password": PASSWORD, "new_password1": "ein neues Pferd", "new_password2": "ein neues Pferd"}
        assert browser.post("/password", changed)["Location"] == "/vault"
        assert browser.get("/vault").status_code == 200
        # The desk: by address, by key, and with users whom the manager hides.
        without = json.loads(run("ferrotp_report", "--json"))["without"]
        assert {user["user"] for user in without} == {"ann@shop.example"}
        assert get_mfa().status(user_id=boss.pk).enrolled
        assert "1 factor" in run("ferrotp_reset", "boss@shop.example", "--noinput")
        get_mfa().import_factor(user_id=ann.pk, secret=b"0" * 20)
        assert "1 factor" in run("ferrotp_reset", str(ann.pk).upper().replace("-", ""), "--pk", "--noinput")
        assert not get_mfa().status(user_id=ann.pk).enrolled
        get_mfa().import_factor(user_id=ann.pk, secret=b"0" * 20)
        ann.delete()
        assert not list(get_mfa().factors())
    print("ok")


if __name__ == "__main__":
    main()
