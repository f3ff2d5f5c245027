"""``ferrotp keys``: the keys that secrets are sealed with."""

import os

import click

from ..vault import Keyring, KeyringError, new_key
from . import output
from .errors import InputError
from .settings import json_option


@click.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> int:
    """Make and list the keys that seal secrets."""
    if context.invoked_subcommand is None:
        raise click.UsageError("say what: new, first or list", context)
    return 0


@keys.command()
@click.option("--file", "path", metavar="FILE", help="Put the key last in FILE, which only you can read.")
@json_option
def new(path: str | None, as_json: bool) -> int:
    """Make a key. The first key of a keyring seals, the others only open.

    A new key goes last, until every process has it: one that does not could not open what another one sealed. Then put
    it first (`ferrotp keys first`), and run `rotate_keys` before you take the older ones out. Without --file the key is
    shown, to be put behind those in FERROTP_KEYS. The only key of a new FILE seals at once.
    """
    key = new_key()
    key_id = Keyring([key]).writes_with
    if path is None:
        if as_json:
            output.emit({"key": key, "key_id": key_id})
        else:
            output.say(key)
        return 0
    there = os.path.lexists(path)
    older = _lines(path) if there else []
    _write(path, [*older, key], replace=there)
    count = len(_keyring(path).key_ids)
    if as_json:
        output.emit({"file": path, "key_id": key_id, "keys": count})
    elif count == 1:
        output.say(f"key {key_id} seals; {path} has 1 key")
    else:
        output.say(f"key {key_id} opens; {path} has {count} keys")
        output.say(f"when every process has it: ferrotp keys first {key_id} --file {path}")
    return 0


@keys.command()
@click.argument("key_id")
@click.option("--file", "path", metavar="FILE", required=True, help="The file of keys.")
@json_option
def first(key_id: str, path: str, as_json: bool) -> int:
    """Put a key first, so that it seals. Do so when every process has it."""
    ids = _keyring(path).key_ids
    if key_id not in ids:
        raise InputError(f"no key of {path} has that id: ferrotp keys list --file {path}", "keys")
    lines = _lines(path)
    mine = next(line for line in lines if key_id in _ids(line))
    if _ids(mine)[0] != key_id:
        raise InputError(f"{key_id} stands behind others on its line: give it a line of its own", "keys")
    lines.remove(mine)
    _write(path, [mine, *lines], replace=True)
    if as_json:
        output.emit({"file": path, "key_id": key_id, "keys": len(ids)})
    else:
        output.say(f"key {key_id} seals from now on")
    return 0


@keys.command("list")
@click.option("--file", "path", metavar="FILE", help="The file of keys.  [default: the variable FERROTP_KEYS]")
@json_option
def list_(path: str | None, as_json: bool) -> int:
    """List the ids of keys, never the keys. The first one seals."""
    ids = _keyring(path).key_ids
    if as_json:
        output.emit({"key_ids": ids, "seals": ids[0]})
    else:
        for place, key_id in enumerate(ids):
            output.say(key_id if place else f"{key_id}  seals")
    return 0


def _keyring(path: str | None) -> Keyring:
    try:
        return Keyring.from_env() if path is None else Keyring.from_file(path)
    except KeyringError as error:
        raise InputError(str(error), "keys") from None


def _lines(path: str) -> list[str]:
    _keyring(path)  # refuses what is no file of keys, or lies open to others
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def _ids(line: str) -> tuple[str, ...]:
    keys = line.partition("#")[0]
    return Keyring(keys).key_ids if keys.strip() else ()


def _write(path: str, lines: list[str], *, replace: bool) -> None:
    """As a whole, or not at all: nothing but these keys opens what they sealed."""
    output.write_private(path, "".join(f"{line}\n" for line in lines).encode(), force=replace)
