"""No secret in a repr, a message, an exception's chain, or the locals of our frames."""

import json
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ferrotp
from ferrotp import transfer

KEY = b"canary-canary-canary"
CANARY = transfer.Account(KEY).base32()
HEX = KEY.hex()
PACKAGE = str(Path(ferrotp.__file__).parent)
AEGIS = json.dumps(
    {
        "version": 1,
        "header": {},
        "db": {
            "version": 3,
            "entries": [{"type": "totp", "name": "a", "info": {"secret": CANARY}}, {"type": "x", "info": 0}],
        },
    }
)
AUTHY = json.dumps({"authenticator_tokens": [{"encrypted_seed": "c2VhbGVkIHNlYWxlZCBzZQ==", "salt": "s", "name": "a"}]})
MIGRATION = transfer.google.encode([transfer.Account(KEY, "a")])[0]


def fail_account() -> None:
    transfer.Account(KEY, "a", digits=11)


FAILURES: dict[str, Callable[[], object]] = {
    "json": lambda: transfer.load(AEGIS[:-1]),
    "json bytes": lambda: transfer.load(AEGIS.encode() + b"\xff"),
    "entry": lambda: transfer.load(AEGIS),
    "aegis": lambda: transfer.aegis.decode(AEGIS),
    "2fas": lambda: transfer.twofas.decode(json.dumps({"services": [{"name": "a", "secret": CANARY, "otp": 3}]})),
    "2fas secret": lambda: transfer.load(json.dumps({"services": [{"name": "a", "secret": CANARY + "1", "otp": {}}]})),
    "pskc": lambda: transfer.load(f"<KeyContainer><PlainValue>{CANARY}</PlainValue></KeyContainer>"),
    "pskc syntax": lambda: transfer.load(f"<KeyContainer>{CANARY}&{CANARY};</{CANARY}>"),
    "pskc key": lambda: transfer.load("<KeyContainer/>", key=KEY),
    "pskc password": lambda: transfer.load("<KeyContainer/>", password=CANARY),
    "pskc surrogate": lambda: transfer.load(f"<KeyContainer>{CANARY}\ud800"),
    "csv": lambda: transfer.load(f"1,{HEX}x,totp\n"),
    "csv type": lambda: transfer.load(f"1,{HEX},wotp\n2,3"),
    "csv quote": lambda: transfer.load(f'1,"{HEX}\n'),
    "uri": lambda: transfer.load(f"otpauth://totp/a?secret={CANARY}&digits=x"),
    "uri secret": lambda: transfer.load(f"otpauth://totp/a?secret={CANARY}1"),
    "uri digits": lambda: transfer.load(f"otpauth://totp/a?secret={CANARY}&period=0"),
    "migration": lambda: transfer.load(MIGRATION + "A"),
    "migration version": lambda: transfer.load(MIGRATION.replace("EAEY", "EAUY")),
    "stream": lambda: list(transfer.stream(AEGIS)),
    "stream json": lambda: list(transfer.stream(AEGIS[:-1])),
    "stream csv": lambda: list(transfer.stream(f"1,{HEX},totp\n1,{HEX}x,totp\n")),
    "authy": lambda: transfer.load(AUTHY, password=CANARY),
    "authy salt": lambda: transfer.load(AUTHY.replace("c2Vh", "c2V"), password=CANARY),
    "no path": lambda: transfer.load(CANARY),
    "account": fail_account,
    "encode": lambda: transfer.google.encode([transfer.Account(KEY, "a", kind="steam")]),
    "encode surrogate": lambda: transfer.google.encode([transfer.Account(KEY, "\ud800")]),
    "encode too long": lambda: transfer.google.encode([transfer.Account(KEY * 1000, "a")]),
    "uri surrogate": lambda: transfer.Account(KEY, "\ud800").uri(),
    "otp": lambda: transfer.Account(KEY, "a", digits=5).otp(),
    "otp short": lambda: transfer.Account(KEY[:13], "a").otp(),
    "otp md5": lambda: transfer.Account(KEY, "a", algorithm="MD5").otp(),
}


def chain(error: BaseException) -> Iterator[BaseException]:
    yield error
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from chain(other)


def leaks(value: object) -> bool:
    text = repr(value) + str(value)
    needles = (CANARY[:16], HEX[:16], "canary-canary", MIGRATION[40:70])
    return any(needle in text for needle in needles)


@pytest.mark.parametrize("name", FAILURES)
def test_an_exception_holds_no_secret(name: str) -> None:
    with pytest.raises((transfer.TransferError, UnicodeError)) as caught:
        FAILURES[name]()
    for error in chain(caught.value):
        if not isinstance(error, UnicodeError):  # a lone surrogate: Python's own error, for a name that is no text
            assert not leaks(error) and not leaks(vars(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE) or frame.f_code.co_filename == "<string>":
                for local in frame.f_locals.values():
                    assert not leaks(local), (frame.f_code.co_name, local)
                    assert not isinstance(local, (list, tuple, dict)) or not local, frame.f_code


def test_an_error_handed_to_the_caller_holds_none_either() -> None:
    errors: list[transfer.TransferError] = []
    transfer.load(AEGIS, on_error=errors.append)
    assert len(errors) == 1
    assert errors[0].__traceback__ is errors[0].__context__ is errors[0].__cause__ is None


def test_an_account_is_shown_without_its_secret() -> None:
    account = transfer.Account(KEY, "alice", "ACME")
    assert not leaks(account) and not leaks([account]) and "alice" in repr(account)


def test_errors_can_be_sent_to_another_process() -> None:
    with pytest.raises(transfer.UnsupportedError) as caught:
        transfer.load(AEGIS)
    copy: Any = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is transfer.UnsupportedError
    assert str(copy) == str(caught.value) and copy.place == caught.value.place
