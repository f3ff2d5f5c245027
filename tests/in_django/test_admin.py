"""The admin: gated, and with no secret in it."""

from collections.abc import Callable
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


def test_every_admin_page_is_gated(client: MFAClient, person: Callable[..., Person]) -> None:
    """Those of `get_urls` among them; the list is the URL configuration's."""
    from django.urls import get_resolver

    boss = person(is_staff=True, is_superuser=True)
    boss.password(client)
    paths = []
    for pattern in get_resolver("in_django.urls").url_patterns:
        if str(pattern.pattern) == "admin/":
            for inner in pattern.url_patterns:
                paths += [str(inner.pattern) + str(one.pattern) for one in getattr(inner, "url_patterns", [])]
                if not hasattr(inner, "url_patterns"):
                    paths.append(str(inner.pattern))
    assert len(paths) > 15
    for path in paths:
        if path.startswith(("login", "logout", "^", "(?P")):
            continue
        filled = path.replace("<path:object_id>", "1").replace("<int:pk>", "1")
        for part in ("<int:content_type_id>", "<path:object_id>", "<path:url>", "<id>"):
            filled = filled.replace(part, "1")
        assert where(client.get("/admin/" + filled)) == "/mfa/set-up", filled


def test_with_the_admin_left_out_it_is_not_gated_for_whoever_has_no_factor(
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
    assert not any('"sealed"' in one["sql"] for one in queries.captured_queries)
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
    assert MFAClient(enforce_csrf_checks=True).post(f"{CHANGELIST}{row.pk}/reset/").status_code in (302, 403)
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


def test_the_models_and_the_migrations_agree(tables: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
