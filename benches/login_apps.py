"""The two applications of benches/login.py, as gunicorn starts them: with Flask-Login, Flask-WTF and SQLAlchemy."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

KEY = "kX3v9Qm2Zs8LrT5wYbN7cHd4kX3v9Qm2"


def with_ferrotp() -> Flask:
    """An application with its own users, and ferrotp's pages."""
    from flask_login import LoginManager, UserMixin
    from flask_sqlalchemy import SQLAlchemy

    from ferrotp.flask import FlaskMFA
    from ferrotp.mfa import MFA
    from ferrotp.vault import Keyring

    app = Flask("bench", template_folder=os.path.join(os.path.dirname(__file__), "none"))
    app.config.update(SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=os.environ["BENCH_DATABASE"])
    database = SQLAlchemy(app)

    class User(UserMixin, database.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "bench_users"
        id = database.Column(database.Integer, primary_key=True)
        email = database.Column(database.String(255), unique=True)

    with app.app_context():
        database.create_all()
    manager = LoginManager(app)
    manager.user_loader(lambda user_id: database.session.get(User, int(user_id)))
    mfa = MFA(os.environ["BENCH_DATABASE"], issuer="bench", keyring=Keyring(os.environ["BENCH_KEYS"]))
    FlaskMFA(app, mfa=mfa)
    app.extensions["bench"] = (database, User, mfa)
    return app


def with_flask_security() -> Flask:
    """The same with Flask-Security, its codes encrypted by its own means, and with the documented subclass that refuses
    a used code: stock it accepts one as often as it comes."""
    from flask_security import Security, SQLAlchemyUserDatastore
    from flask_security.models import fsqla_v3
    from flask_security.totp import Totp
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import BigInteger

    app = Flask("bench")
    app.config.update(
        SECRET_KEY=KEY,
        SECURITY_PASSWORD_SALT="1",
        SQLALCHEMY_DATABASE_URI=os.environ["BENCH_DATABASE"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
        SECURITY_TOTP_SECRETS={"1": "a" * 32},
        SECURITY_TOTP_ISSUER="bench",
        SECURITY_POST_LOGIN_VIEW="/",
    )
    database = SQLAlchemy(app)
    fsqla_v3.FsModels.set_db_info(database)

    class Role(database.Model, fsqla_v3.FsRoleMixin):  # type: ignore[name-defined, misc]
        pass

    class WebAuthn(database.Model, fsqla_v3.FsWebAuthnMixin):  # type: ignore[name-defined, misc]
        pass

    class User(database.Model, fsqla_v3.FsUserMixin):  # type: ignore[name-defined, misc]
        last_counter = database.Column(BigInteger)

    class OnceTotp(Totp):  # type: ignore[misc]
        def get_last_counter(self, user: Any) -> Any:
            return user.last_counter

        def set_last_counter(self, user: Any, tmatch: Any) -> None:
            user.last_counter = tmatch.counter
            database.session.commit()

    datastore = SQLAlchemyUserDatastore(database, User, Role)
    security = Security(app, datastore, totp_cls=OnceTotp)
    with app.app_context():
        database.create_all()
    app.extensions["bench"] = (database, User, security)
    return app
