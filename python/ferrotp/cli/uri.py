"""``ferrotp uri``"""

from urllib.parse import parse_qsl

import click

from ..transfer import Account, TransferError, google, uris
from ..transfer._masking import masked
from . import accounts, output
from .errors import InputError, describe
from .settings import account_of, is_uri, json_option
from .sources import Source, secret_source

_KNOWN = {"secret", "issuer", "algorithm", "encoder", "digits", "period", "counter", "image"}
_DEFAULT = " (not said: the default)"
# Said here in more words.
_OURS = {"no-counter", "padding", "secret-spaces", "unknown-parameter"}


@click.command()
@secret_source
@click.option("--show-secret", is_flag=True, help="Show the secret, too.")
@json_option
def uri(source: Source, show_secret: bool, as_json: bool) -> int:
    """Explain an otpauth:// URI, with a sentence for each oddity.

    The secret is left out, unless --show-secret is given. Exit code 0 says that the URI can be read, warnings or not;
    what is refused is explained, too.
    """
    text = source.read()
    reading = uris.explain(text) if is_uri(text) and not text.startswith(google.PREFIX) else None
    if reading is not None and reading.error is not None:
        return _refused(reading, reading.error, as_json)
    account = account_of(text, tells=False)
    said = _parameters(text)
    warnings = _warnings(account, text, said)
    warnings += [(note.kind, note.message) for note in reading.notes if note.kind not in _OURS] if reading else []
    if as_json:
        output.emit(
            {
                **accounts.as_json(account),
                **({"secret": account.base32()} if show_secret else {}),
                "said": None if said is None else sorted(said),
                "image": (said or {}).get("image"),
                "warnings": [{"kind": kind, "message": message} for kind, message in warnings],
            }
        )
        return 0
    output.fields(_fields(account, said, show_secret))
    if warnings:
        output.say()
    for _, message in warnings:
        output.say(f"{output.styled('warning', fg='yellow')}: {output.clean(message)}")
    return 0


def _refused(reading: uris.Reading, error: TransferError, as_json: bool) -> int:
    """Why it cannot be read, and what else is odd."""
    code, fields = describe(InputError(error.reason))
    if as_json:
        warnings = [{"kind": note.kind, "message": note.message} for note in reading.notes]
        output.emit({"error": {**fields, **({"warnings": warnings} if warnings else {})}})
        return code
    for note in reading.notes:
        output.note(note.message, "note")
    output.note(str(fields["message"]), "ferrotp")
    return code


def _parameters(text: str) -> dict[str, str] | None:
    """What the URI says; None where it is no otpauth:// URI. Of unknown names the value may be a secret."""
    if not is_uri(text) or text.startswith(google.PREFIX):
        return None
    query = text.partition("?")[2]
    return {masked(name).lower(): value for name, value in parse_qsl(query, keep_blank_values=True)}


def _fields(account: Account, said: dict[str, str] | None, show_secret: bool) -> list[tuple[str, str]]:
    def default(name: str) -> str:
        return _DEFAULT if said is not None and not said.get(name) else ""

    bits = f"{len(account.secret) * 8} bits"
    kinds = {
        "totp": "TOTP: the clock is the counter",
        "hotp": "HOTP: every code used is counted",
        "steam": "Steam Guard: TOTP with letters",
    }
    rows = [
        ("kind", kinds[account.kind]),
        ("issuer", output.clean(account.issuer or "none")),
        ("name", output.clean(account.name or "none")),
        ("secret", f"{accounts.grouped(account.base32())} ({bits})" if show_secret else f"{bits}, not shown"),
    ]
    if account.kind != "steam":
        rows.append(("algorithm", account.algorithm + default("algorithm")))
        rows.append(("digits", f"{account.digits}{default('digits')}"))
    if account.kind == "totp":
        rows.append(("period", f"{account.period} s{default('period')}"))
    if account.kind == "hotp":
        rows.append(("counter", f"{account.counter}{default('counter')}"))
    if said and "image" in said:
        rows.append(("image", output.clean(said["image"])))
    return rows


def _warnings(account: Account, text: str, said: dict[str, str] | None) -> list[tuple[str, str]]:
    """What is weak, and what apps do differently: kind and sentence."""
    found = []
    bits = len(account.secret) * 8
    if bits < 112:
        found.append(("short-secret", f"the secret has {bits} bits: pyotp 2.12 and ferrotp refuse it under 112"))
    elif bits < 128:
        found.append(("short-secret", f"the secret has {bits} bits: RFC 4226 asks for 128, and recommends 160"))
    if account.kind == "steam":
        found.append(("steam", "few apps know Steam's codes: others show six digits, which are wrong"))
    elif account.algorithm != "SHA1":
        found.append(
            ("algorithm", "Google Authenticator has ignored the algorithm, and taken SHA1: its codes are wrong")
        )
    if account.kind != "steam" and account.digits != 6:
        found.append(("digits", "Google Authenticator on Android has ignored the digits, and shown 6"))
    if account.kind == "totp" and account.period > 120:
        found.append(("long-period", "a code lives longer than 2 minutes: pyotp 2.12 and ferrotp refuse it"))
    if account.kind == "totp" and account.period != 30:
        found.append(("period", "Google Authenticator has ignored the period, and taken 30 seconds"))
    if not account.issuer:
        found.append(("no-issuer", "no issuer: in an app with many accounts nobody can tell whose code it is"))
    if not account.name and is_uri(text):
        found.append(("no-name", "no name: two accounts at one site cannot be told apart, and some apps refuse it"))
    if said is not None:
        if account.kind == "hotp" and not said.get("counter"):
            found.append(("no-counter", "an HOTP URI must say its counter: some apps refuse it"))
        if "=" in said.get("secret", "") or " " in said.get("secret", ""):
            found.append(("padding", "the secret has padding or spaces: some apps refuse it"))
        others = sorted(set(said) - _KNOWN)
        if others:
            found.append(("unknown-parameter", f"apps do not know: {', '.join(others)}"))
    return found
