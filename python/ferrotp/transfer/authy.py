"""Authy's preferences from an Android phone: XML with a list in JSON in it. Tokens that Authy made itself have a secret
in hexadecimal and 10 seconds; those of other sites base32 and 30.
"""

from ._common import Fields, read_json
from ._containers import Xml, xml
from ._frame import Entry, Export, Options, Results, each
from ._masking import label_without
from .account import Account
from .errors import EncryptedError, MalformedError

FORMAT = "authy"
_KEYS = ("com.authy.storage.tokens.authenticator.key", "com.authy.storage.tokens.authy.key")
_SITE = Entry("decryptedSecret", ("name", "originalName"), (), None, None, "digits", None, None)
_OWN = Entry("secretSeed", ("name",), (), None, None, "digits", None, None, form="hex")
_OWN_PERIOD, _OWN_DIGITS = 10, 7


def _entry(fields: Fields) -> Account:
    if "secretSeed" in fields.names():
        account = _OWN.read(fields)
        digits = fields.number("digits", _OWN_DIGITS, 1, 10)
        return Account(account.secret, account.name, "Authy", digits=digits, period=_OWN_PERIOD)
    if fields.get("decryptedSecret") is None and fields.get("encryptedSecret") is not None:
        label = label_without(fields.first("name", "originalName"), fields.get("encryptedSecret"))
        raise EncryptedError(
            "Authy has not decrypted this token: open it in the app with the backup's password first",
            FORMAT, fields.place, label,
        )  # fmt: skip
    account = _SITE.read(fields)
    issuer, name = _names(fields, account.name)
    return account.with_names(issuer, name)


def _names(fields: Fields, name: str) -> tuple[str, str]:
    """Authy keeps the issuer before a colon in the first name, before a dash in today's, or as the sort of site."""
    original = fields.text("originalName")
    before, colon, _ = original.partition(":")
    dashed = name.partition(" - ")[0] if " - " in name else ""
    issuer = before if colon else fields.text("originalIssuer") or dashed
    if not issuer and (sort := fields.text("accountType")) not in ("", "authenticator"):
        issuer = sort.capitalize()
    for separator in (":", " - "):
        name = name.removeprefix(f"{issuer}{separator}")
    return issuer.strip(), name.strip()


def _read(document: Xml, options: Options) -> Results:
    for record in document.records(FORMAT, "string"):
        if record.attributes.get("name") in _KEYS:
            return each(read_json("".join(record.texts("")), FORMAT), FORMAT, "$", _entry)
    raise MalformedError("there is no list of tokens in it", FORMAT)


def _known(document: Xml) -> bool:
    data = document.data[: 1 << 16]
    text = data if isinstance(data, str) else data.decode("latin-1")
    return document.root == "map" and any(key in text for key in _KEYS)


EXPORT = Export(FORMAT, "Authy's preferences", "xml", _known, _read, xml)
decode = EXPORT.decode
