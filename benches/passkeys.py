"""What a passkey costs: ferrotp's check beside allauth's, and beside Flask-Security's: ``python benches/passkeys.py``.

A check is what a login does: make a challenge, and decide on the answer, with what is kept of it on the disk. Each pair
is on the same SQLite database, by the same driver: Django's for allauth, SQLAlchemy's for Flask-Security. Making the
answer, which is the device's work, is not timed. Each round checks once on each side, in changing order; a ratio is the
median of the rounds' own.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mfa.passkey_device import PasskeyDevice

from ferrotp.mfa import MFA, Passkeys, Policy
from ferrotp.vault import Keyring, new_key

POLICY = Policy(passkeys=Passkeys(rp_id="example.com", origins=["https://example.com"]))
Check = Callable[[], float]
"""One check, and the seconds that it took."""


Ask = Callable[[], dict[str, Any]]
Answer = Callable[[dict[str, Any]], object]


def timed(ask: Ask, answer: Answer, device: PasskeyDevice) -> Check:
    def check() -> float:
        began = time.perf_counter()
        options = ask()
        asked = time.perf_counter() - began
        credential = device.get(options)
        began = time.perf_counter()
        assert answer(credential)
        return asked + time.perf_counter() - began

    return check


def ferrotp_check(mfa: MFA, user_id: str) -> Check:
    device = PasskeyDevice()
    device.counts = True
    options = mfa.begin_passkey(user_id=user_id, session="s", account_name="alice")
    mfa.finish_passkey(user_id=user_id, session="s", response=device.create(options))
    return timed(
        lambda: mfa.passkey_challenge(user_id=user_id, session="s"),
        lambda credential: mfa.verify_passkey(user_id=user_id, session="s", response=credential),
        device,
    )


def on_django(folder: str) -> tuple[Check, Check]:
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="benches",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/django.db"}},
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "allauth",
            "allauth.account", "allauth.mfa", "ferrotp.django",
        ],
        MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
        MFA_SUPPORTED_TYPES=["webauthn"],
        ALLOWED_HOSTS=["example.com"],
        USE_TZ=True,
        FERROTP={"ISSUER": "benches", "KEYS": new_key(), "POLICY": POLICY},
    )  # fmt: skip
    django.setup()
    from allauth.core import context
    from allauth.mfa.webauthn.internal import auth
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import RequestFactory

    from ferrotp.django import get_mfa

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("alice")
    device = PasskeyDevice()
    request = RequestFactory().get("/", headers={"Host": "example.com"}, secure=True)
    request.session, request.user = {}, user
    with context.request_context(request):
        options = auth.begin_registration(user, passwordless=False)
        credential = device.create(json.loads(json.dumps(options["publicKey"])))
        auth.complete_registration(credential)
        auth.WebAuthn.add(user, "key", credential)

    def answer(credential: dict[str, Any]) -> object:
        with context.request_context(request):
            authenticator = auth.complete_authentication(user, credential)
            authenticator.record_usage()
            return authenticator

    def ask() -> dict[str, Any]:
        with context.request_context(request):
            asked: dict[str, Any] = json.loads(json.dumps(auth.begin_authentication(user)["publicKey"]))
            return asked

    return ferrotp_check(get_mfa(), str(user.pk)), timed(ask, answer, device)


def on_sqlalchemy(folder: str) -> tuple[Check, Check]:
    import webauthn
    from flask import Flask
    from flask_security import Security, SQLAlchemyUserDatastore
    from flask_security.models import fsqla_v3 as fsqla
    from flask_sqlalchemy import SQLAlchemy
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    app = Flask(__name__)
    app.config |= {
        "SECRET_KEY": "benches",
        "SECURITY_PASSWORD_SALT": "salt",
        "SECURITY_WEBAUTHN": True,
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/flask.db",
    }
    db = SQLAlchemy(app)
    fsqla.FsModels.set_db_info(db)
    models = [
        type(name, (db.Model, base), {})
        for name, base in (
            ("User", fsqla.FsUserMixin), ("Role", fsqla.FsRoleMixin), ("WebAuthn", fsqla.FsWebAuthnMixin),
        )
    ]  # fmt: skip
    store = SQLAlchemyUserDatastore(db, *models)
    Security(app, store)
    app.app_context().push()
    db.create_all()
    user = store.create_user(email="alice@example.com", password="x")
    db.session.commit()
    device = PasskeyDevice()
    device.counts = True
    site = {"expected_rp_id": "example.com", "expected_origin": "https://example.com"}
    options = webauthn.generate_registration_options(
        rp_id="example.com", rp_name="benches", user_name="alice", user_id=user.fs_webauthn_user_handle.encode()
    )
    made = webauthn.verify_registration_response(
        credential=device.create(json.loads(webauthn.options_to_json(options))),
        expected_challenge=options.challenge,
        **site,
    )
    store.create_webauthn(
        user, name="key", credential_id=made.credential_id, public_key=made.credential_public_key, sign_count=0,
        transports=[], backup_state=True, device_type="multi_device", extensions=None, usage="secondary",
    )  # fmt: skip
    db.session.commit()
    asked: list[bytes] = []

    # As its views do it: `_signin_common` and `webauthn_signin_response`.
    def ask() -> dict[str, Any]:
        allowed = [PublicKeyCredentialDescriptor(id=found.credential_id) for found in user.webauthn]
        options = webauthn.generate_authentication_options(rp_id="example.com", allow_credentials=allowed)
        asked[:] = [options.challenge]
        found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
        return found

    def answer(credential: dict[str, Any]) -> object:
        parsed = webauthn.helpers.parse_authentication_credential_json(json.dumps(credential))
        kept = store.find_webauthn(credential_id=parsed.raw_id)
        yes = webauthn.verify_authentication_response(
            credential=parsed,
            expected_challenge=asked[0],
            credential_public_key=kept.public_key,
            credential_current_sign_count=kept.sign_count,
            **site,
        )
        kept.sign_count, kept.backup_state = yes.new_sign_count, yes.credential_backed_up
        store.put(kept)
        db.session.commit()
        return yes

    mfa = MFA(
        f"sqlite:///{folder}/flask.db?journal=delete", issuer="benches", keyring=Keyring.generate(), policy=POLICY
    )
    return ferrotp_check(mfa, str(user.id)), timed(ask, answer, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print(f"load {os.getloadavg()[0]:.1f}; {rounds} rounds; milliseconds of a check, median (quartiles)")
    with tempfile.TemporaryDirectory() as folder:
        for peer, package, make in (
            ("allauth", "django-allauth", on_django),
            ("Flask-Security", "Flask-Security", on_sqlalchemy),
        ):
            ours, theirs = make(folder)
            times: dict[Check, list[float]] = {ours: [], theirs: []}
            for number in range(rounds + 20):
                for side in (ours, theirs) if number % 2 else (theirs, ours):
                    took = side() * 1000
                    if number >= 20:
                        times[side].append(took)
            for name, side in (("ferrotp", ours), (f"{peer} {version(package)}", theirs)):
                low, middle, high = statistics.quantiles(times[side], n=4)
                print(f"  {name:24} {middle:6.2f} ({low:.2f} to {high:.2f})")
            ratios = [ours_took / theirs_took for ours_took, theirs_took in zip(*times.values(), strict=True)]
            print(f"  ferrotp / {peer}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
