"""A Django site with django-otp, django-two-factor-auth and allauth, as their newest releases write it.

Run as a program: it migrates the database of its first argument (a path, or a URL of PostgreSQL), enrols users by the
packages' own code, and prints what it did.
"""

import base64
import io
import json
import secrets
import sys
import time
from binascii import unhexlify
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django
import pyotp
from cryptography.fernet import Fernet
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parents[2]))
from ferrotp.mfa import Policy
from ferrotp.vault import new_key
from mfa.passkey_device import seeded_device


def database(where: str) -> dict[str, Any]:
    if "://" not in where:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": where}
    url = urlsplit(where)
    host = parse_qs(url.query).get("host", [url.hostname])[0]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": host,
    }


FERNET = "ZmVybmV0IGtleSBvZiB0aGUgdGVzdCwgMzIgYnl0ZXM="


def main(where: str, encrypted: bool, ferrotp: bool) -> None:
    settings.configure(
        SECRET_KEY="tests",
        DATABASES={"default": database(where)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.sites",
            "django_otp",
            "django_otp.plugins.otp_totp",
            "django_otp.plugins.otp_hotp",
            "django_otp.plugins.otp_static",
            "django_otp.plugins.otp_email",
            "two_factor",
            "two_factor.plugins.phonenumber",
            "two_factor.plugins.webauthn",
            "allauth",
            "allauth.account",
            "allauth.mfa",
            *(["ferrotp.django"] if ferrotp else []),
        ],
        FERROTP={"ISSUER": "tests", "KEYS": new_key(), "POLICY": Policy.cheap_for_tests()},
        MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
        MFA_ADAPTER=f"{__name__}.SealingAdapter" if encrypted else "allauth.mfa.adapter.DefaultMFAAdapter",
        MFA_SUPPORTED_TYPES=["totp", "recovery_codes", "webauthn"],
        TWO_FACTOR_WEBAUTHN_RP_NAME="tests",
        ALLOWED_HOSTS=["example.com"],
        SITE_ID=1,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    if encrypted:
        from allauth.mfa.adapter import DefaultMFAAdapter

        class SealingAdapter(DefaultMFAAdapter):  # type: ignore[misc]
            def encrypt(self, text: str) -> str:
                return Fernet(FERNET).encrypt(text.encode()).decode()

            def decrypt(self, encrypted_text: str) -> str:
                return Fernet(FERNET).decrypt(encrypted_text.encode()).decode()

        globals()["SealingAdapter"] = SealingAdapter
    said = {"otp": otp(), "allauth": allauth()}
    if ferrotp:
        said["commands"] = commands(said["allauth"])
    print(json.dumps(said))


def commands(allauth: dict[str, Any]) -> dict[str, Any]:
    """What ``manage.py ferrotp_import`` says, into the same database, and whether a user can log in then."""
    from django.core import mail
    from django.core.management import call_command

    from ferrotp.django import get_mfa
    from ferrotp.mfa import InvalidCode

    said: dict[str, Any] = {}
    for name in ("django-two-factor-auth", "django-allauth", "django-otp"):
        for options in ([], ["--write"]):
            output = io.StringIO()
            call_command("ferrotp_import", "--from", name, "--json", *options, stdout=output)
            said[" ".join([name, *options])] = json.loads(output.getvalue())
    mfa = get_mfa()
    try:
        mfa.verify(user_id=str(allauth["user"]), code=allauth["code"])
    except InvalidCode:
        said["used code"] = "refused"
    said["left"] = mfa.recover(user_id=str(allauth["user"]), code=allauth["unused"][0]).remaining
    said["mails"] = len(getattr(mail, "outbox", []))
    return said


def otp() -> dict[str, Any]:
    from django.contrib.auth.models import User
    from django_otp.plugins.otp_email.models import EmailDevice
    from django_otp.plugins.otp_hotp.models import HOTPDevice
    from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
    from django_otp.plugins.otp_totp.models import TOTPDevice
    from two_factor.plugins.phonenumber.models import PhoneDevice

    used = User.objects.create_user("used")
    device = TOTPDevice.objects.create(user=used, name="default", confirmed=True)
    secret = pyotp.random_base32()
    device.key = base64.b32decode(secret).hex()
    device.save()
    while time.time() % 30 > 27:
        time.sleep(0.2)
    code = pyotp.TOTP(secret).now()
    assert device.verify_token(code)
    static = StaticDevice.objects.create(user=used, name="backup")
    tokens = [StaticToken.random_token() for _ in range(5)]
    for token in tokens:
        static.token_set.create(token=token)
    assert static.verify_token(tokens[0])
    PhoneDevice.objects.create(user=used, name="backup", number="+31101234567", method="sms", key="a" * 40)
    passkey = two_factor_passkey(used)
    EmailDevice.objects.create(user=used, name="mail", email="used@example.com")

    pressed = User.objects.create_user("pressed")
    hotp = HOTPDevice.objects.create(user=pressed, name="fob", confirmed=True)
    counter = pyotp.HOTP(base64.b32encode(unhexlify(hotp.key)).decode())
    assert hotp.verify_token(counter.at(2))

    unconfirmed = User.objects.create_user("unconfirmed")
    TOTPDevice.objects.create(user=unconfirmed, name="new", confirmed=False)
    eight = User.objects.create_user("eight")
    other = TOTPDevice.objects.create(user=eight, name="slow", confirmed=True, digits=8, step=60)
    return {
        "used": used.pk,
        "passkey": passkey,
        "secret": secret,
        "last_t": device.last_t,
        "code": code,
        "tokens": tokens,
        "pressed": pressed.pk,
        "hotp": counter.secret,
        "eight": eight.pk,
        "eight_secret": base64.b32encode(unhexlify(other.key)).decode(),
        "unconfirmed": unconfirmed.pk,
    }


def two_factor_passkey(user: Any) -> int:
    """One that the plugin has registered; the seed of the device."""
    from django.test import RequestFactory
    from two_factor.plugins.webauthn.forms import DefaultWebauthnEntitiesFormMixin
    from two_factor.plugins.webauthn.method import WebAuthnMethod
    from two_factor.plugins.webauthn.utils import make_credential_creation_options

    seed = secrets.randbits(200)
    entities = DefaultWebauthnEntitiesFormMixin()
    entities.request = request = RequestFactory().get("/", headers={"Host": "example.com"}, secure=True)
    request.user = user
    options, challenge = make_credential_creation_options(entities.webauthn_user, entities.webauthn_rp, [])
    data = {
        "expected_rp_id": "example.com",
        "expected_origin": entities.webauthn_origin,
        "expected_challenge": challenge,
        "token": json.dumps(seeded_device(seed).create(json.loads(options))),
    }
    WebAuthnMethod().get_device_from_setup_data(request, {"webauthn": data}).save()
    return seed


def allauth_passkey(user: Any) -> int:
    """The same by allauth."""
    from allauth.core import context
    from allauth.mfa.webauthn.internal import auth
    from django.test import RequestFactory

    seed = secrets.randbits(200)
    request = RequestFactory().get("/", headers={"Host": "example.com"}, secure=True)
    request.session, request.user = {}, user
    with context.request_context(request):
        options = auth.begin_registration(user, passwordless=True)
        credential = seeded_device(seed).create(json.loads(json.dumps(options["publicKey"])))
        auth.complete_registration(credential)
        auth.WebAuthn.add(user, "My phone", credential)
    return seed


def allauth() -> dict[str, Any]:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.contrib.auth.models import User

    user = User.objects.create_user("allauth")
    secret = generate_totp_secret()
    totp = TOTP.activate(user, secret)
    code = pyotp.TOTP(secret).now()
    assert totp.validate_code(code)
    recovery = RecoveryCodes.activate(user)
    codes = recovery.generate_codes()
    assert recovery.validate_code(codes[3])
    passkey = allauth_passkey(user)
    Authenticator.objects.create(user=user, type="webauthn", data={"name": "key", "credential": {}})
    return {
        "user": user.pk,
        "secret": secret,
        "code": code,
        "codes": codes,
        "unused": recovery.get_unused_codes(),
        "passkey": passkey,
    }


if __name__ == "__main__":
    main(sys.argv[1], "encrypted" in sys.argv[2:], "ferrotp" in sys.argv[2:])
