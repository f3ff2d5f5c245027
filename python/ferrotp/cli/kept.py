"""Accounts that wait until all files are read, since nothing is said of any before: packed, as there may be many."""

import marshal
from collections.abc import Iterable, Iterator

from ..transfer import Account

_FIELDS = ("secret", "name", "issuer", "kind", "algorithm", "digits", "period", "counter", "serial")


class Kept:
    """A list of accounts of some 100 bytes each. It can be gone through as often as wanted."""

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self._packed = bytearray()
        self._count = 0
        for account in accounts:
            self.append(account)

    def __contains__(self, account: object) -> bool:
        return any(kept == account for kept in self)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Account]:
        at = 0
        while at < len(self._packed):
            start = at + 4
            at = start + int.from_bytes(self._packed[at:start], "big")
            yield Account(*marshal.loads(self._packed[start:at]))  # noqa: S302  # what `append` wrote

    def append(self, account: Account) -> None:
        packed = marshal.dumps(tuple(getattr(account, name) for name in _FIELDS))
        self._packed += len(packed).to_bytes(4, "big") + packed
        self._count += 1

    def mark(self) -> tuple[int, int]:
        """What `forget` goes back to."""
        return self._count, len(self._packed)

    def forget(self, mark: tuple[int, int]) -> None:
        """Forgets what was appended since."""
        self._count, length = mark
        del self._packed[length:]
