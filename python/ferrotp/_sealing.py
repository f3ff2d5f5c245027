"""Calls that let go of what they were given: a traceback keeps the locals of every frame."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def sealed(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """An exception leaves without the frames below, which hold the input, and without those that it was raised from,
    which may (`JSONDecodeError.doc` is the whole file)."""

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            failure = error.with_traceback(None)
        del args, kwargs
        failure.__context__ = failure.__cause__ = None
        raise failure

    return wrapper


def sealed_init(class_: type[_T]) -> type[_T]:
    """A class whose constructor is sealed."""
    class_.__init__ = sealed(class_.__init__)  # type: ignore[method-assign]
    return class_
