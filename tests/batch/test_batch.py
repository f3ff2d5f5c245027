"""Many at once is what each one does by itself."""

import copy
import datetime
import hashlib
import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ferrotp
import ferrotp.legacy
from ferrotp import _native, batch
from ferrotp.contrib import Steam

TIME = 1_700_000_000
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B


class Louder(ferrotp.TOTP):
    """Overrides what the native path stands for."""

    def generate_otp(self, input: int) -> str:
        return super().generate_otp(input)[::-1]


class Plain(ferrotp.TOTP):
    """Overrides nothing."""


class Broken(ferrotp.TOTP):
    def timecode(self, for_time: Any) -> int:
        raise LookupError(self.secret)


SECRETS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=8, max_size=24).map(lambda text: (text * 8)[:32])
DIGESTS = st.sampled_from([hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.sha384, "sha256"])
ITEMS = st.one_of(
    SECRETS,
    SECRETS.map(str.lower),
    st.text("abc234", min_size=256, max_size=256),  # over a block
    st.builds(ferrotp.TOTP, SECRETS, digits=st.integers(6, 10), digest=DIGESTS, interval=st.sampled_from([30, 60, 17])),
    st.builds(ferrotp.legacy.TOTP, st.sampled_from(["GEZDGNBV", "GEZDGNBVGY3TQOJQ", ""]), digits=st.integers(1, 10)),
    st.builds(Steam, SECRETS),
    st.builds(ferrotp.legacy.contrib.Steam, SECRETS),
    st.builds(Louder, SECRETS),
    st.builds(Plain, SECRETS),
    st.builds(Broken, SECRETS),
    st.sampled_from(["", "A", "GEZDGNBV", "not base32!", "é" * 32, "GEZDGNBVGY3TQOJQ", None, 5, b"GEZDGNBVGY3TQOJQ"]),
)
TIMES = st.one_of(
    st.integers(1200, 2**34),
    st.floats(1200, 2**34),
    st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2100, 1, 1)),
)


def one(item: Any) -> Any:
    return ferrotp.TOTP(item) if isinstance(item, str) else item


def answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:
        return None


@settings(deadline=None, max_examples=200)
@given(st.lists(ITEMS, max_size=40), TIMES)
def test_codes_are_those_of_each_object(items: list[Any], at: Any) -> None:
    expected = [answer(lambda item=item: one(item).at(at)) for item in items]
    results = batch.codes(items, at)
    assert results == expected
    assert set(results.errors) == {index for index, code in enumerate(expected) if code is None}
    assert batch.codes(iter(items), at) == expected


@settings(deadline=None, max_examples=200)
@given(st.lists(ITEMS, max_size=40), TIMES, st.integers(0, 20), st.randoms(use_true_random=False))
def test_verification_is_that_of_each_object(items: list[Any], at: Any, window: int, rng: Any) -> None:
    def typed(item: Any) -> str:
        code = answer(lambda: one(item).at(at, rng.randint(-window - 1, window + 1))) or "123456"
        return str(
            rng.choice(
                [
                    code,
                    code,
                    code,
                    code[::-1],
                    "",
                    "１２３４５６",
                    code.translate({48 + i: 0xFF10 + i for i in range(10)}),
                ]
            )
        )

    codes = [typed(item) for item in items]
    expected = [
        answer(lambda item=item, code=code: one(item).verify(code, at, window))
        for item, code in zip(items, codes, strict=True)
    ]
    results = batch.verify(items, codes, at, window)
    assert results == [bool(right) for right in expected]
    assert set(results.errors) == {index for index, right in enumerate(expected) if right is None}


@settings(deadline=None, max_examples=100)
@given(st.lists(ITEMS, max_size=70), st.integers(1200, 2**34), st.integers(0, 3))
def test_a_set_answers_as_its_objects_did(items: list[Any], at: int, window: int) -> None:
    keys = batch.KeySet(items)
    codes = batch.codes(items, at)
    assert len(keys) == len(items)
    assert [code if index not in keys.errors else None for index, code in enumerate(codes)] == keys.codes(at)
    for index, error in keys.errors.items():
        assert error.index == index
        ordinary = isinstance(items[index], (str, type(None), int, bytes)) or type(items[index]) in (
            Louder,
            Plain,
            Broken,
        )
        assert ordinary or items[index].digest not in (hashlib.sha1, hashlib.sha256, hashlib.sha512)
    buffer = bytearray(len(keys) * keys.width)
    keys.codes_into(buffer, at)
    assert bytes(buffer) == b"".join((code or "").encode().ljust(keys.width, b"\0") for code in keys.codes(at))
    typed = [code or "000000" for code in codes]
    shown = keys.verify(typed, at + 30 * window, window)
    alone = batch.verify(items, typed, at + 30 * window, window)
    assert shown == [right and index not in keys.errors for index, right in enumerate(alone)]


@pytest.mark.parametrize("kernel", ["portable", "sha-ni", "avx2", "avx512", "armv8", "neon"])
def test_every_kernel_makes_the_same_codes(kernel: str) -> None:
    if kernel not in _native.kernels() and "FERROTP_KERNEL" not in os.environ:
        pytest.skip(f"this CPU has no {kernel}")
    code = f"""
import hashlib, ferrotp
from ferrotp import _native, batch
assert _native.kernels() == [{kernel!r}]
for digest in (hashlib.sha1, hashlib.sha256, hashlib.sha512):
    otps = [ferrotp.TOTP(("A%sB" % "23456"[i % 5] * 16)[:26 + i % 3 * 2 and 32], digest=digest) for i in range(37)]
    print(*batch.codes(otps, {TIME}), *batch.KeySet(otps).codes({TIME} + 30))
    window = [otp.at({TIME}, offset) for otp in otps for offset in (-25, 0, 25)]
    print(*[otps[i // 3].verify_and_get_timecode(c, {TIME}, 25) for i, c in enumerate(window)])
print(*batch.codes(["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"] * 19, {TIME}))
"""

    def said(name: str) -> str:
        # What the other side says is another kernel's, in a process of its own.
        text = code.replace(repr(kernel), repr(name))
        return subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "FERROTP_KERNEL": name},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert said(kernel) == said("portable")


def test_a_patched_class_is_heard_in_strings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ferrotp.TOTP, "at", lambda self, for_time, counter_offset=0: "patched")
    monkeypatch.setattr(ferrotp.TOTP, "verify", lambda self, otp, for_time=None, valid_window=0: otp == "patched")
    assert batch.codes([SECRET, ferrotp.TOTP(SECRET)], TIME) == ["patched"] * 2
    assert batch.verify([SECRET], ["patched"], TIME) == [True]
    assert batch.KeySet([SECRET]).errors[0].reason is batch.Reason.NOT_ORDINARY


def test_errors_say_index_and_reason_and_nothing_of_the_item() -> None:
    items = ["not base32!", "GEZDGNBV", 5, ferrotp.HOTP(SECRET), Broken(SECRET), SECRET]
    errors = batch.codes(items, TIME).errors  # type: ignore[arg-type]  # it is wrong on purpose
    assert [error.reason.name for error in errors.values()] == [
        "NOT_BASE32",
        "TOO_SHORT",
        "NOT_AN_OTP",
        "NOT_AN_OTP",
        "FAILED",
    ]
    assert errors[4].error is LookupError
    for index, error in errors.items():
        assert error.index == index and error.__context__ is None and error.__traceback__ is None
        for text in ("not base32!", "GEZDGNBV", SECRET):
            assert text not in f"{error!r} {error}"
    keys = batch.KeySet(items)  # type: ignore[arg-type]
    assert [error.reason.name for error in keys.errors.values()] == ["NOT_BASE32", "TOO_SHORT", *["NOT_ORDINARY"] * 3]


def test_progress_is_told_between_chunks_and_can_end_the_run() -> None:
    items = [SECRET] * 20_000
    seen: list[tuple[int, int | None]] = []
    batch.codes(items, TIME, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8192, 20_000), (16_384, 20_000), (20_000, 20_000)]
    seen.clear()
    batch.verify(iter(items), itertools.repeat("1", 20_000), TIME, progress=lambda *at: seen.append(at))
    assert seen[-1] == (20_000, None)

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.codes(items, TIME, progress=stop)


def test_a_set_event_cancels_before_the_next_chunk() -> None:
    cancel = threading.Event()
    taken = itertools.count()

    def items() -> Any:
        while True:
            if next(taken) == 10_000:
                cancel.set()
            yield SECRET

    with pytest.raises(batch.Cancelled) as caught:
        batch.codes(items(), TIME, cancel=cancel)
    assert caught.value.done == 8192 and caught.value.total is None
    assert next(taken) <= 3 * 8192, "an iterator is read in chunks"
    keys = batch.KeySet([SECRET])
    with pytest.raises(batch.Cancelled):
        keys.codes(TIME, cancel=cancel)


def test_codes_and_items_must_be_as_many() -> None:
    for codes in ([], ["1"] * 3):
        with pytest.raises(ValueError, match=r"codes than items"):
            batch.verify([SECRET] * 2, codes, TIME)
        with pytest.raises(ValueError, match="as many"):
            batch.KeySet([SECRET] * 2).verify(codes, TIME)
    with pytest.raises(ValueError, match="buffer"):
        batch.KeySet([SECRET]).codes_into(bytearray(5))
    with pytest.raises(TypeError):
        batch.KeySet([SECRET]).codes_into(b"123456")
    with pytest.raises(ValueError, match="1970"):
        batch.KeySet([SECRET]).verify(["123456"], 0, 1)
    with pytest.raises(ValueError, match="epoch"):
        batch.codes([SECRET], -1)
    with pytest.raises(ValueError, match="threads"):
        batch.codes([SECRET], TIME, threads=0)
    assert batch.codes([]) == [] and batch.KeySet([]).codes() == []


def test_a_key_set_is_not_shown_pickled_or_copied() -> None:
    keys = batch.KeySet([SECRET])
    assert repr(keys) == "<KeySet of 1 keys>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(keys)


def test_threads_give_the_same_results() -> None:
    items = [SECRET if index % 3 else ferrotp.TOTP(SECRET, interval=index % 60 + 1) for index in range(9_001)]
    alone = batch.codes(items, TIME, threads=1)
    keys = batch.KeySet(items)
    for threads in (2, 3, 7):
        assert batch.codes(items, TIME, threads=threads) == alone == keys.codes(TIME, threads=threads)
        typed = [code or "" for code in alone]
        assert all(batch.verify(items, typed, TIME, threads=threads))
        assert all(keys.verify(typed, TIME, threads=threads))


def test_one_set_and_its_objects_are_asked_by_many_threads_at_once() -> None:
    # The hashing runs without the GIL, so these calls are at work at one moment; ThreadSanitizer watches this test.
    otps = [ferrotp.TOTP(SECRET, digest=digest) for digest in (hashlib.sha1, hashlib.sha256, hashlib.sha512) * 1_400]
    keys = batch.KeySet(otps)
    expected = [otp.at(TIME) for otp in otps]
    barrier, failures = threading.Barrier(8), list[BaseException]()

    def work(place: int) -> None:
        barrier.wait()
        try:
            for _ in range(3):
                if place % 4 == 0:
                    assert keys.codes(TIME, threads=2) == expected
                elif place % 4 == 1:
                    assert all(keys.verify(expected, TIME, threads=2))
                elif place % 4 == 2:
                    assert batch.codes(otps, TIME, threads=2) == expected
                else:
                    # Another thread's batch has these objects in hand.
                    for otp in otps[:200]:
                        otp.secret = SECRET
                        otp.digits = 6
                    assert all(batch.verify(otps, expected, TIME, threads=2))
        except BaseException as error:  # what comes out of a thread must fail the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("secret", [SECRET, SECRET.lower(), "A" * 23, "A" * 22, "A1", "", SECRET * 8, 5, None])
@pytest.mark.parametrize("window", [0, 1, 10, -1, 10_001, True, None])
def test_one_is_verified_as_by_an_object(secret: Any, window: Any) -> None:
    device = ferrotp.TOTP(SECRET)
    typed = [device.at(t) for t in (TIME - 30, TIME, TIME + 30)]
    others = ("000000", "", "12345", "\uff11" * 6, f"{typed[1]} ", 5, None, b"123456", "\ud800")
    for code in (*typed, *others):
        for at in (TIME, float(TIME) + 0.5, 0, 59, datetime.datetime.fromtimestamp(TIME), -1, 10**12, "x"):
            by_object = outcome(lambda: ferrotp.TOTP(secret).verify(code, at, window))  # noqa: B023
            assert outcome(lambda: batch.verify_one(secret, code, at, window)) == by_object  # noqa: B023


def test_one_is_verified_now_and_by_what_is_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch.verify_one(SECRET, ferrotp.TOTP(SECRET).now(), window=1)
    code = ferrotp.TOTP(SECRET).at(59)
    with monkeypatch.context() as patch:
        patch.setattr(ferrotp.TOTP, "generate_otp", lambda self, count: "patched", raising=False)
        assert batch.verify_one(SECRET, "patched", 59) and not batch.verify_one(SECRET, code, 59)
    with monkeypatch.context() as patch:
        patch.setattr("ferrotp.utils.strings_equal", lambda one, other: True)
        assert batch.verify_one(SECRET, "wrong", 59)
    assert batch.verify_one(SECRET, code, 59) and not batch.verify_one(SECRET, "wrong", 59)


@pytest.mark.parametrize("digits", [6, 8])
def test_resync_finds_two_codes_in_a_row(digits: int) -> None:
    otp = ferrotp.HOTP(SECRET, digits=digits, initial_count=3)
    assert batch.resync(otp, otp.at(700), otp.at(701), 5, 1000) == 701
    assert batch.resync(otp, otp.at(1005), otp.at(1006), 5, 1000) == 1006
    assert batch.resync(otp, otp.at(1006), otp.at(1007), 5, 1000) is None
    assert batch.resync(otp, otp.at(700), otp.at(702), 5, 1000) is None
    assert batch.resync(otp, "x", otp.at(702), 5, 1000) is None
    odd = ferrotp.HOTP(SECRET, digits=digits, digest=hashlib.sha384)
    assert batch.resync(odd, odd.at(40), odd.at(41), 5, 100) == 41
    with pytest.raises(ValueError, match="negative"):
        batch.resync(otp, "1", "2", 0, -1)


@pytest.mark.parametrize("digest", [hashlib.sha1, hashlib.sha384])
def test_of_two_such_pairs_the_earliest_counts(digest: Any) -> None:
    otp = ferrotp.legacy.HOTP(SECRET, digits=1, digest=digest)  # a pair of one digit each comes back soon
    codes = [otp.at(count) for count in range(1000)]
    for count in (997, 998):
        pair = codes[count : count + 2]
        first = next(at for at in range(1000) if codes[at : at + 2] == pair)
        assert first < count
        assert batch.resync(otp, *pair, 0, 999) == first + 1


def test_a_call_that_waits_holds_no_other_up() -> None:
    entered, left = threading.Event(), threading.Event()

    def waits(data: bytes = b"") -> object:
        entered.set()
        assert left.wait(60)
        return hashlib.sha1(data)

    slow = ferrotp.TOTP(SECRET, digest=waits)
    thread = threading.Thread(target=lambda: slow.at(TIME))
    thread.start()
    try:
        assert entered.wait(60)
        # The call is inside ferrotp, on its own object. Every other object answers meanwhile: there is no common lock.
        assert ferrotp.TOTP(SECRET).at(59) == batch.codes([SECRET], 59)[0] == "287082"
        assert thread.is_alive()
    finally:
        left.set()
        thread.join()


def test_a_verb_of_the_object_s_own_is_heard() -> None:
    otp = ferrotp.TOTP(SECRET)
    otp.verify = lambda *args, **kwargs: True  # type: ignore[method-assign]
    assert batch.verify([otp], ["nonsense"], TIME) == [True]
    assert batch.KeySet([otp]).errors
