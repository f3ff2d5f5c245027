"""Keys: where they come from, what is refused, and what the errors say."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ferrotp.vault import Keyring, KeyringError, VaultError, new_key

from . import judge

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# the one that writes\n{new_key()}\n\n# until May\n{new_key()}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_new_key_is_32_random_bytes_in_text() -> None:
    keys = [new_key() for _ in range(100)]
    assert len(set(keys)) == 100
    for key in keys:
        assert len(judge.key_from_text(key)) == 32 and len(key) == 52
        assert Keyring(key).key_ids == (judge.key_id(judge.key_from_text(key)).hex(),)


def test_the_first_key_writes() -> None:
    keys = [new_key() for _ in range(3)]
    ids = tuple(judge.key_id(judge.key_from_text(key)).hex() for key in keys)
    raw = [judge.key_from_text(key) for key in keys]
    for keyring in [
        Keyring(keys),
        Keyring(iter(keys)),
        Keyring(" ".join(keys)),
        Keyring(",\n".join(keys)),
        Keyring.from_bytes(*raw),
        Keyring.from_bytes(bytearray(raw[0]), *map(bytearray, raw[1:])),
    ]:
        assert keyring.key_ids == ids and keyring.writes_with == ids[0]
        assert Keyring.key_id(keyring.new_secret(("", "ann", "phone"))) == ids[0]
        assert Keyring(keyring.export()).key_ids == ids


def test_a_generated_keyring_can_be_saved() -> None:
    keyring = Keyring.generate()
    sealed = keyring.new_secret(("", "ann", "phone"))
    again = Keyring(keyring.export())
    assert again.reveal(("", "ann", "phone"), sealed) == keyring.reveal(("", "ann", "phone"), sealed)


@pytest.mark.parametrize(
    "keys",
    [
        "",
        " ,\n",
        "# only a comment",
        [],
        "ferrotp1_",
        "ferrotp2_" + "A" * 43,
        new_key()[:-1],
        new_key() + "A",
        new_key() + "=",
        new_key().upper(),
        new_key().replace("ferrotp1_", ""),
        "ferrotp1_" + "A" * 43,
        "ferrotp1_" + "\ud800" * 43,
        "ferrotp1_" + "é" * 43,
        judge.key_text(bytes(range(32))),
        [new_key(), ""],
        [f"{new_key()} {new_key()}"],
        [new_key(), "\ud800"],
        [new_key()] * 2,
        [new_key() for _ in range(65)],
    ],
    ids=range(20),  # the keys are random
)
def test_what_is_no_keyring_is_refused_and_not_shown(keys: "str | list[str]") -> None:
    with pytest.raises(KeyringError) as caught:
        Keyring(keys)
    assert isinstance(caught.value, VaultError) and isinstance(caught.value, ValueError)
    for key in [keys] if isinstance(keys, str) else keys:
        assert len(key) < 12 or key[9:20] not in str(caught.value)


@pytest.mark.parametrize("keys", [None, 5, b"ferrotp1_", [b"ferrotp1_"], [None], object()])
def test_what_is_no_text_is_a_type_error(keys: object) -> None:
    with pytest.raises(TypeError):
        Keyring(keys)  # type: ignore[arg-type]


def test_a_failing_iterable_fails_as_it_does() -> None:
    def keys():
        yield new_key()
        raise LookupError("gone")

    with pytest.raises(LookupError):
        Keyring(keys())

    def endless():
        while True:
            yield new_key()

    with pytest.raises(KeyringError, match="at most 64"):
        Keyring(endless())


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 32, bytes(32), b"\xff" * 32, bytes(range(32)), b"ab" * 16])
def test_bytes_that_are_no_random_key_are_refused(key: bytes) -> None:
    with pytest.raises(KeyringError, match=r"32 bytes|drawn at random"):
        Keyring.from_bytes(key)
    with pytest.raises(KeyringError, match=r"32 bytes|drawn at random"):
        Keyring.from_bytes(os.urandom(32), key)


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_key(), new_key()]
    monkeypatch.setenv("FERROTP_KEYS", " ".join(keys))
    monkeypatch.setenv("OTHER_KEYS", keys[1])
    assert Keyring.from_env().key_ids == Keyring(keys).key_ids
    assert Keyring.from_env("OTHER_KEYS").key_ids == Keyring(keys[1]).key_ids
    assert Keyring.from_env(name="OTHER_KEYS").key_ids == Keyring(keys[1]).key_ids
    monkeypatch.delenv("OTHER_KEYS")
    with pytest.raises(KeyringError, match="OTHER_KEYS is not set"):
        Keyring.from_env("OTHER_KEYS")
    for value in ["", " ", "ferrotp1_x", "\udcff"]:
        monkeypatch.setenv("FERROTP_KEYS", value)
        with pytest.raises(KeyringError):
            Keyring.from_env()
    # The key in the name's place.
    with pytest.raises(KeyringError) as caught:
        Keyring.from_env(keys[0])
    assert keys[0][9:20] not in str(caught.value)


def test_from_file(key_file: Path) -> None:
    expected = [line for line in key_file.read_text().splitlines() if line.startswith("ferrotp1_")]
    for path in [key_file, str(key_file)]:
        assert Keyring.from_file(path).key_ids == Keyring(expected).key_ids
    key_file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(expected).encode())  # as Windows' editor saves it
    assert Keyring.from_file(key_file).key_ids == Keyring(expected).key_ids


@POSIX
@pytest.mark.parametrize("mode", range(0o400, 0o1000))
def test_a_file_that_others_can_use_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    private, group = mode & 0o077 == 0, mode & 0o037 == 0
    for allow_group, allowed in [(False, private), (True, group)]:
        if allowed:
            assert Keyring.from_file(key_file, allow_group=allow_group)
        else:
            with pytest.raises(KeyringError, match=rf"open to others \(mode {mode:04o}\)") as caught:
                Keyring.from_file(key_file, allow_group=allow_group)
            assert str(key_file) in str(caught.value)


@POSIX
def test_the_permissions_are_those_of_the_file_behind_a_link(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    assert Keyring.from_file(link)
    key_file.chmod(0o644)
    with pytest.raises(KeyringError, match="open to others"):
        Keyring.from_file(link)


@POSIX
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyringError, match="no keys"):
        Keyring.from_file(tmp_path / "pipe")
    with pytest.raises(KeyringError, match="no keys"):
        Keyring.from_file("/dev/zero")


@pytest.mark.parametrize("contents", [b"", b"# nothing\n", b"\xff\xfe", b"ferrotp1_x", b"#" * (64 << 10)])
def test_a_file_without_keys_is_refused(key_file: Path, contents: bytes) -> None:
    key_file.write_bytes(contents)
    with pytest.raises(KeyringError):
        Keyring.from_file(key_file)


def test_a_file_that_cannot_be_read_is_a_keyring_error(tmp_path: Path) -> None:
    for path in [tmp_path / "none", tmp_path, "", "a\0b", "\ud800", "x" * 100_000]:
        with pytest.raises(KeyringError):
            Keyring.from_file(path)
    with pytest.raises(KeyringError) as caught:
        Keyring.from_file(new_key())  # the key in the path's place
    assert "ferrotp1_" not in str(caught.value)
    with pytest.raises(TypeError):
        Keyring.from_file(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [(), ("",), ("a", "bc"), ("ab", "c"), ("\u4e2d\u6587", "\0", "x" * 5000)])
def test_a_mac_is_of_the_key_the_label_and_the_texts(texts: tuple[str, ...]) -> None:
    keys = [new_key() for _ in range(2)]
    keyring = Keyring(keys)
    for key, key_id in zip(keys, keyring.key_ids, strict=True):
        for label in ("device token", "", "\u00e9"):
            assert keyring.mac(key_id, label, texts) == judge.mac(judge.key_from_text(key), label, texts)
    assert Keyring(keys[1]).mac(keyring.key_ids[0], "device token", texts) is None
    for odd in ("", "0" * 16, keyring.key_ids[0].upper() + " ", "x" * 10_000):
        assert keyring.mac(odd, "device token", texts) is None


@pytest.mark.parametrize("arguments", [(1, "a", ()), ("a", b"b", ()), ("a", "b", (1,)), ("a", "b", ["c"])])
def test_a_mac_is_of_texts_alone(arguments: "tuple[Any, ...]") -> None:
    with pytest.raises(TypeError):
        Keyring.generate().mac(*arguments)
