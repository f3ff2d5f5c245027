"""``python -m ferrotp alias``, which is there without click, too."""

import sys

from . import alias

_USAGE = """usage: python -m ferrotp alias --install [--legacy] | --remove | --status

Puts ferrotp under pyotp's name in this environment, so that installed programs that import pyotp run on ferrotp.

  --install   from the next process on: as pyotp 2.12.1
  --legacy    as pyotp 2.10.0 instead: secrets of any length, any interval
  --remove    undo it
  --status    say which it is"""


def main(arguments: list[str]) -> int:
    """Runs one command. 0: done; 1: nothing to undo, or the file cannot be written; 2: usage."""
    try:
        return _run(arguments)
    except OSError as error:
        print(f"ferrotp: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _run(arguments: list[str]) -> int:
    match arguments:
        case ["alias", "--install", *rest] if rest in ([], ["--legacy"]):
            path = alias.install(legacy=bool(rest))
            print(f"import pyotp now gives {'ferrotp.legacy' if rest else 'ferrotp'} here ({path})")
            return 0
        case ["alias", "--remove"]:
            if alias.remove():
                print("import pyotp gives pyotp again")
                return 0
            print("ferrotp: there was no alias to remove", file=sys.stderr)
            return 1
        case ["alias", "--status"]:
            print(alias.status())
            return 0
        case ["-h" | "--help"] | ["alias", "-h" | "--help"]:
            print(_USAGE)
            return 0
        case _:
            print(_USAGE, file=sys.stderr)
            return 2
