"""A site of django-tenants with a schema for each customer, in one of its two layouts.

Run as a program: ``tenants_site.py LAYOUT DATABASE HOST [callable]``. It makes two customers, whose users both have the
key 1, attacks the second factor of the one with the phone of the other, and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from mfa.authenticator import Device

from ferrotp.vault import new_key
from in_django.site import PASSWORD


def tenant_of_request() -> str:
    """The schema that django-tenants has set for the request."""
    from django.db import connection  # wants the settings

    return str(connection.schema_name)


USERS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.messages"]


def configure(layout: str, name: str, host: str, *, with_callable: bool) -> None:
    shared = ["django_tenants", "in_django.customers"]
    tenant = list(USERS)
    if layout == "shared":  # one table of second factors for all customers
        shared += ["ferrotp.django"]
    elif layout == "tenant":
        tenant += ["ferrotp.django"]
    elif layout == "both":
        shared += [*USERS, "ferrotp.django"]
        tenant += ["ferrotp.django"]
    elif layout == "users shared":  # a user of one customer is the same one at another
        shared += [*USERS]
        tenant = ["ferrotp.django"]
    settings.configure(
        SECRET_KEY="for tests, and known to everybody who reads them",
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django_tenants.postgresql_backend",
                "NAME": name,
                "USER": "postgres",
                "HOST": host,
            }
        },
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        SHARED_APPS=shared,
        TENANT_APPS=tenant,
        INSTALLED_APPS=list(dict.fromkeys([*shared, *tenant])),
        TENANT_MODEL="customers.Customer",
        TENANT_DOMAIN_MODEL="customers.Domain",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF="in_django.tenants_urls",
        MIDDLEWARE=[
            "django_tenants.middleware.main.TenantMainMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "ferrotp.django.middleware.MFAMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [Path(__file__).parent / "templates"],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LOGIN_URL="/login",
        LOGIN_REDIRECT_URL="/inside",
        SESSION_COOKIE_SECURE=True,
        USE_TZ=True,
        FERROTP={
            "ISSUER": "ACME",
            "KEYS": new_key(),
            "POLICY": "cheap_for_tests",
            "AUDIT": True,
            **({"TENANT": tenant_of_request} if with_callable else {}),
        },
    )
    django.setup()


def attack() -> dict[str, Any]:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django_tenants.utils import schema_context

    from ferrotp.django import get_mfa
    from ferrotp.django.test import MFAClient, mfa_clock
    from in_django.customers.models import Customer, Domain

    call_command("migrate_schemas", shared=True, run_syncdb=True, verbosity=0)
    customers = {}
    for name in ("acme", "globex"):
        customer = Customer(schema_name=name, name=name)
        customer.save(verbosity=0)
        Domain.objects.create(domain=f"{name}.test", tenant=customer, is_primary=True)
        customers[name] = customer
    found: dict[str, Any] = {}
    with mfa_clock(1_800_000_015.0) as clock:
        phones = {}
        for name in customers:
            with schema_context(name):
                user = get_user_model().objects.create_user("alice", "alice@example.com", PASSWORD)
                assert user.pk == 1
                assert not get_mfa().status(user_id="1").enrolled, name
                enrollment = get_mfa().enroll(user_id="1", account_name="alice", name="Phone")
                phones[name] = Device(enrollment.uri)
                get_mfa().confirm(user_id="1", factor_id=enrollment.factor_id, code=phones[name].at(clock.now))
        clock.tick(60)

        def half(name: str) -> Any:
            client = MFAClient(headers={"host": f"{name}.test"})
            answer = client.post("/login", {"username": "alice", "password": PASSWORD})
            assert answer.headers["Location"] == "/mfa/challenge", (answer.status_code, answer.headers)
            return client

        for name, other in (("acme", "globex"), ("globex", "acme")):
            client = half(name)
            foreign = client.post("/mfa/challenge", {"code": phones[other].at(clock.now)})
            found[f"{name} with the other's phone"] = foreign.status_code
            own = client.post("/mfa/challenge", {"code": phones[name].at(clock.now)})
            found[f"{name} with its own"] = own.status_code
            found[f"{name} inside"] = client.get("/inside").content.decode()
            # The cookies of one customer, at the other.
            client.defaults["HTTP_HOST"] = f"{other}.test"
            found[f"{name}'s session at {other}"] = client.get("/inside").status_code
            clock.tick(60)
        # A guess that is rolled back, a delay, the way out, and all that the store does, in the customer's own schema.
        client = half("acme")
        for _ in range(5):
            client.post("/mfa/challenge", {"code": phones["acme"].wrong(clock.now)})
        found["delayed"] = client.post("/mfa/challenge", {"code": phones["acme"].at(clock.now)}).status_code
        pair = {"code": phones["acme"].at(clock.now, -1), "next_code": phones["acme"].at(clock.now)}
        found["unlocked"] = client.post("/mfa/challenge", pair).status_code
        client = half("globex")
        found["the other customer's budget"] = client.post(
            "/mfa/challenge", {"code": phones["globex"].at(clock.now)}
        ).status_code
        with schema_context("acme"):
            get_user_model().objects.get().delete()
            found["after the user is gone"] = [get_mfa().status(user_id="1").enrolled]
        with schema_context("globex"):
            found["after the user is gone"].append(get_mfa().status(user_id="1").enrolled)
        for name in customers:
            with schema_context(name):
                kinds = [row.kind for row in get_mfa().activity(user_id="1")]
                found[f"{name}'s audit"] = [
                    kinds.count("verified"),
                    [fault.reason for fault in get_mfa().verify_audit().faults],
                ]
    return found


def main() -> None:
    layout, name, host, *more = sys.argv[1:]
    configure(layout, name, host, with_callable="callable" in more)
    from django.core import checks

    # As `manage.py check` says it.
    said = [message.id for message in checks.run_checks() if message.id and message.id.startswith("ferrotp")]
    print(json.dumps({"checks": said, **({} if "check only" in more else attack())}))


if __name__ == "__main__":
    main()
