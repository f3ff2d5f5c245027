"""The native floor of ferrotp. Private: use `ferrotp`.

A function that returns None leaves the decision to the plain rules beside the call.
"""

from typing import Any, Final, Literal

from typing_extensions import disjoint_base

__version__: Final[str]

@disjoint_base
class OTPBase:
    """The type under all OTP classes: it holds the attributes and the key made from them."""

    secret: str
    digits: int
    digest: Any
    name: str
    issuer: str | None
    # Lent under their plain names to the classes that have them.
    _interval: int
    _initial_count: int

    # `TOTP.__init__`: the other classes have Python functions.
    def __init__(
        self,
        s: str,
        digits: int = 6,
        digest: Any = None,
        name: str | None = None,
        issuer: str | None = None,
        interval: int = 30,
    ) -> None: ...

# Registration, once for each public class and each module whose functions tests replace.
def register(
    class_: type[OTPBase], kind: Literal["otp", "hotp", "totp", "steam"], legacy: bool, watched: tuple[type, ...]
) -> None: ...
def watch(names: dict[str, Any], functions: list[str], legacy: bool) -> None: ...

# Constructors: whether the arguments were ordinary, and are set.
def init_hotp(
    slf: OTPBase, secret: object, digits: object, digest: object, name: object, issuer: object, initial_count: object
) -> bool: ...
def init_steam(slf: OTPBase, secret: object, name: object, issuer: object) -> bool: ...

# Attributes.
def getstate(slf: OTPBase) -> dict[str, Any]: ...
def instance_dict(slf: OTPBase) -> dict[str, Any]: ...
def set_instance_dict(slf: OTPBase, value: dict[str, Any]) -> None: ...

# Codes.
def generate(slf: object, counter: object, /) -> str | None: ...
def totp_now(slf: object, time: object, /) -> str | None: ...
def totp_at(slf: object, for_time: object, counter_offset: object, /) -> str | None: ...
def totp_verify(slf: object, otp: object, for_time: object, valid_window: object, /) -> bool | None: ...
def totp_find(slf: object, otp: object, for_time: object, valid_window: object, /) -> int | Literal[False] | None: ...
def hotp_at(slf: object, count: object, /) -> str | None: ...
def hotp_verify(slf: object, otp: object, count: object, /) -> bool | None: ...

# Text.
def totp_uri(slf: object, name: object, issuer_name: object, /) -> str | None: ...
def hotp_uri(slf: object, name: object, initial_count: object, issuer_name: object, /) -> str | None: ...
def decode_base32(secret: object, /) -> bytes | None: ...
def random_base32(length: object, /) -> str | None: ...
def parse_uri(uri: object, names: dict[str, Any], /) -> Any: ...
