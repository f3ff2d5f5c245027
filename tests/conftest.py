"""How the tests are spread over workers, and what was measured by the way, which is printed at the end."""

import fcntl
import functools
import gc
import os
import signal
from collections.abc import Iterator
from typing import Any

import figures
import pytest
from hypothesis import settings

# A shell that starts `make test` in the background has it ignore Ctrl-C, and so would each program that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A forked child that looks for garbage among all that the tests have made copies each page of it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=gc.freeze)

# No example fails for being slow: time is the machine's.
settings.register_profile("ferrotp", deadline=None)
settings.load_profile("ferrotp")

RACES = "races of the contract"
"""Not a file: the races of all stores, which share 64 processes."""
_CONTRACTS = "/test_contract.py", "/test_pgbouncer.py"

# These take longest, so they begin first: no worker is left alone with one of them at the end.
LONG = (
    "tests/test_fuzz.py",
    RACES,
    "tests/mfa/sql/test_schema.py",
    "tests/web/django/test_workers.py",
    "tests/typing_api/test_typing.py",
    "tests/pyotp/test_differential.py",
    "tests/web/flask/test_browser.py",
    "tests/web/django/test_browser.py",
    "tests/web/starlette/test_browser.py",
    "tests/web/starlette/test_workers.py",
    "tests/qr/test_readers.py",
    "tests/in_django/test_contract.py",
    "tests/transfer/test_hostile.py",
    "tests/web/flask/test_twenty_points.py",
    "tests/web/flask/test_attacks.py",
    "tests/web/starlette/test_attacks.py",
    "tests/web/starlette/test_openapi.py",
    "tests/web/starlette/test_router.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """On a clean checkout one worker compiles the tests, and the others wait and read what it wrote: compiling them
    takes three times as long as reading and collecting them.
    """
    gc.disable()  # what is collected stays: looking for garbage in it is a fifth of the work
    try:
        if not hasattr(session.config, "workerinput"):
            return (yield)
        with open(__file__) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_SH)
            return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        # The suite for stores is free of pytest, so it can only say of its tests that they are races.
        if getattr(getattr(item, "function", None), "is_race", False):
            item.add_marker("races")
    if hasattr(config, "workerinput"):
        ranks = {file: rank for rank, file in enumerate(LONG)}
        items.sort(key=lambda item: ranks.get(_place(item.nodeid), len(LONG)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was collected stays. Otherwise each full collection of garbage goes through all of it, also those that
    tests ask for, and a forked child copies it.
    """
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """A file stays in one worker, with the sites and servers of its own; all stores' races in one, too."""

        def _split_scope(self, nodeid: str) -> str:
            return _place(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log)


def _place(nodeid: str) -> str:
    """What stays in one worker with the test: a file, or the races."""
    file, _, test = nodeid.partition("::")
    return RACES if file.endswith(_CONTRACTS) and test.rpartition("::")[2] in _races() else file


@functools.cache
def _races() -> frozenset[str]:
    """The names of the suite's races. Workers tell the scheduler no more of a test than its name."""
    from ferrotp.mfa.testing import StoreContract

    return frozenset(name for name, test in vars(StoreContract).items() if getattr(test, "is_race", False))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = figures.lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    figures.lines += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if figures.lines:
        terminalreporter.section("measured")
        for line in figures.lines:
            terminalreporter.write_line(line)
