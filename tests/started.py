"""Waits for a server of the tests to be there, as its log says: for minutes on a busy machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")

HANG = 300
"""Seconds after which it is a hang, and no slow machine."""


class Server(Protocol):
    """A process, of whichever kind."""

    def poll(self) -> "int | None":
        """None while it runs."""
        ...


def when_log_says(server: Server, log: Path, found: Callable[[str], "T | None"]) -> T:
    """What is found in the log, as soon as it is."""
    deadline = time.monotonic() + HANG
    while True:
        text = log.read_text() if log.exists() else ""
        said = found(text)
        if said is not None:
            return said
        assert server.poll() is None and time.monotonic() < deadline, text
        time.sleep(0.05)


def gunicorn_address(workers: int) -> Callable[[str], "str | None"]:
    """Finds where gunicorn listens, once so many workers have begun."""

    def found(text: str) -> "str | None":
        _, listens, rest = text.partition("Listening at: ")
        return rest.split()[0] if listens and text.count("Booting worker") == workers else None

    return found
