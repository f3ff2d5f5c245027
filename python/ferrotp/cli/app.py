"""The command: its verbs in their groups, and how it ends."""

import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from .. import __version__
from . import output, shell
from .code import code
from .demo import demo
from .doctor import doctor
from .errors import BROKEN_PIPE, DONE, INTERRUPTED, USAGE, InputError, describe, is_broken_pipe
from .exporting import export
from .importing import import_, scan_
from .keys import keys
from .mfa import mfa
from .new import new
from .qr import qr
from .uri import uri
from .verify import verify

# The help's headings. A later group of verbs is a line here.
_SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Codes": (new, code, verify),
    "URIs and QR codes": (uri, qr, scan_),
    "Accounts in and out": (import_, export),
    "Sealed secrets": (keys,),
    "The service": (mfa,),
    "This machine": (doctor, demo, shell.completion, shell.alias),
}
_EPILOG = (
    "Secrets come from a prompt, a pipe, --secret-file or --secret-env; as an argument they work, and stay in the "
    "shell's history. Exit codes: 0 yes, 1 code refused, 2 usage or bad input."
)


class _Verbs(click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(len(command.name or "") for commands in _SECTIONS.values() for command in commands)
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                room = formatter.width - widest - 6
                formatter.write_dl(
                    [(f"{command.name:{widest}}", command.get_short_help_str(room)) for command in commands]
                )


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="ferrotp %(version)s")
@click.pass_context
def ferrotp(context: click.Context) -> int:
    """One-time passwords: secrets, codes, QR codes and the accounts of authenticator apps."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        return USAGE
    return DONE


for _commands in _SECTIONS.values():
    for _command in _commands:
        ferrotp.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line, and returns its exit code. Nothing but a defect in this function is ever a traceback."""
    output.prepare()
    try:
        return _invoke(list(arguments))
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _close(INTERRUPTED)
    except Exception as error:
        if is_broken_pipe(error):
            return _close(BROKEN_PIPE)
        return _tell(error, as_json="--json" in arguments)


def _invoke(arguments: list[str]) -> int:
    instruction = os.environ.get(shell.COMPLETE)
    if instruction:
        return shell_complete(ferrotp, {}, "ferrotp", shell.COMPLETE, instruction)
    # Not `main`, which ends with 1 where a pipe breaks: that means a refused code here.
    with ferrotp.make_context("ferrotp", arguments) as context:
        code: int = ferrotp.invoke(context)
    if sys.stdout is not None:
        sys.stdout.flush()
    return code


def _tell(error: Exception, as_json: bool) -> int:
    code, fields = describe(error)
    try:
        if as_json:
            output.emit({"error": fields})
        else:
            if isinstance(error, click.UsageError) and error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            output.note(str(fields["message"]), "ferrotp")
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, InputError):  # the output is what fails
        _close(code)
    return code


def _close(code: int) -> int:
    """Lets go of standard output, so that Python does not complain at the end that it could not be flushed."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
