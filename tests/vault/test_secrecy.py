"""No key, secret or code in what objects show of themselves, nor in any way of failing."""

import base64
import contextlib
import copy
import io
import logging
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferrotp import vault
from ferrotp.vault import Hashing, Keyring, SealedRecordError

from . import judge

KEY = bytes.fromhex("c1a0f3d2427e5b9861ffae0cd7b31295486a0d27bb93c4e1f05e7a86193cd5f4")
SECRET = bytes.fromhex("ca9a12e1b7cd30f5526b98ae41d7036cf2948a1b")
CODE = "7K3F-9QZX-01VN-8YTB"
OTP_CODE = "40718293"
ANN = ("acme", "ann", "phone")
KEYRING = Keyring.from_bytes(KEY)
SEALED = KEYRING.seal(ANN, SECRET, digits=8)
RECOVERY = judge.seal(
    KEY,
    ("acme", "ann", "7K"),
    "recovery",
    judge.recovery_bytes(CODE.encode(), bytes(16), "pbkdf2", 1000),
    bytes(16),
    bytes(12),
)
CHANGED = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
CHEAP = Hashing.pbkdf2(1000)


def marks() -> list[str]:
    found = [CODE[:9], CODE[:9].replace("-", ""), CODE.lower()[:9], OTP_CODE]
    for secret in [KEY, SECRET]:
        found += [
            judge.key_text(secret.ljust(32, b"."))[9:19],
            base64.b32encode(secret)[:12].decode(),
            base64.b64encode(secret)[:10].decode(),
            secret.hex()[:12],
            repr(secret[:6])[2:-1],
            str(list(secret[:6]))[1:-1],
        ]
    return found


def look(text: str) -> None:
    for mark in marks():
        assert mark not in text, mark


FAILURES: dict[str, Callable[[], object]] = {
    "changed": lambda: KEYRING.match_totp(ANN, CHANGED, OTP_CODE, 59, 1, 1),
    "moved": lambda: KEYRING.match_totp(("acme", "bob", "phone"), SEALED, OTP_CODE, 59, 1, 1),
    "other kind": lambda: KEYRING.match_hotp(ANN, SEALED, OTP_CODE, 59, 1),
    "other kind, a pair": lambda: KEYRING.match_totp_pair(ANN, CHANGED, OTP_CODE, OTP_CODE, 59, 1, 1),
    "other kind, twice": lambda: KEYRING.resync_hotp(ANN, SEALED, OTP_CODE, OTP_CODE, 59, 1),
    "unknown key": lambda: Keyring.generate().match_totp(ANN, SEALED, OTP_CODE, 59, 1, 1),
    "time": lambda: KEYRING.match_totp(ANN, SEALED, OTP_CODE, -1, 1, 1),
    "float time": lambda: KEYRING.match_totp(ANN, SEALED, OTP_CODE, 59.0, 1, 1),  # type: ignore[arg-type]
    "owner": lambda: KEYRING.match_totp(("acme", "", "phone"), SEALED, OTP_CODE, 59, 1, 1),
    "int code": lambda: KEYRING.match_totp(ANN, SEALED, int(OTP_CODE), 59, 1, 1),  # type: ignore[arg-type]
    "bytes code": lambda: KEYRING.match_totp(ANN, SEALED, OTP_CODE.encode(), 59, 1, 1),  # type: ignore[arg-type]
    "code as owner": lambda: KEYRING.match_totp(OTP_CODE, SEALED, OTP_CODE, 59, 1, 1),  # type: ignore[arg-type]
    "code as time": lambda: KEYRING.match_totp(ANN, SEALED, OTP_CODE, OTP_CODE, 1, 1),  # type: ignore[arg-type]
    "code as record": lambda: KEYRING.match_totp(ANN, OTP_CODE, OTP_CODE, 1, 1, 1),  # type: ignore[arg-type]
    "reveal": lambda: KEYRING.reveal(ANN, CHANGED),
    "secret in a record's place": lambda: KEYRING.reveal(ANN, SECRET),
    "short secret": lambda: KEYRING.seal(ANN, SECRET[:9]),
    "secret as text": lambda: KEYRING.seal(ANN, SECRET.hex()),  # type: ignore[arg-type]
    "secret as owner": lambda: KEYRING.seal(("", "", SECRET.hex()), SECRET),
    "secret as kind": lambda: KEYRING.seal(ANN, SECRET, kind=SECRET.hex()),  # type: ignore[arg-type]
    "secret as algorithm": lambda: KEYRING.seal(ANN, SECRET, algorithm=SECRET.hex() + "\ud800"),
    "surrogate owner": lambda: KEYRING.seal((CODE + "\ud800", "a", "b"), SECRET),
    "recovery, moved": lambda: KEYRING.check_recovery_code("acme", "bob", "7K", RECOVERY, CODE),
    "recovery, changed": lambda: KEYRING.check_recovery_code("acme", "ann", "7K", RECOVERY + b"1", CODE),
    "recovery, bytes": lambda: KEYRING.check_recovery_code("acme", "ann", "7K", RECOVERY, CODE.encode()),  # type: ignore[arg-type]
    "recovery, code as selector": lambda: KEYRING.check_recovery_code("acme", "ann", CODE + "\ud800", RECOVERY, CODE),
    "selector": lambda: Keyring.recovery_selector(CODE.encode()),  # type: ignore[arg-type]
    "key text": lambda: Keyring(judge.key_text(KEY)[:-1]),
    "key texts": lambda: Keyring([judge.key_text(KEY), judge.key_text(KEY)]),
    "key with surrogate": lambda: Keyring(judge.key_text(KEY) + "\ud800"),
    "key bytes": lambda: Keyring.from_bytes(KEY + b"1"),
    "key as text": lambda: Keyring.from_bytes(judge.key_text(KEY)),  # type: ignore[arg-type]
    "keys twice": lambda: Keyring.from_bytes(KEY, KEY),
    "key as variable": lambda: Keyring.from_env(judge.key_text(KEY)),
    "key as path": lambda: Keyring.from_file(judge.key_text(KEY)),
    "pickle": lambda: pickle.dumps(KEYRING),
    "copy": lambda: copy.copy(KEYRING),
    "deepcopy": lambda: copy.deepcopy({"keyring": KEYRING}),
    "pickle revealed": lambda: pickle.dumps(KEYRING.reveal(ANN, SEALED)),
    "copy revealed": lambda: copy.copy(KEYRING.reveal(ANN, SEALED)),
    "attribute": lambda: setattr(KEYRING, "key", judge.key_text(KEY)),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failure_shows_nothing(fail: Callable[[], object]) -> None:
    with pytest.raises((vault.VaultError, ValueError, TypeError, AttributeError)) as caught:
        fail()
    waiting: list[BaseException | None] = [caught.value]
    while waiting:
        error = waiting.pop()
        if error is None:
            continue
        waiting += [error.__cause__, error.__context__]
        for text in [str(error), repr(error), repr(error.args), repr(vars(error))]:
            look(text)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename not in (__file__, judge.__file__):
                # Frames of ours, or of pickle and copy, which hold the object.
                for value in frame.f_locals.values():
                    look(repr(value))
                    assert not isinstance(value, (bytes, bytearray)) or (KEY not in value and SECRET not in value)


@pytest.mark.parametrize("fail", [FAILURES["changed"], FAILURES["reveal"], FAILURES["recovery, moved"]])
def test_a_native_method_leaves_no_frame(fail: Callable[[], object]) -> None:
    with pytest.raises(SealedRecordError) as caught:
        fail()
    files = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(caught.value.__traceback__)}
    assert files == {__file__}


def test_objects_show_nothing() -> None:
    revealed = KEYRING.reveal(ANN, SEALED)
    for thing in [KEYRING, revealed, SEALED, RECOVERY, CHEAP, Keyring(judge.key_text(KEY))]:
        for text in [
            repr(thing),
            str(thing),
            f"{thing}",
            f"{thing!r}",
        ]:
            look(text)
        for name in dir(thing):
            if name not in ("secret", "export", "_asdict", "__getnewargs__", "__iter__", "__reversed__"):
                with contextlib.suppress(Exception):
                    look(repr(getattr(thing, name)))
    assert repr(KEYRING) == f"<Keyring of 1 key, seals with {KEYRING.writes_with}>"
    assert not hasattr(KEYRING, "__dict__")


def test_a_log_of_it_all_shows_nothing() -> None:
    stream = io.StringIO()
    logger = logging.Logger("vault")
    logger.addHandler(logging.StreamHandler(stream))
    for fail in FAILURES.values():
        try:
            fail()
        except Exception:
            logger.exception("failed with %r for %s", KEYRING, KEYRING.reveal(ANN, SEALED)[:4])
    # The source lines that tracebacks quote are this file's, with names for secrets.
    look(stream.getvalue())


def test_a_record_holds_nothing_in_clear() -> None:
    assert SECRET not in SEALED and KEY[:8] not in SEALED
    codes = KEYRING.new_recovery_codes("acme", "ann", hashing=CHEAP)
    dump = b"".join(record for _, _, record in codes)
    for shown, _, _ in codes:
        for piece in shown.split("-"):
            assert piece.encode() not in dump or len(piece) < 4


def test_errors_cross_processes() -> None:
    with pytest.raises(SealedRecordError) as caught:
        KEYRING.reveal(ANN, CHANGED)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is SealedRecordError
    assert (str(again), again.reason, again.key_id) == (str(caught.value), "changed", KEYRING.writes_with)


def test_the_database_alone_tells_only_the_key_and_the_length(tmp_path: Path) -> None:
    one, two = (KEYRING.seal(ANN, SECRET) for _ in range(2))
    assert one[:9] == two[:9] and one[9:] != two[9:]
    assert len(KEYRING.seal(("x" * 1000, "y", "z"), os.urandom(20))) == len(one)


def test_the_documentation_is_the_native_one() -> None:
    import ast

    import ferrotp

    stub = ast.parse(Path(ferrotp.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    seen = 0
    for class_ in [Keyring, Hashing]:
        assert class_.__module__ == "ferrotp.vault"
        assert ast.get_docstring(classes[class_.__name__]) == class_.__doc__
        for node in classes[class_.__name__].body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                documented: Any = getattr(class_, node.name)
                assert ast.get_docstring(node) == documented.__doc__, node.name
                seen += 1
    assert seen == 26
