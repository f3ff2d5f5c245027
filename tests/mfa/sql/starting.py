"""Processes that start at once. They import little, so that starting them is cheap."""

import gc
import multiprocessing
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ferrotp.mfa.stores.base import Owner, Store
from ferrotp.mfa.testing import PRELOADED, advance

from .samples import FACTOR, LIMITS, NOW

HANG = 600
"""Seconds after which it is a hang, and no slow machine."""


def together(opener: Callable[[], Store], job: Callable[[Store], None], size: int) -> list[str]:
    """What so many processes say that have opened a store and now use it for the first time, at one moment. What they
    hold they keep until all have done.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ferrotp.mfa.testing", *PRELOADED])
    everybody, answers = context.Barrier(size), context.Queue()
    family = context.Process(target=_family, args=(opener, job, everybody, answers, size), daemon=False)
    family.start()
    found = [answers.get(timeout=HANG) for _ in range(size)]
    family.join()
    return found


def _family(opener: Callable[[], Store], job: Callable[[Store], None], everybody: Any, answers: Any, size: int) -> None:
    """Becomes as many processes. What it takes to say what they do is loaded once; each opens the store by itself."""
    gc.freeze()
    for _ in range(size):
        if os.fork() == 0:
            try:
                _run(opener, job, everybody, answers)
                answers.close()
                answers.join_thread()
            finally:
                os._exit(0)
    for _ in range(size):
        os.wait()


def _run(opener: Callable[[], Store], job: Callable[[Store], None], everybody: Any, answers: Any) -> None:
    store = opener()
    everybody.wait(HANG)
    try:
        job(store)
        answers.put("done")
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")
    everybody.wait(HANG)  # no connection that ends makes room for another process's
    store.close()


def prepare(store: Store) -> None:
    store.prepare()


def log_in(store: Store) -> None:
    """All that a process does that has just been started."""
    store.prepare()
    factor = replace(FACTOR, owner=Owner("cold start", secrets.token_hex(8)))
    assert store.add_factor(factor, NOW, 10, 5)
    assert advance(store, factor.owner, factor.factor_id, 1, limits=LIMITS)
