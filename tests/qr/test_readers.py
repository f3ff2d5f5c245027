"""Independent readers get out what went in: from PNG, from SVG and from a terminal."""

import hashlib
import random
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

import ferrotp

from .readers import needs_chromium, needs_zbarimg, png, rasterised, screen, screenshot, zbar, zxing
from .uris import uris

COUNT = 500
LEVELS = "LMQH"
URIS = uris(COUNT)
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@cache
def codes() -> "list[ferrotp.QR]":
    return [ferrotp.QR(uri, LEVELS[number % 4]) for number, uri in enumerate(URIS)]


@cache
def png_pictures() -> list[Image.Image]:
    return [png(code.png(size=[None, 400, 333][number % 3])) for number, code in enumerate(codes())]


@cache
def svg_pictures() -> list[Image.Image]:
    return [rasterised(code.svg(size=[420, 300][number % 2])) for number, code in enumerate(codes())]


@cache
def terminal_pictures() -> list[Image.Image]:
    """On terminals of both kinds."""
    grounds = [("white", "black"), ("black", "white")]
    pictures = []
    for number, code in enumerate(codes()):
        text = code.terminal(border=[4, 2][number % 2])
        pictures.append(screen(text, *grounds[number // 2 % 2]))
    return pictures


PICTURES = pytest.mark.parametrize(
    "pictures", [png_pictures, svg_pictures, terminal_pictures], ids=["png", "svg", "terminal"]
)


def test_the_generated_uris_are_of_every_kind() -> None:
    assert len(set(URIS)) == COUNT
    for part in ("totp/", "hotp/", "algorithm=SHA512", "%F0%9F%A6%80", "%E6%A0%AA", "1789"):
        assert any(part in uri for uri in URIS), part
    assert max(map(len, URIS)) > 600


@PICTURES
def test_zxing_reads_all_uris(pictures) -> None:
    unread = [uri for uri, picture in zip(URIS, pictures(), strict=True) if zxing(picture) != [uri]]
    assert not unread


@needs_zbarimg
@PICTURES
def test_zbar_reads_all_uris(pictures, tmp_path: Path) -> None:
    read = zbar(pictures(), tmp_path)
    assert not set(URIS) - set(read)
    assert read == URIS


def test_a_terminal_without_colours_is_read_on_a_dark_background() -> None:
    for uri in URIS[:20]:
        assert zxing(screen(ferrotp.QR(uri).terminal(colours=False), "#cccccc", "#101010")) == [uri]


@pytest.mark.parametrize("version", range(1, 41))
def test_every_version_is_read_full_to_the_last_byte(version: int) -> None:
    for level in LEVELS:
        low, high = 1, 3000
        while low < high:  # the longest text of this version
            middle = (low + high + 1) // 2
            try:
                fits = ferrotp.QR("x" * middle, level).version <= version
            except ferrotp.qr.TextTooLongError:
                fits = False
            low, high = (middle, high) if fits else (low, middle - 1)
        text = "x" * (low - 1) + "y"
        code = ferrotp.QR(text, level)
        assert (code.version, code.modules) == (version, 17 + 4 * version)
        assert zxing(png(code.png(size=code.modules * 4 + 32))) == [text]


@pytest.mark.parametrize("text", ["0123456789" * 9, "OTPAUTH://TOTP/ACME", "a", "héllo, 世界 🦀", "a" * 40 + "B" * 40])
def test_texts_that_are_no_uris_are_read(text: str) -> None:
    assert zxing(png(ferrotp.QR(text).png())) == [text]


@needs_zbarimg
def test_the_colours_that_are_taken_are_read(tmp_path: Path) -> None:
    rng = random.Random(3)
    pictures: list[Image.Image] = []
    expected = []
    while len(pictures) < 60:
        dark, light = (f"#{rng.randrange(1 << 24):06x}" for _ in range(2))
        uri = URIS[len(pictures)]
        try:
            code = png(ferrotp.QR(uri).png(dark=dark, light=light))
        except ferrotp.qr.ContrastError:
            continue
        pictures.append(code)
        expected.append(uri)
        assert zxing(code) == [uri], (dark, light)
    assert zbar(pictures, tmp_path) == expected


def test_a_transparent_picture_is_read_on_white() -> None:
    code = ferrotp.QR(URIS[0])
    picture = png(code.png(light=None)).convert("RGBA")
    assert picture.getpixel((0, 0))[3] == 0
    page = Image.new("RGBA", picture.size, "white")
    assert zxing(Image.alpha_composite(page, picture)) == [URIS[0]]
    assert "<rect" not in code.svg(light=None)
    assert zxing(rasterised(code.svg(light=None))) == [URIS[0]]


def test_inverted_colours_are_drawn_when_asked_for() -> None:
    picture = png(ferrotp.QR(URIS[0]).png(dark="white", light="black", allow_inverted=True)).convert("L")
    assert zxing(picture) == []
    assert zxing(picture.point(lambda value: 255 - value)) == [URIS[0]]


@needs_chromium
def test_chromium_draws_svg_that_is_read(tmp_path: Path) -> None:
    chosen = [URIS[0], max(URIS, key=len), next(uri for uri in URIS if "SHA512" in uri), URIS[77]]
    drawings = [ferrotp.QR(uri).svg(size=300) for uri in chosen[:2]]
    drawings += [f'<img src="{ferrotp.QR(uri).data_uri(size=300)}">' for uri in chosen[2:3]]
    drawings += [f'<img src="{ferrotp.QR(uri).data_uri("png")}">' for uri in chosen[3:]]
    page = tmp_path / "page.html"
    # A dark page: each picture brings its own light ground.
    page.write_text(f'<!doctype html><body bgcolor="#111111">{" ".join(drawings)}', encoding="utf-8")
    picture, _ = screenshot(page.as_uri(), tmp_path, (700, 1400))
    assert sorted(zxing(picture)) == sorted(chosen)


@pytest.mark.parametrize("surface", [ferrotp, ferrotp.legacy], ids=lambda surface: surface.__name__)
def test_provisioning_qr_holds_what_provisioning_uri_says(surface) -> None:
    totp = surface.TOTP(SECRET, digits=8, digest=hashlib.sha256, name="ann", issuer="Bank")
    hotp = surface.HOTP(SECRET, name="ann", initial_count=7)
    steam = surface.contrib.Steam(SECRET, name="ann", issuer="Steam")
    image = {"image": "https://example.com/logo.png"}
    for otp, arguments, keywords in [
        (totp, (), {}),
        (totp, ("bob", "Café"), {}),
        (totp, (), {"name": "bob", "issuer_name": "Café", **image}),
        (hotp, (), {}),
        (hotp, ("bob", 9, "Café"), image),
        (hotp, (), {"name": "bob", "initial_count": 9, "issuer_name": "Café"}),
        (steam, (), {}),
    ]:
        code = otp.provisioning_qr(*arguments, **keywords)
        assert isinstance(code, surface.QR) and code.error_correction == "M"
        assert zxing(png(code.png())) == [otp.provisioning_uri(*arguments, **keywords)]
    assert totp.provisioning_qr(error_correction="H").error_correction == "H"
