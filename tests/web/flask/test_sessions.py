"""Sessions that the application lists: shown on the settings page, and ended one by one."""

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import flask
from flask.testing import FlaskClient

from ferrotp.flask import SessionInfo, UserSessions

from .test_extension import World


class Logins:
    """A table of logins, by handle."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def of_user(self, user_id: str) -> Iterable[SessionInfo]:
        own = flask.session.get("login")
        began_at = datetime(2027, 1, 15, tzinfo=timezone.utc)
        for handle, owner in self.rows.items():
            if owner == user_id:
                yield SessionInfo(handle, began_at, f"Browser {handle}", handle == own)

    def end(self, user_id: str, handle: str) -> bool:
        return self.rows.get(handle) == user_id and bool(self.rows.pop(handle))


class Site(World):
    """An application that keeps something of each login on the server."""

    def __init__(self) -> None:
        self.table = Logins()
        super().__init__(FERROTP_LOGIN_VIEW="password")
        self.flask_mfa._current_user_id = lambda: self.table.rows.get(flask.session.get("login", ""))
        self.app.extensions["ferrotp"] = self.flask_mfa._state(self.app, self.mfa, self.app.extensions["ferrotp"].texts)

    def options(self) -> dict[str, Any]:
        sessions: UserSessions = self.table
        return {"sessions": sessions}

    def _logged_in(self, user_id: str) -> None:
        super()._logged_in(user_id)
        flask.session["login"] = f"{len(self.table.rows):032x}"
        self.table.rows[flask.session["login"]] = user_id


def logged_in(site: Site, device: Any = None, user_id: str = "7") -> FlaskClient:
    client = site.client()
    client.post(f"/login/{user_id}")
    if device is not None:
        client.post("/mfa/challenge", data={"code": device.at(site.clock.now)})
        site.clock.now += 30
    return client


def links(client: FlaskClient) -> list[str]:
    return re.findall(r'href="(/mfa/sessions/\w+/end)"', client.get("/mfa/").text)


def test_one_is_ended_and_the_others_go_on() -> None:
    site = Site()
    device = site.enrolled()
    laptop, phone, tablet = (logged_in(site, device) for _ in range(3))
    assert laptop.get("/mfa/").text.count("This browser") == 1
    first, second = links(laptop)
    assert "Browser" in laptop.get(first).text and phone.get("/vault").status_code == 200
    assert laptop.post(first).location == "/mfa/"
    assert "That browser is logged out." in laptop.get("/mfa/").text
    assert phone.get("/safe").status_code == 303 and phone.get("/vault").status_code == 303
    assert tablet.get("/vault").status_code == laptop.get("/vault").status_code == 200
    assert links(laptop) == [second]


def test_it_wants_a_fresh_login_a_token_and_a_session_of_ones_own() -> None:
    site = Site()
    device = site.enrolled()
    laptop, phone, stranger = logged_in(site, device), logged_in(site, device), logged_in(site, user_id="8")
    (link,) = links(laptop)
    assert links(stranger) == []
    for client in (stranger, laptop):
        own = f"/mfa/sessions/{[*site.table.rows][0 if client is laptop else 1]}/end"
        assert client.get(own).location == client.post(own).location == "/mfa/"
        assert "It had already been removed" in client.get("/mfa/").text
    site.app.config["WTF_CSRF_ENABLED"] = True
    assert laptop.post(link).status_code == 400
    site.app.config["WTF_CSRF_ENABLED"] = False
    site.clock.now += 601
    assert laptop.get(link).location == laptop.post(link).location == "/mfa/challenge"
    assert phone.get("/vault").status_code == 200
    assert laptop.post("/mfa/challenge", data={"code": device.at(site.clock.now)}).location == link
    assert laptop.post(link).location == "/mfa/" and phone.get("/vault").status_code == 303


def test_an_application_that_lists_none_has_none_on_the_page() -> None:
    world = World(FERROTP_LOGIN_VIEW="password")
    client = world.client()
    client.post("/login/7")
    page = client.get("/mfa/").text
    assert "Log out everywhere else" in page and "This browser" not in page
    nothing = f"/mfa/sessions/{'0' * 32}/end"
    assert client.get(nothing).location == client.post(nothing).location == "/mfa/"
