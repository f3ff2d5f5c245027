"""``ferrotp mfa audit``."""

import json
import pathlib
import sqlite3

import pytest

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA
from ferrotp.vault import Keyring

from .program import ok, run

KEYS = Keyring.generate()


@pytest.fixture
def where(tmp_path: pathlib.Path) -> str:
    """A store of an application with an audit, and a user who logged in."""
    url = f"sqlite:///{tmp_path}/mfa.db"
    mfa = MFA(url, issuer="ACME", keyring=KEYS, audit=True)
    secret = random_base32()
    mfa.import_factor(user_id="ann", secret=secret, last_step=0)
    mfa.verify(user_id="ann", code=TOTP(secret).now())
    mfa.close()
    return url


def environment(where: str) -> dict[str, str]:
    return {"FERROTP_STORE": where, "FERROTP_KEYS": KEYS.export()}


def change(where: str, sql: str) -> None:
    with sqlite3.connect(where.removeprefix("sqlite:///")) as connection:
        connection.execute(sql)


def test_it_says_that_all_is_right_and_what_is_not(where: str) -> None:
    assert "all right" in ok("mfa", "audit", "verify", env=environment(where))
    assert json.loads(ok("mfa", "audit", "verify", "--json", env=environment(where)))["faults"] == []
    change(where, "UPDATE ferrotp_audit_row SET kind = 'refused' WHERE user_id = 'ann' AND number = 2")
    said = run("mfa", "audit", "verify", env=environment(where))
    assert said.returncode == 1 and "user 'ann', row 2: changed" in said.stdout
    report = json.loads(run("mfa", "audit", "verify", "--json", "--user", "ann", env=environment(where)).stdout)
    assert report["faults"][0] == {"tenant": "", "user_id": "ann", "number": 2, "reason": "changed"}
    assert "FERROTP_KEYS" in run("mfa", "audit", "verify", env={"FERROTP_STORE": where}).stderr


def test_rows_are_exported_as_lines_of_json_and_shown(where: str) -> None:
    lines = [json.loads(line) for line in ok("mfa", "audit", "export", env={"FERROTP_STORE": where}).splitlines()]
    kinds = [(line["user_id"], line["number"], line["kind"]) for line in lines if line["user_id"]]
    assert kinds == [("ann", 1, "factor imported"), ("ann", 2, "verified")]
    assert len(ok("mfa", "audit", "export", "--user", "ann", env={"FERROTP_STORE": where}).splitlines()) == 2
    shown = ok("mfa", "audit", "show", "ann", env={"FERROTP_STORE": where})
    assert "verified" in shown.splitlines()[0] and "factor imported" in shown.splitlines()[1]
    assert json.loads(ok("mfa", "audit", "show", "ann", "--json", env={"FERROTP_STORE": where}))["user_id"] == "ann"
    assert ok("mfa", "audit", "show", "nobody", env={"FERROTP_STORE": where}).strip() == "nothing"


def test_marks_show_an_older_copy(where: str, tmp_path: pathlib.Path) -> None:
    marks = tmp_path / "marks"
    marks.write_text(ok("mfa", "audit", "marks", env={"FERROTP_STORE": where}))
    check = ("mfa", "audit", "verify", "--marks", str(marks))
    assert "all right" in ok(*check, env=environment(where))
    copy = (tmp_path / "mfa.db").read_bytes()
    ok("mfa", "reset", "ann", "--yes", env=environment(where))
    marks.write_text(ok("mfa", "audit", "marks", env={"FERROTP_STORE": where}))
    for path in tmp_path.glob("mfa.db*"):
        path.unlink()
    (tmp_path / "mfa.db").write_bytes(copy)
    assert "all right" in ok("mfa", "audit", "verify", env=environment(where))
    assert "an older copy" in run(*check, env=environment(where)).stdout
    for line in ("{", "[]", '{"tenant": 1, "user_id": "a", "number": 1, "link": ""}'):
        marks.write_text(line)
        said = run(*check, env=environment(where))
        assert said.returncode == 1 or said.returncode == 2
        assert "a line that is none" in said.stderr


def test_what_the_desk_does_is_a_row_too_and_takes_the_keys(where: str) -> None:
    assert "FERROTP_KEYS" in run("mfa", "reset", "ann", "--yes", env={"FERROTP_STORE": where}).stderr
    ok("mfa", "reset", "ann", "--yes", "--by", "the desk", env=environment(where))
    last = json.loads(ok("mfa", "audit", "export", "--user", "ann", env=environment(where)).splitlines()[-1])
    assert (last["kind"], last["detail"], last["user_agent"]) == (
        "reset",
        {"by": "the desk", "factors": 1},
        "ferrotp mfa",
    )
    assert "all right" in ok("mfa", "audit", "verify", env=environment(where))


def test_old_rows_go_when_it_is_said_how_old(where: str) -> None:
    assert "how old" in run("mfa", "audit", "prune", env=environment(where)).stderr
    assert "0 rows removed" in ok("mfa", "audit", "prune", "--days", "1", env=environment(where))
    assert json.loads(ok("mfa", "audit", "prune", "--days", "1", "--json", env=environment(where))) == {"removed": 0}
