"""What stands in the framework's columns of a user.

A column of a secret says where it is: ``ferrotp:`` with the user's and the factor's id, once a code of it was right;
``ferrotp-new:`` with the factor's id and the sealed secret before that, when the framework does not say yet whose it
is; or else what stock Flask-Security wrote, a passlib wallet. The column of recovery codes says ``ferrotp`` when they
are in the store.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from flask_security.proxies import _datastore, _security

from ...mfa.foreign_users import is_taken

BOUND, NEW = "ferrotp:", "ferrotp-new:"
TAKEN_OVER = "ferrotp"
"""What stands in the framework's column of recovery codes when they are in the store."""


def bound_text(user_id: str, factor_id: str) -> str:
    """The column of a secret that is a factor of the store."""
    return f"{BOUND}{user_id}:{factor_id}"


def bound_factor(text: str) -> tuple[str, str]:
    """The user's and the factor's id of such a text."""
    user_id, _, factor_id = text.removeprefix(BOUND).rpartition(":")
    return user_id, factor_id


def new_text(factor_id: str, record: bytes) -> str:
    """The column of a secret whose user is not known yet."""
    return f"{NEW}{factor_id}:{urlsafe_b64encode(record).decode()}"


def new_factor(text: str) -> tuple[str, bytes]:
    """The factor's id and the sealed secret of such a text.

    :raises ValueError: if the record is no base64
    """
    factor_id, _, record = text.removeprefix(NEW).partition(":")
    return factor_id, urlsafe_b64decode(record)


def second_secret(user: Any) -> str | None:
    """The secret of the second factor."""
    return getattr(user, "tf_totp_secret", None)


def sign_in_secrets(user: Any) -> dict[str, str]:
    """The secrets of unified sign-in, by method."""
    return _datastore.us_get_totp_secrets(user) if getattr(user, "us_totp_secrets", None) else {}


def secrets_of(user: Any) -> list[str]:
    """All of them."""
    return [text for text in (second_secret(user), *sign_in_secrets(user).values()) if text]


def rewrite_secrets(user: Any, change: Callable[[str], str]) -> None:
    """Puts another text in the place of each."""
    if second := second_secret(user):
        _datastore.tf_set(user, user.tf_primary_method, change(second))
    if kept := sign_in_secrets(user):
        _datastore.us_put_totp_secrets(user, {method: change(text) for method, text in kept.items()})


def forget_secrets(user: Any) -> None:
    """Empties the columns of all of them, and that of recovery codes."""
    _datastore.tf_reset(user)
    if getattr(user, "us_totp_secrets", None):
        _datastore.us_put_totp_secrets(user, None)
    if _datastore.mf_get_recovery_codes(user):
        _datastore.mf_set_recovery_codes(user, None)


def stock_recovery_codes(user: Any) -> list[str]:
    """The codes that stock Flask-Security wrote into a user's column, but for those that are easily guessed."""
    kept = _datastore.mf_get_recovery_codes(user)
    if not kept or kept == [TAKEN_OVER]:
        return []
    codes: list[str] = _security.mf_recovery_codes_util._decrypt_codes(list(kept))
    return [code for code in codes if is_taken(code)]
