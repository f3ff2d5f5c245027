"""QR codes in a screenshot or a photo. It needs the extra ``ferrotp[scan]``."""

import importlib
import io
import os
from typing import Any

from .._tracebacks import without_frames
from . import uris
from ._common import OnError
from ._contents import Contents, opened
from .account import Account
from .errors import LimitError, MalformedError, MissingExtraError

FORMAT = "qr"
_MAX_PIXELS = 64_000_000
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


@without_frames
def decode(picture: "bytes | str | os.PathLike[str]", on_error: OnError | None = None) -> list[Account]:
    """The accounts in the QR codes of a picture, from the top down; codes of other things are passed over.

    :param picture: the contents of a PNG, JPEG, WebP, GIF or BMP file, or its path
    :param on_error: called with each account's error, and the others are read; else the first error is raised
    :raises MissingExtraError: if zxing-cpp or Pillow is not installed
    :raises MalformedError: if it is no such picture, or there is no code for an authenticator in it
    :raises BatchError: if a part of an export is missing: give all pictures' texts to `google.decode`
    """
    texts = list(filter(uris.begins, read_texts(picture)))
    if not texts:
        raise MalformedError("no QR code for an authenticator in the picture", FORMAT)
    return uris.decode(texts, on_error)


@without_frames
def read_texts(picture: "bytes | str | os.PathLike[str]") -> list[str]:
    """The texts of all QR codes in a picture, from the top down.

    :raises MissingExtraError: if zxing-cpp or Pillow is not installed
    :raises MalformedError: if it is no picture
    """
    zxing, pillow = _extra("zxingcpp"), _extra("PIL.Image")
    with Contents(picture) if isinstance(picture, bytes) else opened(picture) as file:
        picture = file.whole(FORMAT)
    try:
        image = pillow.open(io.BytesIO(picture), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP"))
        if image.width * image.height > _MAX_PIXELS:
            raise LimitError(f"more than {_MAX_PIXELS // 1_000_000} megapixels", FORMAT)
        grey = image.convert("RGBA")
        # A code on a transparent ground is black on black, unless it is laid on white.
        page = pillow.new("RGBA", grey.size, "white")
        page.alpha_composite(grey)
        grey = page.convert("L")
    except LimitError:
        raise
    except pillow.DecompressionBombError:
        raise LimitError("too many pixels", FORMAT) from None
    except Exception:  # Pillow raises what its decoders do: OSError, SyntaxError, struct.error …
        if picture.startswith(_BEGINNINGS):
            raise MalformedError("the picture is cut off or damaged: copy the file again", FORMAT) from None
        raise MalformedError("not a PNG, JPEG, WebP, GIF or BMP picture", FORMAT) from None
    codes = zxing.read_barcodes(grey, formats=zxing.BarcodeFormat.QRCode)
    codes = sorted(codes, key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    return [code.text for code in codes]


def _extra(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError("reading QR codes needs more: pip install 'ferrotp[scan]'", FORMAT) from None
