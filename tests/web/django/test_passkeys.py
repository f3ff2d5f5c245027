"""Passkeys on the Django pages: a real Chromium with a virtual authenticator."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from .. import passkeys
from ..browser import NARROW, PHONE, WIDE, fits, serious
from .example import DjangoSite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoSite]:
    port = passkeys.free_port()
    base = f"http://localhost:{port}"
    site = DjangoSite(tmp_path_factory.mktemp("passkeys"), PORT=str(port), EXAMPLE_ORIGIN=base)
    site.base = base
    yield site
    site.close()


def test_a_passkey_is_added_used_and_missed(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.walk(open_page(viewport=WIDE), site)


def test_a_passkey_alone_signs_in(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.sign_in(open_page(viewport=WIDE), site)


def test_a_passkey_is_removed(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.remove(open_page(viewport=PHONE), site)


def test_without_scripts_the_page_says_what_works_instead(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.without_scripts(open_page(viewport=NARROW, java_script_enabled=False), site)


def test_the_pages_fit_a_phone_in_the_dark_and_axe_finds_nothing(
    site: DjangoSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(viewport=PHONE, color_scheme="dark", device_scale_factor=2, is_mobile=True, has_touch=True)
    passkeys.Authenticator(page)
    passkeys.come_in(page, site, "dark@example.com")
    for path in ("/mfa/", "/mfa/passkeys/add", "/mfa/sign-in"):
        page.goto(site.base + path)
        assert page.url == site.base + path
        assert fits(page) and not serious(page), path
