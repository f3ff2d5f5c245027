"""What the tests of `ferrotp.django` share."""

import functools
import itertools
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mfa.mariadb_server import MariaDBServer, shared_mariadb, skip_without_mariadb
from mfa.servers import PostgreSQLServer, shared_postgresql

from .site import PASSWORD, set_up_site

set_up_site()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.signals import got_request_exception  # noqa: E402
from django.db import connections  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402
from django.views.debug import ExceptionReporter  # noqa: E402
from mfa.authenticator import Device  # noqa: E402

from ferrotp.django import get_mfa, mfa_event  # noqa: E402
from ferrotp.django.test import Clock, MFAClient, mfa_clock  # noqa: E402
from ferrotp.mfa import Event  # noqa: E402
from ferrotp.mfa.stores.base import Store  # noqa: E402

from .databases import database_on, database_on_mariadb  # noqa: E402
from .site import given  # noqa: E402
from .stores import migrate, open_store, set_up  # noqa: E402


@pytest.fixture(scope="session")
def postgresql() -> PostgreSQLServer:
    """A server that all tests share, and leave as it was."""
    return shared_postgresql()


@pytest.fixture(scope="session")
def mariadb() -> MariaDBServer:
    """The same."""
    skip_without_mariadb()
    return shared_mariadb()


@pytest.fixture
def opener_at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Callable[[], Store]]:
    """What opens the store anywhere, on a new database that has its tables: `open_store`, for a kind of database."""

    def opener_at(where: str, **options: float) -> Callable[[], Store]:
        if where == "sqlite":
            database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tmp_path}/db.sqlite3"}
        elif where == "postgresql":
            database = database_on(request.getfixturevalue(where))
        else:
            database = database_on_mariadb(request.getfixturevalue(where))
        alias = f"store_{secrets.token_hex(4)}"
        set_up({alias: database})
        migrate(alias)
        connections[alias].close()  # no other process is to have it
        return functools.partial(open_store, alias, database, **options)

    return opener_at


@pytest.fixture(scope="session")
def tables() -> None:
    """The site's tables."""
    call_command("migrate", verbosity=0)


@pytest.fixture
def clock(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The site as a test runner sets it up, with a clock that stands still. Its store keeps its connection, as it does
    outside of tests: nobody drops this database, and to connect for each operation took a fifth of these tests.
    """
    setup_test_environment(debug=False)
    monkeypatch.setattr("ferrotp.django.connections.is_testing", lambda: False)
    with mfa_clock(1_800_000_015.0) as clock:
        yield clock
    teardown_test_environment()


@pytest.fixture
def events(clock: Clock) -> Iterator[list[Event]]:
    found: list[Event] = []

    def receive(event: Event, **more: Any) -> None:
        found.append(event)

    mfa_event.connect(receive)
    yield found
    mfa_event.disconnect(receive)


class Person:
    """A user, with a device if one is set up."""

    def __init__(self, clock: Clock, name: str, **more: Any) -> None:
        self.clock, self.name = clock, name
        self.user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, **more)
        self.user_id = str(self.user.pk)
        self.device: Device
        self.codes: tuple[str, ...] = ()
        self.factor_id = ""

    def enroll(self) -> "Person":
        """A confirmed factor; a minute goes by."""
        mfa = get_mfa()
        enrollment = mfa.enroll(user_id=self.user_id, account_name=self.name, name="Phone")
        self.device, self.factor_id = Device(enrollment.uri), enrollment.factor_id
        self.codes = tuple(mfa.confirm(user_id=self.user_id, factor_id=self.factor_id, code=self.code()))
        self.clock.tick(60)
        return self

    def code(self) -> str:
        return self.device.at(self.clock.now)

    def wrong(self) -> str:
        return self.device.wrong(self.clock.now)

    def password(self, client: Any, path: str = "/login", **more: Any) -> Any:
        """The first factor."""
        names = (
            {"name": self.name} if path.startswith(("/custom-login", "/careless-login")) else {"username": self.name}
        )
        return client.post(path, {**names, "password": PASSWORD, **more})

    def log_in(self, client: Any) -> Any:
        """Both."""
        assert self.password(client).headers["Location"] == "/mfa/challenge"
        response = client.post("/mfa/challenge", {"code": self.code()})
        self.clock.tick()
        return response


_numbers = itertools.count()


@pytest.fixture
def person(clock: Clock) -> Callable[..., Person]:
    """Makes users."""
    return lambda **more: Person(clock, f"user{next(_numbers)}", **more)


@pytest.fixture
def alice(person: Callable[..., Person]) -> Person:
    """A user with a device."""
    return person().enroll()


@pytest.fixture
def client(clock: Clock) -> MFAClient:
    return MFAClient()


@pytest.fixture
def ferrotp(clock: Clock) -> Iterator[Callable[..., None]]:
    """Changes FERROTP for a test."""
    changes: list[Any] = []

    def change(**more: Any) -> None:
        override = override_settings(FERROTP=given(**more))
        override.enable()
        changes.append(override)

    yield change
    for override in reversed(changes):
        override.disable()


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """Django's page about what was raised, as it is mailed to the site's admins."""
    found: list[str] = []

    def report(request: HttpRequest, **more: Any) -> None:
        found.append(ExceptionReporter(request, *sys.exc_info(), is_email=True).get_traceback_html())

    got_request_exception.connect(report)
    yield found
    got_request_exception.disconnect(report)
