"""QR codes in pictures: drawn here, turned, blurred, several in one."""

import io
import subprocess
import sys
from typing import Any

import pytest
import qrcode
from PIL import Image, ImageFilter

from ferrotp import transfer
from ferrotp.transfer import Account, google, scan

KEY = b"12345678901234567890"
ACCOUNTS = [Account(KEY, f"user{n}@example.com", "ACME") for n in range(25)]


def code(text: str) -> Any:
    return qrcode.make(text, box_size=4).get_image().convert("RGB")


def contents(image: Any, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def screenshot(texts: list[str]) -> Any:
    codes = [code(text) for text in texts]
    page = Image.new(
        "RGB", (max(image.width for image in codes) + 80, sum(image.height + 40 for image in codes)), "white"
    )
    y = 20
    for image in codes:
        page.paste(image, (40, y))
        y += image.height + 40
    return page


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_screenshot_yields_its_account(format: str) -> None:
    assert transfer.load(contents(screenshot([ACCOUNTS[0].uri()]), format)) == ACCOUNTS[:1]


def test_all_codes_of_a_screenshot_are_read_from_the_top_down() -> None:
    texts = [account.uri() for account in ACCOUNTS[:3]]
    page = contents(screenshot(["https://example.com", *texts]))
    assert scan.read_texts(page) == ["https://example.com", *texts]
    assert scan.decode(page) == ACCOUNTS[:3]


def test_an_export_of_several_codes_is_read_from_one_picture() -> None:
    assert transfer.load(contents(screenshot(google.encode(ACCOUNTS)))) == ACCOUNTS


def test_a_part_that_is_not_in_the_picture_is_missed() -> None:
    first, _, last = google.encode(ACCOUNTS)
    page = contents(screenshot([first, last]))
    with pytest.raises(transfer.BatchError, match="part 2 of 3 missing"):
        transfer.load(page)


def test_a_turned_and_blurred_photo_is_read() -> None:
    photo = screenshot([ACCOUNTS[0].uri()]).rotate(11, expand=True, fillcolor="grey")
    photo = photo.filter(ImageFilter.GaussianBlur(1.2))
    assert transfer.load(contents(photo, "JPEG")) == ACCOUNTS[:1]


def test_a_code_on_a_transparent_ground_is_read() -> None:
    grey = code(ACCOUNTS[0].uri()).convert("L")
    image = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    image.putalpha(grey.point(lambda value: 255 - value))
    assert transfer.load(contents(image)) == ACCOUNTS[:1]


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n", contents(Image.new("L", (50, 50)))[:-30], b"BM", b"\xff\xd8\xff" * 9]
)
def test_what_is_no_picture_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(transfer.MalformedError):
        transfer.load(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
def test_a_picture_that_is_cut_off_says_so(format: str) -> None:
    whole = contents(code(ACCOUNTS[0].uri()), format)
    for length in (12, len(whole) // 2):
        with pytest.raises(transfer.MalformedError, match="cut off"):
            scan.decode(whole[:length])


def test_a_picture_without_a_code_is_a_typed_error() -> None:
    with pytest.raises(transfer.MalformedError, match="no QR code for an authenticator"):
        transfer.load(contents(Image.new("L", (50, 50))))


@pytest.mark.parametrize("missing", ["zxingcpp", "PIL"])
def test_without_the_extra_the_error_says_what_to_install(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from ferrotp import transfer\n"
        "try: transfer.load(b'\\x89PNG\\r\\n')\n"
        "except transfer.MissingExtraError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'ferrotp[scan]'" in result.stdout
