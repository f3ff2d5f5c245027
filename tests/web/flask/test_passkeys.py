"""Passkeys on the Flask pages: a real Chromium with a virtual authenticator, under a strict policy for scripts."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response
from playwright.sync_api import Page

from .. import passkeys
from ..browser import NARROW, PHONE, WIDE, fits, keep_picture, serious
from .example import FlaskSite

STRICT = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'"


def be_strict(app: Flask) -> None:
    @app.after_request
    def with_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = STRICT
        return response


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskSite]:
    port = passkeys.free_port()
    folder = tmp_path_factory.mktemp("passkeys")
    site = FlaskSite(folder, policy=passkeys.policy_at(port), change=be_strict, port=port)
    site.base = f"http://localhost:{port}"
    yield site
    site.close()


def test_a_passkey_is_added_used_and_missed(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.walk(open_page(viewport=WIDE), site)


def test_a_passkey_alone_signs_in(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.sign_in(open_page(viewport=WIDE), site)


def test_a_second_computer_has_a_key_of_its_own(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.two_devices(open_page(viewport=WIDE), open_page(viewport=WIDE), site)


def test_a_passkey_is_removed(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.remove(open_page(viewport=PHONE), site)


def test_without_scripts_the_page_says_what_works_instead(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.without_scripts(open_page(viewport=NARROW, java_script_enabled=False), site)


def test_the_pages_fit_a_phone_in_the_dark_and_axe_finds_nothing(
    site: FlaskSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(viewport=PHONE, color_scheme="dark", device_scale_factor=2, is_mobile=True, has_touch=True)
    passkeys.Authenticator(page)
    passkeys.come_in(page, site, "dark@example.com")
    for path in ("/mfa/", "/mfa/passkeys/add", "/mfa/sign-in"):
        page.goto(site.base + path)
        assert page.url == site.base + path
        assert fits(page) and not serious(page), path
    keep_picture(page, "sign-in-dark-phone")


def test_a_form_without_its_token_or_a_passkey_changes_nothing(site: FlaskSite) -> None:
    client = site.app.test_client()
    for path in ("/mfa/passkey", "/mfa/passkeys/add"):
        answer = client.post(path, data={"credential": "{}"})
        assert answer.status_code in (302, 303, 400, 401)
    assert not [event for event in site.events if event.detail.get("reason") == "malformed"]
