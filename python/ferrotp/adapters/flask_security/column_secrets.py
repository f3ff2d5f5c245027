"""Between the framework's columns and the store: secrets come, are found again, and go back."""

import hmac
import logging
import os
from base64 import b32decode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import g
from flask_security import Totp
from flask_security.proxies import _datastore

from ... import vault
from ...mfa import (
    MFA,
    FactorExists,
    FactorInfo,
    ImportedFactor,
    ImportedUser,
    NotEnrolled,
    PolicyError,
    SealedRecordError,
)
from ...mfa.foreign_users import is_legacy
from ...mfa.stores.base import NEVER_USED
from ...vault import OTPSecret
from .columns import (
    BOUND,
    NEW,
    TAKEN_OVER,
    bound_factor,
    bound_text,
    new_factor,
    rewrite_secrets,
    secrets_of,
    stock_recovery_codes,
)

ANCHOR = "recovery codes"
"""A factor that nobody can use: the store keeps recovery codes of users with a factor only, the framework also of those
whose second factor is a passkey."""
_log = logging.getLogger("ferrotp.adapters")


class ColumnSecrets(Totp):
    """The secrets that a user's columns name."""

    def __init__(self, secrets: dict[Any, str], issuer: str, *, mfa: MFA, user_id: Callable[[Any], str]) -> None:
        super().__init__(secrets, issuer)
        self.mfa = mfa
        self.user_id = user_id

    def take_over(self, user: Any) -> None:
        """Brings what stock Flask-Security, or the application, wrote into a user's columns into the store: once."""
        user_id = self.user_id(user)
        texts = [text for text in secrets_of(user) if not text.startswith(BOUND)]
        codes = stock_recovery_codes(user)
        if not texts and not codes:
            return
        known = self._factors(user_id)
        missing = []
        for text in texts:
            try:
                if self._factor_id(text, user) not in known:
                    missing.append(self._imported(text, user))
            except (SealedRecordError, PolicyError) as error:
                # The user may have others, and logs in without a code perhaps.
                _log.warning("a secret of user %r is not taken over: %s", user_id, error)
        if codes and ANCHOR not in known:
            missing.append(_anchor())
        else:
            codes = []
        whole = ImportedUser(user_id=user_id, factors=tuple(missing), recovery_codes=tuple(codes))
        if missing and not all(self.mfa.import_users([whole])):
            for factor in missing:
                self._import(user_id, factor)

    def settle(self, user: Any) -> None:
        """Leaves in a user's columns where secrets and recovery codes are, in place of what the store has: of wallets
        those of which a code was right, since one that is opened with a wrong key gives garbage and no error."""
        if all(text.startswith(BOUND) for text in secrets_of(user)) and not stock_recovery_codes(user):
            return
        self.take_over(user)
        user_id = self.user_id(user)
        known = self._factors(user_id)

        def settled(text: str) -> str:
            factor = None
            with suppress(SealedRecordError):
                factor = known.get(self._factor_id(text, user))
            if factor and (text.startswith(NEW) or factor.last_used_at is not None):
                return bound_text(user_id, factor.factor_id)
            return text

        rewrite_secrets(user, settled)
        if stock_recovery_codes(user) and ANCHOR in known:
            _datastore.mf_set_recovery_codes(user, [TAKEN_OVER])

    def give_back(self, user: Any) -> None:
        """Writes wallets that stock Flask-Security reads into a user's columns, before the adapter is removed. The
        caller commits. Recovery codes cannot go back, since only their hashes are there: the column is emptied.

        Each secret leaves the event ``secret revealed``.
        """

        def wallet(text: str) -> str:
            if not text.startswith((BOUND, NEW)):
                return text
            try:
                otp = self._opened(text, by="Flask-Security: give_back")
            except (SealedRecordError, NotEnrolled) as error:
                _log.warning("a secret of user %r does not go back: %s", self.user_id(user), error)
                return text
            key = {"key": otp.secret, "alg": otp.algorithm.lower(), "digits": otp.digits, "period": otp.period}
            return str(self._totp(**key).to_json(encrypt=True))

        rewrite_secrets(user, wallet)
        if _datastore.mf_get_recovery_codes(user) == [TAKEN_OVER]:
            _datastore.mf_set_recovery_codes(user, None)

    def anchor(self, user: Any) -> None:
        """Gives a user the factor that recovery codes go with."""
        self._import(self.user_id(user), _anchor())

    def _factors(self, user_id: str) -> dict[str, FactorInfo]:
        status = self.mfa.status(user_id=user_id)
        return {factor.factor_id: factor for factor in (*status.factors, *status.pending)}

    def _sealed_for_nobody(self, factor_id: str) -> tuple[str, str, str]:
        # A secret is made before the framework says for whom. No user's factor is sealed for this.
        return self.mfa.tenant, "flask-security", f"new {factor_id}"

    def _opened(self, text: str, *, by: str) -> OTPSecret:
        """The secret of a column.

        :param by: who asks, for the event of a secret that is taken out of the store
        """
        if text.startswith(BOUND):
            user_id, factor_id = bound_factor(text)
            taken = self.mfa.reveal_secret(user_id=user_id, factor_id=factor_id, by=by)
            return OTPSecret(taken.kind, taken.algorithm, taken.digits, taken.period, taken.secret)
        return self._opened_column(text)

    def _opened_column(self, text: str) -> OTPSecret:
        """The secret that is in the column itself."""
        if text.startswith(BOUND):
            raise NotEnrolled
        try:
            if text.startswith(NEW):
                factor_id, record = new_factor(text)
                return self.mfa.keyring.reveal(self._sealed_for_nobody(factor_id), record)
            wallet = self._totp.from_source(text)
            return OTPSecret("totp", wallet.alg.upper(), wallet.digits, wallet.period, wallet.base32_key)
        except (vault.SealedRecordError, KeyError, TypeError, ValueError):  # the last three are passlib's
            raise SealedRecordError("it does not open: its key is not there, or it was changed") from None

    def _factor_id(self, text: str, user: Any) -> str:
        """The id of a secret's factor: of a wallet a MAC under the secret, so that it is the same each time."""
        if text.startswith(NEW):
            return text.removeprefix(NEW).partition(":")[0]
        if text.startswith(BOUND):
            user_id, factor_id = bound_factor(text)
            if user_id != self.user_id(user):
                raise NotEnrolled  # another user's
            return factor_id
        ids: dict[str, str] = g.setdefault("ferrotp_ids", {})
        if text not in ids:
            key = _bytes(self._opened_column(text).secret)
            ids[text] = hmac.digest(key, b"ferrotp.adapters.flask_security", "sha256").hex()[:32]
        return ids[text]

    def _imported(self, text: str, user: Any) -> ImportedFactor:
        otp = self._opened_column(text)
        imported = ImportedFactor(
            secret=otp.secret,
            algorithm=otp.algorithm,
            digits=otp.digits,
            period=otp.period,
            last_step=NEVER_USED,
            factor_id=self._factor_id(text, user),
        )
        is_legacy(imported, self.mfa.policy)  # raises what the policy does not take
        return imported

    def _import(self, user_id: str, factor: ImportedFactor) -> None:
        with suppress(FactorExists):
            self.mfa.import_factor(
                user_id=user_id,
                secret=factor.secret,
                kind=factor.kind,
                algorithm=factor.algorithm,
                digits=factor.digits,
                period=factor.period,
                factor_id=factor.factor_id,
            )


def _anchor() -> ImportedFactor:
    return ImportedFactor(secret=os.urandom(20), kind="hotp", factor_id=ANCHOR, last_step=NEVER_USED)


def _bytes(secret: str) -> bytes:
    return b32decode(secret + "=" * (-len(secret) % 8))
