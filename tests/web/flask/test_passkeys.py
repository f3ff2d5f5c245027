"""Passkeys on the Flask pages: a real Chromium with a virtual authenticator, under a strict policy for scripts."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response
from playwright.sync_api import Page

from .. import passkeys
from ..browser import NARROW, WIDE, keep_picture
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


def test_the_story_of_a_passkey_that_signs_in_alone(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.sign_in(open_page(viewport=WIDE), site)


def test_the_story_of_a_phone_in_the_dark_and_a_key_that_is_lost(
    site: FlaskSite, open_page: Callable[..., Page]
) -> None:
    page = open_page(**passkeys.DARK_PHONE)
    passkeys.phone_and_key(page, open_page(viewport=WIDE), site)
    page.goto(site.base + "/mfa/sign-in")
    passkeys.looks_right(page)
    keep_picture(page, "sign-in-dark-phone")


def test_an_old_key_is_a_second_factor(
    tmp_path_factory: pytest.TempPathFactory, open_page: Callable[..., Page]
) -> None:
    port = passkeys.free_port()
    site = FlaskSite(tmp_path_factory.mktemp("old"), policy=passkeys.policy_at(port, sign_in=False), port=port)
    site.base = f"http://localhost:{port}"
    passkeys.second_factor_alone(open_page(viewport=NARROW), site)
    site.close()


def test_without_scripts_the_page_says_what_works_instead(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    passkeys.without_scripts(open_page(viewport=NARROW, java_script_enabled=False), site)


def test_a_form_without_its_token_or_a_passkey_changes_nothing(site: FlaskSite) -> None:
    client = site.app.test_client()
    for path in ("/mfa/passkey", "/mfa/passkeys/add"):
        answer = client.post(path, data={"credential": "{}"})
        assert answer.status_code in (302, 303, 400, 401)
    assert not [event for event in site.events if event.detail.get("reason") == "malformed"]
