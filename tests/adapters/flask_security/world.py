"""A site that is used with stock Flask-Security first, then served with ferrotp."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .site import Browser, Phone, Site, race, steady


@dataclass
class StockUser:
    email: str
    phone: Phone
    code: str = ""
    recovery_codes: list[str] = field(default_factory=list)


def by_mail(site: Site) -> str:
    """A user whose codes come by mail."""
    email = site.user()
    browser = site.log_in(email)
    status, answer = browser.post("/tf-setup", setup="email")
    assert status == 200, answer
    assert browser.post(f"/tf-setup/{answer['tf_state_token']}", code=mailed(site, email))[0] == 200
    return email


def mailed(site: Site, email: str) -> str:
    """The code of the newest mail."""
    lines = [json.loads(line) for line in site.outbox.read_text().splitlines()]
    return str([line["token"] for line in lines if line["to"] == email][-1])


def by_sign_in(site: Site) -> tuple[str, Phone]:
    """A user who signs in with an authenticator instead of a password."""
    email = site.user()
    browser = site.log_in(email)
    status, answer = browser.post("/us-setup", chosen_method="authenticator")
    assert status == 200, answer
    phone = Phone(answer["authr_b32key"])
    status, answer = browser.post(f"/us-setup/{answer['state']}", passcode=phone.code(-1))
    assert status == 200, answer
    return email, phone


@dataclass
class World:
    """The site, who came before ferrotp, and what stock accepted."""

    site: Site
    alice: StockUser
    bob: StockUser
    dora: StockUser
    mail: str
    sign_in: tuple[str, Phone]
    stock: dict[str, int]


@contextmanager
def switched(url: str, folder: Path) -> Iterator[World]:
    """The site with ferrotp, on a database that stock has used."""
    site = Site(url, folder)
    with site.serving("stock"):
        users = []
        for _ in range(3):
            steady()
            email = site.user()
            phone, code, browser = site.set_up(email)
            users.append(StockUser(email, phone, code, recovery_codes(browser)))
        mail, sign_in = by_mail(site), by_sign_in(site)
        stock = measured(site)
    with site.serving("ferrotp"):
        yield World(site, *users, mail, sign_in, stock)


def recovery_codes(browser: Browser) -> list[str]:
    status, answer = browser.post("/mf-recovery-codes")
    assert status == 200, answer
    return list(answer["recovery_codes"])


def measured(site: Site) -> dict[str, int]:
    """How many logins are accepted, for the table in docs/adapters.md."""
    steady()
    email = site.user()
    phone, code, browser = site.set_up(email)
    codes = recovery_codes(browser)
    return {
        "8 logins at once with one code": race(site, email, phone.code()),
        "8 logins at once with one recovery code": race(site, email, codes[0], "/mf-recovery"),
        "the set-up code": site.login(email, code) == 200,
        "an older code after a newer one": (site.login(email, phone.code(1)), site.login(email, phone.code()))[1]
        == 200,
        "8 wrong codes, then a right one": wrong_then_right(site),
    }


def wrong_then_right(site: Site) -> int:
    steady()
    email, phone = site.enrolled()
    browser = site.log_in(email)
    assert {browser.post("/tf-validate", code=phone.wrong())[0] for _ in range(8)} == {400}
    return site.login(email, phone.code()) == 200
