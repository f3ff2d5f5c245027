"""``ferrotp new``"""

import secrets

import click

from ..transfer import Account
from . import accounts, drawing, output
from .errors import InputError
from .settings import Number, Settings, json_option, with_settings

# RFC 6238, section 5.1: as long as the hash.
_LENGTHS = {"SHA1": 20, "SHA256": 32, "SHA512": 64}


@click.command()
@click.argument("name", required=False)
@click.option("--issuer", metavar="TEXT", help="Who asks for the code: your site.")
@click.option("--bytes", "length", type=Number(20, 64), metavar="N", help="Length.  [default: as the hash]")
@click.option("--qr/--no-qr", default=None, help="Draw the QR code here.  [default: on a terminal]")
@click.option("--no-secret", is_flag=True, help="Show neither secret nor URI: --qr-file has them.")
@drawing.qr_options
@with_settings("legacy")
@json_option
def new(
    name: str | None,
    issuer: str | None,
    length: int | None,
    qr: bool | None,
    no_secret: bool,
    paper: drawing.Paper,
    settings: Settings,
    as_json: bool,
) -> int:
    """Make a new secret, with its URI and QR code.

    NAME is whose account it is: alice@example.com. The secret is shown this once, and kept nowhere.
    """
    if no_secret and not paper.path:
        raise InputError("--no-secret needs --qr-file, or nobody ever sees the secret", "usage")
    algorithm = settings.algorithm or "SHA1"
    draft = Account(secrets.token_bytes(length or _LENGTHS[algorithm]))
    account = settings.of(draft, name or "Secret", issuer)
    if account.kind != "steam" and account.digits not in (6, 7, 8):
        raise InputError("codes have 6, 7 or 8 digits", "usage")
    settings.otp(account)  # refuses what would be refused later
    uri = account.uri()
    code = paper.code(uri)
    for path in paper.paths(1):
        paper.write(code, path)
    shown = {} if no_secret else {"secret": account.base32(), "uri": uri}
    if as_json:
        output.emit({**accounts.as_json(account), **shown, "qr_file": paper.path})
        return 0
    if qr if qr is not None else output.is_terminal() and not paper.path:
        try:
            drawing.draw(code)
        except InputError as error:  # what stands below is as good
            output.note(str(error))
    if not no_secret:
        output.fields([("secret", accounts.grouped(account.base32())), ("uri", uri)])
    if paper.path:
        output.say(f"QR code in {paper.path}")
    return 0
