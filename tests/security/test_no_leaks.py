"""No secret in what objects show of themselves, nor in any way of failing: message, arguments, context, frames."""

import base64
import binascii
import hashlib
import importlib
import os
import pathlib
import pickle
import traceback
import warnings

import pytest
from names import shown

import ferrotp

SURFACES = ["ferrotp", "ferrotp.legacy"]
KINDS = ["OTP", "HOTP", "TOTP", "Steam"]

# 20 bytes whose base32 is found in no source file.
CANARY = "KRUGS4ZANFZSAYJAMNQW4YLSPEQHGZLD"
KEY = base64.b32decode(CANARY)
SHORT = CANARY[:16]
URI = f"otpauth://totp/ann?secret={CANARY}"

PACKAGE = str(pathlib.Path(ferrotp.__file__).parent) + os.sep


def marks(secret: str = CANARY, key: bytes = KEY) -> list[str]:
    """Every spelling under which a piece of the secret could be seen."""
    piece, bits = secret[:12], key[:8]
    return [
        piece,
        piece.lower(),
        bits.decode("latin-1"),
        repr(bits)[2:-1],
        bits.hex(),
        base64.b64encode(bits).decode()[:8],
        str(list(bits))[1:-1],
        str(int.from_bytes(key, "big")),
    ]


def look(text: str, where: str) -> None:
    for mark in marks():
        assert mark not in text, f"the secret shows in {where}: ...{text[max(0, text.find(mark) - 60) :][:160]}"


def chain(error: BaseException) -> list[BaseException]:
    """The exception and all that led to it, also what Python would not print."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def examine(error: BaseException, allow: tuple[str, ...] = ()) -> None:
    """Looks everywhere in an exception. The frames of the caller, who has the secret, are the caller's own."""
    for link in chain(error):
        kind = type(link).__name__
        look(str(link), f"str({kind})")
        look(repr(link), f"repr({kind})")
        look(repr(link.args), f"{kind}.args")
        look(repr(vars(link)), f"vars({kind})")
        if isinstance(link, UnicodeError):
            look(repr(getattr(link, "object", "")), f"{kind}.object")
        for frame, _ in traceback.walk_tb(link.__traceback__):
            name = frame.f_code.co_filename
            if name == __file__:
                continue
            for local, value in frame.f_locals.items():
                where = f"{kind}: local {local!r} of {frame.f_code.co_name} in {os.path.basename(name)}"
                look(_shown(value), where)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return ""


def fails(use, *expected) -> BaseException:
    """Does what fails, and examines the failure."""
    try:
        use()
    except BaseException as error:
        assert isinstance(error, expected or Exception), error  # noqa: PT017  # it goes on to look at the error
        examine(error)
        return error
    pytest.fail("it did not fail")


@pytest.fixture(params=SURFACES)
def surface(request):
    return importlib.import_module(request.param)


def kind_of(surface, kind):
    return surface.contrib.Steam if kind == "Steam" else getattr(surface, kind)


def boom(*args):
    raise RuntimeError("boom")


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secret", [CANARY, CANARY.lower(), CANARY.encode()], ids=["str", "lower case", "bytes"])
def test_an_object_shows_no_secret(surface, kind, secret):
    otp = kind_of(surface, kind)(secret)
    otp.generate_otp(1)
    for text in (
        repr(otp),
        str(otp),
        f"{otp}",
        f"{otp!r:>90}",
        ascii(otp),
        f"{otp} {otp!r}",
        repr([otp, {1: otp}]),
    ):
        look(text, "the object's text")
    if kind != "OTP":
        for name in ("at", "verify", "provisioning_uri", "generate_otp", "byte_secret"):
            look(repr(getattr(otp, name)), "a method's text")
    vars(otp)
    look(repr(otp), "the object's text once its dict was asked for")


def test_an_object_read_from_a_uri_shows_no_secret(surface):
    look(repr(surface.parse_uri(URI)), "the object's text")


def test_a_warning_shows_no_secret(surface):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        otp = surface.TOTP(CANARY)
        otp.now(), otp.verify("000000"), otp.provisioning_uri(), surface.parse_uri(URI)
    assert not caught


# --- constructors -----------------------------------------------------------------------------------------------------

BAD_SECRETS = {
    "a digit that base32 has not": CANARY + "0",
    "a digit in the middle": CANARY[:14] + "1" + CANARY[15:],
    "a space": CANARY + " ",
    "spaces between groups": " ".join(CANARY[place : place + 4] for place in range(0, 32, 4)),
    "too much padding": CANARY + "=",
    "one character too many": CANARY + "A",
    "lower case": CANARY.lower() + "!",
    "bytes": CANARY.encode() + b"!",
    "bytes without padding": CANARY.encode()[:26],
    "a letter of another script": CANARY + "é",
    "a lone surrogate": CANARY + "\ud800",
    "NUL": CANARY + "\0",
    "a list": list(CANARY),
    "a tuple of it": (CANARY,),
    "a URI": URI,
    "short": SHORT,
    "short, in lower case": SHORT.lower(),
    "short bytes": SHORT.encode(),
    "a bytearray": bytearray(CANARY.encode()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secret", BAD_SECRETS.values(), ids=BAD_SECRETS)
def test_a_bad_secret_fails_without_showing_it(surface, kind, secret):
    for use in (lambda otp: otp.generate_otp(1), lambda otp: otp.provisioning_uri(), lambda otp: otp.byte_secret()):
        try:
            use(kind_of(surface, kind)(secret))  # 2.12 fails at construction, 2.10 at use
        except Exception as error:
            examine(error)


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP"])
@pytest.mark.parametrize(
    "options",
    [
        {"digits": 99},
        {"digits": 0},
        {"digits": "six"},
        {"digits": None},
        {"digits": []},
        {"digest": hashlib.md5},
        {"digest": hashlib.shake_128},
        {"nothing": 1},
        {"s": CANARY},
        {"name": 5},
    ],
    ids=repr,
)
def test_a_bad_option_fails_without_showing_the_secret(surface, kind, options):
    if options == {"name": 5}:
        fails(lambda: kind_of(surface, "TOTP")(CANARY, name=5).provisioning_uri(), TypeError)
        return
    fails(lambda: kind_of(surface, kind)(CANARY, **options), ValueError, TypeError)


@pytest.mark.parametrize("interval", [0, -1, "x", None, [], 10**6])
@pytest.mark.parametrize("kind", ["TOTP", "Steam"])
def test_a_bad_interval_fails_without_showing_the_secret(surface, kind, interval):
    def use():
        otp = kind_of(surface, kind)(CANARY, interval=interval)
        otp.interval = interval
        otp.at(59)
        raise ValueError("it is good enough for this surface")

    fails(use, ValueError, TypeError, ZeroDivisionError)


def test_wrong_numbers_of_arguments_fail_without_showing_the_secret(surface):
    for kind in KINDS:
        fails(lambda kind=kind: kind_of(surface, kind)(CANARY, *range(20)), TypeError)
        fails(lambda kind=kind: kind_of(surface, kind)(secret=CANARY), TypeError)
        fails(lambda kind=kind: kind_of(surface, kind)(digits=6, secret=CANARY), TypeError)


def test_a_subclass_that_fails_during_construction_shows_no_secret_of_ours(surface):
    class Refusing(surface.TOTP):
        def __setattr__(self, name, value):
            if name == "issuer":
                raise RuntimeError("no")
            super().__setattr__(name, value)

    fails(lambda: Refusing(CANARY), RuntimeError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_that_asks_for_a_longer_secret_fails_without_showing_it(surface, kind):
    strict = type("Strict", (kind_of(surface, kind),), {"min_secret_length_bits": 999})
    fails(lambda: strict(CANARY).generate_otp(1), ValueError)


# --- use --------------------------------------------------------------------------------------------------------------


def broken(surface, how):
    """An object that holds the canary, and fails when it is used."""
    otp = surface.TOTP(CANARY)
    otp.at(59)
    match how:
        case "bad base32":
            otp.secret = CANARY + "0"
        case "lower case and bad":
            otp.secret = CANARY.lower() + "0"
        case "bytes":
            otp.secret = CANARY.encode() + b"0"
        case "not ASCII":
            otp.secret = CANARY + "é"
        case "a list":
            otp.secret = list(CANARY)
        case "short digest":
            otp.digest = hashlib.md5
        case "a digest that fails":
            otp.digest = boom
        case "a digest that fails when it is fed":
            otp.digest = _Unfeedable
        case "no digest":
            otp.digest = None
        case "an unknown digest":
            otp.digest = "nothing"
        case "bad digits":
            otp.digits = "six"
        case "no digits":
            del otp.digits
        case "no interval":
            otp.interval = None
        case "interval 0":
            otp.interval = 0
        case "no issuer":
            otp.issuer = 5
        case "int_to_bytestring fails":
            otp.int_to_bytestring = boom
        case "timecode fails":
            otp.timecode = boom
        case "generate_otp fails":
            otp.generate_otp = boom
    return otp


class _Unfeedable:
    block_size, digest_size = 64, 20
    name = "unfeedable"

    def __init__(self, data=b""):
        pass

    def update(self, data):
        raise RuntimeError("boom")

    def copy(self):
        return self


WAYS = [
    "bad base32",
    "lower case and bad",
    "bytes",
    "not ASCII",
    "a list",
    "short digest",
    "a digest that fails",
    "a digest that fails when it is fed",
    "no digest",
    "an unknown digest",
    "bad digits",
    "no digits",
    "no interval",
    "interval 0",
    "no issuer",
    "int_to_bytestring fails",
    "timecode fails",
    "generate_otp fails",
]
USES = {
    "now": lambda otp: otp.now(),
    "at": lambda otp: otp.at(59),
    "verify": lambda otp: otp.verify("000000"),
    "verify with a window": lambda otp: otp.verify("000000", for_time=590, valid_window=1),
    "verify_and_get_timecode": lambda otp: otp.verify_and_get_timecode("000000"),
    "generate_otp": lambda otp: otp.generate_otp(1),
    "byte_secret": lambda otp: otp.byte_secret(),
    "provisioning_uri": lambda otp: otp.provisioning_uri(),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("seen", [False, True])
def test_an_object_that_fails_at_use_shows_no_secret(surface, how, use, seen):
    otp = broken(surface, how)
    if seen:
        vars(otp)
    try:
        use(otp)
    except Exception as error:
        examine(error)


@pytest.mark.parametrize("how", WAYS)
def test_most_broken_objects_do_fail(surface, how):
    # Or the test above would look at nothing.
    if how in ("no issuer",):
        fails(broken(surface, how).provisioning_uri, TypeError)
    else:
        fails(lambda: broken(surface, how).at(59))


def test_a_failing_digest_leaves_no_key_in_the_frames_of_hmac(surface):
    for digest in (boom, _Unfeedable, lambda data=b"": boom()):
        otp = surface.TOTP(CANARY, digest=digest)
        fails(lambda otp=otp: otp.at(59), RuntimeError)
        fails(lambda otp=otp: otp.verify("000000"), RuntimeError)
        fails(lambda digest=digest: surface.HOTP(CANARY, digest=digest).at(1), RuntimeError)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_process_that_is_stopped_in_the_middle_shows_no_secret(surface, stop):
    # A server's time-out raises SystemExit wherever the request is, and error reporters keep the frames' locals.
    class Stopping(_Unfeedable):
        def update(self, data):
            raise stop

    def digest(data=b""):
        raise stop

    for each in (digest, Stopping):
        fails(lambda each=each: surface.TOTP(CANARY, digest=each).at(59), stop)


@pytest.mark.parametrize(
    "moment", [-1, float("nan"), float("inf"), 10**30, "x", None, [], __import__("datetime").date(2000, 1, 1)], ids=repr
)
def test_a_bad_time_fails_without_showing_the_secret(surface, moment):
    otp = surface.TOTP(CANARY)
    for use in (lambda: otp.at(moment), lambda: otp.timecode(moment), lambda: otp.verify("000000", for_time=moment)):
        try:
            use()
        except Exception as error:
            examine(error)


def test_bad_arguments_fail_without_showing_the_secret(surface):
    totp, hotp = surface.TOTP(CANARY), surface.HOTP(CANARY)
    for use in (
        lambda: totp.verify("\ud800", for_time=59),
        lambda: totp.verify(_Voiceless(), for_time=59),
        lambda: totp.verify("000000", for_time=59, valid_window="x"),
        lambda: totp.verify("000000", for_time=0, valid_window=1),
        lambda: totp.verify_and_get_timecode("000000", for_time=59, valid_window=-1),
        lambda: totp.verify_and_get_timecode("000000", for_time=59),
        lambda: totp.verify_and_get_timecode("\ud800", for_time=59),
        lambda: totp.at(59, counter_offset="x"),
        lambda: totp.at(0, counter_offset=-1),
        lambda: totp.generate_otp(-1),
        lambda: totp.generate_otp("x"),
        lambda: hotp.at(-1),
        lambda: hotp.at("x"),
        lambda: hotp.verify("\ud800", 1),
        lambda: hotp.verify("000000", None),
        lambda: totp.nothing,
        lambda: totp.now(1),
        lambda: delattr(totp, "nothing"),
        lambda: setattr(totp, "__dict__", 5),
        lambda: totp.__setstate__(5),
        lambda: totp < hotp,
        lambda: totp(),
        lambda: len(totp),
    ):
        fails(use)


class _Voiceless:
    def __str__(self):
        raise RuntimeError("no text")


def test_a_code_that_cannot_be_compared_leaves_the_right_code_in_no_frame(surface):
    totp = surface.TOTP(CANARY)
    right = totp.at(59)
    for use in (
        lambda: totp.verify("\ud800", for_time=59),
        lambda: totp.verify("\ud800", for_time=89, valid_window=1),
        lambda: totp.verify_and_get_timecode("\ud800", for_time=59),
        lambda: surface.HOTP(CANARY).verify("\ud800", 1),
    ):
        error = fails(use, UnicodeEncodeError)
        for link in chain(error):
            for frame, _ in traceback.walk_tb(link.__traceback__):
                if frame.f_code.co_filename == __file__:
                    continue
                for local, value in frame.f_locals.items():
                    assert right not in _shown(value), f"{local} of {frame.f_code.co_name} is the right code"


# --- URIs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        URI + "0",
        URI + "&digits=99",
        URI + "&digits=x",
        URI + "&period=x",
        URI + "&period=0",
        URI + "&period=9999",
        URI + "&counter=x",
        URI + "&counter=5",
        URI + "&algorithm=MD5",
        URI + "&issuer=a&issuer=b",
        URI + "&secret=" + CANARY,
        URI + "&encoder=steam&algorithm=SHA1",
        URI.replace("ann", "Bank:ann") + "&issuer=Shop",
        URI.replace("totp", "hotp") + "&period=30",
        URI.replace("totp", "TOTP"),
        URI.replace("totp", "[totp"),
        URI.replace("otpauth", "http"),
        URI.replace("?", "#"),
        URI.replace(CANARY, SHORT),
        URI.replace(CANARY, CANARY.lower() + "0"),
        URI.replace("secret", "key"),
        URI.replace("otpauth", "otpauth\u2100"),
        URI.encode(),
        [URI],
        (URI,),
    ],
    ids=lambda uri: ascii(uri).replace(CANARY, "..."),
)
def test_a_bad_uri_fails_without_showing_the_secret(surface, uri):
    try:
        otp = surface.parse_uri(uri)
        otp.generate_otp(1)
    except Exception as error:
        examine(error)


@pytest.mark.parametrize(
    "options",
    [
        {"x": 5},
        {"image": "http://example.com/x.png"},
        {"image": 5},
        {"image": "https://[x/y"},
        {"name": 5},
        {"name": "\ud800"},
        {"issuer_name": 5},
        {"issuer_name": "\ud800"},
        {"x": "\ud800"},
        {"digits": "8"},
        {"secret": 5},
        {"algorithm": "x"},
        {"function": 5},
    ],
    ids=ascii,
)
@pytest.mark.parametrize("kind", ["HOTP", "TOTP", "Steam"])
def test_a_uri_that_cannot_be_written_shows_no_secret(surface, kind, options):
    fails(lambda: kind_of(surface, kind)(CANARY).provisioning_uri(**options), ValueError, TypeError)


@pytest.mark.parametrize("digest", ["sha256", boom, lambda data=b"": object(), None, 5], ids=shown)
def test_a_digest_that_has_no_name_fails_the_uri_without_showing_the_secret(surface, digest):
    for kind in ("HOTP", "TOTP"):
        otp = kind_of(surface, kind)(CANARY)
        otp.digest = digest
        fails(otp.provisioning_uri)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((CANARY, None), {}),
        ((CANARY, 5), {}),
        ((CANARY, "\ud800"), {}),
        ((CANARY, "ann"), {"issuer": 5}),
        ((CANARY, "ann"), {"algorithm": 5}),
        ((CANARY, "ann"), {"image": "x"}),
        ((CANARY, "ann"), {"x": 5}),
        ((CANARY,), {}),
        ((CANARY + "\ud800", "ann"), {}),
    ],
    ids=lambda value: ascii(value).replace(CANARY, "..."),
)
def test_build_uri_fails_without_showing_the_secret(surface, args, kwargs):
    fails(lambda: surface.utils.build_uri(*args, **kwargs), ValueError, TypeError, AttributeError)


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_pickle_that_fails_shows_no_secret(surface):
    import copy

    otp = surface.TOTP(CANARY)
    otp.user = lambda: None
    fails(lambda: pickle.dumps(otp))

    class Uncopiable:
        def __deepcopy__(self, memo):
            raise RuntimeError("no")

    otp.user = Uncopiable()
    try:
        copy.deepcopy(otp)
    except RuntimeError as error:
        # copy's own frames hold the state that they copy, as of any object. Ours hold nothing.
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                for local, value in frame.f_locals.items():
                    look(_shown(value), local)


# --- the tests themselves ---------------------------------------------------------------------------------------------


def test_the_search_finds_what_it_looks_for():
    def leak(secret):
        raise ValueError("x")

    for text in (CANARY, CANARY.lower(), str(CANARY.encode()), URI, repr(KEY), KEY.hex(), repr(list(KEY))):
        with pytest.raises(AssertionError):
            look(text, "here")
    for error in (
        ValueError(CANARY),
        binascii.Error(f"bad: {CANARY.lower()}"),
        UnicodeEncodeError("utf-8", CANARY, 0, 1, "x"),
        KeyError(KEY),
    ):
        with pytest.raises(AssertionError):
            examine(error)
        outer = RuntimeError("outer")
        outer.__context__ = error
        with pytest.raises(AssertionError):
            examine(outer)
    namespace: dict = {}
    exec(compile("def leak(secret):\n    raise ValueError('x')\n", "elsewhere.py", "exec"), namespace)
    try:
        namespace["leak"](CANARY)
    except ValueError as error:
        with pytest.raises(AssertionError):
            examine(error)


def test_capture_locals_prints_no_secret(surface):
    # What an error reporter does. The caller's frame is left out: it has the secret.
    for use in (
        lambda: surface.parse_uri(URI + "0").now(),
        lambda: surface.TOTP(CANARY + "0").now(),
        lambda: surface.TOTP(CANARY, digest=boom).now(),
        lambda: surface.TOTP(CANARY).provisioning_uri(x=5),
    ):
        try:
            use()
        except Exception as error:
            report = traceback.TracebackException.from_exception(error, capture_locals=True)
            report.stack = traceback.StackSummary.from_list(
                [frame for frame in report.stack if frame.filename != __file__]
            )
            look("".join(report.format()), "the report")
