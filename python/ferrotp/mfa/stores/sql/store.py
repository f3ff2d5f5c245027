"""The store in a SQL database: a SQLite file, PostgreSQL, MariaDB or MySQL.

Every decision is made by the database, in a transaction of its own on a connection of its own: what the application
does with its own transactions changes nothing about it.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy.engine import URL, Engine

from ...errors import FactorExists, MFAError, PasskeyTaken, StoreRefused, StoreUnavailable
from ..again import again_if_undone
from ..base import (
    DEVICE_SKEW,
    METHODS,
    NEVER_BOUND,
    TIMEOUT,
    Acceptance,
    AnsweredChallenge,
    Audit,
    AuditAppend,
    AuditHead,
    AuditRow,
    Budget,
    Confirmation,
    Decide,
    Factor,
    Limits,
    Method,
    NewUser,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    TrustedDevice,
    UserState,
    check_not_last,
    check_passkey,
    check_room,
    check_whole,
    cleans_up,
    new_epoch,
    spend,
    surplus,
    without_others_passkeys,
)
from ..pool import ConnectionPool
from .dialect import Attempt, SQLConnection
from .opening import dialect_for
from .records import (
    audit_head_values,
    audit_row_values,
    code_values,
    device_values,
    factor_of,
    factor_values,
    owner_values,
)
from .schema import VERSION, Tables, tables
from .statements import Statements


def _make_missing_tables(connection: SQLConnection, statements: Statements) -> None:
    """Alembic may have made some."""
    there = connection.tables(statements.table_names)
    for text in statements.create([name for name in statements.table_names if name not in there]):
        connection.script(text)


def _to_version_2(connection: SQLConnection, statements: Statements) -> None:
    """Users, whose epoch `SQLStore.user` makes where there is none; and budgets for two codes in a row."""
    _make_missing_tables(connection, statements)
    for text in statements.replace_method_check():
        connection.script(text)


def _to_version_3(connection: SQLConnection, statements: Statements) -> None:
    """Factors that are passkeys, whose they are, and the challenges that they answered."""
    _make_missing_tables(connection, statements)
    for text in statements.allow_passkeys():
        connection.script(text)


def _to_version_4(connection: SQLConnection, statements: Statements) -> None:
    """The rows of the audit, and their heads."""
    _make_missing_tables(connection, statements)


MIGRATIONS: tuple[Callable[[SQLConnection, Statements], None], ...] = (_to_version_2, _to_version_3, _to_version_4)
"""What makes version 2 of the tables out of version 1, and so on."""

START_TIMEOUT = 30.0
"""Seconds for `prepare`. Nobody waits for an answer to a code then; processes that start at once wait for each other,
and for the processor."""

_NOBODY = Owner("", "")


class SQLStore:
    """Factors, recovery codes and budgets in a SQL database.

    `where` is a URL (``sqlite:///mfa.db``, ``postgresql+psycopg://host/database``,
    ``mysql+pymysql://host/database``) or an engine of the application. An engine lends its way to connect, and nothing
    else. Each operation answers within `timeout` seconds, or raises `StoreUnavailable`. `table_prefix` begins the name
    of each table.
    """

    def __init__(
        self, where: "str | URL | Engine", *, timeout: float = TIMEOUT, table_prefix: str = "ferrotp_"
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,30}", table_prefix):
            raise ValueError("table_prefix: small letters, digits and underscores, at most 31")
        if not 0 < timeout <= 60:
            raise ValueError("timeout: seconds, more than 0 and at most 60")
        self.timeout = timeout
        self._tables = _shared_tables(table_prefix)
        self._dialect = dialect_for(where, timeout, self._tables)
        self._statements = self._dialect.statements
        self._pool: ConnectionPool[SQLConnection] = ConnectionPool(
            self._dialect.connect, self._dialect.connections, timeout
        )

    def __repr__(self) -> str:
        return f"<SQLStore {self._dialect.place}>"

    def prepare(self) -> bool:
        self._dialect.make_place()
        with self._pool.borrow(START_TIMEOUT) as connection:
            self._dialect.prepare(connection)
            if self._version(connection) == VERSION:
                return False
            connection.begin()
            connection.lock_schema()
            version = self._version(connection)
            if version is None:
                _make_missing_tables(connection, self._statements)
            else:
                for migrate in MIGRATIONS[version - 1 :]:
                    migrate(connection, self._statements)
            if version != VERSION:
                connection.run(self._statements.set_version, {"version": VERSION})
            connection.commit()
        if version is None:
            self._dialect.warn_of_new_store()
        return version is None

    def faults(self) -> list[str]:
        """What is wrong with the place, each with what to do: what `ferrotp doctor` says. Nothing is changed.

        :raises StoreUnavailable: if it does not answer
        """
        with self._pool.borrow() as connection:
            version = self._version(connection)
            if version is None:
                return [f"the tables are not there ({self._dialect.place}): ferrotp mfa init makes them"]
            found = (
                [] if version == VERSION else [f"the tables are of version {version}: ferrotp mfa init brings them on"]
            )
            names = [table.name for table in self._tables.metadata.sorted_tables]
            missing = sorted(set(names) - connection.tables(names))
            if missing:
                return [*found, f"tables are missing: {', '.join(missing)}"]
            return found + self._dialect.faults(connection, names)

    def close(self) -> None:
        self._pool.close()

    @again_if_undone
    def add_factor(
        self, factor: Factor, now: int, max_factors: int, max_pending: int, *, audit: Audit | None = None
    ) -> bool:
        statements = self._statements
        user = owner_values(factor.owner)
        with self._pool.borrow() as connection:
            connection.begin()
            is_pending = factor.state == "pending"
            budgets = {}
            for method in METHODS:
                fresh = NEVER_BOUND if method == "otp" and is_pending else 0
                rows = connection.run(statements.lock_for_factor, {**user, "method": method, "fresh": fresh})
                budgets[method] = Budget(*rows[0])
            mine = self._factors_of(connection, factor.owner)
            if any(other.factor_id == factor.factor_id for other in mine):
                connection.rollback()
                raise FactorExists
            if sum(other.state != "pending" for other in mine) >= max_factors:
                connection.rollback()
                return False
            pending = [other for other in mine if other.state == "pending"]
            for other in surplus(pending, now, max_pending - is_pending):
                connection.run(statements.take_factor, {**user, "factor_id": other.factor_id})
            connection.run(statements.add_factor, factor_values(factor))
            if is_pending and budgets["enrollment"].failures:
                connection.run(statements.forget_failures, {**user, "method": "enrollment"})
            if not is_pending:
                if budgets["otp"].spent_until == NEVER_BOUND:
                    connection.run(statements.note_bound, {**user, "method": "otp"})
                connection.run(statements.make_epoch, {**user, "epoch": new_epoch()})
            self._dialect.record(connection, audit, True)
            connection.commit()
            return True

    def add_users(self, users: Sequence[NewUser], *, audit: Audit | None = None) -> list[bool]:
        # In one order, so that no two imports wait for each other. The first budget decides: it is there already, or
        # this transaction's.
        first = {user.owner: user for user in reversed(users)}
        ordered = sorted(first.values(), key=lambda user: (user.owner.tenant, user.owner.user_id))
        answer = None
        while answer is None:  # another user came with one of the passkeys at this moment: it is seen the next time
            answer = self._add_new(
                ordered, lambda added: [user.owner in added and first[user.owner] is user for user in users], audit
            )
        return answer

    @again_if_undone
    def _add_new(
        self, users: Sequence[NewUser], answer_of: Callable[[set[Owner]], list[bool]], audit: Audit | None
    ) -> list[bool] | None:
        """The answer of who was added. None, and nothing has changed: a passkey was taken in between."""
        coming = without_others_passkeys(users, self._owner_of)
        with self._pool.borrow() as connection:
            connection.begin()
            added = self._dialect.add_users(connection, coming)
            for user in coming:
                for factor in user.factors if user.owner in added else ():
                    claim = {**owner_values(user.owner), "factor_id": factor.factor_id}
                    if factor.kind == "passkey" and not connection.run(self._statements.claim_passkey, claim):
                        connection.rollback()
                        return None
            answer = answer_of(added)
            self._dialect.record(connection, audit, answer)
            connection.commit()
        return answer

    def _owner_of(self, passkey: Factor) -> Owner | None:
        place = {"tenant": passkey.owner.tenant, "factor_id": passkey.factor_id}
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.owner_of_passkey, place)
        return Owner(passkey.owner.tenant, rows[0][0]) if rows else None

    @again_if_undone
    def reserve(
        self,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        *,
        factor_id: str = "",
        selector: str = "",
        audit: Audit | None = None,
    ) -> Reservation | Refusal:
        attempt = self._attempt(owner, method, now, limits, factor_id, selector=selector, audit=audit)
        with self._pool.borrow() as connection:
            if method == "unlock":
                connection.run(self._statements.new_unlock_budget, attempt.values)
            return self._dialect.reserve(connection, attempt)

    def budget(self, owner: Owner, method: Method) -> Budget:
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.budget, {**owner_values(owner), "method": method})
        return Budget(*rows[0]) if rows else Budget()

    @again_if_undone
    def spend(self, owner: Owner, method: Method, now: int, limits: Limits) -> int:
        values = {**owner_values(owner), "method": method, "now": now, "cost": limits.cost}
        with self._pool.borrow() as connection:
            if connection.run(self._statements.spend, {**values, "horizon": now + limits.horizon}):
                return 0
            rows = connection.run(self._statements.budget, values)
        # Where there is room by now, it came in between.
        return spend(Budget(*rows[0]), now, limits)[1] or now + 1 if rows else 0

    @again_if_undone
    def attempt(
        self,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        decide: Decide,
        *,
        factor_id: str = "",
        login_id: str = "",
        audit: Audit | None = None,
    ) -> Reservation | Refusal:
        attempt = self._attempt(owner, method, now, limits, factor_id, login_id=login_id, audit=audit)
        with self._pool.borrow() as connection:
            return self._dialect.attempt(connection, attempt, decide)

    @again_if_undone
    def unlock(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> bool:
        statements = self._statements
        user = owner_values(reservation.owner)
        values = {
            **user,
            "factor_id": accepted.factor_id,
            "first": accepted.step - 1,
            "step": accepted.step,
            "drift": accepted.drift,
            "now": now,
            "was": None if accepted.resealed is None else reservation.sealed(accepted.factor_id),
            "resealed": accepted.resealed,
        }
        with self._pool.borrow() as connection:
            connection.begin()
            failures = connection.run(statements.lock, {**user, "method": "otp"})[0][0]
            if failures >= disable_at or not connection.run(statements.advance_by_two, values):
                connection.rollback()
                return False
            connection.run(statements.end_delay, user)
            self._refund(connection, reservation)
            self._dialect.record(connection, audit, True)
            connection.commit()
            return True

    @again_if_undone
    def confirm(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        codes: Sequence[RecoveryCode],
        max_factors: int,
        only_first: bool = False,
        name: str = "",
        *,
        audit: Audit | None = None,
    ) -> Confirmation | None:
        statements = self._statements
        user = owner_values(reservation.owner)
        otp = {**user, "method": "otp"}
        mine = {**user, "factor_id": accepted.factor_id}
        with self._pool.borrow() as connection:
            connection.begin()
            kept = Budget(*connection.run(statements.lock, otp)[0])
            factors = {factor.factor_id: factor for factor in self._factors_of(connection, reservation.owner)}
            pending = factors.pop(accepted.factor_id, None)
            named = name or (pending.name if pending else "")
            last = {"step": accepted.step, "drift": accepted.drift, "now": now, "name": named}
            if not connection.run(statements.activate, {**mine, **last}):
                connection.rollback()
                return None
            try:
                check_room(list(factors.values()), max_factors, only_first)
            except MFAError:
                connection.rollback()
                raise
            if kept.spent_until == NEVER_BOUND:
                connection.run(statements.note_bound, otp)
            if kept.failures >= reservation.limits.disable_at:
                connection.run(statements.clear, otp)
                connection.run(statements.disable_others, mine)
            connection.run(statements.make_epoch, {**user, "epoch": new_epoch()})
            self._refund(connection, reservation)
            codes_kept = bool(codes) and not connection.run(statements.codes_of, user)[0][0]
            if codes_kept:
                self._replace_codes(connection, reservation.owner, codes)
            self._dialect.record(connection, audit, Confirmation(codes_kept))
            connection.commit()
            return Confirmation(codes_kept)

    @again_if_undone
    def add_passkey(
        self,
        passkey: Factor,
        answered: AnsweredChallenge,
        now: int,
        codes: Sequence[RecoveryCode],
        max_factors: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> Confirmation | None:
        statements = self._statements
        owner, user = passkey.owner, owner_values(passkey.owner)
        with self._pool.borrow() as connection:
            if cleans_up():
                connection.run(statements.drop_expired_answers, {"now": now})
            connection.begin()
            budgets = {
                method: Budget(*connection.run(statements.lock, {**user, "method": method})[0]) for method in METHODS
            }
            if not connection.run(statements.answer, _answer_values(answered)):
                connection.rollback()
                return None
            try:
                check_passkey(self._factors_of(connection, owner), passkey, max_factors, only_first)
            except MFAError:
                connection.rollback()
                raise
            if not connection.run(statements.claim_passkey, {**user, "factor_id": passkey.factor_id}):
                connection.rollback()
                raise PasskeyTaken
            connection.run(statements.add_factor, factor_values(passkey))
            if budgets["otp"].spent_until == NEVER_BOUND:
                connection.run(statements.note_bound, {**user, "method": "otp"})
            connection.run(statements.make_epoch, {**user, "epoch": new_epoch()})
            codes_kept = bool(codes) and not connection.run(statements.codes_of, user)[0][0]
            if codes_kept:
                self._replace_codes(connection, owner, codes)
            self._dialect.record(connection, audit, Confirmation(codes_kept))
            connection.commit()
            return Confirmation(codes_kept)

    def passkey(self, tenant: str, factor_id: str) -> Factor | None:
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.passkey, {"tenant": tenant, "factor_id": factor_id})
        return factor_of(Owner(tenant, rows[0][0]), rows[0][1:]) if rows else None

    @again_if_undone
    def use_passkey(
        self,
        passkey: Factor,
        answered: AnsweredChallenge,
        counter: int,
        sealed: bytes,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> Literal["accepted", "answered", "changed"]:
        statements = self._statements
        user = owner_values(passkey.owner)
        values = {
            **user,
            "factor_id": passkey.factor_id,
            "was": passkey.sealed,
            "counter": counter,
            "sealed": sealed,
            "now": now,
        }
        otp = {**user, "method": "otp"}
        with self._pool.borrow() as connection:
            if cleans_up():
                connection.run(statements.drop_expired_answers, {"now": now})
            connection.begin()
            failures = connection.run(statements.lock, otp)[0][0]
            if not connection.run(statements.answer, _answer_values(answered)):
                connection.rollback()
                return "answered"
            if not connection.run(statements.use_passkey, values):
                connection.rollback()
                return "changed"
            if 0 < failures < disable_at:
                connection.run(statements.forget_failures, otp)
            self._dialect.record(connection, audit, "accepted")
            connection.commit()
            return "accepted"

    @again_if_undone
    def disable_passkey(self, passkey: Factor, *, audit: Audit | None = None) -> bool:
        values = {**owner_values(passkey.owner), "factor_id": passkey.factor_id}
        with self._pool.borrow() as connection:
            if audit is not None:
                connection.begin()
                connection.run(self._statements.hold, {**values, "method": "otp"})
            disabled = bool(connection.run(self._statements.disable_passkey, values))
            if audit is not None:
                self._dialect.record(connection, audit, disabled)
                connection.commit()
            return disabled

    @again_if_undone
    def redeem(self, reservation: Reservation, selector: str, now: int, *, audit: Audit | None = None) -> int | None:
        statements = self._statements
        user = owner_values(reservation.owner)
        read = reservation.recovery_code
        if read is None:
            return None
        with self._pool.borrow() as connection:
            connection.begin()
            connection.run(statements.lock, {**user, "method": "otp"})
            if not connection.run(statements.take_code, {**user, "selector": selector, "sealed": read.sealed}):
                connection.rollback()
                return None
            self._refund(connection, reservation)
            left: int = connection.run(statements.codes_of, user)[0][0]
            self._dialect.record(connection, audit, left)
            connection.commit()
            return left

    @again_if_undone
    def replace_recovery_codes(
        self,
        owner: Owner,
        codes: Sequence[RecoveryCode],
        now: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> bool:
        with self._pool.borrow() as connection:
            connection.begin()
            connection.run(self._statements.lock, {**owner_values(owner), "method": "otp"})
            if all(factor.state == "pending" for factor in self._factors_of(connection, owner)) or (
                only_first and connection.run(self._statements.codes_of, owner_values(owner))[0][0]
            ):
                connection.rollback()
                return False
            self._replace_codes(connection, owner, codes)
            self._dialect.record(connection, audit, True)
            connection.commit()
            return True

    @again_if_undone
    def remove_factor(
        self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False, *, audit: Audit | None = None
    ) -> Factor | None:
        user = owner_values(owner)
        with self._pool.borrow() as connection:
            connection.begin()
            connection.run(self._statements.lock, {**user, "method": "otp"})
            if keep_last:
                try:
                    check_not_last(self._factors_of(connection, owner), factor_id)
                except MFAError:
                    connection.rollback()
                    raise
            taken = connection.run(self._statements.take_factor, {**user, "factor_id": factor_id})
            if not taken:
                connection.rollback()
                return None
            removed = factor_of(owner, taken[0])
            if removed.kind == "passkey":
                connection.run(self._statements.release_passkey, {**user, "factor_id": factor_id})
            if removed.state != "pending":
                connection.run(self._statements.drop_devices, user)
                connection.run(self._statements.set_epoch, {**user, "epoch": epoch})
            if all(factor.state == "pending" for factor in self._factors_of(connection, owner)):
                connection.run(self._statements.drop_codes, user)
            self._dialect.record(connection, audit, removed)
            connection.commit()
            return removed

    @again_if_undone
    def reset(self, owner: Owner, *, audit: Audit | None = None) -> int:
        user = owner_values(owner)
        with self._pool.borrow() as connection:
            connection.begin()
            # Made, if it is not there: another process may be adding the first factor just now.
            connection.run(self._statements.lock, {**user, "method": "otp"})
            gone = len(connection.run(self._statements.drop_factors, user))
            connection.run(self._statements.drop_codes, user)
            connection.run(self._statements.drop_devices, user)
            connection.run(self._statements.drop_user, user)
            connection.run(self._statements.drop_ended, user)
            connection.run(self._statements.release_passkeys, user)
            connection.run(self._statements.drop_budgets, user)
            self._dialect.record(connection, audit, gone)
            connection.commit()
            return gone

    @again_if_undone
    def delete_users(self, owners: Sequence[Owner], *, audit: Audit | None = None) -> list[int]:
        # In one order, as `add_users`.
        ordered = sorted(set(owners), key=lambda owner: (owner.tenant, owner.user_id))
        with self._pool.borrow() as connection:
            connection.begin()
            gone = self._dialect.delete_users(connection, ordered)
            answer = [gone.pop(owner, 0) for owner in owners]
            self._dialect.record(connection, audit, answer)
            connection.commit()
        return answer

    @again_if_undone
    def move_epoch(self, owner: Owner, epoch: str, was: str | None, *, audit: Audit | None = None) -> int | None:
        statements, user = self._statements, owner_values(owner)
        with self._pool.borrow() as connection:
            connection.begin()
            connection.run(self._statements.hold, {**user, "method": "otp"})
            gone = len(connection.run(statements.drop_devices, user))
            values = {**user, "epoch": epoch, "was": was}
            if was is None:
                connection.run(statements.set_epoch, values)
            elif not connection.run(statements.swap_epoch if was else statements.make_epoch, values):
                connection.rollback()
                return None
            self._dialect.record(connection, audit, gone)
            connection.commit()
            return gone

    def epoch(self, owner: Owner) -> str:
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.epoch, owner_values(owner))
        return rows[0][0] if rows else self.user(owner).epoch

    @again_if_undone
    def add_device(self, device: TrustedDevice, now: int, max_devices: int, *, audit: Audit | None = None) -> bool:
        statements = self._statements
        user = owner_values(device.owner)
        with self._pool.borrow() as connection:
            connection.begin()
            connection.run(statements.lock, {**user, "method": "otp"})
            if all(factor.state != "active" for factor in self._factors_of(connection, device.owner)):
                connection.rollback()
                return False
            mine = sorted(
                self._devices_of(connection, device.owner), key=lambda other: (other.last_used_at, other.series)
            )
            for other in surplus(mine, now, max_devices - 1):
                connection.run(statements.drop_device, {**user, "series": other.series})
            connection.run(statements.add_device, {**device_values(device), "token_before": b""})
            self._dialect.record(connection, audit, True)
            connection.commit()
            return True

    @again_if_undone
    def use_device(
        self,
        owner: Owner,
        series: str,
        token_hash: bytes,
        next_hash: bytes,
        now: int,
        grace: int,
        *,
        audit: Audit | None = None,
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        values = {
            **owner_values(owner),
            "series": series,
            "token_hash": token_hash,
            "next_hash": next_hash,
            "now": now,
            "none": b"",
            "grace_began": now - grace,
            "latest": now + DEVICE_SKEW,
        }
        with self._pool.borrow() as connection:
            if audit is None:
                return self._dialect.use_device(connection, values, grace)
            connection.begin()
            verdict = self._dialect.use_device_locked(connection, values, grace)
            self._dialect.record(connection, audit, verdict)
            connection.commit()
            return verdict

    def devices(self, owner: Owner) -> list[TrustedDevice]:
        with self._pool.borrow() as connection:
            return self._devices_of(connection, owner)

    @again_if_undone
    def remove_devices(self, owner: Owner, series: str | None, *, audit: Audit | None = None) -> int:
        statements = self._statements
        values = {**owner_values(owner), "series": series}
        drop = statements.drop_devices if series is None else statements.drop_device
        with self._pool.borrow() as connection:
            if audit is None:
                return len(connection.run(drop, values))
            connection.begin()
            gone = len(connection.run(drop, values))
            self._dialect.record(connection, audit, gone)
            connection.commit()
            return gone

    @again_if_undone
    def end_half_login(self, owner: Owner, login_id: str, expires_at: int, now: int) -> None:
        values = {**owner_values(owner), "login_id": login_id, "expires_at": expires_at}
        with self._pool.borrow() as connection:
            connection.run(self._statements.add_ended, values)
            connection.run(self._statements.drop_expired_ended, {"now": now})

    def has_ended(self, owner: Owner, login_id: str) -> bool:
        with self._pool.borrow() as connection:
            return bool(connection.run(self._statements.ended, {**owner_values(owner), "login_id": login_id}))

    @again_if_undone
    def user(self, owner: Owner) -> UserState:
        user = owner_values(owner)
        with self._pool.borrow() as connection:
            connection.begin(reading=True)
            factors = self._factors_of(connection, owner)
            budgets = {row[0]: Budget(*row[1:]) for row in connection.run(self._statements.budgets_of, user)}
            codes, devices, may_write = connection.run(self._statements.counts_of, user)[0]
            epochs = connection.run(self._statements.epoch, user)
            connection.commit()
            if not may_write or not connection.is_writable():
                raise StoreUnavailable(f"{self._dialect.name} takes no writes here: name the primary")
            check_whole(factors, "otp" in budgets, codes, devices)
            if not epochs and any(factor.state != "pending" for factor in factors):
                connection.run(self._statements.make_epoch, {**user, "epoch": new_epoch()})
                epochs = connection.run(self._statements.epoch, user)
        epoch = epochs[0][0] if epochs else ""
        return UserState(tuple(factors), {method: budgets.get(method, Budget()) for method in METHODS}, codes, epoch)

    def factors(self, after: Factor | None, limit: int) -> list[Factor]:
        values = {**owner_values(after.owner if after else _NOBODY), "factor_id": after.factor_id if after else ""}
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.factors, {**values, "limit": limit})
        return [factor_of(Owner(row[0], row[1]), row[2:]) for row in rows]

    def recovery_codes(self, after: RecoveryCode | None, limit: int) -> list[RecoveryCode]:
        values = {**owner_values(after.owner if after else _NOBODY), "selector": after.selector if after else ""}
        with self._pool.borrow() as connection:
            rows = connection.run(self._statements.codes, {**values, "limit": limit})
        return [RecoveryCode(Owner(row[0], row[1]), row[2], row[3]) for row in rows]

    @again_if_undone
    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        # All in one order, so that no two sweeps wait for each other.
        ordered = sorted((_change(read, sealed) for read, sealed in changes), key=_key_of)
        factors = [change for change in ordered if "factor_id" in change]
        codes = [change for change in ordered if "selector" in change]
        with self._pool.borrow() as connection:
            connection.begin()
            done = self._dialect.reseal(connection, self._statements.reseal_factor, factors)
            done += self._dialect.reseal(connection, self._statements.reseal_code, codes)
            connection.commit()
        return done

    @again_if_undone
    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        with self._pool.borrow() as connection:
            connection.begin()
            self._dialect.append(connection, appends)
            connection.commit()

    def audit_head(self, owner: Owner) -> AuditHead:
        with self._pool.borrow() as connection:
            return self._dialect.audit_head(connection, owner, make=False)

    def audit_rows(self, owner: Owner, after: int, limit: int) -> list[AuditRow]:
        with self._pool.borrow() as connection:
            values = {**owner_values(owner), "after": after, "limit": limit}
            return [_audit_row(row) for row in connection.run(self._statements.audit_rows, values)]

    def recent_audit_rows(self, owner: Owner, before: int, limit: int) -> list[AuditRow]:
        with self._pool.borrow() as connection:
            values = {**owner_values(owner), "before": before, "limit": limit}
            return [_audit_row(row) for row in connection.run(self._statements.recent_audit_rows, values)]

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        statements = self._statements
        with self._pool.borrow() as connection:
            if after is None:
                rows = connection.run(statements.first_audit_owners, {"limit": limit})
            else:
                rows = connection.run(statements.audit_owners, {**owner_values(after), "limit": limit})
        return [Owner(*row) for row in rows]

    def headless_audit(self, limit: int) -> list[Owner]:
        with self._pool.borrow() as connection:
            return [Owner(*row) for row in connection.run(self._statements.headless_audit, {"limit": limit})]

    @again_if_undone
    def revise_audit(self, owner: Owner, read: AuditHead, head: AuditHead, rows: Sequence[AuditRow]) -> bool:
        values = audit_head_values(owner, read, head)
        with self._pool.borrow() as connection:
            connection.begin()
            if not connection.run(self._statements.move_audit_head, values):
                connection.rollback()
                return False
            for row in rows:
                connection.run(self._statements.reseal_audit_row, audit_row_values(row))
            if head.pruned > read.pruned:
                connection.run(self._statements.drop_audit_rows, values)
            connection.commit()
            return True

    def _attempt(
        self,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        factor_id: str,
        *,
        selector: str = "",
        login_id: str = "",
        audit: Audit | None = None,
    ) -> Attempt:
        delays = limits.delays
        values: dict[str, Any] = {
            "tenant": owner.tenant,
            "user_id": owner.user_id,
            "method": method,
            "factor_id": factor_id,
            "selector": selector,
            "login_id": login_id,
            "now": now,
            "free": limits.free,
            "disable_at": limits.disable_at,
            "cost": limits.cost,
            "horizon": now + limits.horizon,
            "longest": now + delays[-1],
        }
        for name, delay in zip(_retries(len(delays)), delays, strict=True):
            values[name] = now + delay if delay else 0
        one_factor = method == "enrollment" or (method in ("otp", "unlock") and factor_id != "")
        count = self._statements.counts[method, one_factor, len(delays)]
        return Attempt(owner, method, one_factor, now, limits, count, values, audit)

    def _version(self, connection: SQLConnection) -> int | None:
        """The version of the tables; None if there are none, or nobody has said."""
        name = self._tables.schema.name
        if name not in connection.tables([name]):
            return None
        found: int | None = connection.run(self._statements.version, {})[0][0]
        if found is not None and found > VERSION:
            raise StoreRefused(f"the tables are of version {found}, this ferrotp knows {VERSION}: update it")
        return found

    def _factors_of(self, connection: SQLConnection, owner: Owner) -> list[Factor]:
        return [factor_of(owner, row) for row in connection.run(self._statements.factors_of, owner_values(owner))]

    def _devices_of(self, connection: SQLConnection, owner: Owner) -> list[TrustedDevice]:
        return [TrustedDevice(owner, *row) for row in connection.run(self._statements.devices_of, owner_values(owner))]

    def _refund(self, connection: SQLConnection, reservation: Reservation) -> None:
        user = owner_values(reservation.owner)
        connection.run(self._statements.refund, {**user, "method": reservation.method, "cost": reservation.limits.cost})

    def _replace_codes(self, connection: SQLConnection, owner: Owner, codes: Sequence[RecoveryCode]) -> None:
        user = owner_values(owner)
        connection.run(self._statements.drop_codes, user)
        for code in codes:
            connection.run(self._statements.add_code, code_values(code))
        connection.run(self._statements.clear, {**user, "method": "recovery"})


def _audit_row(row: Sequence[Any]) -> AuditRow:
    return AuditRow(Owner(row[0], row[1]), *row[2:])


def _answer_values(answered: AnsweredChallenge) -> dict[str, Any]:
    """With what tells this decision's row from another's."""
    values = {"tenant": answered.tenant, "challenge": answered.challenge, "expires_at": answered.expires_at}
    return {**values, "decision": new_epoch()}


def _change(read: "Factor | RecoveryCode", sealed: bytes) -> dict[str, Any]:
    key = {"factor_id": read.factor_id} if isinstance(read, Factor) else {"selector": read.selector}
    return {**owner_values(read.owner), **key, "was": read.sealed, "sealed": sealed}


def _key_of(change: dict[str, Any]) -> tuple[str, ...]:
    return tuple(value for value in change.values() if isinstance(value, str))


@lru_cache(maxsize=16)
def _shared_tables(prefix: str) -> Tables:
    """Those of all stores of a process, which share their statements, too."""
    return tables(prefix)


@lru_cache(maxsize=16)
def _retries(delays: int) -> tuple[str, ...]:
    return tuple(f"retry_{step}" for step in range(delays))
