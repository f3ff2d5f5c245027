"""1Password's exports: 1PUX, which is a ZIP with JSON in it, that JSON alone, and CSV."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ._common import Fields
from ._csv import read_csv
from ._frame import Export, Options, Results, each
from ._json import first_of, is_list, read_json
from ._vaults import VaultCsv
from ._zip import Zip, read_zip
from .account import Account
from .errors import MalformedError, TransferError
from .uris import value_account

FORMAT = "1password"
_DATA = "export.data"


def _known(values: Any) -> bool:
    first = first_of(values.get("accounts")) if isinstance(values, dict) else None
    return isinstance(first, dict) and "vaults" in first


def _read(values: dict[str, Any], options: Options) -> Iterator["Account | TransferError"]:
    for number, account in enumerate(values["accounts"]):
        vaults = Fields(account, FORMAT, f"$.accounts[{number}]")
        for at, vault in enumerate(_list(vaults, "vaults")):
            fields = Fields(vault, FORMAT, f"{vaults.place}.vaults[{at}]")
            # A list for each item, since it may have several codes.
            place = f"{fields.place}.items"
            for group in each(_list(fields, "items"), FORMAT, place, partial(_item, options)):
                if isinstance(group, TransferError):
                    yield group
                else:
                    yield from group


def _list(fields: Fields, name: str, may_lack: bool = False) -> Any:
    values = fields.get(name)
    if values is None and may_lack:
        return []
    if not is_list(values):
        raise fields.wrong(MalformedError, "not a list", name)
    return values


def _item(options: Options, item: Fields) -> list["Account | TransferError"]:
    fields = item.inner("item") if "item" in item.names() else item
    if "details" not in fields.names():
        return []
    details, overview = fields.inner("details"), fields.inner("overview")
    title, name, private = overview.text("title"), "", []
    for field in _list(details, "loginFields", may_lack=True):
        login = Fields(field, FORMAT, f"{details.place}.loginFields")
        if login.get("designation") == "username":
            name = login.text("value")
        else:
            private.append(login.get("value"))
    found: list[Account | TransferError] = []
    for at, section in enumerate(_list(details, "sections", may_lack=True)):
        part = Fields(section, FORMAT, f"{details.place}.sections[{at}]")
        for number, field in enumerate(_list(part, "fields", may_lack=True)):
            value = Fields(field, FORMAT, f"{part.place}.fields[{number}]")
            if not isinstance(value.get("value"), dict) or "totp" not in value.get("value"):
                continue
            place = f"{value.place}.value.totp"
            try:
                text = value.text("value.totp")
                if text.strip():
                    found.append(value_account(text, FORMAT, place, options, title, name, tuple(private)))
            except TransferError as error:
                found.append(error)
    return found


def _read_zip(archive: Zip, options: Options) -> Results:
    values = read_json(archive.member(_DATA, FORMAT), FORMAT)
    if not _known(values):
        raise MalformedError("there are no accounts in the export", FORMAT)
    return _read(values, options)


_CSV = VaultCsv(FORMAT, "otpauth", ("title",), ("username",), ("password", "notes"), ("title", "username", "password"))
EXPORT = Export(FORMAT, "a 1Password export", "json", _known, _read, read_json)
ARCHIVE = Export(FORMAT, "a 1Password export", "zip", lambda archive: _DATA in archive.names, _read_zip, read_zip)
TABLE = Export(FORMAT, "a 1Password CSV", "csv", _CSV.known, _CSV.read, read_csv)
decode = ARCHIVE.decode
decode_data = EXPORT.decode
decode_csv = TABLE.decode
