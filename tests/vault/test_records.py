"""Sealed records: what they answer, and that an independent implementation agrees."""

import base64
import json
import os
import random
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

import ferrotp
from ferrotp.vault import Keyring, OTPSecret, SealedRecordError, new_key

from . import judge

ANN = ("acme", "ann", "phone")
SECRET = b"12345678901234567890"  # RFC 4226, appendix D
KEY = os.urandom(32)
KEYRING = Keyring.from_bytes(KEY)
VECTORS: dict[str, Any] = json.loads(judge.VECTORS.read_text(encoding="utf-8"))


def test_the_vectors_are_those_that_the_judge_makes() -> None:
    assert json.loads(json.dumps(judge.vectors())) == VECTORS


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: vector["purpose"])
def test_records_that_another_implementation_made_open(vector: dict[str, Any]) -> None:
    keyring = Keyring(VECTORS["key"])
    record = bytes.fromhex(vector["record"])
    assert Keyring.key_id(record) == VECTORS["key_id"] == keyring.writes_with
    owner = tuple(vector["owner"])
    if vector["purpose"] == "recovery":
        assert keyring.check_recovery_code(*owner, record, vector["code"])
        assert not keyring.check_recovery_code(*owner, record, vector["code"][:-1] + "0")
    else:
        expected = base64.b32encode(bytes.fromhex(vector["secret"])).decode().rstrip("=")
        assert keyring.reveal(owner, record) == OTPSecret(
            vector["kind"], vector["algorithm"], vector["digits"], vector["period"], expected
        )


def test_another_implementation_opens_what_is_sealed_here() -> None:
    draw = random.Random(7)
    for _ in range(200):
        owner = (draw.choice(["", "acme", "träger"]), draw.choice(["ann", "🔑", "x" * 1024]), draw.choice("ab"))
        secret = draw.randbytes(draw.randint(10, 128))
        kind = draw.choice(["totp", "hotp"])
        algorithm, digits = draw.choice(["SHA1", "SHA256", "SHA512"]), draw.randint(6, 10)
        period = draw.choice([1, 30, 60, 2**32 - 1])
        record = KEYRING.seal(owner, secret, kind=kind, algorithm=algorithm, digits=digits, period=period)
        opened = judge.Otp.from_bytes(judge.unseal(KEY, owner, "otp", record))
        assert opened == judge.Otp(kind, algorithm, digits, period if kind == "totp" else 0, secret)
        with pytest.raises(InvalidTag):
            judge.unseal(KEY, ("other", *owner[1:]), "otp", record)


def test_what_another_implementation_seals_opens_here() -> None:
    draw = random.Random(8)
    for _ in range(200):
        kind = draw.choice(["totp", "hotp"])
        period = draw.choice([1, 30, 2**32 - 1]) if kind == "totp" else 0
        otp = judge.Otp(kind, "SHA256", draw.randint(6, 10), period, draw.randbytes(draw.randint(10, 128)))
        record = judge.seal(KEY, ANN, "otp", otp.to_bytes(), draw.randbytes(16), draw.randbytes(12))
        revealed = KEYRING.reveal(ANN, record)
        assert judge.Otp(*revealed[:4], base64.b32decode(revealed.secret + "=" * (-len(revealed.secret) % 8))) == otp


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\x01",
        b"\x01\x01\x06\x00\x00\x00\x1e",  # no secret
        b"\x01\x01\x06\x00\x00\x00\x1e" + SECRET[:9],
        b"\x01\x01\x06\x00\x00\x00\x1e" + bytes(129),
        b"\x03\x01\x06\x00\x00\x00\x1e" + SECRET,  # no such kind
        b"\x01\x04\x06\x00\x00\x00\x1e" + SECRET,  # no such algorithm
        b"\x01\x01\x05\x00\x00\x00\x1e" + SECRET,  # too few digits
        b"\x01\x01\x0b\x00\x00\x00\x1e" + SECRET,
        b"\x01\x01\x06\x00\x00\x00\x00" + SECRET,  # no period
        b"\x02\x01\x06\x00\x00\x00\x1e" + SECRET,  # a period of HOTP
        bytes(161),
    ],
)
def test_an_authentic_record_of_something_else_is_malformed(plain: bytes) -> None:
    record = judge.seal(KEY, ANN, "otp", plain, os.urandom(16), os.urandom(12))
    for call in [
        lambda: KEYRING.reveal(ANN, record),
        lambda: KEYRING.match_totp(ANN, record, "755224", 59, 1, 1),
        lambda: KEYRING.match_hotp(ANN, record, "755224", 0, 1),
    ]:
        with pytest.raises(SealedRecordError) as caught:
            call()
        assert caught.value.reason == "malformed"


def test_codes_match_as_rfc_4226_and_6238_have_them() -> None:
    hotp = KEYRING.seal(ANN, SECRET, kind="hotp")
    for counter, code in enumerate(["755224", "287082", "359152", "969429", "338314"]):
        assert KEYRING.match_hotp(ANN, hotp, code, 0, 10) == counter
        assert KEYRING.match_hotp(ANN, hotp, code, counter, 0) == counter
        assert KEYRING.match_hotp(ANN, hotp, code, counter + 1, 10) is None
    assert KEYRING.resync_hotp(ANN, hotp, "359152", "969429", 0, 10) == 3
    assert KEYRING.resync_hotp(ANN, hotp, "359152", "338314", 0, 10) is None
    assert KEYRING.resync_hotp(ANN, hotp, "969429", "359152", 0, 10) is None
    assert KEYRING.resync_hotp(ANN, hotp, "359152", "969429", 0, 1) is None
    totp = KEYRING.seal(ANN, SECRET, digits=8)
    assert KEYRING.match_totp(ANN, totp, "94287082", 59, 0, 0) == (1, 1)
    assert KEYRING.match_totp(ANN, totp, "94287082", 60, 1, 0) == (2, 1)
    assert KEYRING.match_totp(ANN, totp, "94287082", 60, 0, 1) == (2, None)
    assert KEYRING.match_totp(ANN, totp, "94287082", 29, 0, 1) == (0, 1)
    assert KEYRING.match_totp(ANN, totp, "94287082", 29, 5, 0) == (0, None)


def test_a_new_secret_is_used_by_an_authenticator() -> None:
    for algorithm, digits, period, length in [("SHA1", 6, 30, 20), ("SHA256", 8, 60, 32), ("sha512", 7, 15, 64)]:
        record = KEYRING.new_secret(ANN, algorithm=algorithm, digits=digits, period=period, length=length)
        revealed = KEYRING.reveal(ANN, record)
        kind, *rest, secret = revealed
        assert (kind, rest) == ("totp", [algorithm.upper(), digits, period])
        assert len(base64.b32decode(secret + "=" * (-len(secret) % 8))) == length
        app = ferrotp.TOTP(secret, digits=digits, digest=algorithm.lower(), interval=period)
        assert KEYRING.match_totp(ANN, record, app.at(10**9), 10**9, 1, 1) == (10**9 // period, 10**9 // period)


@pytest.mark.parametrize(
    "code", ["", "75522", "7552244", "755224 ", " 755224", "+55224", "755224\n", "75522\0", "７５５２２４", "755\ud800"]
)
def test_only_exact_ascii_digits_match(code: str) -> None:
    hotp = KEYRING.seal(ANN, SECRET, kind="hotp")
    assert KEYRING.match_hotp(ANN, hotp, code, 0, 10) is None
    assert KEYRING.resync_hotp(ANN, hotp, code, "287082", 0, 10) is None
    assert KEYRING.resync_hotp(ANN, hotp, "755224", code, 0, 10) is None
    # What is no code does not hide what is no record.
    with pytest.raises(SealedRecordError):
        KEYRING.match_hotp(ANN, hotp[:-1] + bytes([hotp[-1] ^ 1]), code, 0, 10)


def test_records_are_taken_as_databases_hand_them_out() -> None:
    hotp = KEYRING.seal(ANN, bytearray(SECRET), kind="hotp")
    for record in [hotp, bytearray(hotp), memoryview(hotp), memoryview(b"x" + hotp + b"x")[1:-1]]:
        assert KEYRING.match_hotp(ANN, record, "755224", 0, 0) == 0
        assert Keyring.key_id(record) == KEYRING.writes_with
    for record in [hotp.hex(), None, 5, list(hotp)]:
        with pytest.raises(TypeError):
            KEYRING.match_hotp(ANN, record, "755224", 0, 0)  # type: ignore[arg-type]


def test_every_flipped_bit_is_an_error_with_its_reason() -> None:
    hotp = KEYRING.seal(ANN, SECRET, kind="hotp")
    for place in range(len(hotp)):
        for bit in range(8):
            changed = bytearray(hotp)
            changed[place] ^= 1 << bit
            with pytest.raises(SealedRecordError) as caught:
                KEYRING.match_hotp(ANN, changed, "755224", 0, 10)
            error = caught.value
            if place == 0:
                assert (error.reason, error.key_id) == ("malformed", None)
            elif place < 9:
                assert (error.reason, error.key_id) == ("unknown key", changed[1:9].hex())
            else:
                assert (error.reason, error.key_id) == ("changed", KEYRING.writes_with)


def test_swapped_rows_are_an_error() -> None:
    owners = [
        ANN,
        ("acme", "bob", "phone"),
        ("acme", "ann", "tablet"),
        ("other", "ann", "phone"),
        ("acmea", "nn", "phone"),
    ]
    records = [KEYRING.seal(owner, SECRET, kind="hotp") for owner in owners]
    for owner in owners:
        for other, record in zip(owners, records, strict=True):
            if owner == other:
                assert KEYRING.match_hotp(owner, record, "755224", 0, 0) == 0
                continue
            with pytest.raises(SealedRecordError, match="another tenant, user, factor or purpose") as caught:
                KEYRING.match_hotp(owner, record, "755224", 0, 0)
            assert caught.value.reason == "changed"


def test_the_parameters_are_sealed_with_the_secret() -> None:
    hotp, totp = KEYRING.seal(ANN, SECRET, kind="hotp"), KEYRING.seal(ANN, SECRET)
    for call in [
        lambda: KEYRING.match_totp(ANN, hotp, "755224", 0, 0, 0),
        lambda: KEYRING.match_hotp(ANN, totp, "755224", 0, 0),
        lambda: KEYRING.resync_hotp(ANN, totp, "755224", "287082", 0, 0),
    ]:
        with pytest.raises(SealedRecordError, match="other kind") as caught:
            call()
        assert caught.value.reason == "changed"


def test_keys_rotate() -> None:
    new = new_key()
    old, both, only_new = KEYRING, Keyring([new, judge.key_text(KEY)]), Keyring(new)
    record = old.seal(ANN, SECRET, kind="hotp")
    assert both.match_hotp(ANN, record, "755224", 0, 0) == 0
    with pytest.raises(SealedRecordError, match=f"{old.writes_with}, which is not in the keyring") as caught:
        only_new.match_hotp(ANN, record, "755224", 0, 0)
    assert (caught.value.reason, caught.value.key_id) == ("unknown key", old.writes_with)
    resealed = both.reseal(ANN, "otp", record)
    assert resealed is not None and Keyring.key_id(resealed) == only_new.writes_with
    assert both.reseal(ANN, "otp", resealed) is None
    assert only_new.match_hotp(ANN, resealed, "755224", 0, 0) == 0
    assert only_new.reveal(ANN, resealed) == old.reveal(ANN, record)
    for owner, purpose in [(("acme", "bob", "phone"), "otp"), (ANN, "recovery")]:
        with pytest.raises(SealedRecordError):
            both.reseal(owner, purpose, record)
    with pytest.raises(ValueError, match="'otp' or 'recovery'"):
        both.reseal(ANN, "other", record)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: KEYRING.seal(ANN, b"short"), ValueError),
        (lambda: KEYRING.seal(ANN, bytes(129)), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET.decode()), TypeError),
        (lambda: KEYRING.seal(ANN, SECRET, digits=5), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, digits=11), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, digits=2**70), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, digits=-6), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, digits="6"), TypeError),
        (lambda: KEYRING.seal(ANN, SECRET, period=0), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, period=30.0), TypeError),
        (lambda: KEYRING.seal(ANN, SECRET, kind="steam"), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, kind=None, algorithm="MD5"), ValueError),
        (lambda: KEYRING.seal(ANN, SECRET, algorithm=5), TypeError),
        (lambda: KEYRING.new_secret(ANN, length=15), ValueError),
        (lambda: KEYRING.new_secret(ANN, length=129), ValueError),
        (lambda: KEYRING.new_secret(("acme", "", "phone")), ValueError),
        (lambda: KEYRING.new_secret(("acme", "ann", "")), ValueError),
        (lambda: KEYRING.new_secret(("acme", "ann", "x" * 1025)), ValueError),
        (lambda: KEYRING.new_secret(("acme", "\ud800", "x")), ValueError),
        (lambda: KEYRING.new_secret(("acme", 42, "x")), TypeError),
        (lambda: KEYRING.new_secret(("acme", "ann")), TypeError),
        (lambda: KEYRING.new_secret(["acme", "ann", "phone"]), TypeError),
        (lambda: KEYRING.new_secret("abc"), TypeError),
    ],
)
def test_arguments_out_of_range_are_refused(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


NUMBERS = [
    (-1, ValueError),
    (-(2**70), ValueError),
    (2**64, OverflowError),
    (10**400, OverflowError),
    (1.0, TypeError),
    ("1", TypeError),
    (None, TypeError),
]


@pytest.mark.parametrize(("number", "error"), NUMBERS, ids=[str(number)[:10] for number, _ in NUMBERS])
def test_numbers_out_of_range_are_refused(number: Any, error: type[Exception]) -> None:
    totp, hotp = KEYRING.seal(ANN, SECRET), KEYRING.seal(ANN, SECRET, kind="hotp")
    for call in [
        lambda: KEYRING.match_totp(ANN, totp, "755224", number, 1, 1),
        lambda: KEYRING.match_totp(ANN, totp, "755224", 59, number, 1),
        lambda: KEYRING.match_totp(ANN, totp, "755224", 59, 1, number),
        lambda: KEYRING.match_hotp(ANN, hotp, "755224", number, 1),
        lambda: KEYRING.match_hotp(ANN, hotp, "755224", 1, number),
        lambda: KEYRING.resync_hotp(ANN, hotp, "755224", "287082", number, 1),
        lambda: KEYRING.resync_hotp(ANN, hotp, "755224", "287082", 1, number),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert str(number) not in str(caught.value) or len(str(number)) < 5


def test_windows_end_where_counters_do() -> None:
    totp, hotp = KEYRING.seal(ANN, SECRET, period=1), KEYRING.seal(ANN, SECRET, kind="hotp")
    last = 2**64 - 1
    assert KEYRING.match_totp(ANN, totp, "755224", last, 1, 0) == (last, None)
    assert KEYRING.match_hotp(ANN, hotp, "755224", last, 0) is None
    for call in [
        lambda: KEYRING.match_totp(ANN, totp, "755224", last, 1, 1),
        lambda: KEYRING.match_hotp(ANN, hotp, "755224", last, 1),
        lambda: KEYRING.resync_hotp(ANN, hotp, "755224", "287082", last, 0),
    ]:
        with pytest.raises(OverflowError):
            call()
    for call in [
        lambda: KEYRING.match_totp(ANN, totp, "755224", 5, 1001, 0),
        lambda: KEYRING.match_totp(ANN, totp, "755224", 5, 0, 1001),
        lambda: KEYRING.match_hotp(ANN, hotp, "755224", 5, 1001),
        lambda: KEYRING.resync_hotp(ANN, hotp, "755224", "287082", 0, 2**64 - 1),
    ]:
        with pytest.raises(ValueError, match="1000 codes"):
            call()
