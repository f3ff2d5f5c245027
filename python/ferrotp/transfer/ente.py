"""Ente Auth's encrypted export. The plain one is a text of URIs: `ferrotp.transfer.uris`."""

from typing import Any

from ._common import Fields
from ._contents import Contents
from ._frame import Export, Options, Results, has
from ._json import read_json
from ._opening import argon2id, secretstream
from .errors import UnsupportedError
from .uris import lines_accounts

FORMAT = "ente"


def _read(values: dict[str, Any], options: Options) -> Results:
    top = Fields(values, FORMAT, "$")
    if top.number("version", 1, 0, 1 << 31) != 1:
        raise top.wrong(UnsupportedError, "the export has another version than 1", "version")
    password = options.secret_password(EXPORT).encode()
    cost = top.inner("kdfParams")
    key = argon2id(
        FORMAT,
        password,
        cost.base64("salt"),
        passes=cost.number("opsLimit", 0, 0, 1 << 31),
        memory=cost.number("memLimit", 0, 0, 1 << 62) // 1024,
        lanes=1,
    )
    plain = secretstream(FORMAT, key, top.base64("encryptionNonce"), top.base64("encryptedData"))
    return lines_accounts(Contents(plain).lines(FORMAT), options, FORMAT)


EXPORT = Export(FORMAT, "an encrypted Ente Auth export", "json", has("kdfParams", "encryptedData"), _read, read_json)
decode = EXPORT.decode
