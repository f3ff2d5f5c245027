"""Users of the real packages come over, log in with their apps, and no code that was used is accepted again."""

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pyotp
import pytest
from cryptography.fernet import Fernet

from ferrotp.mfa import NotEnrolled, OtherUsersPasskey, PasskeyMalformed, Policy, SignatureWrong
from ferrotp.mfa.imports import (
    Accounts,
    Allauth,
    DjangoMFA2,
    DjangoMFA3,
    DjangoOTP,
    FlaskSecurity,
    ImportReport,
    PyotpColumn,
    SourceError,
    TwoFactor,
    decryptor,
    parse_secrets,
    preview_import,
    run_import,
)
from ferrotp.mfa.imports.importer import HELD_BACK

from ..passkey_device import UP, UV, Key, seeded_device, unb64
from .conftest import PASSKEYS, Service, Site
from .django_site import FERNET
from .flask_site import SECRETS


def reasons(report: ImportReport) -> dict[str, int]:
    return {reason: count for (_, reason), count in report.reasons.items()}


def holds(service: Service, user_id: object, secret: str, last_step: int, **parameters: Any) -> None:
    """The app of a user works: not at the last step that was used, nor before, but at the next."""
    totp = pyotp.TOTP(secret, **parameters)
    period = totp.interval
    service.now = last_step * period + 5
    for step in (last_step, last_step - 1):
        assert not service.takes(user_id, totp.generate_otp(step))
    service.now += period
    assert service.takes(user_id, totp.generate_otp(last_step + 1))
    assert not service.takes(user_id, totp.generate_otp(last_step + 1))


def holds_unknown(service: Service, user_id: object, secret: str, brought_at: float) -> None:
    """No code of about the moment of the import works; the first after it does."""
    totp = pyotp.TOTP(secret)
    step = int(brought_at) // 30
    service.now = (step + 1) * 30
    for live in (step, step + 1):
        assert not service.takes(user_id, totp.generate_otp(live))
    service.now += 60
    assert service.takes(user_id, totp.generate_otp(step + 3))


def holds_passkey(service: Service, user_id: object, seed: int, handle: bytes, *, synced: bool) -> None:
    """The user's passkey answers as it did there, as a second factor and to sign in alone: nothing was registered anew.
    Its next answer says whether it is synced, where the package did not keep it."""
    service.now = time.time() + 60
    device = seeded_device(seed)
    device.user_handle = handle
    mfa = service.mfa
    assert [info.backup_eligible for info in mfa.passkeys(user_id=str(user_id))] == [synced]
    yes = mfa.verify_passkey(
        user_id=str(user_id), session="s", response=device.get(mfa.passkey_challenge(user_id=str(user_id), session="s"))
    )
    assert yes.amr == ("swk", "user", "mfa")
    alone = mfa.verify_passkey(
        user_id=None, session="s", response=device.get(mfa.passkey_challenge(user_id=None, session="s"))
    )
    assert alone.user_id == str(user_id)
    assert [info.backup_eligible for info in mfa.passkeys(user_id=str(user_id))] == [True]
    # A signature of another key, and one of a passkey that is not synced any more, which is another one.
    refused: list[tuple[type[Exception], dict[str, Any]]] = [
        (SignatureWrong, {"key": Key()}),
        (PasskeyMalformed, {"flags": UP | UV}),
    ]
    for error, changes in refused:
        answer = device.get(mfa.passkey_challenge(user_id=str(user_id), session="s"), **changes)
        with pytest.raises(error):
            mfa.verify_passkey(user_id=str(user_id), session="s", response=answer)


@pytest.mark.parametrize("kind", [DjangoOTP, TwoFactor])
@pytest.mark.parametrize("where", ["django_site", "postgresql_django_site"])
def test_users_of_django_otp_come(
    kind: type[DjangoOTP], where: str, service: Service, request: pytest.FixtureRequest
) -> None:
    site: Site = request.getfixturevalue(where)
    said = site.said["otp"]
    service.now = time.time()
    would = preview_import(site.where, kind(), policy=Policy(passkeys=PASSKEYS))
    report = run_import(site.where, kind(), service.mfa)
    factors = 4 if kind is TwoFactor else 3
    assert (report.imported, report.factors, report.recovery_codes) == (3, factors, 4)
    assert (would.imported, would.factors, would.recovery_codes, would.reasons) == (3, factors, 4, report.reasons)
    without = preview_import(site.where, kind())
    assert without.factors == 3 and reasons(without).get("the policy has no passkeys", 0) == (kind is TwoFactor)
    found = reasons(report)
    assert found["it was never confirmed"] == found["a code by e-mail is no authenticator app"] == 1
    assert found.get("a code by telephone is no authenticator app", 0) == (kind is TwoFactor)
    assert found["recovery codes of fewer than 64 bits: have new ones made"] == 1

    holds(service, said["used"], said["secret"], said["last_t"])
    if kind is TwoFactor:
        handle = hashlib.sha1(str(said["used"]).encode()).hexdigest().encode()
        holds_passkey(service, said["used"], said["passkey"], handle, synced=False)
    slow = pyotp.TOTP(said["eight_secret"], digits=8, interval=60)
    assert service.takes(said["eight"], slow.at(int(service.now)))
    fob = pyotp.HOTP(said["hotp"])
    assert not service.takes(said["pressed"], fob.at(2))
    assert service.takes(said["pressed"], fob.at(3))
    with pytest.raises(NotEnrolled):
        service.mfa.verify(user_id=str(said["unconfirmed"]), code="123456")

    # Tokens work once, in any spelling; the one that django-otp had used up does not.
    assert not service.recovers(said["used"], said["tokens"][0])
    assert service.recovers(said["used"], said["tokens"][1])
    assert not service.recovers(said["used"], said["tokens"][1])
    assert service.recovers(said["used"], said["tokens"][2].upper()[:4] + " " + said["tokens"][2].upper()[4:])
    assert service.mfa.status(user_id=str(said["used"])).recovery_codes == 2
    # Nobody comes twice.
    again = run_import(site.where, kind(), service.mfa)
    assert (again.imported, again.already) == (0, 3)
    assert not service.recovers(said["used"], said["tokens"][1])


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_site_brings_its_own_users_by_manage_py(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = str(tmp_path / "db.sqlite3")
    if database == "postgresql":
        where = request.getfixturevalue("postgresql").database()
    said = Site("django_site.py", where, "encrypted", "ferrotp").said["commands"]
    assert said["django-two-factor-auth"]["imported"] == said["django-two-factor-auth --write"]["imported"] == 3
    assert said["django-allauth --write"]["imported"] == 1 and said["django-allauth --write"]["recovery_codes"] == 9
    # The tables are those of the first import: users who are there are left.
    assert (said["django-otp --write"]["imported"], said["django-otp --write"]["already"]) == (0, 3)
    assert (said["used code"], said["left"], said["mails"]) == ("refused", 8, 0)


@pytest.mark.parametrize("where", ["django_site", "sealed_django_site"])
def test_users_of_allauth_come(where: str, service: Service, request: pytest.FixtureRequest) -> None:
    site: Site = request.getfixturevalue(where)
    said = site.said["allauth"]
    service.now = brought_at = time.time()
    format = Allauth(decrypt=decryptor([FERNET])) if where == "sealed_django_site" else Allauth()
    report = run_import(site.where, format, service.mfa)
    assert (report.imported, report.factors, report.recovery_codes) == (1, 2, 9)
    assert reasons(report)["it is no passkey as the package writes it"] == 1
    assert service.mfa.status(user_id=str(said["user"])).recovery_codes == 9
    assert not service.takes(said["user"], said["code"])
    holds_unknown(service, said["user"], said["secret"], brought_at)
    used = next(code for code in said["codes"] if code not in said["unused"])
    assert not service.recovers(said["user"], used)
    assert service.recovers(said["user"], said["unused"][-1])
    assert said["user"] < 36  # of which base 36 has one digit
    handle = "0123456789abcdefghijklmnopqrstuvwxyz"[said["user"]].encode()
    holds_passkey(service, said["user"], said["passkey"], handle, synced=True)
    assert service.mfa.passkeys(user_id=str(said["user"]))[0].name == "My phone"


def test_a_user_whose_secret_does_not_open_stays_out_as_a_whole_and_comes_with_the_right_key(
    sealed_django_site: Site, service: Service
) -> None:
    user_id = str(sealed_django_site.said["allauth"]["user"])
    for format in (Allauth(), Allauth(decrypt=decryptor([Fernet.generate_key().decode()])), Allauth(decrypt=_fails)):
        would = preview_import(sealed_django_site.where, format, policy=Policy(passkeys=PASSKEYS))
        report = run_import(sealed_django_site.where, format, service.mfa)
        for found in (would, report):
            assert (found.imported, found.factors, found.recovery_codes, found.errors) == (0, 0, 0, 1)
            assert found.reasons["error", HELD_BACK] == 1 and found.examples["error", HELD_BACK] == [user_id]
            assert found.reasons["skipped", "its secret does not open with what was given"] == 1
        # Nor does the passkey, which is no secret and not encrypted there: no later run would bring the app to it.
        assert not service.mfa.status(user_id=user_id).factors
    report = run_import(sealed_django_site.where, Allauth(decrypt=decryptor([FERNET])), service.mfa)
    assert (report.imported, report.factors, report.recovery_codes, report.errors) == (1, 2, 9, 0)


def _fails(text: str) -> str:
    raise RuntimeError(text)


def test_users_of_flask_security_come(flask_site: Site, service: Service, request: pytest.FixtureRequest) -> None:
    said = flask_site.said
    encrypted = "encrypted" in request.node.name
    format = FlaskSecurity(
        secrets=parse_secrets("# ours\n" + "\n".join(f"{tag}: {secret}" for tag, secret in SECRETS.items())),
        decrypt_code=decryptor([FERNET]) if encrypted else None,
    )
    with pytest.raises(SourceError, match="prove"):
        run_import(flask_site.where, format, service.mfa)
    service.now = brought_at = time.time()
    proof = {said["two"]: pyotp.TOTP(said["two_secret"]).now()}
    report = run_import(flask_site.where, format, service.mfa, proofs=proof)
    assert (report.imported, report.factors, report.recovery_codes) == (3, 3, len(said["codes"]) - 1)
    handle = sqlite3.connect(flask_site.where).execute(
        'SELECT fs_webauthn_user_handle FROM "user" WHERE id = ?', [said["keyed"]]
    )
    holds_passkey(service, said["keyed"], said["passkey"], handle.fetchone()[0].encode(), synced=True)
    assert reasons(report)["it is for codes by telephone or e-mail"] == 2
    assert not service.takes(said["two"], said["code"])
    holds_unknown(service, said["two"], said["two_secret"], brought_at)
    holds_unknown(service, said["unified"], said["unified_secret"], brought_at)
    assert not service.recovers(said["two"], said["codes"][1])
    assert service.recovers(said["two"], said["codes"][0].replace("-", ""))
    if encrypted:
        blind = preview_import(flask_site.where, FlaskSecurity(secrets=format.secrets))
        assert reasons(blind)["they are encrypted, and no key was given"] == 1


def test_a_wrong_secret_of_flask_security_is_found_by_the_proof_alone(flask_site: Site, service: Service) -> None:
    said = flask_site.said
    wrong = FlaskSecurity(secrets=dict.fromkeys(SECRETS, b"wrong"))
    # The records open, to garbage.
    assert preview_import(flask_site.where, wrong).factors == 2
    code = pyotp.TOTP(said["two_secret"]).now()
    with pytest.raises(SourceError, match="the code is none of user") as caught:
        run_import(flask_site.where, wrong, service.mfa, proofs={said["two"]: code})
    assert code not in str(caught.value)
    with pytest.raises(SourceError, match="the code is none of user"):
        run_import(flask_site.where, wrong, service.mfa, proofs={"nobody": code})
    assert service.mfa.report().factors == 0
    missing = preview_import(flask_site.where, FlaskSecurity(secrets={"7": b"another"}))
    assert missing.factors == 0
    assert reasons(missing)["its TOTP secret is not among those that were given"] == 2


NOW = 1_800_000_015.0
STEP = int(NOW) // 30


@pytest.mark.parametrize(
    ("kind", "value", "last"),
    [
        ("time-step", lambda secret: STEP - 1, STEP - 1),
        ("time-step", lambda secret: str(STEP), STEP),
        ("seconds", lambda secret: STEP * 30 + 3, STEP + 1),
        ("seconds", lambda secret: float(STEP * 30), STEP + 1),
        ("code", lambda secret: pyotp.TOTP(secret).generate_otp(STEP), STEP),
        ("code", lambda secret: int(pyotp.TOTP(secret).generate_otp(STEP - 1)), STEP - 1),
        ("code", lambda secret: pyotp.TOTP(secret).generate_otp(STEP - 1000), STEP - 2),
    ],
)
@pytest.mark.parametrize("sealed", [False, True])
def test_users_of_a_pyotp_column_come(
    kind: Any, value: Any, last: int, sealed: bool, service: Service, tmp_path: Path
) -> None:
    secret = pyotp.random_base32()
    kept: object = Fernet(FERNET).encrypt(secret.encode()) if sealed else secret.lower()
    where = tmp_path / "app.db"
    with sqlite3.connect(where) as connection:
        column = "TEXT" if kind == "code" else "NUMERIC"
        connection.execute(f"CREATE TABLE account (id INTEGER PRIMARY KEY, mail TEXT, otp TEXT, last {column}, ok INT)")
        connection.execute("INSERT INTO account VALUES (1, 'ann@example.com', ?, ?, 1)", (kept, value(secret)))
        connection.execute("INSERT INTO account VALUES (2, 'bob@example.com', ?, NULL, 0)", (kept,))
        connection.execute("INSERT INTO account VALUES (3, 'carol@example.com', NULL, NULL, 1)")
    format = PyotpColumn(
        table="account",
        user_column="mail",
        secret_column="otp",
        last_used=kind,
        last_used_column="last",
        confirmed_column="ok",
        decrypt=decryptor([FERNET]) if sealed else None,
    )
    service.now = NOW
    report = run_import(str(where), format, service.mfa, clock=lambda: NOW)
    assert (report.users, report.imported) == (2, 1)
    assert reasons(report) == {"it was never confirmed": 1}
    holds(service, "ann@example.com", secret, last)


@pytest.mark.parametrize(("kind", "value"), [("code", None), ("code", ""), ("seconds", 0), ("time-step", None)])
def test_a_secret_that_was_never_used_is_good_from_its_first_code_on(
    kind: Any, value: Any, service: Service, tmp_path: Path
) -> None:
    secret = pyotp.random_base32()
    where = tmp_path / "app.db"
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE account (id TEXT PRIMARY KEY, otp TEXT, last TEXT)")
        connection.execute("INSERT INTO account VALUES ('ann', ?, ?)", (secret, value))
    format = PyotpColumn(
        table="account", user_column="id", secret_column="otp", last_used=kind, last_used_column="last"
    )
    service.now = NOW
    assert run_import(str(where), format, service.mfa).imported == 1
    assert service.takes("ann", pyotp.TOTP(secret).at(int(NOW)))


def test_what_the_last_used_column_holds_has_to_be_said_and_fit(tmp_path: Path, service: Service) -> None:
    where = tmp_path / "app.db"
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, otp TEXT, last NUMERIC)")
        for last in (STEP, STEP * 30, 123_456, "2026-01-01", str(10**30)):
            connection.execute("INSERT INTO account (otp, last) VALUES (?, ?)", (pyotp.random_base32(), last))
    columns: dict[str, Any] = {"table": "account", "user_column": "id", "secret_column": "otp"}
    for wrong in ({"last_used": "none", "last_used_column": "last"}, {"last_used": "code"}):
        with pytest.raises(SourceError, match="say which column"):
            PyotpColumn(**columns, **wrong)  # type: ignore[arg-type]
    for kind in ("time-step", "seconds"):
        format = PyotpColumn(**columns, last_used=kind, last_used_column="last")  # type: ignore[arg-type]
        report = preview_import(str(where), format, clock=lambda: NOW)
        assert report.factors == 1  # of five, the one whose last use is of this kind
    blind = PyotpColumn(**columns, last_used="none")
    assert preview_import(str(where), blind).factors == 5


def test_users_can_come_by_another_column_and_as_uuids(tmp_path: Path, service: Service) -> None:
    where = tmp_path / "app.db"
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE people (uid CHAR(32) PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE mfa_authenticator (id INTEGER, type TEXT, data TEXT, user_id CHAR(32))")
        connection.execute("INSERT INTO people VALUES ('0123456789abcdef0123456789abcdef', 'ann')")
        connection.execute(
            "INSERT INTO mfa_authenticator VALUES (1, 'totp', ?, '0123456789abcdef0123456789abcdef')",
            ('{"secret": "' + pyotp.random_base32() + '"}',),
        )
    run_import(str(where), Allauth(accounts=Accounts(table="people", key="uid", user_id="name")), service.mfa)
    run_import(str(where), Allauth(accounts=Accounts(table="people", key="uid", uuids=True)), service.mfa)
    users = {factor.user_id for factor in service.mfa.factors()}
    assert users == {"ann", "01234567-89ab-cdef-0123-456789abcdef"}


@pytest.mark.parametrize("kind", [DjangoMFA2, DjangoMFA3])
def test_users_of_django_mfa_come(kind: type[DjangoMFA2] | type[DjangoMFA3], service: Service, tmp_path: Path) -> None:
    """By rows that the packages wrote: `django_mfa_site.py` says how."""
    said = json.loads((Path(__file__).parent / "django_mfa_rows.json").read_text())[kind.name]
    source = tmp_path / "site.db"
    with sqlite3.connect(source) as connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT)")
        connection.execute("INSERT INTO auth_user VALUES (?, ?)", [said["user"], said["username"]])
        columns = ", ".join(said["rows"][0])
        connection.execute(f"CREATE TABLE {said['table']} ({columns})")
        for row in said["rows"]:
            connection.execute(f"INSERT INTO {said['table']} VALUES ({', '.join('?' * len(row))})", [*row.values()])
    service.now = brought_at = time.time()
    report = run_import(str(source), kind(), service.mfa)
    assert (report.imported, report.factors, report.recovery_codes) == (1, 2, 0)
    assert reasons(report)["recovery codes are hashed there: have new ones made"] == 1
    assert reasons(report).get("it is switched off", 0) == (kind is DjangoMFA2)
    holds_unknown(service, said["user"], said["secret"], brought_at)
    device = seeded_device(said["seed"])
    device.user_handle = said["handle"].encode()
    if kind is DjangoMFA2:  # until its next answer says so, the handle is not known
        with pytest.raises(OtherUsersPasskey):
            service.mfa.verify_passkey(
                user_id=None, session="s", response=device.get(service.mfa.passkey_challenge(user_id=None, session="s"))
            )
    holds_passkey(service, said["user"], said["seed"], device.user_handle, synced=False)
    options = service.mfa.begin_passkey(user_id=str(said["user"]), session="s", account_name="zoë")
    assert unb64(options["user"]["id"]) == device.user_handle
