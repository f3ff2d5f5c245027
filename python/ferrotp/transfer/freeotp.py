"""FreeOTP+'s export, in JSON; FreeOTP's ``tokens.xml``; and FreeOTP's encrypted ``externalBackup.xml``, which is no
XML, but a map of texts in Java's serialization.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ._common import Fields, tried
from ._contents import Contents, checked
from ._frame import Entry, Export, Options, Results, each, has, signed_bytes
from ._json import read_json
from ._opening import aes_gcm, pbkdf2
from ._xml import Record, Xml, xml
from .account import Account
from .errors import LimitError, MalformedError, TransferError, UnsupportedError

FORMAT, PLUS = "freeotp", "freeotp+"
_ENTRY = Entry("secret", ("label",), ("issuerExt", "issuerInt", "issuer"), algorithm="algo", form="bytes")
_STEAM = Entry("secret", ("label",), ("issuerExt", "issuerInt"), "type", "algo", form="bytes", kinds={"totp": "steam"})
_JAVA = b"\xac\xed\x00\x05"
_MOST_TEXTS = 300_000


def _entry(fields: Fields) -> Account:
    # FreeOTP makes Steam's codes where the issuer is Steam, and has no kind for them.
    is_steam = fields.text("issuerExt") == "Steam" and str(fields.get("type")).lower() == "totp"
    return (_STEAM if is_steam and fields.get("digits") in (None, 5) else _ENTRY).read(fields)


def _read_plus(values: dict[str, Any], options: Options) -> Results:
    return each(values["tokens"], PLUS, "$.tokens", _entry)


# FreeOTP before version 2: Android's preferences, a text of JSON for each token.


def _known_xml(document: Xml) -> bool:
    return document.root == "map"


def _read_xml(document: Xml, options: Options) -> Results:
    return tried(_token, enumerate(document.records(FORMAT, "string"), 1))


def _token(item: tuple[int, Record]) -> Account | None:
    number, record = item
    if record.attributes.get("name") == "tokenOrder":
        return None
    place = f"map/string[{number}]"
    with _at(place):
        return _entry(Fields(read_json("".join(record.texts("")), FORMAT), FORMAT, place))


@contextmanager
def _at(place: str) -> Iterator[None]:
    """An error within a text that an entry has in it is at the entry's place."""
    try:
        yield
    except TransferError as error:
        where = error.place if (error.place or "").startswith(place) else place
        raise type(error)(error.reason, FORMAT, where, error.account) from None


# FreeOTP 2.


def _read_sealed(file: Contents, options: Options) -> Results:
    password = options.secret_password(SEALED).encode()
    texts = list(_java_texts(file.whole(FORMAT)))
    # A map is written as name, value, name, value; before them stand names of classes and fields, which are no texts.
    values = dict(zip(texts[::2], texts[1::2], strict=False))
    if len(texts) % 2 or "masterKey" not in values:
        raise MalformedError("the map of the backup has no master key, or is cut off", FORMAT)
    master = Fields(read_json(values["masterKey"], FORMAT), FORMAT, "masterKey")
    hash = re.fullmatch(r"PBKDF2withHmacSHA(1|256|512)", master.text("mAlgorithm"), re.IGNORECASE)
    if not hash:
        raise master.wrong(UnsupportedError, "another key derivation than PBKDF2", "mAlgorithm")
    iterations, salt = master.number("mIterations", 0, 0, 1 << 31), signed_bytes(master, "mSalt")
    if len(salt) not in (16, 24, 32):
        raise master.wrong(MalformedError, "not 32 bytes", "mSalt")
    own = pbkdf2(FORMAT, f"sha{hash[1]}", password, salt, iterations, len(salt))
    # A key and a token for each name; "masterKey" has no token.
    names = [name for name in values if f"{name}-token" in values]
    tokens = [name.removesuffix("-token") for name in values if name.endswith("-token")]
    names += [name for name in tokens if name not in values]
    read = partial(_sealed_token, values, _opened(master.inner("mEncryptedKey"), own))
    return tried(read, enumerate(names, 1))


def _sealed_token(values: dict[str, str], key: bytes, item: tuple[int, str]) -> Account:
    number, name = item
    place = f"token {number}"
    if name not in values:
        raise MalformedError("a token has no key in the backup", FORMAT, place)
    with _at(place):
        token = read_json(values[f"{name}-token"], FORMAT)
        wrapper = Fields(read_json(values[name], FORMAT), FORMAT, place)
        inner = wrapper.get("key")
        sealed = Fields(read_json(inner, FORMAT) if isinstance(inner, str) else inner, FORMAT, f"{place}.key")
        return _entry(Fields({**Fields(token, FORMAT, place).all(), "secret": [*_opened(sealed, key)]}, FORMAT, place))


def _opened(sealed: Fields, key: bytes) -> bytes:
    if sealed.text("mCipher") != "AES/GCM/NoPadding":
        raise sealed.wrong(UnsupportedError, "another cipher than AES-GCM", "mCipher")
    parameters = signed_bytes(sealed, "mParameters")
    # DER (RFC 5084): a sequence of the nonce and the length of the tag, 16.
    length = parameters[3] if len(parameters) > 3 else 0
    nonce = parameters[4 : 4 + length]
    if parameters != bytes([0x30, length + 5, 0x04, length]) + nonce + b"\x02\x01\x10":
        raise sealed.wrong(MalformedError, "not the parameters of AES-GCM", "mParameters")
    return aes_gcm(FORMAT, key, nonce, signed_bytes(sealed, "mCipherText"), sealed.text("mToken").encode())


def _java_texts(data: bytes) -> Iterator[str]:
    """The texts of a serialized map, in their order. Objects of other classes are refused."""
    position = len(_JAVA)

    def take(length: int) -> bytes:
        nonlocal position
        part = data[position : position + length]
        if len(part) < length:
            raise MalformedError("the backup is cut off", FORMAT)
        position += length
        return part

    def text(length: int) -> str:
        try:
            return take(length).replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise MalformedError("a text is not UTF-8", FORMAT) from None

    # An object; a class: its name, number, flags and fields; no annotation; no class above it.
    if take(2) != b"sr" or text(*struct.unpack(">H", take(2))) != "java.util.HashMap":
        raise MalformedError("not a serialized map", FORMAT)
    take(9)
    fields = [(take(1), text(*struct.unpack(">H", take(2)))) for _ in range(struct.unpack(">H", take(2))[0])]
    if any(kind not in (b"F", b"I") for kind, _ in fields) or len(fields) > 4:
        raise MalformedError("not a serialized map", FORMAT)
    if take(1) != b"x" or take(1) != b"p":
        raise MalformedError("not a serialized map", FORMAT)
    take(4 * len(fields))
    if take(1) == b"w":
        take(take(1)[0])
    else:
        raise MalformedError("not a serialized map", FORMAT)
    handles: list[str] = []
    for _ in range(_MOST_TEXTS):
        mark = take(1)
        if mark == b"x":
            return
        if mark in (b"t", b"|"):
            length = struct.unpack(">H", take(2))[0] if mark == b"t" else struct.unpack(">Q", take(8))[0]
            handles.append(text(length))
            yield handles[-1]
        elif mark == b"q":  # the same text as before; the class and the map have the first two numbers
            number = struct.unpack(">I", take(4))[0] - 0x7E0002
            if not 0 <= number < len(handles):
                raise MalformedError("not a serialized map", FORMAT)
            yield handles[number]
        else:
            raise UnsupportedError("the map holds other things than texts", FORMAT)
    raise LimitError("the map is too large", FORMAT)


EXPORT = Export(PLUS, "a FreeOTP+ export", "json", has("tokens"), _read_plus, read_json)
TOKENS = Export(FORMAT, "FreeOTP's tokens.xml", "xml", _known_xml, _read_xml, xml)
SEALED = Export(FORMAT, "a FreeOTP backup", "bytes", lambda file: file.start(4) == _JAVA, _read_sealed, checked)
decode = EXPORT.decode
decode_tokens = TOKENS.decode
decode_sealed = SEALED.decode
