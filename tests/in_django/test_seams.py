"""Where Django meets the service: ids, tenants, and what the site's own tables know better."""

import base64
import io
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from mfa.authenticator import Device

from ferrotp.django import begin_login, delete_users, get_mfa, views
from ferrotp.django.auth import device_token
from ferrotp.django.management.commands import ferrotp_import
from ferrotp.django.management.commands.ferrotp_import import find_users
from ferrotp.django.middleware import MFAMiddleware
from ferrotp.django.service import user_id_of
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import EnrollmentLost, Event, InvalidIdentifier, StoreUnavailable
from ferrotp.web import device_cookie
from ferrotp.web.login import LOGIN_KEY

from .conftest import Person

BACKEND = "django.contrib.auth.backends.ModelBackend"
TEXT = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.fixture
def rf_session(clock: Clock) -> Callable[[], Any]:
    """Makes requests with a session and nobody in it."""

    def made() -> Any:
        request: Any = RequestFactory().post("/login")
        request.session, request.user = SessionStore(), AnonymousUser()
        return request

    return made


class Account(models.Model):
    """A user with a UUID."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label = "test_seams"


class Member(models.Model):
    """A user with a number."""

    class Meta:
        app_label = "test_seams"


@pytest.mark.parametrize("key", [UUID(TEXT), TEXT, TEXT.upper(), TEXT.replace("-", "")])
def test_a_uuid_has_one_text_however_the_object_holds_it(key: Any) -> None:
    assert user_id_of(Account(pk=key)) == TEXT


@pytest.mark.parametrize("key", [42, "42", "042"])
def test_a_number_has_one_text_too(key: Any) -> None:
    assert user_id_of(Member(pk=key)) == "42"


def test_a_user_who_was_never_saved_has_no_id() -> None:
    with pytest.raises(InvalidIdentifier, match="save it first"):
        user_id_of(Member())


def test_a_relative_file_is_in_the_folder_of_the_site(
    ferrotp: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with override_settings(BASE_DIR=tmp_path):
        ferrotp(STORE="sqlite:///mfa.db")
        get_mfa().store.prepare()
        assert (tmp_path / "mfa.db").exists() and list((tmp_path / "elsewhere").iterdir()) == []
        (tmp_path / "mfa.db").rename(tmp_path / "elsewhere" / "mfa.db")
        ferrotp(STORE="sqlite:///mfa.db")
        with pytest.raises(ImproperlyConfigured, match="move it there"):
            get_mfa()


# Two sites that share a secret key and a session store

OTHERS = [{"TENANT": "other"}, {"ISSUER": "Other"}]


@pytest.mark.parametrize("other", OTHERS)
def test_no_login_of_another_site_counts(
    client: MFAClient, alice: Person, ferrotp: Callable[..., None], other: dict[str, str]
) -> None:
    alice.password(client)
    half = client.session[LOGIN_KEY]
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "1"})
    assert client.get("/vault").status_code == 200
    full = client.session[LOGIN_KEY]
    assert half["issuer"] == full["issuer"] == get_mfa().issuer and full["stage"] == "full"
    ferrotp(REQUIRED="all", POLICY={"trusted_device_days": 30}, **other)
    for path in ("/vault", "/inside", "/mfa/", "/mfa/set-up"):
        assert client.get(path).status_code in (302, 303), path
    assert not get_mfa().status(user_id=alice.user_id).pending


@pytest.mark.parametrize("other", OTHERS)
def test_no_trusted_device_of_another_site_counts(
    client: MFAClient, alice: Person, ferrotp: Callable[..., None], other: dict[str, str]
) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    alice.password(client)
    client.post("/mfa/challenge", {"code": alice.code(), "trust": "1"})
    cookies = {name: morsel.value for name, morsel in client.cookies.items() if "ferrotp_device_token_" in name}
    assert len(cookies) == 1
    request = RequestFactory().get("/")
    request.COOKIES = cookies
    assert device_token(request, alice.user) is not None
    ferrotp(POLICY={"trusted_device_days": 30}, **other)
    assert device_token(request, alice.user) is None
    here, there = next(iter(cookies)), device_cookie(alice.user_id, get_mfa().issuer, get_mfa().tenant, host=True)
    request.COOKIES = {there: cookies[here]}  # under the other's name: the mark says whose it is
    assert here != there and device_token(request, alice.user) is None


# What the site's own tables know better


def test_nobody_comes_in_where_the_site_knows_of_a_factor_and_the_store_does_not(
    alice: Person, events: list[Event], rf_session: Callable[[], Any]
) -> None:
    begin_login(rf_session(), alice.user, enrolled=True, backend=BACKEND)
    assert get_mfa().reset(user_id=alice.user_id, by="somebody with the database") == 1
    request = rf_session()
    with pytest.raises(EnrollmentLost) as raised:
        begin_login(request, alice.user, enrolled=True, backend=BACKEND)
    assert dict(request.session) == {}
    assert events[-1].kind == "enrollment lost" and events[-1].user_id == alice.user_id and events[-1].notify_user
    answer = MFAMiddleware(lambda request: HttpResponse()).process_exception(request, raised.value)
    assert answer is not None and answer.status_code == 503


# Imports


@pytest.fixture
def column(alice: Person) -> Iterator[Callable[[str, list[Any]], None]]:
    """Makes a table as applications with pyotp have it: an owner, and a secret."""

    def made(kind: str, owners: list[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE app_otp (id INTEGER PRIMARY KEY, owner {kind}, secret TEXT)")
            for owner in owners:
                values = [owner, base64.b32encode(secrets.token_bytes(20)).decode()]
                cursor.execute("INSERT INTO app_otp (owner, secret) VALUES (%s, %s)", values)

    yield made
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE app_otp")


def run_import(*options: str) -> dict[str, Any]:
    """What the command says, whether it fails or not."""
    names = ("--table", "app_otp", "--user-column", "owner", "--secret-column", "secret", "--last-used", "none")
    output = io.StringIO()
    with suppress(CommandError):
        call_command("ferrotp_import", "--from", "pyotp-column", "--json", *names, *options, stdout=output)
    return dict(json.loads(output.getvalue()))


@pytest.mark.parametrize("options", [[], ["--write"]])
def test_no_factor_is_imported_under_an_id_that_no_login_asks_for(
    person: Callable[..., Person], column: Callable[[str, list[Any]], None], options: list[str]
) -> None:
    """It said "2 of 2 came", and both logged in by password."""
    bob, carol = person(), person()
    column("TEXT", [bob.user.email, carol.user.email, bob.user_id, "9" * 30, ""])
    said = run_import(*options)
    assert said["users"] == 5 and said["imported"] == 1
    errors = [note for note in said["notes"] if note["outcome"] == "error"]
    assert [(note["reason"], note["count"]) for note in errors] == [("no user here has this id", 3)]
    assert said["errors"] == 3 and said["enrolled"] == (1 if options else None)
    assert get_mfa().status(user_id=bob.user_id).enrolled is bool(options)
    for address in (bob.user.email, carol.user.email):
        assert not get_mfa().status(user_id=address).enrolled


def test_an_import_that_leaves_somebody_to_the_password_alone_fails(
    person: Callable[..., Person], column: Callable[[str, list[Any]], None]
) -> None:
    column("TEXT", [person().user.email])
    names = ("--table", "app_otp", "--user-column", "owner", "--secret-column", "secret", "--last-used", "none")
    with pytest.raises(CommandError, match="1 of the source's users are nobody here"):
        call_command("ferrotp_import", "--from", "pyotp-column", *names, stdout=io.StringIO())


def test_ids_of_another_table_are_read_as_the_primary_key_reads_them(
    tables: None, person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = person()
    found = {bob.user_id: bob.user_id, f"0{bob.user_id}": bob.user_id}
    assert find_users([*found, "bob@example.com", "999999", "9" * 30, "x"]) == found
    monkeypatch.setattr(ferrotp_import, "get_user_model", lambda: Account)
    with connection.schema_editor() as editor:
        editor.create_model(Account)
    try:
        Account.objects.create(pk=TEXT)
        plain = TEXT.replace("-", "")  # as SQLite has it
        assert find_users([plain, TEXT.upper(), str(UUID(int=1)), "x"]) == {plain: TEXT, TEXT.upper(): TEXT}
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Account)


# Accounts that end


class ProxyOfUser(User):
    """The site's users under another name."""

    class Meta:
        app_label = "test_seams"
        proxy = True


@pytest.fixture
def decisions(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many users each decision of the store deletes."""
    counts: list[int] = []
    store: Any = get_mfa().store
    delete_users_of_store = store.delete_users

    def counted(owners: Any) -> Any:
        counts.append(len(owners))
        return delete_users_of_store(owners)

    monkeypatch.setattr(store, "delete_users", counted)
    return counts


def _enrolled(people: list[Person]) -> list[bool]:
    return [get_mfa().status(user_id=person.user_id).enrolled for person in people]


def test_a_user_deleted_under_another_name_leaves_no_factor(alice: Person) -> None:
    ProxyOfUser.objects.get(pk=alice.user.pk).delete()
    assert _enrolled([alice]) == [False]


@pytest.mark.parametrize("model", [User, ProxyOfUser])
def test_many_users_are_deleted_by_one_decision(
    model: Any, person: Callable[..., Person], decisions: list[int], events: list[Event]
) -> None:
    people = [person().enroll() for _ in range(7)]
    keys = [person.user.pk for person in people]
    events.clear()
    model.objects.filter(pk__in=keys[:6]).delete()
    assert decisions == [6] and _enrolled(people) == 6 * [False] + [True]
    assert [event.kind for event in events] == 6 * ["user deleted"]


def test_a_hook_of_the_sites_own_does_not_split_the_decision(
    person: Callable[..., Person], decisions: list[int]
) -> None:
    people = [person().enroll() for _ in range(3)]
    ran: list[str] = []

    def hooked(instance: Any, using: str, **more: Any) -> None:
        transaction.on_commit(lambda: ran.append(instance.username), using=using)

    models.signals.post_delete.connect(hooked, sender=User)
    try:
        User.objects.filter(pk__in=[person.user.pk for person in people]).delete()
    finally:
        models.signals.post_delete.disconnect(hooked, sender=User)
    assert len(ran) == 3 and decisions == [3] and not any(_enrolled(people))


def test_a_deletion_that_is_rolled_back_leaves_the_factors(person: Callable[..., Person], decisions: list[int]) -> None:
    people = [person().enroll() for _ in range(3)]
    rows = User.objects.filter(pk__in=[person.user.pk for person in people])
    for undo in (1, 2):
        with suppress(ZeroDivisionError), transaction.atomic():
            if undo == 2:
                with transaction.atomic():
                    rows.delete()
            else:
                rows.delete()
            1 / 0  # noqa: B018
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            rows.delete()
            1 / 0  # noqa: B018
        people[0].user.delete()
    assert decisions == [1] and _enrolled(people) == [False, True, True]
    # The same queryset, after all that was taken back.
    rows.delete()
    assert decisions == [1, 2] and not any(_enrolled(people))


def test_users_who_are_kept_as_deleted_end_by_the_hook(person: Callable[..., Person], decisions: list[int]) -> None:
    people = [person().enroll() for _ in range(4)]
    with suppress(ZeroDivisionError), transaction.atomic():
        delete_users([people[0].user])
        1 / 0  # noqa: B018
    assert all(_enrolled(people))
    with transaction.atomic():
        User.objects.filter(pk__in=[person.user.pk for person in people[:2]]).update(is_active=False)
        delete_users([people[0].user, people[1].user.pk])
        assert all(_enrolled(people))
    assert decisions == [2] and _enrolled(people) == [False, False, True, True]
    delete_users(person.user for person in people[2:])
    assert not any(_enrolled(people))
    delete_users([])
    assert decisions == [2, 2]


def test_a_new_account_with_the_id_of_a_deleted_one_has_no_factor(alice: Person, client: MFAClient) -> None:
    key = alice.user.pk
    alice.user.delete()
    again = User.objects.create_user(alice.name, "other@example.com", "correct horse battery", pk=key)
    response = client.post("/login", {"username": again.username, "password": "correct horse battery"})
    assert response.headers["Location"] == "/inside"


def test_a_store_that_is_away_is_logged_with_the_ids(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(owners: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(get_mfa().store, "delete_users", away)
    alice.user.delete()
    assert f"delete_users(['{alice.user_id}'])" in caplog.text


# Recovery codes: nobody's but the user's, and none that nobody has seen


def _setting_up(client: MFAClient, one: Person) -> str:
    """A browser that is about to confirm: the code."""
    assert one.password(client).headers["Location"] == "/mfa/set-up"
    client.post("/mfa/set-up")
    page = client.get("/mfa/set-up").content.decode()
    device = Device("otpauth://" + page.split('href="otpauth://')[1].split('"')[0].replace("&amp;", "&"))
    return str(device.at(one.clock.now))


def test_a_login_that_the_site_breaks_makes_no_codes_that_nobody_sees(
    client: MFAClient, person: Callable[..., Person], ferrotp: Callable[..., None]
) -> None:
    ferrotp(REQUIRED="all")
    one = person()
    code = _setting_up(client, one)

    def broken(**more: Any) -> None:
        raise RuntimeError("the site's own")

    user_logged_in.connect(broken)
    try:
        client.raise_request_exception = False
        assert client.post("/mfa/set-up/confirm", {"code": code}).status_code == 500
    finally:
        user_logged_in.disconnect(broken)
    status = get_mfa().status(user_id=one.user_id)
    assert status.enrolled and status.recovery_codes == 0


def test_a_page_of_codes_that_breaks_leads_to_the_settings_and_leaks_none(
    client: MFAClient,
    person: Callable[..., Person],
    ferrotp: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ferrotp(REQUIRED="all")
    one = person()
    code = _setting_up(client, one)
    render_template, shown = views.render_template, []

    def broken(request: Any, template: str, context: Any, **more: Any) -> Any:
        if template == "ferrotp/codes.html":
            shown.extend(context["page"].codes)
            raise RuntimeError("an overridden template")
        return render_template(request, template, context, **more)

    monkeypatch.setattr(views, "render_template", broken)
    for answer in (client.post("/mfa/set-up/confirm", {"code": code}), client.post("/mfa/recovery-codes")):
        assert (answer.status_code, answer.headers["Location"]) == (303, "/mfa/")
        assert "you have not confirmed that you saved them" in client.get("/mfa/").content.decode()
    assert len(shown) == 20 and not any(secret in caplog.text for secret in shown)
    assert "could not be shown (RuntimeError)" in caplog.text


def test_the_page_of_codes_loaded_again_leads_to_the_settings_which_say_so(
    client: MFAClient, person: Callable[..., Person], ferrotp: Callable[..., None]
) -> None:
    ferrotp(REQUIRED="all")
    code = _setting_up(client, person())
    assert client.post("/mfa/set-up/confirm", {"code": code}).status_code == 200
    for again in (
        client.get("/mfa/set-up/confirm"),
        client.post("/mfa/set-up/confirm", {"code": code}),
        client.get("/mfa/recovery-codes/saved"),
    ):
        assert (again.status_code, again.headers["Location"]) == (303, "/mfa/")
    assert "you have not confirmed that you saved them" in client.get("/mfa/").content.decode()


def test_a_user_whose_records_are_damaged_is_not_let_in(client: MFAClient, alice: Person, events: list[Event]) -> None:
    from ferrotp.django.models import Factor

    Factor.objects.filter(user_id=alice.user_id).delete()
    assert alice.password(client).status_code == 503
    assert client.get("/vault").status_code != 200
    assert events[-1].kind == "store damaged"
