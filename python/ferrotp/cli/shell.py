"""``ferrotp completion`` and ``ferrotp alias``"""

import click
from click.shell_completion import get_completion_class

from .. import _alias_command as alias_command
from . import output
from .settings import json_option

COMPLETE = "_FERROTP_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(context: click.Context, shell: str, as_json: bool) -> int:
    """Print the script for completion in a shell.

    \b
    bash   echo 'eval "$(ferrotp completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(ferrotp completion zsh)"' >> ~/.zshrc
    fish   ferrotp completion fish > ~/.config/fish/completions/ferrotp.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has these three
    script = kind(context.find_root().command, {}, "ferrotp", COMPLETE).source()
    if as_json:
        output.emit({"shell": shell, "script": script})
    else:
        output.say(script)
    return 0


@click.command()
@click.option("--install", is_flag=True, help="From the next process on: as pyotp 2.12.1.")
@click.option("--legacy", is_flag=True, help="With --install: as pyotp 2.10.0.")
@click.option("--remove", is_flag=True, help="Undo it.")
@click.option("--status", is_flag=True, help="Say which it is.")
def alias(**flags: bool) -> int:
    """Put ferrotp under pyotp's name in this environment."""
    # The base install has it too, without click: it is done there.
    return alias_command.main(["alias", *(f"--{name}" for name, is_set in flags.items() if is_set)])
