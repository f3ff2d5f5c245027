"""What the tests of `ferrotp.django` share."""

from collections.abc import Iterator

import pytest
from mfa.servers import PostgreSQLServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server that all tests share, and leave as it was."""
    server = PostgreSQLServer()
    yield server
    server.close()
