"""What the differential tests try: for each argument of pyotp's the ordinary, the edges and the absurd.

No value here may make pyotp itself hang: no exponent of digits and no window is huge.
"""

import base64
import datetime
import functools
import hashlib
import sys
import unicodedata
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

END_OF_TIME = 253402300800  # 10000-01-01 00:00:00 UTC


class Text(str):
    """A subclass of str, which nothing may take for a plain one."""


class Shouting(str):
    """A str whose `str()` is another one."""

    def __str__(self):
        return "123456"


class Number(int):
    """A subclass of int."""


class IntLike:
    """What `int()` takes, and nothing else does."""

    def __int__(self):
        return 59

    def __repr__(self):
        return "IntLike()"


class Indexed(IntLike):
    """What `range` and slices take as well."""

    def __index__(self):
        return 1

    def __repr__(self):
        return "Indexed()"


class Speaking:
    """An object that `str()` turns into a code."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text

    def __repr__(self):
        return f"Speaking({self.text!r})"


class Mute:
    """An object that `str()` cannot turn into anything."""

    def __str__(self):
        raise LookupError("no text")

    def __repr__(self):
        return "Mute()"


class NoOffset(datetime.tzinfo):
    """A time zone that says nothing: a datetime with it is naive, though its `tzinfo` is set."""

    def utcoffset(self, when):
        return None

    def dst(self, when):
        return None

    def tzname(self, when):
        return None


class Moment(datetime.datetime):
    """A subclass of datetime."""


def mostly(ordinary, *odd):
    """Three draws of four are ordinary: otherwise hardly any object would get as far as a code."""
    return st.integers(0, 3).flatmap(lambda draw: ordinary if draw else st.one_of(*odd))


def spoil(text, how):
    """A base32 text in another form, or broken."""
    kind, place = how
    place = place % (len(text) + 1)
    stripped = text.rstrip("=")
    return {
        "as it is": text,
        "lower": text.lower(),
        "mixed": "".join(c.lower() if i % 3 else c for i, c in enumerate(text)),
        "unpadded": stripped,
        "partly padded": stripped + "=" * (place % 8),
        "padded too much": text + "=" * 8,
        "one = more": text + "=",
        "= inside": text[:place] + "=" + text[place:],
        "space": text[:place] + " " + text[place:],
        "groups": " ".join(text[i : i + 4] for i in range(0, len(text), 4)),
        "newline": text + "\n",
        "hyphen": text[:place] + "-" + text[place:],
        "0, 1, 8, 9": text[:place] + "0189"[place % 4] + text[place:],
        "eight of them": text[:place] + "00000000" + text[place:],
        "umlaut": text[:place] + "ä" + text[place:],
        "sharp s": text[:place] + "ß" + text[place:],
        "dotless i": text[:place] + "ı" + text[place:],
        "Kelvin": text[:place] + "\u212a" + text[place:],
        "full-width": text[:place] + "Ａ" + text[place:],
        "nul": text[:place] + "\0" + text[place:],
        "surrogate": text[:place] + "\ud800" + text[place:],
        "cut": text[:place],
        "without its first": text[1:],
        "str subclass": Text(text),
        "bytes": text.encode(),
        "bytes unpadded": stripped.encode(),
        "bytes lower": text.lower().encode(),
        "bytearray": bytearray(text.encode()),
        "memoryview": memoryview(text.encode()),
    }[kind]


GOOD_FORMS = ["as it is", "lower", "mixed", "unpadded", "bytes"]
ODD_FORMS = [
    *("partly padded", "padded too much", "one = more", "= inside", "space", "groups", "newline", "hyphen"),
    *("0, 1, 8, 9", "eight of them", "umlaut", "sharp s", "dotless i", "Kelvin", "full-width", "nul", "surrogate"),
    *("cut", "without its first", "str subclass", "bytes unpadded", "bytes lower", "bytearray", "memoryview"),
]
places = st.integers(0, 200)
long_keys = st.one_of(st.binary(min_size=14, max_size=100), st.binary(min_size=20, max_size=20))
base32 = long_keys.map(lambda key: base64.b32encode(key).decode())
good_secrets = st.builds(spoil, base32, st.tuples(st.sampled_from(GOOD_FORMS), places))
secrets = mostly(
    good_secrets,
    st.builds(spoil, base32, st.tuples(st.sampled_from(ODD_FORMS), places)),
    st.builds(
        spoil,
        st.binary(max_size=20).map(lambda key: base64.b32encode(key).decode()),
        st.tuples(st.sampled_from(GOOD_FORMS + ODD_FORMS), places),
    ),
    st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=60),
    st.text(alphabet="abyz AZ27=0189", max_size=40),
    st.sampled_from([None, 0, 1.5, "", b"", "A" * 16, "0" * 32, "=" * 8, "A" * 8 + "=" * 8, True, ("A",) * 32]),
)


def wrapped_sha1(*args, **kwargs):
    """Makes the same code as hashlib's own, but is not hashlib's own."""
    return hashlib.sha1(*args, **kwargs)


no_sha1 = functools.partial(hashlib.new, "sha256")
DIGESTS = [
    *(hashlib.sha224, hashlib.sha384, hashlib.sha3_224, hashlib.sha3_256, hashlib.sha3_384, hashlib.sha3_512),
    *(hashlib.blake2b, hashlib.blake2s, hashlib.md5, hashlib.shake_128, hashlib.shake_256, wrapped_sha1, no_sha1),
    *("sha1", "sha256", "sha512", "SHA1", "md5", "nonsense", "", b"sha1", 0, 1.5, hashlib, object, len, ["sha1"]),
]
ORDINARY_DIGESTS = [None, hashlib.sha1, hashlib.sha256, hashlib.sha512]
digests = mostly(
    st.sampled_from([None, hashlib.sha1, hashlib.sha1, hashlib.sha256, hashlib.sha512]), st.sampled_from(DIGESTS)
)
digits = mostly(
    st.integers(6, 10),
    st.integers(-3, 5),
    st.sampled_from(
        [
            *(0, 11, 12, 100, -100, True, False, 6.0, 7.5, 0.5, float("nan"), float("inf"), "6", None, b"6", [6]),
            *(Decimal(6), Fraction(13, 2), Number(6), IntLike(), Indexed(), 256 + 6, 2**32 + 6, 2**64 + 6, 6j),
        ]
    ).filter(lambda value: not isinstance(value, int) or abs(value) < 2000),
)
# A negative or fractional number of digits, or 262, is computed with; 2**32 + 6 of them would take all memory.
refused_digits = st.one_of(digits, st.sampled_from([2**32 + 6, 2**64 + 6, -(2**64), float("-inf")]))
intervals = mostly(
    st.sampled_from([30, 30, 60, 1, 15, 45, 90, 120]),
    st.integers(1, 120),
    st.floats(0.01, 200),
    st.integers(-5, 700),
    st.sampled_from(
        [
            *(0, 0.0, -0.0, -1, -0.5, 121, 180, 300, 600, 3000, 315360000, 2**32 - 1, 2**32, 2**32 + 30, 2**63, 10**20),
            *(10**400, -(10**400), True, False, 30.0, 0.5, 1e-9, 1e-20, 1e-300, 5e-324, 1e300, 120.5, 119.999),
            *(float("inf"), float("-inf"), float("nan"), "30", b"30", None, [30], Number(30), IntLike(), Indexed()),
            *(Decimal(30), Decimal("0.5"), Decimal(0), Decimal("NaN"), Fraction(61, 2), Fraction(-1, 2), 30j),
        ]
    ),
)
counts = mostly(
    st.integers(0, 2**31),
    st.integers(-3, 300),
    st.integers(0, 2**130),
    st.sampled_from(
        [
            *(10**31 + 7, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, -1, -(2**63), -(2**64)),
            *(
                True,
                False,
                1.0,
                1.5,
                -0.0,
                float("nan"),
                float("inf"),
                "1",
                b"1",
                None,
                Number(5),
                IntLike(),
                Indexed(),
            ),
            *(Decimal(5), Fraction(5), 5j, [5]),
        ]
    ),
)
offsets = mostly(
    st.just(0),
    st.integers(-60, 60),
    st.sampled_from([1, -1, True, False, 1.0, 0.5, None, "1", Number(1), Decimal(1), Fraction(1), Indexed()]),
    st.sampled_from([2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**31 + 7, -(2**31), -(2**63), -(2**63) - 1, -(2**64)]),
)
windows = mostly(
    st.sampled_from([0, 0, 1, 1, 2, 5]),
    st.integers(0, 60),
    st.integers(-3, 0),
    st.sampled_from([-1, True, False, None, 1.0, 0.0, 0.5, "1", "", Number(1), Decimal(1), Decimal(0), IntLike()]),
    st.sampled_from([Indexed(), float("nan"), -(2**64), [], [1]]),
)

# The switches of the zones below in the year 2026, in Unix time, more or less.
SWITCHES = [1774746000, 1792890000, 1772953200, 1793512800, 1775314800, 1790431200, 1775314800, 1792947600]
ZONES = [
    *("UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3"),
    *("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"),
    *("<-12>12", "<+14>-14", "<+0530>-5:30", "GMT0IST,M3.5.0/1,M10.5.0", "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3"),
]
zones = st.sampled_from(ZONES)

near_switch = st.builds(lambda at, offset: at + offset, st.sampled_from(SWITCHES), st.integers(-3 * 86400, 3 * 86400))
at_switch = st.builds(lambda at, offset: at + offset, st.sampled_from(SWITCHES), st.integers(-5400, 5400))
unix_ints = st.one_of(
    st.integers(1_000_000_000, 2_000_000_000), near_switch, at_switch, st.integers(0, 200), st.integers(0, END_OF_TIME)
)
edge_ints = st.one_of(
    st.integers(-100_000, 0),
    st.integers(END_OF_TIME - 100_000, END_OF_TIME + 100_000),
    st.sampled_from([0, 29, 30, 59, 2**31 - 1, 2**31, 2**32, END_OF_TIME - 1, END_OF_TIME, -1, -(10**12), 10**12]),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), 2**64, 10**20, 10**400, -62135596800, 253402300799]),
)
floats = st.one_of(
    st.floats(0, float(END_OF_TIME)),
    st.builds(lambda whole, part: whole + part, unix_ints, st.floats(0, 1)),
    st.floats(-2, 60),
    st.floats(END_OF_TIME - 2, END_OF_TIME + 2),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([-0.0, -0.5, -1.0, 0.999, 29.999999, 30.0, 1e300, float("nan"), float("inf"), float("-inf")]),
)


def local_time(seconds, microsecond, fold, kind):
    """A datetime without an offset."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds, microseconds=microsecond)
    moment = moment.replace(fold=fold)
    if kind == "subclass":
        return Moment(*moment.timetuple()[:6], microsecond, fold=fold)
    return moment.replace(tzinfo=NoOffset()) if kind == "no offset" else moment


naive = st.one_of(
    st.builds(
        local_time,
        st.one_of(near_switch, at_switch, st.integers(0, END_OF_TIME - 1)),
        st.integers(0, 999_999),
        st.integers(0, 1),
        st.sampled_from(["plain", "plain", "plain", "subclass", "no offset"]),
    ),
    st.datetimes(allow_imaginary=True),
    st.builds(local_time, st.integers(-90_000, 90_000), st.integers(0, 999_999), st.integers(0, 1), st.just("plain")),
    st.sampled_from([datetime.datetime.min, datetime.datetime.max, datetime.datetime(9999, 12, 31, 12)]),
)
offset_zones = st.one_of(
    st.just(datetime.timezone.utc),
    st.integers(-86399, 86399).map(lambda seconds: datetime.timezone(datetime.timedelta(seconds=seconds))),
    st.integers(-14, 14).map(lambda hours: datetime.timezone(datetime.timedelta(hours=hours))),
)
aware = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), naive, offset_zones)
odd_times = st.one_of(
    unix_ints.map(Decimal),
    st.decimals(min_value=-2, max_value=END_OF_TIME + 2, places=3),
    st.fractions(min_value=-2, max_value=END_OF_TIME),
    unix_ints.map(Number),
    unix_ints.map(str),
    st.sampled_from(
        [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), True, False, "", "abc", " 59 ", b"59", "5.5"]
    ),
    st.sampled_from(
        [datetime.date(2026, 1, 1), datetime.time(1), datetime.timedelta(1), [], 59j, IntLike(), Indexed()]
    ),
    st.sampled_from([None, object, (2026, 1, 1)]),
)
times = mostly(
    st.one_of(unix_ints, unix_ints, floats.filter(lambda at: 0 <= at < END_OF_TIME)),
    edge_ints,
    floats,
    naive,
    aware,
    odd_times,
)
clocks = mostly(
    st.builds(
        lambda whole, part: whole + part, unix_ints.filter(lambda at: at < END_OF_TIME - 100_000), st.floats(0, 0.99)
    ),
    st.floats(-100, 100),
    st.floats(END_OF_TIME - 100, END_OF_TIME + 100),
    st.sampled_from([0, 59, 1_700_000_000, Decimal("59.5"), float("nan"), -1, 10**20]),
)

# The zeros of all decimal digits in Unicode: to most of them normalization does nothing, but a few become ASCII.
ZEROS = [
    chr(point)
    for point in range(128, sys.maxunicode + 1)
    if unicodedata.category(chr(point)) == "Nd" and unicodedata.decimal(chr(point)) == 0
]
SYSTEMS = [
    *(dict(zip("0123456789", map(chr, range(ord(zero), ord(zero) + 10)), strict=True)) for zero in ZEROS),
    *(
        dict(zip("0123456789", digits, strict=True))
        for digits in ["⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "⓪①②③④⑤⑥⑦⑧⑨", "⓿❶❷❸❹❺❻❼❽❾"]
    ),
    *(dict(zip("0123456789", digits, strict=True)) for digits in ["〇一二三四五六七八九", "0⒈⒉⒊⒋⒌⒍⒎⒏⒐", "0⑴⑵⑶⑷⑸⑹⑺⑻⑼"]),
]


def disguise(code, how):
    """A right code in another form, or no longer right."""
    kind, place = how
    text = str(code)
    place = place % (len(text) + 1)
    system = SYSTEMS[how[1] % len(SYSTEMS)]
    return {
        "as it is": lambda: text,
        "int": lambda: int(text) if text.isascii() and text.isdigit() else text,
        "other digits": lambda: "".join(system.get(c, c) for c in text),
        "one other digit": lambda: (
            text[:place] + "".join(system.get(c, c) for c in text[place : place + 1]) + text[place + 1 :]
        ),
        "full-width": lambda: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
        "lower": lambda: text.lower(),
        "space before": lambda: " " + text,
        "space after": lambda: text + " ",
        "space inside": lambda: text[:place] + " " + text[place:],
        "zero-width": lambda: text[:place] + "\u200b" + text[place:],
        "nul": lambda: text[:place] + "\0" + text[place:],
        "combining": lambda: text[:place] + "\u0301" + text[place:],
        "surrogate": lambda: text[:place] + "\ud800" + text[place:],
        "bytes": lambda: text.encode("utf-8", "surrogatepass"),
        "subclass": lambda: Text(text),
        "speaking": lambda: Speaking(text),
        "short": lambda: text[:place],
        "long": lambda: text + text,
        "1024": lambda: text.ljust(1024, "0"),
        "1025": lambda: text.ljust(1025, "0"),
        "1025 full-width": lambda: text.ljust(1025, "０"),
        "1025 and a surrogate": lambda: text.ljust(1024, "0") + "\ud800",
        "1024 that normalize to more": lambda: text.ljust(1024, "\ufdfa"),
        "10000": lambda: "\u0301" * 10000,
        "next": lambda: text[:-1] + "1234567890A"["0123456789A".find(text[-1:])],
        "Decimal": lambda: Decimal(text) if text.isascii() and text.isdigit() else text,
        "float": lambda: float(text) if text.isascii() and text.isdigit() else text,
    }[kind]()


DISGUISES = [
    *("int", "other digits", "other digits", "one other digit", "full-width", "lower", "space before", "space after"),
    *("space inside", "zero-width", "nul", "combining", "surrogate", "bytes", "subclass", "speaking", "short", "long"),
    *("1024", "1025", "1025 full-width", "1025 and a surrogate", "1024 that normalize to more", "10000", "next"),
    *("Decimal", "float"),
]
disguises = st.tuples(
    mostly(st.sampled_from(["as it is", "as it is", "next"]), st.sampled_from(DISGUISES)), st.integers(0, 1000)
)
odd_codes = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789", max_size=11),
    st.text(alphabet=st.characters(categories=["Nd", "No", "Nl", "Cs"]), max_size=10),
    st.sampled_from(
        [None, "", b"123456", 123456, 0, -1, True, 1.5, "None", "True", [], {}, Mute(), Shouting("0"), object, "\udcff"]
    ),
)

names = mostly(
    st.one_of(st.none(), st.sampled_from(["alice", "alice@example.com", "Secret", "ACME Co"])),
    st.text(max_size=12),
    st.sampled_from(
        ["", "a b", "a/b", "a:b", "a%3Ab", "100%", "a+b", "~_-.", "Zürich", "日本", "🔑", "a&b=c?d#e", " x "]
    ),
    st.sampled_from(
        ["\ud800", "\0", "\n", Text("text"), Shouting("text"), b"bytes", 0, 1, True, False, 1.5, [], ["a"]]
    ),
)
IMAGES = [
    *("https://example.com/a.png", "https://example.com/ü 1.png?a=b&c=d#e", "http://example.com/a.png", "https://"),
    *("https:///a.png", "https://example.com", "", "a.png", "HTTPS://example.com/x", "https://[", "https://[::1]/x"),
    *(None, 1, b"https://example.com/a.png", Text("https://example.com/a.png")),
]
extra_keys = st.one_of(
    st.sampled_from(["image", "image", "foo", "lock", "encoder", "ümlaut", "a b", "a&b", ""]),
    st.sampled_from(["period", "digits", "secret", "counter", "issuer", "algorithm", "initial_count", "name", "self"]),
)
extra_values = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "steam", "a b", "a+b", "🔑", "\ud800", None, 1, True, b"x", Text("t"), ["x"]]),
)


def image_or_other(key):
    """A parameter; `image` mostly with what could be an address."""
    values = st.one_of(st.sampled_from(IMAGES), extra_values) if key == "image" else extra_values
    return st.tuples(st.just(key), values)


extras = st.one_of(
    st.just({}), st.just({}), st.lists(extra_keys.flatmap(image_or_other), min_size=1, max_size=3).map(dict)
)

# URIs, piece by piece: each mostly right.
PIECES = "A2=&?#/:%+;@[]\\ \t\n\0äß７\ud800"
raw_values = {
    "secret": st.one_of(
        st.sampled_from(
            ["A" * 32, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "a" * 32, "A" * 16, "A" * 26, "A" * 31, "JBSWY3DP"]
        ),
        st.sampled_from(
            ["GEZDGNBV GY3TQOJQ", "A" * 24 + "%3D" * 8, "A" * 26 + "======", "%41" * 32, "A+B", "0" * 32, "A" * 33]
        ),
        good_secrets.filter(lambda secret: isinstance(secret, str)),
    ),
    "issuer": st.sampled_from(
        ["ACME", "ACME%20Co", "ACME+Co", "acme", "%41CME", "A%3AB", "%C3%A4", "%E4", "%", "%4", "%zz", "ä", "🔑"]
    ),
    "algorithm": st.sampled_from(["SHA1", "SHA256", "SHA512", "sha1", "SHA224", "MD5", "SHA%31", "SHA1 ", "%20", "1"]),
    "encoder": st.sampled_from(["steam", "steam", "Steam", "base32", "%73team", "steam+"]),
    "digits": st.sampled_from(
        ["6", "7", "8", "8", "5", "9", "0", "-1", "06", "6.0", "six", "%36", "+6", "6_0", "７", "1" * 20]
    ),
    "period": st.sampled_from(
        ["30", "60", "15", "120", "121", "300", "0", "-30", "030", "30.0", "x", "%33%30", "1" * 19, "1" * 5000]
    ),
    "counter": st.sampled_from(
        ["0", "1", "10", "-1", "007", "x", "1.5", "%31", "1_0", "1" * 18, "1" * 19, "1" * 40, "+1"]
    ),
    "image": st.sampled_from(["https%3A%2F%2Fexample.com%2Fa.png", "x", ""]),
    "foo": st.sampled_from(["bar", "", "%"]),
    "Secret": st.just("A" * 32),
    "%73ecret": st.just("B" * 32),
    "sec+ret": st.just("x"),
    "lock": st.just("false"),
    "": st.just("x"),
}


@st.composite
def parameters(draw):
    """One `key=value` of a query, not always with all of it."""
    key = draw(st.sampled_from([*list(raw_values)[:7] * 2, *raw_values]))
    value = draw(raw_values[key])
    form = draw(st.integers(0, 30))
    return {0: key, 1: f"{key}=", 2: f"={value}", 3: "", 4: f"{key}=={value}", 5: f"{key}={value}%"}.get(
        form, f"{key}={value}"
    )


@st.composite
def uris(draw):
    """An `otpauth` URI: right, nearly right, or neither."""
    scheme = draw(
        mostly(
            st.just("otpauth://"),
            st.sampled_from(
                [
                    "otpauth://",
                    "OTPAUTH://",
                    "otpAuth://",
                    "otpauth:",
                    "otpauth:/",
                    "http://",
                    "",
                    " otpauth://",
                    "otpauth:///",
                ]
            ),
        )
    )
    host = draw(
        mostly(
            st.sampled_from(["totp", "totp", "hotp"]),
            st.sampled_from(
                [
                    "TOTP",
                    "Hotp",
                    "steam",
                    "",
                    "totp:80",
                    "u@totp",
                    "to%74p",
                    "totp.",
                    "[",
                    "[totp]",
                    "[::1]",
                    "tötp",
                    "ｔotp",
                    "totp\\",
                ]
            ),
        )
    )
    label = draw(
        mostly(
            st.sampled_from(["/alice", "/ACME:alice", "/ACME%20Co:alice%40example.com", "/alice@example.com"]),
            st.sampled_from(
                [
                    "",
                    "/",
                    "/:",
                    "/ACME:",
                    "/:alice",
                    "/ACME%3Aalice",
                    "/ACME%3aX:b",
                    "/A:B:C",
                    "//a",
                    "/a/b",
                    "/%",
                    "/%4",
                    "/%zz",
                    "/%C3%A4",
                    "/%E4",
                    "/%ED%A0%80",
                    "/ä",
                    "/🔑:b",
                    "/a+b",
                    "/a b",
                    "/a;b",
                    "/a;b:c",
                    "/a\tb",
                    "alice",
                ]
            ),
            st.text(max_size=6).map("/".__add__),
        )
    )
    query = draw(st.lists(parameters(), max_size=5))
    if draw(st.integers(0, 7)):
        query.insert(draw(st.integers(0, len(query))), "secret=" + draw(raw_values["secret"]))
    separator = draw(mostly(st.just("&"), st.sampled_from(["&&", ";", "&;", "?"])))
    uri = (
        scheme
        + host
        + label
        + draw(mostly(st.just("?"), st.sampled_from(["", "??", "#", ";"])))
        + separator.join(query)
    )
    uri += draw(mostly(st.just(""), st.sampled_from(["#", "#fragment", "&", "\n", " ", "\0", "?"])))
    for _ in range(draw(mostly(st.just(0), st.integers(1, 3)))):
        place = draw(st.integers(0, len(uri)))
        insert = draw(st.sampled_from([*PIECES, "", "", "", "%20", "%00", "&secret=" + "A" * 32]))
        uri = uri[:place] + insert + uri[place + draw(st.integers(0, 2)) :]
    return uri


plain_values = {
    "issuer": st.sampled_from(["ACME", "ACME%20Co", "ACME+Co", "%41CME", ""]),
    "algorithm": st.sampled_from(["SHA1", "SHA256", "SHA512", ""]),
    "digits": st.sampled_from(["6", "7", "8", "06"]),
    "image": st.sampled_from(["https%3A%2F%2Fexample.com%2Fa.png", "x", ""]),
}


@st.composite
def ordinary_uris(draw):
    """What a server would write, with one character of it changed now and then."""
    host = draw(st.sampled_from(["totp", "hotp"]))
    fields = {key: draw(value) for key, value in plain_values.items() if draw(st.booleans())}
    fields["secret"] = draw(
        st.one_of(st.sampled_from(["A" * 32, "a" * 26, "A" * 16, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]))
    )
    if host == "hotp":
        fields["counter"] = str(draw(st.one_of(st.integers(0, 10), st.integers(0, 10**19))))
    elif draw(st.booleans()):
        fields["period"] = draw(st.sampled_from(["30", "60", "120", "300", "015"]))
    label = draw(st.sampled_from(["alice", "ACME:alice", "ACME%20Co:alice%40example.com", "a%3Ab", ":b"]))
    query = draw(st.permutations(sorted(fields.items())))
    uri = f"otpauth://{host}/{label}?" + "&".join(f"{key}={value}" for key, value in query)
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(uri)))
        uri = uri[:place] + draw(st.sampled_from([*PIECES, ""])) + uri[place + draw(st.integers(0, 1)) :]
    return uri


odd_uris = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            None,
            0,
            b"otpauth://totp/a?secret=" + b"A" * 32,
            "",
            "otpauth://",
            "otpauth://totp",
            [],
            Text("otpauth://totp/a?secret=" + "A" * 32),
        ]
    ),
)
