"""Authy's tokens: its preferences from an Android phone, XML with a list in JSON in it; and the list that its server
sends and its makers hand out, JSON, in which the secrets are encrypted.

Tokens that Authy made itself have a secret in hexadecimal and 10 seconds; those of other sites base32 and 30. Each
secret is encrypted by itself, under the password of the backup: PBKDF2 with SHA-1, and AES-CBC without a tag.
"""

from functools import partial
from typing import Any

from ._common import Fields, base32
from ._frame import Entry, Export, Options, Results, each, has
from ._json import is_list, read_json
from ._masking import label_without
from ._opening import WRONG, Budget, aes_cbc, pbkdf2
from ._xml import Xml, xml
from .account import Account
from .errors import EncryptedError, MalformedError, WrongKeyError

FORMAT = "authy"
_KEYS = ("com.authy.storage.tokens.authenticator.key", "com.authy.storage.tokens.authy.key")
_SITE = Entry("decryptedSecret", ("name", "originalName"), (), None, None, "digits", None, None)
_OWN = Entry("secretSeed", ("name",), (), None, None, "digits", None, None, form="hex")
_OWN_PERIOD, _OWN_DIGITS = 10, 7
_ITERATIONS = 1_000
# Each token has a key of its own: 400 tokens of today's 100,000 rounds.
_MOST_ITERATIONS = 40_000_000
# One name for a field, which the preferences and the server's list call differently.
_RENAMED = {
    "encrypted_seed": "encryptedSecret",
    "original_name": "originalName",
    "issuer": "originalIssuer",
    "account_type": "accountType",
    "unique_iv": "uniqueIv",
    "key_derivation_iterations": "keyDerivationIterations",
}


def _entry(options: Options, budget: Budget, said: Fields) -> Account:
    fields = Fields({_RENAMED.get(name, name): value for name, value in said.all().items()}, FORMAT, said.place)
    if "secretSeed" in fields.names():
        account = _OWN.read(fields)
        digits = fields.number("digits", _OWN_DIGITS, 1, 10)
        return Account(account.secret, account.name, "Authy", digits=digits, period=_OWN_PERIOD)
    if _is_sealed(fields.all()):
        fields.account = label_without(fields.first("name", "originalName"), fields.get("encryptedSecret"))
        fields.all()["decryptedSecret"] = _opened(fields, options, budget)
    account = _SITE.read(fields)
    issuer, name = _names(fields, account.name)
    return account.with_names(issuer, name)


def _is_sealed(values: Any) -> bool:
    sealed = ("encryptedSecret", "encrypted_seed")
    is_open = not isinstance(values, dict) or values.get("decryptedSecret") is not None
    return not is_open and any(values.get(name) is not None for name in sealed)


def _opened(fields: Fields, options: Options, budget: Budget) -> str:
    """The secret of a token, in base32."""
    if options.password is None:
        raise fields.wrong(
            EncryptedError,
            "Authy has not decrypted this token: give the backup's password, or open the token in the app first",
        )
    iterations = fields.number("keyDerivationIterations", _ITERATIONS, 0, 1 << 31)
    budget.spend(iterations)
    key = pbkdf2(FORMAT, "sha1", options.password.encode(), fields.text("salt").encode(), iterations)
    iv = fields.hex("uniqueIv") or bytes(16)
    plain = aes_cbc(FORMAT, key, iv, fields.base64("encryptedSecret"))
    text = plain.decode("ascii", "replace")
    if not base32(text):  # the padding of a wrong key is right once in 256 times
        raise fields.wrong(WrongKeyError, WRONG)
    return text


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


def _tokens(values: Any, export: Export, place: str, options: Options) -> Results:
    if is_list(values) and len(values) and all(map(_is_sealed, values)):
        options.secret_password(export)  # there is nothing to read without it
    return each(values, FORMAT, place, partial(_entry, options, Budget(FORMAT, _MOST_ITERATIONS)))


def _read(document: Xml, options: Options) -> Results:
    for record in document.records(FORMAT, "string"):
        if record.attributes.get("name") in _KEYS:
            return _tokens(read_json("".join(record.texts("")), FORMAT), EXPORT, "$", options)
    raise MalformedError("there is no list of tokens in it", FORMAT)


def _read_server(values: dict[str, Any], options: Options) -> Results:
    return _tokens(values["authenticator_tokens"], SERVER, "$.authenticator_tokens", options)


def _known(document: Xml) -> bool:
    start = document.document.start(1 << 16)
    return document.root == "map" and any(key.encode() in start for key in _KEYS)


EXPORT = Export(FORMAT, "Authy's preferences", "xml", _known, _read, xml)
SERVER = Export(FORMAT, "Authy's encrypted tokens", "json", has("authenticator_tokens"), _read_server, read_json)
decode = EXPORT.decode
decode_server = SERVER.decode
