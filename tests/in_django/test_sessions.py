"""The sessions of a user: listed, and ended one by one, where Django keeps them in a database."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ferrotp.django import get_mfa, sessions
from ferrotp.django.models import UserSession
from ferrotp.django.test import AsyncMFAClient, Clock, MFAClient
from ferrotp.vault import new_key

from .conftest import Person
from .test_login import where

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"
ENGINES = ["db", "cached_db"]
CACHE = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sessions"}}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{request.param}", CACHES=CACHE):
        yield request.param
        caches["default"].clear()


def rows(client: MFAClient) -> list[tuple[str, str, bool]]:
    """The list: name, the link that ends it ("" of this one), and whether it is this one."""
    page = client.get("/mfa/").content.decode()
    section = page.partition('id="ferrotp-sessions"')[2]
    found = []
    for item in re.findall("<li>(.*?)</li>", section, re.S):
        name = re.search('class="ferrotp-name">([^<]*)', item)
        link = re.search('href="(/mfa/sessions/[^"]+/end)"', item)
        assert name
        found.append((name[1], link[1] if link else "", "This browser" in item))
    return found


def browsers(person: Person, *agents: str) -> list[MFAClient]:
    made = [MFAClient(headers={"user-agent": agent}) for agent in agents]
    for browser in made:
        person.log_in(browser)
        person.clock.tick(30)
    return made


def test_they_are_listed_and_one_is_ended_at_once(alice: Person, engine: str) -> None:
    laptop, phone, other = browsers(alice, FIREFOX, SAFARI, "curl")
    listed = rows(laptop)
    assert [(name, here) for name, _, here in listed] == [
        ("Firefox, Linux", True),
        ("Browser", False),
        ("Safari, iPhone", False),
    ]
    assert listed[0][1] == ""
    link = listed[2][1]
    asked = laptop.get(link)
    assert "Log out “Safari, iPhone”?" in asked.content.decode() and phone.get("/vault").status_code == 200
    assert where(laptop.post(link)) == "/mfa/"
    assert where(phone.get("/fresh-vault")).startswith("/login")
    assert where(phone.get("/vault")).startswith("/login") and where(phone.get("/inside")).startswith("/login")
    assert not phone.session.get("_auth_user_id")
    page = laptop.get("/mfa/").content.decode()
    assert "That browser is logged out." in page and "Safari" not in page
    assert other.get("/vault").status_code == laptop.get("/vault").status_code == 200
    # Again, and this browser's own: there is none such.
    for gone in (link, f"/mfa/sessions/{laptop.session['_ferrotp_session']['handle']}/end"):
        assert where(laptop.get(gone)) == where(laptop.post(gone)) == "/mfa/"
        assert "It had already been removed" in laptop.get("/mfa/").content.decode()
    assert laptop.get("/vault").status_code == 200


def test_it_wants_a_fresh_login_and_a_form_of_this_site(alice: Person, clock: Clock) -> None:
    laptop, phone = browsers(alice, FIREFOX, SAFARI)
    link = rows(laptop)[1][1]
    forged = MFAClient(enforce_csrf_checks=True)
    forged.cookies = laptop.cookies
    assert forged.post(link).status_code == 403
    clock.tick(601)
    assert where(laptop.get(link)) == where(laptop.post(link)) == "/mfa/challenge"
    assert phone.get("/vault").status_code == 200
    assert where(laptop.post("/mfa/challenge", {"code": alice.code()})) == link
    assert where(laptop.get(link)) == "" and where(laptop.post(link)) == "/mfa/"
    assert where(phone.get("/vault")).startswith("/login")


def test_after_the_code_one_is_back_at_the_page_that_asked(alice: Person, clock: Clock) -> None:
    laptop, _ = browsers(alice, FIREFOX, SAFARI)
    link = rows(laptop)[1][1]
    for page in (link, "/mfa/recovery-codes", "/mfa/sessions/end", f"/mfa/factors/{alice.factor_id}/remove"):
        clock.tick(601)
        assert where(laptop.get(page)) == "/mfa/challenge"
        assert where(laptop.post("/mfa/challenge", {"code": alice.code()})) == page


def test_another_users_are_neither_seen_nor_ended(alice: Person, person: Callable[..., Person]) -> None:
    (mine,), (hers,) = browsers(person().enroll(), FIREFOX), browsers(alice, SAFARI)
    hers.get("/mfa/")
    handle = UserSession.objects.get(user_id=alice.user_id).handle
    assert len(rows(mine)) == 1
    assert where(mine.get(f"/mfa/sessions/{handle}/end")) == where(mine.post(f"/mfa/sessions/{handle}/end")) == "/mfa/"
    assert hers.get("/vault").status_code == 200
    assert where(MFAClient().post(f"/mfa/sessions/{handle}/end")).startswith("/login")
    # A row that somebody writes into the database leads to no other session.
    UserSession.objects.filter(handle=handle).update(user_id=str(mine.session["_auth_user_id"]))
    assert len(rows(mine)) == 1
    mine.post(f"/mfa/sessions/{handle}/end")
    assert hers.get("/vault").status_code == 200


def test_no_key_of_a_session_is_on_a_page_in_a_log_or_in_our_table(
    alice: Person, caplog: pytest.LogCaptureFixture, engine: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        laptop, phone = browsers(alice, FIREFOX, SAFARI)
        keys = [laptop.session.session_key, phone.session.session_key]
        (_, _, _), (_, link, _) = rows(laptop)
        shown = laptop.get("/mfa/").content.decode() + laptop.get(link).content.decode() + link
        laptop.post(link)
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("django.db"))
    kept = repr(list(UserSession.objects.values_list())) + repr(
        [bytes(row.sealed) for row in UserSession.objects.all()]
    )
    for key in keys:
        assert key and key not in shown + logged + kept + repr(dict(laptop.session))


def test_they_are_sealed_by_the_keys_that_the_service_has(
    person: Callable[..., Person], ferrotp: Callable[..., None], tmp_path: Path
) -> None:
    """Those of a file are read at the start: it may be closed to the process afterwards."""
    file = tmp_path / "keys"
    file.write_text(new_key())
    file.chmod(0o600)
    ferrotp(KEYS=None, KEY_FILE=str(file))
    alice = person().enroll()
    file.unlink()
    laptop, _ = browsers(alice, FIREFOX, SAFARI)
    assert len(rows(laptop)) == 2


@pytest.mark.parametrize("engine", ["signed_cookies", "cache"])
def test_where_they_cannot_be_ended_none_are_offered(alice: Person, engine: str) -> None:
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}", CACHES=CACHE):
        before = UserSession.objects.count()
        laptop, phone = browsers(alice, FIREFOX, SAFARI)
        assert rows(laptop) == [] and UserSession.objects.count() == before
        assert "Log out everywhere else" in laptop.get("/mfa/").content.decode()
        assert where(laptop.post("/mfa/sessions/end")) == "/mfa/"
        assert where(phone.get("/fresh-vault")).startswith("/login")


def test_what_has_ended_is_not_listed(alice: Person, engine: str) -> None:
    laptop, phone, tablet = browsers(alice, FIREFOX, SAFARI, SAFARI)
    assert len(rows(laptop)) == 3
    phone.post("/logout")
    Session.objects.filter(session_key=tablet.session.session_key).update(expire_date="2001-01-01T00:00Z")
    assert [here for _, _, here in rows(laptop)] == [True]
    browsers(alice, SAFARI)
    assert len(rows(laptop)) == 2
    assert where(laptop.post("/mfa/sessions/end")) == "/mfa/"
    assert [here for _, _, here in rows(laptop)] == [True]


def test_a_session_with_a_new_key_stays_one_line(alice: Person, clock: Clock) -> None:
    laptop, phone = browsers(alice, FIREFOX, SAFARI)
    clock.tick(601)
    laptop.get("/mfa/recovery-codes")
    laptop.post("/mfa/challenge", {"code": alice.code()})  # under a new key from here on
    for link in (rows(phone)[1][1],):
        assert [here for _, _, here in rows(laptop)] == [True, False]
        clock.tick(30)
        phone.get(link)
        phone.post("/mfa/challenge", {"code": alice.code()})
        assert where(phone.post(link)) == "/mfa/"
    assert where(laptop.get("/vault")).startswith("/login")


def test_a_login_by_the_password_alone_is_listed_too(person: Callable[..., Person]) -> None:
    bob = person()
    made = [MFAClient(headers={"user-agent": agent}) for agent in (FIREFOX, SAFARI)]
    for browser in made:
        bob.password(browser)
    link = rows(made[0])[1][1]
    assert where(made[0].post(link)) == "/mfa/"
    assert where(made[1].get("/inside")).startswith("/login")


def test_a_half_login_is_in_no_list(alice: Person) -> None:
    thief = MFAClient(headers={"user-agent": SAFARI})
    alice.password(thief)
    thief.get("/mfa/challenge")
    alice.clock.tick()
    (laptop,) = browsers(alice, FIREFOX)
    assert len(rows(laptop)) == 1


def test_of_an_account_that_is_gone_nothing_stays(alice: Person) -> None:
    browsers(alice, FIREFOX)
    assert UserSession.objects.filter(user_id=alice.user_id).count() == 1
    User.objects.get(pk=alice.user.pk).delete()
    assert not UserSession.objects.filter(user_id=alice.user_id).exists()


def test_now_and_then_rows_of_sessions_that_are_gone_are_removed(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those of sessions that were prolonged stay."""
    laptop, phone, tablet = browsers(alice, FIREFOX, SAFARI, "curl")
    mine = UserSession.objects.filter(user_id=alice.user_id)
    UserSession.objects.exclude(user_id=alice.user_id).delete()
    phone.post("/logout")
    mine.exclude(handle=tablet.session["_ferrotp_session"]["handle"]).update(expires_at=1)
    monkeypatch.setattr(sessions.secrets, "token_hex", lambda size: "00" * size)
    (other,) = browsers(alice, SAFARI)
    handles = {each.session["_ferrotp_session"]["handle"] for each in (laptop, tablet, other)}
    assert {row.handle for row in mine} == handles and not mine.filter(expires_at=1).exists()
    assert len(rows(laptop)) == 3


def test_it_costs_a_login_one_statement_and_a_page_none(alice: Person) -> None:
    browser = MFAClient()
    alice.password(browser)
    with CaptureQueriesContext(connection) as login:
        browser.post("/mfa/challenge", {"code": alice.code()})
    ours = [query["sql"] for query in login.captured_queries if "user_session" in query["sql"]]
    assert len(ours) == 1 and ours[0].startswith("INSERT")
    with CaptureQueriesContext(connection) as page:
        browser.get("/vault")
    assert len(page) == 2


def test_a_table_that_is_not_there_yet_keeps_nobody_out(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the new release and `migrate`."""
    monkeypatch.setattr(UserSession._meta, "db_table", "not_migrated")
    browser = MFAClient()
    alice.log_in(browser)
    assert browser.get("/vault").status_code == 200
    page = browser.get("/mfa/").content.decode()
    assert "Log out everywhere else" in page and 'ferrotp-name">Browser' not in page.partition("ferrotp-sessions")[2]


async def _asked(alice: Person) -> tuple[int, int]:
    browser = AsyncMFAClient()
    await browser.aforce_mfa_login(alice.user)
    return (await browser.get("/vault")).status_code, (await browser.get("/mfa/")).status_code


def test_under_asgi_it_is_noted_too(alice: Person) -> None:
    import asyncio

    assert asyncio.run(_asked(alice)) == (200, 200)
    assert UserSession.objects.filter(user_id=alice.user_id).count() == 1
    assert get_mfa().status(user_id=alice.user_id).enrolled
