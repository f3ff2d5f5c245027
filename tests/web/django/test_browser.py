"""The Flask example's stories on the Django example, from the same steps; and the admin's."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from ..browser import PHONE, WIDE, fits, keep_picture, serious
from ..flask.test_browser import test_a_remembered_user_is_asked_for_a_code, test_the_whole_story
from ..steps import Phone, confirm, read_codes, say_saved, scan, t, title
from .example import DjangoSite, manage

__all__ = ["test_a_remembered_user_is_asked_for_a_code", "test_the_whole_story"]


def password(page: Page, site: DjangoSite) -> None:
    page.goto(site.base + "/admin/")
    page.get_by_label("Username").fill("admin@example.com")
    page.get_by_label("Password").fill("correct horse admin")
    page.get_by_role("button", name="Log in").click()


def set_up_admin(page: Page, site: DjangoSite) -> Phone:
    """As far as the admin's first page."""
    password(page, site)
    title(page, "setup.title")
    page.get_by_role("button", name=t("setup.start")).click()
    phone = Phone(scan(page))
    confirm(page, phone.code(site.now()))
    read_codes(page)
    say_saved(page)
    page.goto(site.base + "/admin/")
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    return phone


def test_the_admin_is_gated_and_resets_a_user(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    page = open_page()
    phone = set_up_admin(page, site)
    page.get_by_role("button", name="Log out").click()

    site.wait(60)
    password(page, site)
    title(page, "challenge.title")
    assert fits(page) and not serious(page)
    page.get_by_label(t("challenge.label")).fill(phone.code(site.now()))
    page.get_by_role("button", name=t("challenge.submit")).click()
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()

    page.get_by_role("link", name="Second factors").first.click()
    row = page.get_by_role("row").filter(has_text="admin@example.com")
    expect(row).to_contain_text("active")
    assert phone.secret not in page.content()
    row.get_by_role("link", name="Reset this user").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("admin@example.com")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("had 1 factor, and has none now")).to_be_visible()


PEOPLE = """
from django.contrib.auth.models import Group, User
from ferrotp.django.models import Factor

Group.objects.create(name="two-step")
names = "ann ben cid dora eve finn gil hana ivo jana kit lea mo nils ola pia quinn rosa sven tess ulf vera wim zoe"
for number, name in enumerate(names.split()):
    user = User.objects.create_user(f"{name}@example.com", f"{name}@example.com", is_staff=number % 7 == 0)
    for kind in ["totp"] * (number < 17) + ["passkey"] * (number % 3 == 0 and number < 20):
        days = (17 - number) ** 2 - (9 if kind == "passkey" else 0) + 10
        Factor.objects.create(
            tenant="", user_id=str(user.pk), factor_id=f"{name}-{kind}", kind=kind, name="Phone", state="active",
            sealed=b"", legacy=False, created_at=int(({now} - 86400 * days) * 1000), expires_at=0, last_step=0, drift=0,
            last_used_at=0,
        )
"""


def test_the_story_of_the_desk(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """Who has one and who has not, over time; and they are asked for it. In the pictures, too, light and dark."""
    site = DjangoSite(tmp_path, EXAMPLE_REQUIRED="group:two-step")
    page = open_page(viewport=WIDE)
    try:
        manage(tmp_path, "shell", "-c", PEOPLE.replace("{now}", str(site.now())))
        set_up_admin(page, site)
        page.get_by_role("link", name="Second factors").first.click()
        page.get_by_role("link", name="Second factors over time").click()
        expect(page.get_by_role("img", name="Second factors over time")).to_be_visible()
        expect(page.get_by_text("Users with a second factor: 19")).to_be_visible()
        expect(page.locator("#content").get_by_role("row")).to_have_count(53)
        look(page, "over-time")
        page.get_by_role("link", name="By day").click()
        expect(page.locator("#content").get_by_role("row")).to_have_count(31)
        page.go_back()
        page.go_back()
        page.get_by_role("link", name="Users without a second factor").click()
        expect(page.get_by_text("With a second factor: 19.")).to_be_visible()
        page.get_by_role("checkbox", name="zoe@example.com").check()
        page.get_by_role("checkbox", name="wim@example.com").check()
        look(page, "without")
        page.get_by_role("button", name="Require a second factor").click()
        expect(page.get_by_role("combobox", name="Group")).to_have_value("1")
        look(page, "require")
        page.get_by_role("button", name="Require a second factor").click()
        expect(page.get_by_text("2 users must have a second factor.")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="zoe@example.com")).to_contain_text("must have one")
    finally:
        site.close()


def look(page: Page, name: str) -> None:
    """Light and dark, wide and on a phone: nothing sticks out, and axe finds nothing in what is ours."""
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
        assert not serious(page, "#content")  # the frame around it is Django's own
        if folder := os.environ.get("FERROTP_LOOK"):
            page.screenshot(path=f"{folder}/{name}-{colours}.png")
    page.emulate_media(color_scheme="light")
    if name != "require":
        keep_picture(page, f"django-admin-{name}", whole=False)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert fits(page)
    if folder := os.environ.get("FERROTP_LOOK"):
        page.screenshot(path=f"{folder}/{name}-phone.png")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
