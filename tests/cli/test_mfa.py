"""``ferrotp mfa import``."""

import json
import pathlib
import sqlite3

import pytest

from ferrotp.cli.app import run as program
from ferrotp.mfa import MFA
from ferrotp.vault import Keyring

from .program import POSIX, SECRET, SHORT, ok, run

KEYS = Keyring.generate()
UUID = "f81d4fae7dec11d0a76500a0c91e6bf6"
UUID_HYPHENS = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
COLUMN = ["mfa", "import", "--from", "pyotp-column", "--table", "account", "--user-column", "name"]
COLUMN += ["--secret-column", "otp", "--target-table", "account", "--target-column", "name", "--last-used"]


def source(folder: pathlib.Path, **secrets: str) -> str:
    where = folder / "app.db"
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE account (name TEXT, otp TEXT, last INTEGER)")
        connection.executemany("INSERT INTO account VALUES (?, ?, 5)", secrets.items())
    return str(where)


def test_it_writes_nothing_before_it_is_told_to(tmp_path: pathlib.Path) -> None:
    where, store = source(tmp_path, ann=SECRET, bob=SHORT, carol="not base32!"), tmp_path / "mfa.db"
    said = ok(*COLUMN, "none", "--source", where, "--store", f"sqlite:///{store}")
    assert "1 of 3 users would come" in said and "nothing was written" in said
    assert not store.exists()
    environment = {"FERROTP_KEYS": KEYS.export(), "FERROTP_STORE": f"sqlite:///{store}", "FERROTP_SOURCE": where}
    report = json.loads(ok(*COLUMN, "none", "--write", "--legacy-secrets", "--json", env=environment))
    assert (report["imported"], report["factors"], report["already"]) == (2, 2, 0)
    assert {(note["outcome"], *note["users"]) for note in report["notes"]} == {("flagged", "bob"), ("skipped", "carol")}
    again = json.loads(ok(*COLUMN, "none", "--write", "--legacy-secrets", "--json", env=environment))
    assert (again["imported"], again["already"]) == (0, 2)
    mfa = MFA(f"sqlite:///{store}", issuer="tests", keyring=KEYS)
    assert mfa.report().re_enroll == ("bob",)
    mfa.close()


@POSIX
def test_the_report_has_a_line_for_each_and_is_private(tmp_path: pathlib.Path) -> None:
    where, report = source(tmp_path, bob=SHORT, carol="not base32!"), tmp_path / "report"
    ok(*COLUMN, "none", "--source", where, "--report", str(report))
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["user_id"] for line in lines] == ["bob", "carol"]
    assert report.stat().st_mode & 0o777 == 0o600
    assert "there already" in run(*COLUMN, "none", "--source", where, "--report", str(report)).stderr


def test_what_is_missing_or_wrong_is_said_in_a_line(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = source(tmp_path, ann=SECRET)
    secrets = tmp_path / "secrets"
    secrets.write_text("nonsense that is CANARY")
    for arguments, says in (
        (["mfa"], "say what"),
        (["mfa", "import"], "--from"),
        (["mfa", "import", "--from", "pyotp-column"], "--source"),
        (["mfa", "import", "--from", "pyotp-column", "--source", where], "--table"),
        ([*COLUMN, "seconds", "--source", where], "say which column"),
        ([*COLUMN, "none", "--last-used-column", "last", "--source", where], "say which column"),
        ([*COLUMN, "none", "--source", str(tmp_path / "nowhere")], "no file"),
        ([*COLUMN, "none", "--source", where, "--write"], "--store"),
        ([*COLUMN, "none", "--source", where, "--proof", "123456"], "USER=CODE"),
        ([*COLUMN, "none", "--source", where, "--proof", "ann=123456"], "none of user"),
        ([*COLUMN, "none", "--source", where, "--fernet-keys-file", str(secrets)], "Fernet key"),
        (["mfa", "import", "--from", "django-otp", "--source", where], "no table"),
        (["mfa", "import", "--from", "django-allauth", "--source", where, "--decrypt", "os:nothing"], "MODULE:NAME"),
        (["mfa", "import", "--from", "flask-security", "--source", where, "--totp-secrets-file", str(secrets)], "JSON"),
        (["mfa", "import", "--from", "flask-security", "--source", where, "--table", "account"], "tf_totp_secret"),
    ):
        assert program(arguments) == 2, arguments
        said = capsys.readouterr().err
        assert says in said and "CANARY" not in said, (arguments, said)
        assert len(said.splitlines()) <= 2  # the first may be click's usage


def application(folder: pathlib.Path, key: str, *keys: object) -> str:
    """The database of an application whose users these are."""
    where = folder / "users.db"
    with sqlite3.connect(where) as connection:
        connection.execute(f"CREATE TABLE users (id {key} PRIMARY KEY)")
        connection.executemany("INSERT INTO users VALUES (?)", [(key,) for key in keys])
    return str(where)


@pytest.mark.parametrize(
    ("key", "keys", "ids", "more", "came"),
    [
        ("INTEGER", (1, 2), ("1", "02", "3", "ann@example.com"), (), {"1", "2"}),
        ("VARCHAR(36)", ("a", "B"), ("a", "b", "A", "B"), (), {"a", "B"}),
        ("CHAR(32)", (UUID,), (UUID, UUID_HYPHENS, UUID.upper(), "1"), ("--uuids",), {UUID_HYPHENS}),
        ("VARCHAR(36)", (UUID_HYPHENS,), (UUID,), ("--uuids",), {UUID_HYPHENS}),
    ],
)
def test_an_id_that_is_no_users_is_an_error(
    tmp_path: pathlib.Path,
    key: str,
    keys: tuple[object, ...],
    ids: tuple[str, ...],
    more: tuple[str, ...],
    came: set[str],
) -> None:
    """A factor under an id that no login asks for protects nobody: the user comes in by the password alone."""
    where = source(tmp_path, **dict.fromkeys(ids, SECRET))
    store = f"sqlite:///{tmp_path}/mfa.db"
    arguments = [*COLUMN, "none", "--source", where, "--store", store, "--write", "--json", *more]
    target = ["--target", application(tmp_path, key, *keys), "--target-table", "users", "--target-column", "id"]
    done = run(*arguments, *target, env={"FERROTP_KEYS": KEYS.export()})
    report = json.loads(done.stdout)
    mfa = MFA(store, issuer="tests", keyring=KEYS)
    assert {factor.user_id for factor in mfa.factors()} == came
    mfa.close()
    assert (report["imported"], report["enrolled"]) == (len(came), len(came))
    assert (done.returncode == 1) == (report["errors"] > 0)
    nobody = {user for note in report["notes"] if note["outcome"] == "error" for user in note["users"]}
    assert len(nobody) == report["errors"]
    assert report["users"] == len(ids)


def test_ids_are_looked_up_unless_it_is_said_that_they_need_not_be(tmp_path: pathlib.Path) -> None:
    where = source(tmp_path, ann=SECRET)
    column = [*COLUMN[:10], "--last-used", "none", "--source", where, "--write"]
    column += ["--store", f"sqlite:///{tmp_path}/mfa.db"]
    environment = {"FERROTP_KEYS": KEYS.export()}
    assert "--target-table" in run(*column, env=environment).stderr
    assert "no table" in run(*column, "--target-table", "users", env=environment).stderr
    assert "1 of 1 user came" in ok(*column, "--unchecked-ids", env=environment)


def test_the_last_use_has_to_be_said(tmp_path: pathlib.Path) -> None:
    where = source(tmp_path, ann=SECRET)
    done = run(*COLUMN[:-1], "--source", where)
    assert done.returncode == 2 and "--last-used" in done.stderr
