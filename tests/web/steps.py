"""What a person does on the pages, by what they read there. Each framework's suite plays these against its example.

A `Site` says where the example is; words come from the catalogue, so that the steps fit every framework.
"""

import re
import subprocess
import time
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from playwright.sync_api import Page, expect

from ferrotp.web import Texts

from .browser import scan

t = Texts()
PASSWORD = "correct horse battery"


class Site(Protocol):
    """An example application that is up. `paths` has register, login, inside, settings, password."""

    base: str
    paths: dict[str, str]

    def now(self) -> float:
        """The time on its clock."""

    def wait(self, seconds: float) -> None:
        """Lets time go by there."""


def early_in_a_step() -> float:
    """Unix seconds: now, or the begin of the next time step. What is done at once is done in this step, on a busy
    machine too, and a code of the step before is taken."""
    left = 30 - time.time() % 30
    if left < 15:
        time.sleep(left + 0.01)
    return time.time()


class Phone:
    """An authenticator app: it has scanned a picture, and oathtool computes what it shows."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.scheme == "otpauth" and parts.netloc == "totp"
        self.secret = query["secret"]
        self.label = unquote(parts.path)

    def code(self, now: float, steps: int = 0) -> str:
        command = ["oathtool", "--base32", "--totp=SHA1", f"--now=@{int(now) + 30 * steps}", "-"]
        done = subprocess.run(command, input=self.secret + "\n", capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def wrong(self, now: float) -> str:
        live = {self.code(now, steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
                    if code not in live)  # fmt: skip


def go(page: Page, site: Site, name: str) -> None:
    page.goto(site.base + site.paths[name])


def register(page: Page, site: Site, email: str) -> None:
    go(page, site, "register")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def log_in(page: Page, site: Site, email: str, *, remember: bool = False) -> None:
    """The first factor."""
    go(page, site, "login")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    if remember:
        page.get_by_label("Remember me").check()
    page.get_by_role("button", name="Log in").click()


def log_out(page: Page) -> None:
    button = page.get_by_role("button", name="Log out")
    button.click()
    expect(button).to_have_count(0)


def title(page: Page, message_id: str) -> None:
    """Which page it is."""
    expect(page.get_by_role("heading", level=1)).to_have_text(t(message_id))


def start_set_up(page: Page, site: Site, name: str) -> Phone:
    """From the settings to a scanned key."""
    go(page, site, "settings")
    page.get_by_role("link", name=t("settings.add")).click()
    title(page, "setup.title")
    page.get_by_role("button", name=t("setup.start")).click()
    expect(page.get_by_role("img", name=t("setup.qr"))).to_be_visible()
    page.get_by_label(t("setup.name")).fill(name)
    return Phone(scan(page))


def confirm(page: Page, code: str) -> None:
    page.get_by_label(t("challenge.label")).fill(code)
    page.get_by_role("button", name=t("setup.submit")).click()


def read_codes(page: Page) -> list[str]:
    title(page, "codes.title")
    return page.get_by_role("list", name=t("codes.list")).get_by_role("listitem").all_inner_texts()


def say_saved(page: Page) -> None:
    page.get_by_label(t("codes.saved")).check()
    page.get_by_role("button", name=t("codes.continue")).click()


def set_up(page: Page, site: Site, name: str) -> tuple[Phone, list[str]]:
    """A first device, whole. A minute has gone by afterwards, so that its code is a new one."""
    phone = start_set_up(page, site, name)
    confirm(page, phone.code(site.now()))
    codes = read_codes(page)
    say_saved(page)
    site.wait(60)
    return phone, codes


def type_code(page: Page, code: str, *, trust: bool = False) -> None:
    title(page, "challenge.title")
    page.get_by_label(t("challenge.label")).fill(code)
    if trust:
        page.get_by_role("checkbox").check()
    page.get_by_role("button", name=t("challenge.submit")).click()


def type_again(page: Page, code: str) -> None:
    """Where a change asks once more."""
    title(page, "challenge.again")
    page.get_by_label(t("challenge.label")).fill(code)
    page.get_by_role("button", name=t("challenge.submit")).click()


def type_recovery_code(page: Page, code: str) -> None:
    page.get_by_role("link", name=t("challenge.recover")).click()
    title(page, "recover.title")
    page.get_by_label(t("recover.label")).fill(code)
    page.get_by_role("button", name=t("challenge.submit")).click()


def alert(page: Page, text: "str | re.Pattern[str]") -> None:
    """What the page says to be wrong, announced."""
    expect(page.get_by_role("alert")).to_contain_text(text)
