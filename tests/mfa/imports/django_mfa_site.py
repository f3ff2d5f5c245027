"""A site with django-mfa2 or django-mfa3, which writes what `django_mfa_rows.json` keeps of them.

Both packages are called ``mfa``, so no environment has both. To write the file anew, in a virtual environment with one
of them, Django and pyotp::

    python tests/mfa/imports/django_mfa_site.py django-mfa3

It enrols a user by the package's own code, and prints the rows and the seed of the passkey's device.
"""

import importlib.util
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

found = importlib.util.spec_from_file_location("passkey_device", Path(__file__).parents[1] / "passkey_device.py")
assert found is not None and found.loader is not None
devices = importlib.util.module_from_spec(found)
found.loader.exec_module(devices)


def main(package: str) -> None:
    settings.configure(
        SECRET_KEY="tests",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "mfa"],
        MFA_DOMAIN="example.com",
        MFA_SITE_TITLE="tests",
        FIDO_SERVER_ID="example.com",
        FIDO_SERVER_NAME="tests",
        TOKEN_ISSUER_NAME="tests",
    )
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("zoë", password="x")
    seed = secrets.randbits(200)
    device = devices.seeded_device(seed)
    said = (mfa3 if package == "django-mfa3" else mfa2)(user, device)
    table = "mfa_mfakey" if package == "django-mfa3" else "mfa_user_keys"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        columns = [column[0] for column in cursor.description]
        rows = [dict(zip(columns, map(plain, row), strict=True)) for row in cursor.fetchall()]
    print(json.dumps({"table": table, "username": "zoë", "seed": seed, **said, "rows": rows}, indent=1))


def plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, type(None))) else str(value)


def mfa3(user: Any, device: Any) -> dict[str, Any]:
    import pyotp

    from mfa.methods import fido2, recovery
    from mfa.models import MFAKey

    options, state = fido2.register_begin(user)
    credential = device.create(json.loads(options)["publicKey"])
    kept = fido2.register_complete(state, json.dumps(credential))
    MFAKey.objects.create(user=user, method="FIDO2", name="My phone", secret=kept)
    secret = pyotp.random_base32()  # as `totp.register_begin` does
    MFAKey.objects.create(user=user, method="TOTP", name="App", secret=secret)
    _, state = recovery.register_begin(user)
    MFAKey.objects.create(user=user, method="recovery", name="codes", secret=json.dumps(state))
    return {"user": user.pk, "secret": secret, "handle": device.user_handle.decode()}


def mfa2(user: Any, device: Any) -> dict[str, Any]:
    from django.test import RequestFactory

    from mfa import FIDO2
    from mfa.models import User_Keys

    request = RequestFactory().get("/")
    request.user, request.session = user, {}
    options = json.loads(FIDO2.begin_registeration(request).content)
    credential = device.create(options["publicKey"])
    state = request.session
    request = RequestFactory().post("/", json.dumps(credential), content_type="application/json")
    request.user, request.session = user, state
    answer = json.loads(FIDO2.complete_reg(request).content)
    assert answer["status"] == "OK", answer
    import pyotp

    secret = pyotp.random_base32()
    User_Keys.objects.create(username=user.username, properties={"secret_key": secret}, key_type="TOTP")
    User_Keys.objects.create(username=user.username, properties={"codes": ["x"]}, key_type="RECOVERY")
    User_Keys.objects.create(username=user.username, properties={}, key_type="TOTP", enabled=False)
    return {"user": user.pk, "secret": secret, "handle": device.user_handle.decode()}


if __name__ == "__main__":
    main(sys.argv[1])
