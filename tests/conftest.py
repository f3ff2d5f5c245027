"""How the tests are spread over workers, and what was measured by the way, which is printed at the end."""

import signal
from typing import Any

import figures
import pytest
from hypothesis import settings

# A shell that starts `make test` in the background has it ignore Ctrl-C, and so would each program that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No example fails for being slow: time is the machine's.
settings.register_profile("ferrotp", deadline=None)
settings.load_profile("ferrotp")

# These take longest, so they begin first: no worker is left alone with one of them at the end.
LONG = (
    "tests/test_fuzz.py",
    "tests/mfa/sql/test_contract.py",
    "tests/mfa/sql/test_schema.py",
    "tests/web/django/test_workers.py",
    "tests/typing_api/test_typing.py",
    "tests/pyotp/test_differential.py",
    "tests/web/flask/test_browser.py",
    "tests/web/django/test_browser.py",
    "tests/web/starlette/test_browser.py",
    "tests/web/starlette/test_workers.py",
    "tests/qr/test_readers.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        # The suite for stores is free of pytest, so it can only say of its tests that they are races.
        if getattr(getattr(item, "function", None), "is_race", False):
            item.add_marker("races")
    if hasattr(config, "workerinput"):
        ranks = {file: rank for rank, file in enumerate(LONG)}
        items.sort(key=lambda item: ranks.get(_file(item.nodeid), len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """A file stays in one worker, with the sites and servers of its own; all stores' races in one, too."""

        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            return "contract" if file.endswith("/test_contract.py") else file

    config.option.loadscopereorder = False
    return ByFile(config, log)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


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
