"""ZIP archives, unpacked with limits, and not into a folder."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from . import _zip_aes
from ._contents import Contents, checked
from .errors import EncryptedError, LimitError, MalformedError, TransferError

_MAX_MEMBERS = 10_000
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    KeyError,
    ValueError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True)
class Zip:
    """An archive, of which nothing has been unpacked."""

    document: Contents = field(repr=False)
    archive: zipfile.ZipFile = field(repr=False)
    names: list[str] = field(repr=False)

    def member(self, name: str, format: str, password: Callable[[], str] | None = None) -> Contents:
        """One file. Before any of it is believed, all of it is unpacked once, piece by piece, for its checksum and its
        true size.

        :param password: asked where it is encrypted, and the format's files may be
        """
        try:
            info = self.archive.getinfo(name)
            if info.flag_bits & 1 and info.compress_type == _zip_aes.METHOD and password is not None:
                key = password().encode()
                return Contents(_zip_aes.unpacked(self.document.open(), info, key, format))
            if info.flag_bits & 1:
                raise EncryptedError(
                    "the ZIP archive is encrypted: unpack it first, and give the file that is in it", format
                )
            member = _Member(self.archive, info)
            for piece in member.pieces():
                member.size += len(piece)
                member.check(format)
        except TransferError:
            raise
        except _BROKEN:
            raise MalformedError("the ZIP archive is damaged", format) from None
        return member


class _Member(Contents):
    """A file in an archive, unpacked anew for each pass."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        super().__init__(b"")
        self._archive, self._info = archive, info

    def open(self) -> BinaryIO:
        return self._archive.open(self._info)  # type: ignore[return-value]


def read_zip(data: "bytes | str | Contents", format: str) -> Zip:
    document = checked(data, format)
    try:
        archive = zipfile.ZipFile(document.open())
        names = archive.namelist()
    except _BROKEN:
        raise MalformedError("not a ZIP archive, or damaged", format) from None
    if len(names) > _MAX_MEMBERS:
        raise LimitError("the ZIP archive has too many files", format)
    return Zip(document, archive, names)
