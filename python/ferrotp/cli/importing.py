"""``ferrotp import`` and ``ferrotp scan``"""

import dataclasses
from collections.abc import Sequence

import click

from ..transfer import MalformedError, Note, duplicates, scan, uris
from . import accounts, output
from .errors import DONE, USAGE, InputError
from .kept import Kept
from .reading import Found, Reader, contents, reader_options, scanned
from .settings import json_option
from .sources import is_asked

_show_secrets = click.option("--show-secrets", is_flag=True, help="Show the secrets, too.")


def _show(found: Found, show_secrets: bool, as_json: bool) -> int:
    if as_json:
        listed = (accounts.as_json(account, show_secrets) for account in found.accounts)
        others = {
            "duplicates": duplicates(found.accounts),
            "errors": accounts.errors_json(found.errors),
            "notes": accounts.notes_json(found.notes),
            "files": [dataclasses.asdict(report) for report in found.files],
        }
        output.emit_long("accounts", listed, others)
    else:
        accounts.show(found.accounts, show_secrets)
        if found.has_folder:
            output.say()
            rows = [["FILE", "WHAT IT IS", "ACCOUNTS", "LEFT OUT"]]
            for report in found.files:
                title = report.title or "not read"
                rows.append([output.clean(report.file), title, str(report.accounts), str(report.errors or "")])
            output.table(rows)
        found.tell()
    return USAGE if found.errors else DONE


@click.command("import")
@reader_options
@_show_secrets
@json_option
def import_(reader: Reader, show_secrets: bool, as_json: bool) -> int:
    """Read the exports of authenticator apps and token vendors.

    Each FILE is told by its contents: URIs, Google Authenticator's export (over several files, too), the files of some
    twenty apps, PSKC and other token files, or a picture of QR codes. A folder is read whole, with one report. Without
    a FILE, standard input is read. docs/transfer.md lists the formats.
    """
    return _show(reader.read(), show_secrets, as_json)


@click.command("scan")
@click.argument("pictures", nargs=-1, type=click.Path(), required=True, metavar="PICTURE...")
@_show_secrets
@json_option
def scan_(pictures: Sequence[str], show_secrets: bool, as_json: bool) -> int:
    """Read the QR codes in screenshots and photos.

    PICTURE is a PNG, JPEG, WebP, GIF or BMP file; - is standard input. It needs: pip install "ferrotp[scan]"
    """
    texts: list[str] = []
    others = 0
    for picture in pictures:
        if picture == "-" and is_asked():
            raise InputError("a picture is not typed: name its file, or send it through a pipe", "usage")
        with contents(picture) as data:
            ours, foreign = scanned(data)
        texts += ours
        others += foreign
    if not texts:
        what = "the QR codes are of something else" if others else "no QR code was found"
        raise MalformedError(f"{what}: an authenticator's begins with otpauth", scan.FORMAT)
    if others:
        output.note(f"passed over {others} QR code{'s' if others > 1 else ''} of something else", "note")
    notes: list[Note] = []
    found = Found(Kept(uris.decode(texts, on_note=notes.append)), notes=notes)
    return _show(found, show_secrets, as_json)
