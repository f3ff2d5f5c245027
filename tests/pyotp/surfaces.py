"""A surface of ferrotp beside the release of pyotp that it stands for, and one way to call both."""

import contextlib
import datetime
import functools
import os
import time
from types import ModuleType, SimpleNamespace

import releases

import ferrotp
import ferrotp.legacy

# The parameters in the order in which pyotp 2.10 takes them by position, which both surfaces of ferrotp do.
SIGNATURES = {
    ("OTP", "__init__"): ("s", "digits", "digest", "name", "issuer"),
    ("TOTP", "__init__"): ("s", "digits", "digest", "name", "issuer", "interval"),
    ("HOTP", "__init__"): ("s", "digits", "digest", "name", "issuer", "initial_count"),
    ("Steam", "__init__"): ("s", "name", "issuer", "interval", "digits"),
    ("TOTP", "at"): ("for_time", "counter_offset"),
    ("TOTP", "now"): (),
    ("TOTP", "timecode"): ("for_time",),
    ("TOTP", "verify"): ("otp", "for_time", "valid_window"),
    ("TOTP", "verify_and_get_timecode"): ("otp", "for_time", "valid_window"),
    ("TOTP", "provisioning_uri"): ("name", "issuer_name"),
    ("HOTP", "at"): ("count",),
    ("HOTP", "verify"): ("otp", "counter"),
    ("HOTP", "provisioning_uri"): ("name", "initial_count", "issuer_name"),
    ("OTP", "generate_otp"): ("input",),
    ("OTP", "byte_secret"): (),
    ("OTP", "int_to_bytestring"): ("i", "padding"),
}
# How many of them pyotp 2.12 takes by position.
POSITIONAL_IN_2_12 = {"__init__": 1, "provisioning_uri": 0, "verify": 1, "verify_and_get_timecode": 1, "at": 1}
POSITIONAL_IN_2_12 |= {"int_to_bytestring": 1, "timecode": 1, "generate_otp": 1}

ATTRIBUTES = ("secret", "digits", "digest", "name", "issuer", "interval", "initial_count")


class Surface:
    """One side of a comparison: ferrotp's or pyotp's."""

    def __init__(self, module: ModuleType, keyword_only: bool) -> None:
        self.module = module
        self.keyword_only = keyword_only
        self.classes = {
            "OTP": module.OTP,
            "TOTP": module.TOTP,
            "HOTP": module.HOTP,
            "Steam": module.contrib.Steam,
        }
        self._subclasses: dict[tuple[str, str], type] = {}

    def subclass(self, kind: str, variant: str) -> type:
        """The class itself, or one derived from it in the way of `SUBCLASSES`."""
        if variant == "itself":
            return self.classes[kind]
        if (kind, variant) not in self._subclasses:
            base = self.classes[kind]
            self._subclasses[kind, variant] = type("Derived", (base,), dict(SUBCLASSES[variant](base)))
        return self._subclasses[kind, variant]

    def arguments(self, kind: str, method: str, named: dict, by_position: int) -> tuple[list, dict]:
        """Splits named arguments into positional and named ones, as far as this side takes them by position."""
        order = signature(kind, method)
        if self.keyword_only and not (kind == "HOTP" and method == "verify"):
            by_position = min(by_position, POSITIONAL_IN_2_12.get(method, 0))
        elif self.keyword_only:
            by_position = min(by_position, 2)
        positional = []
        for name in order[:by_position]:
            if name not in named:
                break
            positional.append(named[name])
        return positional, {name: value for name, value in named.items() if name not in order[: len(positional)]}


def signature(kind: str, method: str) -> tuple[str, ...]:
    """The order of a method's parameters."""
    for owner in (kind, "TOTP" if kind == "Steam" else "OTP", "OTP"):
        if (owner, method) in SIGNATURES:
            return SIGNATURES[owner, method]
    raise LookupError(f"{kind} has no {method}")


# Methods replaced in a class of the application's own, by the names that pyotp calls them by.
SUBCLASSES = {
    "derived": lambda base: {},
    "foreign signature": lambda base: {
        "__init__": lambda self, *args, **kwargs: base.__init__(self, *args, **kwargs),
        "extra": "extra",
    },
    "generate_otp": lambda base: {
        "generate_otp": lambda self, input: base.generate_otp(self, input)[::-1],
    },
    "timecode": lambda base: {"timecode": lambda self, for_time: 7},
    "byte_secret": lambda base: {"byte_secret": lambda self: b"k" * 20},
    "int_to_bytestring": lambda base: {
        "int_to_bytestring": staticmethod(lambda i, padding=9: i.to_bytes(20, "little"))
    },
    "at": lambda base: {"at": lambda self, *args, **kwargs: "123456"},
    "digits": lambda base: {"digits": 8},
    "secret": lambda base: {"secret": property(lambda self: "B" * 32, lambda self, value: None)},
    "interval": lambda base: {"interval": property(lambda self: 60, lambda self, value: None)},
    "__getattribute__": lambda base: {
        "__getattribute__": lambda self, name: 7 if name == "digits" else object.__getattribute__(self, name)
    },
}

# Methods replaced on one object.
OVERRIDES = {
    "generate_otp": lambda input: "123456",
    "timecode": lambda for_time: 7,
    "byte_secret": lambda: b"k" * 20,
    "int_to_bytestring": lambda i, padding=8: b"12345678",
    "at": lambda *args, **kwargs: "123456",
    "verify": lambda *args, **kwargs: "verified",
    "now": lambda: "now",
}


@contextlib.contextmanager
def zone(name: str):
    """Local time by a POSIX rule; on Windows, where no process can set it, the machine's own."""
    if not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@contextlib.contextmanager
def clock(reading, *modules: ModuleType):
    """A clock that stands still. pyotp 2.10 asks `datetime.datetime`: it gets another one in those of its modules.

    `ferrotp.legacy` asks for the same moment in a way that no replaced `time.time` reaches.
    """
    genuine, time.time = time.time, lambda: reading
    genuine_legacy, ferrotp.legacy.totp._unix_time = ferrotp.legacy.totp._unix_time, lambda: reading
    datetimes = [module.datetime for module in modules]
    _Now.reading = reading
    for module in modules:
        module.datetime = SimpleNamespace(datetime=_Now)
    try:
        yield
    finally:
        time.time, ferrotp.legacy.totp._unix_time = genuine, genuine_legacy
        for module, before in zip(modules, datetimes, strict=True):
            module.datetime = before


class _IsAnyDatetime(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, datetime.datetime)


class _Now(datetime.datetime, metaclass=_IsAnyDatetime):
    reading = 0.0

    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(cls.reading, tz)

    @classmethod
    def fromtimestamp(cls, timestamp, tz=None):
        return datetime.datetime.fromtimestamp(timestamp, tz)


@functools.cache
def surfaces(legacy: bool) -> tuple[Surface, Surface]:
    """ferrotp's surface, and pyotp's release."""
    if legacy:
        return Surface(ferrotp.legacy, False), Surface(releases.load(releases.LEGACY), False)
    return Surface(ferrotp, False), Surface(releases.load(releases.COMPARED), True)
