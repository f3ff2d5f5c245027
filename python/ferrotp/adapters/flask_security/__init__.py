"""ferrotp under Flask-Security: its views, forms and models stay, the second factor is decided by `ferrotp.mfa`.

Steps, attempts and recovery codes are in the store, which commits on its own connections. What the framework's columns
hold is said in `columns`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask
from flask_security import tf_code_confirmed, tf_profile_changed, us_profile_changed, user_authenticated

from ...mfa import MFA
from .columns import forget_secrets
from .forms import RecoveryForm, VerifyCodeForm
from .hooks import forbid_storing, settle_columns
from .recovery_codes import HashedRecoveryCodes
from .totp import SealedTotp, sealed_totp

__all__ = ["HashedRecoveryCodes", "RecoveryForm", "SealedTotp", "VerifyCodeForm", "reset_user", "second_factor"]


def reset_user(user: Any, *, by: str) -> int:
    """Removes all that there is of a user's second factor, in the store and in the framework's columns: an
    administrator's way out, after the user was identified anew. `MFA.reset` alone would leave a column that asks for
    codes which nobody has. The caller commits.

    :param by: who does it, for the event
    :return: how many factors there were
    """
    totp = sealed_totp()
    removed = totp.mfa.reset(user_id=totp.user_id(user), by=by)
    forget_secrets(user)
    return removed


def second_factor(app: Flask, mfa: MFA, *, user_id: Callable[[Any], str] = lambda user: str(user.id)) -> dict[str, Any]:
    """What `Security` takes: ``Security(app, datastore, **second_factor(app, mfa))``.

    :param mfa: its policy is what new secrets, recovery codes and limits follow
    :param user_id: a user's id that never changes, and that nobody else ever gets. `fs_uniquifier` changes with the
        password
    """
    app.config.setdefault("SECURITY_TOTP_ISSUER", mfa.issuer)
    # The framework's 120 seconds make nine codes good at a time.
    app.config.setdefault("SECURITY_TWO_FACTOR_AUTHENTICATOR_VALIDITY", mfa.policy.window * mfa.policy.period)
    for signal in (tf_code_confirmed, tf_profile_changed, us_profile_changed, user_authenticated):
        signal.connect(settle_columns, app)
    app.after_request(forbid_storing)
    return {
        "totp_cls": partial(SealedTotp, mfa=mfa, user_id=user_id),
        "mf_recovery_codes_util_cls": HashedRecoveryCodes,
        "two_factor_verify_code_form": VerifyCodeForm,
        "mf_recovery_form": RecoveryForm,
    }
