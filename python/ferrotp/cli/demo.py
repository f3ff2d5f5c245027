"""``ferrotp demo``"""

import importlib.util
import os
import runpy
import sys
from pathlib import Path

import click

from .errors import DONE, InputError
from .settings import Number

_APPLICATION = Path(__file__).parent / "demo-flask"
"""No package: an application as somebody would write it, whose modules are of its own folder."""
_NEEDS = ("argon2", "fido2", "flask", "flask_login", "flask_wtf", "sqlalchemy")


@click.command()
@click.option("--port", type=Number(0, 65535), default=0, metavar="N", help="Where it listens.  [default: a free one]")
@click.option("--folder", metavar="FOLDER", help="Keep the data there.  [default: a new one, which goes with the demo]")
@click.option("--check", is_flag=True, help="Go through the whole story without a person, and exit.")
def demo(port: int, folder: str | None, check: bool) -> int:
    """Start a small web application that has a second factor.

    There is a user to try. It begins anew each time, listens on this machine alone, and says where its data is. Its
    source is the Flask example: the lines that are about ferrotp are marked.
    """
    if not all(map(importlib.util.find_spec, _NEEDS)):
        raise InputError('this needs more packages: pip install "ferrotp[demo]"', "usage")
    os.environ["PORT"] = str(port)
    os.environ.pop("EXAMPLE_FOLDER", None)
    if folder is not None:
        os.environ["EXAMPLE_FOLDER"] = folder
    sys.argv[1:] = ["--check"] if check else []
    try:
        runpy.run_path(str(_APPLICATION), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return DONE
