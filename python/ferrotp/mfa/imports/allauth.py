"""django-allauth: authenticators in JSON, and recovery codes that are computed from a seed."""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from ..errors import PolicyError
from ..foreign_users import MAX_CODES, ImportedFactor, secret_bytes
from . import passkeys
from .database import LONGEST, Accounts, Database, Query
from .source_user import Moment, Row, SourceUser, factor_id

_SEED = re.compile("[0-9a-f]+")
"""As `RecoveryCodes.generate_seed` makes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allauth:
    """The table of `allauth.mfa`. It keeps no last used step: codes of the moment of the import are not accepted."""

    name: ClassVar[str] = "django-allauth"
    needs_proof: ClassVar[bool] = False
    accounts: Accounts = field(default_factory=Accounts)
    recovery_codes: bool = True
    decrypt: Callable[[str], str | None] = field(default=lambda text: text, repr=False)
    """What the adapter's `decrypt` does, for secrets and seeds. If it raises or gives None, the text does not open."""
    digits: int = 6
    """`MFA_TOTP_DIGITS`"""
    period: int = 30
    """`MFA_TOTP_PERIOD`"""
    code_count: int = 10
    """`MFA_RECOVERY_CODE_COUNT`"""
    code_digits: int = 8
    """`MFA_RECOVERY_CODE_DIGITS`"""

    def queries(self, database: Database) -> dict[str, Query]:
        """The one table."""
        return {
            "all": database.rows(
                "mfa_authenticator", "user_id", {"type": "type", "data": "data"}, {"key": "id"}, self.accounts
            )
        }

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for row in rows["all"]:
            if row["type"] == "totp":
                self._totp(user, row)
            elif row["type"] == "recovery_codes":
                if self.recovery_codes:
                    self._codes(user, row)
            elif row["type"] == "webauthn":
                self._passkey(user, row)
            else:
                user.skip(f"authenticator {row['key']}", "it is no authenticator app")

    def _passkey(self, user: SourceUser, row: Row) -> None:
        what, data = f"passkey {row['key']}", _parsed(row["data"])
        if data is None:
            user.skip(what, "its data is not the JSON of allauth")
            return
        passkeys.add_registration(
            user, what, data.get("credential"), _handle(row["owner"]), passkeys.readable(data.get("name"))
        )

    def _totp(self, user: SourceUser, row: Row) -> None:
        what = f"TOTP {row['key']}"
        data = _parsed(row["data"])
        if data is None or not isinstance(data.get("secret"), str):
            user.skip(what, "its data is not the JSON of allauth")
            return
        secret = self._decrypted(data["secret"])
        if secret is None or not _is_base32(secret):  # encrypted still, perhaps
            user.hold_back(what, "its secret does not open with what was given")
            return
        user.factors.append(
            ImportedFactor(
                secret=secret,
                digits=self.digits,
                period=self.period,
                factor_id=factor_id("allauth totp", row["key"], user.user_id),
            )
        )

    def _codes(self, user: SourceUser, row: Row) -> None:
        what = f"recovery codes {row['key']}"
        data = _parsed(row["data"])
        if data is not None and isinstance(migrated := data.get("migrated_codes"), list):
            opened = [self._decrypted(code) if isinstance(code, str) else None for code in migrated[: MAX_CODES + 1]]
            user.recovery_codes += [code for code in opened if code]
            if not all(opened):
                user.skip(what, "a recovery code does not open with what was given")
            return
        if data is None or not isinstance(data.get("seed"), str) or type(data.get("used_mask")) is not int:
            user.skip(what, "its data is not the JSON of allauth")
            return
        seed = self._decrypted(data["seed"])
        if seed is None or not _SEED.fullmatch(seed):  # encrypted still, it would give codes that nobody has
            user.skip(what, "its seed does not open with what was given")
            return
        user.recovery_codes += [
            code for place, code in enumerate(self._codes_of_seed(seed)) if not data["used_mask"] & 1 << place
        ]

    def _codes_of_seed(self, seed: str) -> list[str]:
        """As `RecoveryCodes.generate_codes` does."""
        codes = []
        mac = hmac.new(seed.encode("ascii"), digestmod="sha1")
        size = min(self.code_digits // 2, mac.digest_size)
        for place in range(self.code_count):
            mac.update(f"{place:3},".encode())
            number = int.from_bytes(mac.digest()[:size], "big") % 10**self.code_digits
            codes.append(str(number).zfill(self.code_digits))
        return codes

    def _decrypted(self, text: str) -> str | None:
        try:
            opened = self.decrypt(text)
        except Exception:  # the application's own function: what it raises may hold what it was given
            return None
        return opened if isinstance(opened, str) and opened else None


def _is_base32(secret: str) -> bool:
    try:
        secret_bytes(secret)
    except PolicyError:
        return False
    return True


def _handle(key: Any) -> bytes:
    """The user's, as `user_pk_to_url_str` makes it of the primary key."""
    if isinstance(key, UUID):
        return key.hex.encode()
    return (_base36(key) if type(key) is int else str(key)).encode()


def _base36(number: int) -> str:
    digits = ""
    while number > 0:
        number, last = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[last] + digits
    return digits or "0"


def _parsed(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
