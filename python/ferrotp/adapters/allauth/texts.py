"""Texts that allauth keeps: sealed, or the name of one of ferrotp's factors."""

from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode

from ferrotp.django.conf import keyring
from ferrotp.vault import SealedRecordError

_SEALED = "ferrotp:sealed:"
_FACTOR = "ferrotp:factor:"
# The vault seals secrets of 10 to 128 bytes; a text is cut into such, each of which knows its place.
_AT_ONCE = 100
_FILL = b"allauth: "


def seal(text: str) -> str:
    """A text, encrypted. allauth does not say whose it is, so it is bound to its use and to no user."""
    keys, raw = keyring(), text.encode()
    pieces = [raw[start : start + _AT_ONCE] for start in range(0, len(raw) or 1, _AT_ONCE)]
    sealed = [
        keys.seal(_sealed_for(number, len(pieces)), _FILL + bytes([len(piece)]) + piece)
        for number, piece in enumerate(pieces)
    ]
    return _SEALED + ".".join(urlsafe_b64encode(record).decode("ascii") for record in sealed)


def unseal(text: str) -> str | None:
    """The text again; None if it is none that `seal` made.

    :raises SealedRecordError: if it was changed, or its key is missing
    """
    if not text.startswith(_SEALED):
        return None
    keys, pieces = keyring(), text.removeprefix(_SEALED).split(".")
    found = b""
    for number, piece in enumerate(pieces):
        try:
            record = urlsafe_b64decode(piece)
        except ValueError:
            raise SealedRecordError("it is no sealed text") from None
        secret = keys.reveal(_sealed_for(number, len(pieces)), record).secret
        found += b32decode(secret + "=" * (-len(secret) % 8))[len(_FILL) + 1 :]
    return found.decode()


def factor_text(factor_id: str) -> str:
    """What stands where allauth keeps a secret that is one of ferrotp's factors."""
    return _FACTOR + factor_id


def factor_of(text: object) -> str | None:
    """The factor of such a text; None if it is no such text, or none at all."""
    return text.removeprefix(_FACTOR) if isinstance(text, str) and text.startswith(_FACTOR) else None


def _sealed_for(number: int, count: int) -> tuple[str, str, str]:
    return "", "django-allauth", f"text {number} of {count}"
