"""Many secrets, many codes: one call, other threads running meanwhile.

An item is a `TOTP` (a `contrib.Steam`, one of `ferrotp.legacy`, a subclass), or a base32 string, which stands for
``TOTP(string)``. The results are those of the objects' own `at` and `verify`. What is wrong with one item is told of
that item, as an `ItemError`, and the others go on.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

from . import _native
from .legacy import TOTP as _LegacyTOTP
from .totp import TOTP

if TYPE_CHECKING:
    from .hotp import HOTP
    from .totp import Time

__all__ = ["Cancelled", "ItemError", "KeySet", "Reason", "Results", "codes", "resync", "verify", "verify_one"]

_T = TypeVar("_T")
_Item = TOTP | str
_Progress = Callable[[int, int | None], object]

_verify_one = _native.verify_one  # at hand, as in `otp`
_CHUNK = 8192  # items between two looks at `cancel`; twenty times that of a KeySet, whose items cost less
_PROBE = TOTP("A" * 32)  # ordinary as long as nobody has patched what a string stands for
_SECONDS = TOTP("A" * 32, interval=1)


class Reason(Enum):
    """What is wrong with an item."""

    NOT_BASE32 = "not base32"
    TOO_SHORT = "too short"
    """A string with less than 112 bits: make a `ferrotp.legacy.TOTP` of it."""
    NOT_AN_OTP = "not an OTP"
    """Neither a string nor an object that makes codes by time."""
    NOT_ORDINARY = "not ordinary"
    """A `KeySet` holds keys for the native hashes: no subclass, no other digest, no patched class."""
    FAILED = "failed"
    """The object raised: `ItemError.error` has the exception's class."""


class ItemError(ValueError):
    """Why an item has no result. It holds no text of the item."""

    def __init__(self, index: int, reason: Reason, error: type[BaseException] | None = None) -> None:
        super().__init__(index, reason, error)
        self.index = index
        self.reason = reason
        self.error = error

    def __str__(self) -> str:
        raised = f": it raised {self.error.__name__}" if self.error else ""
        return (
            f"item {self.index} is {self.reason.value}{raised}" if not raised else f"item {self.index} failed{raised}"
        )


class Results(list[_T], Generic[_T]):
    """A list of results, in the order of the items, and what was wrong with which."""

    errors: dict[int, ItemError]
    """By the item's index."""

    def __init__(self, results: Iterable[_T] = (), errors: dict[int, ItemError] | None = None) -> None:
        super().__init__(results)
        self.errors = {} if errors is None else errors


class Cancelled(Exception):
    """`cancel` was set. The first `done` items were finished."""

    def __init__(self, done: int, total: int | None) -> None:
        super().__init__(done, total)
        self.done = done
        self.total = total


class _Event(Protocol):
    def is_set(self) -> bool: ...


class _Run:
    """Where a run stands."""

    def __init__(self, items: object, progress: _Progress | None, cancel: _Event | None) -> None:
        self.total = len(items) if hasattr(items, "__len__") else None
        self.done = 0
        self.progress = progress
        self.cancel = cancel

    def look(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled(self.done, self.total)

    def went(self, count: int) -> None:
        self.done += count
        if self.progress is not None:
            self.progress(self.done, self.total)


def _chunks(items: Iterable[_T]) -> Iterator[Sequence[_T]]:
    if type(items) is list or type(items) is tuple:
        # Slices take a third of what an iterator takes.
        start = 0
        while part := items[start : start + _CHUNK]:
            yield part
            start += _CHUNK
        return
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _time(at: "Time | None") -> "tuple[Time, int]":
    """A time as it came, and its whole seconds."""
    if at is None:
        at = time.time()
    return at, TOTP.timecode(_SECONDS, at)


def _threads(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ValueError("threads must be at least 1")
    return threads


def _by_rules(index: int, item: Any, verb: str, *args: Any) -> "tuple[Any, ItemError | None]":
    """What the object itself says, or why it says nothing."""
    is_text = isinstance(item, str)
    try:
        otp = TOTP(item) if is_text else item
        if not isinstance(otp, (TOTP, _LegacyTOTP)):
            return None, ItemError(index, Reason.NOT_AN_OTP)
        return getattr(otp, verb)(*args), None
    except Exception as error:
        if not is_text:
            return None, ItemError(index, Reason.FAILED, type(error))
        # `binascii.Error` and what encoding raises are subclasses; the rule about lengths raises the class itself.
        return None, ItemError(index, Reason.TOO_SHORT if type(error) is ValueError else Reason.NOT_BASE32)


def codes(
    otps: Iterable[_Item],
    at: "Time | None" = None,
    *,
    threads: int | None = None,
    progress: _Progress | None = None,
    cancel: _Event | None = None,
) -> "Results[str | None]":
    """The code of each item at a time; None for an item that has an error.

    :param otps: TOTP objects and base32 strings, in any mixture; an iterator is read in chunks
    :param at: a Unix time or a datetime, one for all items; now if None, read once
    :param threads: at most so many; as many as there are processors if None. Few items get one
    :param progress: called with the items done and their number (None of an iterator) after each chunk; what it raises
        ends the run
    :param cancel: looked at before each chunk, such as a `threading.Event`
    :raises Cancelled: if `cancel` was set
    :raises ValueError: if the time is before 1970 or after the year 9999, in UTC
    """
    at, seconds = _time(at)
    threads, run = _threads(threads), _Run(otps, progress, cancel)
    results: Results[str | None] = Results()
    for chunk in _chunks(otps):
        run.look()
        found, odd = _native.batch_codes(chunk, _PROBE, seconds, threads)
        for place in odd:
            index = run.done + place
            found[place], error = _by_rules(index, chunk[place], "at", at)
            if error is not None:
                results.errors[index] = error
        results += found
        run.went(len(chunk))
    return results


def verify(
    otps: Iterable[_Item],
    codes: Iterable[str],
    at: "Time | None" = None,
    window: int = 0,
    *,
    threads: int | None = None,
    progress: _Progress | None = None,
    cancel: _Event | None = None,
) -> "Results[bool]":
    """Whether each item's code is right; False for an item that has an error.

    Codes are compared in constant time, and all of a window. It does not remember: see `TOTP.verify`.

    :param codes: as typed, one for each item
    :param window: how many time steps before and after are accepted as well
    :raises ValueError: if there are not as many codes as items; otherwise as `codes`, whose parameters the others are
    """
    at, seconds = _time(at)
    threads, run = _threads(threads), _Run(otps, progress, cancel)
    results: Results[bool] = Results()
    for chunk, theirs in zip_longest(_chunks(otps), _chunks(codes), fillvalue=()):
        run.look()
        if len(theirs) != len(chunk):
            raise ValueError(f"there are {'fewer' if len(theirs) < len(chunk) else 'more'} codes than items")
        found: list[bool | None] = [None] * len(chunk)
        odd: Iterable[int] = range(len(chunk))
        if type(window) is int and 0 <= window <= 10_000:
            found, odd = _native.batch_verify(chunk, theirs, _PROBE, seconds, window, threads)
        for place in odd:
            index = run.done + place
            found[place], error = _by_rules(index, chunk[place], "verify", theirs[place], at, window)
            if error is not None:
                found[place] = False
                results.errors[index] = error
        results += found  # type: ignore[arg-type]  # there is no None any more
        run.went(len(chunk))
    return results


def verify_one(secret: str, code: str, at: "Time | None" = None, window: int = 0) -> bool:
    """What ``TOTP(secret).verify(code, at, window)`` says, without an object: for a server that has the secret for one
    check. All codes of the window are made and compared, so its time does not tell which one it was.

    :raises ValueError: as `TOTP` and `TOTP.verify`; `binascii.Error` if the secret is not base32
    """
    if at is None:
        at = time.time()
    verdict = _verify_one(_PROBE, secret, code, at, window)
    return TOTP(secret).verify(code, at, window) if verdict is None else verdict


class KeySet(_native.KeySetBase):
    """Many secrets, parsed and keyed once, for codes at many times.

    It holds what HMAC needs of each secret, not the secret, in buffers that are wiped when the set goes; it is neither
    pickled nor copied, and `repr` shows their number alone. Objects are read once: a later change is not seen.

    :param otps: TOTP objects and base32 strings; what it cannot take leaves its place empty, and stands in `errors`
    """

    __slots__ = ()

    def __new__(cls, otps: Iterable[_Item]) -> "KeySet":
        return super().__new__(cls, otps, _PROBE)

    @property
    def errors(self) -> dict[int, ItemError]:
        """What is wrong with which item, by its index."""
        return {index: ItemError(index, Reason(reason)) for index, reason in self._refused}

    def codes(
        self,
        at: "Time | None" = None,
        *,
        threads: int | None = None,
        progress: _Progress | None = None,
        cancel: _Event | None = None,
    ) -> "Results[str | None]":
        """The code of each item at a time, as the function `codes` has it."""
        _, seconds = _time(at)
        results: Results[str | None] = Results(errors=self.errors)
        for start, end in self._spans(_Run(self, progress, cancel)):
            results += self._texts(start, end, seconds, _threads(threads))
        return results

    def codes_into(
        self,
        buffer: Any,
        at: "Time | None" = None,
        *,
        threads: int | None = None,
        progress: _Progress | None = None,
        cancel: _Event | None = None,
    ) -> None:
        """Writes the codes as ASCII, `width` bytes for each item: shorter codes, and items with an error, are filled up
        with zero bytes, as numpy's ``S6`` is.

        :param buffer: writable and contiguous, of exactly ``len(self) * self.width`` bytes: a bytearray, a
            memoryview, a numpy array
        :raises ValueError: if it has another length; otherwise as `codes`
        """
        _, seconds = _time(at)
        width = self.width
        with memoryview(buffer) as view, view.cast("B") as into:
            if len(into) != len(self) * width:
                raise ValueError(f"the buffer has {len(into)} bytes; {len(self)} codes take {len(self) * width}")
            for start, end in self._spans(_Run(self, progress, cancel)):
                into[start * width : end * width] = self._codes(start, end, seconds, _threads(threads))

    def verify(
        self,
        codes: Sequence[str],
        at: "Time | None" = None,
        window: int = 0,
        *,
        threads: int | None = None,
        progress: _Progress | None = None,
        cancel: _Event | None = None,
    ) -> "Results[bool]":
        """Whether each item's code is right, as the function `verify` has it, for exact ASCII codes.

        :raises ValueError: if the window is negative or reaches before 1970; otherwise as the function
        """
        _, seconds = _time(at)
        if len(codes) != len(self):
            raise ValueError("there must be as many codes as items")
        if not 0 <= window <= 10_000:
            raise ValueError("window must be between 0 and 10000")
        results: Results[bool] = Results(errors=self.errors)
        for start, end in self._spans(_Run(self, progress, cancel)):
            found, odd = self._verify(start, list(codes[start:end]), seconds, window, _threads(threads))
            for place in odd:
                if start + place not in results.errors:
                    raise ValueError("the window reaches before 1970")
                found[place] = False
            results += found  # type: ignore[arg-type]  # there is no None any more
        return results

    def _spans(self, run: _Run) -> Iterator[tuple[int, int]]:
        for start in range(0, len(self), 8 * _CHUNK):
            run.look()
            end = min(start + 8 * _CHUNK, len(self))
            yield start, end
            run.went(end - start)

    def __repr__(self) -> str:
        return f"<KeySet of {len(self)} keys>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        super().__reduce_ex__(protocol)
        raise AssertionError  # it raised


def resync(otp: "HOTP", code: str, next_code: str, counter: int = 0, window: int = 1000) -> int | None:
    """The count of `next_code`, where `code` and `next_code` are an HOTP object's codes of two counts in a row, or None
    (RFC 4226, section 7.4). Two, since a single code of six digits fits one in a thousand of such windows by chance.

    All of the window is hashed and compared: neither result nor time tell more than the count. Of two pairs the earlier
    counts.

    :param counter: the first count that `code` may have
    :param window: how many counts after it
    :raises ValueError: if the window is negative, or a count that `otp` refuses
    """
    if window < 0:
        raise ValueError("window cannot be negative")
    found = _native.hotp_resync(otp, code, next_code, counter, window)
    if found is None:
        from ._tracebacks import call_without_frames

        found = call_without_frames(_resync_by_rules, otp, code, next_code, counter, window)
    return None if found is False else found


def _resync_by_rules(otp: "HOTP", code: str, next_code: str, counter: int, window: int) -> "int | bool":
    found: int | bool = False
    for count in reversed(range(counter, counter + window + 1)):
        if otp.verify(code, count) & otp.verify(next_code, count + 1):
            found = count + 1
    return found
