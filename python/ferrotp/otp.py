"""`OTP`: what HOTP and TOTP share, and the two sets of rules that the surfaces follow."""

import sys

from . import _native

__all__ = ["OTP", "base64", "hashlib", "hmac"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any, ClassVar, Protocol

    class _Draw(Protocol):
        def __call__(self, length: int = ..., chars: Sequence[str] = ...) -> str: ...


# At hand: to ask `_native` takes longer, since it makes some of its names at first use.
_generate, _random_base32 = _native.generate, _native.random_base32


class _Modern:
    """Where pyotp 2.12 has rules of its own."""

    @staticmethod
    def check_digits(digits: int) -> None:
        if not 6 <= digits <= 10:
            raise ValueError("digits must be between 6 and 10")

    @staticmethod
    def check_interval(interval: int) -> None:
        if not 0 < interval <= 120:
            raise ValueError("interval must be positive and at most 120 seconds")

    check_steam_interval = check_interval

    @staticmethod
    def check_secret(otp: "_OTPVerbs") -> None:
        """At construction."""
        otp.byte_secret()

    @staticmethod
    def initial_count(given: int | None, own: int) -> int:
        """That of a URI."""
        return own if given is None else given

    @staticmethod
    def verify(totp: "Any", equal: "Callable[[str, str], bool]", otp: str, for_time: "Any", valid_window: int) -> bool:
        timecode = totp.timecode(for_time)
        if valid_window:
            offsets = range(-valid_window, valid_window + 1)
            return any(equal(str(otp), str(totp.generate_otp(timecode + offset))) for offset in offsets)
        return equal(str(otp), str(totp.generate_otp(timecode)))


class _Sha1:
    """Stands for `hashlib.sha1` in a signature, so that loading the module does not load hashlib."""

    def __repr__(self) -> str:
        return "hashlib.sha1"


_SHA1: "Any" = _Sha1()


def _long_enough(digest: "Any") -> "Any":
    import hashlib

    if digest in [hashlib.md5, hashlib.shake_128]:
        raise ValueError("selected digest function must generate digest size greater than or equals to 18 bytes")
    return digest


class _NativeSignature:
    """What `inspect.signature` shows of a class whose `__init__` is the native one: the parameters of its rules."""

    def __get__(self, instance: object, owner: "Any") -> "Any":
        own_init = owner.__init__ is not _native.OTPBase.__init__
        if instance is not None or own_init or owner.__new__ is not _native.OTPBase.__new__:
            raise AttributeError("__signature__")
        import inspect

        rules = inspect.signature(owner._init_by_rules)
        return rules.replace(parameters=list(rules.parameters.values())[1:])


class _OTPVerbs(_native.OTPBase):
    """The methods of both surfaces' OTP. Each asks the native floor first. It answers while object and input are
    ordinary; otherwise it returns None and the plain rules, pyotp's own, decide."""

    _pyotp_rules: "type[_Modern]"
    min_secret_length_bits: "ClassVar[int]"

    def __init__(
        self, s: str, digits: int = 6, digest: "Any" = _SHA1, name: str | None = None, issuer: str | None = None
    ) -> None:
        """
        :param s: the secret in base32, either case, with or without padding: of at least 112 bits; for `legacy` of any
            length, decoded at first use
        :param digits: number of digits in a code, from 6 to 10; for `legacy` from 1
        :param digest: a function of hashlib, or anything else that `hmac.new` takes
        :param name: account name
        :param issuer: who asks for the code
        :raises ValueError: if an argument is out of range; `binascii.Error` if the secret is not base32
        """
        from ._tracebacks import attempt

        _, failure = attempt(_OTPVerbs._set, self, s, digits, digest, name, issuer)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure
        self._pyotp_rules.check_secret(self)

    def _set(self, s: str, digits: int, digest: "Any", name: str | None, issuer: str | None) -> None:
        import hashlib

        self.digits = digits
        self._pyotp_rules.check_digits(digits)
        self.digest = hashlib.sha1 if digest is _SHA1 else digest
        _long_enough(digest)
        self.secret = s
        self.name = name or "Secret"
        self.issuer = issuer

    def generate_otp(self, input: int) -> str:
        """The code of a counter (RFC 4226, section 5.3).

        :param input: the counter, or for TOTP the time step; 0 or more, of any size
        :raises ValueError: if it is negative, or if the digest is shorter than 18 bytes
        """
        code = _generate(self, input)
        if code is not None:
            return code
        if input < 0:
            raise ValueError("input must be positive integer")
        digest = _hmac_digest(self, input)
        offset = digest[-1] & 0xF
        # Byte by byte: a digest of 18 or 19 bytes can end too early, which is an IndexError and not a shorter number.
        number = (digest[offset] & 0x7F) << 24 | digest[offset + 1] << 16 | digest[offset + 2] << 8 | digest[offset + 3]
        return str(10_000_000_000 + number % 10**self.digits)[-self.digits :]

    def byte_secret(self) -> bytes:
        """The decoded secret.

        :raises ValueError: if it has less than `min_secret_length_bits`; `binascii.Error` if it is not base32
        """
        key = _decode_secret(self)
        bits = len(key) * 8
        if bits < self.min_secret_length_bits:
            del key
            raise ValueError(f"Secrets must be at least {self.min_secret_length_bits} bits after decoding")
        return key

    @staticmethod
    def int_to_bytestring(i: int, padding: int = 8) -> bytes:
        """The counter as big-endian bytes, at least `padding` of them (RFC 4226, section 5.1)."""
        result = bytearray()
        while i != 0:
            result.append(i & 0xFF)
            i >>= 8
            if i == -1:
                raise ValueError("input must be positive integer")  # pyotp would not end
        return bytes(reversed(result.ljust(padding, b"\0")))

    # Once somebody asks for `__dict__`, the attributes live there, as they do in pyotp.
    __dict__ = property(_native.instance_dict, _native.set_instance_dict)

    def __getstate__(self) -> "Any":
        state = _native.getstate(self)
        # `_slotnames` writes into the class, which the guard would have to look at from then on.
        if not any("__slots__" in vars(kind) for kind in type(self).__mro__):
            return state
        import copyreg

        names: list[str] = copyreg._slotnames(type(self))  # type: ignore[attr-defined]  # as `object` asks it
        slots = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return (state, slots) if slots else state

    def __setstate__(self, state: "Any") -> None:
        attributes, slots = state if isinstance(state, tuple) else (state, {})
        _native.setstate(self, attributes or {})
        for name, value in (slots or {}).items():
            setattr(self, name, value)

    def __reduce_ex__(self, protocol: "Any") -> "Any":
        return super().__reduce_ex__(max(2, protocol))  # protocols 0 and 1 know no native base

    if TYPE_CHECKING:

        @staticmethod
        def _pyotp_utils() -> ModuleType: ...


def _decode_secret(otp: "_OTPVerbs") -> bytes:
    """The bytes of an object's secret, or the exception that `base64.b32decode` has for it."""
    from ._tracebacks import call_without_frames

    return _native.decode_base32(otp.secret) or call_without_frames(_decode_base32, otp)


def _decode_base32(otp: "_OTPVerbs") -> bytes:
    import base64

    secret = otp.secret
    missing_padding = len(secret) % 8
    if missing_padding != 0:
        secret += "=" * (8 - missing_padding)
    return base64.b32decode(secret, casefold=True)


def _hmac_digest(otp: "_OTPVerbs", counter: int) -> bytearray:
    """HMAC of a counter by Python's `hmac`, for what the native core does not hash."""
    from ._tracebacks import call_without_frames

    return call_without_frames(_digest_by_rules, otp, counter)


def _digest_by_rules(otp: "_OTPVerbs", counter: int) -> bytearray:
    import hmac

    hasher = hmac.new(otp.byte_secret(), otp.int_to_bytestring(counter), otp.digest)
    if hasher.digest_size < 18:
        raise ValueError("digest size is lower than 18 bytes, which will trigger error on otp generation")
    return bytearray(hasher.digest())


def _lazy_names(module: "dict[str, Any]", /, **homes: str) -> "Callable[[str], Any]":
    """A `__getattr__` for names that pyotp's module has, that tests patch there, and that few programs ask for: they
    are loaded at first use.

    :param module: the module's globals
    :param homes: for each name the module that it stands for, or `module:name`
    """

    def find(name: str) -> "Any":
        if name in module:
            return module[name]
        if name not in homes:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        home, _, attribute = homes[name].partition(":")
        __import__(home)
        found = sys.modules[home]
        return module.setdefault(name, getattr(found, attribute) if attribute else found)

    return find


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HEX = "ABCDEF0123456789"


def _secret_functions(module: "dict[str, Any]", find: "Callable[[str], Any]") -> "tuple[_Draw, _Draw]":
    """`random_base32` and `random_hex` of a module: a surface's look for a generator in its own, where tests put one.

    :param module: its globals
    :param find: its `__getattr__`
    """

    def random_base32(length: int = 32, chars: "Sequence[str]" = _BASE32) -> str:
        """A new secret of `length` base32 characters, five bits each, from the operating system's generator.

        :raises ValueError: for fewer than 32 characters: a secret has at least 160 bits (RFC 4226, R6)
        """
        if length < 32:
            raise ValueError("Secrets should be at least 160 bits")
        if chars is _BASE32 and "random" not in module and ("compat" not in module or module["compat"].is_genuine()):
            text = _random_base32(length)
            if text is not None:
                return text
        random = find("random")
        return "".join(map(random.choice, [chars] * len(range(length))))

    def random_hex(length: int = 40, chars: "Sequence[str]" = _HEX) -> str:
        """A new secret of `length` hexadecimal characters, four bits each, from the operating system's generator.

        :raises ValueError: for fewer than 40 characters: a secret has at least 160 bits (RFC 4226, R6)
        """
        if length < 40:
            raise ValueError("Secrets should be at least 160 bits")
        drawn: str = module["random_base32"](length=length, chars=chars)
        return drawn

    for function in (random_base32, random_hex):
        function.__module__, function.__qualname__ = module["__name__"], function.__name__
    return random_base32, random_hex


class _OTP(_OTPVerbs):
    """What the fast path stands for. Here, below the public class, so that replacing one of these adds a name to
    that class: see `src/python/guard.rs`."""

    _pyotp_rules = _Modern
    # NIST SP 800-63B-4, sections 3.1.4.1 and 3.1.4.2. Subclasses may ask for more or less.
    min_secret_length_bits = 112

    @staticmethod
    def _pyotp_utils() -> "ModuleType":
        from . import utils

        return utils


class OTP(_OTP):
    """Base class for OTP handlers. The secret is checked at construction."""


_native.register(OTP, "otp", False, (OTP,))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), base64="base64", hashlib="hashlib", hmac="hmac")
