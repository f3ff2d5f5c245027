"""Reading an ``otpauth://`` URI by pyotp's rules: what the native reader finds out of the ordinary."""

import hashlib
from urllib.parse import parse_qsl, unquote, urlparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ALGORITHMS = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
_KNOWN = {"secret", "issuer", "algorithm", "encoder", "digits", "period", "counter"}


def parse(
    uri: str, totp: "Callable[..., Any]", hotp: "Callable[..., Any]", steam: "Callable[..., Any]", legacy: bool = False
) -> "Any":
    """Calls one of the three with what the URI says. `legacy` takes the last of repeated parameters, as pyotp 2.10."""
    parsed = urlparse(uri)
    if parsed.scheme != "otpauth":
        raise ValueError("Not an otpauth URI")

    # The label's separator is a plain colon; %3A is a colon inside the issuer or the account name.
    arguments: dict[str, Any] = {}
    label = parsed.path[1:].split(":", maxsplit=1)
    if len(label) == 2:
        arguments["issuer"] = unquote(label[0])
    arguments["name"] = unquote(label[-1])

    secret = encoder = digits = unknown = None
    seen: set[str] = set()
    for key, value in parse_qsl(parsed.query, keep_blank_values=True):
        if key not in _KNOWN:
            unknown = key
        elif key in seen and not legacy:
            raise ValueError(f"Duplicate {key} parameter")
        seen.add(key)
        if not value:
            continue
        if key == "secret":
            secret = value
        elif key == "issuer":
            if arguments.get("issuer", value) != value:
                raise ValueError("If issuer is specified in both label and parameters, it should be equal.")
            arguments["issuer"] = value
        elif key == "algorithm":
            if value not in _ALGORITHMS:
                raise ValueError("Invalid value for algorithm, must be SHA1, SHA256 or SHA512")
            arguments["digest"] = _ALGORITHMS[value]
        elif key == "encoder":
            encoder = value
        elif key == "digits":
            arguments["digits"] = digits = int(value)
        elif key == "period":
            arguments["interval"] = int(value)
        elif key == "counter":
            arguments["initial_count"] = int(value)

    if encoder != "steam" and digits is not None and digits not in (6, 7, 8):
        raise ValueError("Digits may only be 6, 7, or 8")
    if not secret:
        # pyotp 2.9 refused unknown parameters in any URI, 2.10 in none. Where it has no secret either, both refuse,
        # and the older message says more.
        raise ValueError(f"{unknown} is not a valid parameter" if legacy and unknown else "No secret found in URI")
    if encoder == "steam":
        return steam(secret, **arguments)
    if parsed.netloc == "totp":
        return totp(secret, **arguments)
    if parsed.netloc == "hotp":
        return hotp(secret, **arguments)
    raise ValueError("Not a supported OTP type")
