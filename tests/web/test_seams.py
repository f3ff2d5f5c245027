"""Where the web meets an application: what an attacker, or an honest deployment, gets past the second factor by."""

import html
import re
import stat
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import flask
import flask_login
import pytest
from flask.typing import ResponseReturnValue
from mfa.authenticator import Clock, Device
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ferrotp import TOTP
from ferrotp.flask import FlaskMFA, SetupError, mfa_required
from ferrotp.mfa import MFA, Event, InvalidIdentifier, Policy, TooManyFactors, UserId
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.starlette import ProblemError, StarletteMFA
from ferrotp.starlette.tokens import Tokens
from ferrotp.vault import Keyring
from ferrotp.web import Gate, LastFactor, Login, StepError, absolute_store, check_store, device_cookie, open_mfa
from ferrotp.web.pages import CodesPage, show_codes

from .flask.test_extension import SECRET_KEY
from .flask.test_extension import World as FlaskWorld
from .starlette.test_router import GUARDS, KEY
from .starlette.test_router import World as StarletteWorld
from .test_floor import World as GateWorld

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
    assert world.ask("POST", "/mfa/enroll", {"name": "Phone"}, token)[0] == 201
    assert world.mfa.status(user_id=text).pending


@pytest.mark.parametrize("user_id", NO_IDS)
def test_starlette_refuses_what_is_no_id(user_id: Any) -> None:
    world = StarletteIds(user_id)
    if isinstance(user_id, str):  # an application that takes login names for ids has such from its visitors
        assert world.ask("POST", "/mine")[1]["type"] == "urn:ferrotp:problem:login-required"
    else:
        with pytest.raises(InvalidIdentifier):
            world.ask("POST", "/mine")
    if user_id is not None:
        world.sessions["Bearer 1"] = ("", "")
        if isinstance(user_id, str):
            assert world.ask("GET", "/mfa/status", token="Bearer 1")[0] == 401
        else:
            with pytest.raises(InvalidIdentifier):
                world.ask("GET", "/mfa/status", token="Bearer 1")


# Two applications that share a secret key


def other_tenant(world: Any) -> Any:
    """The service of another customer, in the same store and with the same keys: the least that keeps them apart."""
    mfa = world.mfa
    options = {"keyring": mfa.keyring, "policy": mfa.policy, "clock": world.clock}
    return MFA(mfa.store, issuer=mfa.issuer, tenant="other", **options)


def other_issuer(world: Any) -> Any:
    """The service of another application."""
    mfa = world.mfa
    return MFA(mfa.store, issuer="Other", keyring=mfa.keyring, policy=mfa.policy, clock=world.clock)


OTHERS = [other_tenant, other_issuer]
Other = Callable[[Any], MFA]


class OtherStarlette(StarletteWorld):
    """Has the session table of another application, as two with one session store do."""

    def __init__(self, world: StarletteWorld, other: Other, **options: Any) -> None:
        super().__init__(**options)
        mfa = other(world)
        self.clock, self.sessions, self.mfa = world.clock, world.sessions, mfa
        self.app = Starlette()
        api = self.api
        self.api = StarletteMFA(
            mfa,
            secret_key=KEY,
            current_user=api._current_user,
            stamp=api._stamp,
            on_login=api._on_login,
            **options,
        )

        async def login(request: Request) -> Response:
            return await self.api.begin_login(request, request.query_params["user"], "alice@example.com")

        async def guarded(request: Request) -> Response:
            return JSONResponse({"user": await GUARDS[request.path_params["how"]](request)})

        self.app.router.routes += [Route("/login", login, methods=["POST"]), Route("/guarded/{how}", guarded)]
        self.api.install(self.app, "/mfa")


@pytest.mark.parametrize("other", OTHERS)
def test_no_pending_token_of_another_application_binds_a_factor(other: Other) -> None:
    """An account was taken over like this: a password of one's own at A, and the id of the victim at B."""
    here = StarletteWorld(mode="required")
    there = OtherStarlette(here, other, mode="required")
    pending = here.ask("POST", "/login?user=42")[1]["pending_token"]
    posts: dict[str, dict[str, object]] = {
        "enroll": {"name": "Mine"},
        "confirm": {"factor_id": "f" * 32, "code": "123456"},
        "verify": {"code": "123456"},
        "recover": {"code": "123456"},
    }
    for path, body in posts.items():
        status, problem = there.ask("POST", f"/mfa/{path}", {**body, "pending_token": pending})
        assert (status, problem["type"]) == (401, "urn:ferrotp:problem:pending-login-expired"), path
    assert not there.mfa.status(user_id="42").pending
    assert here.ask("POST", "/mfa/enroll", {"name": "Mine", "pending_token": pending})[0] == 201


@pytest.mark.parametrize("other", OTHERS)
def test_no_stamp_of_another_application_counts(other: Other) -> None:
    here = StarletteWorld()
    token, _, _ = here.enrolled()
    there = OtherStarlette(here, other)
    if there.mfa.tenant:
        enrollment = there.mfa.enroll(user_id="42", account_name="alice")
        code = Device(enrollment.uri).at(here.clock.now)
        there.mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=code)
    assert here.ask("GET", "/guarded/mfa", token=token)[0] == 200
    for how in GUARDS:
        assert there.ask("GET", f"/guarded/{how}", token=token)[0] == 403, how
    for method, path, body in (
        ("POST", "recovery-codes", {}),
        ("POST", "enroll", {"name": "Mine"}),
        ("DELETE", "devices", None),
        ("GET", "status", None),
    ):
        assert there.ask(method, f"/mfa/{path}", body, token)[0] == 403, path


@pytest.mark.parametrize("other", OTHERS)
def test_no_token_says_another_application_even_with_its_salt(other: Other) -> None:
    world = StarletteWorld()
    here, there = world.api.gate, Gate(other(world), clock=world.clock)
    login = here.begin("42", "alice").login
    record = login.dump()
    assert here.load(record) == login and there.load(record) is None
    for name in ("issuer", "tenant"):
        assert here.load({**record, name: "?"}) is None
        assert here.load({key: value for key, value in record.items() if key != name}) is None
    stamp = Tokens(here, KEY)._stamps.dumps(there.begin("42", "alice").login.dump())
    assert Tokens(here, KEY).read_stamp(stamp) is None
    assert Tokens(there, KEY).read_stamp(stamp) is None


@pytest.mark.parametrize("other", OTHERS)
def test_no_session_of_another_flask_application_counts(other: Other) -> None:
    here = FlaskWorld(FERROTP_LOGIN_VIEW="password")
    device = here.enrolled()
    there = FlaskWorld(FERROTP_LOGIN_VIEW="password")
    there.clock = here.clock
    mfa = other(here)
    state = there.app.extensions["ferrotp"]
    there.app.extensions["ferrotp"] = replace(state, gate=Gate(mfa, mode="required", clock=here.clock))
    half, full = here.client(), here.client()
    assert half.post("/login/7").location == full.post("/login/7").location == "/mfa/challenge"
    code = device.at(here.clock.now)
    assert full.post("/mfa/challenge", data={"code": code, "trust": "1"}).status_code == 303
    assert full.get("/vault").text == "vault of 7"
    for client in (half, full):
        copy = there.client()
        for cookie in client._cookies.values():
            copy.set_cookie(cookie.key, cookie.value)
        for path in ("/vault", "/safe", "/mfa/", "/mfa/set-up"):
            assert copy.get(path).status_code == 303, path
        assert copy.post("/mfa/challenge", data={"code": code}).location != "/"
    # Nor does its cookie of a trusted device, for whom the browser keeps both.
    copy = there.client()
    for cookie in full._cookies.values():
        if "ferrotp_device_token_" in cookie.key:
            copy.set_cookie(cookie.key, cookie.value)
    if not mfa.tenant:
        assert copy.post("/login/7").location == "/mfa/challenge"
    assert device_cookie("7", mfa.issuer, mfa.tenant) != device_cookie("7", here.mfa.issuer, here.mfa.tenant)


# The application knows better


def test_flask_lets_nobody_in_whose_factor_the_store_has_lost() -> None:
    world = FlaskIds("7")
    events: list[Event] = []
    world.mfa._core.on_event = events.append
    world.app.add_url_rule(
        "/known",
        "known",
        lambda: world.flask_mfa.begin_login("7", "alice@example.com", enrolled=True),
        methods=["POST"],
    )
    world.enrolled("7")
    assert world.client().post("/known").location == "/mfa/challenge"
    world.mfa.reset(user_id="7", by="somebody with the database")
    client = world.client()
    assert client.post("/known").status_code == 503 and world.logins == []
    assert client.get("/vault").location == "/password?next=/vault"
    assert events[-1].kind == "enrollment lost" and events[-1].notify_user
    assert world.client().post("/mine").location == "/"  # who does not say it is let in


def test_starlette_lets_nobody_in_whose_factor_the_store_has_lost() -> None:
    world = StarletteWorld()
    events: list[Event] = []
    world.mfa._core.on_event = events.append

    async def known(request: Request) -> Response:
        try:
            return await world.api.begin_login(request, 42, "alice@example.com", enrolled=True)
        except ProblemError as error:
            return error.response()

    world.app.router.routes.insert(0, Route("/known", known, methods=["POST"]))
    world.enrolled()
    assert world.ask("POST", "/known")[1]["next"] == "verify"
    world.mfa.reset(user_id="42", by="somebody with the database")
    status, problem = world.ask("POST", "/known")
    assert (status, problem["type"]) == (503, "urn:ferrotp:problem:store-unavailable")
    assert len(world.logged_in) == 2  # those of the enrollment
    assert events[-1].kind == "enrollment lost" and events[-1].user_id == "42"


# Flask-Login: an id that changes is none


class LoginUser(flask_login.UserMixin):
    """As Flask-Login's documents have it for "alternative tokens": the id of the session changes with the password."""

    def __init__(self, id: Any, token: str) -> None:
        self.id, self.token = id, token

    def get_id(self) -> str:
        return self.token


class FlaskLogin:
    """An application with Flask-Login, and one user."""

    def __init__(self, user: Any, load: Callable[[str], Any] | None = None, **options: Any) -> None:
        self.user = user
        self.clock = Clock()
        self.mfa = MFA(
            MemoryStore(),
            issuer="ACME",
            keyring=Keyring.generate(),
            policy=Policy.cheap_for_tests(),
            clock=self.clock,
        )
        app = self.app = flask.Flask(__name__)
        app.config.update(SECRET_KEY=SECRET_KEY, TESTING=True, WTF_CSRF_ENABLED=False, FERROTP_LOGIN_VIEW="/password")
        manager = flask_login.LoginManager(app)
        manager.user_loader(load or (lambda text: self.user if text == self.user.get_id() else None))
        flask_mfa = FlaskMFA(app, mfa=self.mfa, **options)
        self.begin_with: Any = user.id

        @app.post("/login")
        def login() -> ResponseReturnValue:
            return flask_mfa.begin_login(self.begin_with, "alice@example.com")

        @app.post("/plain-login")
        def plain_login() -> str:
            flask_login.login_user(self.user)
            return "in"

        @app.get("/vault")
        @mfa_required
        def vault() -> str:
            return f"vault of {flask_mfa.user_id}"

        @app.get("/inside")
        @flask_login.login_required
        def inside() -> str:
            return f"inside {flask_login.current_user.id}"

    def enroll(self, user_id: Any) -> Device:
        enrollment = self.mfa.enroll(user_id=user_id, account_name="alice")
        device = Device(enrollment.uri)
        self.mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=device.at(self.clock.now))
        self.clock.now += 60
        return device

    def by_id(self, text: str) -> Any:
        return self.user if text == str(self.user.id) else None


def mapped_user() -> Any:
    """A model of SQLAlchemy's, read from a database, whose id for Flask-Login is another column."""

    class Base(DeclarativeBase):
        pass

    class User(flask_login.UserMixin, Base):
        __tablename__ = "user"
        number: Mapped[int] = mapped_column(primary_key=True)
        token: Mapped[str]

        def get_id(self) -> str:
            return self.token

        @property
        def id(self) -> int:
            return self.number

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = Session(engine)
    session.add(User(number=7, token="first"))
    session.commit()
    return session.get(User, 7)


def test_flask_knows_a_mapped_user_by_the_primary_key_when_the_alternative_id_rotates() -> None:
    """After a change of the password nobody was asked for a code: the factor was under the old id."""
    user = mapped_user()
    world = FlaskLogin(user)
    world.app.extensions["ferrotp"] = replace(world.app.extensions["ferrotp"], load_user=world.by_id)
    device = world.enroll(user.id)
    for token in ("first", "second"):
        user.token = token  # the password was changed
        client = world.app.test_client()
        client.post("/plain-login")
        assert client.get("/inside").location == "/mfa/challenge"
        assert client.post("/login").location == "/mfa/challenge"
        answer = client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
        assert answer.location == "/inside" and client.get("/vault").text == "vault of 7"
        assert client.get("/inside").text == "inside 7"
        world.clock.now += 60


def test_flask_asks_the_application_for_the_id_that_stays() -> None:
    user = LoginUser(UUID(int=7), "first")
    world = FlaskLogin(
        user, user_id=lambda user: user.id, load_user=lambda text: user if text == str(user.id) else None
    )
    device = world.enroll(user.id)
    client = world.app.test_client()
    assert client.post("/login").location == "/mfa/challenge"
    client.post("/mfa/challenge", data={"code": device.at(world.clock.now)})
    assert client.get("/vault").text == f"vault of {user.id}"
    user.token = "second"
    client = world.app.test_client()
    client.post("/plain-login")
    assert client.get("/inside").location == "/mfa/challenge"


@pytest.mark.parametrize("post", ["/login", "/plain-login"])
@pytest.mark.parametrize("by_token", [False, True])
def test_flask_refuses_an_alternative_id_that_nobody_explained(post: str, by_token: bool) -> None:
    world = FlaskLogin(LoginUser(7, "first"))
    if by_token:
        world.begin_with = "first"
    client = world.app.test_client()
    if post == "/plain-login":
        assert client.post(post).text == "in"
    for _ in range(2):
        with pytest.raises(SetupError, match=r"FlaskMFA\(user_id=|begin_login.*user_id="):
            client.get("/inside") if post == "/plain-login" else client.post(post)


def test_flask_says_so_where_the_loader_takes_another_id() -> None:
    world = FlaskLogin(LoginUser(7, "first"), user_id=lambda user: user.id)
    with pytest.raises(SetupError, match="load_user="):
        world.app.test_client().post("/login")
    world = FlaskLogin(LoginUser(7, "first"), user_id=lambda user: user.id, load_user=lambda _: LoginUser(8, "other"))
    with pytest.raises(SetupError, match="another user"):
        world.app.test_client().post("/login")


def test_flask_refuses_two_answers_to_who_is_logged_in() -> None:
    with pytest.raises(SetupError, match="current_user_id"):
        FlaskLogin(LoginUser(7, "first"), user_id=lambda user: user.id, current_user_id=lambda: "7")


def test_flask_takes_get_id_where_it_is_the_id() -> None:
    class Plain(flask_login.UserMixin):
        id = 7

    world = FlaskLogin(Plain())
    client = world.app.test_client()
    assert client.post("/login").location == "/" and client.get("/inside").text == "inside 7"


# Where the store is


SEALS = Keyring.generate()


def stored_flask(folder: Path, store: str) -> flask.Flask:
    app = flask.Flask(__name__, instance_path=str(folder / "instance"))
    keys = SEALS.export()
    app.config.update(SECRET_KEY=SECRET_KEY, FERROTP_STORE=store, FERROTP_ISSUER="ACME", FERROTP_KEYS=keys)
    FlaskMFA(app)
    return app


@pytest.mark.parametrize("store", ["sqlite:///mfa.db", "sqlite+pysqlite:///mfa.db?journal=delete"])
def test_flask_finds_the_same_store_from_every_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the store says so of a relative path
            app = stored_flask(tmp_path, store)
        mfa = app.extensions["ferrotp"].gate.mfa
        assert mfa.status(user_id="7").pending == () if name == "here" else len(mfa.status(user_id="7").pending) == 1
        mfa.enroll(user_id="7", account_name="alice")
        mfa.close()
        assert list((tmp_path / name).iterdir()) == []
    assert (tmp_path / "instance" / "mfa.db").exists()
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700


def test_flask_does_not_begin_an_empty_store_beside_the_one_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that looks for the file in another place must not let everybody in by password."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mfa.db").touch()
    with pytest.raises(SetupError, match=r"FERROTP_STORE.*mfa\.db.*move"):
        stored_flask(tmp_path, "sqlite:///mfa.db")
    assert not (tmp_path / "instance" / "mfa.db").exists()
    (tmp_path / "instance").mkdir(exist_ok=True)
    (tmp_path / "mfa.db").rename(tmp_path / "instance" / "mfa.db")
    stored_flask(tmp_path, "sqlite:///mfa.db")


@pytest.mark.parametrize(
    ("store", "found"),
    [
        ("sqlite:///mfa.db", "sqlite:///{}/mfa.db"),
        ("sqlite:///a/../mfa.db?journal=delete", "sqlite:///{}/a/../mfa.db?journal=delete"),
        ("sqlite:////var/lib/mfa.db", "sqlite:////var/lib/mfa.db"),
        ("sqlite:///file:mfa.db?uri=true&mode=rw", "sqlite:///file:{}/mfa.db?uri=true&mode=rw"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://u:p@host/mfa.db", "postgresql+psycopg://u:p@host/mfa.db"),
        ("redis://host/0", "redis://host/0"),
        ("sqlite", "sqlite"),
    ],
)
def test_only_a_relative_path_is_resolved(tmp_path: Path, store: str, found: str) -> None:
    resolved = absolute_store(store, tmp_path, "FERROTP_STORE")
    if "://" in store:
        assert make_url(resolved) == make_url(found.format(tmp_path))
    else:
        assert resolved == found


def test_a_keyring_that_is_not_the_stores_is_said_at_the_start(tmp_path: Path) -> None:
    """And not at the first login, to a user: with the id of the key that is missing."""
    store = MemoryStore()
    sealing = MFA(store, issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    sealing.import_factor(user_id="7", secret=b"0" * 20)
    other = MFA(store, issuer="ACME", keyring=Keyring.generate(), prepare=False)
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=SECRET_KEY)
    for start in (lambda: FlaskMFA(app, mfa=other), lambda: check_store(other)):
        with pytest.raises(SetupError, match=sealing.keyring.writes_with):
            start()
    url = f"sqlite:///{tmp_path}/mfa.db"
    made = open_mfa(store=url, issuer="ACME", keys=Keyring.generate())
    made.import_factor(user_id="7", secret=b"0" * 20)
    with pytest.raises(SetupError, match="FERROTP_KEYS is not the store's"):
        open_mfa(store=url, issuer="ACME", keys=Keyring.generate())


# Races: what comes between a page's look and the decision


def _between(world: GateWorld, monkeypatch: pytest.MonkeyPatch, verb: str, happens: Callable[[], object]) -> None:
    """Lets something happen when a decision of the store is on its way."""
    decide = getattr(world.mfa.store, verb)

    def decided_late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(world.mfa.store, verb, decide)
        happens()
        return decide(*arguments, **named)

    monkeypatch.setattr(world.mfa.store, verb, decided_late)


def _waiting(world: GateWorld, login: Login) -> tuple[Login, str]:
    """A set-up that waits for its code, and the code."""
    login = world.gate.enroll(login, "Phone")
    enrollment = world.gate.pending_enrollment(login)
    assert enrollment is not None
    return login, Device(enrollment.uri).at(world.clock.now)


@pytest.mark.parametrize(("mode", "next_page"), [("required", "password"), ("optional", "challenge")])
def test_the_password_alone_binds_no_second_phone_at_the_moment_of_the_first(
    mode: str, next_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GateWorld(mode)
    owners, thiefs = _waiting(world, world.begin()), _waiting(world, world.begin())
    _between(world, monkeypatch, "confirm", lambda: world.gate.confirm(*owners))
    with pytest.raises(StepError) as raised:
        world.gate.confirm(*thiefs)
    assert raised.value.next_page == next_page
    status = world.mfa.status(user_id="42")
    assert [factor.factor_id for factor in status.factors] == [owners[0].pending_factor]


def test_two_tabs_that_remove_leave_the_last_factor_where_one_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    world = GateWorld("required")
    login, _ = world.enrolled()
    login = world.gate.confirm(*_waiting(world, login))
    first, second = [factor.factor_id for factor in world.mfa.status(user_id="42").factors]
    _between(world, monkeypatch, "remove_factor", lambda: world.gate.remove(login, first))
    with pytest.raises(LastFactor):
        world.gate.remove(login, second)
    assert [factor.factor_id for factor in world.mfa.status(user_id="42").factors] == [second]


def test_parallel_set_ups_bind_no_more_than_the_policy_allows() -> None:
    world = GateWorld()
    world.mfa._core.policy = replace(world.mfa.policy, max_factors=1)
    first, second = _waiting(world, world.begin()), _waiting(world, world.begin())
    login = world.gate.confirm(*first)
    late = replace(login, pending_factor=second[0].pending_factor)
    with pytest.raises(TooManyFactors):
        world.gate.confirm(late, second[1])
    assert len(world.mfa.status(user_id="42").factors) == 1


# Recovery codes: nobody's but the user's, and none that nobody has seen

CODE_PATTERN = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b")


def _setting_up(world: FlaskWorld) -> tuple[Any, str]:
    """A browser that is about to confirm, and the code."""
    client = world.client()
    client.post("/login/7")
    client.post("/mfa/set-up")
    page = html.unescape(client.get("/mfa/set-up").text)
    found = re.search(r'otpauth://[^"]+', page)
    assert found
    return client, Device(found[0]).at(world.clock.now)


def _again(world: FlaskWorld, client: Any) -> str:
    """The settings, in the same browser."""
    answer = client.get("/mfa/")
    assert answer.status_code == 200
    return html.unescape(answer.text)


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_a_login_that_the_application_breaks_makes_no_codes_that_nobody_sees(mode: str) -> None:
    world = FlaskWorld(FERROTP_LOGIN_VIEW="password", FERROTP_MODE=mode)
    state = world.app.extensions["ferrotp"]

    def broken(user_id: str) -> None:
        raise RuntimeError("the application's own")

    client, code = _setting_up(world)
    world.app.extensions["ferrotp"] = replace(state, on_login=broken)
    if mode == "required":
        with pytest.raises(RuntimeError):
            client.post("/mfa/set-up/confirm", data={"code": code})
        assert world.mfa.status(user_id="7").recovery_codes == 0
        world.app.extensions["ferrotp"] = state
        # In again, by both factors: the settings lead to new codes.
        world.clock.now += 60
        enrolled = world.mfa.status(user_id="7").factors[0]
        secret = world.mfa.reveal_secret(user_id="7", factor_id=enrolled.factor_id, by="tests").secret
        client = world.client()
        client.post("/login/7")
        client.post("/mfa/challenge", data={"code": TOTP(secret).at(int(world.clock.now))})
        assert "No code is left." in _again(world, client)
        assert len(CODE_PATTERN.findall(client.post("/mfa/recovery-codes").text)) >= 10
    else:
        assert len(CODE_PATTERN.findall(client.post("/mfa/set-up/confirm", data={"code": code}).text)) >= 10


@pytest.mark.parametrize("page", ["first", "new"])
def test_a_page_of_codes_that_breaks_leads_to_the_settings_and_leaks_none(
    page: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ferrotp").mkdir()
    template = "{% for code in page.codes %}{{ code }}{{ missing.at.all }}{% endfor %}"
    (tmp_path / "ferrotp" / "codes.html").write_text(template)
    world = FlaskWorld(FERROTP_LOGIN_VIEW="password", FERROTP_MODE="required", templates=str(tmp_path))
    client, code = _setting_up(world)
    answer = client.post("/mfa/set-up/confirm", data={"code": code})
    if page == "new":
        answer = client.post("/mfa/recovery-codes")
    assert (answer.status_code, answer.location) == (303, "/mfa/")
    assert world.mfa.status(user_id="7").recovery_codes == 10
    assert "you have not confirmed that you saved them" in _again(world, client)
    assert "could not be shown (UndefinedError)" in caplog.text and not CODE_PATTERN.search(caplog.text)


def test_what_makes_or_shows_codes_raises_no_frame_that_holds_them() -> None:
    codes = CodesPage(("AAAA-AAAA-AAAA-AAAA",))

    def broken_later() -> CodesPage:
        made = codes
        raise ZeroDivisionError(str(len(made.codes)))

    def interrupted(page: CodesPage) -> None:
        for _code in page.codes:
            raise KeyboardInterrupt

    for make, show, expected in (
        (broken_later, interrupted, ZeroDivisionError),
        (lambda: codes, interrupted, KeyboardInterrupt),
    ):
        with pytest.raises(expected) as raised:
            show_codes(make, show)
        frames = [frame.frame for frame in raised.traceback if "web/pages.py" in str(frame.path)]
        assert len(frames) == 1
        assert not any("AAAA" in repr(value) or value is codes for value in frames[0].f_locals.values())


def test_the_page_of_codes_loaded_again_leads_to_the_settings_which_say_so() -> None:
    world = FlaskWorld(FERROTP_LOGIN_VIEW="password", FERROTP_MODE="required")
    client, code = _setting_up(world)
    assert len(CODE_PATTERN.findall(client.post("/mfa/set-up/confirm", data={"code": code}).text)) >= 10
    for again in (
        client.get("/mfa/set-up/confirm"),
        client.post("/mfa/set-up/confirm", data={"code": code}),
        client.get("/mfa/recovery-codes/saved"),
    ):
        assert (again.status_code, again.location) == (303, "/mfa/")
    assert "you have not confirmed that you saved them" in _again(world, client)


def test_sets_of_codes_beyond_the_budget_are_refused_in_the_right_words() -> None:
    world = FlaskWorld(FERROTP_LOGIN_VIEW="password", FERROTP_MODE="required")
    client, code = _setting_up(world)
    client.post("/mfa/set-up/confirm", data={"code": code})
    answers = [client.post("/mfa/recovery-codes") for _ in range(12)]
    assert [answer.status_code for answer in answers].count(200) in (8, 9, 10)
    assert answers[-1].status_code == 429 and "You have made new codes many times" in answers[-1].text
    assert answers[-1].headers["Retry-After"]


def test_starlettes_application_hears_of_the_login_before_there_are_codes() -> None:
    world = StarletteWorld(mode="required")
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    enrolled = world.ask("POST", "/mfa/enroll", {"name": "Phone", "pending_token": pending})[1]
    on_login = world.api._on_login

    def broken(*arguments: Any) -> Any:
        raise RuntimeError("the application's own")

    world.api._on_login = broken
    code = Device(enrolled["uri"]).at(world.clock.now)
    body = {"factor_id": enrolled["factor_id"], "code": code, "pending_token": pending}
    with pytest.raises(RuntimeError):
        world.ask("POST", "/mfa/confirm", body)
    assert world.mfa.status(user_id="42").enrolled and world.mfa.status(user_id="42").recovery_codes == 0
    world.api._on_login = on_login
    world.clock.now += 60
    pending = world.ask("POST", "/login?user=42")[1]["pending_token"]
    code = Device(enrolled["uri"]).at(world.clock.now)
    token = world.ask("POST", "/mfa/verify", {"code": code, "pending_token": pending})[1]["session"]["token"]
    assert world.ask("GET", "/mfa/status", token=token)[1]["recovery_codes_left"] == 0
    made = [world.ask("POST", "/mfa/recovery-codes", {}, token) for _ in range(12)]
    assert made[0][0] == 201 and len(made[0][1]["recovery_codes"]) == 10
    assert made[-1][0] == 429 and "made new codes" in made[-1][1]["detail"]


# A store that has lost a user's records


def test_a_user_whose_records_are_damaged_is_let_in_by_no_framework() -> None:
    flask_world, starlette_world = FlaskWorld(FERROTP_LOGIN_VIEW="password"), StarletteWorld()
    flask_world.enrolled("7")
    starlette_world.enrolled()
    for world in (flask_world, starlette_world):
        store: Any = world.mfa.store
        for place in list(store._factors):
            del store._factors[place]
    assert flask_world.client().post("/login/7").status_code == 503 and flask_world.logins == []
    before = list(starlette_world.logged_in)
    status, problem = starlette_world.ask("POST", "/login?user=42")
    assert (status, problem["type"]) == (503, "urn:ferrotp:problem:store-unavailable")
    assert starlette_world.logged_in == before
