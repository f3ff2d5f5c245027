"""Calls that handle a secret, and whose exceptions must not: a traceback keeps the locals of every frame."""

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _T = TypeVar("_T")


def attempt(function: "Callable[..., Any]", /, *args: "Any", **kwargs: "Any") -> "tuple[Any, BaseException | None]":
    """What a call returns, or the exception that it raises, bare: to be raised where no frame holds the secret."""
    try:
        return function(*args, **kwargs), None
    except BaseException as error:
        return None, _bare(error)


def call_without_frames(function: "Callable[..., _T]", /, *args: "Any", **kwargs: "Any") -> "_T":
    """Calls `function`. An exception leaves without the frames below this one, and without those that it was raised
    from, which may hold the input, too (`JSONDecodeError.doc` is the whole file)."""
    value: _T
    value, failure = attempt(function, *args, **kwargs)
    if failure is not None:
        del args, kwargs
        raise failure
    return value


def without_frames(function: "Callable[_P, _T]") -> "Callable[_P, _T]":
    """A function that is called so each time."""

    @functools.wraps(function)
    def wrapper(*args: "_P.args", **kwargs: "_P.kwargs") -> "_T":
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            failure = _bare(error)
        del args, kwargs
        raise failure

    return wrapper


def awaited_without_frames(
    function: "Callable[_P, Coroutine[Any, Any, _T]]",
) -> "Callable[_P, Coroutine[Any, Any, _T]]":
    """The same for a function that is awaited."""

    @functools.wraps(function)
    async def wrapper(*args: "_P.args", **kwargs: "_P.kwargs") -> "_T":
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            failure = _bare(error)
        del args, kwargs
        raise failure

    return wrapper


def init_without_frames(class_: "type[_T]") -> "type[_T]":
    """A class whose constructor is called so."""
    class_.__init__ = without_frames(class_.__init__)  # type: ignore[method-assign]
    return class_


def _bare(error: BaseException) -> BaseException:
    if isinstance(error, UnicodeEncodeError):
        # It carries the whole text. Its message needs no more of it than the character.
        text = "?" * error.start + error.object[error.start : error.end]
        error = UnicodeEncodeError(error.encoding, text, error.start, error.end, error.reason)
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
