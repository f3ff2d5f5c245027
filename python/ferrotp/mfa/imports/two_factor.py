"""django-two-factor-auth: it keeps its devices in django-otp's tables, and phones in one of its own."""

from typing import ClassVar

from .database import Database, Query
from .django_otp import DjangoOTP
from .source_user import Moment, Row, SourceUser

_OTHERS = {
    "two_factor_phonedevice": ("phone", "a code by telephone is no authenticator app"),
    "otp_yubikey_yubikeydevice": ("YubiKey", "a YubiKey's codes are no TOTP"),
    "otp_yubikey_remoteyubikeydevice": ("remote YubiKey", "a YubiKey's codes are no TOTP"),
    "two_factor_webauthndevice": ("security key", "a security key is no authenticator app"),
}


class TwoFactor(DjangoOTP):
    """What django-otp has, and a line in the report for each device that is no authenticator app."""

    name: ClassVar[str] = "django-two-factor-auth"

    def queries(self, database: Database) -> dict[str, Query]:
        """The tables that there are."""
        queries = DjangoOTP.queries(self, database)
        for table in _OTHERS:
            if database.has(table):
                queries[table] = database.rows(table, "user_id", {}, {"key": "id"}, self.accounts)
        return queries

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        DjangoOTP.read(self, user, rows, moment)
        for table, (what, reason) in _OTHERS.items():
            for row in rows.get(table, ()):
                user.skip(f"{what} {row['key']}", reason)
