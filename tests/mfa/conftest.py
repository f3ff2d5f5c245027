"""What the tests of the service share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferrotp.mfa import MFA, Enrollment, Event, Policy, RecoveryCodes
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

from .authenticator import Clock, Device

if TYPE_CHECKING:
    from .mariadb_server import MariaDBServer
    from .servers import PostgreSQLServer

pytest.register_assert_rewrite("ferrotp.mfa.testing")


class World:
    """A service on the store in memory, its clock, its events, and a user with a device."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.store = MemoryStore()
        self.keyring = Keyring.generate()
        self.mfa = self.service(policy or Policy.cheap_for_tests())

    def service(self, policy: Policy, keyring: Keyring | None = None, tenant: str = "") -> MFA:
        return MFA(
            self.store,
            issuer="ACME",
            keyring=keyring or self.keyring,
            policy=policy,
            tenant=tenant,
            clock=self.clock,
            on_event=self.events.append,
        )

    def enroll(self, user_id: str = "42", kind: str = "totp") -> tuple[Enrollment, Device, RecoveryCodes]:
        """A user whose factor is confirmed; the clock has gone on by a minute."""
        enrollment = self.mfa.enroll(user_id=user_id, account_name="alice@example.com", kind=kind)  # type: ignore[arg-type]
        device = Device(enrollment.uri)
        code = device.at(self.clock.now) if kind == "totp" else device.press()
        codes = self.mfa.confirm(user_id=user_id, factor_id=enrollment.factor_id, code=code)
        self.clock.now += 60
        return enrollment, device, codes

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def database_at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The URL of a new database: on a server, by its name, or in a SQLite file, by its journal."""

    def database_at(where: str) -> str:
        if where in ("postgresql", "mariadb"):
            return str(request.getfixturevalue(where).database())
        return f"sqlite:///{tmp_path}/mfa.db?journal={where}"

    return database_at


@pytest.fixture(scope="session")
def postgresql() -> PostgreSQLServer:
    """A server that all tests share, and leave as it was."""
    from .servers import shared_postgresql  # there is no server in a wheel for each Python that the service runs on

    return shared_postgresql()


@pytest.fixture(scope="session")
def mariadb() -> MariaDBServer:
    """The same."""
    from .mariadb_server import shared_mariadb, skip_without_mariadb

    skip_without_mariadb()
    return shared_mariadb()
