"""Recovery codes: made, read as people type them, checked, and judged by other implementations."""

import copy
import pickle
import re
from typing import Any

import instructions
import pytest
from instructions import Instructions, needs_valgrind

from ferrotp.vault import Hashing, Keyring, SealedRecordError

from . import judge

KEY = bytes.fromhex("5f0c1d8be24a97366ef1a2db408c73955e19b7c86d32f0a4e7915a0c83bd2f61")
KEYRING = Keyring.from_bytes(KEY)
CHEAP = Hashing.argon2id(memory_kib=8, passes=1)
HASHINGS = [CHEAP, Hashing.argon2id(64, 3, 2), Hashing.argon2id(), Hashing.pbkdf2(1000), Hashing.pbkdf2()]


@pytest.mark.parametrize("hashing", HASHINGS, ids=repr)
def test_a_set_is_made_and_each_code_checks_against_its_own_record(hashing: Hashing) -> None:
    codes = KEYRING.new_recovery_codes("acme", "ann", 3, hashing=hashing)
    assert len(codes) == 3
    for shown, selector, record in codes:
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", shown)
        assert selector == shown[:2] == Keyring.recovery_selector(shown.lower())
        assert KEYRING.check_recovery_code("acme", "ann", selector, record, shown)
        assert KEYRING.check_recovery_code("acme", "ann", selector, record, shown.replace("-", " ").lower())
        plain = judge.unseal(KEY, ("acme", "ann", selector), "recovery", record)
        assert judge.recovery_fits(plain, shown.replace("-", "").encode())
        assert not judge.recovery_fits(plain, b"0" * 16)
    (_, selector, record), (two, _, _), _ = codes
    assert not KEYRING.check_recovery_code("acme", "ann", selector, record, two)
    assert not KEYRING.check_recovery_code("acme", "ann", selector, record, selector + two.replace("-", "")[2:])


def test_what_another_implementation_hashed_checks_here() -> None:
    code, salt = b"7K3F9QZX01VN8YTB", bytes(range(16))
    for scheme, costs in [("argon2id", (19456, 2, 1)), ("argon2id", (64, 3, 4)), ("pbkdf2", (2345,))]:
        plain = judge.recovery_bytes(code, salt, scheme, *costs)
        record = judge.seal(KEY, ("", "ann", "7K"), "recovery", plain, bytes(16), bytes(12))
        assert KEYRING.check_recovery_code("", "ann", "7K", record, code.decode())
        assert not KEYRING.check_recovery_code("", "ann", "7K", record, code.decode()[:-1] + "C")


IMPOSSIBLE = [
    b"",
    b"\x01",
    b"\x03" + bytes(4 + 48),
    b"\x01" + (2**31).to_bytes(4, "big") + b"\0\0\0\1" * 2 + bytes(48),  # two terabytes
    b"\x01" + b"\0\0\0\x08" + b"\xff" * 4 + b"\0\0\0\1" + bytes(48),
    b"\x01" + b"\0\0\0\x08" + b"\0\0\0\1" + b"\xff" * 4 + bytes(48),
    b"\x02" + b"\xff" * 4 + bytes(48),
    b"\x02" + bytes(4) + bytes(48),
    b"\x02" + b"\0\0\x03\xe8" + bytes(47),
    b"\x02" + b"\0\0\x03\xe8" + bytes(49),
]


@pytest.mark.parametrize("plain", IMPOSSIBLE)
def test_impossible_costs_in_a_record_are_refused(plain: bytes) -> None:
    record = judge.seal(KEY, ("", "ann", "7K"), "recovery", plain, bytes(16), bytes(12))
    with pytest.raises(SealedRecordError) as caught:
        KEYRING.check_recovery_code("", "ann", "7K", record, "7K3F-9QZX-01VN-8YTB")
    assert caught.value.reason == "malformed"


@pytest.fixture(scope="module")
def work() -> dict[str, Instructions]:
    """What a check takes, by the record that it is of; each of them fails."""
    impossible = [judge.seal(KEY, ("", "ann", "7K"), "recovery", cost, bytes(16), bytes(12)) for cost in IMPOSSIBLE]
    setup = f"""
from ferrotp.vault import Hashing, Keyring, SealedRecordError
keyring, usual, cheap = Keyring.from_bytes({KEY}), Hashing.argon2id(), {CHEAP}
records = {{hashing: keyring.new_recovery_codes("", "ann", 1, hashing=hashing)[0] for hashing in (usual, cheap)}}
impossible = {impossible}
def wrong(hashing):
    shown, selector, record = records[hashing]
    assert not keyring.check_recovery_code("", "ann", selector, record, shown[:-1] + ("0" if shown[-1] != "0" else "1"))
def refused(record):
    try:
        keyring.check_recovery_code("", "ann", "7K", record, "7K3F-9QZX-01VN-8YTB")
    except SealedRecordError:
        pass
"""
    pieces = {"wrong": "wrong(usual)", "missing": "keyring.dummy_check(usual)", "cheap": "wrong(cheap)"}
    pieces |= {f"impossible {number}": f"refused(impossible[{number}])" for number in range(len(impossible))}
    return instructions.count(setup, pieces, warm_up=1)


@needs_valgrind
def test_impossible_costs_in_a_record_are_refused_before_any_work(work: dict[str, Instructions]) -> None:
    # The cheapest hashing that there is takes 150,000 instructions, and opening a record 30,000.
    most = max(taken.own for name, taken in work.items() if name.startswith("impossible"))
    assert 0 < most < work["cheap"].own / 4


def test_a_moved_or_changed_row_is_an_error_and_not_a_wrong_code() -> None:
    [(shown, selector, record)] = KEYRING.new_recovery_codes("acme", "ann", 1, hashing=CHEAP)
    for owner in [("acme", "bob", selector), ("other", "ann", selector), ("acme", "ann", "ZZZ")]:
        with pytest.raises(SealedRecordError) as caught:
            KEYRING.check_recovery_code(*owner, record, shown)
        assert caught.value.reason == "changed"
    for place in range(len(record)):
        changed = bytearray(record)
        changed[place] ^= 0x40
        for code in [shown, "no code"]:
            with pytest.raises(SealedRecordError):
                KEYRING.check_recovery_code("acme", "ann", selector, changed, code)
    sealed = KEYRING.seal(("acme", "ann", selector), b"12345678901234567890")
    with pytest.raises(SealedRecordError):
        KEYRING.check_recovery_code("acme", "ann", selector, sealed, shown)


def test_selectors_differ_within_a_set() -> None:
    codes = KEYRING.new_recovery_codes("", "ann", 100, hashing=CHEAP)
    assert len({selector for _, selector, _ in codes}) == 100
    for count in [0, 101, -1, 2**70]:
        with pytest.raises(ValueError, match="1 to 100"):
            KEYRING.new_recovery_codes("", "ann", count, hashing=CHEAP)
    assert len(KEYRING.new_recovery_codes("", "ann", hashing=CHEAP)) == 10


def test_codes_are_read_as_people_type_them() -> None:
    plain = judge.recovery_bytes(b"7K3F9QZX01VN8YTB", bytes(16), "pbkdf2", 1000)
    record = judge.seal(KEY, ("", "ann", "7K"), "recovery", plain, bytes(16), bytes(12))
    for typed in [
        "7k3f9qzxo1vn8ytb",
        " 7K3F–9QZX—0lVN 8YTB ",
        "７Ｋ３Ｆ－９ｑｚｘ　０ＩＶＮ－８ＹＴＢ",
        "7K3F\n9QZX\nOiVN\n8YTB",
    ]:
        assert Keyring.recovery_selector(typed) == "7K"
        assert KEYRING.check_recovery_code("", "ann", "7K", record, typed)
    for typed in ["", "7K", "7K3F9QZX01VN8YT", "7K3F9QZX01VN8YTBB", "7K3F9QZX01VN8YTU", "7K3F9QZX01VN8YT\ud800"]:
        assert Keyring.recovery_selector(typed) is None
        assert not KEYRING.check_recovery_code("", "ann", "7K", record, typed)


@needs_valgrind
def test_a_missing_row_takes_as_long_as_a_wrong_code(work: dict[str, Instructions]) -> None:
    # What is left is that the record is opened: a two-thousandth of it.
    assert work["missing"].all > 50_000_000
    assert 1 <= work["wrong"].all / work["missing"].all < 1.002


@pytest.mark.parametrize("codes", ["abcdef", "29758852", "", type("Text", (str,), {})("abcdef")])
def test_one_text_is_not_taken_for_a_code_of_each_of_its_characters(codes: str) -> None:
    with pytest.raises(TypeError, match="codes must be several, not one str"):
        KEYRING.hash_recovery_codes("acme", "ann", codes, hashing=CHEAP)  # type: ignore[arg-type, unused-ignore]
    assert len(KEYRING.hash_recovery_codes("acme", "ann", iter(["abcdef", "ghijkl"]), hashing=CHEAP)) == 2


def test_hashings_are_values() -> None:
    assert Hashing.argon2id() == Hashing.argon2id(19456, 2, 1) == Hashing.argon2id(memory_kib=19456, passes=2, lanes=1)
    assert Hashing.argon2id() != Hashing.argon2id(passes=3) != Hashing.pbkdf2()
    assert len({Hashing.pbkdf2(), Hashing.pbkdf2(600_000), Hashing.argon2id()}) == 2
    for hashing in HASHINGS:
        assert eval(repr(hashing)) == hashing
        assert pickle.loads(pickle.dumps(hashing)) == copy.deepcopy(hashing) == hashing
        assert hashing.scheme in repr(hashing)
        with pytest.raises(AttributeError):
            hashing.scheme = "none"  # type: ignore[misc,assignment]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Hashing.argon2id(memory_kib=7), ValueError),
        (lambda: Hashing.argon2id(memory_kib=8, lanes=2), ValueError),
        (lambda: Hashing.argon2id(memory_kib=2**18 + 1), ValueError),
        (lambda: Hashing.argon2id(passes=0), ValueError),
        (lambda: Hashing.argon2id(passes=65), ValueError),
        (lambda: Hashing.argon2id(lanes=0), ValueError),
        (lambda: Hashing.argon2id(lanes=-1), ValueError),
        (lambda: Hashing.argon2id(passes=2**70), ValueError),
        (lambda: Hashing.argon2id(passes=2.0), TypeError),
        (lambda: Hashing.pbkdf2(999), ValueError),
        (lambda: Hashing.pbkdf2(10_000_001), ValueError),
        (lambda: Hashing.pbkdf2("600000"), TypeError),
        (lambda: Hashing("scrypt", 1), ValueError),
        (lambda: Hashing("argon2id"), ValueError),
        (lambda: Hashing("pbkdf2", 1), ValueError),
        (lambda: Hashing(5), TypeError),
        (lambda: KEYRING.new_recovery_codes("", "ann", hashing=None), TypeError),
        (lambda: KEYRING.dummy_check("argon2id"), TypeError),
    ],
)
def test_impossible_hashings_are_refused(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
