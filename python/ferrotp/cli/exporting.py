"""``ferrotp export``"""

import contextlib
from collections.abc import Iterator

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
    google_uris = google.encode(found.accounts) if format == "google" else []
    count = len(google_uris) or _made(target, found, reader.keep_going)
    found.tell()
    if not count:
        raise InputError("there is no account to export")

    def uris() -> Iterator[str]:
        return iter(google_uris) if google_uris else _uris(target, found)

    paths = paper.paths(count)
    if path:
        output.write_private(path, (f"{uri}\n".encode() for uri in uris()), paper.force)
        paths = [path]
    # All are drawn before the first is written: what is too long for a QR code is told before a half is there.
    codes = [paper.code(uri) for uri in uris()] if paper.path or qr else []
    if paper.path:
        for code, place in zip(codes, paths, strict=True):
            paper.write(code, place)
    if as_json:
        hidden = bool(paths)
        output.emit(
            {"format": format, "accounts": len(found.accounts), "files": paths, "uris": None if hidden else [*uris()]}
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
        for uri in uris():
            output.say(uri)
    return USAGE if found.errors else DONE


def _made(target: targets.Target | None, found: Found, keeps_going: bool) -> int:
    """How many URIs there will be. What is lost on the way becomes a note, and what the app cannot make, an error."""
    if target is None:
        return len(found.accounts)
    count = 0
    for account in found.accounts:
        try:
            _, notes = targets.uri(account, target)
        except TransferError as error:
            if not keeps_going:
                raise
            found.errors.append(error)
        else:
            found.notes += notes
            count += 1
    return count


def _uris(target: targets.Target | None, found: Found) -> Iterator[str]:
    """One after the other, without those that `_made` has told of."""
    for account in found.accounts:
        if target is None:
            yield account.uri()
        else:
            with contextlib.suppress(TransferError):
                yield targets.uri(account, target)[0]
