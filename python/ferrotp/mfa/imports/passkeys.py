"""Passkeys as other packages keep them. What is of no passkey is said in a note, and the user's other factors come."""

from base64 import urlsafe_b64decode
from typing import Any

from ..errors import PasskeyRefused, PolicyError
from ..foreign_users import ImportedPasskey
from ..passkeys import load_webauthn
from .source_user import SourceUser

_NO_KEY = "it is no passkey as the package writes it"


def add_registration(user: SourceUser, what: str, credential: Any, handle: bytes, name: str) -> None:
    """One of which the browser's answer was kept, as `PublicKeyCredential.toJSON()` gives it."""
    try:
        made = load_webauthn().read_registration(credential)
    except PasskeyRefused:
        user.skip(what, _NO_KEY)
    except PolicyError as error:  # fido2 is not installed
        user.skip(what, str(error))
    else:
        said = made.authenticator
        user.factors.append(
            ImportedPasskey(
                credential_id=made.credential_id,
                public_key=made.public_key,
                user_handle=handle,
                counter=said.counter,
                backup_eligible=said.backup_eligible,
                backed_up=said.backed_up,
                attachment=made.attachment,
                transports=made.transports,
                aaguid=made.aaguid,
                name=name,
            )
        )


def add_key(user: SourceUser, what: str, credential_id: Any, public_key: Any, handle: bytes, **more: Any) -> None:
    """One of which the id and the key were kept.

    :param more: of `ImportedPasskey`
    """
    credential_id, public_key = _bytes(credential_id), _bytes(public_key)
    counter = more.pop("counter", 0)
    if not credential_id or not public_key or type(counter) is not int or not 0 <= counter < 1 << 32:
        user.skip(what, _NO_KEY)
        return
    user.factors.append(
        ImportedPasskey(credential_id=credential_id, public_key=public_key, user_handle=handle, counter=counter, **more)
    )


def add_attested_data(user: SourceUser, what: str, kept: Any, handle: bytes, name: str = "") -> None:
    """One of which the authenticator's own record was kept, in base64url."""
    try:
        credential_id, public_key, aaguid = load_webauthn().read_attested_data(_bytes(kept))
    except PasskeyRefused:
        user.skip(what, _NO_KEY)
    except PolicyError as error:  # fido2 is not installed
        user.skip(what, str(error))
    else:
        add_key(user, what, credential_id, public_key, handle, aaguid=aaguid, name=name)


def readable(text: Any) -> str:
    """A name, if it is one."""
    return text.strip() if isinstance(text, str) and len(text) < 256 and text.strip().isprintable() else ""


def _bytes(kept: Any) -> bytes:
    """Bytes, or what is in base64url of them. Empty for what is neither."""
    if isinstance(kept, (bytes, bytearray, memoryview)):
        return bytes(kept)
    try:
        return urlsafe_b64decode(kept + "=" * (-len(kept) % 4))
    except (TypeError, ValueError):
        return b""
