"""``ferrotp`` and ``python -m ferrotp``: the command line if its extra is there; `alias` and ``--version`` always."""

import sys

_INSTALL = 'ferrotp: the other commands need the extra "cli": pip install "ferrotp[cli]"'


def run() -> int:
    """The program. Its exit code."""
    arguments = sys.argv[1:]
    try:
        import click  # noqa: F401  # only whether it is there

        from .cli.app import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
    except KeyboardInterrupt:  # while it loads
        return 130
    else:
        return run(arguments)
    if arguments == ["--version"]:
        from . import __version__

        print(f"ferrotp {__version__}")
        return 0
    from ._alias_command import main

    code = main(arguments)
    if arguments[:1] != ["alias"]:
        print(_INSTALL, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(run())
