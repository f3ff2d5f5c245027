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
    assert not any('"sealed"' in query["sql"] for query in queries.captured_queries)
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
