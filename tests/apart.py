"""Work that forks often is done in a process that holds little: pytest holds a gigabyte of tests, and each fork of it
takes a tenth of a second of processor, for the map of that."""

import gc
import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from ferrotp.mfa.testing import PRELOADED

P = ParamSpec("P")
T = TypeVar("T")


def apart(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """What a function gives in a new process. All of it can be pickled.

    :raises AssertionError: with the traceback, if it raised anything
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ferrotp.mfa.testing", *PRELOADED])
    mine, theirs = context.Pipe(duplex=False)
    # No daemon: those may have no processes of their own.
    process = context.Process(target=_work, args=(theirs, work, args, more), daemon=False)
    process.start()
    theirs.close()
    failed: str
    told: T
    try:
        failed, told = mine.recv()
    finally:
        process.join()
        mine.close()
    assert not failed, failed
    return told


def _work(answer: Connection, work: Callable[..., object], args: tuple[object, ...], more: dict[str, object]) -> None:
    gc.freeze()  # what is shared stays shared
    try:
        answer.send(("", work(*args, **more)))
    except BaseException:
        answer.send((traceback.format_exc(), None))
