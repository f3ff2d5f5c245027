from collections.abc import Iterator

import pytest

from ferrotp.mfa.stores.redis import RedisStore

from ..redis_server import Server, programs, server


@pytest.fixture(scope="session", params=programs())
def shared(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server of each kind for all tests that leave it as it was."""
    with server(programs()[request.param]) as one:
        yield one


@pytest.fixture
def own() -> Iterator[Server]:
    """A server to do violence to."""
    with server() as one:
        yield one


@pytest.fixture
def store(shared: Server) -> Iterator[RedisStore]:
    shared.client().flushall()
    one = RedisStore.from_url(shared.url)
    one.prepare()
    yield one
    one.close()
