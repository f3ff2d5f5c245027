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
        raise click.UsageError("say what: new or list", context)
    return 0


@keys.command()
@click.option("--file", "path", metavar="FILE", help="Put the key first in FILE, which only you can read.")
@json_option
def new(path: str | None, as_json: bool) -> int:
    """Make a key. The first key of a keyring seals, the others only open.

    Without --file it is shown, to be put before the keys in FERROTP_KEYS. With --file the keys that FILE has stay
    behind the new one; run `rotate_keys` before you take them out.
    """
    key = new_key()
    key_id = Keyring([key]).writes_with
    if path is None:
        if as_json:
            output.emit({"key": key, "key_id": key_id})
        else:
            output.say(key)
        return 0
    older = ""
    there = os.path.lexists(path)
    if there:
        _keyring(path)  # refuses what is no file of keys, or lies open to others
        with open(path, encoding="utf-8") as file:
            older = file.read()
    # As a whole, or not at all: nothing but these keys opens what they sealed.
    output.write_private(path, f"{key}\n{older}".encode(), force=there)
    count = len(_keyring(path).key_ids)
    if as_json:
        output.emit({"file": path, "key_id": key_id, "keys": count})
    else:
        output.say(f"key {key_id} seals from now on; {path} has {count} {'key' if count == 1 else 'keys'}")
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
