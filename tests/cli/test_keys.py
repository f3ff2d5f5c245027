"""``ferrotp keys``."""

import json
import pathlib
import stat

from ferrotp.vault import Keyring

from .program import POSIX, ok, run


def test_a_key_is_shown_once_and_fits_into_the_variable() -> None:
    first, second = ok("keys", "new").strip(), json.loads(ok("keys", "new", "--json"))
    assert first != second["key"]
    keyring = Keyring([second["key"], first])
    assert keyring.writes_with == second["key_id"]
    listed = ok("keys", "list", env={"FERROTP_KEYS": f"{second['key']},{first}"})
    assert listed.splitlines() == [f"{keyring.key_ids[0]}  seals", keyring.key_ids[1]]
    assert first not in listed and second["key"] not in listed


@POSIX
def test_a_new_key_goes_last_and_seals_when_it_is_put_first(tmp_path: pathlib.Path) -> None:
    """A process that has the older file opens what is sealed until every process has the new key."""
    path = tmp_path / "keys"
    made = []
    for count in (1, 2, 3):
        said = json.loads(ok("keys", "new", "--file", str(path), "--json"))
        made.append(said["key_id"])
        assert said == {"file": str(path), "key_id": made[-1], "keys": count}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keyring.from_file(path).key_ids == tuple(made)
    path.write_text("# ours\n" + path.read_text())
    assert "seals from now on" in ok("keys", "first", made[2], "--file", str(path))
    order = [made[2], made[0], made[1]]
    assert json.loads(ok("keys", "list", "--file", str(path), "--json")) == {"key_ids": order, "seals": made[2]}
    assert "# ours" in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    before = path.read_text()
    assert run("keys", "first", "0" * 16, "--file", str(path)).returncode == 2
    assert path.read_text() == before


@POSIX
def test_a_file_that_is_none_of_keys_or_open_to_others_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "keys"
    path.write_text("not a key\n")
    path.chmod(0o600)
    for mode in (0o600, 0o644):
        path.chmod(mode)
        done = run("keys", "new", "--file", str(path))
        assert done.returncode == 2
        assert done.stdout == ""
    assert path.read_text() == "not a key\n"


def test_without_keys_it_says_what_to_do() -> None:
    done = run("keys", "list")
    assert done.returncode == 2
    assert "FERROTP_KEYS" in done.stderr
    assert run("keys").returncode == 2
