"""Accounts as people and programs see them: without their secrets, unless they are asked for."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ..transfer import Account, Note, TransferError, duplicates
from . import output
from .errors import transfer_fields


def label(account: Account) -> str:
    """Issuer and name, fit for a terminal."""
    return output.clean(account.label)


def sort(account: Account) -> str:
    """Its kind and what belongs to it, in a few words."""
    if account.kind == "steam":
        return "Steam"
    words = [account.kind.upper(), f"{account.digits} digits"]
    words.append(f"{account.period} s" if account.kind == "totp" else f"counter {account.counter}")
    if account.algorithm != "SHA1":
        words.append(account.algorithm)
    return ", ".join(words)


def grouped(secret: str) -> str:
    """Base32 as people read it aloud and type it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def as_json(account: Account, with_secret: bool = False) -> dict[str, Any]:
    """The same keys for every kind; null where one has no meaning."""
    value: dict[str, Any] = {
        "name": account.name,
        "issuer": account.issuer,
        "kind": account.kind,
        "algorithm": account.algorithm,
        "digits": account.digits,
        "period": account.period if account.kind != "hotp" else None,
        "counter": account.counter if account.kind == "hotp" else None,
        "serial": account.serial,
        "secret_bits": len(account.secret) * 8,
    }
    if with_secret:
        value |= {"secret": account.base32(), "uri": account.uri()}
    return value


def show(accounts: Collection[Account], with_secrets: bool) -> None:
    """A table."""
    if not accounts:
        output.say("no accounts")
        return
    first: dict[int, int] = {}
    for places in duplicates(accounts):
        for place in places[1:]:
            first.setdefault(place, places[0] + 1)

    def rows() -> Iterator[list[str]]:
        yield ["", "ISSUER", "NAME", "CODES", "SECRET"]
        for number, account in enumerate(accounts, 1):
            secret = account.base32() if with_secrets else f"{len(account.secret) * 8} bits"
            if number - 1 in first:
                secret += f", as in {first[number - 1]}"
            name = output.clean(account.name or account.serial or "")
            yield [str(number), output.clean(account.issuer or ""), name, sort(account), secret]

    output.long_table(rows)


def notes_json(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """What was odd."""
    return [dataclasses.asdict(note) for note in notes]


def errors_json(errors: Iterable[TransferError]) -> list[dict[str, Any]]:
    """What was left out."""
    return [transfer_fields(error) for error in errors]
