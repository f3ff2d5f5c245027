"""``ferrotp qr``"""

import click

from . import drawing, output
from .settings import Settings, is_uri, json_option, with_settings
from .sources import Source, secret_source


@click.command()
@secret_source
@click.option("--name", metavar="TEXT", help="Whose account it is.")
@click.option("--issuer", metavar="TEXT", help="Who asks for the code.")
@drawing.qr_options
@with_settings("legacy")
@json_option
def qr(
    source: Source, name: str | None, issuer: str | None, paper: drawing.Paper, settings: Settings, as_json: bool
) -> int:
    """Draw the QR code of a secret or URI, here or into a file.

    A URI is drawn as it is, unless an option changes it. The picture is the secret: who sees it has it.
    """
    text = source.read()
    account = settings.of(settings.account(text), name, issuer)
    if not is_uri(text) or settings.are_said() or name is not None or issuer is not None:
        text = account.uri()
    code = paper.code(text)
    for path in paper.paths(1):
        paper.write(code, path)
    if as_json:
        # Where there is no file, the picture is in the answer.
        picture = {} if paper.path else {"svg": code.svg()}
        facts = {"version": code.version, "modules": code.modules, "error_correction": code.error_correction}
        output.emit({"qr_file": paper.path, **facts, **picture})
    elif paper.path:
        output.say(f"QR code in {paper.path}")
    else:
        drawing.draw(code)
    return 0
