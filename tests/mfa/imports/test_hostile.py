"""Rows that nobody should have: each is left, said why, and holds up nobody else's. No secret is in what is said."""

import base64
import io
import json
import logging
import sqlite3
import traceback
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyotp
import pytest
from click.testing import CliRunner

from ferrotp.cli.app import ferrotp
from ferrotp.mfa import Policy
from ferrotp.mfa.imports import (
    Allauth,
    DjangoOTP,
    FlaskSecurity,
    Note,
    PyotpColumn,
    SourceError,
    preview_import,
    run_import,
)
from ferrotp.mfa.imports.wallet import parse_secrets

from .conftest import Service

GOOD = base64.b32encode(bytes(range(20))).decode()
HEX = bytes(range(20)).hex()
HUGE = "A" * 10_000_000
DEEP = "[" * 100_000


def django_tables(where: Path, rows: list[dict[str, Any]], tokens: list[object] = []) -> str:  # noqa: B006
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE otp_totp_totpdevice (id INTEGER PRIMARY KEY, user_id, name, confirmed, key, step, t0, digits,"
            " drift, last_t)"
        )
        connection.execute("CREATE TABLE otp_static_staticdevice (id INTEGER PRIMARY KEY, user_id, confirmed)")
        connection.execute("CREATE TABLE otp_static_statictoken (id INTEGER PRIMARY KEY, device_id, token)")
        for number, row in enumerate(rows, 1):
            usual = {"confirmed": 1, "key": HEX, "step": 30, "t0": 0, "digits": 6, "drift": 0, "last_t": -1, "name": ""}
            row = usual | {"user_id": number} | row
            connection.execute(
                f"INSERT INTO otp_totp_totpdevice ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )
            if row.get("user_id") != -999:
                connection.execute("INSERT OR IGNORE INTO auth_user VALUES (?)", (number,))
        connection.execute("INSERT INTO otp_static_staticdevice VALUES (1, 1, 1)")
        for token in tokens:
            connection.execute("INSERT INTO otp_static_statictoken (device_id, token) VALUES (1, ?)", (token,))
    return str(where)


DJANGO: dict[str, dict[str, Any]] = {
    "odd hex": {"key": HEX[:-1]},
    "not hex": {"key": "g" * 40},
    "a blob": {"key": b"\xff\xfe\x00"},
    "null": {"key": None},
    "huge": {"key": HUGE},
    "surrogates": {"key": "\udc80".encode("utf-8", "surrogatepass")},
    "empty": {"key": ""},
    "9 bytes": {"key": "00" * 9},
    "a user who is gone": {"user_id": -999},
    "nobody's": {"user_id": None},
    "a user id of another kind": {"user_id": "x' OR 1=1"},
    "step 0": {"step": 0},
    "negative step": {"step": -30},
    "a day's step": {"step": 86_400},
    "3 digits": {"digits": 3},
    "many digits": {"digits": 10**12},
    "digits in words": {"digits": "six"},
    "t0": {"t0": 1},
    "far ahead": {"last_t": 2**62},
    "before the beginning": {"last_t": -(2**62)},
    "drift in words": {"drift": "much"},
    "never confirmed": {"confirmed": 0},
    "null confirmed": {"confirmed": None},
}


def test_hostile_rows_of_django_otp_are_left_one_by_one(tmp_path: Path, service: Service) -> None:
    notes: list[Note] = []
    where = django_tables(tmp_path / "app.db", [{}, *DJANGO.values(), {"name": "x\u202ey"}])
    report = run_import(where, DjangoOTP(), service.mfa, on_note=notes.append)
    assert report.imported == 2
    assert len([note for note in notes if note.outcome == "skipped"]) == len(DJANGO)
    assert {factor.user_id for factor in service.mfa.factors()} == {"1", str(len(DJANGO) + 2)}
    assert all(factor.name == "" for factor in service.mfa.factors())


def test_a_device_whose_codes_the_window_refuses_comes_and_is_flagged(tmp_path: Path, service: Service) -> None:
    notes: list[Note] = []
    where = django_tables(tmp_path / "app.db", [{"drift": 1}, {"drift": -2}, {"drift": 2}])
    assert run_import(where, DjangoOTP(), service.mfa, on_note=notes.append).imported == 3
    assert service.mfa.policy.window == 1
    assert [(note.user_id, note.outcome) for note in notes] == [("2", "flagged"), ("3", "flagged")]


def test_hostile_tokens_are_left_and_a_token_that_stands_twice_works_once(tmp_path: Path, service: Service) -> None:
    tokens = [
        "ogzutz7c",
        "OGZU-TZ7C",
        "",
        None,
        "123",
        HUGE,
        b"\xff",
        12345678,
        "\udc80".encode("utf-8", "surrogatepass"),
    ]
    where = django_tables(tmp_path / "app.db", [{}], tokens)
    report = run_import(where, DjangoOTP(), service.mfa)
    assert report.imported == 1
    assert service.recovers(1, "ogzutz7c")
    assert not service.recovers(1, "OGZU-TZ7C")
    assert service.recovers(1, "1234 5678")


ALLAUTH: dict[str, object] = {
    "null": None,
    "no JSON": "{",
    "a list": "[]",
    "deep": DEEP,
    "huge": HUGE,
    "no secret": "{}",
    "a number": '{"secret": 12345678901234567890}',
    "not base32": '{"secret": "0189"}',
    "short": '{"secret": "JBSWY3DP"}',
    "bytes": b"\xff\xfe",
}


def test_hostile_rows_of_allauth_are_left_one_by_one(tmp_path: Path, service: Service) -> None:
    where = tmp_path / "app.db"
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE mfa_authenticator (id INTEGER PRIMARY KEY, user_id INT, type TEXT, data)")
        for number, data in enumerate([json.dumps({"secret": GOOD}), *ALLAUTH.values()], 1):
            connection.execute("INSERT INTO auth_user VALUES (?)", (number,))
            connection.execute("INSERT INTO mfa_authenticator VALUES (NULL, ?, 'totp', ?)", (number, data))
        for data in ('{"seed": 1}', '{"seed": "\u00e9", "used_mask": 0}', '{"seed": "a", "used_mask": "x"}', DEEP):
            connection.execute("INSERT INTO mfa_authenticator VALUES (NULL, 1, 'recovery_codes', ?)", (data,))
    report = run_import(str(where), Allauth(), service.mfa)
    assert (report.imported, report.recovery_codes) == (1, 0)
    assert report.errors == 1  # what is not base32 may be encrypted still: its user is held back
    assert sum(report.reasons.values()) == len(ALLAUTH) + 4 + report.errors


def wallet(**changes: Any) -> str:
    enckey = {"c": 1, "k": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "s": "GEZDGNBVGY3TQOJQGEZA", "t": "1", "v": 1}
    return json.dumps({"enckey": enckey | changes, "type": "totp", "v": 1})


FLASK: dict[str, object] = {
    "cut off": wallet()[:-20],
    "no JSON": "nonsense",
    "deep": DEEP,
    "huge": HUGE,
    "a list": "[1]",
    "hotp": wallet().replace("totp", "hotp"),
    "no cost": wallet(c=None),
    "an hour's cost": wallet(c=40),
    "a cost of true": wallet(c=True),
    "another version": wallet(v=2),
    "an unknown tag": wallet(t="9"),
    "a tag of another kind": wallet(t=["1"]),
    "a cut key": wallet(k="GEZDGNBVGY3TQOJQ1"),
    "a short key": wallet(k="GEZDGNBV"),
    "an empty key": wallet(k=""),
    "a key of bytes": wallet(k=5),
    "no salt": wallet(s=None),
    "digits in words": json.dumps({"key": GOOD, "type": "totp", "v": 1, "digits": "six"}),
    "absurd digits": json.dumps({"key": GOOD, "type": "totp", "v": 1, "digits": 99}),
    "another algorithm": json.dumps({"key": GOOD, "type": "totp", "v": 1, "alg": "md5"}),
}


def flask_table(where: Path, records: list[object]) -> str:
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, fs_uniquifier TEXT, tf_primary_method TEXT, tf_totp_secret,"
            " us_totp_secrets, mf_recovery_codes)"
        )
        for number, record in enumerate(records):
            connection.execute(
                "INSERT INTO user VALUES (NULL, ?, 'authenticator', ?, NULL, ?)", (f"u{number}", record, "zz,")
            )
        for text in ("{", "[]", DEEP, '{"authenticator": null, "sms": 1}'):
            connection.execute("INSERT INTO user VALUES (NULL, ?, NULL, NULL, ?, NULL)", (text[:8], text))
    return str(where)


def test_hostile_rows_of_flask_security_are_left_one_by_one(tmp_path: Path, service: Service) -> None:
    plain = json.dumps({"key": GOOD, "type": "totp", "v": 1})
    where = flask_table(tmp_path / "app.db", [plain, *FLASK.values()])
    format = FlaskSecurity(secrets={"1": b"secret"})
    report = run_import(where, format, service.mfa, proofs={"1": pyotp.TOTP(GOOD).now()})
    assert (report.imported, report.recovery_codes) == (1, 0)
    assert report.users == len(FLASK) + 5


PYOTP: dict[str, object] = {
    "not base32": "not base32! 0189",
    "huge": HUGE,
    "blank": "   ",
    "short": "JBSWY3DP",
    "bytes": b"\xff\xfe",
    "a number": 5,
    "encrypted": "gAAAAABl" + "A" * 100,
}


def test_hostile_rows_of_a_column_are_left_one_by_one(tmp_path: Path, service: Service) -> None:
    where = tmp_path / "app.db"
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("CREATE TABLE account (id TEXT, otp)")
        for user, secret in {"good": GOOD, **PYOTP, " ": GOOD, "x\n": GOOD, "y" * 300: GOOD}.items():
            connection.execute("INSERT INTO account VALUES (?, ?)", (user, secret))
    format = PyotpColumn(table="account", user_column="id", secret_column="otp", last_used="none")
    report = run_import(str(where), format, service.mfa)
    assert (report.users, report.imported) == (len(PYOTP) + 4, 1)


def test_short_secrets_come_by_policy_alone_and_are_said(tmp_path: Path, service: Service) -> None:
    where = django_tables(tmp_path / "app.db", [{}, {"key": "00" * 10}, {"step": 300}])
    notes: list[Note] = []
    report = run_import(where, DjangoOTP(), service.mfa, on_note=notes.append)
    assert report.imported == 1
    assert {(note.user_id, note.outcome) for note in notes} == {("2", "skipped"), ("3", "skipped")}
    lenient = service.opened(Policy(legacy_secrets=True))
    notes.clear()
    report = run_import(where, DjangoOTP(), lenient, on_note=notes.append)
    assert (report.imported, report.already) == (2, 1)
    assert {(note.user_id, note.outcome) for note in notes} == {("2", "flagged"), ("3", "flagged")}
    assert lenient.report().re_enroll == ("2", "3")


def test_a_source_that_is_none_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database, but a file")
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    for where in (str(text), str(empty), str(tmp_path / "nowhere"), "x://y", "mssql://u:secret@h/d", "postgresql://"):
        with pytest.raises(SourceError) as caught:
            preview_import(where, DjangoOTP())
        assert "secret" not in str(caught.value)
    assert not (tmp_path / "nowhere").exists()


def test_no_secret_is_in_a_report_a_log_an_error_or_the_terminal(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    canaries = ["CANARY" + letter * 26 for letter in "ABCDEFGHIJ"]
    long = canaries[0]
    where = django_tables(
        tmp_path / "app.db",
        [
            {},
            {"key": long},
            {"digits": canaries[1]},
            {"step": canaries[2]},
            {"last_t": canaries[3], "name": canaries[4]},
        ],
        [canaries[5][:15], canaries[6] * 5],
    )
    caplog.set_level(logging.DEBUG)
    said = io.StringIO()

    def noted(note: Note) -> None:
        print(asdict(note), note, file=said)

    for run in (
        lambda: preview_import(where, DjangoOTP(), on_note=noted),
        lambda: run_import(where, DjangoOTP(), service.mfa, on_note=noted),
    ):
        report = run()
        print(report, report.as_json(), report.lines(), file=said)
    for wrong in ("lower", canaries[7]):
        try:
            run_import(where, DjangoOTP(), service.mfa, proofs={"1": wrong})
        except SourceError as error:
            frames = list(traceback.walk_tb(error.__traceback__))[1:]  # this test's own holds them all
            print(error, error.__cause__, error.__context__, [frame.f_locals for frame, _ in frames], file=said)
    try:
        parse_secrets("{" + canaries[8])
    except SourceError as error:
        print(error, file=said)
    result = CliRunner().invoke(
        ferrotp, ["mfa", "import", "--from", "django-otp", "--source", where, "--report", str(tmp_path / "notes")]
    )
    print(result.output, (tmp_path / "notes").read_text(), file=said)
    everything = said.getvalue() + caplog.text
    assert "skipped" in everything
    for canary in (*canaries, HEX, GOOD):
        assert canary[:12] not in everything and canary[:12].lower() not in everything
    rest = (tmp_path / "mfa.db").read_bytes()
    assert b"CANARY" not in rest and bytes(range(20)) not in rest and b"canary" not in rest
