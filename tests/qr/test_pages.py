"""QR codes in pages and notebooks: what templates, policies and screen readers make of them."""

import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import django.conf
import django.template
import jinja2
import markupsafe
import pytest

import ferrotp

from .readers import needs_chromium, rasterised, screenshot, zxing

TEXT = "otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SVG = "{http://www.w3.org/2000/svg}"
POLICY = "default-src 'none'; img-src data:"


@contextmanager
def served(body: str) -> Iterator[str]:
    """The address on loopback of a page under a strict policy."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@needs_chromium
def test_a_strict_policy_refuses_nothing(tmp_path: Path) -> None:
    code = ferrotp.QR(TEXT)
    with served(f'<!doctype html><title>t</title>{code.__html__()} <img src="{code.data_uri("png")}">') as address:
        picture, log = screenshot(address, tmp_path, (900, 700))
    assert zxing(picture) == [TEXT, TEXT]
    assert "Content Security Policy" not in log


@needs_chromium
def test_the_policy_of_that_test_would_be_noticed(tmp_path: Path) -> None:
    with served('<!doctype html><title>t</title><svg style="fill:red"></svg>') as address:
        _, log = screenshot(address, tmp_path)
    assert "Content Security Policy" in log


def test_an_svg_is_one_path_with_attributes_only() -> None:
    svg = ferrotp.QR(TEXT).svg()
    root = ET.fromstring(svg)
    assert [child.tag for child in root] == [SVG + "title", SVG + "rect", SVG + "path"]
    names = {name for element in root.iter() for name in element.attrib}
    assert names <= {"role", "width", "height", "viewBox", "shape-rendering", "fill", "d"}
    assert root.get("role") == "img" and root.findtext(SVG + "title") == "QR code"


def test_an_svg_takes_its_size_and_its_colours() -> None:
    code = ferrotp.QR(TEXT)
    root = ET.fromstring(code.svg(size=None, border=1, dark="#123", light="#eeeeee"))
    assert root.get("width") is None and root.get("height") is None
    assert root.get("viewBox") == f"0 0 {code.modules + 2} {code.modules + 2}"
    assert [element.get("fill") for element in root] == [None, "#eeeeee", "#112233"]
    assert ET.fromstring(code.svg(size=99)).get("width") == "99"


@pytest.mark.parametrize(
    "title", ["</title><script>alert(1)</script>", "a & b", "\"'", "\0\x1b\x7f\x85\uffff", "Ünï 🦀"]
)
def test_a_title_cannot_leave_its_element(title: str) -> None:
    root = ET.fromstring(ferrotp.QR(TEXT).svg(title=title))
    assert len(root) == 3 and len(root[0]) == 0
    assert "".join(char if char.isprintable() else " " for char in title) == root[0].text
    assert "<title" not in ferrotp.QR(TEXT).svg(title="")


def test_jinja_takes_it_as_it_is() -> None:
    code = ferrotp.QR(TEXT)
    environment = jinja2.Environment(autoescape=True)
    for template in ("{{ qr }}", "{{ qr.svg() }}", "{{ qr|string }}"):
        page = environment.from_string(template).render(qr=code)
        assert zxing(rasterised(page)) == [TEXT], template
    assert markupsafe.escape(code) == code.svg()


def test_django_takes_it_as_it_is() -> None:
    engine = django.template.Engine()
    for template in ("{{ qr }}", "{{ qr.svg }}"):
        if not django.conf.settings.configured:
            django.conf.settings.configure()
        page = engine.from_string(template).render(django.template.Context({"qr": ferrotp.QR(TEXT)}))
        assert zxing(rasterised(page)) == [TEXT], template


def test_notebooks_show_it() -> None:
    code = ferrotp.QR(TEXT)
    assert code._repr_svg_() == code.svg()
    assert code._repr_png_() == code.png()
