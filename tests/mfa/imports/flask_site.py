"""A site with Flask-Security, as its newest release writes it. Run as a program; it prints what it did."""

import base64
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import pyotp
from flask import Flask
from flask_security import Security, SQLAlchemyUserDatastore
from flask_security.models import fsqla_v3 as fsqla
from flask_sqlalchemy import SQLAlchemy
from webauthn import generate_registration_options, options_to_json, verify_registration_response

sys.path.insert(0, str(Path(__file__).parents[2]))
from mfa.passkey_device import seeded_device

SECRETS = {"1": "TjQ9Qa31VOrfEzuPy4VHQWPCTmRzCnFzMKLxXYiZu9B", "2": "an older application secret"}
FERNET = "ZmVybmV0IGtleSBvZiB0aGUgdGVzdCwgMzIgYnl0ZXM="


def main(path: str, encrypted: bool) -> None:
    app = Flask(__name__)
    app.config |= {
        "SECRET_KEY": "tests",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{path}",
        "SECURITY_PASSWORD_SALT": "salt",
        "SECURITY_PASSWORD_HASH": "plaintext",
        "SECURITY_TWO_FACTOR": True,
        "SECURITY_WEBAUTHN": True,
        "SECURITY_UNIFIED_SIGNIN": True,
        "SECURITY_US_ENABLED_METHODS": ["password", "authenticator"],
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES": True,
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS": [FERNET] if encrypted else None,
        "SECURITY_TOTP_SECRETS": SECRETS,
        "SECURITY_TOTP_ISSUER": "tests",
    }
    db = SQLAlchemy(app)
    fsqla.FsModels.set_db_info(db)

    class Role(db.Model, fsqla.FsRoleMixin):  # type: ignore[name-defined, misc]
        pass

    class User(db.Model, fsqla.FsUserMixin):  # type: ignore[name-defined, misc]
        pass

    class WebAuthn(db.Model, fsqla.FsWebAuthnMixin):  # type: ignore[name-defined, misc]
        pass

    store = SQLAlchemyUserDatastore(db, User, Role, WebAuthn)
    security = Security(app, store)
    with app.app_context():
        db.create_all()
        print(json.dumps(users(db, store, security)))


def users(db: Any, store: Any, security: Any) -> dict[str, Any]:
    totp = security.totp_factory

    def secret_of(record: str) -> str:
        return str(totp.get_totp_b32_key(record))

    two = store.create_user(email="two@example.com", password="x")
    record = totp.generate_totp_secret()
    store.tf_set(two, "authenticator", totp_secret=record)
    codes = security.mf_recovery_codes_util.create_recovery_codes(two)
    assert security.mf_recovery_codes_util.check_recovery_code(two, codes[1])
    security.mf_recovery_codes_util.delete_recovery_code(two, codes[1])
    code = totp.generate_totp_password(record)
    assert totp.verify_totp(code, record, two, window=30)

    unified = store.create_user(email="unified@example.com", password="x")
    second = totp.generate_totp_secret()
    store.us_set(unified, "authenticator", second)
    store.us_set(unified, "sms", totp.generate_totp_secret(), "+31101234567")

    phone = store.create_user(email="phone@example.com", password="x")
    store.tf_set(phone, "sms", totp_secret=totp.generate_totp_secret(), phone="+31101234568")
    store.create_user(email="plain@example.com", password="x")
    keyed = store.create_user(email="keyed@example.com", password="x")
    db.session.commit()
    seed = passkey(store, keyed)
    db.session.commit()
    assert base64.b32decode(secret_of(record)) and pyotp.TOTP(secret_of(record)).now()
    return {
        "two": str(two.id),
        "two_secret": secret_of(record),
        "code": code,
        "codes": codes,
        "unified": str(unified.id),
        "unified_secret": secret_of(second),
        "phone": str(phone.id),
        "keyed": str(keyed.id),
        "passkey": seed,
    }


def passkey(store: Any, user: Any) -> int:
    """One that is registered as Flask-Security does it, by the same library; the seed of the device."""
    seed = secrets.randbits(200)
    options = generate_registration_options(
        rp_id="example.com",
        rp_name="tests",
        user_id=user.fs_webauthn_user_handle.encode(),
        user_name=user.email,
    )
    credential = seeded_device(seed).create(json.loads(options_to_json(options)))
    found = verify_registration_response(
        credential=credential,
        expected_challenge=options.challenge,
        expected_rp_id="example.com",
        expected_origin="https://example.com",
    )
    store.create_webauthn(
        user,
        name="My phone",
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        transports=["internal", "hybrid"],
        backup_state=found.credential_backed_up,
        device_type=found.credential_device_type,
        extensions=None,
        usage="secondary",
    )
    return seed


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["encrypted"])
