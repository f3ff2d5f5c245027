"""Passkeys on the FastAPI example's page: a real Chromium with a virtual authenticator."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from .. import passkeys
from ..browser import NARROW, WIDE
from .example import FastAPISite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPISite]:
    port = passkeys.free_port()
    site = FastAPISite(tmp_path_factory.mktemp("passkeys"), policy=passkeys.policy_at(port), port=port)
    site.base = f"http://localhost:{port}"
    yield site
    site.close()


def test_the_story_of_a_passkey_that_signs_in_alone(
    site: FastAPISite, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERROTP_SCREENSHOTS", raising=False)  # Flask's is kept
    passkeys.sign_in(open_page(**passkeys.DARK_PHONE), site)


def test_the_story_of_a_phone_in_the_dark_and_a_key_that_is_lost(
    site: FastAPISite, open_page: Callable[..., Page]
) -> None:
    passkeys.phone_and_key(open_page(**passkeys.DARK_PHONE), open_page(viewport=WIDE), site)


def test_an_old_key_is_a_second_factor(
    tmp_path_factory: pytest.TempPathFactory, open_page: Callable[..., Page]
) -> None:
    port = passkeys.free_port()
    site = FastAPISite(tmp_path_factory.mktemp("old"), policy=passkeys.policy_at(port, sign_in=False), port=port)
    site.base = f"http://localhost:{port}"
    passkeys.second_factor_alone(open_page(viewport=NARROW), site)
    site.close()
