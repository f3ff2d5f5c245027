"""`manage.py check`, and the commands."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from ferrotp.django import get_mfa
from ferrotp.django.checks import check_apis, check_groups, check_keys, check_middleware, check_settings, check_stores
from ferrotp.django.models import Factor, RecoveryCode
from ferrotp.django.test import Clock
from ferrotp.mfa import Event
from ferrotp.vault import Keyring, new_key

from .conftest import Person
from .site import given


def found() -> set[str]:
    """What the checks say, as in earnest."""
    return {message.id or "" for check in (check_settings, check_stores, check_middleware) for message in check()}


def names_of(messages: list[Any]) -> set[str]:
    return {f"{message.id}: {message.msg}" for message in messages}


def test_ways_in_of_apis_by_the_password_alone_are_told() -> None:
    pytest.importorskip("rest_framework", reason="Django REST framework wants a newer Django")
    others = {
        "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"]}
    }
    assert check_apis() == []
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "rest_framework"]):
        assert {message.id for message in check_apis()} == {"ferrotp.W003"}
        with override_settings(**others):
            assert check_apis() == []
            with override_settings(ROOT_URLCONF="in_django.api_urls"):
                assert names_of(check_apis()) == {
                    "ferrotp.W004: ObtainAuthToken at 'api/token' gives a token for the password alone.",
                    "ferrotp.W004: OurTokens at 'api/jwt/ours' gives a token for the password alone.",
                }


@pytest.fixture
def earnest(clock: Clock) -> Any:
    """Not a test run."""
    teardown_test_environment()
    yield
    setup_test_environment(debug=False)


def test_a_good_site_has_no_fault(earnest: None) -> None:
    assert found() == set()
    call_command("check")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"ISSUER": ""}, "E002"),
        ({"KEYS": None}, "E003"),
        ({"KEYS": "short"}, "E003"),
        ({"KEYS": "ferrotp-key-1:" + "A" * 43}, "E003"),
        ({"KEYS": ["A" * 43]}, "E003"),
        ({"KEY_FILE": "/nowhere/keys", "KEYS": None}, "E003"),
        ({"STORE": "memory"}, "E005"),
        ({"DATABASE": "nowhere"}, "E006"),
        ({"DATABASE": "dummy_check"}, "E007"),
        ({"DATABASE": "memory_check"}, "E008"),
        ({"ISUER": "x"}, "E001"),
        ({"POLICY": {"window": 9}}, "E001"),
        ({"POLICY": "lax"}, "E001"),
        ({"REQUIRED": [{"who": "nobody I know"}]}, "E001"),
        ({"REQUIRED": [{"who": "all", "from": "soon"}]}, "E001"),
        ({"REQUIRED": [{"whom": "all"}]}, "E001"),
        ({"REQUIRED": 7}, "E001"),
        ({"FRESH_SECONDS": 3}, "E001"),
        ({"FRESH": [{"who": "staff", "seconds": 3}]}, "E001"),
        ({"FRESH": [{"who": "staff"}]}, "E001"),
        ({"FRESH": [{"who": "nobody I know", "seconds": 60}]}, "E001"),
        ({"FRESH": "staff"}, "E001"),
        ({"CLOCK": "no.such.clock"}, "E001"),
        ({"TENANT": None}, "E001"),
    ],
)
def test_what_cannot_be_is_said(
    earnest: None, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], fault: str
) -> None:
    from .stores import set_up

    monkeypatch.delenv("FERROTP_KEYS", raising=False)
    set_up(
        {
            "memory_check": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            "dummy_check": {"ENGINE": "django.db.backends.dummy", "NAME": "x"},
        }
    )
    with override_settings(FERROTP=given(**change)):
        assert f"ferrotp.{fault}" in found()
        with pytest.raises(SystemCheckError):
            call_command("check")


STORES = (
    'ferrotp.E001: FERROTP["STORE"] must be "django", "memory", a store, or a URL of sqlite, postgresql, mysql, '
    "mariadb, redis, rediss, unix"
)
SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({"STORE": "nonsense"}, STORES),
    ({"STORE": "postgres://app:secret@db/site"}, STORES),
    ({"STORE": 7}, STORES),
    (
        {"TENANT": "one\ntwo"},
        'ferrotp.E001: FERROTP["TENANT"] must be 1 to 255 printable characters, without space at its ends',
    ),
    ({"CLOCK": 7}, 'ferrotp.E001: FERROTP["CLOCK"] must be a function, or the path of one'),
    ({"CLOCK": "time.timezone"}, 'ferrotp.E001: FERROTP["CLOCK"] must be a function, or the path of one'),
    ({"NOTIFY": 7}, 'ferrotp.E001: FERROTP["NOTIFY"] must be "mail", a function, or the path of one'),
    ({"NOTIFY": "os.sep"}, 'ferrotp.E001: FERROTP["NOTIFY"] must be "mail", a function, or the path of one'),
    (
        {"BASE_TEMPLATE": "nowhere.html"},
        "ferrotp.E015: FERROTP[\"BASE_TEMPLATE\"] names 'nowhere.html', which is no template of this site.",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), SENTENCES)
def test_a_setting_that_cannot_work_is_said_in_a_sentence(earnest: None, change: dict[str, Any], sentence: str) -> None:
    with override_settings(FERROTP=given(**change)):
        assert names_of(check_settings()) == {sentence}
        with pytest.raises(SystemCheckError):
            call_command("check")


def test_keys_come_from_a_function_or_a_command(
    person: Callable[..., Person], ferrotp: Callable[..., None], client: Any
) -> None:
    alice, calls, key = person().enroll(), [], settings.FERROTP["KEYS"]

    def fetch() -> list[str]:
        calls.append(1)
        return [key]

    for given_keys in ({"KEYS": fetch}, {"KEYS": None, "KEY_COMMAND": [sys.executable, "-c", f"print({key!r})"]}):
        ferrotp(**given_keys)
        assert check_settings() == []
        alice.log_in(client)
        assert client.get("/vault").status_code == 200
        client.post("/logout")
        alice.clock.tick(60)
    assert len(calls) == 1


def test_a_place_of_keys_that_is_away_is_said_and_answered_503(
    person: Callable[..., Person], ferrotp: Callable[..., None], client: Any
) -> None:
    alice = person().enroll()

    def away() -> str:
        raise OSError("no route to the host of the keys")

    ferrotp(KEYS=away)
    (fault,) = check_settings()
    assert fault.id == "ferrotp.E003" and "cannot be fetched" in fault.msg and "route" not in fault.msg
    alice.password(client)
    assert client.post("/mfa/challenge", {"code": alice.code()}).status_code == 503
    assert client.get("/inside").status_code == 302
    for wrong in ("vault get", [], [7]):
        ferrotp(KEYS=None, KEY_COMMAND=wrong)
        (fault,) = check_settings()
        assert "must be a list: a program, and its arguments" in fault.msg


def test_a_store_that_does_not_open_is_said_at_start(
    earnest: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mfa.db").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "elsewhere")
    with override_settings(FERROTP=given(STORE="sqlite:///mfa.db"), BASE_DIR=tmp_path):
        (fault,) = check_stores()
        assert fault.id == "ferrotp.E016" and "move it there" in fault.msg


def test_a_group_that_nobody_is_in_is_said_where_the_database_is_looked_at(
    earnest: None, person: Callable[..., Person], ferrotp: Callable[..., None]
) -> None:
    Group.objects.get_or_create(name="finance-desk")
    ferrotp(REQUIRED=[{"who": "group:finance-desk"}, {"who": "group:finanace"}, {"who": "staff"}])
    assert check_groups() == []
    assert names_of(check_groups(databases=["default"])) == {
        "ferrotp.W006: FERROTP[\"REQUIRED\"] names the group 'finanace', which is not there: that rule is about nobody."
    }


def test_a_missing_setting_is_said(earnest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERROTP_KEYS", raising=False)
    with override_settings(FERROTP=None):
        assert {"ferrotp.E002", "ferrotp.E003"} <= found()
    monkeypatch.setenv("FERROTP_KEYS", new_key())
    with override_settings(FERROTP={"ISSUER": "ACME"}):
        assert found() == set()


SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
REMOTE = "django.contrib.auth.middleware.PersistentRemoteUserMiddleware"
WANTED = "in_django.test_checks_and_commands.LoginRequiredMiddleware"
OURS = "ferrotp.django.middleware.MFAMiddleware"
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class LoginRequiredMiddleware:
    """Django's, which Djangos before 5.1 have not."""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"MIDDLEWARE": [SESSION, AUTH]}, "E010"),
        ({"MIDDLEWARE": [SESSION, OURS, AUTH]}, "E011"),
        ({"MIDDLEWARE": [OURS, SESSION, AUTH]}, "E011"),
        ({"MIDDLEWARE": [SESSION, AUTH, WANTED, OURS]}, "E011"),
        ({"MIDDLEWARE": [SESSION, AUTH, OURS, REMOTE]}, "E011"),
        ({"SESSION_COOKIE_SECURE": False}, "W001"),
        ({"ROOT_URLCONF": "in_django.no_urls"}, "E004"),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}, "W003"),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.cache", "CACHES": LOCAL}, "E009"),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db", "CACHES": LOCAL}, "E009"),
    ],
)
def test_what_the_site_around_it_must_not_do_is_said(earnest: None, change: dict[str, Any], fault: str) -> None:
    with override_settings(**change):
        assert found() == {f"ferrotp.{fault}"}


def test_atomic_requests_on_sqlite_are_warned_of(earnest: None) -> None:
    database = connections["default"].settings_dict
    database["ATOMIC_REQUESTS"] = True
    try:
        assert found() == {"ferrotp.W002"}
    finally:
        database["ATOMIC_REQUESTS"] = False


# Commands


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_keys_are_made_and_listed(alice: Person, ferrotp: Callable[..., None]) -> None:
    key = run("ferrotp_keys", "--new").splitlines()[0]
    old = settings.FERROTP["KEYS"]
    ferrotp(KEYS=[key, old])
    lines = run("ferrotp_keys").splitlines()
    assert lines[0].startswith(Keyring(key).writes_with) and "seals and opens  0 records" in lines[0]
    assert lines[1].startswith(Keyring(old).writes_with) and int(lines[1].split()[-2]) >= 11
    assert key not in "".join(lines) and old not in "".join(lines)
    with pytest.raises(CommandError, match="still seals"):
        run("ferrotp_keys", "--retire", Keyring(old).writes_with)
    ferrotp(KEYS=[key])
    assert "MISSING" in run("ferrotp_keys")


def test_rotation_is_shown_and_can_be_stopped_and_resumed(
    alice: Person, ferrotp: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ferrotp.mfa import maintenance

    old, new = settings.FERROTP["KEYS"], new_key()
    ferrotp(KEYS=[new, old])
    resealed = 0
    reseal = type(get_mfa().store).reseal

    def stopped(self: Any, changes: Any) -> int:
        nonlocal resealed
        resealed += 1
        if resealed == 3:
            raise KeyboardInterrupt
        return int(reseal(self, changes))

    with monkeypatch.context() as patched:
        patched.setattr(maintenance, "BATCH", 1)
        patched.setattr(type(get_mfa().store), "reseal", stopped)
        with pytest.raises(CommandError, match="run it again"):
            run("ferrotp_rotate")
    get_mfa().verify(user_id=alice.user_id, code=alice.code())

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    call_command("ferrotp_rotate", stdout=io.StringIO(), stderr=screen)
    total = Factor.objects.count() + RecoveryCode.objects.count()
    assert (
        f"[{'#' * 30}]" in screen.getvalue()
        and f" of {total} records" in screen.getvalue()
        and "\r" in screen.getvalue()
    )
    assert "0 resealed, 0 failed" in run("ferrotp_rotate")
    assert "take it out" in run("ferrotp_keys", "--retire", Keyring(old).writes_with)
    ferrotp(KEYS=[new])
    alice.clock.tick()
    get_mfa().verify(user_id=alice.user_id, code=alice.code())
    # Back, for the other tests.
    ferrotp(KEYS=[old, new])
    run("ferrotp_rotate")


def test_a_user_is_reset(alice: Person, events: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(CommandError, match="nothing was done"):
        run("ferrotp_reset", alice.name)
    with pytest.raises(CommandError, match="no user"):
        run("ferrotp_reset", "nobody", "--noinput")
    assert (
        run("ferrotp_reset", alice.name, "--noinput", "--by=helpdesk")
        == f"{alice.name} had 1 factor, and has none now.\n"
    )
    assert events[-1].kind == "reset" and events[-1].detail["by"] == "helpdesk"
    assert not get_mfa().status(user_id=alice.user_id).enrolled


def test_a_user_is_reset_by_primary_key_and_under_an_id_without_a_name(
    person: Callable[..., Person], events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the process has a number, and no entry in passwd."""
    alice, bob = person().enroll(), person()
    User.objects.filter(pk=bob.user.pk).update(username=alice.user_id)  # a name that looks like another's key

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert run("ferrotp_reset", alice.user_id, "--noinput").startswith(f"{alice.user_id} had 0 factors")
    assert get_mfa().status(user_id=alice.user_id).enrolled
    assert run("ferrotp_reset", alice.user_id, "--pk", "--noinput").startswith(f"{alice.name} had 1 factor,")
    assert events[-1].detail["by"].startswith("uid ")
    with pytest.raises(CommandError, match="no user"):
        run("ferrotp_reset", "no key", "--pk", "--noinput")


def test_the_report_says_who_has_none_a_legacy_one_and_a_clock_that_is_off(
    person: Callable[..., Person], clock: Clock, ferrotp: Callable[..., None]
) -> None:
    ferrotp(POLICY={"legacy_secrets": True}, REQUIRED="staff")
    alice, bob, carol = person().enroll(), person(is_staff=True), person()
    get_mfa().import_factor(user_id=carol.user_id, secret=bytes(10))
    get_mfa().verify(user_id=alice.user_id, code=alice.device.at(clock.now, 1))
    report = json.loads(run("ferrotp_report", "--json"))
    assert {"user": bob.name, "required": True, "due": None} in report["without"]
    assert not {alice.name, carol.name} & {user["user"] for user in report["without"]}
    assert carol.name in report["legacy"] and alice.name not in report["legacy"]
    assert {"user": alice.name, "device": "Phone", "steps": 1} in report["drift"]
    text = run("ferrotp_report")
    assert f"  {bob.name}  must have one\n" in text and f"  {alice.name}  Phone  +1 time steps\n" in text


def test_a_keyring_that_is_not_the_stores_is_an_error_where_the_database_is_looked_at(
    alice: Person, ferrotp: Callable[..., None]
) -> None:
    assert check_keys(databases=["default"]) == []
    ferrotp(KEYS=new_key())
    (fault,) = check_keys(databases=["default"])
    assert fault.id == "ferrotp.E014" and get_mfa().keyring.writes_with in fault.msg
    assert check_keys() == []  # nothing is asked of a database that nobody named
