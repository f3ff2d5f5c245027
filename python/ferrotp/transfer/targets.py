"""Writing for another app: the form of a URI that it reads, and what is lost on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from .account import Account
from .errors import UnsupportedError
from .notes import Note

Target = Literal["google", "aegis", "2fas", "ente", "steam"]
TARGETS: tuple[Target, ...] = ("google", "aegis", "2fas", "ente", "steam")


@dataclass(frozen=True)
class _App:
    """What an app makes of a URI.

    - `steam`: how it takes Steam's secrets: as a kind of its own in the URI; None if it has no Steam codes
    - `ignored`: fields that it reads and does not keep, with what it takes instead
    """

    title: str
    steam: str | None
    digits: tuple[int, ...] = (6, 7, 8)
    ignored: tuple[tuple[str, Callable[[Account], bool], str], ...] = ()
    has_hotp: bool = True


_APPS: dict[str, _App] = {
    "google": _App(
        "Google Authenticator",
        None,
        digits=(6, 8),
        ignored=(
            ("period", lambda account: account.kind == "totp" and account.period != 30, "30 seconds are taken"),
            ("algorithm", lambda account: account.algorithm != "SHA1", "older versions take SHA1"),
            ("digits", lambda account: account.digits != 6, "older versions on Android show 6 digits"),
        ),
    ),
    "aegis": _App("Aegis", "steam", digits=(5, 6, 7, 8, 9, 10)),
    "2fas": _App("2FAS", "totp", digits=(5, 6, 7, 8)),
    "ente": _App("Ente Auth", "steam"),
}


def uri(account: Account, target: Target) -> tuple[str, list[Note]]:
    """The URI for an app, and a `Note` for each thing that is lost in it. It holds the secret.

    ``steam`` is the ``steam://`` URI that password managers take for Steam's codes.

    :raises UnsupportedError: if the app cannot make this account's codes at all
    """
    if target == "steam":
        if account.kind != "steam":
            raise UnsupportedError("a steam:// URI is for Steam's codes alone", target, account=account.label)
        notes = [_lost("name", "a steam:// URI has no name", account)] if account.label else []
        return f"steam://{account.base32()}", notes
    app = _APPS[target]
    notes = [
        _lost(field, f"{app.title} ignores the {field}: {instead}", account)
        for field, is_lost, instead in app.ignored
        if is_lost(account)
    ]
    if account.kind == "steam" and app.steam is None:
        raise UnsupportedError(f"{app.title} has no Steam codes", target, account=account.label)
    if account.kind != "steam" and account.digits not in app.digits:
        raise UnsupportedError(f"{app.title} has no codes of this length", target, account=account.label)
    if account.algorithm == "MD5":
        raise UnsupportedError(f"{app.title} has no MD5", target, account=account.label)
    if account.serial and account.name:
        notes.append(_lost("serial", "the serial number is not in a URI", account))
    return _written(account, app), notes


def _written(account: Account, app: _App) -> str:
    kind = app.steam if account.kind == "steam" else account.kind
    name = account.name or account.serial or ""
    label = quote(name, safe="@") if not account.issuer else f"{quote(account.issuer, safe='')}:{quote(name, safe='@')}"
    said = [("secret", account.base32())]
    if account.issuer:
        said.append(("issuer", account.issuer))
    elif account.kind == "steam" and kind == "totp":
        said.append(("issuer", "Steam"))
    if account.kind == "steam":
        said.append(("digits", "5"))
    else:
        # All is said, also the defaults: apps differ in them.
        said += [("algorithm", account.algorithm), ("digits", str(account.digits))]
        said.append(("period", str(account.period)) if account.kind == "totp" else ("counter", str(account.counter)))
    return f"otpauth://{kind}/{label}?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in said)


def _lost(field: str, message: str, account: Account) -> Note:
    return Note(f"lost-{field}", message, None, account.label, matters=True)
