"""Writing a URI and comparing codes, by the rules of pyotp 2.10.0."""

import unicodedata
from hmac import compare_digest
from urllib.parse import quote, urlencode, urlparse

from .. import _native
from ..utils import _MAX_COMPARISON_LENGTH, _build_uri

__all__ = ["build_uri", "compare_digest", "quote", "strings_equal", "unicodedata", "urlencode", "urlparse"]


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
    """As `ferrotp.utils.build_uri`, but for a parameter that is not a string it raises ValueError."""
    from .._tracebacks import attempt

    uri: str
    uri, failure = attempt(
        _build_uri, secret, name, initial_count, issuer, algorithm, digits, period, kwargs, ValueError
    )
    del secret  # no frame of a traceback holds it
    if failure is not None:
        raise failure
    return uri


def strings_equal(s1: str, s2: str) -> bool:
    """Whether two texts are equal after NFKC, compared in constant time but for their lengths.

    Over 1,024 characters they are unequal without being normalized, which pyotp 2.10.0 would do (CVE-2026-3276).
    """
    if any(isinstance(text, str) and len(text) > _MAX_COMPARISON_LENGTH for text in (s1, s2)):
        return False
    s1 = unicodedata.normalize("NFKC", s1)
    s2 = unicodedata.normalize("NFKC", s2)
    return compare_digest(s1.encode("utf-8"), s2.encode("utf-8"))


_native.watch(globals(), ["build_uri"], "uris", True)
_native.watch(globals(), ["strings_equal", "compare_digest", "unicodedata"], "comparing", True)
_native.watch(vars(unicodedata), ["normalize"], "comparing", True)
