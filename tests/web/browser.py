"""Debian's Chromium, driven by Playwright; pages read as a person or a camera reads them."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from programs import CHROMIUM
from qr.readers import CHROMIUM_FLAGS

PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""
expect.set_options(timeout=PATIENCE)

IN_CI = os.environ.get("CI") == "true"
IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
WIDE, PHONE, NARROW = (
    {"width": 960, "height": 900},
    {"width": 390, "height": 844},
    {"width": 320, "height": 640},
)


def launched() -> Iterator[Browser]:
    """For a fixture: a browser, or a skip that says so; where CI=true a failure."""
    if CHROMIUM is None:
        if IN_CI:
            pytest.fail("chromium is not installed, and CI=true skips no browser test")
        pytest.skip(
            "NO BROWSER: chromium is not installed, so no page was looked at: apt-get install chromium-headless-shell"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def scan(page: Page) -> str:
    """The text of the QR code, from a picture of the screen."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    found = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode, try_invert=False)
    assert len(found) == 1, [code.text for code in found]
    return str(found[0].text)


def keep_picture(page: Page, name: str, *, whole: bool = True) -> None:
    """A picture of the page for docs/images: where FERROTP_SCREENSHOTS is set (`make screenshots`).

    :param whole: False: of what is seen without scrolling
    """
    if os.environ.get("FERROTP_SCREENSHOTS"):
        IMAGES.mkdir(exist_ok=True)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
        picture.quantize(64).save(IMAGES / f"{name}.png", optimize=True)


def serious(page: Page, part: str | None = None) -> list[str]:
    """What axe finds serious or critical on the page.

    :param part: the selector of that part of it that is looked at; None: all of it
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(Axe().axe_script)
    # The rest of its report is a hundred rules that the page keeps: it stays in the browser.
    found: list[dict[str, Any]] = page.evaluate(
        """(part) => axe.run(part ?? document, {resultTypes: ["violations"]}).then((report) => report.violations)""",
        part,
    )
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:120] for node in fault['nodes']]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def fits(page: Page) -> bool:
    """Whether nothing sticks out to the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
