"""QR codes in the terminal and in files."""

import functools
import os
from collections.abc import Callable
from typing import Any, Literal

import click

from ..qr import QR
from . import output
from .errors import InputError

Level = Literal["L", "M", "Q", "H"]


def qr_options(function: Callable[..., int]) -> Callable[..., int]:
    """Gives a verb the options for a QR code's file, and calls it with a `Paper`."""

    @click.option(
        "--qr-file",
        type=click.Path(),
        metavar="FILE",
        help="Draw the QR code into FILE.svg or FILE.png, which only you can read.",
    )
    @click.option("--force", is_flag=True, help="Replace the file, if there is one.")
    @click.option(
        "--error-correction",
        type=click.Choice(["L", "M", "Q", "H"], case_sensitive=False),
        default="M",
        help="How much of the QR code may be damaged.  [default: M, 15 %]",
    )
    @functools.wraps(function)
    def wrapper(qr_file: str | None, force: bool, error_correction: Level, **options: Any) -> int:
        return function(paper=Paper(qr_file, force, error_correction), **options)

    return wrapper


class Paper:
    """Where QR codes are drawn: a file, or the terminal."""

    def __init__(self, path: str | None, force: bool, level: Level) -> None:
        self.path, self.force, self._level = path, force, level
        if path and self._suffix() not in (".svg", ".png"):
            raise InputError("the QR code's file must end in .svg or .png", "usage")

    def _suffix(self) -> str:
        return os.path.splitext(self.path or "")[1].lower()

    def paths(self, count: int) -> list[str]:
        """The files for some codes: the one, or numbered ones. None may be there already."""
        if not self.path:
            return []
        stem, suffix = os.path.splitext(self.path)
        digits = len(str(count))
        paths = [self.path] if count == 1 else [f"{stem}-{n:0{digits}}{suffix}" for n in range(1, count + 1)]
        there = [path for path in paths if os.path.lexists(path)]
        if there and not self.force:
            raise InputError(f"{there[0]} is there already: --force replaces it", "file")
        return paths

    def code(self, text: str) -> QR:
        """A text as a QR code."""
        return QR(text, self._level)

    def write(self, code: QR, path: str) -> None:
        """Into a file."""
        data = code.png() if self._suffix() == ".png" else code.svg().encode()
        output.write_private(path, data, self.force)


def draw(code: QR) -> None:
    """In the terminal."""
    if not output.can_draw():
        raise InputError("this terminal's encoding cannot show a QR code: use --qr-file")
    is_terminal = output.is_terminal()
    columns = output.columns() if is_terminal else 1 << 16
    # The standard's border is 4; most readers do with 2.
    border = 4 if code.modules + 8 <= columns else 2
    if code.modules + 2 * border > columns:
        needed = code.modules + 4
        raise InputError(
            f"the QR code needs {needed} columns, and the terminal has {columns}: widen it, or use --qr-file"
        )
    colours = output.has_colour()
    output.say(code.terminal(border=border, colours=colours), end="")
    if is_terminal and not colours:
        output.note("without colours the QR code is right on a dark background only; --qr-file has it right", "note")
