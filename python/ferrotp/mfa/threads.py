"""A few threads for a service that coroutines ask: what is asked waits its turn, and not without end."""

import asyncio
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from .errors import Overloaded, StoreUnavailable
from .stores.pool import forget_after_fork

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """So many threads at most, in a process; a forked child gets its own. Calls begin in the order in which they came.

    :param size: how many calls are made at once
    :param waiting: how many more may wait for their turn
    :param patience: for how many seconds each of them does
    """

    def __init__(self, size: int, waiting: int, patience: float) -> None:
        if size < 1 or waiting < 0 or patience <= 0:
            raise ValueError("at least one thread, and a patience of more than 0 seconds")
        self._size, self._waiting, self._patience = size, waiting, patience
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child, which has none of the parent's threads."""
        self._lock = threading.Lock()
        self._under_way = 0
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        """What `function` gives, called in a thread with the context of this task.

        A task that is cancelled meanwhile takes nothing back: a call that has begun goes on to its end, and one that
        waits for its turn is not made.

        :raises Overloaded: if too many wait already, or its turn does not come in time: it was not called then
        :raises StoreUnavailable: after `close`
        """
        asked = self._submit(functools.partial(copy_context().run, functools.partial(function, *args, **more)))
        answer = asyncio.wrap_future(asked)
        gave_up = False

        def give_up() -> None:
            nonlocal gave_up
            # What has begun cannot be cancelled; and who waits for it may have cancelled it already.
            gave_up = not answer.done() and asked.cancel()

        late = asyncio.get_running_loop().call_later(self._patience, give_up)
        try:
            return await answer
        except asyncio.CancelledError:
            if gave_up:
                raise Overloaded from None
            raise
        finally:
            late.cancel()

    def _submit(self, call: Callable[[], T]) -> "Future[T]":
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service is closed")
            if self._under_way >= self._size + self._waiting:
                raise Overloaded
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._size, f"ferrotp answers {os.getpid()}")
            self._under_way += 1
            try:
                asked = self._executor.submit(call)
            except BaseException:
                self._under_way -= 1
                raise
        asked.add_done_callback(self._count_down)
        return asked

    def _count_down(self, asked: "Future[T]") -> None:
        with self._lock:
            self._under_way -= 1

    def close(self) -> None:
        """Takes nothing more, and waits for what is under way."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)
