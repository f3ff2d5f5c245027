"""A decision that the database undid, since two waited for each other, is made again, within its deadline.

No driver and no framework is known here.
"""

import threading
from collections.abc import Callable
from functools import wraps
from random import uniform
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from ..errors import StoreUnavailable

DecisionT = TypeVar("DecisionT", bound=Callable[..., Any])


class Undone(StoreUnavailable):
    """The database took back all of a transaction, which may be made again: a deadlock, for one."""


class _UnderWay(threading.local):
    latest = float("inf")
    """The deadline of what this thread does again, by `time.monotonic`; infinity for all else."""


under_way = _UnderWay()


def is_made_again() -> bool:
    """Whether what this thread decides was undone before."""
    return under_way.latest < float("inf")


_STEP, _LONGEST_PAUSE, _LONGEST_OF_SLOW = 0.005, 0.05, 0.1
"""Seconds: by how much a pause may be longer than the one before; how long it may be; and that where tries are slow."""


class Tries:
    """The tries of one decision that others may come before, and the pauses between them.

    Where many decide about one user at one moment, one of them wins and all others have worked in vain: without pauses
    the work grows with their square. The pauses stay short, since those who come in between would win otherwise; but
    short is what a try takes: where a server or a processor is slow, more of the others come in between two steps.
    """

    __slots__ = ("_began", "_lost")

    def __init__(self, began: float | None = None) -> None:
        """:param began: when the first try began, by `time.monotonic`, if it was made already"""
        self._lost = -1 if began is None else 0
        self._began = began or 0.0

    def pause(self) -> None:
        """Before each try. Before the first one there is none."""
        self._lost += 1
        if self._lost:
            took = monotonic() - self._began
            longest = min(max(10 * took, _LONGEST_PAUSE), _LONGEST_OF_SLOW)
            sleep(uniform(0.0, min(self._lost * max(took, _STEP), longest)))  # noqa: S311 - so that no two stay in step
        self._began = monotonic()


def again_if_undone(decision: DecisionT) -> DecisionT:
    """A method of a store that is called again where it ended in `Undone`, until its deadline, which stays the one of
    the first call. The store has a `timeout`, in seconds.
    """

    @wraps(decision)
    def decided(store: Any, *args: Any, **more: Any) -> Any:
        begun = monotonic()
        try:
            return decision(store, *args, **more)
        except Undone:
            if is_made_again():
                raise  # within another one, which will
        tries = Tries(begun)
        under_way.latest = begun + store.timeout
        try:
            while True:
                tries.pause()
                try:
                    return decision(store, *args, **more)
                except Undone:
                    if monotonic() >= under_way.latest:
                        raise
        finally:
            del under_way.latest

    return cast(DecisionT, decided)
