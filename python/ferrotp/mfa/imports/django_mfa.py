"""django-mfa2 and django-mfa3: authenticator apps and passkeys in one table each. Their recovery codes are hashed by
other rules than ours, and stay."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..foreign_users import ImportedFactor
from . import passkeys
from .database import LONGEST, Accounts, Database, Query
from .source_user import Moment, Row, SourceUser, factor_id

_HASHED = "recovery codes are hashed there: have new ones made"


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoMFA2:
    """The table of django-mfa2. It knows its users by their names. There is no last used step: codes of the moment of
    the import are not accepted."""

    name: ClassVar[str] = "django-mfa2"
    needs_proof: ClassVar[bool] = False
    accounts: Accounts = field(default_factory=lambda: Accounts(key="username", user_id="id"))

    def queries(self, database: Database) -> dict[str, Query]:
        """The one table."""
        texts = {"type": "key_type", "properties": "properties"}
        return {
            "all": database.rows("mfa_user_keys", "username", texts, {"key": "id", "enabled": "enabled"}, self.accounts)
        }

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for row in rows["all"]:
            what, properties = f"{row['type']} {row['key']}", _parsed(row["properties"])
            if not row["enabled"]:
                user.skip(what, "it is switched off")
            elif row["type"] == "TOTP":
                _add_app(user, what, properties.get("secret_key"), factor_id("django-mfa2", row["key"], user.user_id))
            elif row["type"] == "FIDO2":
                # The handle depends on the release of fido2 by which it was made.
                passkeys.add_attested_data(user, what, properties.get("device"), b"")
            else:
                user.skip(what, _HASHED if row["type"] == "RECOVERY" else "it is no authenticator app")


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoMFA3:
    """The table of django-mfa3. There is no last used step: codes of the moment of the import are not accepted."""

    name: ClassVar[str] = "django-mfa3"
    needs_proof: ClassVar[bool] = False
    accounts: Accounts = field(default_factory=Accounts)

    def queries(self, database: Database) -> dict[str, Query]:
        """The one table."""
        texts = {"method": "method", "name": "name", "secret": "secret"}
        return {"all": database.rows("mfa_mfakey", "user_id", texts, {"key": "id"}, self.accounts)}

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for row in rows["all"]:
            what, name = f"{row['method']} {row['key']}", passkeys.readable(row["name"])
            if row["method"] == "TOTP":
                _add_app(user, what, row["secret"], factor_id("django-mfa3", row["key"], user.user_id), name)
            elif row["method"] == "FIDO2":
                passkeys.add_attested_data(user, what, row["secret"], str(row["owner"]).encode(), name)
            else:
                user.skip(what, _HASHED if row["method"] == "recovery" else "it is no authenticator app")


def _add_app(user: SourceUser, what: str, secret: Any, its_id: str, name: str = "") -> None:
    if isinstance(secret, str) and secret:
        user.factors.append(ImportedFactor(secret=secret, factor_id=its_id, name=name))
    else:
        user.skip(what, "it has no secret")


def _parsed(text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > LONGEST:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
