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
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from ferrotp.django import begin_login, get_mfa
from ferrotp.django.auth import device_token
from ferrotp.django.management.commands import ferrotp_import
from ferrotp.django.management.commands.ferrotp_import import find_users
from ferrotp.django.middleware import MFAMiddleware
from ferrotp.django.service import user_id_of
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import EnrollmentLost, Event, InvalidIdentifier
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
