"""Writing a URI and comparing codes, by pyotp's rules."""

import unicodedata
from hmac import compare_digest
from urllib.parse import quote, urlencode, urlparse

from . import _native

__all__ = ["build_uri", "compare_digest", "quote", "strings_equal", "unicodedata", "urlencode", "urlparse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Normalizing costs the square of the length on some Pythons (CVE-2026-3276): longer input is unequal unseen.
_MAX_COMPARISON_LENGTH = 1024


def build_uri(
    secret: str,
    name: str,
    initial_count: int | None = None,
    issuer: str | None = None,
    algorithm: str | None = None,
    digits: int | None = None,
    period: int | None = None,
    **kwargs: str,
) -> str:
    """The ``otpauth://`` URI of a secret, in Google Authenticator's Key Uri Format.

    :param secret: in base32
    :param name: account name
    :param initial_count: what an HOTP counter begins with; None makes it a TOTP
    :param issuer: who asks for the code
    :param algorithm: hashlib's name of the hash; left out for sha1
    :param digits: left out for 6
    :param period: seconds in a time step; left out for 30
    :param kwargs: further parameters, strings all; `image` must be an https URL
    :raises TypeError: if a parameter is not a string
    :raises ValueError: if `image` is no such URL
    """
    from ._tracebacks import attempt

    uri: str
    uri, failure = attempt(
        _build_uri, secret, name, initial_count, issuer, algorithm, digits, period, kwargs, TypeError
    )
    del secret  # no frame of a traceback holds it
    if failure is not None:
        raise failure
    return uri


def _build_uri(
    secret: str,
    name: str,
    initial_count: int | None,
    issuer: str | None,
    algorithm: str | None,
    digits: int | None,
    period: int | None,
    parameters: "dict[str, Any]",
    not_a_string: type[Exception],
) -> str:
    query: dict[str, Any] = {"secret": secret}
    label = quote(name)
    if issuer is not None:
        label = quote(issuer) + ":" + label
        query["issuer"] = issuer
    if initial_count is not None:
        query["counter"] = initial_count
    if algorithm is not None and algorithm != "sha1":
        query["algorithm"] = algorithm.upper()
    if digits is not None and digits != 6:
        query["digits"] = digits
    if period is not None and period != 30:
        query["period"] = period
    for key, value in parameters.items():
        if not isinstance(value, str):
            raise not_a_string("All otpauth uri parameters must be strings")
        if key == "image":
            image_uri = urlparse(value)
            if image_uri.scheme != "https" or not image_uri.netloc or not image_uri.path:
                raise ValueError(f"{image_uri} is not a valid url")
        query[key] = value
    kind = "totp" if initial_count is None else "hotp"
    return f"otpauth://{kind}/{label}?{urlencode(query).replace('+', '%20')}"


def strings_equal(s1: str, s2: str) -> bool:
    """Whether two texts are equal after NFKC, compared in constant time but for their lengths.

    Over 1,024 characters they are unequal without being normalized.
    """
    if len(s1) > _MAX_COMPARISON_LENGTH or len(s2) > _MAX_COMPARISON_LENGTH:
        return False
    s1 = unicodedata.normalize("NFKC", s1)
    s2 = unicodedata.normalize("NFKC", s2)
    return compare_digest(s1.encode("utf-8"), s2.encode("utf-8"))


_native.watch(globals(), ["build_uri"], "uris", False)
_native.watch(globals(), ["strings_equal", "compare_digest", "unicodedata"], "comparing", False)
_native.watch(vars(unicodedata), ["normalize"], "comparing", False)
