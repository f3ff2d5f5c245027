"""`EpochCache`: the epochs of users as this process read them last, so that not each page asks the store."""

import threading

from ..mfa import MFA
from .login import Login

SIZE = 10_000
"""Users of whom the epoch is kept. A bound of memory (about 3 MB), so no policy."""


class EpochCache:
    """Says whether a login is still good, from what the store said a short while ago.

    It can only be late in ending a login. That a login has ended is said by the store itself: a server that did not
    hear of a new epoch yet must not end the login that moved it.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._read: dict[tuple[str, str], tuple[str, float]] = {}

    def is_current(self, mfa: MFA, login: Login, now: float, seconds: float) -> bool:
        """Whether the login carries the user's epoch.

        :param now: Unix seconds
        :param seconds: how late the answer may be. 0: asks the store
        :raises StoreUnavailable: if the store is asked, and does not answer
        """
        key = (login.tenant, login.user_id)
        epoch, read_at = self._read.get(key, ("", float("-inf")))
        if epoch == login.epoch and 0 <= now - read_at < seconds:
            return True
        epoch = mfa.epoch(user_id=login.user_id)
        with self._lock:
            self._read.pop(key, None)  # so that the one that was read longest ago stands first
            self._read[key] = epoch, now
            if len(self._read) > self._size:
                del self._read[next(iter(self._read))]
        return epoch == login.epoch
