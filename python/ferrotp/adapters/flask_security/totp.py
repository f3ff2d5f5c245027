"""The framework's verbs on secrets and codes."""

import hashlib
import secrets
from contextlib import suppress
from typing import Any

from flask import g
from flask_security.proxies import _security

from ... import TOTP
from ...mfa import FactorDisabled, FactorExists, InvalidCode, NotEnrolled, SealedRecordError, Throttled, TooManyFactors
from ...mfa.verification import typed_digits
from .column_secrets import ANCHOR, ColumnSecrets
from .columns import BOUND, new_text, second_secret, secrets_of, sign_in_secrets

REFUSED = (InvalidCode, Throttled, FactorDisabled, NotEnrolled, TooManyFactors)


class SealedTotp(ColumnSecrets):
    """The secrets and codes of Flask-Security."""

    def generate_totp_secret(self) -> str:
        factor_id, policy = secrets.token_hex(16), self.mfa.policy
        record = self.mfa.keyring.new_secret(
            self._sealed_for_nobody(factor_id),
            algorithm=policy.algorithm,
            digits=policy.digits,
            period=policy.period,
            length=policy.secret_bytes,
        )
        return new_text(factor_id, record)

    def generate_totp_password(self, totp_secret: str) -> str:
        """A code to send. For a secret that is in the store, this leaves the event ``secret revealed``."""
        otp = self._opened(totp_secret, by="Flask-Security: a code to send")
        return TOTP(otp.secret, otp.digits, getattr(hashlib, otp.algorithm.lower()), interval=otp.period).now()

    def verify_totp(self, token: object, totp_secret: str, user: Any, window: int = 0) -> bool:
        """Whether a code is right, once. `window` is how many seconds old it may be; of those to come, the policy's."""
        code = str(token)
        if not 6 <= len(typed_digits(code)) <= 8:
            return False  # us_signin asks for passwords, too: no attempt at a code
        options: dict[str, Any] = {"user_id": self.user_id(user), "code": code}
        past_steps = min(int(window) // self.mfa.policy.period, self.mfa.policy.max_past_steps)
        options["past_steps"] = None if past_steps == self.mfa.policy.window else past_steps
        try:
            self.take_over(user)
            if totp_secret in sign_in_secrets(user).values():
                return self._sign_in(user, totp_secret, options)
            if totp_secret == second_secret(user):
                self.mfa.verify(factor_id=self._factor_id(totp_secret, user), **options)
            else:
                self._set_up(user, totp_secret, options)
        except REFUSED as refusal:
            g.ferrotp_refusal = refusal
            return False
        return True

    def get_totp_uri(self, username: str, totp_secret: str) -> str:
        # A secret is shown while it is set up: never one that is in the store.
        otp = self._opened_column(totp_secret)
        digest = getattr(hashlib, otp.algorithm.lower())
        totp = TOTP(otp.secret, otp.digits, digest, username, self._totp.issuer, otp.period)
        return totp.provisioning_uri()

    def get_totp_pretty_key(self, totp_secret: str) -> str:
        key = self.get_totp_b32_key(totp_secret)
        return "-".join(key[start : start + 4] for start in range(0, len(key), 4))

    def get_totp_b32_key(self, totp_secret: str) -> str:
        return self._opened_column(totp_secret).secret

    def _sign_in(self, user: Any, totp_secret: str, options: dict[str, Any]) -> bool:
        """Unified sign-in asks once for each method, with one code: that is one attempt."""
        key = (options["user_id"], options["code"])
        answers: dict[tuple[str, str], str | Exception] = g.setdefault("ferrotp_sign_in", {})
        if key not in answers:
            factor_ids = []
            for text in sign_in_secrets(user).values():
                with suppress(SealedRecordError):
                    factor_ids.append(self._factor_id(text, user))
            try:
                answers[key] = self.mfa.verify(factor_id=factor_ids, **options).factor_id
            except REFUSED as refusal:
                answers[key] = refusal
        answer = answers[key]
        if isinstance(answer, Exception):
            raise answer
        if answer != self._factor_id(totp_secret, user):
            return False
        del answers[key]
        return True

    def _set_up(self, user: Any, totp_secret: str, options: dict[str, Any]) -> None:
        """A secret that is in no column yet. Its first code is used up thereby."""
        if totp_secret.startswith(BOUND):
            raise NotEnrolled
        user_id, factor_id = options["user_id"], self._factor_id(totp_secret, user)
        self._forget_replaced(user)
        with suppress(FactorExists):
            secret = self._opened_column(totp_secret).secret
            self.mfa.enroll(user_id=user_id, account_name=user_id, secret=secret, factor_id=factor_id)
        self.mfa.confirm(factor_id=factor_id, recovery_codes=False, **options)

    def _forget_replaced(self, user: Any) -> None:
        # Not at once: the request that replaces one may yet be rolled back, and the newest may be of one under way.
        user_id = self.user_id(user)
        kept = {self._factor_id(text, user) for text in secrets_of(user)} | {ANCHOR}
        factors = self.mfa.status(user_id=user_id).factors
        replaced = sorted(
            (factor for factor in factors if factor.factor_id not in kept), key=lambda factor: factor.created_at
        )
        for factor in replaced[:-1]:
            with suppress(NotEnrolled):
                self.mfa.remove_factor(user_id=user_id, factor_id=factor.factor_id)


def sealed_totp() -> SealedTotp:
    """The application's."""
    totp = _security.totp_factory
    if not isinstance(totp, SealedTotp):
        raise TypeError("Security() takes all that second_factor() gives")
    return totp
