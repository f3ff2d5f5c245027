"""The admin: gated, and with no secret in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ferrotp.django import get_mfa
from ferrotp.django.models import Factor, RecoveryCode
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import Event

from .conftest import Person
from .stores import migrate
from .stores import set_up as set_up_databases
from .test_login import set_up, where

CHANGELIST = "/admin/ferrotp/factor/"


def staff(person: Callable[..., Person], *permissions: str) -> Person:
    made = person(is_staff=True)
    for permission in permissions:
        made.user.user_permissions.add(Permission.objects.get(codename=permission))
    return made


@pytest.mark.parametrize("site", ["/admin/", "/own-admin/"])
def test_staff_without_a_second_factor_are_led_to_set_one_up(
    client: MFAClient, person: Callable[..., Person], clock: Clock, site: str
) -> None:
    boss = person(is_staff=True, is_superuser=True)
    login = client.get(site)
    assert where(login).startswith(site + "login/")
    assert where(boss.password(client, site + "login/", next=site)) == site
    assert where(client.get(site)) == "/mfa/set-up"
    assert where(client.get(site + "login/")) in ("/mfa/set-up", site)
    set_up(client, clock)
    assert client.get(site).status_code == 200


def test_staff_with_one_are_asked_and_come_back(client: MFAClient, person: Callable[..., Person]) -> None:
    """CVE-2022-24857: an admin whose login skips the second factor."""
    boss = person(is_staff=True, is_superuser=True).enroll()
    boss.password(client, "/admin/login/", next=CHANGELIST)
    assert where(client.get(CHANGELIST)) == "/mfa/challenge"
    assert where(client.post("/mfa/challenge", {"code": boss.code()})) == CHANGELIST
    assert client.get(CHANGELIST).status_code == 200
    client.post("/admin/logout/")
    assert where(client.get(CHANGELIST)).startswith("/admin/login/")


def test_with_the_admin_left_out_it_is_not_gated_for_users_without_a_factor(
    client: MFAClient, person: Callable[..., Person], ferrotp: Any
) -> None:
    ferrotp(ADMIN=False)
    boss = person(is_staff=True, is_superuser=True)
    boss.password(client)
    assert client.get("/admin/").status_code == 200
    boss.enroll()
    other = MFAClient()
    boss.password(other, "/admin/login/")
    assert where(other.get("/admin/")) == "/mfa/challenge"


def test_it_shows_factors_and_no_secret(client: MFAClient, person: Callable[..., Person], alice: Person) -> None:
    helper = staff(person, "view_factor")
    client.force_mfa_login(helper.user)
    row = Factor.objects.get(factor_id=alice.factor_id)
    with CaptureQueriesContext(connection) as queries:
        pages = [
            client.get(CHANGELIST),
            client.get(CHANGELIST, {"q": alice.name}),
            client.get(f"{CHANGELIST}{row.pk}/change/"),
        ]
    text = "".join(page.content.decode() for page in pages)
    assert all(page.status_code == 200 for page in pages)
    assert alice.name in text and "Phone" in text and "active" in text
    for secret in (bytes(row.sealed).hex(), repr(bytes(row.sealed)), "sealed", "memory at", *alice.codes):
        assert secret not in text
    assert not any('"ferrotp_django_factor"."sealed"' in query["sql"] for query in queries.captured_queries)
    assert "Reset this user" not in text
    assert client.get(f"{CHANGELIST}{row.pk}/reset/").status_code == 403
    assert client.post(f"{CHANGELIST}{row.pk}/reset/").status_code == 403
    for path in ("add/", f"{row.pk}/delete/"):
        assert client.get(CHANGELIST + path).status_code == 403
    client.post(f"{CHANGELIST}{row.pk}/change/", {"name": "changed", "state": "disabled"})
    row.refresh_from_db()
    assert (row.name, row.state) == ("Phone", "active")


def test_staff_with_the_permission_reset_a_user(
    client: MFAClient, person: Callable[..., Person], alice: Person, clock: Clock, events: list[Event]
) -> None:
    helper = staff(person, "view_factor", "reset_user").enroll()
    client.force_mfa_login(helper.user)
    row = Factor.objects.get(factor_id=alice.factor_id)
    page = client.get(f"{CHANGELIST}{row.pk}/reset/")
    assert page.status_code == 200 and alice.name in page.content.decode()
    own = client.get(f"/own-admin/ferrotp/factor/{row.pk}/change/")
    assert own.status_code == 200
    assert get_mfa().status(user_id=alice.user_id).enrolled
    forged = MFAClient(enforce_csrf_checks=True)
    forged.force_mfa_login(helper.user)
    assert forged.post(f"{CHANGELIST}{row.pk}/reset/").status_code == 403
    assert get_mfa().status(user_id=alice.user_id).enrolled
    assert where(client.post(f"{CHANGELIST}{row.pk}/reset/")) == CHANGELIST
    assert not get_mfa().status(user_id=alice.user_id).enrolled
    assert not RecoveryCode.objects.filter(user_id=alice.user_id).exists()
    assert (events[-1].kind, events[-1].user_id) == ("reset", alice.user_id)
    assert events[-1].detail["by"] == helper.name
    assert LogEntry.objects.filter(user=helper.user, object_repr=alice.name).exists()


def test_a_reset_wants_a_fresh_code(client: MFAClient, person: Callable[..., Person], alice: Person) -> None:
    helper = staff(person, "view_factor", "reset_user").enroll()
    client.force_mfa_login(helper.user, fresh=False)
    row = Factor.objects.get(factor_id=alice.factor_id)
    path = f"{CHANGELIST}{row.pk}/reset/"
    assert where(client.post(path)) == "/mfa/challenge"
    assert get_mfa().status(user_id=alice.user_id).enrolled
    client.get(path)
    assert where(client.post("/mfa/challenge", {"code": helper.code()})) == path
    assert client.get(path).status_code == 200


def test_only_superusers_reset_superusers(client: MFAClient, person: Callable[..., Person]) -> None:
    boss = person(is_staff=True, is_superuser=True).enroll()
    row = Factor.objects.get(factor_id=boss.factor_id)
    path = f"{CHANGELIST}{row.pk}/reset/"
    helper = staff(person, "view_factor", "reset_user")
    client.force_mfa_login(helper.user)
    assert client.get(path).status_code == client.post(path).status_code == 403
    assert get_mfa().status(user_id=boss.user_id).enrolled
    client.force_mfa_login(boss.user)
    assert where(client.post(path)) == CHANGELIST


def test_the_users_of_another_tenant_are_no_users_of_this_site(
    client: MFAClient, person: Callable[..., Person], alice: Person, ferrotp: Any
) -> None:
    """Their ids are those of somebody else here."""
    ferrotp(TENANT="elsewhere")
    get_mfa().import_factor(user_id=alice.user_id, secret=bytes(20), name="Tablet elsewhere")
    row = Factor.objects.get(tenant="elsewhere", user_id=alice.user_id)
    ferrotp(TENANT="")
    client.force_mfa_login(person(is_staff=True, is_superuser=True).user)
    assert "Tablet elsewhere" not in client.get(CHANGELIST, {"q": alice.name}).content.decode()
    assert client.post(f"{CHANGELIST}{row.pk}/reset/").status_code == 403
    assert get_mfa().status(user_id=alice.user_id).enrolled
    row.delete()


def test_it_shows_the_database_that_the_store_is_in(
    client: MFAClient, person: Callable[..., Person], ferrotp: Any, tmp_path: Path
) -> None:
    """`FERROTP["DATABASE"]`: on SQLite, a file of its own is what the docs advise."""
    set_up_databases({"apart": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "apart.sqlite3")}})
    migrate("apart")
    ferrotp(DATABASE="apart")
    alice = person().enroll()
    client.force_mfa_login(person(is_staff=True, is_superuser=True).user)
    assert "Phone" in client.get(CHANGELIST, {"q": alice.name}).content.decode()
    row = Factor.objects.using("apart").get()
    assert client.get(f"{CHANGELIST}{row.pk}/change/").status_code == 200
    assert where(client.post(f"{CHANGELIST}{row.pk}/reset/")) == CHANGELIST
    assert not get_mfa().status(user_id=alice.user_id).enrolled


def test_the_models_and_the_migrations_agree(tables: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_a_page_of_the_admin_costs_the_same_however_many_factors_it_shows(
    client: MFAClient, person: Callable[..., Person]
) -> None:
    client.force_mfa_login(person(is_staff=True, is_superuser=True).user)
    someone = person().enroll()
    people = [person().enroll() for _ in range(8)]
    counts = []
    for query in (someone.name, ""):
        with CaptureQueriesContext(connection) as queries:
            page = client.get(CHANGELIST, {"q": query}).content.decode()
        counts.append(len(queries) - (1 if query else 0))  # the search looks for the name
    assert page.count("/change/") > len(people)
    assert counts[0] >= counts[1], counts


@pytest.mark.parametrize("lookup", ["sealed__gt", "sealed__startswith", "factor_id__startswith", "last_step__gt"])
def test_no_filter_reads_what_the_admin_does_not_show(
    client: MFAClient, person: Callable[..., Person], alice: Person, lookup: str
) -> None:
    """A filter in the address is an oracle: it tells one row from another by a column that nobody may see."""
    client.force_mfa_login(staff(person, "view_factor").enroll().user)
    assert client.get(CHANGELIST, {lookup: "5"}).status_code == 400
    assert client.get(CHANGELIST, {"state__exact": "active"}).status_code == 200


def test_many_users_are_reset_after_a_page_that_asks(
    client: MFAClient, person: Callable[..., Person], events: list[Event]
) -> None:
    helper, boss = staff(person, "view_factor", "reset_user").enroll(), person(is_superuser=True).enroll()
    people = [person().enroll() for _ in range(3)]
    client.force_mfa_login(helper.user)
    rows = {each.user_id: Factor.objects.get(factor_id=each.factor_id).pk for each in [*people, boss]}
    chosen = [rows[each.user_id] for each in people[:2]]
    choose = {"action": "reset_users", "_selected_action": chosen}
    page = where(client.post(CHANGELIST, choose))
    asked = client.get(page).content.decode()
    assert all(each.name in asked for each in people[:2]) and people[2].name not in asked
    assert all(get_mfa().status(user_id=each.user_id).enrolled for each in people)  # asked, and not done
    events.clear()
    assert where(client.post(page)) == CHANGELIST
    assert [get_mfa().status(user_id=each.user_id).enrolled for each in people] == [False, False, True]
    assert [(event.kind, event.detail["by"]) for event in events] == 2 * [("reset", helper.name)]
    assert LogEntry.objects.filter(user=helper.user, change_message="second factor reset").count() == 2
    # Not a superuser's, by nobody without the permission, and not without a fresh code.
    mixed = f"{CHANGELIST}reset/?ids={rows[people[2].user_id]},{rows[boss.user_id]}"
    assert client.get(mixed).status_code == client.post(mixed).status_code == 403
    viewer = staff(person, "view_factor").enroll()
    client.force_mfa_login(viewer.user)
    assert "reset_users" not in client.get(CHANGELIST).content.decode()
    single = f"{CHANGELIST}reset/?ids={rows[people[2].user_id]}"
    assert client.get(single).status_code == client.post(single).status_code == 403
    client.force_mfa_login(helper.user, fresh=False)
    assert where(client.post(single)) == "/mfa/challenge"
    client.force_mfa_login(helper.user)
    for odd in ("", "x", ",,", "999999", "9" * 40):
        assert client.get(f"{CHANGELIST}reset/?ids={odd}").status_code == 403, odd
    assert get_mfa().status(user_id=people[2].user_id).enrolled and get_mfa().status(user_id=boss.user_id).enrolled


def test_the_admin_says_who_has_none_and_who_must(
    client: MFAClient, person: Callable[..., Person], ferrotp: Any, clock: Clock
) -> None:
    boss, alice = person(is_staff=True, is_superuser=True).enroll(), person().enroll()
    ferrotp(REQUIRED=[{"who": "staff"}, {"who": "group:nobody is in it"}])
    late, free = person(is_staff=True), person()
    client.force_mfa_login(boss.user)
    assert f"{CHANGELIST}without/" in client.get(CHANGELIST).content.decode()
    with CaptureQueriesContext(connection) as queries:
        page = client.get(f"{CHANGELIST}without/").content.decode()
    assert len(queries) < 12
    assert late.name in page and free.name in page and alice.name not in page
    assert "must have one" in page.split(f">{late.name}<")[1].split("</tr>")[0]
    assert "must have one" not in page.split(f">{free.name}<")[1].split("</tr>")[0]
    only = client.get(f"{CHANGELIST}without/?required=1").content.decode()
    assert late.name in only and free.name not in only
    client.force_mfa_login(staff(person).enroll().user)
    assert client.get(f"{CHANGELIST}without/").status_code == 403
