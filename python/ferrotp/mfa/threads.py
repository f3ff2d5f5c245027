"""A few threads for a service that coroutines ask: what is asked waits its turn, and not without end.

An event loop stands still while it hands a call over, and while it takes an answer in. So either is little work: a call
is put into a queue, which the threads empty by themselves, and answers that come together wake the loop once.
"""

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from .errors import Overloaded, StoreUnavailable
from .stores.pool import forget_after_fork

P = ParamSpec("P")
T = TypeVar("T")


class _Call:
    """A call that was asked for, and who waits for its answer."""

    __slots__ = ("_context", "_error", "_function", "_value", "answer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context, function: Callable[[], Any]) -> None:
        self.loop = loop
        self.answer: asyncio.Future[Any] = loop.create_future()
        self._context, self._function = context, function
        self._value: Any = None
        self._error: BaseException | None = None

    def make(self) -> None:
        """In a thread."""
        try:
            self._value = self._context.run(self._function)
        except StopIteration as error:  # no future holds one
            self._error = RuntimeError("StopIteration out of the service, or of a handler of its events")
            self._error.__cause__ = error
        except BaseException as error:
            self._error = error
        del self._context, self._function  # the arguments are somebody's code

    def tell(self) -> None:
        """In the loop. Who was cancelled meanwhile is told nothing."""
        error, self._error = self._error, None
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(self._value)
        else:
            self.answer.set_exception(error)


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
        self._calls: OrderedDict[_Call, None] = OrderedDict()  # those that have not begun
        self._under_way = 0
        self._workers = 0
        self._is_starting = False
        self._made: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        """What `function` gives, called in a thread with the context of this task.

        A task that is cancelled meanwhile takes nothing back: a call that has begun goes on to its end, and one that
        waits for its turn is not made.

        :raises Overloaded: if too many wait already, or its turn does not come in time: it was not called then
        :raises StoreUnavailable: after `close`
        """
        loop = asyncio.get_running_loop()
        call = _Call(loop, copy_context(), partial(function, *args, **more))
        self._add(call)
        late = loop.call_later(self._patience, self._give_up, call)
        try:
            answer: T = await call.answer
            return answer
        except asyncio.CancelledError:
            self._withdraw(call)
            raise
        finally:
            late.cancel()

    def _add(self, call: _Call) -> None:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service is closed")
            if self._under_way >= self._size + self._waiting:
                raise Overloaded
            # A thread that starts has the next one started, if there is more to do: see `_next`.
            if self._workers < self._size and not self._is_starting:
                if self._executor is None:
                    self._executor = ThreadPoolExecutor(self._size, f"ferrotp answers {os.getpid()}")
                self._executor.submit(self._work)
                self._workers += 1
                self._is_starting = True
            self._calls[call] = None
            self._under_way += 1

    def _withdraw(self, call: _Call) -> bool:
        """Whether it had not begun, and is not made."""
        with self._lock:
            if call not in self._calls:
                return False
            del self._calls[call]
            self._under_way -= 1
            return True

    def _give_up(self, call: _Call) -> None:
        if self._withdraw(call) and not call.answer.done():
            call.answer.set_exception(Overloaded())

    def _work(self) -> None:
        """In a thread: as long as there is something to do."""
        call = self._next(None)
        while call is not None:
            call.make()
            call = self._next(call)

    def _next(self, made: _Call | None) -> _Call | None:
        """The call whose turn it is. The one that was made is told of."""
        call = executor = None
        wakes = False
        with self._lock:
            if made is None:
                self._is_starting = False
            else:
                self._under_way -= 1
                wakes = made.loop not in self._made
                self._made.setdefault(made.loop, []).append(made)
            if self._calls:
                call, _ = self._calls.popitem(last=False)
                if self._calls and self._workers < self._size and not self._is_starting:
                    executor = self._executor
                    self._workers += 1
                    self._is_starting = True
            else:
                self._workers -= 1
        if made is not None and wakes:
            self._wake(made.loop)
        if call is not None and executor is not None:
            self._start_another(executor)
        return call

    def _start_another(self, executor: ThreadPoolExecutor) -> None:
        # Not under the lock: a loop would wait for the thread to start.
        try:
            executor.submit(self._work)
        except RuntimeError:  # closed by now: those that work do the rest
            with self._lock:
                self._workers -= 1
                self._is_starting = False

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._tell, loop)
        except RuntimeError:  # it is closed, and nobody waits
            with self._lock:
                self._made.pop(loop, None)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            made = self._made.pop(loop, [])
        for call in made:
            call.tell()

    def close(self) -> None:
        """Takes nothing more, and waits for what is under way."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)
