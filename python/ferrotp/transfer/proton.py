"""Proton Authenticator's export, plain or encrypted: JSON, with a URI for each entry."""

from typing import Any

from ._common import Fields
from ._frame import Export, Options, Results, each
from ._json import read_json
from ._opening import aes_gcm, argon2id
from .account import Account
from .errors import MalformedError, UnsupportedError
from .uris import value_account

FORMAT = "proton"
_BOUND = b"proton.authenticator.export.v1"


def _known(values: Any) -> bool:
    return isinstance(values, dict) and ("entries" in values or {"salt", "content"} <= values.keys())


def _read(values: dict[str, Any], options: Options) -> Results:
    top = Fields(values, FORMAT, "$")
    if "entries" not in values:
        _check(top)
        password = options.secret_password(EXPORT).encode()
        key = argon2id(FORMAT, password, top.base64("salt"), passes=2, memory=19 * 1024, lanes=1)
        sealed = top.base64("content")
        values = read_json(aes_gcm(FORMAT, key, sealed[:12], sealed[12:], _BOUND), FORMAT)
        if not isinstance(values, dict) or "entries" not in values:
            raise MalformedError("there are no entries in the export", FORMAT)
        top = Fields(values, FORMAT, "$")
    _check(top)

    def entry(fields: Fields) -> Account:
        content = fields.inner("content")
        return value_account(content.text("uri"), FORMAT, f"{content.place}.uri", options, "", content.text("name"))

    return each(values["entries"], FORMAT, "$.entries", entry)


def _check(top: Fields) -> None:
    if top.number("version", 1, 0, 1 << 31) != 1:
        raise top.wrong(UnsupportedError, "the export has another version than 1", "version")


EXPORT = Export(FORMAT, "a Proton Authenticator export", "json", _known, _read, read_json)
decode = EXPORT.decode
