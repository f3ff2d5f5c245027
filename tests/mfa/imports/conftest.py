"""Sites that people come from, written by the packages themselves, and a service that they come to."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import warm

from ferrotp.mfa import MFA, InvalidCode, Passkeys, Policy
from ferrotp.vault import Keyring

from ..servers import PostgreSQLServer

PASSKEYS = Passkeys(rp_id="example.com", origins=["https://example.com"], sign_in=True)
HERE = Path(__file__).parent


class Site:
    """A database, and what its packages said when they wrote it."""

    def __init__(self, program: str, where: str, *arguments: str) -> None:
        self.where = where
        script = HERE / program
        done = warm.django().run(warm.script(script), where, *arguments, name=str(script))
        assert done.returncode == 0, done.stderr.decode()
        self.said: dict[str, Any] = json.loads(done.stdout)


@pytest.fixture(scope="session")
def django_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site("django_site.py", str(tmp_path_factory.mktemp("django") / "db.sqlite3"))


@pytest.fixture(scope="session")
def sealed_django_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site("django_site.py", str(tmp_path_factory.mktemp("django") / "db.sqlite3"), "encrypted")


@pytest.fixture(scope="session")
def postgresql_django_site(postgresql: PostgreSQLServer) -> Site:
    return Site("django_site.py", postgresql.database())


@pytest.fixture(scope="session", params=["", "encrypted"])
def flask_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    where = str(tmp_path_factory.mktemp("flask") / "db.sqlite3")
    return Site("flask_site.py", where, *([request.param] if request.param else []))


class Service:
    """The service that users come to, with a clock that is set by hand once they are there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keyring = Keyring.generate()
        self.now = 0.0
        self.mfa = self.opened()

    def opened(self, policy: Policy | None = None, clock: Callable[[], float] | None = None) -> MFA:
        policy = policy or replace(Policy.cheap_for_tests(), passkeys=PASSKEYS)
        return MFA(self.url, issuer="tests", keyring=self.keyring, policy=policy, clock=clock or (lambda: self.now))

    def takes(self, user_id: object, code: str) -> bool:
        try:
            self.mfa.verify(user_id=str(user_id), code=code)
        except InvalidCode:
            return False
        return True

    def recovers(self, user_id: object, code: str) -> bool:
        try:
            self.mfa.recover(user_id=str(user_id), code=code)
        except InvalidCode:
            return False
        return True


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(f"sqlite:///{tmp_path}/mfa.db")
