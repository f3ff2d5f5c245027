"""``ferrotp mfa init`` and ``ferrotp doctor --store``: the store of production is made once, and looked at."""

import json
import os
import pathlib
import sqlite3

import pytest

from ferrotp.cli.app import run as program
from ferrotp.mfa import MFA, Policy, StoreRefused, UnknownKey
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.vault import Keyring, new_key

from .program import POSIX, as_json, error, ok, run


def fill(url: str, keyring: Keyring, users: int = 1) -> None:
    mfa = MFA(url, issuer="ACME", keyring=keyring, policy=Policy.cheap_for_tests(), prepare=False)
    for number in range(users):
        mfa.import_factor(user_id=number, secret=b"0" * 20)
    mfa.close()


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    return f"sqlite:///{tmp_path}/mfa.db"


def test_production_starts_with_a_store_that_was_made_and_with_no_other(tmp_path: pathlib.Path, url: str) -> None:
    keyring = Keyring.generate()
    service = MFA(url, issuer="ACME", keyring=keyring, prepare=False)
    for ask in (service.check, lambda: service.status(user_id="1"), lambda: service.verify(user_id="1", code="000000")):
        with pytest.raises(StoreRefused, match="ferrotp mfa init"):
            ask()
    assert list(tmp_path.iterdir()) == []  # and no empty file, which the next one would find
    assert as_json("mfa", "init", "--store", url) == {"store": f"<SQLStore sqlite {tmp_path}/mfa.db>", "made": True}
    assert as_json("mfa", "init", "--store", url)["made"] is False
    assert "was there" in ok("mfa", "init", env={"FERROTP_STORE": url})
    service.check()
    fill(url, keyring)
    assert service.status(user_id=0).enrolled
    service.close()


def test_a_store_of_version_1_is_brought_on(url: str) -> None:
    ok("mfa", "init", "--store", url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE ferrotp_schema SET version = 1")
    found = as_json("doctor", "--store", url, code=1, env={"FERROTP_KEYS": new_key()})
    assert any("version 1" in fault and "ferrotp mfa init" in fault for fault in found["faults"])
    ok("mfa", "init", "--store", url)
    assert as_json("doctor", "--store", url, env={"FERROTP_KEYS": new_key()})["faults"] == []


def test_the_doctor_finds_a_store_good(url: str) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    ok("mfa", "init", "--store", url)
    fill(url, old, 3)
    both = {"FERROTP_KEYS": f"{new.export()}\n{old.export()}"}
    found = as_json("doctor", "--store", url, env=both)
    assert (found["keys"], found["faults"]) == ({old.writes_with: 3}, [])
    assert "nothing is wrong" in ok("doctor", "--store", url, env=both)


def test_the_doctor_names_the_key_that_is_missing(tmp_path: pathlib.Path, url: str) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    ok("mfa", "init", "--store", url)
    fill(url, old, 3)
    found = as_json("doctor", "--store", url, code=1, env={"FERROTP_KEYS": new.export()})
    assert found["keys"] == {old.writes_with: 3}
    assert any(old.writes_with in fault for fault in found["faults"])
    keys = tmp_path / "keys"
    keys.write_text(new.export())
    keys.chmod(0o600)
    done = run("doctor", "--store", url, "--keys-file", str(keys))
    assert done.returncode == 1 and old.writes_with in done.stderr
    assert any("no keys" in fault for fault in as_json("doctor", "--store", url, code=1)["faults"])


@POSIX
def test_the_doctor_sees_who_may_read_and_who_may_write(tmp_path: pathlib.Path, url: str) -> None:
    ok("mfa", "init", "--store", url)
    file = tmp_path / "mfa.db"
    file.chmod(0o644)
    keys = {"FERROTP_KEYS": new_key()}
    found = as_json("doctor", "--store", url, code=1, env=keys)
    assert any("others may read" in fault and "644" in fault for fault in found["faults"])
    if os.geteuid():  # root may write anywhere
        file.chmod(0o400)
        found = as_json("doctor", "--store", url, code=1, env=keys)
        assert any("written" in fault for fault in found["faults"])


def test_the_doctor_makes_nothing_where_nothing_is(tmp_path: pathlib.Path, url: str) -> None:
    found = as_json("doctor", "--store", url, code=1, env={"FERROTP_KEYS": new_key()})
    assert any("ferrotp mfa init" in fault for fault in found["faults"])
    assert list(tmp_path.iterdir()) == []
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    empty.touch(0o600)
    empty.chmod(0o600)
    found = as_json("doctor", "--store", f"sqlite:///{empty}", code=1, env={"FERROTP_KEYS": new_key()})
    assert any("tables are not there" in fault for fault in found["faults"])


def test_what_is_no_store_is_said_in_a_line_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["mfa", "init"], ["doctor"]):
        for where in ("oracle://ann:hunter2@host/db", "mysql+mysqldb://ann:hunter2@host/db", "hunter2", "sqlite://"):
            assert program([*verb, "--store", where]) == 2
            said = capsys.readouterr()
            assert "hunter2" not in said.out + said.err and len(said.err.splitlines()) == 1
    assert "--store" in error("mfa", "init")


def test_a_keyring_that_opens_nothing_is_found_at_the_start(url: str) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    SQLStore(url).prepare()
    MFA(url, issuer="ACME", keyring=old).close()  # an empty store is anybody's
    fill(url, old)
    for start in (
        lambda: MFA(url, issuer="ACME", keyring=new),
        lambda: MFA(url, issuer="ACME", keyring=new, prepare=False).check(),
    ):
        with pytest.raises(UnknownKey, match=old.writes_with) as refused:
            start()
        assert refused.value.key_id == old.writes_with
    both = Keyring(f"{new.export()}\n{old.export()}")
    MFA(url, issuer="ACME", keyring=both).close()
    # One key of two is enough to start: the rest is for the doctor.
    fill(url.replace("mfa.db", "mfa.db"), both, 0)


def test_another_key_under_the_same_id_is_named_too(url: str) -> None:
    right = Keyring.generate()
    ok("mfa", "init", "--store", url)
    fill(url, right)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE ferrotp_factor SET user_id = '7'")  # the record opens for its owner alone
    with pytest.raises(UnknownKey, match="does not open"):
        MFA(url, issuer="ACME", keyring=right)
    assert json.loads(run("doctor", "--store", url, "--json", env={"FERROTP_KEYS": right.export()}).stdout)["faults"]
