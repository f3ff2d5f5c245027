"""The store in memory, by the contract: in threads, since it lives in one process."""

from collections.abc import Callable

from ferrotp.mfa.testing import MemoryStore, Store, StoreContract

STORE = MemoryStore()


class TestMemoryStore(StoreContract):
    across_processes = False

    def opener(self) -> Callable[[], Store]:
        return lambda: STORE
