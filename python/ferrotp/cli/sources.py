"""Where secrets come from: a prompt, a pipe, a file, an environment variable; or an argument, with a warning."""

import functools
import getpass
import os
import stat
import sys
from collections.abc import Callable
from typing import Any

import click

from .errors import InputError
from .output import note

_LONGEST = 1 << 16
_HISTORY = (
    "a secret that is an argument stays in the shell's history and shows in ps. "
    "Leave it out to be asked for it, or use --secret-file"
)


def decoded(data: bytes, what: str) -> str:
    """Text that somebody gave us."""
    if len(data) > _LONGEST:
        raise InputError(f"{what} is too long")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InputError(f"{what} is not UTF-8 text") from None


def from_file(path: str, what: str) -> str:
    """The one line of a file."""
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            note(f"{path} is readable by others: chmod 600 it")
        lines = decoded(file.read(_LONGEST + 1), what).splitlines()
    if len(lines) > 1:
        raise InputError(f"{path} has more than one line: `ferrotp import` reads such files")
    return lines[0] if lines else ""


def from_environment(name: str, what: str) -> str:
    """The value of a variable."""
    if name not in os.environ:
        # Without the name: it may be the secret, where somebody wrote $NAME for NAME.
        raise InputError(f"the environment variable for {what} is not set: is that its name, without a $?")
    return os.environ[name].strip()


def is_asked() -> bool:
    """Whether somebody sits at standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def from_stdin(what: str, hidden: bool = True) -> str:
    """What a prompt gets, or the next line of a pipe."""
    if sys.stdin is None:
        raise InputError(f"standard input is closed: {what} cannot be read from it")
    prompt = what.removeprefix("the ")
    prompt = prompt[0].upper() + prompt[1:]
    if is_asked() and hidden:
        try:
            return getpass.getpass(f"{prompt} (not shown): ").strip()
        except UnicodeDecodeError:
            raise InputError(f"{what} is not UTF-8 text") from None
        except (EOFError, KeyboardInterrupt) as end:
            click.echo(err=True)  # the cursor still stands behind the prompt
            if isinstance(end, EOFError):
                return ""
            raise
    if is_asked():
        click.echo(f"{prompt}: ", nl=False, err=True)
    return decoded(sys.stdin.buffer.readline(_LONGEST + 1), what)


class Source:
    """One of the places, asked once."""

    def __init__(self, what: str, argument: str = "", file: str | None = None, variable: str | None = None) -> None:
        self._what, self._argument, self._file, self._variable = what, argument, file, variable

    def __repr__(self) -> str:
        return f"Source({self._what})"

    def is_said(self) -> bool:
        """Whether the command line names a place."""
        return bool(self._argument or self._file or self._variable)

    def read(self) -> str:
        """The text; never empty."""
        if sum(map(bool, (self._argument, self._file, self._variable))) > 1:
            raise InputError(f"{self._what} is given in more than one way", "usage")
        if self._file == "-" or self._argument == "-":
            text = from_stdin(self._what)
        elif self._file:
            text = from_file(self._file, self._what)
        elif self._variable:
            text = from_environment(self._variable, self._what)
        elif self._argument:
            note(_HISTORY)
            text = self._argument.strip()
        else:
            text = from_stdin(self._what)
        text.encode()  # an error for bytes that the locale could not read
        if not text:
            raise InputError(f"no secret was given: {self._what} is empty")
        return text


def secret_source(function: Callable[..., int]) -> Callable[..., int]:
    """Gives a verb its argument and options for a secret, and calls it with a `Source`."""

    @click.argument("secret", nargs=-1, metavar="[SECRET]")
    @click.option(
        "--secret-file", type=click.Path(), metavar="FILE", help="Read the secret from a file; - is standard input."
    )
    @click.option("--secret-env", metavar="NAME", help="Take the secret from an environment variable.")
    @functools.wraps(function)
    def wrapper(secret: tuple[str, ...], secret_file: str | None, secret_env: str | None, **others: Any) -> int:
        # Apps show secrets in groups: they may be several arguments.
        source = Source("the secret or otpauth:// URI", " ".join(secret), secret_file, secret_env)
        return function(source=source, **others)

    return wrapper
