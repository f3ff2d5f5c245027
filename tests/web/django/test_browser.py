"""The Flask example's stories on the Django example, from the same steps; and the admin's."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from ..browser import fits, serious
from ..flask.test_browser import test_a_remembered_user_is_asked_for_a_code, test_the_whole_story
from ..steps import Phone, confirm, read_codes, say_saved, scan, t, title
from .example import DjangoSite

__all__ = ["test_a_remembered_user_is_asked_for_a_code", "test_the_whole_story"]


def test_the_admin_is_gated_and_resets_a_user(site: DjangoSite, open_page: Callable[..., Page]) -> None:
    page = open_page()

    def password() -> None:
        page.goto(site.base + "/admin/")
        page.get_by_label("Username").fill("admin@example.com")
        page.get_by_label("Password").fill("correct horse admin")
        page.get_by_role("button", name="Log in").click()

    password()
    title(page, "setup.title")
    page.get_by_role("button", name=t("setup.start")).click()
    phone = Phone(scan(page))
    confirm(page, phone.code(site.now()))
    read_codes(page)
    say_saved(page)
    page.goto(site.base + "/admin/")
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    site.wait(60)
    password()
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
