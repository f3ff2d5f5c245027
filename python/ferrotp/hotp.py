"""`HOTP` (RFC 4226): the counter is counted."""

from . import _native
from .otp import OTP, _lazy_names, _long_enough, _OTPVerbs

__all__ = ["HOTP", "OTP", "hashlib", "utils"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from typing import Any

    from . import utils
    from .qr import QR, _ErrorCorrection

_init, _at, _verify, _uri = _native.init_hotp, _native.hotp_at, _native.hotp_verify, _native.hotp_uri


class _HOTPVerbs(_OTPVerbs):
    """The methods of both surfaces' HOTP: see `otp._OTPVerbs`."""

    initial_count = _native.OTPBase._initial_count

    def __init__(
        self,
        s: str,
        digits: int = 6,
        digest: "Any" = None,
        name: str | None = None,
        issuer: str | None = None,
        initial_count: int = 0,
    ) -> None:
        """
        :param s: the secret in base32, either case, with or without padding: of at least 112 bits; for `legacy` of any
            length, decoded at first use
        :param digits: number of digits in a code, from 6 to 10; for `legacy` from 1
        :param digest: a function of hashlib, or anything else that `hmac.new` takes; SHA-1 if None
        :param name: account name
        :param issuer: who asks for the code
        :param initial_count: what the counter begins with
        :raises ValueError: if an argument is out of range; `binascii.Error` if the secret is not base32
        """
        if _init(self, s, digits, digest, name, issuer, initial_count):
            return
        from ._tracebacks import attempt

        _, failure = attempt(_HOTPVerbs._set_by_rules, self, s, digits, digest, name, issuer, initial_count)
        del s  # no frame of a traceback holds it
        if failure is not None:
            raise failure

    def _set_by_rules(
        self, s: str, digits: int, digest: "Any", name: str | None, issuer: str | None, initial_count: int
    ) -> None:
        import hashlib

        digest = hashlib.sha1 if digest is None else _long_enough(digest)
        self.initial_count = initial_count
        super().__init__(s=s, digits=digits, digest=digest, name=name, issuer=issuer)

    def at(self, count: int) -> str:
        """The code of a count.

        :param count: added to the initial count; the sum is 0 or more, of any size
        :raises ValueError: if the sum is negative
        """
        return _at(self, count) or self.generate_otp(self.initial_count + count)

    def verify(self, otp: str, counter: int) -> bool:
        """Whether a code is that of a count. It does not count: moving on after a match is the caller's part
        (RFC 4226, section 7.2).

        :param otp: the code as typed; full-width and other compatible digits count as digits
        :param counter: added to the initial count
        :raises ValueError: if the sum is negative
        """
        verdict = _verify(self, otp, counter)
        if verdict is not None:
            return verdict
        from ._tracebacks import call_without_frames

        return call_without_frames(self._verify_by_rules, otp, counter)

    def _verify_by_rules(self, otp: str, counter: int) -> bool:
        equal: bool = self._pyotp_utils().strings_equal(str(otp), str(self.at(counter)))
        return equal

    def provisioning_uri(
        self,
        name: str | None = None,
        initial_count: int | None = None,
        issuer_name: str | None = None,
        **kwargs: "Any",
    ) -> str:
        """The ``otpauth://`` URI that an authenticator app reads from a QR code. It holds the secret.

        :param name: account name, if not the object's
        :param initial_count: what the app's counter begins with, if not the object's initial count; for `legacy` 0
            counts as absent
        :param issuer_name: who asks for the code, if not the object's issuer
        :param kwargs: further parameters, strings all; `image` must be an https URL
        :raises TypeError: if a parameter is not a string; for `legacy` ValueError
        :raises ValueError: if `image` is no such URL
        """
        uri = None if kwargs else _uri(self, name, initial_count, issuer_name)
        if uri is not None:
            return uri
        from ._tracebacks import call_without_frames

        return call_without_frames(self._uri_by_rules, name, initial_count, issuer_name, kwargs)

    def _uri_by_rules(
        self, name: str | None, initial_count: int | None, issuer_name: str | None, kwargs: "dict[str, Any]"
    ) -> str:
        uri: str = self._pyotp_utils().build_uri(
            self.secret,
            name=name if name else self.name,
            initial_count=self._pyotp_rules.initial_count(initial_count, self.initial_count),
            issuer=issuer_name if issuer_name else self.issuer,
            algorithm=self.digest().name,
            digits=self.digits,
            **kwargs,
        )
        return uri

    def provisioning_qr(
        self,
        name: str | None = None,
        initial_count: int | None = None,
        issuer_name: str | None = None,
        *,
        error_correction: "_ErrorCorrection" = "M",
        **kwargs: "Any",
    ) -> "QR":
        """The QR code of `provisioning_uri`, drawn on this machine. It holds the secret.

        :param error_correction: "L", "M", "Q" or "H"; the other parameters are those of `provisioning_uri`
        :raises ferrotp.qr.QRError: if the URI is too long; otherwise as `provisioning_uri`
        """
        from .qr import QR

        return QR(self.provisioning_uri(name, initial_count, issuer_name, **kwargs), error_correction)


class _HOTP(_HOTPVerbs, OTP):
    """What the fast path stands for: see `otp._OTP`."""


class HOTP(_HOTP):
    """Counter-based one-time passwords (RFC 4226)."""


_native.register(HOTP, "hotp", False, (HOTP, OTP))

if not TYPE_CHECKING:  # a type checker takes it for a promise that any name is there
    __getattr__ = _lazy_names(globals(), hashlib="hashlib", utils="ferrotp.utils")
