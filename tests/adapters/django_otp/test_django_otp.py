"""django-otp's own flows, without ferrotp, with it, and without it again."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import serving
from adapters.base import PASSWORD
from adapters.serving import AT_ONCE, ENROLLED, Browser, Place, Site, reset_in_admin, reset_link, together


@pytest.fixture(scope="module")
def place(database: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place("django_otp", database, Path(tmp_path_factory.mktemp("django-otp")))


class Person(serving.Person):
    """A user with an authenticator, who logs in by django-otp's form."""

    device = ""

    def set_up(self, site: Site, steps: int = 0) -> Browser:
        """Confirms a device."""
        browser = self.by_password(site)
        made = browser.get("/set-up").json
        self.device, self.secret = made["device"], re.search("secret=([A-Z2-7]+)", made["uri"])[1]
        assert browser.post("/set-up", {"device": self.device, "token": self.code(steps)}).status == 200
        return browser

    def log_in(self, site: Site, code: str, browser: Browser | None = None) -> bool:
        browser = browser or site.browser()
        answer = browser.post(
            "/login",
            {"username": self.name, "password": PASSWORD, "otp_device": self.device, "otp_token": code},
        )
        if answer.status == 500 and site.side == "stock":
            self.broken += 1
            return False
        assert answer.status in (200, 302), answer.text
        inside = browser.get("/inside")
        assert (inside.status == 200) == (answer.status == 302)
        return answer.status == 302


@pytest.fixture(scope="module")
def enrolled(place: Place, measured: list[str]) -> Person:
    """By the stock package, whose own strength is measured by the way."""
    with Site(place, "stock") as site:
        # A user for each attempt: stock delays everything for a second after a failure, and longer after more.
        person, hasty, many, late, rolled = (Person(site) for _ in range(5))
        for user in (person, hasty, many, late, rolled):
            user.set_up(site)
        again = hasty.log_in(site, hasty.code())
        place.tick()
        code = many.code()
        accepted = together([lambda: many.log_in(site, code) for _ in range(AT_ONCE)])
        assert person.log_in(site, person.code()) and late.log_in(site, late.code(1))
        older = late.log_in(site, late.code())
        site.browser().get("/guess-and-undo", id=rolled.id, device=rolled.device, token=rolled.wrong())
        forgotten = rolled.log_in(site, rolled.code())  # where it is counted, there is a delay
    assert person.spellings()[1] in place.rows()
    place_name = place.database["ENGINE"].rpartition(".")[2]
    measured.append(
        f"django-otp alone, {place_name}: {accepted} of {AT_ONCE} at once, {many.broken} errors; "
        f"set-up code logs in: {again}; "
        f"older after newer: {older}; a rolled-back failure is forgotten: {forgotten}"
    )
    return person


@pytest.fixture(scope="module")
def site(place: Place, enrolled: Person) -> Iterator[Site]:
    """With ferrotp, in place."""
    with Site(place, "ferrotp") as site:
        yield site


@pytest.fixture(scope="module")
def adopted(site: Site, enrolled: Person) -> Person:
    """The user from before, on the new device."""
    assert enrolled.device.startswith("otp_totp.totpdevice/")
    assert enrolled.log_in(site, enrolled.code(1)), "the stock device works until it is adopted"
    site.place.tick()
    out = site.place.manage("ferrotp", "ferrotp_django_otp", "adopt", "--dry-run")
    assert "5 devices would be moved, 0 left" in out
    assert enrolled.spellings()[1] in site.place.rows()
    out = site.place.manage("ferrotp", "ferrotp_django_otp", "adopt")
    assert "5 devices moved, 0 left" in out
    # As the login form lists it, of which stock django-otp's users choose one.
    page = site.browser().post("/login", {"username": enrolled.name, "password": PASSWORD, "otp_token": ""}).text
    (enrolled.device,) = re.findall(r"ferrotp_otp\.sealedtotpdevice/\d+", page)
    return enrolled


def test_who_was_enrolled_before_logs_in_and_no_used_code_works_again(site: Site, adopted: Person) -> None:
    assert not adopted.log_in(site, adopted.code()), "used before the switch"
    assert adopted.log_in(site, adopted.code(1))
    assert not adopted.log_in(site, adopted.code(1))


def test_of_eight_logins_with_one_code_one_succeeds(site: Site, measured: list[str]) -> None:
    person = Person(site)
    person.set_up(site, -1)
    for _ in range(3):
        code = person.code()
        accepted = together([lambda code=code: person.log_in(site, code) for _ in range(AT_ONCE)])
        assert accepted == 1
        site.place.tick(3600)
    measured.append(f"django-otp with ferrotp: {accepted} of {AT_ONCE} at once")


def test_the_set_up_code_does_not_log_in(site: Site) -> None:
    person = Person(site)
    person.set_up(site)
    assert not person.log_in(site, person.code())
    assert person.log_in(site, person.code(1))


def test_an_older_code_is_refused_after_a_newer_one(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    assert person.log_in(site, person.code(1))
    assert not person.log_in(site, person.code())


def test_what_int_takes_for_a_number_is_no_code(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    for spelling in ("+" + person.code(), "_".join(person.code())):
        assert not person.log_in(site, spelling)
    code = person.code()
    assert person.log_in(site, f"{code[:3]} {code[3:]}")


def test_a_rolled_back_guess_stays_counted_and_a_rolled_back_yes_stays_used(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    guess = {"id": person.id, "device": person.device}
    for _ in range(3):
        assert not site.browser().get("/guess-and-undo", token=person.wrong(), **guess).json["accepted"]
    assert site.failures(person.id) == 3
    assert site.browser().get("/guess-and-undo", token=person.code(), **guess).json["accepted"]
    assert not person.log_in(site, person.code())


def test_many_guesses_at_once_stop_at_the_limit(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    together([lambda: person.log_in(site, person.wrong()) for _ in range(AT_ONCE)])
    assert site.failures(person.id) == 5
    page = site.browser().post(
        "/login",
        {"username": person.name, "password": PASSWORD, "otp_device": person.device, "otp_token": person.code()},
    )
    assert "5 failed attempts" in page.text
    site.place.tick(31)
    assert person.log_in(site, person.code())


def test_a_code_is_matched_without_naming_the_device(site: Site) -> None:
    person = Person(site)
    person.set_up(site, -1)
    assert not site.browser().get("/match", id=person.id, token="no digits").json["accepted"]
    assert site.failures(person.id) == 0
    assert site.browser().get("/match", id=person.id, token=person.code()).json["accepted"]
    assert not site.browser().get("/match", id=person.id, token=person.code()).json["accepted"]


def test_a_confirmed_device_shows_no_secret_and_the_admin_lets_its_user_in(site: Site) -> None:
    person = Person(site)
    browser = person.set_up(site, -1)
    assert browser.get("/show-again", device=person.device).status == 500
    assert browser.get("/admin/ferrotp_otp/sealedtotpdevice/").status == 302, "not verified yet"
    assert person.log_in(site, person.code(), browser)
    page = browser.get("/admin/ferrotp_otp/sealedtotpdevice/")
    assert page.status == 200 and person.name in page.text
    page = browser.get(f"/admin/ferrotp_otp/{person.device.partition('.')[2]}/change/")
    assert page.status == 200 and person.secret not in page.text
    gone = browser.post(f"/admin/ferrotp_otp/{person.device.partition('.')[2]}/delete/", {"post": "yes"})
    assert gone.status == 302
    assert person.secret and not person.log_in(site, person.code(1))


def test_a_dump_holds_no_secret(site: Site, adopted: Person) -> None:
    person = Person(site)
    person.set_up(site)
    rows = site.place.rows()
    assert not [text for text in (*person.spellings(), *adopted.spellings()) if text in rows]


ODD = """
from django.contrib.auth.models import User
from django_otp.plugins.otp_totp.models import TOTPDevice
user = User.objects.create_user("odd")
for name, odd in {"t0": {"t0": 7}, "drift": {"drift": -3}, "hex": {"key": "abc"}, "short": {"key": "ab" * 10}}.items():
    TOTPDevice.objects.create(user=user, name=name, **odd)
TOTPDevice.objects.create(user=user, name="good", confirmed=False, digits=8)
"""


def test_adopting_leaves_what_ferrotp_would_not_accept_and_says_why(site: Site, adopted: Person) -> None:
    place = site.place
    place.manage("ferrotp", "shell", "-c", ODD)
    out = place.manage("ferrotp", "ferrotp_django_otp", "adopt", status=1)
    assert "1 devices moved, 4 left as they are" in out
    for reason in ("t0 = 7", "off by -3 time steps", "is not hexadecimal", "at least 128 bits"):
        assert reason in out
    assert "0 devices moved, 4 left" in place.manage("ferrotp", "ferrotp_django_otp", "adopt", status=1)
    assert place.rows().count("'good'") == 2, "the device, and its factor"
    place.manage(
        "ferrotp",
        "shell",
        "-c",
        "from django.contrib.auth.models import User; User.objects.get(username='odd').delete()",
    )
    assert "'good'" not in place.rows()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_migrations_are_those_of_the_models(site: Site) -> None:
    assert "No changes" in site.place.manage("ferrotp", "makemigrations", "--check", "--dry-run")


def test_after_a_reset_the_password_is_enough_and_a_new_device_is_set_up(place: Place, site: Site) -> None:
    person = Person(site)
    person.set_up(site)
    place.tick()
    assert person.log_in(site, person.code())
    place.manage("ferrotp", "ferrotp_reset", person.name, "--noinput")
    browser = site.browser()
    answer = browser.post("/login", {"username": person.name, "password": PASSWORD})
    # django-otp's own form asks everybody for a code, and offers the devices that there are: none.
    assert answer.status == 200 and "sealedtotpdevice" not in answer.text
    person.set_up(site)
    place.tick()
    assert person.log_in(site, person.code())


OTHERS = """
from django.contrib.auth.models import User
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
user = User.objects.get(username={name!r})
StaticDevice.objects.create(user=user, name="backup").token_set.create(token="abcdefgh")
TOTPDevice.objects.create(user=user, name="old", confirmed=False)
"""


def test_staff_reset_a_user_in_the_admin_with_a_device_and_nobody_without(place: Place, site: Site) -> None:
    victim, staff = Person(site), Person(site)
    victim.set_up(site, -1)
    place.manage("ferrotp", "shell", "-c", OTHERS.format(name=victim.name))
    browser = staff.set_up(site, -1)
    assert browser.get("/admin/ferrotp/factor/").status == 302, "not verified yet"
    assert staff.log_in(site, staff.code(), browser)
    link = reset_link(browser, victim.name)
    for unverified in (staff.by_password(site), site.browser()):
        assert unverified.get(link).location.startswith("/admin/login/")
        assert unverified.post(link).location.startswith("/admin/login/")
    assert victim.log_in(site, victim.code())
    reset_in_admin(browser, victim.name)
    page = site.browser().post("/login", {"username": victim.name, "password": PASSWORD}).text
    assert "device/" not in page, "no device of any kind"
    victim.set_up(site, -1)
    place.tick()
    assert victim.log_in(site, victim.code())


UNCONFIRMED = """
from django.contrib.auth.models import User
from django_otp.plugins.otp_totp.models import TOTPDevice
key = {key!r}
TOTPDevice.objects.create(user=User.objects.get(username={name!r}), name="phone", confirmed=False, key=key)
"""


GONE = "from django.contrib.auth.models import User; User.objects.get(username={name!r}).delete()"


def test_a_device_that_was_never_confirmed_stays_so(place: Place, site: Site) -> None:
    """It is no factor: not for django-otp, and not for ferrotp, whose own login would take its codes."""
    person = Person(site)
    person.secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    key = person.spellings()[1]
    place.manage("ferrotp", "shell", "-c", UNCONFIRMED.format(name=person.name, key=key))
    assert key in place.rows()
    assert "would be moved, 0 left" in place.manage("ferrotp", "ferrotp_django_otp", "adopt", "--dry-run")
    assert key in place.rows()
    assert ", 0 left" in place.manage("ferrotp", "ferrotp_django_otp", "adopt")
    assert key not in place.rows()
    assert "enrolled: False" in place.manage("ferrotp", "shell", "-c", ENROLLED.format(name=person.name))
    page = site.browser().post("/login", {"username": person.name, "password": PASSWORD, "otp_token": ""}).text
    assert "sealedtotpdevice" not in page
    person.set_up(site, -1)
    assert person.log_in(site, person.code())
    place.manage("ferrotp", "shell", "-c", GONE.format(name=person.name))  # `back` would leave it


def test_back_again_without_ferrotp(site: Site, adopted: Person) -> None:
    place = site.place
    person = Person(site)
    person.set_up(site)
    place.tick(60)
    assert person.log_in(site, person.code())
    out = place.manage("ferrotp", "ferrotp_django_otp", "back")
    assert ", 0 left" in out
    moved = int(re.search(r"(\d+) devices moved", out)[1])
    revealed = re.findall(r"secret revealed: .* by=.+ \(manage\.py ferrotp_django_otp back\)", out)
    assert len(revealed) == moved >= 2
    with Site(place, "stock") as stock:
        for user in (person, adopted):
            page = stock.browser().post("/login", {"username": user.name, "password": PASSWORD, "otp_token": ""}).text
            (user.device,) = re.findall(r"otp_totp\.totpdevice/\d+", page)
        assert not person.log_in(stock, person.code()), "used before"
        time.sleep(1.1)  # stock's delay after a failure, by the real clock
        place.tick()
        assert person.log_in(stock, person.code())
        assert adopted.log_in(stock, adopted.code())
