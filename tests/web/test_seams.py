"""Where the web meets an application: what an attacker, or an honest deployment, gets past the second factor by."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask.typing import ResponseReturnValue
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ferrotp.mfa import InvalidIdentifier, UserId

from .flask.test_extension import World as FlaskWorld
from .starlette.test_router import World as StarletteWorld

LONG_ID = UUID("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")
IDS = [("alice", "alice"), (42, "42"), (LONG_ID, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6")]
NO_IDS: list[Any] = [None, True, b"42", 4.2, ["42"], "", " 42"]


# Ids: as applications have them


class FlaskIds(FlaskWorld):
    """An application whose users have ids of any type."""

    def __init__(self, user_id: Any) -> None:
        super().__init__(FERROTP_LOGIN_VIEW="password")
        self.app.add_url_rule("/mine", "mine", self.login, methods=["POST"])
        self.flask_mfa._current_user_id = None
        self.user_id = user_id

    def login(self) -> ResponseReturnValue:
        return self.flask_mfa.begin_login(self.user_id, "alice@example.com")


@pytest.mark.parametrize(("user_id", "text"), IDS)
def test_flask_takes_the_ids_that_applications_have(user_id: UserId, text: str) -> None:
    world = FlaskIds(user_id)
    client = world.client()
    assert client.post("/mine").status_code == 303 and world.logins == [text]
    device = world.enrolled(text)
    client = world.client()
    assert client.post("/mine").location == "/mfa/challenge"
    code = device.at(world.clock.now)
    trusted = client.post("/mfa/challenge", data={"code": code, "trust": "1"})
    assert trusted.status_code == 303 and world.logins == [text, text]
    assert client.get("/vault").text == f"vault of {text}"
    assert client.post("/mine").location == "/"  # the cookie of the trusted device is found again


@pytest.mark.parametrize(("user_id", "text"), IDS)
def test_flask_takes_such_an_id_of_the_user_who_is_logged_in(user_id: UserId, text: str) -> None:
    world = FlaskWorld(FERROTP_LOGIN_VIEW="password")
    _current_user_is(world, user_id)
    client = world.client()
    assert client.get("/address").status_code == 303  # adopted: as by a password
    world.enrolled(text)
    assert client.get("/").location == "/mfa/challenge"


@pytest.mark.parametrize("user_id", NO_IDS)
def test_flask_refuses_what_is_no_id(user_id: Any) -> None:
    world = FlaskIds(user_id)
    with pytest.raises(InvalidIdentifier):
        world.client().post("/mine")
    if user_id is not None:
        world = FlaskWorld()
        _current_user_is(world, user_id)
        with pytest.raises(InvalidIdentifier):
            world.client().get("/")


def _current_user_is(world: FlaskWorld, user_id: Any) -> None:
    world.app.extensions["ferrotp"] = replace(world.app.extensions["ferrotp"], current_user_id=lambda: user_id)


class StarletteIds(StarletteWorld):
    """The same: what `current_user` gives is of that type too."""

    def __init__(self, user_id: Any) -> None:
        super().__init__()
        self.user_id = user_id

        async def mine(request: Request) -> Response:
            return await self.api.begin_login(request, user_id, "alice@example.com")

        def current_user(request: Request) -> Any:
            return user_id if request.headers.get("authorization") in self.sessions else None

        self.api._current_user = current_user
        self.app.router.routes.insert(0, Route("/mine", mine, methods=["POST"]))


@pytest.mark.parametrize(("user_id", "text"), IDS)
def test_starlette_takes_the_ids_that_applications_have(user_id: UserId, text: str) -> None:
    world = StarletteIds(user_id)
    status, done = world.ask("POST", "/mine")
    assert status == 200 and world.logged_in == [text]
    token = done["session"]["token"]
    assert world.ask("GET", "/guarded/login", token=token) == (200, {"user": text})
    status, enrolled = world.ask("POST", "/mfa/enroll", {"name": "Phone"}, token)
    assert status == 201 and world.mfa.status(user_id=text).pending


@pytest.mark.parametrize("user_id", NO_IDS)
def test_starlette_refuses_what_is_no_id(user_id: Any) -> None:
    world = StarletteIds(user_id)
    with pytest.raises(InvalidIdentifier):
        world.ask("POST", "/mine")
    if user_id is not None:
        world.sessions["Bearer 1"] = ("", "")
        with pytest.raises(InvalidIdentifier):
            world.ask("GET", "/guarded/login", token="Bearer 1")
