"""Passkeys over HTTP in Django: attacks, and signing in by a passkey alone."""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import override_settings
from django.urls import include, path
from mfa.passkey_attacks import What, give_passkey, play
from mfa.passkey_device import PasskeyDevice

from ferrotp.django import get_mfa
from ferrotp.django.api import SessionAPI, TokenAPI, read_stamp
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import MFA, Event

from .conftest import Person
from .site import given
from .urls import urlpatterns as sites_urls

PATHS: dict[What, tuple[str, str]] = {
    "second factor": ("/mfa/challenge", "/mfa/passkey"),
    "sign in": ("/mfa/sign-in", "/mfa/sign-in"),
    "register": ("/mfa/passkeys/add", "/mfa/passkeys/add"),
}
ASKED = {"rp_id": "example.com", "origins": ["https://example.com"], "user_verification": "required", "sign_in": True}


def may_sign_in(user: User) -> bool:
    return bool(user.last_name != "Blocked")


class DjangoBrowser:
    """See `passkey_attacks.Browser`."""

    def __init__(self, client: MFAClient) -> None:
        self.client = client
        self.answer: Any = None

    def options(self, what: What) -> dict[str, Any]:
        page = self.client.get(PATHS[what][0])
        assert page.status_code == 200, page
        return _options_in(page)

    def post(self, what: What, credential: object, **more: str) -> int:
        text = credential if isinstance(credential, str) else json.dumps(credential)
        self.answer = self.client.post(PATHS[what][1], {"credential": text, **more})
        return int(self.answer.status_code)

    def is_in(self) -> bool:
        return self.client.get("/vault").status_code == 200

    @property
    def told(self) -> str:
        found = re.search(r'id="ferrotp-error" role="alert"><p>(.*?)</p>', self.answer.content.decode())
        return found[1] if found else ""


def _options_in(page: Any) -> dict[str, Any]:
    found = re.search(r'data-ferrotp-options="([^"]+)"', page.content.decode())
    assert found, page.content.decode()
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


class DjangoSite:
    """See `passkey_attacks.Site`."""

    def __init__(self, clock: Clock, person: Callable[..., Person], events: list[Event]) -> None:
        self.clock, self.person, self.events = clock, person, events
        self.people: dict[str, Person] = {}

    @property
    def mfa(self) -> MFA:
        return get_mfa()

    def user(self) -> str:
        made = self.person()
        self.people[made.user_id] = made
        return made.user_id

    def browser(self, what: What, user_id: str) -> DjangoBrowser:
        client = MFAClient()
        if what != "sign in":
            where = self.people[user_id].password(client).headers["Location"]
            assert where == ("/mfa/challenge" if what == "second factor" else "/inside")
        return DjangoBrowser(client)

    def wait(self, seconds: float) -> None:
        self.clock.tick(seconds)


@pytest.fixture
def site(clock: Clock, person: Callable[..., Person], events: list[Event], ferrotp: Callable[..., None]) -> DjangoSite:
    from ferrotp.vault import Hashing

    cheap = Hashing.argon2id(memory_kib=8, passes=1, lanes=1)
    ferrotp(POLICY={"hashing": cheap, "passkeys": ASKED}, MAY_SIGN_IN="in_django.test_passkeys.may_sign_in")
    return DjangoSite(clock, person, events)


@pytest.mark.parametrize("what", ["second factor", "sign in", "register"])
def test_each_attack_is_refused_with_its_own_error_and_told(site: DjangoSite, what: What) -> None:
    play(site, what)


def test_a_passkey_alone_signs_in_and_the_session_is_new(site: DjangoSite) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    sessions = Session.objects.count()
    options = browser.options("sign in")
    assert options["allowCredentials"] == [] and options["userVerification"] == "required"
    assert Session.objects.count() == sessions  # visitors of the login page fill no table
    session = browser.client.session
    session["of"] = "the visitor"
    session.save()
    browser.client.cookies["sessionid"] = session.session_key
    token = browser.client.cookies["csrftoken"].value
    assert browser.post("sign in", device.get(options), next="/fresh-vault") == 303
    assert browser.answer.headers["Location"] == "/fresh-vault"
    assert browser.client.session.session_key != session.session_key and not browser.client.session.exists(
        session.session_key
    )
    assert browser.client.cookies["csrftoken"].value != token
    assert browser.client.get("/fresh-vault").status_code == 200
    assert browser.client.get("/inside").content.decode() == f"inside {site.people[user_id].name}"
    # It ends like any other login: with the password, and by "log out everywhere".
    site.mfa.end_sessions(user_id=user_id, by="admin")
    site.wait(61)
    assert not browser.is_in()


def test_the_login_page_has_the_form_where_the_policy_has_it(site: DjangoSite, ferrotp: Callable[..., None]) -> None:
    with override_settings(ROOT_URLCONF="in_django.sign_in_urls"):
        client = MFAClient()
        page = client.get("/login?next=/vault")
        assert page.content.count(b'value="/vault"') == 1 and b"data-ferrotp-renew" in page.content
        user_id = site.user()
        device = give_passkey(site, user_id)
        credential = json.dumps(device.get(_options_in(page)))
        assert client.post("/mfa/sign-in", {"credential": credential, "next": "/vault"}).headers["Location"] == "/vault"
        assert client.get("/vault").status_code == 200
        ferrotp(POLICY={"passkeys": {**ASKED, "sign_in": False}})
        client = MFAClient()
        assert b"ferrotp" not in client.get("/login").content
        assert client.get("/mfa/sign-in").headers["Location"].startswith("/login")
        assert client.post("/mfa/sign-in", {"credential": credential}).headers["Location"].startswith("/login")
        assert client.get("/mfa/sign-in/options").status_code == 404


def test_a_user_who_is_gone_or_blocked_is_refused_like_a_passkey_that_nobody_has(site: DjangoSite) -> None:
    told = []

    def gone(user: User) -> None:
        User.objects.filter(pk=user.pk)._raw_delete("default")  # past the signals, which would reset the user

    def inactive(user: User) -> None:
        User.objects.filter(pk=user.pk).update(is_active=False)

    def blocked(user: User) -> None:
        User.objects.filter(pk=user.pk).update(last_name="Blocked")

    for change in (gone, inactive, blocked):
        user_id = site.user()
        device = give_passkey(site, user_id)
        change(site.people[user_id].user)
        browser = site.browser("sign in", user_id)
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 400 and not browser.is_in()
        told.append(browser.told)
    browser = site.browser("sign in", "")
    stranger = PasskeyDevice()
    stranger.user_handle = b"x" * 32
    assert browser.post("sign in", stranger.get(browser.options("sign in"))) == 400
    assert set(told) == {browser.told} and browser.told


@pytest.mark.parametrize("leads_off", ["https://evil.net/", "//evil.net", "/\\evil.net"])
def test_nobody_is_led_off_the_site(site: DjangoSite, leads_off: str) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    assert b"evil" not in browser.client.get("/mfa/sign-in", {"next": leads_off}).content
    assert browser.post("sign in", device.get(browser.options("sign in")), next=leads_off) == 303
    assert browser.answer.headers["Location"] == "/inside"


def test_another_user_who_was_logged_in_is_out(site: DjangoSite) -> None:
    browser = site.browser("sign in", "")
    for _ in range(2):
        user_id = site.user()
        device = give_passkey(site, user_id)
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 303
        assert browser.client.get("/inside").content.decode() == f"inside {site.people[user_id].name}"


def test_a_form_of_another_site_changes_nothing(site: DjangoSite) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = DjangoBrowser(MFAClient(enforce_csrf_checks=True))
    options = browser.options("sign in")
    site.events.clear()
    assert browser.post("sign in", device.get(options)) == 403
    assert site.events == [] and not browser.is_in()


def test_a_login_that_is_asked_for_again_may_answer_by_it(site: DjangoSite) -> None:
    user_id = site.user()
    device = give_passkey(site, user_id)
    browser = site.browser("sign in", user_id)
    assert browser.post("sign in", device.get(browser.options("sign in"))) == 303
    site.wait(3600)
    assert browser.client.get("/fresh-vault").status_code == 303
    assert browser.post("second factor", device.get(browser.options("second factor"))) == 303
    assert browser.client.get("/fresh-vault").status_code == 200


# The JSON API


class APIBrowser(DjangoBrowser):
    """A page in JavaScript, in Django's session."""

    token: dict[str, str]

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.answer = self.client.post(f"/mfa/api/{path}", json.dumps(body), content_type="application/json")
        found: dict[str, Any] = self.answer.json()
        return found

    def options(self, what: What) -> dict[str, Any]:
        asked = self.ask(API_PATHS[what][0], {})
        assert self.answer.status_code == 200, asked
        self.token = {"sign_in_token": asked["sign_in_token"]} if what == "sign in" else {}
        options: dict[str, Any] = asked["options"]
        return options

    def post(self, what: What, credential: object, **more: str) -> int:
        sent = credential if isinstance(credential, dict) else {"text": credential}
        self.ask(API_PATHS[what][1], {"credential": sent, **self.token})
        return int(self.answer.status_code)

    @property
    def told(self) -> str:
        body = self.answer.json()
        assert body["type"] == "urn:ferrotp:problem:passkey-refused" and body["detail"], body
        return str(body)


API_PATHS: dict[What, tuple[str, str]] = {
    "second factor": ("passkey/challenge", "passkey/verify"),
    "sign in": ("sign-in/challenge", "sign-in"),
    "register": ("passkeys/options", "passkeys"),
}


class APISite(DjangoSite):
    def browser(self, what: What, user_id: str) -> APIBrowser:
        return APIBrowser(super().browser(what, user_id).client)


@pytest.fixture
def api_site(site: DjangoSite, clock: Clock, person: Callable[..., Person], events: list[Event]) -> Iterator[APISite]:
    urls = (path("mfa/api/", include((SessionAPI().urls, "api"))), *sites_urls)
    with override_settings(ROOT_URLCONF=urls):
        yield APISite(clock, person, events)


@pytest.mark.parametrize("what", ["second factor", "sign in", "register"])
def test_each_attack_on_the_api_is_refused_with_its_own_error_and_told(api_site: APISite, what: What) -> None:
    play(api_site, what)


def test_a_passkey_alone_gives_a_program_its_token_and_a_user_who_may_not_gets_none(site: DjangoSite) -> None:
    given: list[tuple[User, str]] = []

    def on_login(request: Any, user: User, stamp: str) -> dict[str, object]:
        given.append((user, stamp))
        return {"token": "t"}

    with override_settings(ROOT_URLCONF=(path("mfa/api/", include((TokenAPI(on_login).urls, "api"))), *sites_urls)):
        user_id = site.user()
        device = give_passkey(site, user_id)
        browser = APIBrowser(MFAClient(enforce_csrf_checks=True))
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 200
        assert browser.answer.json()["session"] == {"token": "t"} and "sessionid" not in browser.client.cookies
        ((user, stamp),) = given
        login = read_stamp(stamp, user)
        assert str(user.pk) == user_id and login is not None and login.passed
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert browser.post("sign in", device.get(browser.options("sign in"))) == 400
        assert browser.told and len(given) == 1


# A group that must have passkeys


@pytest.fixture
def strict(site: DjangoSite, ferrotp: Callable[..., None]) -> DjangoSite:
    from ferrotp.vault import Hashing

    cheap = Hashing.argon2id(memory_kib=8, passes=1, lanes=1)
    rules = [{"who": "staff", "passkey": True}, {"who": "superusers", "passkey": True, "from": "2100-01-01"}]
    ferrotp(POLICY={"hashing": cheap, "passkeys": ASKED}, REQUIRED=rules)
    return site


def test_a_user_who_must_have_a_passkey_is_led_to_add_one_and_codes_end_with_it(
    strict: DjangoSite, person: Callable[..., Person]
) -> None:
    staff = person(is_staff=True).enroll()
    strict.people[staff.user_id] = staff
    client = MFAClient()
    assert staff.log_in(client).status_code == 303  # the app still leads in
    for page in ("/inside", "/vault", "/mfa/", "/admin/"):
        assert client.get(page).headers["Location"] == "/mfa/set-up", page
    assert client.get("/mfa/set-up").headers["Location"] == "/mfa/passkeys/add"
    shown = client.get("/mfa/passkeys/add").content.decode()
    assert "/mfa/set-up" not in shown  # an app is no way around it
    assert client.post("/mfa/set-up", {"name": "Another app"}).headers["Location"] == "/mfa/passkeys/add"
    browser, device = DjangoBrowser(client), PasskeyDevice()
    assert browser.post("register", device.create(browser.options("register")), name="Key") < 400
    assert client.get("/vault").status_code == client.get("/admin/").status_code == 200
    settings = client.get("/mfa/").content.decode()
    assert "Add a passkey" in settings and "Add an authenticator app" not in settings
    # The last one stays, and the app may go.
    passkey = get_mfa().passkeys(user_id=staff.user_id)[0]
    client.post(f"/mfa/factors/{passkey.factor_id}/remove")
    assert [found.factor_id for found in get_mfa().passkeys(user_id=staff.user_id)] == [passkey.factor_id]
    # From now on a code is none, phished or not; the passkey leads in.
    client = MFAClient()
    assert staff.password(client).headers["Location"] == "/mfa/challenge"
    assert 'name="code"' not in client.get("/mfa/challenge").content.decode()
    strict.wait(60)
    refused = client.post("/mfa/challenge", {"code": staff.code()})
    assert refused.status_code == 403 and client.get("/inside").status_code != 200
    refused = client.post("/mfa/challenge", {"code": staff.device.at(strict.clock.now, -1), "next_code": staff.code()})
    assert refused.status_code == 403 and client.get("/inside").status_code != 200
    browser = DjangoBrowser(client)
    assert browser.post("second factor", device.get(browser.options("second factor"))) == 303
    assert client.get("/inside").status_code == 200
    client.post(f"/mfa/factors/{staff.factor_id}/remove")
    assert [factor.kind for factor in get_mfa().status(user_id=staff.user_id).factors] == ["passkey"]


def test_a_new_user_of_the_group_sets_up_a_passkey_and_others_as_they_like(
    strict: DjangoSite, person: Callable[..., Person]
) -> None:
    client, staff = MFAClient(), person(is_staff=True)
    assert staff.password(client).headers["Location"] == "/mfa/set-up"
    assert client.get("/mfa/set-up").headers["Location"] == "/mfa/passkeys/add"
    browser = DjangoBrowser(client)
    assert browser.post("register", PasskeyDevice().create(browser.options("register"))) < 400
    assert client.get("/vault").status_code == 200
    for other in (person(), person(is_superuser=True)):
        client = MFAClient()
        assert other.enroll().log_in(client).status_code == 303
        assert client.get("/vault").status_code == 200 and client.get("/mfa/set-up").status_code == 200


def test_a_rule_for_passkeys_needs_them_in_the_policy(clock: Clock) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from ferrotp.django.conf import conf

    for wrong, policy in (({"who": "staff", "passkey": True}, {}), ({"who": "staff", "passkey": "yes"}, ASKED)):
        with (
            override_settings(FERROTP=given(REQUIRED=[wrong], POLICY={"passkeys": policy} if policy else {})),
            pytest.raises(ImproperlyConfigured, match="passkey"),
        ):
            conf.__wrapped__()
