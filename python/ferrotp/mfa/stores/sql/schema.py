"""The tables of the SQL store. `metadata` is what Alembic wants to see."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from ..alembic import MINE

VERSION = 4
"""The version of the tables below. `SQLStore.prepare` migrates older ones and refuses newer ones."""

# By code point, in the order of Python's `str`, whatever the locale: a locale's order changes with the system's
# libraries, and an index with it.
#
# MySQL and MariaDB have no collation in common that tells "a" from "a ", so there they are bytes: of 255 characters at
# most, of which a key has room for three.
_TEXT = (
    Text()
    .with_variant(postgresql.TEXT(collation="C"), "postgresql")
    .with_variant(mysql.VARBINARY(4 * 255), "mysql", "mariadb")
)
_LONG_TEXT = (
    Text()
    .with_variant(postgresql.TEXT(collation="C"), "postgresql")
    .with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
)
# SQLite's strict tables know no other names.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_FLAG = Boolean().with_variant(Integer(), "sqlite")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables under one prefix."""

    metadata: MetaData
    factor: Table
    budget: Table
    recovery_code: Table
    device: Table
    user: Table
    ended_login: Table
    passkey: Table
    answered_challenge: Table
    audit_row: Table
    audit_head: Table
    schema: Table


def tables(prefix: str = "ferrotp_") -> Tables:
    """The tables, named with a prefix, in a `MetaData` of their own."""
    metadata = MetaData()

    def column(name: str, kind: "TypeEngine[str] | TypeEngine[int] | TypeEngine[bool] | TypeEngine[bytes]") -> "Column":  # type: ignore[type-arg]
        return Column(name, kind, nullable=False, autoincrement=False)

    def table(name: str, *items: "Column | CheckConstraint | UniqueConstraint", key: tuple[str, ...]) -> Table:  # type: ignore[type-arg]
        return Table(
            prefix + name,
            metadata,
            *items,
            PrimaryKeyConstraint(*key, name=f"{prefix}{name}_pkey"),
            sqlite_strict=True,
            # Others have no transactions, or keys that are too short.
            mysql_engine="InnoDB",
            mysql_row_format="DYNAMIC",
            mariadb_engine="InnoDB",
            mariadb_row_format="DYNAMIC",
            info={MINE: True},
        )

    def one_of(name: str, *values: str) -> CheckConstraint:
        allowed = ", ".join(f"'{value}'" for value in values)
        return CheckConstraint(f"{name} IN ({allowed})", name=f"{prefix}{name}_check")

    factor = table(
        "factor",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("factor_id", _TEXT),
        column("kind", _TEXT),
        column("name", _TEXT),
        column("state", _TEXT),
        column("sealed", LargeBinary()),
        column("legacy", _FLAG),
        column("created_at", _NUMBER),
        column("expires_at", _NUMBER),
        column("last_step", _NUMBER),
        column("drift", _NUMBER),
        column("last_used_at", _NUMBER),
        one_of("kind", "totp", "hotp", "passkey"),
        one_of("state", "pending", "active", "disabled"),
        key=("tenant", "user_id", "factor_id"),
    )
    budget = table(
        "budget",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("method", _TEXT),
        column("failures", _NUMBER),
        column("retry_at", _NUMBER),
        column("spent_until", _NUMBER),
        one_of("method", "otp", "recovery", "enrollment", "unlock"),
        key=("tenant", "user_id", "method"),
    )
    recovery_code = table(
        "recovery_code",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("selector", _TEXT),
        column("sealed", LargeBinary()),
        key=("tenant", "user_id", "selector"),
    )
    device = table(
        "device",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("series", _TEXT),
        column("name", _TEXT),
        column("token_hash", LargeBinary()),
        column("token_before", LargeBinary()),
        column("created_at", _NUMBER),
        column("expires_at", _NUMBER),
        column("last_used_at", _NUMBER),
        key=("tenant", "user_id", "series"),
    )
    user = table(
        "user",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("epoch", _TEXT),
        key=("tenant", "user_id"),
    )
    ended_login = table(
        "ended_login",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("login_id", _TEXT),
        column("expires_at", _NUMBER),
        key=("tenant", "user_id", "login_id"),
    )
    # A credential is of one user alone: it is what says whose it is, where a passkey signs in without a name. An index
    # on some of the factors would do, and not every database has those.
    passkey = table(
        "passkey",
        column("tenant", _TEXT),
        column("factor_id", _TEXT),
        column("user_id", _TEXT),
        UniqueConstraint("tenant", "user_id", "factor_id", name=f"{prefix}passkey_user"),
        key=("tenant", "factor_id"),
    )
    answered_challenge = table(
        "answered_challenge",
        column("tenant", _TEXT),
        column("challenge", _TEXT),
        column("expires_at", _NUMBER),
        column("decision", _TEXT),  # random: whose row it is, where a database does not say whether it was made
        key=("tenant", "challenge"),
    )
    audit_row = table(
        "audit_row",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("number", _NUMBER),
        column("happened_at", _NUMBER),
        column("kind", _TEXT),
        column("factor_id", _TEXT),
        column("method", _TEXT),
        column("detail", _LONG_TEXT),
        column("address", _TEXT),
        column("user_agent", _TEXT),
        column("earlier", LargeBinary()),  # a hash of the rows before
        column("key_id", _TEXT),
        column("mac", LargeBinary()),
        key=("tenant", "user_id", "number"),
    )
    audit_head = table(
        "audit_head",
        column("tenant", _TEXT),
        column("user_id", _TEXT),
        column("number", _NUMBER),
        column("link", LargeBinary()),
        column("pruned", _NUMBER),
        column("anchor", LargeBinary()),
        column("key_id", _TEXT),
        column("mac", LargeBinary()),
        key=("tenant", "user_id"),
    )
    schema = table("schema", column("version", _NUMBER), key=("version",))
    audit = audit_row, audit_head
    kept = factor, budget, recovery_code, device, user, ended_login, passkey, answered_challenge
    return Tables(metadata, *kept, *audit, schema)


metadata = tables().metadata
"""The tables under the usual prefix, for Alembic."""
