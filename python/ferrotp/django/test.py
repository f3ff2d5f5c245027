"""For the tests of a site.

::

    class TestReport(MFATestMixin, TestCase):
        def test_it(self):
            self.client.force_mfa_login(alice)
            self.client.get("/report")

With ``FERROTP = {..., "STORE": "memory", "POLICY": "cheap_for_tests"}`` in the settings of the tests, nothing of the
second factor touches the database, so that `TestCase` works. A store that commits needs `TransactionTestCase`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.test import AsyncClient, Client

from ferrotp.web import Login
from ferrotp.web.login import LOGIN_KEY

from . import auth, service
from .conf import conf


class MFAClientMixin:
    """A client that logs in with both factors: before `Client`, `AsyncClient`, or REST framework's `APIClient`."""

    def force_mfa_login(self, user: Any, backend: str | None = None, *, fresh: bool = True) -> None:
        """Logs a user in, as if password and code had been right just now. No factor is needed.

        :param fresh: False: as if it had been longer ago than changes of a factor allow
        """
        self.force_login(user, backend)  # type: ignore[attr-defined]
        session = self.session  # type: ignore[attr-defined]
        now = service.now()
        user_id, whose = service.user_id_of(user), {"issuer": conf().issuer, "tenant": service.current_tenant()}
        login = Login.start("full", user_id, user.get_username(), now, **whose).promote(now, fresh=fresh)
        login = replace(login, epoch=service.get_mfa().epoch(user_id=user_id))
        bound = auth.binding(session.get(HASH_SESSION_KEY, ""))
        session[LOGIN_KEY] = replace(login, bound=bound, backend=session[BACKEND_SESSION_KEY]).dump()
        session.save()
        self.cookies[settings.SESSION_COOKIE_NAME] = session.session_key  # type: ignore[attr-defined]

    async def aforce_mfa_login(self, user: Any, backend: str | None = None, *, fresh: bool = True) -> None:
        """`force_mfa_login`, awaited: for tests that are coroutines."""
        await sync_to_async(self.force_mfa_login, thread_sensitive=True)(user, backend, fresh=fresh)


class MFAClient(MFAClientMixin, Client):
    """`django.test.Client` with `force_mfa_login`."""


class AsyncMFAClient(MFAClientMixin, AsyncClient):
    """`django.test.AsyncClient` with `force_mfa_login`."""


class MFATestMixin:
    """Before `TestCase` or another: gives it such clients, and an empty store in memory for each test."""

    client_class = MFAClient
    async_client_class = AsyncMFAClient

    def run(self, result: Any = None) -> Any:
        clear_memory()
        return super().run(result)  # type: ignore[misc]


class Clock:
    """The time of the service: Unix seconds, set by the test."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float = 30) -> None:
        """Time goes by."""
        self.now += seconds


@contextmanager
def mfa_clock(now: float | None = None) -> Iterator[Clock]:
    """A clock that stands still until the test moves it: for the service, the pages and the sessions' marks."""
    before = service.test_clock
    clock = Clock(service.now() if now is None else now)
    service.test_clock = clock
    try:
        yield clock
    finally:
        service.test_clock = before


def clear_memory() -> None:
    """Forgets all that the store in memory holds."""
    service.memory.__init__()  # type: ignore[misc]
