"""What `_tracebacks` takes from an exception: the frames under the call, and the exceptions that it was raised from."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from ferrotp._tracebacks import attempt, call_without_frames, init_without_frames, without_frames

CANARY = "KRUGS4ZANFZSAYJAMNQW4YLSPEQHGZLD"


class Document(ValueError):
    """Holds its input, as `JSONDecodeError.doc` does."""


class Stop(BaseException):
    """Like KeyboardInterrupt, no Exception."""


def raised_from_another(secret: str, kind: type[BaseException] = ValueError) -> None:
    raise kind("it failed") from Document(secret)


def raised_while_handling_another(secret: str, kind: type[BaseException] = ValueError) -> None:
    try:
        raise Document(secret)
    except Document:
        raise kind("it failed")  # noqa: B904


def by_attempt(function: Callable[..., Any], *args: Any) -> BaseException | None:
    return attempt(function, *args)[1]


def by_raising(call: Callable[..., Any]) -> Callable[..., BaseException]:
    def catch(function: Callable[..., Any], *args: Any) -> BaseException:
        with pytest.raises(BaseException) as caught:  # noqa: PT011
            call(function, *args)
        return caught.value

    return catch


def by_class(function: Callable[..., Any], *args: Any) -> None:
    @init_without_frames
    class Holder:
        def __init__(self, *args: Any) -> None:
            function(*args)

    Holder(*args)


WAYS = {
    "attempt": by_attempt,
    "call_without_frames": by_raising(call_without_frames),
    "without_frames": by_raising(lambda function, *args: without_frames(function)(*args)),
    "init_without_frames": by_raising(by_class),
}


@pytest.mark.parametrize("kind", [ValueError, Stop])
@pytest.mark.parametrize("function", [raised_from_another, raised_while_handling_another])
@pytest.mark.parametrize("way", WAYS)
def test_an_exception_keeps_neither_its_cause_nor_its_context(
    way: str, function: Callable[..., None], kind: type[BaseException]
) -> None:
    error = WAYS[way](function, CANARY, kind)
    assert type(error) is kind and str(error) == "it failed"
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("function", [raised_from_another, raised_while_handling_another])
@pytest.mark.parametrize("way", WAYS)
def test_no_frame_of_the_module_or_below_it_holds_the_arguments(way: str, function: Callable[..., None]) -> None:
    error = WAYS[way](function, CANARY)
    assert error is not None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_filename != __file__]
    assert function.__code__ not in [frame.f_code for frame in frames]
    assert bool(ours) == (way != "attempt")
    for frame in ours:
        assert CANARY not in repr(frame.f_locals), frame.f_code.co_name


def test_arguments_given_by_name_are_in_no_frame_either() -> None:
    for call in (call_without_frames, lambda function, **named: without_frames(function)(**named)):
        with pytest.raises(ValueError, match="it failed") as caught:
            call(raised_from_another, secret=CANARY)
        for frame, _ in traceback.walk_tb(caught.value.__traceback__):
            if frame.f_code.co_filename != __file__:
                assert CANARY not in repr(frame.f_locals), frame.f_code.co_name


def test_what_is_returned_and_what_the_function_is_called_are_kept() -> None:
    assert attempt(lambda a, *, b: (a, b), 1, b=2) == ((1, 2), None)
    assert call_without_frames(lambda a, *, b: (a, b), 1, b=2) == (1, 2)
    wrapped = without_frames(raised_from_another)
    assert (wrapped.__name__, wrapped.__doc__) == ("raised_from_another", None)


def test_an_encoding_error_keeps_the_character_and_not_the_text_around_it() -> None:
    error = WAYS["call_without_frames"](str.encode, CANARY + "\ud800" + CANARY)
    assert isinstance(error, UnicodeEncodeError)
    assert error.object == "?" * len(CANARY) + "\ud800"
    assert (error.start, error.end, error.encoding) == (len(CANARY), len(CANARY) + 1, "utf-8")
