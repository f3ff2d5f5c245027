"""The framework's verbs on recovery codes."""

from typing import Any

from flask import g
from flask_security import MfRecoveryCodesUtil
from flask_security.proxies import _datastore

from .columns import TAKEN_OVER
from .totp import REFUSED, sealed_totp


class HashedRecoveryCodes(MfRecoveryCodesUtil):
    """Recovery codes in the store: as many as its policy says, shown once."""

    def create_recovery_codes(self, user: Any) -> list[str]:
        totp = sealed_totp()
        totp.anchor(user)
        codes = totp.mfa.regenerate_recovery_codes(user_id=totp.user_id(user))
        _datastore.mf_set_recovery_codes(user, [TAKEN_OVER])
        return list(codes)

    def get_recovery_codes(self, user: Any) -> list[str]:
        """None: their hashes are all there is."""
        return []

    def check_recovery_code(self, user: Any, code: str) -> bool:
        """Whether it is one, once: it is used up thereby."""
        totp = sealed_totp()
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
