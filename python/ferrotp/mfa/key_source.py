"""Keys that are kept elsewhere: in a service for keys, or behind a command.

They are fetched when they are needed, and again after some minutes, so that a key that was changed there is in use
soon. A place that is away stops nothing at once: the keys at hand are good for a while longer. After that no decision
is made.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .. import vault
from .._tracebacks import attempt
from .errors import KeysUnavailable

Keys: TypeAlias = vault.Keyring | str | Sequence[str]


class KeySource:
    """For ``MFA(keyring=…)``: asks for the keys, and keeps them in memory for a while.

    :param fetch: gives the keys: a keyring, or what `Keyring` takes. It ends by itself within a second or two: a
        request may wait for it
    :param seconds: after which it is asked again
    :param patience: seconds beyond these for which the keys at hand are used where it fails
    :param retry: seconds between two attempts while it fails
    :param clock: seconds, which never go back
    """

    def __init__(
        self,
        fetch: Callable[[], Keys],
        *,
        seconds: float = 300,
        patience: float = 600,
        retry: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= retry <= seconds or patience < 0:
            raise ValueError("seconds and patience must not be negative, and retry at most seconds")
        self._fetch = fetch
        self._seconds, self._patience, self._retry, self._clock = seconds, patience, retry, clock
        self._fetching = threading.Lock()
        self._held: tuple[vault.Keyring, float] | None = None
        """The keys, and when they were fetched."""
        self._next_attempt = float("-inf")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def keyring(self) -> vault.Keyring:
        """The keys as they are now.

        :raises KeysUnavailable: if they cannot be fetched, and those at hand are too old
        """
        held = self._held
        if held is not None and self._clock() - held[1] < self._seconds:
            return held[0]
        # While one thread asks, the others use what is at hand.
        if self._fetching.acquire(blocking=not self._is_usable(held)):
            try:
                self._refresh()
            finally:
                self._fetching.release()
        held = self._held
        if held is None or not self._is_usable(held):
            raise KeysUnavailable
        return held[0]

    def _is_usable(self, held: "tuple[vault.Keyring, float] | None") -> bool:
        return held is not None and self._clock() - held[1] < self._seconds + self._patience

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_attempt or (self._held is not None and now - self._held[1] < self._seconds):
            return  # another thread has just asked
        keys, failure = attempt(self._fetch_keyring)
        if failure is None:
            self._held = keys, now
        elif not isinstance(failure, Exception):
            raise failure
        else:  # its text may be anything, a key too: nobody sees it
            self._next_attempt = now + self._retry

    def _fetch_keyring(self) -> vault.Keyring:
        keys = self._fetch()
        return keys if isinstance(keys, vault.Keyring) else vault.Keyring(keys)


def keys_from_command(command: Sequence[str], *, timeout: float = 2) -> Callable[[], str]:
    """A `fetch` that runs a command and takes the keys from its output, separated by commas or lines.

    :param command: the program and its arguments: no shell reads them
    :param timeout: seconds
    """

    def fetch() -> str:
        import subprocess  # nobody else needs it

        done = subprocess.run(  # noqa: S603 - what the operator wrote, and no shell
            list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=True
        )
        return ",".join(done.stdout.split())

    return fetch
