"""The admin as the desk uses it: who must, who is reminded, and how many there were."""

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ferrotp.django import get_mfa
from ferrotp.django.growth import growth
from ferrotp.django.models import Factor
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import Event

from .conftest import Person
from .test_admin import CHANGELIST, staff
from .test_login import where

WITHOUT, OVER_TIME = f"{CHANGELIST}without/", f"{CHANGELIST}over-time/"


@pytest.fixture
def desk(person: Callable[..., Person]) -> Person:
    """A member of staff who may do all that the desk does."""
    return staff(person, "view_factor", "reset_user", "change_user").enroll()


@pytest.fixture
def nobody_else(clock: Clock) -> None:
    """The site's other tests leave users behind."""
    User.objects.update(is_active=False)
    Factor.objects.all().delete()


@pytest.fixture
def group(clock: Clock) -> Any:
    made, _ = Group.objects.get_or_create(name="two-step")
    yield made
    made.user_set.clear()


# Who must


def test_users_are_put_under_the_obligation_after_a_page_that_asks(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any, group: Group
) -> None:
    ferrotp(REQUIRED=[{"who": "group:two-step"}])
    bob, carl, alice = person(), person(), person().enroll()
    open_session = MFAClient()
    bob.password(open_session)
    assert open_session.get("/inside").status_code == 200
    client.force_mfa_login(desk.user)
    page = client.get(WITHOUT).content.decode()
    assert f'value="{bob.user_id}"' in page and "Require a second factor" in page
    chosen = {"action": "require", "user": [bob.user_id, alice.user_id, "x", "999999"]}
    asked = client.post(WITHOUT, chosen).content.decode()
    assert bob.name in asked and "two-step" in asked and alice.name not in asked and carl.name not in asked
    assert not group.user_set.exists()
    done = client.post(WITHOUT, {**chosen, "group": group.pk, "confirmed": "1"})
    assert where(done) == WITHOUT
    assert [user.pk for user in group.user_set.all()] == [bob.user.pk]
    page = client.get(WITHOUT).content.decode()
    assert "1 user must have a second factor." in page
    assert "must have one" in page.split(f">{bob.name}<")[1].split("</tr>")[0]
    assert where(open_session.get("/inside")) == "/mfa/set-up"
    entry = LogEntry.objects.get(user=desk.user, object_id=bob.user_id)
    assert entry.change_message == "second factor: require"


def test_nobody_comes_by_permissions_that_way(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any, group: Group
) -> None:
    """A group with permissions, or one that `REQUIRED` does not name, is no place for somebody who is to set up."""
    rich, _ = Group.objects.get_or_create(name="rich")
    rich.permissions.set([Permission.objects.get(codename="delete_user")])
    other, _ = Group.objects.get_or_create(name="other")
    bob = person()
    client.force_mfa_login(desk.user)
    ferrotp(REQUIRED=[{"who": "group:rich"}, {"who": "group:two-step"}])
    chosen = {"action": "require", "user": [bob.user_id], "confirmed": "1"}
    for wrong in (rich.pk, other.pk, "", "x"):
        assert client.post(WITHOUT, {**chosen, "group": wrong}).status_code == 403
    assert "rich" not in client.post(WITHOUT, {"action": "require", "user": [bob.user_id]}).content.decode()
    ferrotp(REQUIRED=[{"who": "group:rich"}])
    page = client.post(WITHOUT, {**chosen, "group": rich.pk}).content.decode()
    assert "names no group that is without permissions" in page
    assert not bob.user.groups.exists()


def test_it_takes_the_permissions_a_choice_and_a_fresh_code(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any, group: Group
) -> None:
    ferrotp(REQUIRED=[{"who": "group:two-step"}], NOTIFY="mail")
    bob = person()
    chosen = {"user": [bob.user_id], "group": group.pk, "confirmed": "1"}
    for permissions, allowed in (
        (("view_factor",), set()),
        (("view_factor", "change_user"), set()),
        (("view_factor", "reset_user"), {"remind"}),
    ):
        client.force_mfa_login(staff(person, *permissions).enroll().user)
        page = client.get(WITHOUT).content.decode()
        assert ('type="checkbox"' in page) == bool(allowed)
        for action in ("require", "remind", "reset", ""):
            answer = client.post(WITHOUT, {**chosen, "action": action})
            assert (answer.status_code == 303) == (action in allowed), action
            assert answer.status_code in (303, 403)
    assert not bob.user.groups.exists()
    client.force_mfa_login(desk.user, fresh=False)
    assert where(client.post(WITHOUT, {**chosen, "action": "require"})) == "/mfa/challenge"
    client.force_mfa_login(desk.user)
    assert "Items must be selected" in client.post(WITHOUT, {"action": "require"}).content.decode()
    forged = MFAClient(enforce_csrf_checks=True)
    forged.force_mfa_login(desk.user)
    assert forged.post(WITHOUT, {**chosen, "action": "require"}).status_code == 403
    assert not bob.user.groups.exists()


# Who is reminded


def test_users_are_reminded_by_the_notifier(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any, events: list[Event]
) -> None:
    ferrotp(NOTIFY="mail", REQUIRED=[{"who": "superusers", "from": "2027-03-01"}], MAIL_LANGUAGE=lambda user: "en")
    bob, boss, alice, silent = person(), person(is_superuser=True), person().enroll(), person()
    User.objects.filter(pk=silent.user.pk).update(email="")
    client.force_mfa_login(desk.user)
    chosen = {"action": "remind", "user": [each.user_id for each in (bob, boss, alice, silent)]}
    mail.outbox.clear()
    events.clear()
    asked = client.post(WITHOUT, chosen).content.decode()
    assert bob.name in asked and alice.name not in asked and not mail.outbox
    assert where(client.post(WITHOUT, {**chosen, "confirmed": "1"})) == WITHOUT
    page = client.get(WITHOUT).content.decode()
    assert "2 users were reminded." in page and "1 user has no address." in page
    told = {message.to[0]: message for message in mail.outbox}
    assert set(told) == {bob.user.email, boss.user.email}
    assert told[bob.user.email].subject == "ACME: please set up two-step login"
    assert "no two-step login yet" in told[bob.user.email].body and "required" not in told[bob.user.email].body
    assert "From 2027-03-01 on it is required." in told[boss.user.email].body
    assert "If it was not you" not in told[boss.user.email].body
    kinds = [(event.kind, event.user_id, event.detail["by"]) for event in events]
    assert kinds == [("reminded", each.user_id, desk.name) for each in (bob, boss)]


def test_where_nobody_would_be_told_it_is_said(client: MFAClient, desk: Person, person: Callable[..., Person]) -> None:
    bob = person()
    client.force_mfa_login(desk.user)
    page = client.post(WITHOUT, {"action": "remind", "user": [bob.user_id], "confirmed": "1"}).content.decode()
    assert "is not set: nobody would be told" in page and "were reminded" not in page


def test_the_date_of_an_obligation_is_shown(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any
) -> None:
    ferrotp(REQUIRED=[{"who": "superusers", "from": "2027-03-01"}])
    boss = person(is_superuser=True)
    client.force_mfa_login(desk.user)
    page = client.get(WITHOUT).content.decode()
    assert "must have one from 03/01/2027 on" in page.split(f">{boss.name}<")[1].split("</tr>")[0]


# How many there were


def test_the_picture_counts_users_day_by_day_and_by_kind(
    client: MFAClient, desk: Person, nobody_else: None, clock: Clock
) -> None:
    User.objects.filter(pk=desk.user.pk).update(is_active=True)

    def factor(user: str, kind: str, days: float, state: str = "active", tenant: str = "") -> None:
        at = int((clock.now - days * 86_400) * 1000)
        more = {"drift": 0, "last_step": 0, "last_used_at": 0, "expires_at": 0, "legacy": False, "sealed": b""}
        name = f"{user}-{kind}-{days}"
        Factor.objects.create(
            tenant=tenant, user_id=user, factor_id=name, kind=kind, state=state, created_at=at, **more
        )

    factor("1", "totp", 400)
    factor("1", "totp", 3)  # a second app is no second user
    factor("2", "totp", 10)
    factor("2", "passkey", 10)
    factor("3", "passkey", 2)
    factor("4", "hotp", 0)
    factor("5", "totp", 1, state="pending")
    factor("6", "totp", 1, tenant="another")
    grown = growth(Factor.objects.filter(tenant="").exclude(state="pending"), "day", clock.now)
    assert len(grown.dates) == 30 and grown.dates[-1] == datetime.fromtimestamp(clock.now, timezone.utc).date()
    assert [(line.name, line.counts[-12:]) for line in grown.lines] == [
        ("Users with a second factor", (1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4)),
        ("authenticator app", (1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)),
        ("hardware token", (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
        ("passkey", (0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2)),
    ]
    weekly = growth(Factor.objects.filter(tenant="").exclude(state="pending"), "week", clock.now)
    assert len(weekly.dates) == 52 and {day.weekday() for day in weekly.dates} == {0}
    assert (weekly.lines[0].counts[0], weekly.lines[0].last) == (1, 4)
    client.force_mfa_login(desk.user)
    page = client.get(f"{OVER_TIME}?by=day").content.decode()
    table = page.partition("<caption>Second")[2]
    newest = re.findall("<td>(\\d+)</td>", table)[:4]
    assert newest == ["4", "2", "1", "2"] and table.count("<tr>") == 31 and 'scope="col"' in table
    assert page.count("<polyline") == 4 and 'role="img"' in page


def test_the_picture_takes_two_queries_and_no_style_or_script_of_its_own(
    client: MFAClient, desk: Person, person: Callable[..., Person]
) -> None:
    client.force_mfa_login(desk.user)
    client.get(OVER_TIME)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            page = client.get(OVER_TIME).content.decode()
        ours = [query["sql"] for query in queries.captured_queries if "ferrotp_django_factor" in query["sql"]]
        assert len(ours) == 2 and not any('"sealed"' in sql for sql in ours)
        counts.append(len(queries))
        for _ in range(5):
            person().enroll()
    assert counts[0] == counts[1]
    content = page.partition('id="content"')[2].partition('id="footer"')[0]
    assert "<script" not in content and "<style" not in content and not re.search(r"\sstyle=|\son\w+=", content)
    viewer = staff(person).enroll()
    client.force_mfa_login(viewer.user)
    assert client.get(OVER_TIME).status_code == 403


def test_an_empty_site_has_a_picture_too(client: MFAClient, desk: Person, nobody_else: None) -> None:
    grown = growth(Factor.objects.none(), "week", 1_800_000_015.0)
    assert [line.counts for line in grown.lines] == [(0,) * 52]


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Auckland", 16), ("UTC", 15), ("America/Los_Angeles", 15)])
def test_days_are_the_sites(zone: str, day: int, tables: None) -> None:
    at = datetime(2027, 1, 15, 12, 0, tzinfo=timezone.utc).timestamp()
    with override_settings(TIME_ZONE=zone):
        assert growth(Factor.objects.none(), "day", at).dates[-1].day == day


# Times and queries


@pytest.mark.parametrize("use_tz", [True, False])
def test_times_are_those_of_the_place(
    client: MFAClient, desk: Person, person: Callable[..., Person], use_tz: bool
) -> None:
    """1,800,000,015 is 8:00 in the morning of 15 January 2027 in Greenwich."""
    alice = person().enroll()
    client.force_mfa_login(desk.user)
    get_mfa().verify(user_id=alice.user_id, code=alice.code())
    Factor.objects.filter(factor_id=alice.factor_id).update(created_at=1_800_000_015_000)
    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Tokyo"):
        row = client.get(CHANGELIST, {"q": alice.name}).content.decode()
        shown = re.search("field-added[^>]*>([^<]*)<", row)
        assert shown and shown[1] == "Jan. 15, 2027, 5 p.m."
        pk = Factor.objects.get(factor_id=alice.factor_id).pk
        assert "Jan. 15, 2027, 5 p.m." in client.get(f"{CHANGELIST}{pk}/change/").content.decode()


def test_a_page_of_the_desk_takes_as_many_queries_for_many_users_as_for_one(
    client: MFAClient, desk: Person, person: Callable[..., Person], ferrotp: Any, group: Group
) -> None:
    ferrotp(REQUIRED=[{"who": "group:two-step"}])
    client.force_mfa_login(desk.user)
    client.get(WITHOUT)
    counts: dict[str, list[int]] = {WITHOUT: [], CHANGELIST: [], OVER_TIME: []}
    for more in (1, 10):
        for _ in range(more):
            person().user.groups.add(group)
            person().enroll()
        for page, found in counts.items():
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page).status_code == 200
            found.append(len(queries))
    assert all(few == many <= 10 for few, many in counts.values()), counts
