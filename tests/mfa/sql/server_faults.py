"""What a server's own tests ask of it in common: it is paused, and stopped and started again."""

import time
from collections.abc import Callable
from typing import Protocol

import pytest

from ferrotp.mfa.errors import StoreUnavailable
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.mfa.testing import advance

from .samples import LIMITS, NOW, OWNER, calls, furnish
from .starting import HANG


class BrokenServer(Protocol):
    """A server of the tests' own."""

    def database(self) -> str: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...


def unavailable(call: Callable[[], object]) -> str:
    """What it says; and it must say it at all."""
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        call()
    assert time.monotonic() - begun < HANG
    assert caught.value.__cause__ is None
    return str(caught.value)


def each_is_unavailable(store: SQLStore, but: "set[str]", breaks: Callable[[], Callable[[], object]]) -> None:
    """Every call fails in time while something is broken, and afterwards nothing has changed."""
    furnish(store)
    ready = calls(store)
    before = store.user(OWNER), store.recovery_codes(None, 10), store.devices(OWNER)
    mend = breaks()
    try:
        for name, call in ready.items():
            if name not in but:
                said = unavailable(call)
                assert "user" not in said and "AB" not in said, said
    finally:
        mend()
    store._pool._timeout = 30  # what it answers now is another matter than how fast this machine is
    assert (store.user(OWNER), store.recovery_codes(None, 10), store.devices(OWNER)) == before
    assert ready["attempt"]() is True
    assert store.user(OWNER).factors[0].last_step == 10


class ServerFaults:
    """The tests. `server` is a fixture of the module: a server to break."""

    def test_paused_at_every_call(self, server: BrokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ferrotp.mfa.stores.sql.store.START_TIMEOUT", 1.0)  # of `prepare`
        store = SQLStore(server.database(), timeout=0.4)
        store.prepare()

        def breaks() -> Callable[[], None]:
            server.pause()
            return server.resume

        each_is_unavailable(store, set(), breaks)
        store.close()

    @pytest.mark.parametrize("moment", ["connect", "reserve", "attempt"])
    def test_paused_is_told(self, server: BrokenServer, moment: str) -> None:
        store = SQLStore(server.database())
        store.prepare()
        furnish(store)
        if moment == "connect":
            store.close()
        server.pause()
        try:
            if moment == "attempt":
                said = unavailable(lambda: advance(store, OWNER, "factor", 10, limits=LIMITS))
            else:
                said = unavailable(lambda: store.reserve(OWNER, "otp", NOW, LIMITS))
            assert "in time" in said
        finally:
            server.resume()
        # At once, not after some more failures.
        assert advance(store, OWNER, "factor", 11, limits=LIMITS)
        store.close()

    def test_stopped_and_started_again(self, server: BrokenServer) -> None:
        store = SQLStore(server.database())
        store.prepare()

        def breaks() -> Callable[[], None]:
            server.stop()
            return server.start

        each_is_unavailable(store, set(), breaks)
        # A restart between two calls is not even noticed.
        server.stop()
        server.start()
        assert advance(store, OWNER, "factor", 11, limits=LIMITS)
        store.close()
