"""`QR`: a text as a QR code, drawn on this machine."""

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    _ErrorCorrection = Literal["L", "M", "Q", "H"]


class QRError(ValueError):
    """An argument that makes no QR code, or no picture of one. The message never holds the text."""


class TextTooLongError(QRError):
    """More text than the largest QR code of that error correction holds."""


class ContrastError(QRError):
    """Two colours that a camera cannot tell apart, or inverted ones. The message names them and their contrast."""


class _SVG(str):
    """Text that templates do not escape: markupsafe's protocol, which Jinja and Django share."""

    __slots__ = ()

    def __html__(self) -> "_SVG":
        return self


class QR(_native.QRBase):
    """A text as a QR code (ISO/IEC 18004), in the smallest version that holds it.

    ``QR(text, error_correction="M")``: `error_correction` is "L", "M", "Q" or "H" for 7, 15, 25 or 30 % of loss.
    It raises `TextTooLongError` for a text that does not fit, `QRError` for an empty one, `TypeError` for what is no
    `str`. The text is not kept and never shown, but the modules tell it: treat the pictures as you treat the secret.

    Notebooks show the object, and templates of Jinja and Django take it as it is: ``{{ qr }}``.
    """

    __slots__ = ()

    def svg(
        self,
        *,
        size: int | None = 256,
        border: int = 4,
        dark: str = "#000000",
        light: str | None = "#ffffff",
        title: str = "QR code",
        allow_inverted: bool = False,
    ) -> str:
        """An SVG element of one path, to stand in HTML or in a file. It has no style attribute or element, so a strict
        Content-Security-Policy has nothing to refuse.

        :param size: CSS pixels a side, 1 to 8192, where no style sheet says otherwise; None fills the container
        :param border: modules of light border, 0 to 64; the standard asks for 4
        :param dark: "#rgb", "#rrggbb", "black" or "white"
        :param light: the same; None is transparent, and is judged as white: the page must be so
        :param title: what a screen reader says and a mouse shows; never put the text there
        :param allow_inverted: take a `dark` that is lighter than `light`, which many readers do not read
        :raises ContrastError: if the contrast of the colours is under 3:1 (WCAG), or they are inverted
        :raises QRError: if another argument is out of range
        """
        return _SVG(self._svg(size, border, dark, light, title, allow_inverted))

    def png(
        self,
        *,
        size: int | None = None,
        border: int = 4,
        dark: str = "#000000",
        light: str | None = "#ffffff",
        allow_inverted: bool = False,
    ) -> bytes:
        """A PNG file of two colours, one bit a pixel.

        :param size: pixels a side, 1 to 8192; a module is a whole number of them, and what is left over goes to the
            border. None is 8 pixels a module
        :param border: modules of light border, 0 to 64; the standard asks for 4
        :param dark: "#rgb", "#rrggbb", "black" or "white"
        :param light: the same; None is transparent, and is judged as white: what is behind must be so
        :param allow_inverted: take a `dark` that is lighter than `light`, which many readers do not read
        :raises ContrastError: if the contrast of the colours is under 3:1 (WCAG), or they are inverted
        :raises QRError: if another argument is out of range, or if `size` is less than a pixel a module
        """
        return self._png(size, border, dark, light, allow_inverted)

    def data_uri(
        self,
        format: "Literal['svg', 'png']" = "svg",
        *,
        size: int | None = None,
        border: int = 4,
        dark: str = "#000000",
        light: str | None = "#ffffff",
        allow_inverted: bool = False,
    ) -> str:
        """The picture as a ``data:`` URI, for the `src` of an ``<img>``. A Content-Security-Policy has to allow
        ``img-src data:``; SVG in the page itself, from `svg`, needs no permission.

        The other arguments are those of `svg` and `png`.

        :param format: "svg" or "png"
        :raises ContrastError: if the contrast of the colours is under 3:1 (WCAG), or they are inverted
        :raises QRError: if another argument is out of range
        """
        from binascii import b2a_base64

        if format == "png":
            kind = "png"
            data = self._png(size, border, dark, light, allow_inverted)
        elif format == "svg":
            kind = "svg+xml"
            # In an <img> it has no container to fill, so it has a size.
            size = 256 if size is None else size
            data = self._svg(size, border, dark, light, "", allow_inverted).encode()
        else:
            raise QRError("format must be 'svg' or 'png'")
        return f"data:image/{kind};base64,{b2a_base64(data, newline=False).decode()}"

    def terminal(self, *, border: int = 4, colours: bool = True) -> str:
        """Lines of half blocks, two modules in a character, each ended by a newline.

        :param border: modules of light border, 0 to 64; the standard asks for 4, and 2 saves two lines
        :param colours: black on white by escape sequences, readable on any background. False leaves them out, for
            where they are not understood: then it is right on a dark background only
        :raises QRError: if `border` is out of range
        """
        return self._terminal(border, colours)

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_png_(self) -> bytes:
        return self.png()

    def __html__(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<QR code of version {self.version}-{self.error_correction}>"

    # Django makes a str of a variable before it asks for __html__.
    __str__ = __html__

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a QR code is not pickled or copied: it holds what it shows")
