"""pgAdmin's own web application in server mode, driven as a browser would: a user turns on the authenticator app.

pgadmin4 is on the registry as a wheel only, and its suite needs a PostgreSQL server; these are the pages of its
multi-factor authentication, with its real configuration database (SQLite), user, session and CSRF protection.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

EMAIL, PASSWORD = "admin@example.com", "correct-horse-battery"
REGISTER, VALIDATE = "/mfa/register", "/mfa/validate"


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application as ``pgAdmin4.py`` makes it: importing that file creates the database and its first user."""
    folder: Path = tmp_path_factory.mktemp("pgadmin")
    settings = {
        "DATA_DIR": str(folder),
        "SERVER_MODE": True,
        "CONSOLE_LOG_LEVEL": logging.ERROR,
        "MFA_SUPPORTED_METHODS": ["authenticator"],
        "UPGRADE_CHECK_ENABLED": False,
    }
    # config_local is the file that pgAdmin tells its administrators to write.
    (folder / "config_local.py").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
    sys.path.insert(0, str(folder))
    os.environ |= {"PGADMIN_SETUP_EMAIL": EMAIL, "PGADMIN_SETUP_PASSWORD": PASSWORD}
    import pgAdmin4

    return pgAdmin4.app


class Browser:
    """A cookie jar, and what is read off pgAdmin's pages."""

    def __init__(self, app: Any, caplog: pytest.LogCaptureFixture) -> None:
        self.client = app.test_client()
        self.caplog = caplog

    def login(self) -> Any:
        token = json.loads(re.search(r'"csrfToken": ("[^"]+")', self.get("/login").text)[1])
        form = {"email": EMAIL, "password": PASSWORD, "internal_button": "Login", "csrf_token": token}
        return self.post("/authenticate/login", **form)

    def get(self, path: str) -> Any:
        return self.checked(self.client.get(path))

    def post(self, path: str, **form: str) -> Any:
        return self.checked(self.client.post(path, data=form))

    def checked(self, response: Any) -> Any:
        """pgAdmin turns every exception into a page with status 500: say which one it was."""
        if response.status_code == 500:
            raise next(record.exc_info[1] for record in self.caplog.records if record.exc_info)
        return response

    def secret(self) -> str:
        """What the QR code on the registration page says; the page itself only has the picture."""
        with self.client.session_transaction() as session:
            return session["mfa_authenticator_opt"]


@pytest.fixture
def browser(app: Any, caplog: pytest.LogCaptureFixture) -> Iterator[Browser]:
    browser = Browser(app, caplog)
    assert browser.login().status_code == 302
    yield browser
    from pgadmin.model import UserMFA, db

    with app.app_context():
        UserMFA.query.delete()
        db.session.commit()


def code(browser: Browser) -> str:
    return pyotp.TOTP(browser.secret()).now()


def registered(browser: Browser, code: str) -> bool:
    page = browser.post(REGISTER, authenticator="SETUP", VALIDATE="validate", code=code, next="internal").text
    return "registered successfully" in page


def test_the_registration_view_shows_a_qr_code(browser: Browser) -> None:
    page = browser.post(REGISTER, authenticator="SETUP", next="internal")
    assert page.status_code == 200
    assert re.search(r'"image": "[A-Za-z0-9+/=]{200,}"', page.text)


def test_a_real_code_registers(browser: Browser) -> None:
    browser.post(REGISTER, authenticator="SETUP", next="internal")
    assert registered(browser, code(browser))


def test_a_wrong_code_does_not_register(browser: Browser) -> None:
    browser.post(REGISTER, authenticator="SETUP", next="internal")
    assert not registered(browser, "12345")
    assert registered(browser, code(browser)), "the secret stays the same after a wrong code"


def test_the_next_login_asks_for_a_code_and_takes_a_real_one(app: Any, browser: Browser) -> None:
    browser.post(REGISTER, authenticator="SETUP", next="internal")
    secret = browser.secret()
    assert registered(browser, code(browser))

    again = Browser(app, browser.caplog)
    again.login()
    assert VALIDATE in again.get("/browser/").location
    assert "Enter the code shown" in again.get(VALIDATE).text
    assert again.post(VALIDATE, mfa_method="authenticator", code="12345").status_code == 401
    assert again.post(VALIDATE, mfa_method="authenticator", code=pyotp.TOTP(secret).now()).status_code == 302
    assert again.get("/browser/").status_code == 200


def test_an_80_bit_secret_that_is_already_in_the_database_still_works(app: Any, browser: Browser) -> None:
    """What pyotp generated for pgAdmin's users before its release 2.4."""
    from pgadmin.model import User, UserMFA, db

    secret = "JBSWY3DPEHPK3PXP"
    with app.app_context():
        user = User.query.filter_by(email=EMAIL).one()
        db.session.add(UserMFA(user_id=user.id, mfa_auth="authenticator", options=secret))
        db.session.commit()
    again = Browser(app, browser.caplog)
    again.login()
    assert again.post(VALIDATE, mfa_method="authenticator", code=pyotp.TOTP(secret).now()).status_code == 302
