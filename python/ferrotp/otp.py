"""`OTP`: what HOTP and TOTP share."""

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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


class _OTP(_native.OTPBase):
    """What the fast path stands for. Here, below the public class, so that replacing one of these adds a name to
    that class: see `src/python/guard.rs`."""

    def __init__(
        self, s: str, digits: int = 6, digest: "Any" = _SHA1, name: str | None = None, issuer: str | None = None
    ) -> None:
        """
        :param s: the secret in base32, of at least 112 bits: either case, with or without padding
        :param digits: number of digits in a code, from 6 to 10
        :param digest: a function of hashlib, or anything else that `hmac.new` takes
        :param name: account name
        :param issuer: who asks for the code
        :raises ValueError: if an argument is out of range; `binascii.Error` if the secret is not base32
        """
        from ._tracebacks import attempt

        _, failure = attempt(_OTP._set, self, s, digits, digest, name, issuer)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure
        self.byte_secret()

    def _set(self, s: str, digits: int, digest: "Any", name: str | None, issuer: str | None) -> None:
        self.digits = digits
        if not 6 <= digits <= 10:
            raise ValueError("digits must be between 6 and 10")
        self._set_others(s, digest, name, issuer)

    def _set_others(self, s: str, digest: "Any", name: str | None, issuer: str | None) -> None:
        import hashlib

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
        code = _native.generate(self, input)
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

        :raises ValueError: if it has less than 112 bits (NIST SP 800-63B-4, section 3.1.4.1);
            `binascii.Error` if it is not base32
        """
        key = _decode_secret(self)
        too_short = len(key) < 14
        if too_short:
            del key
            raise ValueError("Secrets must be at least 112 bits after decoding")
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
        import copyreg

        state = _native.getstate(self)
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


class OTP(_OTP):
    """Base class for OTP handlers. The secret is checked at construction."""


_native.register(OTP, "otp", False, (OTP,))


def _decode_secret(otp: "_OTP") -> bytes:
    """The bytes of an object's secret, or the exception that `base64.b32decode` has for it."""
    from ._tracebacks import call_without_frames

    return _native.decode_base32(otp.secret) or call_without_frames(_decode_base32, otp)


def _decode_base32(otp: "_OTP") -> bytes:
    import base64

    secret = otp.secret
    missing_padding = len(secret) % 8
    if missing_padding != 0:
        secret += "=" * (8 - missing_padding)
    return base64.b32decode(secret, casefold=True)


def _hmac_digest(otp: "_OTP", counter: int) -> bytearray:
    """HMAC of a counter by Python's `hmac`, for what the native core does not hash."""
    from ._tracebacks import call_without_frames

    return call_without_frames(_digest_by_rules, otp, counter)


def _digest_by_rules(otp: "_OTP", counter: int) -> bytearray:
    import hmac

    hasher = hmac.new(otp.byte_secret(), otp.int_to_bytestring(counter), otp.digest)
    if hasher.digest_size < 18:
        raise ValueError("digest size is lower than 18 bytes, which will trigger error on otp generation")
    return bytearray(hasher.digest())


def _lazy(name: str) -> "Any":
    if name in ("base64", "hashlib", "hmac"):  # pyotp's module has them, and tests patch them there
        return __import__(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy
