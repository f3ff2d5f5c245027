"""Flask-Security: passlib's TOTP records on the user's row, and recovery codes in one comma-separated text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sqlalchemy import or_, select

from ..foreign_users import ImportedFactor, secret_bytes
from ..passkey_records import TRANSPORTS
from . import passkeys, wallet
from .database import LONGEST, Database, Query, SourceError, beginning_of, undecoded
from .fernet import Decrypt
from .source_user import Moment, Row, SourceUser, factor_id

_TEXTS = {
    "method": "tf_primary_method",
    "secret": "tf_totp_secret",
    "unified": "us_totp_secrets",
    "codes": "mf_recovery_codes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaskSecurity:
    """The columns of the user's table. There is no last used step: codes of the moment of the import are not
    accepted."""

    name: ClassVar[str] = "flask-security"
    accounts: ClassVar[None] = None
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """`SECURITY_TOTP_SECRETS`, by tag."""
    decrypt_code: Decrypt | None = field(default=None, repr=False)
    """For `SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS`: `fernet.decryptor` of them."""
    table: str = "user"
    user_column: str = "id"
    """What becomes ferrotp's user id. Not `fs_uniquifier`, which Flask-Login's `get_id` gives: it changes with the
    password, and its user would come in without a second factor."""
    passkey_table: str = "web_authn"
    """Of the model ``WebAuthn``, if there is one."""
    recovery_codes: bool = True
    _keys: Mapping[wallet.Lock, bytes] = field(default_factory=dict, repr=False)

    @property
    def needs_proof(self) -> bool:
        """A wrong secret opens every record, to garbage."""
        return bool(self.secrets)

    def queries(self, database: Database) -> dict[str, Query]:
        """The users who have any of it."""
        columns = database.table(self.table).c
        texts = {name: column for name, column in _TEXTS.items() if column in columns}
        if not {"secret", "unified"} & {*texts}:
            raise SourceError(f"the table {self.table!r} has neither tf_totp_secret nor us_totp_secrets")
        query = database.rows(self.table, self.user_column, texts, {}, None)
        there = [beginning_of(columns[texts[name]]) != "" for name in ("secret", "unified", "codes") if name in texts]
        queries = {"user": query.where(or_(*there))}
        if database.has(self.passkey_table):
            queries["passkeys"] = self._passkeys(database)
        return queries

    def _passkeys(self, database: Database) -> Query:
        texts = {"id": "credential_id", "public_key": "public_key", "name": "name", "type": "device_type"}
        others = {"key": "id", "counter": "sign_count", "backed_up": "backup_state", "transports": "transports"}
        fields = [
            beginning_of(database.column(self.passkey_table, column)).label(name) for name, column in texts.items()
        ]
        fields += [
            undecoded(database.column(self.passkey_table, column)).label(name) for name, column in others.items()
        ]
        fields.append(beginning_of(database.column(self.table, "fs_webauthn_user_handle")).label("handle"))
        joined = database.table(self.passkey_table).join(
            database.table(self.table),
            database.column(self.table, "id") == database.column(self.passkey_table, "user_id"),
        )
        return database.with_owner(select(*fields), joined, database.column(self.table, self.user_column), None)

    def prepared(self, users: Sequence[dict[str, list[Row]]]) -> "FlaskSecurity":
        """Itself, with the keys of these users' records, which take a fifth of the time where several are derived at
        once."""
        if not self.secrets:
            return self
        texts = (text for rows in users for row in rows["user"] for text in _records(row))
        return replace(self, _keys=wallet.derived_keys(texts, self.secrets))

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for row in rows.get("passkeys", ()):
            said = row["transports"].split(",") if isinstance(row["transports"], str) else []
            passkeys.add_key(
                user,
                f"passkey {row['key']}",
                row["id"],
                row["public_key"],
                row["handle"].encode() if isinstance(row["handle"], str) else b"",
                counter=row["counter"] or 0,
                backup_eligible={"multi_device": True, "single_device": False}.get(row["type"]),
                backed_up=bool(row["backed_up"]),
                transports=tuple(name for name in TRANSPORTS if name in said),
                name=passkeys.readable(row["name"]),
            )
        for row in rows["user"]:
            method = row.get("method")
            if row.get("secret"):
                if method is None or method == "authenticator":
                    self._factor(user, "tf_totp_secret", row["secret"])
                else:
                    user.skip("tf_totp_secret", "it is for codes by telephone or e-mail")
            if row.get("unified"):
                self._unified(user, row["unified"])
            if self.recovery_codes and row.get("codes"):
                self._codes(user, row["codes"])

    def _unified(self, user: SourceUser, text: Any) -> None:
        secrets = _unified(text)
        if secrets is None:
            user.skip("us_totp_secrets", "it is not the JSON of Flask-Security")
            return
        for method, record in secrets.items():
            if method == "authenticator":
                self._factor(user, "us_totp_secrets", record)
            else:
                user.skip("us_totp_secrets", "it is for codes by telephone or e-mail")

    def _factor(self, user: SourceUser, what: str, text: Any) -> None:
        if not isinstance(text, str) or len(text) > LONGEST:
            user.skip(what, "no TOTP record of passlib")
            return
        try:
            own_id = factor_id("flask-security", what, user.user_id)
            factor = wallet.factor_of_record(text, self.secrets, self._keys, "", own_id)
        except wallet.NoSecretError as error:
            user.hold_back(what, str(error))
            return
        except wallet.WalletError as error:
            user.skip(what, str(error))
            return
        if all(
            secret_bytes(other.secret) != factor.secret for other in user.factors if isinstance(other, ImportedFactor)
        ):  # one app for both
            user.factors.append(factor)

    def _codes(self, user: SourceUser, text: Any) -> None:
        codes = text.split(",") if isinstance(text, str) and len(text) <= LONGEST else []
        opened = [self.decrypt_code(code) for code in codes] if self.decrypt_code else codes
        if not codes or not all(opened):
            user.skip("recovery codes", "a recovery code does not open with what was given")
        elif self.decrypt_code is None and any(code.startswith("gAAAA") for code in codes):
            user.skip("recovery codes", "they are encrypted, and no key was given")
            return
        user.recovery_codes += [code for code in opened if code]


def _unified(text: Any) -> dict[str, Any] | None:
    """Flask-Security's secrets by method; None for what is not its JSON."""
    try:
        secrets = json.loads(text) if isinstance(text, str) and len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    return secrets if isinstance(secrets, dict) else None


def _records(row: Row) -> Iterator[str]:
    """The records that `read` opens of a user's row."""
    for text in (row.get("secret"), (_unified(row.get("unified")) or {}).get("authenticator")):
        if isinstance(text, str) and len(text) <= LONGEST:
            yield text
