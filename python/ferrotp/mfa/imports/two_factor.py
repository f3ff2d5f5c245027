"""django-two-factor-auth: it keeps its devices in django-otp's tables, and phones in one of its own."""

from hashlib import sha1
from typing import ClassVar

from . import passkeys
from .database import Database, Query
from .django_otp import DjangoOTP, label
from .source_user import Moment, Row, SourceUser

_OTHERS = {
    "two_factor_phonedevice": ("phone", "a code by telephone is no authenticator app"),
    "otp_yubikey_yubikeydevice": ("YubiKey", "a YubiKey's codes are no TOTP"),
    "otp_yubikey_remoteyubikeydevice": ("remote YubiKey", "a YubiKey's codes are no TOTP"),
}


_PASSKEYS = "two_factor_webauthn_webauthndevice"


class TwoFactor(DjangoOTP):
    """What django-otp has, the passkeys of the plugin `two_factor.plugins.webauthn`, and a line in the report for each
    device that is no authenticator app."""

    name: ClassVar[str] = "django-two-factor-auth"

    def queries(self, database: Database) -> dict[str, Query]:
        """The tables that there are."""
        queries = DjangoOTP.queries(self, database)
        for table in _OTHERS:
            if database.has(table):
                queries[table] = database.rows(table, "user_id", {}, {"key": "id"}, self.accounts)
        if database.has(_PASSKEYS):
            texts = {"id": "key_handle", "public_key": "public_key", "label": "name"}
            others = {"key": "id", "confirmed": "confirmed", "counter": "sign_count", "user": "user_id"}
            queries[_PASSKEYS] = database.rows(_PASSKEYS, "user_id", texts, others, self.accounts)
        return queries

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        DjangoOTP.read(self, user, rows, moment)
        for row in rows.get(_PASSKEYS, ()):
            what = f"passkey {row['key']}"
            if not row["confirmed"]:
                user.skip(what, "it was never confirmed")
                continue
            handle = sha1(str(row["user"]).encode(), usedforsecurity=False).hexdigest().encode()
            passkeys.add_key(user, what, row["id"], row["public_key"], handle, counter=row["counter"], name=label(row))
        for table, (what, reason) in _OTHERS.items():
            for row in rows.get(table, ()):
                user.skip(f"{what} {row['key']}", reason)
