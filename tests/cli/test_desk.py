"""``ferrotp mfa`` and ``flask ferrotp`` for those who run the service: the same commands, on any store."""

import json
import os
from pathlib import Path
from typing import Any

import flask
import pytest

from ferrotp import TOTP
from ferrotp.cli.app import run as program
from ferrotp.flask import FlaskMFA
from ferrotp.mfa import MFA, InvalidCode, Policy
from ferrotp.vault import Keyring, new_key
from ferrotp.web import operators

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


class Desk:
    """A store with users in it, and a way to run commands on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.key = f"sqlite:///{folder}/mfa.db", new_key()
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("FERROTP_STORE", self.url)
        monkeypatch.delenv("FERROTP_KEYS", raising=False)
        policy = Policy(trusted_device_days=30, legacy_secrets=True)
        self.mfa = MFA(self.url, issuer="ACME", keyring=Keyring(self.key), policy=policy)
        self.mfa.import_factor(user_id="7", secret=SECRET, name="Phone")
        self.mfa.import_factor(user_id="8", secret="JBSWY3DPEHPK3PXP")
        for _ in range(2):
            with pytest.raises(InvalidCode):
                self.mfa.verify(user_id="7", code="000000")
        self.mfa.verify(user_id="7", code=TOTP(SECRET).now())
        self.mfa.trust_device(user_id="7", name="Firefox")

    def keys(self, *keys: str) -> None:
        self.monkeypatch.setenv("FERROTP_KEYS", ",".join(keys))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


class Program:
    """``ferrotp mfa``, in this process."""

    def __init__(self, desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
        self.desk, self.capfd = desk, capfd

    def __call__(self, *arguments: str) -> tuple[int, str]:
        self.capfd.readouterr()
        code = program(["mfa", *arguments])
        return code, self.capfd.readouterr().out


class OfFlask:
    """``flask ferrotp``."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def __call__(self, *arguments: str) -> tuple[int, str]:
        keys = os.environ.get("FERROTP_KEYS", self.desk.key)
        app = flask.Flask(__name__)
        app.config.update(SECRET_KEY="k" * 40, TESTING=True)
        service = MFA(self.desk.url, issuer="ACME", keyring=Keyring(keys), policy=self.desk.mfa.policy, prepare=False)
        FlaskMFA(app, mfa=service)
        done = app.test_cli_runner().invoke(args=["ferrotp", *arguments])
        service.close()
        return done.exit_code, done.stdout


@pytest.fixture(params=["program", "flask"])
def run(request: pytest.FixtureRequest, desk: Desk, capfd: pytest.CaptureFixture[str]) -> Any:
    return Program(desk, capfd) if request.param == "program" else OfFlask(desk)


def _json(answer: tuple[int, str]) -> Any:
    code, out = answer
    assert code == 0, out
    return [json.loads(line) for line in out.splitlines()]


def test_a_user_is_looked_at(run: Any, desk: Desk) -> None:
    (found,) = _json(run("status", "7", "--json"))
    assert found["enrolled"] and not found["disabled"] and found["factors"][0]["state"] == "active"
    (nobody,) = _json(run("status", "nobody", "--json"))
    assert (nobody["enrolled"], nobody["factors"]) == (False, [])
    code, text = run("status", "7")
    assert code == 0 and "7: has a second factor" in text
    assert "Phone" in text and SECRET not in text


def test_factors_and_the_report(run: Any, desk: Desk) -> None:
    found = _json(run("factors", "--json"))
    assert [(factor["user_id"], factor["legacy"]) for factor in found] == [("7", False), ("8", True)]
    (report,) = _json(run("report", "--json"))
    assert report["factors"] == 2 and report["re_enroll"] == ["8"]
    assert run("report")[1].splitlines()[:2] == ["2 factors", "to enroll again: 8"]
    assert _json(run("factors", "--json", "--tenant", "other")) == []


def test_devices_are_listed_and_forgotten(run: Any, desk: Desk) -> None:
    (found,) = _json(run("devices", "7", "--json"))
    assert [device["name"] for device in found["devices"]] == ["Firefox"] and found["forgotten"] == 0
    (found,) = _json(run("devices", "7", "--forget", "--json"))
    assert found["forgotten"] == 1 and desk.mfa.trusted_devices(user_id="7") == []


def test_a_user_is_reset_by_the_one_who_runs_it(run: Any, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Under an id that has no name, too, as in containers."""

    def nameless() -> str:
        raise KeyError("uid not found")

    desk.monkeypatch.setattr(operators.getpass, "getuser", nameless)
    code, _ = run("reset", "7")
    assert code != 0 and desk.mfa.status(user_id="7").enrolled  # nobody said yes
    (found,) = _json(run("reset", "7", "--yes", "--json"))
    assert found == {"user_id": "7", "removed": 1} and not desk.mfa.status(user_id="7").enrolled
    assert "by='uid " in caplog.text


def test_keys_are_counted_rotated_and_retired(run: Any, desk: Desk) -> None:
    new = new_key()
    old_id, new_id = Keyring(desk.key).writes_with, Keyring(new).writes_with
    desk.keys(new, desk.key)
    (found,) = _json(run("keys", "--json"))
    assert [(key["id"], key["seals"], key["records"]) for key in found["keys"]] == [
        (new_id, True, 0),
        (old_id, False, 2),
    ]
    code, _ = run("retire-key", old_id)
    assert code != 0
    (found,) = _json(run("rotate-keys", "--json"))
    assert (found["seen"], found["resealed"], found["failed"]) == (2, 2, [])
    assert _json(run("retire-key", old_id, "--json")) == [{"id": old_id, "needed": False}]
    if isinstance(run, OfFlask):
        return  # an application does not start without a key that its store needs
    desk.keys(desk.key)
    code, text = run("keys")
    assert code == 1 and "MISSING" in text
