"""Wrong arguments, and what must never be said about the right ones."""

import copy
import inspect
import pickle
import traceback

import pytest

import ferrotp
from ferrotp.qr import ContrastError, QRError, TextTooLongError

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TEXT = f"otpauth://totp/ACME:alice?secret={SECRET}"


def everything_about(error: BaseException) -> str:
    """Messages, reprs and the locals of ferrotp's own frames, causes and contexts included."""
    said = []
    seen: BaseException | None = error
    while seen is not None:
        said += [str(seen), repr(seen), repr(vars(seen))]
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if "ferrotp" in frame.f_globals.get("__name__", "").split("."):
                said.append(repr(frame.f_locals))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(said)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("",), QRError, "there is no text to put into a QR code"),
        (("\ud800" + TEXT,), QRError, "text has lone surrogates, which are no text"),
        ((TEXT * 40,), TextTooLongError, "the text is too long: a QR code of error correction M holds 2331 bytes"),
        ((TEXT * 40, "H"), TextTooLongError, "the text is too long: a QR code of error correction H holds 1273 bytes"),
        ((TEXT, "X"), QRError, "error_correction must be 'L', 'M', 'Q' or 'H'"),
        ((TEXT, 1), TypeError, "error_correction must be a str"),
        ((TEXT.encode(),), TypeError, "text must be a str"),
    ],
)
def test_what_is_no_qr_code_is_refused_without_showing_the_text(arguments, kind, message) -> None:
    with pytest.raises(kind) as caught:
        ferrotp.QR(*arguments)
    assert str(caught.value) == message and type(caught.value) is kind
    assert SECRET not in everything_about(caught.value)


def test_a_uri_that_is_too_long_is_refused_without_showing_it() -> None:
    with pytest.raises(TextTooLongError) as caught:
        ferrotp.TOTP(SECRET).provisioning_qr("n" * 3000, "i")
    assert SECRET not in everything_about(caught.value)


SIZES = "size must be between 1 and 8192 pixels, border between 0 and 64 modules"
INVERTED = (
    "#ffffff on #000000 is inverted, which many readers do not read (the contrast is 21.00:1): "
    "swap the colours, or allow it with allow_inverted"
)


@pytest.mark.parametrize("method", ["svg", "png", "data_uri"])
@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"size": 0}, QRError, SIZES),
        ({"size": -1}, QRError, SIZES),
        ({"size": 8193}, QRError, SIZES),
        ({"size": 10**40}, QRError, SIZES),
        ({"size": 1.5}, TypeError, "size must be an int"),
        ({"border": -1}, QRError, SIZES),
        ({"border": 65}, QRError, SIZES),
        ({"border": None}, TypeError, "border must be an int"),
        ({"dark": "red"}, QRError, "a colour is '#rgb', '#rrggbb', 'black' or 'white'"),
        ({"light": '#fff"/>'}, QRError, "a colour is '#rgb', '#rrggbb', 'black' or 'white'"),
        ({"dark": None}, TypeError, "dark must be a str"),
        ({"light": (1, 2, 3)}, TypeError, "light must be a str"),
        (
            {"dark": "#777", "light": "#bbbbbb"},
            ContrastError,
            "#777777 on #bbbbbb is too weak to scan: the contrast is 2.33:1, and must be at least 3:1",
        ),
        (
            {"dark": "#fff", "light": "#000"},
            ContrastError,
            INVERTED,
        ),
        (
            {"dark": "#ddd", "light": None},
            ContrastError,
            "#dddddd on #ffffff is too weak to scan: the contrast is 1.35:1, and must be at least 3:1",
        ),
    ],
)
def test_options_out_of_range_are_refused(method, options, kind, message) -> None:
    with pytest.raises(kind) as caught:
        getattr(ferrotp.QR(TEXT), method)(**options)
    assert str(caught.value) == message and type(caught.value) is kind


def test_a_png_has_a_pixel_for_each_module() -> None:
    code = ferrotp.QR(TEXT)
    assert code.png(size=code.modules + 8)
    with pytest.raises(QRError, match=f"at least {code.modules + 8} pixels"):
        code.png(size=code.modules + 7)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(QRError, match="format must be 'svg' or 'png'"):
        ferrotp.QR(TEXT).data_uri("gif")


def test_the_exceptions_are_value_errors() -> None:
    assert issubclass(ContrastError, QRError) and issubclass(TextTooLongError, QRError)
    assert issubclass(QRError, ValueError)


def test_the_text_is_in_nothing_but_the_modules() -> None:
    code = ferrotp.TOTP(SECRET).provisioning_qr("alice", "ACME")
    assert repr(code) == f"<QR code of version {code.version}-M>"
    for shown in (repr(code), str(code), code.terminal(), code.svg(), code.png().decode("latin-1"), code.data_uri()):
        assert SECRET not in shown and "otpauth" not in shown and "alice" not in shown
    assert not hasattr(code, "__dict__")


def test_it_is_not_pickled_or_copied() -> None:
    for action in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            action(ferrotp.QR(TEXT))


def test_the_signatures_are_to_be_seen() -> None:
    assert str(inspect.signature(ferrotp.QR)) == "(text, error_correction='M')"
    for surface in (ferrotp, ferrotp.legacy):
        for kind in (surface.TOTP, surface.HOTP):
            uri = list(inspect.signature(kind.provisioning_uri).parameters.values())
            code = inspect.signature(kind.provisioning_qr).parameters
            assert [(p.name, p.default) for p in uri] == [
                (p.name, p.default) for p in code.values() if p.name != "error_correction"
            ]
            assert code["error_correction"].kind is inspect.Parameter.KEYWORD_ONLY


def test_both_surfaces_have_the_same_class() -> None:
    assert ferrotp.QR is ferrotp.legacy.QR is ferrotp.qr.QR
    assert "QR" in dir(ferrotp) and "QR" in dir(ferrotp.legacy)
