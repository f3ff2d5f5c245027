"""The store in memory, by the contract: in threads, since it lives in one process."""

from collections.abc import Callable

from ferrotp.mfa.stores.base import Owner
from ferrotp.mfa.testing import MemoryStore, Store, StoreContract

STORE = MemoryStore()


class TestMemoryStore(StoreContract):
    across_processes = False
    # Its lock is held for microseconds, so nobody waits, and the interpreter says which thread runs.
    test_threads_of_a_process_take_turns = None  # type: ignore[assignment]

    def lose_factors(self, store: Store, owner: Owner) -> None:
        for place in [place for place in STORE._factors if place[0] == owner]:
            del STORE._factors[place]

    def opener(self) -> Callable[[], Store]:
        return lambda: STORE
