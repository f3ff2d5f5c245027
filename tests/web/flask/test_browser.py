"""The whole story in a real browser: at a desk, on a phone, in the dark, without scripts."""

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
    set_up,
    start_set_up,
    t,
    title,
    type_again,
    type_code,
    type_recovery_code,
)
from .example import FlaskSite

WAYS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": WIDE},
    "dark-phone": {
        "viewport": PHONE,
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
    "no-script": {"viewport": NARROW, "java_script_enabled": False},
}


DELAYED = re.compile("Try again in (29|30|31) seconds")  # the browser has a clock of its own


class Look:
    """Looks at each page: nothing sticks out, axe finds nothing serious, and a picture is kept."""

    def __init__(self, page: Page, way: str) -> None:
        self.page, self.way = page, way

    def __call__(self, name: str) -> None:
        page = self.page
        if self.way != "no-script":  # both ask by script
            assert fits(page), name
            assert not serious(page), name
        if self.way != "no-script":
            keep_picture(page, f"flask-{name}" + ("" if self.way == "desk" else "-dark-phone"))


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_story(site: FlaskSite, open_page: Callable[..., Page], way: str) -> None:
    page = open_page(**WAYS[way])
    look = Look(page, way)
    email = f"{way}@example.com"
    register(page, site, email)
    log_in(page, site, email)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")

    # Set up: the key is read off the screen; a wrong code keeps it
    go(page, site, "settings")
    look("settings-off")
    page.get_by_role("link", name=t("settings.add")).click()
    title(page, "setup.title")
    look("set-up-start")
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
        page.get_by_role("button", name=t("codes.download")).click()
    text = download.value.path().read_text()
    assert all(code in text for code in codes)
    say_saved(page)
    title(page, "settings.title")
    expect(page.get_by_role("status")).to_have_text(t("setup.done"))
    look("settings")
    log_out(page)

    # Log in: the code that confirmed is used up, wrong ones lead to a delay
    log_in(page, site, email)
    title(page, "challenge.title")
    look("challenge")
    expect(page.get_by_label(t("challenge.label"))).to_be_focused()
    type_code(page, code)
    alert(page, t("error.code"))
    look("challenge-wrong")
    site.wait(60)
    type_code(page, phone.code(site.now()))
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    used = phone.code(site.now())
    log_out(page)
    log_in(page, site, email)
    type_code(page, used)
    alert(page, t("error.code"))
    for _ in range(4):
        type_code(page, phone.wrong(site.now()))
    alert(page, DELAYED)
    look("challenge-delay")
    type_code(page, phone.code(site.now(), 1))
    alert(page, "Try again in")

    # Recover, in spite of the delay
    type_recovery_code(page, codes[0][:-1] + ("0" if codes[0][-1] != "0" else "1"))
    alert(page, t("error.recovery"))
    look("recover-wrong")
    page.get_by_label(t("recover.label")).fill(codes[0].lower())
    page.get_by_role("button", name=t("challenge.submit")).click()
    title(page, "settings.title")
    expect(page.get_by_role("status")).to_have_text(t("recover.used"))
    expect(page.get_by_text(t("settings.codes.left", count=9))).to_be_visible()

    # A second device, with a fresh code first; then the first one goes
    site.wait(700)
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
    site.wait(60)
    log_in(page, site, email)
    type_code(page, phone.code(site.now()))
    alert(page, t("error.code"))

    # A device that is trusted, and trusted no more
    type_code(page, second.code(site.now()), trust=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    log_out(page)
    log_in(page, site, email)
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    go(page, site, "settings")
    title(page, "settings.title")
    look("settings-devices")
    page.get_by_role("button", name=t("settings.devices.forget.which", name="Chrome, Linux")).click()
    expect(page.get_by_role("status")).to_have_text(t("settings.devices.forgotten"))
    log_out(page)
    log_in(page, site, email)
    title(page, "challenge.title")

    # New recovery codes
    site.wait(60)
    type_code(page, second.code(site.now()))
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.codes.new")).click()
    title(page, "codes.new.title")
    look("new-codes")
    page.get_by_role("button", name=t("codes.new.submit")).click()
    assert not set(read_codes(page)) & set(codes)


def test_a_remembered_user_is_asked_for_a_code(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    page = open_page()
    register(page, site, "remembered@example.com")
    log_in(page, site, "remembered@example.com")
    phone, _ = set_up(page, site, "")
    log_out(page)
    log_in(page, site, "remembered@example.com", remember=True)
    type_code(page, phone.code(site.now()))
    session = next(cookie for cookie in page.context.cookies() if cookie["name"] == "session")
    page.context.clear_cookies(name=session["name"])
    go(page, site, "inside")
    title(page, "challenge.title")
    site.wait(60)
    type_code(page, phone.code(site.now()))
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")


def test_a_double_click_sends_a_code_once(site: FlaskSite, open_page: Callable[..., Page]) -> None:
    page = open_page()
    register(page, site, "double@example.com")
    log_in(page, site, "double@example.com")
    phone, _ = set_up(page, site, "")
    log_out(page)
    log_in(page, site, "double@example.com")
    title(page, "challenge.title")
    page.get_by_label(t("challenge.label")).fill(phone.code(site.now()))
    sent: list[str] = []

    def answer_late(route: Route) -> None:
        sent.append(route.request.method)
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/mfa/challenge", answer_late)
    button = page.get_by_role("button", name=t("challenge.submit"))
    button.evaluate("(button) => { button.click(); setTimeout(() => button.click(), 100); }")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are inside")
    assert sent == ["POST"]
