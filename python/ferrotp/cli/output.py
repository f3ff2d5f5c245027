"""What people and programs are shown."""

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

import click

from .errors import InputError


def prepare() -> None:
    """Text that the locale cannot say is escaped, instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether escape sequences are understood there."""
    stream = stream or sys.stdout
    # No stream at all where it was closed: `>&-`.
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO | None = None) -> bool:
    """Colour is for terminals, and for those who did not say NO_COLOR (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, **style: Any) -> str:
    """For standard output."""
    return click.style(text, **style) if has_colour() else text


def say(text: str = "", end: str = "\n") -> None:
    """A line for standard output."""
    if sys.stdout is None:
        raise InputError("standard output is closed", "file")
    if sys.platform == "win32":  # where click makes colours of the escapes
        click.echo(text + end, nl=False, color=is_terminal())
    else:  # click writes UTF-8 into an ASCII stream
        sys.stdout.write(text + end)
        sys.stdout.flush()


def emit(value: dict[str, Any]) -> None:
    """A JSON object, in one line of ASCII: right in every locale."""
    say(json.dumps(value))


def emit_long(name: str, items: Iterable[dict[str, Any]], others: dict[str, Any]) -> None:
    """The same, for an object whose first name has a list of any length: it is written as it comes."""
    say(f"{{{json.dumps(name)}: [", end="")
    for number, item in enumerate(items):
        say((", " if number else "") + json.dumps(item), end="")
    say("], " + json.dumps(others)[1:])


def note(text: str, kind: str = "warning") -> None:
    """A line beside the output."""
    if sys.stderr is not None:
        kind = click.style(kind, fg="yellow") if has_colour(sys.stderr) else kind
        click.echo(f"{kind}: {clean(text)}", err=True, color=is_terminal(sys.stderr))


def clean(text: str) -> str:
    """Somebody else's text, with what would steer a terminal or turn the reading direction written out."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def width(text: str) -> int:
    """Columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size().columns


def can_draw() -> bool:
    """Whether standard output's encoding has blocks."""
    try:
        "█▀▄░".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns. The first is the heading."""
    long_table(lambda: rows)


def long_table(rows: Callable[[], Iterable[Sequence[str]]]) -> None:
    """The same, for any number of rows: they are made twice, and none is kept."""
    widths: list[int] = []
    for row in rows():
        widths = [max(pair) for pair in zip(widths or [0] * len(row), map(width, row), strict=True)]
    for number, row in enumerate(rows()):
        cells = (cell + " " * (space - width(cell)) for cell, space in zip(row, widths, strict=True))
        line = "  ".join(cells).rstrip()
        say(line if number else styled(line, bold=True))


def fields(pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, one under the other."""
    space = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        say(f"{styled(name.ljust(space), dim=True)}  {value}")


def write_private(path: str, data: "bytes | Iterable[bytes]", force: bool) -> None:
    """A file that only its owner reads, from its first byte on. It replaces another one only with `force`."""
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} is there already: --force replaces it", "file")
    # What is replaced is written beside it and then renamed, so that its mode, or where it leads, is not taken over.
    draft = f"{path}.{os.getpid()}.part" if force else path
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(handle, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
        if force:
            os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
