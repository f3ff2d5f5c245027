"""One browser for all, and pages in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from .browser import PATIENCE, launched


@pytest.fixture(scope="module")  # its event loop must not run while Django's tests do
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A browser of its own: cookies, size, colours, scripts. Anything that the console complains of fails the test."""
    contexts = []
    complaints: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
