"""The whole story on the FastAPI example's page, in a real browser: at a desk, on a phone, in the dark."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from ..browser import NARROW, PHONE, WIDE, fits, keep_picture, scan, serious
from ..steps import (
    Phone,
    alert,
    confirm,
    go,
    log_in,
    log_out,
    read_codes,
    register,
    say_saved,
    start_set_up,
    t,
    title,
    type_again,
    type_code,
    type_recovery_code,
)
from .example import FastAPISite

WAYS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": WIDE},
    "dark-phone": {
        "viewport": PHONE,
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
    "narrow": {"viewport": NARROW},
}


DELAYED = re.compile("Try again in (29|30|31) seconds")  # the browser has a clock of its own


class Look:
    """Looks at each page: nothing sticks out, axe finds nothing serious, and a picture is kept."""

    def __init__(self, page: Page, way: str) -> None:
        self.page, self.way = page, way

    def __call__(self, name: str) -> None:
        assert fits(self.page), name
        assert not serious(self.page), name
        if self.way != "narrow":
            keep_picture(self.page, f"fastapi-{name}" + ("" if self.way == "desk" else "-dark-phone"))


def outside(page: Page) -> None:
    """Before anything else is asked: the page asks in the background."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def inside(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_story(site: FastAPISite, open_page: Callable[..., Page], way: str) -> None:
    page = open_page(**WAYS[way])
    page.clock.install(time=site.now())
    look = Look(page, way)

    def wait(seconds: float) -> None:
        """For the server and for the browser, which says how long a delay is."""
        site.wait(seconds)
        page.clock.set_system_time(site.now())

    email = f"{way}@example.com"
    register(page, site, email)
    outside(page)
    look("login")
    log_in(page, site, email)
    inside(page)

    # Set up: the key is read off the screen; a wrong code keeps it
    go(page, site, "settings")
    title(page, "settings.title")
    look("settings-off")
    phone = start_set_up(page, site, "My phone")
    assert email in phone.label
    look("set-up")
    confirm(page, phone.wrong(site.now()))
    alert(page, t("error.code"))
    look("set-up-wrong")
    assert Phone(scan(page)).secret == phone.secret
    code = phone.code(site.now())
    confirm(page, f"{code[:3]} {code[3:]}")
    codes = read_codes(page)
    assert len(set(codes)) == 10
    look("recovery-codes")
    with page.expect_download() as download:
        page.get_by_role("link", name=t("codes.download")).click()
    text = download.value.path().read_text()
    assert all(code in text for code in codes)
    page.get_by_role("button", name=t("codes.continue")).click()
    alert(page, t("codes.unsaved"))
    say_saved(page)
    title(page, "settings.title")
    expect(page.get_by_role("status")).to_have_text(t("setup.done"))
    look("settings")
    log_out(page)
    outside(page)

    # Log in: the code that confirmed is used up, wrong ones lead to a delay
    log_in(page, site, email)
    title(page, "challenge.title")
    look("challenge")
    expect(page.get_by_label(t("challenge.label"))).to_be_focused()
    type_code(page, code)
    alert(page, t("error.code"))
    expect(page.get_by_label(t("challenge.label"))).to_have_value("")
    look("challenge-wrong")
    wait(60)
    type_code(page, phone.code(site.now()))
    inside(page)
    used = phone.code(site.now())
    log_out(page)
    outside(page)
    log_in(page, site, email)
    type_code(page, used)
    alert(page, t("error.code"))
    for left in range(4):
        type_code(page, phone.wrong(site.now()))
        expect(page.get_by_label(t("challenge.label"))).to_have_value("")
        alert(page, t("error.code") if left < 3 else DELAYED)
    look("challenge-delay")
    type_code(page, phone.code(site.now(), 1))
    alert(page, "Try again in")

    # A half-login does not survive being left: it lives in the page alone
    page.reload()
    outside(page)
    log_in(page, site, email)

    # Recover, in spite of the delay
    title(page, "challenge.title")
    type_recovery_code(page, codes[0][:-1] + ("0" if codes[0][-1] != "0" else "1"))
    alert(page, t("error.recovery"))
    look("recover-wrong")
    page.get_by_label(t("recover.label")).fill(codes[0].lower())
    page.get_by_role("button", name=t("challenge.submit")).click()
    title(page, "settings.title")
    expect(page.get_by_role("status")).to_have_text(t("recover.used"))
    expect(page.get_by_text(t("settings.codes.left", count=9))).to_be_visible()

    # A second device, with a fresh code first; then the first one goes
    wait(700)
    page.get_by_role("link", name=t("settings.add")).click()
    title(page, "challenge.again")
    look("challenge-again")
    type_again(page, phone.code(site.now()))
    title(page, "setup.title")
    second = start_set_up(page, site, "Tablet")
    confirm(page, second.code(site.now()))
    title(page, "settings.title")
    expect(page.get_by_text("Tablet")).to_be_visible()
    page.get_by_role("link", name=t("settings.remove.which", name="My phone")).click()
    expect(page.get_by_role("button", name=t("remove.submit"))).to_be_visible()
    look("remove")
    page.get_by_role("button", name=t("remove.submit")).click()
    expect(page.get_by_role("status")).to_contain_text("My phone")
    log_out(page)
    outside(page)
    wait(60)
    log_in(page, site, email)
    type_code(page, phone.code(site.now()))
    alert(page, t("error.code"))

    # A device that is trusted, and trusted no more
    type_code(page, second.code(site.now()), trust=True)
    inside(page)
    log_out(page)
    outside(page)
    log_in(page, site, email)
    inside(page)
    go(page, site, "settings")
    title(page, "settings.title")
    look("settings-devices")
    page.get_by_role("button", name=t("settings.devices.forget.which", name="Chrome, Linux")).click()
    expect(page.get_by_role("status")).to_have_text(t("settings.devices.forgotten"))
    log_out(page)
    outside(page)
    log_in(page, site, email)
    title(page, "challenge.title")

    # New recovery codes, and the vault
    wait(60)
    type_code(page, second.code(site.now()))
    inside(page)
    go(page, site, "vault")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vault")
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.codes.new")).click()
    title(page, "codes.new.title")
    look("new-codes")
    page.get_by_role("button", name=t("codes.new.submit")).click()
    assert not set(read_codes(page)) & set(codes)


def test_without_scripts_the_page_says_that_it_needs_them(site: FastAPISite, open_page: Callable[..., Page]) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.base)
    expect(page.get_by_text("needs JavaScript")).to_be_visible()


def test_a_name_is_shown_as_text(site: FastAPISite, open_page: Callable[..., Page]) -> None:
    page = open_page()
    email = "markup@example.com"
    register(page, site, email)
    outside(page)
    log_in(page, site, email)
    inside(page)
    phone = start_set_up(page, site, "<img src=x onerror=alert(1)>")
    confirm(page, phone.code(site.now()))
    read_codes(page)
    say_saved(page)
    title(page, "settings.title")
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert not page.locator("main img").count()


def test_an_answer_that_comes_late_is_not_shown_over_the_next_page(
    site: FastAPISite, open_page: Callable[..., Page]
) -> None:
    page = open_page(viewport=WIDE)
    register(page, site, "late@example.com")
    log_in(page, site, "late@example.com")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    held: list[Route] = []
    page.route("**/mfa/status", lambda route: held.append(route))
    with page.expect_request("**/mfa/status"):
        go(page, site, "settings")
    go(page, site, "inside")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    with page.expect_response("**/mfa/status"):
        held[0].continue_()
    page.evaluate("fetch('/texts').then((answer) => answer.text())")  # by then the page has read the late one, too
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
