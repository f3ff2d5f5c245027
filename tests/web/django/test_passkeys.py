"""Passkeys on the Django pages: a real Chromium with a virtual authenticator."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from .. import passkeys
from ..browser import NARROW, WIDE
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


def test_the_story_of_a_passkey_that_signs_in_alone(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.sign_in(open_page(**passkeys.DARK_PHONE), site)


def test_the_story_of_a_phone_in_the_dark_and_a_key_that_is_lost(
    site: DjangoSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(**passkeys.DARK_PHONE)
    passkeys.phone_and_key(page, open_page(viewport=WIDE), site)
    page.goto(site.base + "/mfa/sign-in")
    passkeys.looks_right(page)


def test_an_old_key_is_a_second_factor(
    tmp_path_factory: pytest.TempPathFactory, open_page: Callable[..., Page]
) -> None:
    port = passkeys.free_port()
    base = f"http://localhost:{port}"
    settings = "web.django.second_factor_settings"
    folder = tmp_path_factory.mktemp("old")
    site = DjangoSite(folder, PORT=str(port), EXAMPLE_ORIGIN=base, DJANGO_SETTINGS_MODULE=settings)
    site.base = base
    passkeys.second_factor_alone(open_page(viewport=NARROW), site)
    site.close()


def test_without_scripts_the_page_says_what_works_instead(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    passkeys.without_scripts(open_page(viewport=NARROW, java_script_enabled=False), site)
