"""django-allauth's own pages and its API, without ferrotp, with it, and without it again."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import serving
from adapters.base import PASSWORD
from adapters.serving import AT_ONCE, Browser, Place, Site, reset_in_admin, reset_link, together

pytest.importorskip("allauth", reason="its newest release wants Python 3.11")

SET_UP, LOGIN, CODE = "/accounts/2fa/totp/activate/", "/accounts/login/", "/accounts/2fa/authenticate/"
API = "/_allauth/browser/v1"


@pytest.fixture(scope="module")
def place(database: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place("allauth", database, Path(tmp_path_factory.mktemp("allauth")))


class Person(serving.Person):
    """A user of the pages, or of the API."""

    def by_password(self, site: Site) -> Browser:
        browser = site.browser()
        answer = browser.post(LOGIN, {"login": self.name, "password": PASSWORD})
        assert answer.location == "/inside", answer.text
        assert browser.post("/accounts/reauthenticate/", {"password": PASSWORD}).status == 302
        return browser

    def begin(self, site: Site) -> Browser:
        """As far as the page that shows the secret."""
        browser = self.by_password(site)
        self.secret = re.search(r"\b[A-Z2-7]{32}\b", html.unescape(browser.get(SET_UP).text))[0]
        return browser

    def set_up(self, site: Site, steps: int = 0) -> Browser:
        browser = self.begin(site)
        answer = browser.post(SET_UP, {"code": self.code(steps)})
        assert answer.status == 302, answer.text
        return browser

    def set_up_by_api(self, site: Site, steps: int = 0) -> Browser:
        browser = self.by_password(site)
        self.secret = browser.get(API + "/account/authenticators/totp").json["meta"]["secret"]
        answer = browser.send(API + "/account/authenticators/totp", {"code": self.code(steps)})
        assert answer.status == 200, answer.text
        return browser

    def password(self, site: Site) -> Browser:
        browser = site.browser()
        answer = browser.post(LOGIN, {"login": self.name, "password": PASSWORD})
        assert "2fa" in answer.location, answer.text
        return browser

    def token(self, browser: Browser, code: str) -> bool:
        return self._came_in(browser, browser.post(CODE, {"code": code}), (200,), 302)

    def password_by_api(self, site: Site) -> Browser:
        browser = site.browser()
        answer = browser.send(API + "/auth/login", {"username": self.name, "password": PASSWORD})
        assert answer.status == 401 and "mfa_authenticate" in answer.text, answer.text
        return browser

    def token_by_api(self, browser: Browser, code: str) -> bool:
        return self._came_in(browser, browser.send(API + "/auth/2fa/authenticate", {"code": code}), (400,), 200)

    def _came_in(self, browser: Browser, answer: serving.Answer, no: tuple[int, ...], yes: int) -> bool:
        if answer.status == 500 and browser.site.side == "stock":
            self.broken += 1
            return False
        assert answer.status in (yes, *no), answer.text
        assert (browser.get("/inside").status == 200) == (answer.status == yes)
        return answer.status == yes

    def log_in(self, site: Site, code: str) -> bool:
        return self.token(self.password(site), code)

    def log_in_by_api(self, site: Site, code: str) -> bool:
        return self.token_by_api(self.password_by_api(site), code)

    def race(self, site: Site, code: str) -> int:
        browsers = [self.password(site) for _ in range(AT_ONCE)]
        return together([lambda browser=browser: self.token(browser, code) for browser in browsers])

    def race_by_api(self, site: Site, code: str) -> int:
        browsers = [self.password_by_api(site) for _ in range(AT_ONCE)]
        return together([lambda browser=browser: self.token_by_api(browser, code) for browser in browsers])


@pytest.fixture(scope="module")
def enrolled(place: Place, measured: list[str]) -> list[Person]:
    """By the stock package, whose own strength is measured by the way. The last log-ins are two minutes ago."""
    with Site(place, "stock") as site:
        people = [Person(site) for _ in range(4)]
        for user in people:
            user.set_up(site)
        _, hasty, many, late = people
        again = hasty.log_in(site, hasty.code())
        place.tick()
        accepted = many.race(site, many.code())
        assert late.log_in(site, late.code(1))
        older = late.log_in(site, late.code())
        place.tick(120)
    assert people[0].secret in place.rows()
    engine = place.database["ENGINE"].rpartition(".")[2]
    measured.append(
        f"django-allauth alone, {engine}: {accepted} of {AT_ONCE} at once, {many.broken} errors; "
        f"set-up code logs in: {again}; older after newer: {older}"
    )
    return people


@pytest.fixture(scope="module")
def site(place: Place, enrolled: list[Person]) -> Iterator[Site]:
    """With ferrotp, in place."""
    with Site(place, "ferrotp") as site:
        yield site


def test_who_was_enrolled_before_logs_in_without_doing_anything(site: Site, enrolled: list[Person]) -> None:
    by_page, _, raced, by_api = enrolled
    assert by_page.log_in(site, by_page.code())
    assert not by_page.log_in(site, by_page.code())
    assert raced.race(site, raced.code()) == 1, "of the first eight logins ever"
    assert by_api.log_in_by_api(site, by_api.code())
    assert not by_api.log_in_by_api(site, by_api.code())
    for user in (by_page, raced, by_api):
        assert user.secret not in site.place.rows()


def test_what_did_not_log_in_yet_is_sealed_by_a_command(site: Site, enrolled: list[Person]) -> None:
    waiting = enrolled[1]
    assert waiting.secret in site.place.rows()
    assert "would be moved, 0 left" in site.place.manage("ferrotp", "ferrotp_allauth", "adopt", "--dry-run")
    assert waiting.secret in site.place.rows()
    assert ", 0 left" in site.place.manage("ferrotp", "ferrotp_allauth", "adopt")
    assert "0 authenticators moved, 0 left" in site.place.manage("ferrotp", "ferrotp_allauth", "adopt")
    rows = site.place.rows()
    assert waiting.secret not in rows and '"seed": "ferrotp' in rows.replace("'", '"')
    assert waiting.log_in(site, waiting.code())


def test_of_eight_logins_with_one_code_one_succeeds(site: Site, measured: list[str]) -> None:
    person = Person(site)
    person.set_up(site, -1)
    pages = person.race(site, person.code())
    site.place.tick()
    api = person.race_by_api(site, person.code())
    assert (pages, api) == (1, 1)
    measured.append(f"django-allauth with ferrotp: {pages} of {AT_ONCE} at once, {api} by the API")


def test_the_set_up_code_does_not_log_in(site: Site) -> None:
    for set_up in (Person.set_up, Person.set_up_by_api):
        person = Person(site)
        set_up(person, site)
        assert not person.log_in(site, person.code())
        assert not person.log_in_by_api(site, person.code())
        assert person.log_in(site, person.code(1))


def test_an_older_code_is_refused_after_a_newer_one(site: Site) -> None:
    person = Person(site)
    person.set_up_by_api(site, -1)
    assert person.log_in_by_api(site, person.code(1))
    assert not person.log_in(site, person.code())
    assert not person.log_in_by_api(site, person.code())


def test_who_is_asked_again_uses_up_a_code_too(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site, -1)
    again = "/accounts/2fa/reauthenticate/"
    assert browser.post(again, {"code": person.code(-1)}).status == 200
    assert browser.post(again, {"code": person.code()}).status == 302
    assert browser.post(again, {"code": person.code()}).status == 200
    assert browser.send(API + "/auth/2fa/reauthenticate", {"code": person.code()}).status == 400
    assert browser.send(API + "/auth/2fa/reauthenticate", {"code": person.code(1)}).status == 200
    assert not person.log_in(site, person.code(1))


def test_guesses_are_counted_in_the_database_and_recovery_codes_are_none(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site, -1)
    page = browser.get("/accounts/2fa/recovery-codes/").text
    recovery = re.findall(r"\b\d{8}\b", page)
    assert len(recovery) == 10
    assert person.log_in(site, recovery[0])
    assert not person.log_in(site, recovery[0])
    assert site.failures(person.id) == 0
    for _ in range(6):
        assert not person.log_in(site, person.wrong())
    assert site.failures(person.id) == 5
    assert not person.log_in(site, person.code())
    assert person.log_in_by_api(site, recovery[1]), "the way out"
    site.place.tick(31)
    assert person.log_in(site, person.code())


def test_deactivating_removes_the_factor(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site)
    assert browser.post("/accounts/2fa/totp/deactivate/").status == 302
    answer = site.browser().post(LOGIN, {"login": person.name, "password": PASSWORD})
    assert answer.location == "/inside"
    first = person.secret
    person.set_up_by_api(site)
    assert person.secret != first
    site.place.tick()
    assert person.log_in_by_api(site, person.code())


def test_a_dump_holds_no_secret_but_that_of_a_set_up_under_way(site: Site, enrolled: list[Person]) -> None:
    person, waiting = Person(site), Person(site)
    person.set_up(site)
    waiting.begin(site)
    rows = site.place.rows()
    assert not [text for who in (person, *enrolled) for text in who.spellings() if text in rows]
    # The package's own doing, as docs/adapters.md says.
    assert waiting.secret in rows


def test_after_a_reset_the_password_is_enough_and_a_new_app_is_set_up(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    assert person.log_in(site, person.code())
    site.place.manage("ferrotp", "ferrotp_reset", person.name, "--noinput")
    assert person.by_password(site).get("/inside").status == 200
    person.set_up(site, -1)
    assert person.log_in(site, person.code())


KEY = """
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
user = User.objects.get(username={name!r})
Authenticator.objects.create(user=user, type="webauthn", data={{"name": "key", "credential": {{}}}})
"""


def test_staff_reset_a_user_in_the_admin_after_a_code_and_its_login_works(site: Site) -> None:
    """The security key goes, too: allauth would go on to ask for it."""
    victim, staff = Person(site), Person(site)
    codes = victim.set_up(site, -1).get("/accounts/2fa/recovery-codes/").text
    assert re.findall(r"\b\d{8}\b", codes)
    site.place.manage("ferrotp", "shell", "-c", KEY.format(name=victim.name))
    # By the password alone: nobody is reset, and nothing goes round in circles.
    browser = staff.by_password(site)
    link = reset_link(browser, victim.name)
    assert browser.get(link).status == browser.post(link).status == 403
    browser = staff.set_up(site, -1)
    again = browser.get(link)
    assert again.status == 302 and again.location.startswith("/accounts/2fa/reauthenticate/?next=")
    assert browser.post(link).location.startswith("/accounts/2fa/reauthenticate/")
    assert victim.password(site)
    shown = browser.post(again.location, {"code": staff.code(), "next": link})
    assert (shown.status, shown.location) == (302, link)
    reset_in_admin(browser, victim.name)
    assert victim.by_password(site).get("/inside").status == 200
    victim.set_up(site, -1)
    assert victim.log_in(site, victim.code())


ODD = """
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
odd = {"empty": {}, "none": None, "list": ["JBSWY3DPEHPK3PXP"], "number": {"secret": 7}, "null": {"seed": None}}
rows = [
    Authenticator(
        user=User.objects.create_user(name), type="recovery_codes" if name == "null" else "totp", data=data or {}
    )
    for name, data in odd.items()
]
user = User.objects.get(username=NAME)
Authenticator.objects.filter(user=user).delete()
rows.append(Authenticator(user=user, type="totp", data={"secret": SECRET}))
Authenticator.objects.bulk_create(rows)  # as the stock package left them: no signal is sent
"""


def test_odd_rows_keep_no_later_user_from_being_sealed(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    names = f"NAME, SECRET = {person.name!r}, {person.secret!r}\n"
    site.place.manage("ferrotp", "shell", "-c", names + ODD)
    assert person.secret in site.place.rows()
    out = site.place.manage("ferrotp", "ferrotp_allauth", "adopt", status=1)
    assert "1 authenticators moved, " in out and "JBSWY3DPEHPK3PXP" not in out
    assert person.secret not in site.place.rows()
    assert person.log_in(site, person.code())
    gone = "from django.contrib.auth.models import User; "
    gone += "User.objects.filter(username__in=['empty', 'none', 'list', 'number', 'null']).delete()"
    site.place.manage("ferrotp", "shell", "-c", gone)


def test_back_again_without_ferrotp(site: Site, enrolled: list[Person]) -> None:
    place = site.place
    person = Person(site)
    browser = person.set_up_by_api(site)
    recovery = re.findall(r"\b\d{8}\b", browser.get("/accounts/2fa/recovery-codes/").text)
    tried = place.manage("ferrotp", "ferrotp_allauth", "back", "--dry-run")
    assert "would be moved, 0 left" in tried
    assert re.search(r"secret revealed: .* by=.+ \(manage\.py ferrotp_allauth back --dry-run\)", tried)
    out = place.manage("ferrotp", "ferrotp_allauth", "back")
    assert ", 0 left" in out
    assert len(re.findall(r"secret revealed: .* by=.+ \(manage\.py ferrotp_allauth back\)", out)) >= 1 + len(enrolled)
    place.tick(60)
    with Site(place, "stock") as stock:
        for user in (person, *enrolled):
            assert user.log_in(stock, user.code())
        assert person.log_in(stock, recovery[0])
