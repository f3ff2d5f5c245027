"""Opening encrypted files: keys from passwords, at a bounded cost, and ciphers that tell whether a file was changed.

The cost of a key stands in the file, and so an attacker may choose it: each has a bound, in memory and in work.
The ciphers and Argon2 are those of the package cryptography (the extra ``ferrotp[transfer]``).
"""

import hashlib
import importlib
from typing import Any

from .errors import LimitError, MalformedError, MissingExtraError, WrongKeyError

Buffer = bytes | memoryview
WRONG = "the password is wrong, or the file was changed"
_PIECE = 1 << 12
_MOST_ITERATIONS = 5_000_000
_MOST_MEMORY = 1 << 30  # bytes
# Bytes written in all. libsodium's costliest preset, which Ente takes, is 4 passes over 1 GiB.
MOST_WORK = 4 << 30


def _cryptography(module: str, format: str) -> Any:
    try:
        return importlib.import_module(f"cryptography.{module}")
    except ImportError:
        raise MissingExtraError("encrypted files need more: pip install 'ferrotp[transfer]'", format) from None


def _costly(format: str) -> LimitError:
    return LimitError("the cost of the password's key is beyond all reason", format)


class Budget:
    """What all keys of a file may cost together, where it has one for each entry or password."""

    def __init__(self, format: str, most: int) -> None:
        self._format, self._left = format, most

    def spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise _costly(self._format)


def pbkdf2(format: str, hash: str, password: bytes, salt: bytes, iterations: int, length: int = 32) -> bytes:
    if not 1 <= iterations <= _MOST_ITERATIONS:
        raise _costly(format)
    return hashlib.pbkdf2_hmac(hash, password, salt, iterations, length)


def scrypt(format: str, password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    memory = 128 * n * r
    if not (n > 1 and r > 0 and p > 0 and memory <= _MOST_MEMORY and memory * p <= MOST_WORK):
        raise _costly(format)
    try:
        return hashlib.scrypt(
            password, salt=salt, n=n, r=r, p=p, maxmem=memory + 128 * r * (p + 2) + (1 << 20), dklen=32
        )
    except ValueError:
        raise MalformedError("the parameters of scrypt are wrong", format) from None


def argon2id(format: str, password: bytes, salt: bytes, passes: int, memory: int, lanes: int) -> bytes:
    """:param memory: in KiB"""
    work = memory * 1024
    if not (passes > 0 and lanes > 0 and 0 < work <= _MOST_MEMORY and work * passes <= MOST_WORK and lanes <= 64):
        raise _costly(format)
    argon2 = _cryptography("hazmat.primitives.kdf.argon2", format)
    try:
        key: bytes = argon2.Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(
            password
        )
    except ValueError:
        raise MalformedError("the parameters of Argon2id are wrong", format) from None
    return key


def aes_gcm(format: str, key: bytes, nonce: bytes, sealed: Buffer, data: bytes | None = None) -> bytes:
    """:param sealed: the ciphertext, with its tag of 16 bytes behind it"""
    aead = _cryptography("hazmat.primitives.ciphers.aead", format)
    if not 8 <= len(nonce) <= 64 or len(sealed) < 16:
        raise MalformedError("the encrypted part is cut off", format)
    try:
        plain: bytes = aead.AESGCM(key).decrypt(nonce, sealed, data)
    except _cryptography("exceptions", format).InvalidTag:
        plain = b""
        wrong = True
    else:
        wrong = False
    if wrong:  # out here: what was raised in there knows the key
        raise WrongKeyError(WRONG, format)
    return plain


def aes_cbc(format: str, key: bytes, iv: bytes, sealed: Buffer) -> bytes:
    """Without a tag of its own. Padding that is none is taken for a wrong password."""
    ciphers = _cryptography("hazmat.primitives.ciphers", format)
    if len(iv) != 16 or not sealed or len(sealed) % 16:
        raise MalformedError("the encrypted part is cut off", format)
    decryptor = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(iv)).decryptor()
    plain: bytes = decryptor.update(sealed) + decryptor.finalize()
    length = plain[-1]
    if not 1 <= length <= 16 or plain[-length:] != bytes([length]) * length:
        raise WrongKeyError(WRONG, format)
    return plain[:-length]


def aes_ctr_little(format: str, key: bytes, sealed: Buffer) -> bytes:
    """ZIP's: the counter begins at 1, its low byte first. Without a tag of its own."""
    ciphers = _cryptography("hazmat.primitives.ciphers", format)
    encryptor = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.ECB()).encryptor()  # of counters
    plain = bytearray()
    for start in range(0, len(sealed), _PIECE):
        piece = bytes(sealed[start : start + _PIECE])
        first = start // 16 + 1
        counters = b"".join(number.to_bytes(16, "little") for number in range(first, first + (len(piece) + 15) // 16))
        mask = encryptor.update(counters)[: len(piece)]
        plain += (int.from_bytes(piece, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(piece), "big")
    return bytes(plain)


def secretstream(format: str, key: bytes, header: bytes, sealed: bytes) -> bytes:
    """One final message of libsodium's secretstream: XChaCha20-Poly1305 with a tag byte before the text."""
    ciphers = _cryptography("hazmat.primitives.ciphers", format)
    poly1305 = _cryptography("hazmat.primitives.poly1305", format).Poly1305
    if len(header) != 24 or len(sealed) < 17:
        raise MalformedError("the encrypted part is cut off", format)
    subkey, nonce = _hchacha20(key, header[:16]), header[16:]

    def stream(block: int, data: Buffer) -> bytes:
        # The cipher's nonce: 4 bytes of block counter, 4 of message counter, and 8 from the header.
        start = block.to_bytes(4, "little") + (1).to_bytes(4, "little") + nonce
        encryptor = ciphers.Cipher(ciphers.algorithms.ChaCha20(subkey, start), None).encryptor()
        changed: bytes = encryptor.update(data)
        return changed

    text, tag = memoryview(sealed)[1:-16], sealed[-16:]
    marks = stream(1, sealed[:1] + bytes(63))
    # The padding is libsodium's own, and not RFC 8439's.
    lengths = (0).to_bytes(8, "little") + (64 + len(text)).to_bytes(8, "little")
    mac = poly1305(stream(0, bytes(32)))
    for part in (sealed[:1], marks[1:], text, bytes((16 - 64 + len(text)) & 15), lengths):
        mac.update(part)
    try:
        mac.verify(tag)
    except _cryptography("exceptions", format).InvalidSignature:
        wrong = True
    else:
        wrong = False
    if wrong:
        raise WrongKeyError(WRONG, format)
    if marks[0] != 3:  # not the last message
        raise MalformedError("the encrypted part is cut off", format)
    return stream(2, text)


def _hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The subkey of XChaCha20 (draft-irtf-cfrg-xchacha, section 2.2)."""
    words = [int.from_bytes(part, "little") for part in _fours(b"expand 32-byte k" + key + nonce)]

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[first] = (words[first] + words[second]) & 0xFFFFFFFF
            mixed = words[third] ^ words[first]
            words[third] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return b"".join(word.to_bytes(4, "little") for word in words[:4] + words[12:])


def _fours(data: bytes) -> list[bytes]:
    return [data[start : start + 4] for start in range(0, len(data), 4)]
