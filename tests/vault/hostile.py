"""The vault's methods, and what no honest caller gives them. It imports no more than it needs: callgrind runs it."""

import itertools
from typing import Any

from ferrotp.vault import Hashing, Keyring, VaultError

ANN = ("acme", "ann", "phone")
KEYRING = Keyring.generate()
TOTP = KEYRING.new_secret(ANN)
HOTP = KEYRING.new_secret(ANN, kind="hotp")
CHEAP = Hashing.argon2id(8, 1)
[(SHOWN, SELECTOR, RECOVERY)] = KEYRING.new_recovery_codes("acme", "ann", 1, hashing=CHEAP)


class Hostile:
    """An object of which every conversion fails in another way."""

    def __str__(self) -> str:
        raise ValueError("str")

    def __repr__(self) -> str:
        raise ValueError("repr")

    def __len__(self) -> int:
        raise ValueError("len")

    def __index__(self) -> int:
        raise OverflowError("index")

    def __iter__(self) -> Any:
        raise TypeError("iter")

    def __fspath__(self) -> str:
        raise ValueError("fspath")

    def __bytes__(self) -> bytes:
        raise ValueError("bytes")


class Text(str):
    def __len__(self) -> int:
        return -5

    def __eq__(self, other: object) -> bool:
        raise ValueError("eq")

    __hash__ = str.__hash__


VALUES: list[Any] = [
    "",
    "\0",
    "123456",
    "123456\0",
    "12345\ud800",
    "\ud800" * 6,
    "１２３４５６",
    "١٢٣٤٥٦",
    "1" * 1_000_000,
    "é" * 1_000_000,
    "\ud800" * 1_000_000,
    "-" * 1_000_000,
    " \u3000" * 500_000,
    "a\u0301\u0327" * 300_000,
    "\U0001f511" * 250_000,
    Text("123456"),
    b"",
    b"\x01",
    b"\x01" + bytes(52),
    b"\x01" * 1_000_000,
    bytearray(1_000_000),
    memoryview(b"x" * 1_000_000),
    memoryview(b"x" * 100)[::2],
    memoryview(bytes(8)).cast("I"),
    TOTP,
    HOTP,
    RECOVERY,
    SHOWN,
    0,
    -1,
    True,
    2**63,
    2**64,
    -(2**64),
    10**5000,
    0.0,
    float("nan"),
    float("inf"),
    1j,
    None,
    (),
    ("", "", ""),
    ("\ud800", "a", "b"),
    ("a", "b", "c", "d"),
    ("x" * 1_000_000, "b", "c"),
    (1, 2, 3),
    [],
    ["a", "b", "c"],
    {},
    object(),
    Hostile(),
    type,
    Hashing.argon2id,
    CHEAP,
    KEYRING,
]

DOCUMENTED = (VaultError, ValueError, TypeError, OverflowError)


def calls() -> list[tuple[str, Any, list[Any], dict[str, Any]]]:
    """Every method with arguments that it takes."""
    return [
        ("match_totp", KEYRING.match_totp, [ANN, TOTP, "123456", 59, 1, 1, 0], {}),
        ("match_totp_pair", KEYRING.match_totp_pair, [ANN, TOTP, "123456", "123456", 59, 1, 1, 0], {}),
        ("match_hotp", KEYRING.match_hotp, [ANN, HOTP, "123456", 0, 10], {}),
        ("resync_hotp", KEYRING.resync_hotp, [ANN, HOTP, "123456", "123456", 0, 10], {}),
        ("reveal", KEYRING.reveal, [ANN, TOTP], {}),
        ("seal", KEYRING.seal, [ANN, bytes(20)], {"kind": "totp", "algorithm": "SHA1", "digits": 6, "period": 30}),
        ("new_secret", KEYRING.new_secret, [ANN], {"kind": "totp", "algorithm": "SHA1", "digits": 6, "length": 20}),
        ("reseal", KEYRING.reseal, [ANN, "otp", TOTP], {}),
        ("key_id", Keyring.key_id, [TOTP], {}),
        ("new_recovery_codes", KEYRING.new_recovery_codes, ["acme", "ann", 1], {"hashing": CHEAP}),
        ("check_recovery_code", KEYRING.check_recovery_code, ["acme", "ann", SELECTOR, RECOVERY, SHOWN], {}),
        ("recovery_selector", Keyring.recovery_selector, [SHOWN], {}),
        ("dummy_check", KEYRING.dummy_check, [CHEAP], {}),
        ("Keyring", Keyring, [KEYRING.export()], {}),
        ("from_bytes", Keyring.from_bytes, [bytes(32)], {}),
        ("from_env", Keyring.from_env, ["FERROTP_KEYS"], {}),
        ("from_file", Keyring.from_file, ["/nowhere"], {"allow_group": False}),
        ("Hashing", Hashing, ["pbkdf2", 1000], {}),
        ("argon2id", Hashing.argon2id, [8, 1, 1], {}),
        ("pbkdf2", Hashing.pbkdf2, [1000], {}),
    ]


def corpus() -> list[tuple[str, Any, list[Any], dict[str, Any]]]:
    found = []
    for name, call, arguments, keywords in calls():
        for place, value in itertools.product(range(len(arguments)), VALUES):
            found.append((name, call, [*arguments[:place], value, *arguments[place + 1 :]], keywords))
        for keyword, value in itertools.product(keywords, VALUES):
            found.append((name, call, arguments, {**keywords, keyword: value}))
    return found
