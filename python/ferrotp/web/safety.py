"""Small things that pages must get right: where they lead to, what their headers say, what a cookie is called."""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",  # not no-referrer: CSRF checks look at it
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    }
)
"""For every answer of these pages. A stricter Content-Security-Policy of the application goes before ours: the pages
have no inline script or style, and work under ``default-src 'none'; style-src 'self'; script-src 'self'``."""

_BAD = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


def safe_next(url: object, default: str = "") -> str:
    """The URL if it is a path on this site, else the default. Browsers drop tabs and newlines and read a backslash as
    a slash, so such are refused; and so is ``//host``."""
    if not isinstance(url, str) or not url.startswith("/") or len(url) > 2000 or _BAD.search(url):
        return default
    if url.startswith("//"):
        return default
    try:
        parts = urlsplit(url)
    except ValueError:
        return default
    # A path that becomes //host when its dots are resolved is no path on this site either.
    if parts.scheme or parts.netloc or "//" in parts.path or re.search(r"(?:^|/)\.\.?(?:/|$)", parts.path):
        return default
    return url


def device_cookie(user_id: str, issuer: str, tenant: str = "", *, host: bool = False) -> str:
    """The name of the cookie of a trusted device: one for each user, since people share browsers, of each application
    and customer, since these share hosts. Error reporters scrub by names: there is a "token" in it.

    :param host: for one that is `Secure`, of the path ``/`` and of no domain: browsers take a cookie of such a name
        from this host alone, and over HTTPS
    """
    whose = "\0".join((issuer, tenant, user_id))  # no identifier holds a NUL
    name = "ferrotp_device_token_" + hashlib.sha256(whose.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return ("__Host-" if host else "") + name


_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str) -> str:
    """What to call a browser, in any language: "Firefox, Linux"; empty, if it is not known. Nothing of the header
    itself gets into a page."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return ", ".join(filter(None, (browser, system)))
