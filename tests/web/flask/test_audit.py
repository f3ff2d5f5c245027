"""The audit in Flask: rows from the request, and the user's own events on the settings page."""

from functools import partial

import pytest

from ferrotp.mfa import MFA
from ferrotp.mfa.audit_chain import context_of_request

from . import test_extension
from .test_extension import World

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_flask_gives_rows_the_address_and_shows_users_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_extension, "MFA", partial(MFA, audit=True))
    world = World(FERROTP_LOGIN_VIEW="password")
    device, other = world.enrolled(), world.enrolled("8")
    client = world.client()
    come = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.77"}, "headers": {"User-Agent": FIREFOX}}
    client.post("/login/7", **come)
    client.post("/mfa/challenge", data={"code": other.wrong(world.clock.now)}, **come)
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)}, **come)
    rows = world.mfa.activity(user_id="7", limit=2)
    assert [(row.kind, row.address, row.user_agent) for row in rows] == [
        ("verified", "192.0.2.77", FIREFOX),
        ("refused", "192.0.2.77", FIREFOX),
    ]
    assert world.mfa.activity(user_id="8")[0].address == ""
    page = client.get("/mfa/").text
    assert page.index("Recent activity") < page.index("Login confirmed") < page.index("A code or a passkey was refused")
    assert "From 192.0.2.77" in page and "Firefox, Linux" in page and FIREFOX not in page
    assert "attempt counted" not in page
    assert context_of_request().address == ""


def test_without_an_audit_the_page_does_not_speak_of_it() -> None:
    world = World(FERROTP_LOGIN_VIEW="password")
    client = world.client()
    device = world.enrolled()
    client.post("/login/7")
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    page = client.get("/mfa/").text
    assert "Two-step login" in page and "Recent activity" not in page


def test_the_setting_makes_a_service_with_an_audit(tmp_path: "pytest.TempPathFactory") -> None:
    import flask

    from ferrotp.flask import FlaskMFA
    from ferrotp.vault import Keyring

    for wanted in (False, True):
        app = flask.Flask(__name__)
        app.config.update(
            SECRET_KEY=test_extension.SECRET_KEY,
            TESTING=True,
            FERROTP_STORE=f"sqlite:///{tmp_path}/{wanted}.db",
            FERROTP_ISSUER="ACME",
            FERROTP_KEYS=Keyring.generate().export(),
            FERROTP_AUDIT=wanted,
        )
        extension = FlaskMFA(app, on_login=lambda user_id: None, current_user_id=lambda: None)
        with app.app_context():
            assert extension.mfa.audited is wanted
