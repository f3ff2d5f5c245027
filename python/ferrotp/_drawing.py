"""New secrets: the same two functions for both surfaces, each pair over its own module, where tests put a generator."""

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    class Draw(Protocol):
        def __call__(self, length: int = ..., chars: Sequence[str] = ...) -> str: ...


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HEX = "ABCDEF0123456789"


def functions_for(module: "dict[str, Any]", find: "Callable[[str], Any]") -> "tuple[Draw, Draw]":
    """`random_base32` and `random_hex` of a module.

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
            text = _native.random_base32(length)
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
