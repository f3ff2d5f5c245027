"""A small Flask-Security application, with ferrotp under it or without, as gunicorn starts it."""

import gc
import json
import os
from typing import Any

from flask import Flask
from flask_security import MailUtil, Security, SQLAlchemyUserDatastore
from flask_security.models import fsqla_v3
from flask_sqlalchemy import SQLAlchemy

from ferrotp.adapters.flask_security import second_factor
from ferrotp.mfa import MFA, Policy
from ferrotp.vault import Keyring


class Outbox(MailUtil):  # type: ignore[misc]
    """Mails as lines of a file."""

    def send_mail(self, template: str, subject: str, recipient: str, *args: Any, **context: Any) -> None:
        with open(os.environ["SITE_OUTBOX"], "a", encoding="utf-8") as outbox:
            outbox.write(json.dumps({"to": recipient, "token": context.get("token")}) + "\n")


def create_app(url: str = "", with_ferrotp: bool | None = None) -> Flask:
    url = url or os.environ["SITE_DATABASE"]
    if with_ferrotp is None:
        with_ferrotp = os.environ["SITE_WITH"] == "ferrotp"
    app = Flask("site")
    app.config.update(
        SECRET_KEY="kX3v9Qm2Zs8LrT5wYbN7cHd4",
        SQLALCHEMY_DATABASE_URI=url,
        WTF_CSRF_ENABLED=False,
        SECURITY_PASSWORD_SALT="1",
        SECURITY_PASSWORD_HASH="plaintext",
        SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator", "email"],
        SECURITY_MULTI_FACTOR_RECOVERY_CODES=True,
        SECURITY_UNIFIED_SIGNIN=True,
        SECURITY_US_ENABLED_METHODS=["email", "authenticator", "password"],
        SECURITY_US_MFA_REQUIRED=["password"],
        SECURITY_TOTP_SECRETS={"1": "pV4kT9sXw2Lz7RbN"},
        SECURITY_TOTP_ISSUER="ACME",
    )
    if not with_ferrotp:
        app.config["SECURITY_TWO_FACTOR_AUTHENTICATOR_VALIDITY"] = 30  # the adapter's own choice
    database = SQLAlchemy(app)
    fsqla_v3.FsModels.set_db_info(database)

    class Role(database.Model, fsqla_v3.FsRoleMixin):  # type: ignore[name-defined, misc]
        pass

    class WebAuthn(database.Model, fsqla_v3.FsWebAuthnMixin):  # type: ignore[name-defined, misc]
        pass

    class User(database.Model, fsqla_v3.FsUserMixin):  # type: ignore[name-defined, misc]
        pass

    mfa = None
    options: dict[str, Any] = {}
    if with_ferrotp:
        keyring = Keyring(os.environ["SITE_KEYS"])
        mfa = MFA(url, issuer="ACME", keyring=keyring, policy=Policy.cheap_for_tests())
        options = second_factor(app, mfa)
    datastore = SQLAlchemyUserDatastore(database, User, Role)
    security = Security(app, datastore, mail_util_cls=Outbox, **options)
    app.extensions["site"] = (database, User, security, mfa)
    app.extensions["site_models"] = (Role, WebAuthn)  # SQLAlchemy knows them by name only
    return app


def served() -> Flask:
    """For gunicorn, which forks its workers from this: what each of them would load with its first page is loaded."""
    app = create_app()
    with app.app_context():
        app.test_client().post("/login", json={"email": "nobody@example.com", "password": "none"})
        app.extensions["site"][0].engine.dispose()  # no worker is to have the connection
    gc.freeze()
    return app
