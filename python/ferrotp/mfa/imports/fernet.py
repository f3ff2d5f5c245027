"""Texts under Fernet (https://github.com/fernet/spec), as `cryptography` makes them."""

from collections.abc import Callable, Sequence

from .database import SourceError

Decrypt = Callable[[str], "str | None"]
"""The text in clear; None if it is not under any of the keys, or was changed."""


def decryptor(keys: Sequence[str]) -> Decrypt:
    """What opens a text with one of these keys."""
    try:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet
    except ImportError:
        raise SourceError("encrypted sources need: pip install 'ferrotp[import]'") from None
    try:
        fernet = MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        fernet = None
    if fernet is None:  # out here: what was raised in there may know the key
        raise SourceError("a Fernet key is 32 bytes in URL-safe base64, as Fernet.generate_key() gives them")

    def decrypt(text: str) -> str | None:
        try:
            return fernet.decrypt(text.encode()).decode()
        except (InvalidToken, ValueError):
            return None

    return decrypt
