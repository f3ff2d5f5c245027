"""A decision that the database undid, since two waited for each other, is made again, within its deadline.

No driver and no framework is known here.
"""

import itertools
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

_LONGEST_PAUSE = 0.05
"""Seconds before a decision is made again, at most."""


def pause_before_try(lost: int) -> None:
    """Sleeps before a decision is made again that another one came before.

    Where many decide about one user at one moment, one of them wins and all others have worked in vain: without pauses
    the work grows with their square. The pauses stay short, since those who come in between would win otherwise.

    :param lost: how often it was made already, in vain: before the first try there is no pause
    """
    if lost:
        sleep(uniform(0.0, min(0.005 * lost, _LONGEST_PAUSE)))  # noqa: S311 - so that no two stay in step


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
            if under_way.latest < float("inf"):
                raise  # within another one, which will
        under_way.latest = begun + store.timeout
        try:
            for lost in itertools.count(1):
                pause_before_try(lost)
                try:
                    return decision(store, *args, **more)
                except Undone:
                    if monotonic() >= under_way.latest:
                        raise
        finally:
            del under_way.latest

    return cast(DecisionT, decided)
