"""A file in a ZIP archive under a password, as WinZip's specification of AE-1 and AE-2 has it: AES in counter mode, and
an HMAC over the ciphertext, which is looked at before anything is decrypted.
"""

import hmac
import struct
import zipfile
import zlib
from typing import BinaryIO

from ._contents import MAX_BYTES
from ._opening import WRONG, aes_ctr_little, pbkdf2
from .errors import EncryptedError, LimitError, MalformedError, WrongKeyError

METHOD = 99
_EXTRA, _VENDOR = 0x9901, b"AE"
_KEY_LENGTHS = {1: 16, 2: 24, 3: 32}
_STORED, _DEFLATED = 0, 8
_ITERATIONS = 1_000
_TAG = 10
_most_unpacked = MAX_BYTES


def unpacked(file: BinaryIO, info: zipfile.ZipInfo, password: bytes, format: str) -> bytes:
    """The contents of a file whose compression is `METHOD`."""
    strength, method = _extra(info.extra, format)
    if strength not in _KEY_LENGTHS or method not in (_STORED, _DEFLATED):
        raise EncryptedError("the ZIP archive is encrypted in another way: unpack it first", format)
    length = _KEY_LENGTHS[strength]
    file.seek(info.header_offset)
    names = struct.unpack("<26xHH", file.read(30))
    file.seek(sum(names), 1)
    data = memoryview(file.read(min(info.compress_size, MAX_BYTES)))
    at = length // 2
    salt, check, sealed, tag = data[:at], data[at : at + 2], data[at + 2 : -_TAG], data[-_TAG:]
    if len(data) < at + 2 + _TAG:
        raise MalformedError("the ZIP archive is damaged", format)
    keys = pbkdf2(format, "sha1", password, bytes(salt), _ITERATIONS, 2 * length + 2)
    own = hmac.new(keys[length : 2 * length], sealed, "sha1").digest()[:_TAG]
    if not (hmac.compare_digest(keys[2 * length :], bytes(check)) and hmac.compare_digest(own, bytes(tag))):
        raise WrongKeyError(WRONG, format)
    plain = aes_ctr_little(format, keys[:length], sealed)
    if method == _DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        plain = inflater.decompress(plain, _most_unpacked + 1)
    if len(plain) > _most_unpacked:
        raise LimitError(f"larger than {MAX_BYTES >> 20} MiB", format)
    return plain


def _extra(extra: bytes, format: str) -> tuple[int, int]:
    """The strength of the key, and the compression under the encryption."""
    while len(extra) >= 4:
        name, length = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if name == _EXTRA and len(field) == 7 and field[2:4] == _VENDOR:
            return field[4], int.from_bytes(field[5:], "little")
    raise MalformedError("the ZIP archive is damaged", format)
