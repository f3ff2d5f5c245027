"""The audit of a site: its rows, its pages, its command."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings

from ferrotp.django import get_mfa
from ferrotp.django.api_urls import api
from ferrotp.django.models import AuditEntry, AuditHead
from ferrotp.django.test import Clock, MFAClient

from .conftest import Person
from .test_admin import staff

CHANGELIST = "/admin/ferrotp/auditentry/"


@pytest.fixture
def audited(ferrotp: Callable[..., None]) -> Iterator[None]:
    """A site whose rows are its own from the beginning."""
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()
    ferrotp(AUDIT=True)
    yield
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("ferrotp_audit", *arguments, stdout=out)
    return out.getvalue()


def test_a_login_is_a_row_with_the_address_and_users_see_their_own(
    audited: None, client: MFAClient, person: Callable[..., Person]
) -> None:
    alice, other = person().enroll(), person().enroll()
    alice.password(client)
    where = {"REMOTE_ADDR": "192.0.2.9", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux) Firefox/140.0"}
    client.post("/mfa/challenge", {"code": alice.wrong()}, **where)
    client.post("/mfa/challenge", {"code": alice.code()}, **where)
    rows = get_mfa().activity(user_id=alice.user_id, limit=2)
    assert [(row.kind, row.address) for row in rows] == [("verified", "192.0.2.9"), ("refused", "192.0.2.9")]
    page = client.get("/mfa/").content.decode()
    assert page.index("Recent activity") < page.index("Login confirmed") < page.index("A code or a passkey was refused")
    assert "From 192.0.2.9" in page and "Firefox, Linux" in page
    assert get_mfa().activity(user_id=other.user_id)[0].address == ""


def test_without_an_audit_nothing_is_kept_and_nothing_shown(
    client: MFAClient, alice: Person, person: Callable[..., Person]
) -> None:
    before = AuditEntry.objects.count()
    client.force_mfa_login(alice.user)
    assert "Recent activity" not in client.get("/mfa/").content.decode()
    assert AuditEntry.objects.count() == before
    boss = person(is_staff=True, is_superuser=True).enroll()
    client.force_mfa_login(boss.user)
    assert client.get(CHANGELIST).status_code == 403


def test_staff_read_the_rows_and_change_none(audited: None, client: MFAClient, person: Callable[..., Person]) -> None:
    alice = person().enroll()
    helper = staff(person, "view_auditentry")
    client.force_mfa_login(helper.user)
    row = AuditEntry.objects.filter(user_id=alice.user_id).order_by("number")[0]
    with CaptureQueriesContext(connection) as queries:
        pages = [
            client.get(CHANGELIST),
            client.get(CHANGELIST, {"q": alice.name}),
            client.get(CHANGELIST, {"q": alice.user_id}),
            client.get(CHANGELIST, {"kind": "enrollment started"}),
            client.get(f"{CHANGELIST}{row.pk}/change/"),
        ]
    for page in pages:
        assert page.status_code == 200 and alice.name in page.content.decode()
    assert not any(f'"{name}"' in query["sql"] for query in queries.captured_queries for name in ("mac", "earlier"))
    assert "enrollment confirmed" not in pages[3].content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    for path in ("add/", f"{row.pk}/delete/"):
        assert client.get(CHANGELIST + path).status_code == 403
    client.post(f"{CHANGELIST}{row.pk}/change/", {"kind": "verified"})
    assert AuditEntry.objects.get(pk=row.pk).kind == row.kind
    # No filter in the address tells rows apart by what is sealed.
    assert client.get(CHANGELIST, {"mac__gt": "a"}).status_code in (302, 400)
    assert client.get(CHANGELIST, {"q": "no such user"}).status_code == 200


def test_a_page_of_the_admin_is_as_many_queries_whatever_is_on_it(
    audited: None, client: MFAClient, person: Callable[..., Person]
) -> None:
    helper = staff(person, "view_auditentry")
    client.force_mfa_login(helper.user)
    client.get(CHANGELIST)  # the session is noted by now
    counts = []
    for _ in range(2):
        for _ in range(3):
            person().enroll()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(CHANGELIST).status_code == 200
        about = [query["sql"] for query in queries.captured_queries if "audit_entry" in query["sql"]]
        counts.append((len(queries), len(about)))
    assert counts[0] == counts[1]
    assert counts[0][1] <= 2  # how many there are, and the page


def test_the_command_verifies_exports_and_prunes(
    audited: None, person: Callable[..., Person], clock: Clock, tmp_path: Path
) -> None:
    alice = person().enroll()
    mine = ("--user", alice.user_id)
    assert "all right" in said("verify", *mine) and json.loads(said("verify", "--json", *mine))["faults"] == []
    lines = [json.loads(line) for line in said("export", *mine).splitlines()]
    assert lines[0]["kind"] == "enrollment started"
    assert "enrollment started" in said("show", alice.user_id)
    marks = tmp_path / "marks"
    marks.write_text(said("marks"))
    assert "all right" in said("verify", "--marks", str(marks), *mine)
    with pytest.raises(CommandError, match="audit_days"):
        said("prune")
    clock.tick(3 * 86_400)
    assert f"{len(lines)} rows removed" in said("prune", "--days", "1")
    assert "all right" in said("verify", *mine)
    bob = person().enroll()
    AuditEntry.objects.filter(user_id=bob.user_id, kind="enrollment confirmed").update(kind="verified")
    with pytest.raises(CommandError) as error:
        said("verify", "--user", bob.user_id)
    assert error.value.returncode == 1
    marks.write_text("{")
    with pytest.raises(CommandError, match="marks"):
        said("verify", "--marks", str(marks))


def test_the_api_shows_users_their_own_events(audited: None, person: Callable[..., Person]) -> None:
    assert "activity" in [operation.name for operation in api.operations]
    alice = person().enroll()
    assert "activity" in [route.name for route in api.urls]
    view = next(route.callback for route in api.urls if route.name == "activity")
    client = MFAClient()
    client.force_mfa_login(alice.user)
    request = RequestFactory().get("/mfa/api/activity")
    request.session, request.user = client.session, alice.user
    answer = view(request)
    assert answer.status_code == 200
    assert [entry["kind"] for entry in json.loads(answer.content)["entries"]][-1] == "enrollment started"


@pytest.mark.parametrize("use_tz", [True, False])
def test_staff_read_times_of_the_sites_own_place(
    audited: None, client: MFAClient, person: Callable[..., Person], use_tz: bool
) -> None:
    alice = person().enroll()
    client.force_mfa_login(staff(person, "view_auditentry").user)
    AuditEntry.objects.filter(user_id=alice.user_id).update(happened_at=1_800_000_015_000)
    pk = AuditEntry.objects.filter(user_id=alice.user_id)[0].pk
    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Tokyo"):
        for page in (client.get(CHANGELIST, {"q": alice.name}), client.get(f"{CHANGELIST}{pk}/change/")):
            assert "Jan. 15, 2027, 5 p.m." in page.content.decode()
