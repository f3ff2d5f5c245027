"""andOTP's backup: JSON, plain, or encrypted in one of two ways; a file that is has no mark of its own."""

import hashlib
from collections.abc import Callable
from typing import Any

from ._common import Fields
from ._contents import Contents, checked
from ._frame import Entry, Export, Options, Results, each, lists
from ._json import read_json
from ._opening import aes_gcm, pbkdf2
from .account import Account
from .errors import MalformedError, TransferError, WrongKeyError

FORMAT = "andotp"
_ENTRY = Entry(name=("label",))
_LEAST, _MOST = 1_000, 5_000_000  # iterations: andOTP itself takes 140,000 to 160,000


def _entry(fields: Fields) -> Account:
    account = _ENTRY.read(fields)
    if "issuer" in fields.names() or " - " not in account.name:
        return account
    # Backups before version 0.6 have the issuer in the label.
    issuer, _, name = account.name.partition(" - ")
    return account.with_names(issuer, name)


def _read(values: list[Any], options: Options) -> Results:
    return each(values, FORMAT, "$", _entry)


def could_be_sealed(file: Contents) -> bool:
    """Whether it could be an encrypted backup: there is no more to see than its length and the number of iterations."""
    return file.size > 44 and _LEAST <= int.from_bytes(file.start(4), "big") <= _MOST


def _read_sealed(file: Contents, options: Options) -> Results:
    password = options.secret_password(SEALED).encode()
    data = memoryview(file.whole(FORMAT))
    attempts: list[Callable[[], bytes]] = []
    if could_be_sealed(file):
        attempts.append(lambda: pbkdf2(FORMAT, "sha1", password, bytes(data[4:16]), int.from_bytes(data[:4], "big")))
    attempts.append(lambda: hashlib.sha256(password).digest())  # of versions before 0.6.3
    wrong: TransferError = MalformedError("the file is too short", FORMAT)
    for attempt in attempts:
        start = 16 if len(attempts) == 2 and attempt is attempts[0] else 0
        try:
            plain = aes_gcm(FORMAT, attempt(), bytes(data[start : start + 12]), data[start + 12 :])
        except (WrongKeyError, MalformedError) as error:
            wrong = error
            continue
        return each(read_json(plain, FORMAT), FORMAT, "$", _entry)
    raise wrong


EXPORT = Export(FORMAT, "an andOTP backup", "json", lists("secret", "type", "label"), _read, read_json)
SEALED = Export(FORMAT, "an andOTP backup", "bytes", lambda file: True, _read_sealed, checked)
decode = EXPORT.decode
decode_sealed = SEALED.decode
