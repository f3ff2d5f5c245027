"""ferrotp under Flask-Security: its views, forms and models stay, the second factor is decided by `ferrotp.mfa`.

The framework's column of a secret says where it is: ``ferrotp:`` with the user's and the factor's id, once a code of it
was right; ``ferrotp-new:`` with the factor's id and the sealed secret before that, when the framework does not say yet
whose it is; or else what stock Flask-Security wrote, a passlib wallet. Steps, attempts and recovery codes are in the
store, which commits on its own connections.
"""

import hashlib
import hmac
import logging
import os
import secrets
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_security import (
    MfRecoveryCodesUtil,
    MfRecoveryForm,
    Totp,
    TwoFactorVerifyCodeForm,
    tf_code_confirmed,
    tf_profile_changed,
    us_profile_changed,
    user_authenticated,
)
from flask_security.proxies import _datastore, _security

from .. import TOTP, vault
from ..mfa import (
    MFA,
    FactorDisabled,
    FactorExists,
    ImportedFactor,
    ImportedUser,
    InvalidCode,
    MFAError,
    NotEnrolled,
    PolicyError,
    SealedRecordError,
    Throttled,
)
from ..mfa.foreign_users import is_legacy, is_taken
from ..mfa.stores.base import NEVER_USED, Factor, Owner
from ..mfa.verification import typed_digits
from ..vault import OTPSecret

__all__ = ["HashedRecoveryCodes", "RecoveryForm", "SealedTotp", "VerifyCodeForm", "second_factor"]

BOUND, NEW = "ferrotp:", "ferrotp-new:"
TAKEN_OVER = "ferrotp"
"""What stands in the framework's column of recovery codes when they are in the store."""
ANCHOR = "recovery codes"
"""A factor that nobody can use: the store keeps recovery codes of users with a factor only, the framework also of those
whose second factor is a passkey."""
_log = logging.getLogger("ferrotp.adapters")
REFUSED = (InvalidCode, Throttled, FactorDisabled, NotEnrolled)


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
        signal.connect(_settle, app)
    app.after_request(_no_store)
    return {
        "totp_cls": partial(SealedTotp, mfa=mfa, user_id=user_id),
        "mf_recovery_codes_util_cls": HashedRecoveryCodes,
        "two_factor_verify_code_form": VerifyCodeForm,
        "mf_recovery_form": RecoveryForm,
    }


class SealedTotp(Totp):
    """The secrets and codes of Flask-Security."""

    def __init__(self, secrets: dict[Any, str], issuer: str, *, mfa: MFA, user_id: Callable[[Any], str]) -> None:
        super().__init__(secrets, issuer)
        self.mfa = mfa
        self.user_id = user_id

    def generate_totp_secret(self) -> str:
        factor_id, policy = secrets.token_hex(16), self.mfa.policy
        record = self.mfa.keyring.new_secret(
            self._nobody(factor_id),
            algorithm=policy.algorithm,
            digits=policy.digits,
            period=policy.period,
            length=policy.secret_bytes,
        )
        return f"{NEW}{factor_id}:{urlsafe_b64encode(record).decode()}"

    def generate_totp_password(self, totp_secret: str) -> str:
        otp = self._opened(totp_secret)
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
            if totp_secret in _sign_in_secrets(user).values():
                return self._sign_in(user, totp_secret, options)
            if totp_secret == _second_secret(user):
                self.mfa.verify(factor_id=self._factor_id(totp_secret, user), **options)
            else:
                self._set_up(user, totp_secret, options)
        except REFUSED as refusal:
            g.ferrotp_refusal = refusal
            return False
        return True

    def get_totp_uri(self, username: str, totp_secret: str) -> str:
        otp = self._shown(totp_secret)
        digest = getattr(hashlib, otp.algorithm.lower())
        totp = TOTP(otp.secret, otp.digits, digest, username, self._totp.issuer, otp.period)
        return totp.provisioning_uri()

    def get_totp_pretty_key(self, totp_secret: str) -> str:
        key = self.get_totp_b32_key(totp_secret)
        return "-".join(key[at : at + 4] for at in range(0, len(key), 4))

    def get_totp_b32_key(self, totp_secret: str) -> str:
        return self._shown(totp_secret).secret

    # Between the framework's columns and the store

    def take_over(self, user: Any) -> None:
        """Brings what stock Flask-Security, or the application, wrote into a user's columns into the store: once."""
        user_id = self.user_id(user)
        texts = [text for text in _texts(user) if not text.startswith(BOUND)]
        codes = HashedRecoveryCodes.of_stock(user)
        if not texts and not codes:
            return
        known = {factor.factor_id for factor in self._factors(user_id)}
        missing = []
        for text in texts:
            try:
                if self._factor_id(text, user) not in known:
                    missing.append(self._imported(text, user))
            except (SealedRecordError, PolicyError) as error:
                # The user may have others, and logs in without a code perhaps.
                _log.warning("a secret of user %s is not taken over: %s", user_id, error)
        if codes and ANCHOR not in known:
            missing.append(_anchor())
        else:
            codes = []
        whole = ImportedUser(user_id=user_id, factors=tuple(missing), recovery_codes=tuple(codes))
        if missing and not all(self.mfa.import_users([whole])):
            for one in missing:
                self._import(user_id, one)

    def settle(self, user: Any) -> None:
        """Leaves in a user's columns where secrets and recovery codes are, in place of what the store has: of wallets
        those of which a code was right, since one that is opened with a wrong key gives garbage and no error."""
        if all(text.startswith(BOUND) for text in _texts(user)) and not HashedRecoveryCodes.of_stock(user):
            return
        self.take_over(user)
        user_id = self.user_id(user)
        factors = {factor.factor_id: factor for factor in self._factors(user_id)}

        def place(text: str) -> str:
            factor = None
            with suppress(SealedRecordError):
                factor = factors.get(self._factor_id(text, user))
            if factor and (text.startswith(NEW) or factor.last_step != NEVER_USED):
                return f"{BOUND}{user_id}:{factor.factor_id}"
            return text

        if _second_secret(user):
            _datastore.tf_set(user, user.tf_primary_method, place(user.tf_totp_secret))
        if kept := _sign_in_secrets(user):
            _datastore.us_put_totp_secrets(user, {method: place(text) for method, text in kept.items()})
        if HashedRecoveryCodes.of_stock(user) and ANCHOR in factors:
            _datastore.mf_set_recovery_codes(user, [TAKEN_OVER])

    def give_back(self, user: Any) -> None:
        """Writes wallets that stock Flask-Security reads into a user's columns, before the adapter is removed. The
        caller commits. Recovery codes cannot go back, since only their hashes are there: the column is emptied."""

        def wallet(text: str) -> str:
            if not text.startswith((BOUND, NEW)):
                return text
            try:
                otp = self._opened(text)
            except (SealedRecordError, NotEnrolled) as error:
                _log.warning("a secret of user %s does not go back: %s", self.user_id(user), error)
                return text
            key = {"key": otp.secret, "alg": otp.algorithm.lower(), "digits": otp.digits, "period": otp.period}
            return str(self._totp(**key).to_json(encrypt=True))

        if _second_secret(user):
            _datastore.tf_set(user, user.tf_primary_method, wallet(user.tf_totp_secret))
        if kept := _sign_in_secrets(user):
            _datastore.us_put_totp_secrets(user, {method: wallet(text) for method, text in kept.items()})
        if _datastore.mf_get_recovery_codes(user) == [TAKEN_OVER]:
            _datastore.mf_set_recovery_codes(user, None)

    def anchor(self, user: Any) -> None:
        self._import(self.user_id(user), _anchor())

    # Below

    def _sign_in(self, user: Any, totp_secret: str, options: dict[str, Any]) -> bool:
        """Unified sign-in asks once for each method, with one code: that is one attempt."""
        key = (options["user_id"], options["code"])
        asked: dict[tuple[str, str], str | Exception] = g.setdefault("ferrotp_sign_in", {})
        if key not in asked:
            every = []
            for text in _sign_in_secrets(user).values():
                with suppress(SealedRecordError):
                    every.append(self._factor_id(text, user))
            try:
                asked[key] = self.mfa.verify(factor_id=every, **options).factor_id
            except REFUSED as refusal:
                asked[key] = refusal
        answer = asked[key]
        if isinstance(answer, Exception):
            raise answer
        if answer != self._factor_id(totp_secret, user):
            return False
        del asked[key]
        return True

    def _set_up(self, user: Any, totp_secret: str, options: dict[str, Any]) -> None:
        """A secret that is in no column yet. Its first code is used up thereby."""
        if totp_secret.startswith(BOUND):
            raise NotEnrolled
        user_id, factor_id = options["user_id"], self._factor_id(totp_secret, user)
        self._forget_replaced(user)
        with suppress(FactorExists):
            secret = self._opened(totp_secret).secret
            self.mfa.enroll(user_id=user_id, account_name=user_id, secret=secret, factor_id=factor_id)
        self.mfa.confirm(factor_id=factor_id, recovery_codes=False, **options)

    def _forget_replaced(self, user: Any) -> None:
        # Not at once: the request that replaces one may yet be rolled back, and the newest may be of one under way.
        kept = {self._factor_id(text, user) for text in _texts(user)} | {ANCHOR}
        replaced = [one for one in self._factors(self.user_id(user)) if one.state != "pending"]
        replaced = sorted((one for one in replaced if one.factor_id not in kept), key=lambda one: one.created_at)
        for one in replaced[:-1]:
            with suppress(NotEnrolled):
                self.mfa.remove_factor(user_id=one.owner.user_id, factor_id=one.factor_id)

    def _factors(self, user_id: str) -> tuple[Factor, ...]:
        return self.mfa.store.user(Owner(self.mfa.tenant, user_id)).factors

    def _nobody(self, factor_id: str) -> tuple[str, str, str]:
        # A secret is made before the framework says for whom. No user's factor is sealed for this place.
        return self.mfa.tenant, "flask-security", f"new {factor_id}"

    def _opened(self, text: str) -> OTPSecret:
        keyring = self.mfa.keyring
        if text.startswith(BOUND):
            user_id, _, factor_id = text.removeprefix(BOUND).rpartition(":")
            for factor in self._factors(user_id):
                if factor.factor_id == factor_id:
                    return keyring.reveal((self.mfa.tenant, user_id, factor_id), factor.sealed)
            raise NotEnrolled
        try:
            if text.startswith(NEW):
                factor_id, _, record = text.removeprefix(NEW).partition(":")
                return keyring.reveal(self._nobody(factor_id), urlsafe_b64decode(record))
            wallet = self._totp.from_source(text)
            return OTPSecret("totp", wallet.alg.upper(), wallet.digits, wallet.period, wallet.base32_key)
        except (vault.SealedRecordError, KeyError, TypeError, ValueError):  # the last three are passlib's
            raise SealedRecordError("it does not open: its key is not there, or it was changed") from None

    def _shown(self, text: str) -> OTPSecret:
        if text.startswith(BOUND):
            raise NotEnrolled  # a secret is shown while it is set up
        return self._opened(text)

    def _factor_id(self, text: str, user: Any) -> str:
        """The id of a secret's factor: of a wallet a MAC under the secret, so that it is the same each time."""
        if text.startswith(NEW):
            return text.removeprefix(NEW).partition(":")[0]
        if text.startswith(BOUND):
            user_id, _, factor_id = text.removeprefix(BOUND).rpartition(":")
            if user_id != self.user_id(user):
                raise NotEnrolled  # another user's
            return factor_id
        ids: dict[str, str] = g.setdefault("ferrotp_ids", {})
        if text not in ids:
            key = _bytes(self._opened(text).secret)
            ids[text] = hmac.digest(key, b"ferrotp.adapters.flask_security", "sha256").hex()[:32]
        return ids[text]

    def _imported(self, text: str, user: Any) -> ImportedFactor:
        otp = self._opened(text)
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

    def _import(self, user_id: str, one: ImportedFactor) -> None:
        with suppress(FactorExists):
            self.mfa.import_factor(
                user_id=user_id,
                secret=one.secret,
                kind=one.kind,
                algorithm=one.algorithm,
                digits=one.digits,
                period=one.period,
                factor_id=one.factor_id,
            )


class HashedRecoveryCodes(MfRecoveryCodesUtil):
    """Recovery codes in the store: as many as its policy says, shown once."""

    @staticmethod
    def of_stock(user: Any) -> list[str]:
        """The codes that stock Flask-Security wrote into a user's column, but for those that are easily guessed."""
        kept = _datastore.mf_get_recovery_codes(user)
        if not kept or kept == [TAKEN_OVER]:
            return []
        codes: list[str] = _security.mf_recovery_codes_util._decrypt_codes(list(kept))
        return [code for code in codes if is_taken(code)]

    def create_recovery_codes(self, user: Any) -> list[str]:
        totp = _totp()
        totp.anchor(user)
        codes = totp.mfa.regenerate_recovery_codes(user_id=totp.user_id(user))
        _datastore.mf_set_recovery_codes(user, [TAKEN_OVER])
        return list(codes)

    def get_recovery_codes(self, user: Any) -> list[str]:
        """None: their hashes are all there is."""
        return []

    def check_recovery_code(self, user: Any, code: str) -> bool:
        """Whether it is one, once: it is used up thereby."""
        totp = _totp()
        if not _datastore.mf_get_recovery_codes(user):
            return False
        try:
            totp.take_over(user)
            g.ferrotp_remaining = totp.mfa.recover(user_id=totp.user_id(user), code=code).remaining
        except REFUSED as refusal:
            g.ferrotp_refusal = refusal
            return False
        return True

    def delete_recovery_code(self, user: Any, code: str) -> bool:
        """Nothing but the end of the last one: `check_recovery_code` has used it up."""
        if g.get("ferrotp_remaining") == 0:
            _datastore.mf_set_recovery_codes(user, None)
        return True


class _Told:
    """Says why a code was not looked at: who waits it out should know."""

    def validate(self, **options: Any) -> bool:
        if super().validate(**options):  # type: ignore[misc]
            return True
        refusal = g.pop("ferrotp_refusal", None)
        if isinstance(refusal, (Throttled, FactorDisabled)):
            self.code.errors = [str(refusal)]  # type: ignore[attr-defined]
        return False


class VerifyCodeForm(_Told, TwoFactorVerifyCodeForm):
    """The form for a code."""


class RecoveryForm(_Told, MfRecoveryForm):
    """The form for a recovery code."""


def _totp() -> SealedTotp:
    totp = _security.totp_factory
    if not isinstance(totp, SealedTotp):
        raise TypeError("Security() takes all that second_factor() gives")
    return totp


def _settle(app: Flask, user: Any, **_: Any) -> None:
    # Here, and not when the code was found right: the framework writes the column after that.
    if isinstance(totp := getattr(_security, "_totp_factory", None), SealedTotp):
        try:
            totp.settle(user)
        except MFAError as error:
            _log.warning("the columns of user %s stay as they are: %s", totp.user_id(user), error)


def _no_store(response: Response) -> Response:
    # The framework's own header does not keep a browser from storing its pages.
    if request.blueprint == current_app.config["SECURITY_BLUEPRINT_NAME"]:
        response.headers["Cache-Control"] = "no-store"
    return response


def _second_secret(user: Any) -> str | None:
    return getattr(user, "tf_totp_secret", None)


def _sign_in_secrets(user: Any) -> dict[str, str]:
    return _datastore.us_get_totp_secrets(user) if getattr(user, "us_totp_secrets", None) else {}


def _texts(user: Any) -> list[str]:
    return [text for text in (_second_secret(user), *_sign_in_secrets(user).values()) if text]


def _anchor() -> ImportedFactor:
    return ImportedFactor(secret=os.urandom(20), kind="hotp", factor_id=ANCHOR, last_step=NEVER_USED)


def _bytes(secret: str) -> bytes:
    return b32decode(secret + "=" * (-len(secret) % 8))
