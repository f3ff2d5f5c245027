"""Passkeys on the FastAPI example's page: a real Chromium with a virtual authenticator."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from .. import passkeys
from ..browser import PHONE
from .example import FastAPISite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPISite]:
    port = passkeys.free_port()
    site = FastAPISite(tmp_path_factory.mktemp("passkeys"), policy=passkeys.policy_at(port), port=port)
    site.base = f"http://localhost:{port}"
    yield site
    site.close()


def test_a_passkey_is_added_and_signs_in_alone(site: FastAPISite, open_page: Callable[..., Page]) -> None:
    passkeys.sign_in(open_page(viewport=PHONE), site)
