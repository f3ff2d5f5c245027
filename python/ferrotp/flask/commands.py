"""``flask ferrotp``: the commands of those who run the service, on the application's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..mfa import MFA
from ..web.commands import commands
from .auth import state


@contextmanager
def _service(*, needs_keys: bool, decides: bool, tenant: str | None) -> Iterator[MFA]:
    app = click.get_current_context().ensure_object(ScriptInfo).load_app()
    with app.app_context():
        mfa = state().gate.mfa
        yield mfa if tenant is None else mfa.for_tenant(tenant)


_TENANT = click.option("--tenant", metavar="NAME", help="Whose users.  [default: as the application has it]")


def add_commands(app: Flask) -> None:
    """Adds the group ``ferrotp`` to an application."""
    group = click.Group("ferrotp", help="The second factors of this application.")
    for command in commands(_service, [_TENANT]):
        group.add_command(command)
    app.cli.add_command(group)
