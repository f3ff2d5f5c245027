"""What a QR code costs beside qrcode, segno and rust-totp, in one run: ``python benches/qr.py [--quick]``.

From the URI's text to the picture, as an application would write it. Every round times each library once, in changing
order, and a ratio is the median over the rounds' own. Nothing is timed before zxing-cpp has read the same text from all
PNGs. A missed target is marked and no failure.
"""

from __future__ import annotations

import argparse
import base64
import io
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import qrcode
import qrcode.image.svg
import rust_totp
import segno
import zxingcpp
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M

import ferrotp

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B
LONG = "GEZDGNBVGY3TQOJQ" * 6 + "GEZDGNA"  # 64 bytes, for SHA-512
SAMPLE = 0.002  # seconds at least, so that the clock's own cost does not count
# Time that other programs take from this one is no cost of a call.
clock = time.process_time if time.get_clock_info("process_time").resolution <= 1e-6 else time.perf_counter

Draw = Callable[[], object]


def drawings(uri: str) -> dict[str, dict[str, Draw]]:
    """For each kind of picture what each library does: error correction M, 8 pixels a module, a border of 4."""

    def qrcode_code() -> qrcode.QRCode:
        code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=8)
        code.add_data(uri)
        return code

    def qrcode_png() -> bytes:
        file = io.BytesIO()
        qrcode_code().make_image().save(file, "PNG")
        return file.getvalue()

    def segno_png() -> bytes:
        file = io.BytesIO()
        segno.make_qr(uri, error="m", boost_error=False).save(file, kind="png", scale=8)
        return file.getvalue()

    return {
        "PNG": {
            "ferrotp": lambda: ferrotp.QR(uri).png(),
            "qrcode": qrcode_png,
            "segno": segno_png,
        },
        "SVG": {
            "ferrotp": lambda: ferrotp.QR(uri).svg(),
            "qrcode": lambda: qrcode_code().make_image(image_factory=qrcode.image.svg.SvgPathImage).to_string(),
            "segno": lambda: segno.make_qr(uri, error="m", boost_error=False).svg_inline(scale=8),
        },
    }


def provisioning() -> dict[str, Draw]:
    """From the object to the PNG: rust-totp gives no other way."""
    ours = ferrotp.TOTP(SECRET, name="alice@example.com", issuer="ACME Co")
    theirs = rust_totp.TOTP(secret=base64.b32decode(SECRET), account_name="alice@example.com", issuer="ACME Co")
    return {"ferrotp": lambda: ours.provisioning_qr().png(), "rust-totp": theirs.get_qr_png}


def sampler(draw: Draw) -> Callable[[], float]:
    """Measures microseconds a call."""
    count, took = 1, 0.0
    while took < SAMPLE:
        start = clock()
        for _ in range(count):
            draw()
        took = clock() - start
        count = count if took >= SAMPLE else count * 2

    def sample() -> float:
        start = clock()
        for _ in range(count):
            draw()
        return (clock() - start) / count * 1e6

    return sample


def read(picture: object) -> str:
    """What zxing-cpp reads in a PNG."""
    assert isinstance(picture, bytes)
    (barcode,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)).convert("L"))
    return str(barcode.text)


def main() -> None:
    """Checks, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, and less exact")
    rounds = 7 if parser.parse_args().quick else 41

    short = ferrotp.TOTP(SECRET, name="alice@example.com", issuer="ACME Co").provisioning_uri()
    long = ferrotp.TOTP(LONG, name="alice@example.com", issuer="株式会社サンプル 🦀").provisioning_uri()
    rows: list[tuple[str, dict[str, Draw], dict[str, float]]] = []
    for title, uri in (("common URI", short), ("long URI", long)):
        for kind, draws in drawings(uri).items():
            if kind == "PNG":
                assert {read(draw()) for draw in draws.values()} == {uri}
            rows.append((f"{kind}, {title}", draws, {"qrcode": 25, "segno": 25}))
    both = provisioning()
    assert read(both["ferrotp"]()) == short
    assert "secret=" + SECRET in read(both["rust-totp"]())
    rows.append(("PNG from the object", both, {"rust-totp": 1}))

    print(", ".join(f"{name} {version(name)}" for name in ("ferrotp", "qrcode", "segno", "rust-totp")), "\n")
    line = "{:<22} {:<10} {:>12} {:>12} {:>8}  {:<15} {:<8} {}"
    print(line.format("", "peer", "ferrotp", "peer", "ratio", "(quartiles)", "target", "").rstrip())
    for title, draws, targets in rows:
        samplers = {library: sampler(draw) for library, draw in draws.items()}
        samples: dict[str, list[float]] = {library: [] for library in samplers}
        order = list(samplers)
        for _ in range(rounds):
            for library in order:
                samples[library].append(samplers[library]())
            order = order[1:] + order[:1]
        ours = samples.pop("ferrotp")
        for peer, theirs in samples.items():
            low, ratio, high = statistics.quantiles([b / a for a, b in zip(ours, theirs, strict=True)], n=4)
            cost = f"{statistics.median(ours):,.0f} us", f"{statistics.median(theirs):,.0f} us"
            verdict = "met" if ratio >= targets[peer] else "NOT MET"
            target = f">= {targets[peer]:g}x"
            print(
                line.format(title, peer, *cost, f"{ratio:.1f}x", f"({low:.0f}-{high:.0f})", target, verdict), flush=True
            )


if __name__ == "__main__":
    main()
