"""The framework's forms for codes, which say why a code was not looked at."""

from typing import Any

from flask import g
from flask_security import MfRecoveryForm, TwoFactorVerifyCodeForm

from ...mfa import FactorDisabled, Throttled


class RefusalMixin:
    """Shows why a code was not looked at: a user who waits for the end of a delay should know of it."""

    def validate(self, **options: Any) -> bool:
        if super().validate(**options):  # type: ignore[misc]
            return True
        refusal = g.pop("ferrotp_refusal", None)
        if isinstance(refusal, (Throttled, FactorDisabled)):
            self.code.errors = [str(refusal)]  # type: ignore[attr-defined]
        return False


class VerifyCodeForm(RefusalMixin, TwoFactorVerifyCodeForm):
    """The form for a code."""


class RecoveryForm(RefusalMixin, MfRecoveryForm):
    """The form for a recovery code."""
