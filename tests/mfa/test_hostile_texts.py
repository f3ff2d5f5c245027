"""Texts with a NUL, with half a character, too long, or none at all, in the place of every text that the service takes:
each is answered by an error of its own, on every store, and nothing is changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferrotp.mfa import MFA, Event, MFAError, Policy
from ferrotp.mfa.stores import open_store
from ferrotp.mfa.stores.base import Store
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

from .authenticator import Clock, Device
from .redis_server import server

HOSTILE: list[Any] = [
    "\0", "a\0b", "a\0", "\ud800", "a\udfffb", "\ud83d\udd11"[:1], "", " ", "a ", "\n", "a\nb", "\x1b[2J", "\u202e",
    "x" * 256, "x" * 1_000_000, "\u0661" * 70, "a\r\nSet-Cookie: x", "%00", "{ferrotp}", "1\x012", None, 5, b"a", ["a"],
]  # fmt: skip


@pytest.fixture(params=["memory", "sqlite", "postgresql", "mariadb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "redis":
        with server() as own:
            opened = open_store(own.url)
            yield opened
            opened.close()
    else:
        url = f"sqlite:///{tmp_path}/mfa.db"
        is_file = request.param == "sqlite"
        opened = open_store(url if is_file else request.getfixturevalue(request.param).database())
        yield opened
        opened.close()


def verbs(mfa: MFA, factor_id: str, pending: str) -> dict[str, Callable[[Any], object]]:
    """Every text that a verb takes."""
    me: dict[str, Any] = {"user_id": "42"}
    factor = {**me, "factor_id": factor_id}
    return {
        "enroll user_id": lambda text: mfa.enroll(user_id=text, account_name="alice"),
        "enroll account_name": lambda text: mfa.enroll(**me, account_name=text),
        "enroll kind": lambda text: mfa.enroll(**me, account_name="alice", kind=text),
        "pending factor_id": lambda text: mfa.pending(**me, factor_id=text, account_name="alice"),
        "pending account_name": lambda text: mfa.pending(**me, factor_id=pending, account_name=text),
        "confirm user_id": lambda text: mfa.confirm(user_id=text, factor_id=pending, code="000000"),
        "confirm factor_id": lambda text: mfa.confirm(**me, factor_id=text, code="000000"),
        "confirm code": lambda text: mfa.confirm(**me, factor_id=pending, code=text),
        "verify user_id": lambda text: mfa.verify(user_id=text, code="000000"),
        "verify code": lambda text: mfa.verify(**me, code=text),
        "unlock user_id": lambda text: mfa.unlock(user_id=text, code="000000", next_code="000000"),
        "unlock code": lambda text: mfa.unlock(**me, code=text, next_code="000000"),
        "unlock next_code": lambda text: mfa.unlock(**me, code="000000", next_code=text),
        "resync factor_id": lambda text: mfa.resync(**me, factor_id=text, code="000000", next_code="000000"),
        "resync code": lambda text: mfa.resync(**factor, code=text, next_code=text),
        "recover user_id": lambda text: mfa.recover(user_id=text, code="AAAA-AAAA-AAAA-AAAA"),
        "recover code": lambda text: mfa.recover(**me, code=text),
        "regenerate user_id": lambda text: mfa.regenerate_recovery_codes(user_id=text),
        "trust user_id": lambda text: mfa.trust_device(user_id=text),
        "recognize user_id": lambda text: mfa.recognize_device(user_id=text, token="a.b"),
        "recognize token": lambda text: mfa.recognize_device(**me, token=text),
        "recognize series": lambda text: mfa.recognize_device(**me, token=f"{text}.secret"),
        "recognize secret": lambda text: mfa.recognize_device(**me, token=f"series.{text}"),
        "trusted user_id": lambda text: mfa.trusted_devices(user_id=text),
        "forget user_id": lambda text: mfa.forget_devices(user_id=text),
        "status user_id": lambda text: mfa.status(user_id=text),
        "factor factor_id": lambda text: mfa.factor(**me, factor_id=text),
        "reveal factor_id": lambda text: mfa.reveal_secret(**me, factor_id=text, by="support"),
        "reveal by": lambda text: mfa.reveal_secret(**factor, by=text),
        "remove user_id": lambda text: mfa.remove_factor(user_id=text, factor_id=factor_id),
        "remove factor_id": lambda text: mfa.remove_factor(**me, factor_id=text),
        "reset user_id": lambda text: mfa.reset(user_id=text, by="support"),
        "reset by": lambda text: mfa.reset(**me, by=text),
        "import user_id": lambda text: mfa.import_factor(user_id=text, secret=b"0" * 20),
        "for_tenant": lambda text: mfa.for_tenant(text or "\0").status(**me),
    }


FREE = {"status user_id", "trusted user_id", "forget user_id", "reset user_id"}
"""What answers for a user of whom nothing is kept: an odd id that is one, as "{ferrotp}", is nobody's."""
OPEN = {"enroll user_id", "enroll account_name", "pending account_name", "import user_id", "reveal by", "for_tenant"}
"""What takes any name that is one."""


def test_every_text_is_answered_by_an_error_of_the_services_own(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    clock, events = Clock(), list[Event]()
    mfa = MFA(
        store,
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=replace(Policy.cheap_for_tests(), trusted_device_days=30),
        clock=clock,
        on_event=events.append,
    )
    enrollment = mfa.enroll(user_id="42", account_name="alice")
    device = Device(enrollment.uri)
    codes = mfa.confirm(user_id="42", factor_id=enrollment.factor_id, code=device.at(clock.now))
    pending = mfa.enroll(user_id="42", account_name="alice").factor_id
    caplog.set_level(logging.INFO, "ferrotp.mfa")
    known = {factor.factor_id for factor in mfa.status(user_id="42").factors}
    for name, call in verbs(mfa, enrollment.factor_id, pending).items():
        for text in HOSTILE:
            if name == "reset by" and text in ("%00", "{ferrotp}", "\u0661" * 70):
                continue  # a name like any other: it would reset
            clock.now += 3600  # no attempt is delayed
            try:
                call(text)
            except MFAError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}({text!r:.40}): {type(error).__name__}: {error}"[:300]) from None
            assert isinstance(text, (str, int)) and not isinstance(text, bytes), (name, text)
            assert name in FREE | OPEN and (isinstance(text, int) or text.isprintable()), (name, text)
    # Nothing came of it for the user, who goes on.
    assert known <= {factor.factor_id for factor in mfa.status(user_id="42").factors}
    clock.now += 40 * 86_400
    mfa.verify(user_id="42", code=device.at(clock.now))
    mfa.recover(user_id="42", code=codes[0])
    # A line of the log is one line, whatever was typed.
    assert all("\n" not in record.getMessage() and "\0" not in record.getMessage() for record in caplog.records)


def test_the_fields_of_the_log_are_quoted(caplog: pytest.LogCaptureFixture) -> None:
    """A value that looks like another field, or like the end of one, stays a value."""
    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    caplog.set_level(logging.INFO, "ferrotp.mfa")
    odd = "1' user='admin' kind=verified"
    mfa.import_factor(user_id=odd, secret=b"0" * 20)
    factor = next(mfa.factors())
    mfa.reveal_secret(user_id=odd, factor_id=factor.factor_id, by="bob' reason='none' x=1")
    mfa.reset(user_id=odd, by="bob by=eve")
    for record in caplog.records:
        line = record.getMessage()
        assert f"user={odd!r}" in line
        assert record.ferrotp_event.user_id == odd  # type: ignore[attr-defined]
    said = [record.getMessage() for record in caplog.records]
    assert f"by={chr(34)}bob' reason='none' x=1{chr(34)}" in said[1] and "by='bob by=eve'" in said[2]
