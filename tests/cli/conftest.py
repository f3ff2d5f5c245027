import itertools
import os

import pytest

from .terminal import Terminal

_NUMBERS = itertools.count()


@pytest.fixture
def terminal():
    """Opens terminals, and closes them."""
    opened = []

    def open_terminal(**options):
        terminal = Terminal(f"ferrotp-{os.getpid()}-{next(_NUMBERS)}", **options)
        opened.append(terminal)
        return terminal

    yield open_terminal
    for terminal in opened:
        terminal.close()
