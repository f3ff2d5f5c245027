"""Readers that know nothing of ferrotp, and ways to make a picture of what they are given."""

import io
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyte
import resvg_py
import zxingcpp
from PIL import Image, ImageColor
from programs import CHROMIUM, needs

HALF = 4  # pixels a side of half a character in a terminal

needs_zbarimg = needs("zbarimg", "zbar-tools")
# As root, without a screen, and without asking anybody on the network.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

needs_chromium = needs(CHROMIUM or "chromium", "chromium-headless-shell")


def zxing(picture: Image.Image) -> list[str]:
    """What zxing-cpp reads."""
    barcodes = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode, try_invert=False)
    return [barcode.text for barcode in barcodes]


def zbar(pictures: Sequence[Image.Image], folder: Path) -> list[str]:
    """What Debian's zbarimg reads: one text for each picture, a hundred in a run. The pictures are handed over as plain
    pixels, since what is looked at here is no PNG but what is on it.
    """
    read = []
    for start in range(0, len(pictures), 100):
        paths = []
        for number, picture in enumerate(pictures[start : start + 100]):
            paths.append(folder / f"{number:02}.ppm")
            picture.convert("RGB").save(paths[-1])
        command = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqr.enable", *map(str, paths)]
        result = subprocess.run(command, capture_output=True, check=False)
        # One line for each code: the texts here have none inside.
        read += result.stdout.decode().splitlines()
        for path in paths:
            path.unlink()
    return read


def png(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "PNG"
    picture.load()
    return picture


def rasterised(svg: str) -> Image.Image:
    """An SVG as resvg draws it, on white."""
    picture = png(bytes(resvg_py.svg_to_bytes(svg_string=svg)))
    page = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(page, picture.convert("RGBA")).convert("RGB")


def screen(text: str, foreground: str, background: str) -> Image.Image:
    """Lines as a terminal with these two colours shows them: pyte reads the escapes, Pillow draws the half blocks."""
    emulator = pyte.Screen(140, text.count("\n") + 2)
    pyte.Stream(emulator).feed(text.replace("\n", "\r\n"))
    halves = Image.new("RGB", (emulator.columns, emulator.lines * 2), background)
    pixels = halves.load()
    assert pixels is not None

    @cache  # a QR code has a few kinds of cell, and thousands of each
    def colours(data: str, fg: str, bg: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of the upper and the lower half."""
        over = ImageColor.getrgb(foreground if fg == "default" else f"#{fg}")
        under = ImageColor.getrgb(background if bg == "default" else f"#{bg}")
        return {" ": (under, under), "▀": (over, under), "▄": (under, over), "█": (over, over)}[data]

    for y, line in emulator.buffer.items():
        for x, cell in line.items():
            pixels[x, 2 * y], pixels[x, 2 * y + 1] = colours(cell.data, cell.fg, cell.bg)
    return halves.resize((halves.width * HALF, halves.height * HALF), Image.Resampling.NEAREST)


def screenshot(address: str, folder: Path, size: tuple[int, int] = (800, 600)) -> tuple[Image.Image, str]:
    """A page as Chromium shows it, and what it logged on the way."""
    path = folder / "screenshot.png"
    command = [
        CHROMIUM or "chromium",
        "--headless",
        *CHROMIUM_FLAGS,
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={size[0]},{size[1]}",
        f"--screenshot={path}",
        address,
    ]
    # On a busy machine a headless Chromium now and then ends early, whatever the page.
    for _ in range(3):
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if result.returncode == 0 and path.exists():
            return png(path.read_bytes()), result.stderr
    raise AssertionError(result.stderr)
