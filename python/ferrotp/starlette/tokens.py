"""`Tokens`: a `Login` as a signed text, each for one purpose.

A pending token is a half-login on its way through the client; a stamp is what the application keeps in its own session
of a login that is done. Each has a salt of its own, and holds stages that the other never has: neither is taken for the
other, nor for anything else that the application signs with the same key. Salt and login name the issuer and
the tenant: applications that share a key refuse each other's.

A pending token can be used more than once within its ten minutes. A thief who has one is where somebody with the
password is: before a code, on the user's one budget of attempts. So there is nothing to keep of it on the server.
"""

import hashlib
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from itsdangerous import BadData, URLSafeSerializer

from ..web import Gate, Login, check_secret_key
from ..web.api_fields import MAX_TOKEN_LENGTH


class Tokens:
    """Signs and reads them.

    :param secret_key: the application's; or several, of which the last one signs and all are read, to change it
    :raises SetupError: if one of them can be guessed
    """

    def __init__(self, gate: Gate, secret_key: str | Sequence[str]) -> None:
        keys = [secret_key] if isinstance(secret_key, str) else list(secret_key or [""])
        for key in keys:
            check_secret_key(key, "secret_key")
        self._gate = gate
        self._keys = keys

    def of(self, gate: Gate) -> "Tokens":
        """The same for another tenant's gate."""
        tokens = copy(self)
        tokens._gate = gate
        return tokens

    # Made when they are used: which tenant it is may be known by the request alone.

    @property
    def _half_logins(self) -> URLSafeSerializer:
        return _serializer(self._keys, "pending login", self._gate)

    @property
    def _stamps(self) -> URLSafeSerializer:
        return _serializer(self._keys, "stamp", self._gate)

    def sign_half_login(self, login: Login, first_page: str) -> str:
        """A half-login, or one that has to set up, for the client to give back with the code.

        :param first_page: what it began with: a login that began at "challenge" is not to end at "recover" after a
            lockout
        """
        return str(self._half_logins.dumps({"login": login.dump(), "first_page": first_page}))

    def read_half_login(self, token: str) -> tuple[Login, str] | None:
        """The login and what it began with, for the policy's `half_login_lifetime`, on the service's clock."""
        data = _read(self._half_logins, token)
        login = self._gate.load(data.get("login"))
        return None if login is None or login.stage == "full" else (login, str(data.get("first_page")))

    def sign_stamp(self, login: Login) -> str:
        """A login that is done, for the application's session."""
        return str(self._stamps.dumps(replace(login, next="", pending_factor="", remember=None).dump()))

    def read_stamp(self, token: object) -> Login | None:
        """The login. How long it lives is for the application's session to say."""
        login = self._gate.load(_read(self._stamps, token))
        return login if login is not None and login.stage == "full" else None


def _read(serializer: URLSafeSerializer, token: object) -> dict[str, object]:
    if not isinstance(token, str) or not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        return {}
    try:
        data = serializer.loads(token)
    except BadData:
        return {}
    return data if isinstance(data, dict) else {}


def _serializer(keys: list[str], purpose: str, gate: Gate) -> URLSafeSerializer:
    # No issuer and no tenant holds a NUL.
    salt = "\0".join(("ferrotp.starlette", purpose, "version 3", gate.mfa.issuer, gate.mfa.tenant))
    return URLSafeSerializer(
        keys,
        salt=salt,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
