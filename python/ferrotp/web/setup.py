"""Start-up: what is wrong with the set-up is said then, in one sentence that says what to do."""

import os
from collections.abc import Callable
from pathlib import Path

from ..mfa import MFA, Event, MFAError, Policy, UnknownKey
from ..vault import Keyring, VaultError

_MAKE_RANDOM = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
_MAKE_KEY = 'python -c "import ferrotp.vault; print(ferrotp.vault.new_key())"'
_PUT_BACK = "Put that key back, behind the others."
# What tutorials and templates have. A session that is signed by one of them is signed by nobody.
_EXAMPLES = ("dev", "secret", "change", "insecure", "example", "password", "test", "debug", "key", "your")


class SetupError(Exception):
    """The application cannot start like this. The message says what to do, and holds no key."""


def open_mfa(
    *,
    store: str | None,
    issuer: str | None,
    keys: str | Keyring | None = None,
    policy: Policy | None = None,
    on_event: Callable[[Event], None] | None = None,
    setting: str = "FERROTP_{}",
    audit: bool = False,
) -> MFA:
    """The service from an application's settings.

    :param keys: the text of a keyring; None takes the environment variable ``FERROTP_KEYS``
    :param audit: as `MFA` takes it
    :param setting: how the application calls its settings, for messages
    :raises SetupError: if it cannot start
    """
    check_settings(store, issuer, setting=setting)
    try:
        keyring = keys if isinstance(keys, Keyring) else Keyring(keys) if keys else Keyring.from_env()
    except VaultError as error:
        reason = str(error).rstrip(".")
        raise SetupError(
            f"{setting.format('KEYS')} holds no usable key ({reason}): make one with {_MAKE_KEY}"
        ) from None
    try:
        return MFA(store or "", issuer=issuer or "", keyring=keyring, policy=policy, on_event=on_event, audit=audit)
    except UnknownKey as error:
        raise SetupError(f"{setting.format('KEYS')} is not the store's: {error}. {_PUT_BACK}") from None
    except MFAError as error:
        raise SetupError(f"{setting.format('STORE')} cannot be used: {str(error).rstrip('.')}.") from None


def check_settings(store: str | None, issuer: str | None, *, setting: str = "FERROTP_{}") -> None:
    """Whether the settings are there that have no default.

    :raises SetupError: if not
    """
    for name, value in (("STORE", store), ("ISSUER", issuer)):
        if not value:
            example = "sqlite:///mfa.db" if name == "STORE" else "the name of your application"
            raise SetupError(f"{setting.format(name)} is not set: give it a value such as {example!r}.")


def absolute_store(store: str, folder: str | Path, setting: str) -> str:
    """The URL of a store. A SQLite file that is named by a relative path is in `folder`: in the directory that a
    process happens to be started from, a new empty one would know of no second factor, and let all in by password.

    :param folder: made if it is not there, for its owner alone
    :param setting: how the application calls the store, for messages
    :raises SetupError: if the file is in the working directory, and not yet in `folder`
    """
    if store.partition(":")[0].partition("+")[0] != "sqlite":
        return store
    try:
        from ..mfa.stores.sql.opening import sqlite_in_folder
    except ImportError:  # SQLAlchemy is not installed: the service says so
        return store
    resolved = sqlite_in_folder(store, os.fspath(folder))
    if resolved is None:
        return store
    path, file, url = resolved
    if os.path.exists(path) and not os.path.exists(file):
        raise SetupError(
            f"{setting} is {path!r}, which is {file}, and the file is in the working directory: move it there (with its"
            " -wal, while nothing runs), or name it by its whole path."
        )
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return url


def check_store(mfa: MFA) -> None:
    """Whether the store answers, and the keyring is its own.

    :raises SetupError: if not
    """
    try:
        mfa.check()
        # Of no request: which tenant it is cannot be asked yet.
        mfa.for_tenant("ferrotp").status(user_id="ferrotp: is the store there?")
    except UnknownKey as error:
        raise SetupError(f"The keyring is not the store's: {error}. {_PUT_BACK}") from None
    except MFAError as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise SetupError(
            f"The store of the second factor does not answer ({reason}): start it, or correct its URL."
        ) from None


def check_secret_key(key: object, setting: str = "SECRET_KEY") -> None:
    """Whether sessions are signed with something that nobody can guess.

    :raises SetupError: if they are not
    """
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    if not isinstance(text, str) or not text:
        raise SetupError(f"{setting} is not set: make one with {_MAKE_RANDOM}")
    if len(text) < 16 or len(set(text)) < 8 or (len(text) < 32 and any(word in text.lower() for word in _EXAMPLES)):
        raise SetupError(f"{setting} can be guessed, and with it every session: make one with {_MAKE_RANDOM}")
