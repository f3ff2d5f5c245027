"""The corpus of malformed input, and what to do with it. Run as a program, it does all of it and prints JSON."""

import binascii
import datetime
import decimal
import fractions
import gc
import hashlib
import importlib
import itertools
import json
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

# What pyotp raises for such input. `binascii.Error` and the Unicode errors are ValueErrors; they are here to be read.
# `decimal.InvalidOperation` comes from decimals that are no numbers, and `LookupError` from alphabets without letters.
DOCUMENTED = (
    ValueError,
    binascii.Error,
    UnicodeError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    decimal.InvalidOperation,
    LookupError,
)


class Hostile:
    """An object of which every conversion fails in another way."""

    def __str__(self) -> str:
        raise ValueError("str")

    def __int__(self) -> int:
        raise OverflowError("int")

    def __index__(self) -> int:
        raise TypeError("index")

    def __len__(self) -> int:
        raise ValueError("len")

    def __eq__(self, other: object) -> bool:
        raise ValueError("eq")

    def __hash__(self) -> int:
        raise TypeError("hash")

    def __bool__(self) -> bool:
        raise ValueError("bool")


class Lying(str):
    """A str that says another length and other characters than it has."""

    def __len__(self) -> int:
        return 3

    def __str__(self) -> str:
        return "lie"

    def encode(self, *args: Any) -> Any:
        return 5


class Huge(int):
    def __index__(self) -> int:
        return 2**70

    def __lt__(self, other: Any) -> bool:
        return False


def texts() -> Iterator[str]:
    """Malformed texts: codes, secrets, names and URIs all have to bear them."""
    codes = ["287082", "000000", "94287082", ""]
    digits = {
        "full-width": "０１２３４５６７８９",
        "Arabic": "٠١٢٣٤٥٦٧٨٩",
        "Persian": "۰۱۲۳۴۵۶۷۸۹",
        "Devanagari": "०१२३४५६७८९",
        "superscript": "⁰¹²³⁴⁵⁶⁷⁸⁹",
        "circled": "⓪①②③④⑤⑥⑦⑧⑨",
        "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
    }
    for code in codes:
        yield code
        for table in digits.values():
            yield code.translate({48 + value: digit for value, digit in enumerate(table)})
    insertions = [
        "\0",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\ud800",
        "\udfff",
        "\ufeff",
        "\u200b",
        "\u202e",
        "\x7f",
        "\x80",
        "%00",
    ]
    insertions += [
        "%",
        "&",
        "#",
        "?",
        "/",
        ":",
        "+",
        "=",
        "\\",
        "'",
        '"',
        "<",
        "é",
        "😀",
        "\u0301",
        "\U0010ffff",
        "-",
        "_",
    ]
    for base in ("287082", SECRET, f"otpauth://totp/ann?secret={SECRET}"):
        for insertion in insertions:
            yield insertion + base
            yield base + insertion
            yield base[:3] + insertion + base[3:]
            yield insertion * 6
    for character in "0189 =-_.!@":
        yield character
        yield character * 32
        yield SECRET[:-1] + character
        yield SECRET.lower()[:-1] + character
        yield SECRET[:16] + character + SECRET[17:]
    for length in range(33):
        yield SECRET[:length]
        yield SECRET[:length].lower() + "=" * (-length % 8)
        yield SECRET[:length] + "="
        yield SECRET[:length] + "=" * 9
    # Alternating combining marks cost the square of their number to normalize.
    for marks in (10, 100, 500, 1022, 1023, 1024, 5000, 100_000):
        yield "a" + "\u0316\u0301" * (marks // 2)
        yield "１" * marks
    yield "A" * 1_000_000
    yield "\0" * 1_000_000
    yield "é" * 1_000_000
    yield "\ud800" * 1_000_000
    yield "A" * 1_000_000 + "1"
    yield "=" * 1_000_000
    yield "ﷺ" * 1024  # NFKC makes 18 characters of one
    yield "ﷺ" * 1025


def uris() -> Iterator[str]:
    """Malformed URIs."""
    base = f"otpauth://totp/ann?secret={SECRET}"
    parameters = {
        "secret": [SECRET, "", "0", "%00", "%FF", "%"],
        "issuer": ["Bank", "", "%00", "%ed%a0%80", "+"],
        "algorithm": ["SHA1", "sha1", "MD5", "", "SHA3-256", "%53HA1"],
        "digits": [
            "6",
            "-1",
            "0",
            "5",
            "9",
            "10",
            "11",
            "6.0",
            "1e1",
            "",
            "x",
            "٦",
            "６",
            "0x6",
            "9" * 5000,
            "+6",
            "6_0",
        ],
        "period": ["0", "-1", "-30", "30", "121", "1e1", "", "x", "9" * 5000, "٣٠", str(2**64), "0.5", "nan"],
        "counter": ["0", "-1", str(2**63), str(2**64), str(2**64 + 1), "9" * 4000, "9" * 5000, "", "x", "1.5"],
        "encoder": ["steam", "Steam", "", "x"],
        "image": ["", "https://", "http://x/y", "https://[x/y", "javascript:x"],
    }
    for kind in ("totp", "hotp", "TOTP", "steam", ""):
        for name, values in parameters.items():
            for value in values:
                yield f"otpauth://{kind}/ann?secret={SECRET}&{name}={value}"
                yield f"otpauth://{kind}/ann?{name}={value}"
    for name, values in parameters.items():
        for value in values[:2]:
            yield f"{base}&{name}={value}&{name}={value}"
            yield f"{base}&{name}={value}&{name}="
    yield from (
        "otpauth:",
        "otpauth:/",
        "otpauth:///",
        "otpauth://totp",
        "otpauth://totp?",
        "otpauth://totp/?",
        "otpauth://[::1]/x?secret=A",
        "otpauth://[/x?secret=A",
        "otpauth://]/x?secret=A",
        "otpauth://totp:x/ann?secret=A",
        "otpauth://\u2100totp/x",  # NFKC would make a slash of it
        "otpauth://totp/" + "%" * 100,
        "otpauth://totp/" + ":" * 100_000 + f"?secret={SECRET}",
        f"{base}&" + "&".join(f"x{number}=1" for number in range(10_000)),
        f"{base}&" + "&" * 100_000,
        f"{base}#" + "#" * 100_000,
        base + "&issuer=" + "%41" * 100_000,
        base[:-1] + "A" * 1_000_000,
        base.replace("&", "&amp;"),
        "\0" + base,
        base.replace("/", "\\"),
        "otpauth-migration://offline?data=AAAA",
    )


def others() -> list[Any]:
    """What is no text."""
    utc = datetime.timezone.utc
    numbers = [
        -1,
        0,
        1,
        5,
        10,
        2**31,
        2**32,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        2**64 + 1,
        2**70,
        10**31 + 7,
        -(2**70),
    ]
    numbers += [2**2000, True, False, Huge(5), -1.0, -0.0, 0.5, 1e308, float("inf"), float("-inf"), float("nan"), 1j]
    numbers += [decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal(59), fractions.Fraction(1, 3)]
    return [
        *numbers,
        None,
        Ellipsis,
        NotImplemented,
        b"",
        b"287082",
        SECRET.encode(),
        b"\xff\xfe",
        b"=" * 8,
        bytearray(b"287082"),
        memoryview(SECRET.encode()),
        [],
        [1],
        (),
        (1, 2),
        {},
        {"a": 1},
        set(),
        object(),
        object,
        Hostile(),
        Lying(SECRET),
        Lying("287082"),
        len,
        hashlib.sha1,
        hashlib.md5,
        hashlib.shake_128,
        hashlib.shake_256,
        hashlib.sha1(),
        lambda *args: None,
        types.SimpleNamespace(),
        datetime.date(2000, 1, 1),
        datetime.time(1),
        datetime.timedelta(1),
        datetime.datetime.min,
        datetime.datetime.max,
        datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=14))),
        datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=14))),
        datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=utc),
        datetime.datetime(2000, 1, 1, tzinfo=utc),
    ]


def corpus() -> list[Any]:
    return [*dict.fromkeys(itertools.chain(texts(), uris())), *others()]


def _moderate(value: Any) -> bool:
    """Not a number that asks for a loop or for memory of its size, which pyotp gives as well."""
    return not (isinstance(value, int) and abs(value) > 10**5)


def calls(module: Any) -> dict[str, Callable[[Any], Any]]:
    """Every argument of every public callable."""

    def made(kind: Any, **kwargs: Any) -> Any:
        otp = kind(SECRET, **kwargs)
        return otp.generate_otp(1), otp.provisioning_uri()

    def changed(name: str, value: Any) -> Any:
        otp = module.TOTP(SECRET)
        otp.at(59)
        setattr(otp, name, value)
        return otp.at(59), otp.verify("287082", for_time=59), otp.provisioning_uri()

    totp, hotp, steam = module.TOTP(SECRET), module.HOTP(SECRET), module.contrib.Steam(SECRET)
    otp_class, utils = module.OTP, module.utils
    table: dict[str, Callable[[Any], Any]] = {
        "OTP(s)": lambda v: module.OTP(v).generate_otp(1),
        "TOTP(s)": lambda v: module.TOTP(v).at(59),
        "HOTP(s)": lambda v: module.HOTP(v).at(1),
        "Steam(s)": lambda v: steam.__class__(v).at(59),
        "OTP(digits)": lambda v: otp_class(SECRET, digits=v).generate_otp(1),
        "OTP(digest)": lambda v: otp_class(SECRET, digest=v).generate_otp(1),
        "OTP(name)": lambda v: otp_class(SECRET, name=v).name,
        "TOTP(digits)": lambda v: made(module.TOTP, digits=v),
        "TOTP(digest)": lambda v: made(module.TOTP, digest=v),
        "TOTP(name)": lambda v: made(module.TOTP, name=v),
        "TOTP(issuer)": lambda v: made(module.TOTP, issuer=v),
        "TOTP(interval)": lambda v: module.TOTP(SECRET, interval=v).at(59),
        "HOTP(digits)": lambda v: made(module.HOTP, digits=v),
        "HOTP(digest)": lambda v: made(module.HOTP, digest=v),
        "HOTP(name)": lambda v: made(module.HOTP, name=v),
        "HOTP(initial_count)": lambda v: made(module.HOTP, initial_count=v),
        "Steam(name)": lambda v: made(steam.__class__, name=v),
        "Steam(interval)": lambda v: steam.__class__(SECRET, interval=v).at(59),
        "Steam(digits)": lambda v: steam.__class__(SECRET, digits=v).at(59),
        "TOTP.at(for_time)": lambda v: totp.at(v),
        "TOTP.at(counter_offset)": lambda v: totp.at(59, counter_offset=v),
        "TOTP.timecode(for_time)": lambda v: totp.timecode(v),
        "TOTP.verify(otp)": lambda v: totp.verify(v),
        "TOTP.verify(otp, window)": lambda v: totp.verify(v, for_time=59, valid_window=1),
        "TOTP.verify(for_time)": lambda v: totp.verify("287082", for_time=v),
        "TOTP.verify(valid_window)": lambda v: totp.verify("000000", for_time=59, valid_window=v),
        "TOTP.verify_and_get_timecode(otp)": lambda v: totp.verify_and_get_timecode(v),
        "TOTP.verify_and_get_timecode(for_time)": lambda v: totp.verify_and_get_timecode("287082", for_time=v),
        "TOTP.verify_and_get_timecode(valid_window)": lambda v: totp.verify_and_get_timecode(
            "000000", for_time=59, valid_window=v
        ),
        "TOTP.provisioning_uri(name)": lambda v: totp.provisioning_uri(name=v),
        "TOTP.provisioning_uri(issuer_name)": lambda v: totp.provisioning_uri(issuer_name=v),
        "TOTP.provisioning_uri(image)": lambda v: totp.provisioning_uri(image=v),
        "TOTP.provisioning_uri(**kwargs)": lambda v: totp.provisioning_uri(other=v),
        "HOTP.at(count)": lambda v: hotp.at(v),
        "HOTP.verify(otp)": lambda v: hotp.verify(v, 1),
        "HOTP.verify(counter)": lambda v: hotp.verify("287082", v),
        "HOTP.provisioning_uri(name)": lambda v: hotp.provisioning_uri(name=v),
        "HOTP.provisioning_uri(initial_count)": lambda v: hotp.provisioning_uri(initial_count=v),
        "HOTP.provisioning_uri(image)": lambda v: hotp.provisioning_uri(image=v),
        "Steam.verify(otp)": lambda v: steam.verify(v),
        "OTP.generate_otp(input)": lambda v: totp.generate_otp(v),
        "Steam.generate_otp(input)": lambda v: steam.generate_otp(v),
        "parse_uri(uri)": lambda v: module.parse_uri(v),
        "random_base32(length)": lambda v: module.random_base32(v) if _moderate(v) else None,
        "random_base32(chars)": lambda v: module.random_base32(32, v),
        "random_hex(length)": lambda v: module.random_hex(v) if _moderate(v) else None,
        "random_hex(chars)": lambda v: module.random_hex(40, v),
        "utils.strings_equal(s1)": lambda v: utils.strings_equal(v, "287082"),
        "utils.strings_equal(s2)": lambda v: utils.strings_equal("287082", v),
        "utils.build_uri(secret)": lambda v: utils.build_uri(v, "ann"),
        "utils.build_uri(name)": lambda v: utils.build_uri(SECRET, v),
        "utils.build_uri(initial_count)": lambda v: utils.build_uri(SECRET, "ann", initial_count=v),
        "utils.build_uri(issuer)": lambda v: utils.build_uri(SECRET, "ann", issuer=v),
        "utils.build_uri(algorithm)": lambda v: utils.build_uri(SECRET, "ann", algorithm=v),
        "utils.build_uri(digits)": lambda v: utils.build_uri(SECRET, "ann", digits=v),
        "utils.build_uri(image)": lambda v: utils.build_uri(SECRET, "ann", image=v),
    }
    for name in ("secret", "digest", "name", "issuer", "interval"):
        table[f"TOTP.{name} = "] = lambda v, name=name: changed(name, v)
    # `10**digits` is computed, as in pyotp.
    table["TOTP.digits = "] = lambda v: changed("digits", v) if _moderate(v) else None
    table["TOTP.__dict__ = "] = lambda v: setattr(module.TOTP(SECRET), "__dict__", v)
    table["TOTP.__setstate__(state)"] = lambda v: module.TOTP(SECRET).__setstate__(v)
    return table


# Where a megabyte may come from: the rest would spend the time in urllib's quoting.
OPEN = {
    "TOTP(s)",
    "HOTP(s)",
    "TOTP(name)",
    "TOTP.verify(otp)",
    "HOTP.verify(otp)",
    "Steam.verify(otp)",
    "parse_uri(uri)",
}
OPEN |= {"TOTP.provisioning_uri(name)", "utils.strings_equal(s1)", "TOTP.at(for_time)", "HOTP.at(count)"}


def objections(module: Any, name: str, values: list[Any]) -> list[str]:
    """What went wrong when a call was given each value."""
    found = []
    if name not in OPEN:
        values = [value for value in values if not (isinstance(value, str) and len(value) > 300_000)]
    call = calls(module)[name]
    documented = (*DOCUMENTED, module.OTPVerificationError)
    if module.__name__ == "ferrotp.legacy":
        documented = (*documented, OSError)  # pyotp 2.10's too: `datetime.fromtimestamp` asks the platform
    for value in values:
        try:
            call(value)
        except documented:
            pass
        except BaseException as error:  # a panic is a BaseException
            found.append(
                f"{name} of {ascii(value)[:80]}: {type(error).__module__}.{type(error).__name__}: {error}"[:300]
            )
    return found


def native_objections(rounds: int = 30_000) -> list[str]:
    """What went wrong when the native functions, which nobody calls directly, were called with anything."""
    import ferrotp
    import ferrotp.legacy

    native = ferrotp._native
    chance = random.Random(20261124)
    # Long texts cost time and are in the other corpus.
    pool = [value for value in corpus() if not (isinstance(value, str) and len(value) > 5000)]
    found = []
    # Both surfaces are loaded whole: what is registered stays.
    for module in (ferrotp, ferrotp.legacy):
        module.utils, module.contrib.Steam  # noqa: B018

    def some_object() -> Any:
        module = chance.choice([ferrotp, ferrotp.legacy])
        kind = chance.choice([module.OTP, module.HOTP, module.TOTP, module.contrib.Steam])
        otp = kind(SECRET)
        for _ in range(chance.randrange(3)):
            name = chance.choice(["secret", "digits", "digest", "name", "issuer", "interval", "initial_count", "user"])
            value = chance.choice(pool)
            if name != "digits" or _moderate(value):
                setattr(otp, name, value)
        return chance.choice([otp, otp, otp, kind, kind.__new__(kind)])

    functions = [getattr(native, name) for name in dir(native) if callable(getattr(native, name))]
    for _ in range(rounds):
        function = chance.choice(functions)
        arguments = [chance.choice(pool) for _ in range(chance.randrange(8))]
        if arguments and chance.random() < 0.8:
            arguments[0] = some_object()
        if function is native.random_base32:
            arguments = [argument for argument in arguments if _moderate(argument)]
        keywords = {"slf": some_object()} if chance.random() < 0.05 else {}
        try:
            function(*arguments, **keywords)
        except DOCUMENTED:
            pass
        except BaseException as error:
            found.append(f"{function.__name__}{ascii(arguments)[:120]}: {type(error).__name__}: {error}"[:300])
    # Whatever was done, the surface still works.
    for module in (ferrotp, ferrotp.legacy):
        if module.TOTP(SECRET).at(59) != "287082" or native.totp_at(module.TOTP(SECRET), 59, 0) != "287082":
            found.append(f"{module.__name__} no longer answers")
    gc.collect()
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    values = corpus()
    found, count = [], 0
    for name in ("ferrotp", "ferrotp.legacy"):
        module = importlib.import_module(name)
        for call in calls(module):
            found += objections(module, call, values)
            count += len(values)
    found += native_objections()
    json.dump({"inputs": len(values), "calls": count, "objections": found}, sys.stdout)


if __name__ == "__main__":
    main()
