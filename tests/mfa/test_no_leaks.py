"""Secrets, codes and recovery codes are nowhere but where they belong: a search for canaries."""

import base64
import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferrotp import _tracebacks
from ferrotp.mfa import MFA, Event, MFAError, Policy, StoreUnavailable
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

from .authenticator import Clock, Device

PACKAGE = str(Path(_tracebacks.__file__).parent)
POLICY = replace(Policy.cheap_for_tests(), digits=8)  # eight digits are no part of a time or an id by chance


class Failing:
    """A store whose next call of one method fails, before or after it has done its work."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.broken = ""
        self.after = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if name != self.broken:
            return method

        def fail(*arguments: object, **named: object) -> None:
            if self.after:
                method(*arguments, **named)
            raise StoreUnavailable("the store is away")

        return fail


class Story:
    """Everything that a user does, with everything that can go wrong, and what is left behind."""

    def __init__(self, store: Any) -> None:
        self.texts: list[str] = []
        self.canaries: set[str] = set()
        self.clock = Clock()
        self.keyring = Keyring.generate()
        self.store = store
        self.mfa = MFA(store, issuer="ACME", keyring=self.keyring, policy=POLICY, clock=self.clock, on_event=self.note)
        for key in self.keyring.export().split():
            self.hide(key, base64.urlsafe_b64decode(key.removeprefix("ferrotp1_") + "="))

    def note(self, event: Event) -> None:
        self.texts += [repr(event), str(event), repr(pickle.dumps(event))]

    def hide(self, text: str, raw: bytes = b"") -> None:
        self.canaries.add(text)
        if raw:
            self.canaries |= {raw.hex(), base64.b64encode(raw).decode(), repr(raw)[2:-1]}

    def fails(self, call: Callable[..., object], **arguments: object) -> None:
        """What is left of an error: its message, its chain, and the locals of every frame of ours."""
        try:
            call(**arguments)
        except MFAError as error:
            failure: BaseException | None = error
        else:
            raise AssertionError("that was a yes")
        while failure is not None:
            self.texts += [repr(failure), str(failure), repr(failure.args), repr(vars(failure))]
            pickled = pickle.dumps(failure)
            assert repr(pickle.loads(pickled)) == repr(failure)
            self.texts.append(repr(pickled))
            for frame, _ in traceback.walk_tb(failure.__traceback__):
                if frame.f_code.co_filename.startswith(PACKAGE):
                    self.texts += [repr(value) for value in frame.f_locals.values()]
            failure = failure.__cause__ or failure.__context__

    def run(self) -> None:
        mfa, clock = self.mfa, self.clock
        enrollment = mfa.enroll(user_id="42", account_name="alice@example.com", name="phone")
        padded = enrollment.secret + "=" * (-len(enrollment.secret) % 8)
        self.hide(enrollment.secret, base64.b32decode(padded))
        self.hide(enrollment.grouped_secret)
        device = Device(enrollment.uri)
        self.texts += [repr(enrollment), str(enrollment), repr(mfa), repr(self.keyring), repr(enrollment.qr)]
        for number in range(-4, 200):
            self.hide(device.at(clock.now, number))
        confirm = {"user_id": "42", "factor_id": enrollment.factor_id}
        wrong = device.wrong(clock.now)
        self.hide(wrong)
        self.fails(mfa.confirm, **confirm, code=wrong)
        codes = mfa.confirm(**confirm, code=device.at(clock.now))
        for code in codes:
            self.hide(code)
            self.hide(code.replace("-", ""))
        self.texts += [repr(codes), str(codes), f"{codes}"]
        taken = mfa.reveal_secret(user_id="42", factor_id=enrollment.factor_id, by="root")
        assert taken.secret == enrollment.secret
        self.texts += [repr(taken), str(taken)]
        for secret in (enrollment, codes, taken):
            for keep in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError) as caught:
                    keep(secret)
                self.texts.append(repr(caught.value))
        clock.now += 60
        self.texts.append(repr(mfa.verify(user_id="42", code=device.at(clock.now))))
        self.fails(mfa.verify, user_id="42", code=device.at(clock.now))
        self.fails(mfa.verify, user_id="nobody", code=device.at(clock.now))
        self.fails(mfa.verify, user_id=" 42", code=device.at(clock.now))
        self.fails(mfa.verify, user_id="42", code=f"{wrong[:4]} {wrong[4:]}")
        self.texts.append(repr(mfa.verify_many([("42", wrong), ("nobody", wrong)])))
        self.texts.append(repr(mfa.recover(user_id="42", code=codes[0])))
        self.fails(mfa.recover, user_id="42", code=codes[0])
        self.fails(mfa.recover, user_id="nobody", code=codes[1])
        clock.now += 3600
        for _ in range(6):
            self.fails(mfa.verify, user_id="42", code=wrong)
        self.fails(mfa.import_factor, user_id="42", secret=base64.b32encode(b"too short!")[:-8].decode())
        self.hide("NOT BASE32 AT ALL 0189")
        self.fails(mfa.import_factor, user_id="42", secret="NOT BASE32 AT ALL 0189")
        raw = bytes(range(0x41, 0x41 + 20))
        self.hide(raw.decode(), raw)
        self.fails(mfa.import_factor, user_id="42", secret=raw, digits=99)
        mfa.import_factor(user_id="43", secret=raw)
        self.texts += [repr(mfa.status(user_id="42")), repr(mfa.report()), repr(list(mfa.factors()))]
        if isinstance(self.store, Failing):
            clock.now += 7200
            for self.store.after in (False, True):
                for self.store.broken in ("attempt",):
                    clock.now += 3600
                    self.hide(device.at(clock.now))
                    self.fails(mfa.verify, user_id="42", code=device.at(clock.now))
                for self.store.broken in ("reserve", "redeem"):
                    clock.now += 3600
                    self.fails(mfa.recover, user_id="42", code=codes[-1 - self.store.after])
                self.store.broken = "replace_recovery_codes"
                self.fails(mfa.regenerate_recovery_codes, user_id="42")
                self.store.broken = "add_factor"
                self.fails(mfa.enroll, user_id="42", account_name="alice")
                self.fails(mfa.import_factor, user_id="42", secret=raw)
                self.store.broken = "user"
                self.fails(mfa.status, user_id="42")
            self.store.broken = ""

    def search(self, texts: list[str]) -> None:
        assert len(self.canaries) > 200
        for text in texts:
            for canary in self.canaries:
                assert canary not in text, text[:200]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger writes, at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def test_the_search_finds_what_is_there() -> None:
    story = Story(Failing())
    story.run()
    with pytest.raises(AssertionError):
        story.search([f"a log line with {min(story.canaries)}"])


def test_no_canary_in_logs_events_errors_and_reprs(logged: io.StringIO) -> None:
    story = Story(Failing())
    story.run()
    text = logged.getvalue()
    assert "verified" in text and "refused" in text
    assert len(story.texts) > 200
    story.search([*story.texts, text])


def test_no_canary_in_a_database_file(tmp_path: Path, logged: io.StringIO) -> None:
    story = Story(f"sqlite:///{tmp_path}/mfa.db")
    story.run()
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert b"42" in b"".join(files)
    story.search([*story.texts, logged.getvalue()])
    for content in files:
        for canary in story.canaries:
            assert canary.encode() not in content
            if len(canary) == 40 and canary.isalnum() and canary == canary.lower():
                assert bytes.fromhex(canary) not in content


@pytest.mark.parametrize("chained", [True, False], ids=["raised from", "raised while"])
@pytest.mark.parametrize("way", ["call", "function", "constructor", "attempt"])
def test_what_leaves_a_call_brings_no_frame_and_no_other_exception_along(way: str, chained: bool) -> None:
    """Each may hold what the call was given: `JSONDecodeError.doc` is the whole file."""
    secret = "a secret that no traceback may show"

    def fail(text: str) -> None:
        try:
            raise KeyError(text)
        except KeyError as cause:
            if chained:
                raise ValueError("no") from cause
            raise ValueError("no")  # noqa: B904 - what is under test

    class Failing:
        def __init__(self, text: str) -> None:
            fail(text)

    raised: BaseException | None
    if way == "attempt":
        value, raised = _tracebacks.attempt(fail, secret)
        assert value is None and raised is not None and raised.__traceback__ is None
    else:
        call = {
            "call": lambda: _tracebacks.call_without_frames(fail, secret),
            "function": lambda: _tracebacks.without_frames(fail)(secret),
            "constructor": lambda: _tracebacks.init_without_frames(Failing)(secret),
        }[way]
        with pytest.raises(ValueError, match="no") as caught:
            call()
        raised = caught.value
    assert type(raised) is ValueError
    assert raised.__cause__ is None
    assert raised.__context__ is None
    for frame, _ in traceback.walk_tb(raised.__traceback__):
        assert frame.f_code is not fail.__code__
        if frame.f_code.co_filename == _tracebacks.__file__:
            assert secret not in repr(frame.f_locals)


def test_an_encoding_error_shows_the_character_and_not_the_text() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        _tracebacks.call_without_frames("a secret \u20ac".encode, "ascii")
    error = caught.value
    assert (error.encoding, error.object, error.start, error.end) == ("ascii", "?" * 9 + "\u20ac", 9, 10)
    assert "secret" not in repr(error)
