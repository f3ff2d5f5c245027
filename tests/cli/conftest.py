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
        one = Terminal(f"ferrotp-{os.getpid()}-{next(_NUMBERS)}", **options)
        opened.append(one)
        return one

    yield open_terminal
    for one in opened:
        one.close()
