"""``ferrotp export``"""

import click

from ..transfer import TransferError, google, targets
from . import accounts, drawing, output
from .errors import DONE, USAGE, InputError
from .reading import Found, Reader, reader_options
from .settings import json_option


@click.command()
@reader_options
@click.option(
    "--to",
    "format",
    type=click.Choice(["uris", "google"]),
    default="uris",
    help="otpauth:// URIs [default], or Google Authenticator's otpauth-migration://.",
)
@click.option(
    "--for",
    "target",
    type=click.Choice(targets.TARGETS),
    help="URIs in the form that this app reads, with a warning where something is lost.",
)
@click.option(
    "--output",
    "-o",
    "path",
    type=click.Path(),
    metavar="FILE",
    help="Write the URIs into a file, which only you can read.",
)
@click.option("--qr", is_flag=True, help="Draw QR codes here: one an account, or Google's of ten accounts.")
@drawing.qr_options
@json_option
def export(
    reader: Reader, format: str, target: targets.Target | None, path: str | None, qr: bool, paper: drawing.Paper,
    as_json: bool,
) -> int:  # fmt: skip
    """Write accounts for another app: URIs, or QR codes. They hold the secrets.

    It reads what `ferrotp import` reads. Several QR codes go into FILE-1.png, FILE-2.png and so on.
    """
    if bool(path) + qr + bool(paper.path) > 1:
        raise InputError("one of --output, --qr and --qr-file", "usage")
    if qr and as_json:
        raise InputError("--qr is for people: with --json use --qr-file", "usage")
    if target and format == "google":
        raise InputError("--to google has one form: without --for", "usage")
    found = reader.read()
    if target and found.accounts:
        uris = _for(target, found, reader.keep_going)
        found.tell()
    else:
        found.tell()
        uris = google.encode(found.accounts) if format == "google" else [account.uri() for account in found.accounts]
    if not uris:
        raise InputError("there is no account to export")
    paths = paper.paths(len(uris))
    if path:
        output.write_private(path, "".join(f"{uri}\n" for uri in uris).encode(), paper.force)
        paths = [path]
    # All are drawn before the first is written: what is too long for a QR code is told before a half is there.
    codes = [paper.code(uri) for uri in uris] if paper.path or qr else []
    if paper.path:
        for code, place in zip(codes, paths, strict=True):
            paper.write(code, place)
    if as_json:
        hidden = bool(paths)
        output.emit(
            {"format": format, "accounts": len(found.accounts), "files": paths, "uris": None if hidden else uris}
            | ({"for": target, "notes": accounts.notes_json(found.notes)} if target else {})
        )
    elif qr:
        for number, code in enumerate(codes, 1):
            output.say(f"{number} of {len(codes)}")
            drawing.draw(code)
    elif paths:
        for place in paths:
            output.say(place)
    else:
        for uri in uris:
            output.say(uri)
    return USAGE if found.errors else DONE


def _for(target: targets.Target, found: Found, keeps_going: bool) -> list[str]:
    """The URIs for an app. What is lost becomes a note, and what the app cannot make, an error."""
    uris = []
    for account in found.accounts:
        try:
            uri, notes = targets.uri(account, target)
        except TransferError as error:
            if not keeps_going:
                raise
            found.errors.append(error)
            continue
        uris.append(uri)
        found.notes += notes
    return uris
