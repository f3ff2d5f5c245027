"""django-two-factor-auth's own pages, without ferrotp, with it, and without it again."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import serving
from adapters.base import PASSWORD
from adapters.serving import AT_ONCE, ENROLLED, Browser, Place, Site, reset_in_admin, reset_link, together

LOGIN, SET_UP = "/account/login/", "/account/two_factor/setup/"


@pytest.fixture(scope="module")
def place(database: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place("two_factor", database, Path(tmp_path_factory.mktemp("two-factor")))


class Person(serving.Person):
    """A user who goes through the wizards."""

    def begin(self, site: Site) -> Browser:
        """As far as the page that shows the secret."""
        browser = self.by_password(site)
        assert browser.get(SET_UP).status == 200
        page = browser.post(SET_UP, {"setup_view-current_step": "welcome"}).text
        self.secret = re.search(r"\b[A-Z2-7]{32}\b", page)[0]
        return browser

    def set_up(self, site: Site, steps: int = 0) -> Browser:
        browser = self.begin(site)
        answer = self.finish(browser, self.code(steps))
        assert answer.status == 302, answer.text
        return browser

    def finish(self, browser: Browser, code: str) -> serving.Answer:
        return browser.post(SET_UP, {"setup_view-current_step": "generator", "generator-token": code})

    def password(self, site: Site) -> Browser:
        browser = site.browser()
        browser.get(LOGIN)
        answer = browser.post(
            LOGIN,
            {"login_view-current_step": "auth", "auth-username": self.name, "auth-password": PASSWORD},
        )
        assert answer.status == 200 and "token-otp_token" in answer.text
        return browser

    def token(self, browser: Browser, code: str) -> bool:
        answer = browser.post(LOGIN, {"login_view-current_step": "token", "token-otp_token": code})
        if answer.status == 500 and browser.site.side == "stock":
            self.broken += 1
            return False
        assert answer.status in (200, 302), answer.text
        assert (browser.get("/inside").status == 200) == (answer.status == 302)
        return answer.status == 302

    def log_in(self, site: Site, code: str) -> bool:
        return self.token(self.password(site), code)

    def race(self, site: Site, code: str) -> int:
        browsers = [self.password(site) for _ in range(AT_ONCE)]
        return together([lambda browser=browser: self.token(browser, code) for browser in browsers])


@pytest.fixture(scope="module")
def enrolled(place: Place, measured: list[str]) -> Person:
    """By the stock package, whose own strength is measured by the way."""
    with Site(place, "stock") as site:
        person, hasty, many, late = (Person(site) for _ in range(4))
        for user in (person, hasty, many, late):
            user.set_up(site)
        again = hasty.log_in(site, hasty.code())
        place.tick()
        accepted = many.race(site, many.code())
        assert person.log_in(site, person.code()) and late.log_in(site, late.code(1))
        older = late.log_in(site, late.code())
    assert person.spellings()[1] in place.rows()
    engine = place.database["ENGINE"].rpartition(".")[2]
    measured.append(
        f"django-two-factor-auth alone, {engine}: {accepted} of {AT_ONCE} at once, {many.broken} errors; "
        f"set-up code logs in: {again}; older after newer: {older}"
    )
    return person


@pytest.fixture(scope="module")
def site(place: Place, enrolled: Person) -> Iterator[Site]:
    """With ferrotp, in place."""
    with Site(place, "ferrotp") as site:
        yield site


def test_who_was_enrolled_before_logs_in_before_the_switch_of_the_device_and_after(
    site: Site, enrolled: Person
) -> None:
    assert enrolled.log_in(site, enrolled.code(1)), "the stock device works until it is adopted"
    assert "4 devices moved, 0 left" in site.place.manage("ferrotp", "ferrotp_django_otp", "adopt")
    site.place.tick()
    assert not enrolled.log_in(site, enrolled.code()), "used before the switch"
    assert enrolled.log_in(site, enrolled.code(1))


def test_of_eight_logins_with_one_code_one_succeeds(site: Site, measured: list[str]) -> None:
    person = Person(site)
    person.set_up(site, -1)
    for _ in range(2):
        accepted = person.race(site, person.code())
        assert accepted == 1
        site.place.tick(3600)
    measured.append(f"django-two-factor-auth with ferrotp: {accepted} of {AT_ONCE} at once")


def test_the_set_up_code_does_not_log_in(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site)
    assert browser.get("/inside").status == 200, "set-up ends with a verified session, as ever"
    assert not person.log_in(site, person.code())
    assert person.log_in(site, person.code(1))


def test_an_older_code_is_refused_after_a_newer_one(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    assert person.log_in(site, person.code(1))
    assert not person.log_in(site, person.code())


def test_a_wrong_code_ends_no_set_up_and_a_code_with_a_zero_in_front_does(site: Site) -> None:
    person = Person(site)
    browser = person.begin(site)
    assert person.finish(browser, person.wrong()).status == 200
    while not person.code().startswith("0"):
        site.place.tick()
    assert person.finish(browser, person.code()).status == 302


def test_guesses_are_counted_whatever_happens_to_the_session(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    for _ in range(6):
        assert not person.log_in(site, person.wrong())
    assert site.failures(person.id) == 5
    assert not person.log_in(site, person.code())
    site.place.tick(31)
    assert person.log_in(site, person.code())


def test_the_pages_of_the_package_know_the_device(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site)
    assert browser.get("/account/two_factor/").status == 200
    assert browser.get("/admin/").status == 200
    tokens = browser.post("/account/two_factor/backup/tokens/")
    assert tokens.status == 302
    (token, *_) = re.findall(r"<li>([a-z2-7]{8})</li>", browser.get(tokens.location).text)
    other = person.password(site)
    other.post(LOGIN, {"login_view-current_step": "token", "wizard_goto_step": "backup"})
    answer = other.post(LOGIN, {"login_view-current_step": "backup", "backup-otp_token": token})
    assert answer.status == 302 and other.get("/inside").status == 200
    assert browser.post("/account/two_factor/disable/", {"understand": "on"}).status == 302
    plain = site.browser()
    plain.get(LOGIN)
    answer = plain.post(
        LOGIN, {"login_view-current_step": "auth", "auth-username": person.name, "auth-password": PASSWORD}
    )
    assert answer.status == 302, "no device any more"


def test_a_dump_holds_no_secret_but_that_of_a_set_up_under_way(site: Site, enrolled: Person) -> None:
    person, waiting = Person(site), Person(site)
    person.set_up(site)
    waiting.begin(site)
    rows = site.place.rows()
    assert not [text for text in (*person.spellings(), *enrolled.spellings()) if text in rows]
    # The package's own doing, as docs/adapters.md says.
    assert waiting.secret in rows


def test_after_a_reset_the_password_is_enough_and_a_new_device_is_set_up(place: Place, site: Site) -> None:
    person = Person(site)
    person.set_up(site)
    place.manage("ferrotp", "ferrotp_reset", person.name, "--noinput")
    person.set_up(site)  # by the password alone
    place.tick()
    assert person.log_in(site, person.code())


def test_staff_reset_a_user_in_the_admin_and_its_login_asks_for_no_token(site: Site) -> None:
    victim, staff = Person(site), Person(site)
    victim.set_up(site, -1)
    browser = staff.set_up(site, -1)  # which verifies it
    link = reset_link(browser, victim.name)
    assert staff.by_password(site).post(link).status == 302, "the gate of the package"
    assert victim.password(site)
    reset_in_admin(browser, victim.name)
    victim.set_up(site, -1)  # by the password alone
    assert victim.log_in(site, victim.code())


UNCONFIRMED = """
from django.contrib.auth.models import User
from django_otp.plugins.otp_totp.models import TOTPDevice
TOTPDevice.objects.create(user=User.objects.get(username={name!r}), name="default", confirmed=False)
"""


GONE = "from django.contrib.auth.models import User; User.objects.get(username={name!r}).delete()"


def test_a_device_that_was_never_confirmed_stays_so(place: Place, site: Site) -> None:
    person = Person(site)
    place.manage("ferrotp", "shell", "-c", UNCONFIRMED.format(name=person.name))
    assert ", 0 left" in place.manage("ferrotp", "ferrotp_django_otp", "adopt")
    assert "enrolled: False" in place.manage("ferrotp", "shell", "-c", ENROLLED.format(name=person.name))
    browser = site.browser()
    browser.get(LOGIN)
    answer = browser.post(
        LOGIN, {"login_view-current_step": "auth", "auth-username": person.name, "auth-password": PASSWORD}
    )
    assert answer.status == 302, "the password is enough"
    person.set_up(site, -1)
    assert person.log_in(site, person.code())
    place.manage("ferrotp", "shell", "-c", GONE.format(name=person.name))  # `back` would leave it


def test_back_again_without_ferrotp(site: Site, enrolled: Person) -> None:
    place = site.place
    place.tick(60)
    assert enrolled.log_in(site, enrolled.code())
    assert ", 0 left" in place.manage("ferrotp", "ferrotp_django_otp", "back")
    with Site(place, "stock") as stock:
        assert not enrolled.log_in(stock, enrolled.code()), "used before"
        time.sleep(1.1)  # stock's delay after a failure, by the real clock
        place.tick()
        assert enrolled.log_in(stock, enrolled.code())
