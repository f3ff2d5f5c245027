"""The store in a SQL database: a SQLite file, or PostgreSQL.

Every decision is made by the database, in a transaction of its own on a connection of its own: what the application
does with its own transactions changes nothing about it.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, SingletonThreadPool, StaticPool

from ..errors import StoreRefused
from .base import (
    METHODS,
    TIMEOUT,
    Budget,
    Factor,
    Limits,
    Method,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    TrustedDevice,
    UserState,
    charge,
    surplus,
)
from .sql_links import SIZE, Link, Links, Turn, Values
from .sql_schema import VERSION, Tables, metadata, tables
from .sql_sqlite import SQLiteFile, SQLiteLink
from .sql_statements import Statement, Statements

if TYPE_CHECKING:
    from .sql_postgresql import PostgreSQL

MIGRATIONS: tuple[Callable[[Link, Tables], None], ...] = ()
"""What makes version 2 of the tables out of version 1, and so on."""

__all__ = ["VERSION", "SQLStore", "Tables", "metadata", "tables"]


class SQLStore:
    """Factors, recovery codes and budgets in a SQL database.

    `where` is a URL (``sqlite:///mfa.db``, ``postgresql+psycopg://host/database``) or an engine of the application. An
    engine lends its way to connect, and nothing else. Each operation answers within `timeout` seconds, or raises
    `StoreUnavailable`. `table_prefix` begins the name of each table.
    """

    def __init__(
        self, where: "str | URL | Engine", *, timeout: float = TIMEOUT, table_prefix: str = "ferrotp_"
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,30}", table_prefix):
            raise ValueError("table_prefix: small letters, digits and underscores, at most 31")
        if not 0 < timeout <= 60:
            raise ValueError("timeout: seconds, more than 0 and at most 60")
        self._tables = tables(table_prefix)
        self._database = _database(where, timeout)
        self._statements = Statements(self._tables, self._database.dialect)
        self._steps = self._database.dialect == "sqlite"
        # SQLite has one writer at a time: threads that queue for one connection ask the file less often.
        self._links = Links(self._database.connect, 1 if self._steps else SIZE, timeout)

    def __repr__(self) -> str:
        return f"<SQLStore {self._database.dialect}>"

    def prepare(self) -> None:
        names = [table.name for table in self._tables.metadata.sorted_tables]
        with Turn(self._links) as link:
            self._database.prepare(link)
            if self._version(link) == VERSION:
                return
            link.begin()
            link.lock_schema()
            version = self._version(link)
            if version is None:
                there = link.tables(names)
                for text in self._statements.create([name for name in names if name not in there]):
                    link.script(text)
            else:
                for migrate in MIGRATIONS[version - 1 :]:
                    migrate(link, self._tables)
            if version != VERSION:
                link.run(self._statements.set_version, {"version": VERSION})
            link.commit()

    def close(self) -> None:
        self._links.close()

    def add_factor(self, factor: Factor, now: int, max_factors: int, max_pending: int) -> bool:
        statements = self._statements
        whose = _whose(factor.owner)
        with Turn(self._links) as link:
            link.begin()
            for method in METHODS:
                link.run(statements.lock, {**whose, "method": method})
            mine = self._factors_of(link, factor.owner)
            if sum(one.state != "pending" for one in mine) >= max_factors:
                link.rollback()
                return False
            pending = [one for one in mine if one.state == "pending"]
            for one in surplus(pending, now, max_pending - (factor.state == "pending")):
                link.run(statements.take_factor, {**whose, "factor_id": one.factor_id})
            link.run(
                statements.add_factor,
                {**whose, **{name: getattr(factor, name) for name in _FACTOR_FIELDS}},
            )
            link.commit()
            return True

    def reserve(
        self, owner: Owner, method: Method, now: int, limits: Limits, *, factor_id: str = "", selector: str = ""
    ) -> Reservation | Refusal:
        one = method == "enrollment" or (method == "otp" and factor_id != "")
        delays = limits.delays
        count = self._statements.count(method, one, len(delays))
        values: dict[str, Any] = {
            "tenant": owner.tenant,
            "user_id": owner.user_id,
            "method": method,
            "factor_id": factor_id,
            "selector": selector,
            "now": now,
            "free": limits.free,
            "disable_at": limits.disable_at,
            "cost": limits.cost,
            "horizon": now + limits.horizon,
            "longest": now + delays[-1],
        }
        for name, delay in zip(_retries(len(delays)), delays, strict=True):
            values[name] = now + delay if delay else 0
        with Turn(self._links) as link:
            if isinstance(link, SQLiteLink):
                return self._reserve_in_steps(link, count, one, owner, method, now, limits, values)
            while True:
                rows = link.run(count, values)
                if rows:
                    budget = Budget(*rows[0][:3])
                    if method == "recovery":
                        return _for_recovery(owner, limits, budget, selector, rows[0][3])
                    return Reservation(owner, method, limits, budget, tuple([_factor(owner, row[3:]) for row in rows]))
                refusal = self._refuse(link, one, method, now, limits, values)
                if refusal:
                    return refusal
                # In between, another attempt was refunded, or a factor came.

    def _reserve_in_steps(
        self,
        link: SQLiteLink,
        count: Statement,
        one: bool,
        owner: Owner,
        method: Method,
        now: int,
        limits: Limits,
        values: Values,
    ) -> Reservation | Refusal:
        """Under SQLite's one lock."""
        statements = self._statements
        # Who is refused needs no lock, so guesses that are throttled hold nobody up.
        early = link.begin_unless(lambda: self._refuse(link, one, method, now, limits, values, reading=True))
        if early is not None:
            return early
        rows = link.run(count, values)
        if not rows:
            refusal = self._refuse(link, one, method, now, limits, values)
            if refusal is None:  # it cannot be, under one lock
                raise AssertionError("SQLite and charge() are of two minds")
            link.commit()
            return refusal
        budget = Budget(*rows[0])
        if method == "recovery":
            found = link.run(statements.code, values)
            reservation = _for_recovery(owner, limits, budget, values["selector"], found[0][0] if found else None)
        else:
            factors = link.run(statements.found[method, one], values)
            reservation = Reservation(owner, method, limits, budget, tuple([_factor(owner, row) for row in factors]))
        link.commit()
        return reservation

    def _refuse(
        self, link: Link, one: bool, method: Method, now: int, limits: Limits, values: Values, reading: bool = False
    ) -> Refusal | None:
        """Why an attempt is not counted; None if by now it would be, or if something is to be written for it."""
        statements = self._statements
        if not link.run(statements.found[method, one], values):
            return Refusal("not enrolled")
        rows = link.run(statements.budget, values)
        if not rows:
            return Refusal("not enrolled")  # reset in between
        budget = Budget(*rows[0])
        kept, refusal = charge(budget, now, limits)
        if refusal and kept != budget:
            if reading:
                return None
            corrected = link.run(
                statements.correct,
                {
                    **values,
                    "failures": budget.failures,
                    "was_retry_at": budget.retry_at,
                    "was_spent_until": budget.spent_until,
                    "retry_at": kept.retry_at,
                    "spent_until": kept.spent_until,
                },
            )
            return refusal if corrected else None
        return refusal

    def accept(
        self, reservation: Reservation, factor_id: str, step: int, drift: int, now: int, resealed: bytes | None
    ) -> bool:
        owner = reservation.owner
        was = None
        if resealed is not None:
            was = next((one.sealed for one in reservation.factors if one.factor_id == factor_id), None)
        values: dict[str, Any] = {
            "tenant": owner.tenant,
            "user_id": owner.user_id,
            "method": reservation.method,
            "factor_id": factor_id,
            "step": step,
            "drift": drift,
            "now": now,
            "cost": reservation.limits.cost,
            "was": was,
            "resealed": resealed,
        }
        statements = self._statements
        with Turn(self._links) as link:
            if not self._steps:
                return bool(link.run(statements.accept, values))
            link.begin()
            if not link.run(statements.advance, values):
                link.rollback()
                return False
            link.run(statements.refund, values)
            link.commit()
            return True

    def confirm(
        self, reservation: Reservation, factor_id: str, step: int, drift: int, now: int, codes: Sequence[RecoveryCode]
    ) -> bool:
        statements = self._statements
        whose = _whose(reservation.owner)
        otp = {**whose, "method": "otp"}
        with Turn(self._links) as link:
            link.begin()
            failures = link.run(statements.lock, otp)[0][0]
            if not link.run(
                statements.activate, {**whose, "factor_id": factor_id, "step": step, "drift": drift, "now": now}
            ):
                link.rollback()
                return False
            if failures >= reservation.limits.disable_at:
                link.run(statements.clear, otp)
                link.run(statements.disable_others, {**whose, "factor_id": factor_id})
            self._refund(link, reservation)
            if codes:
                self._replace_codes(link, reservation.owner, codes)
            link.commit()
            return True

    def redeem(self, reservation: Reservation, selector: str, now: int) -> int | None:
        statements = self._statements
        whose = _whose(reservation.owner)
        read = reservation.recovery_code
        if read is None:
            return None
        with Turn(self._links) as link:
            link.begin()
            link.run(statements.lock, {**whose, "method": "otp"})
            if not link.run(statements.take_code, {**whose, "selector": selector, "sealed": read.sealed}):
                link.rollback()
                return None
            self._refund(link, reservation)
            left: int = link.run(statements.codes_of, whose)[0][0]
            link.commit()
            return left

    def replace_recovery_codes(self, owner: Owner, codes: Sequence[RecoveryCode], now: int) -> bool:
        with Turn(self._links) as link:
            link.begin()
            link.run(self._statements.lock, {**_whose(owner), "method": "otp"})
            if all(one.state == "pending" for one in self._factors_of(link, owner)):
                link.rollback()
                return False
            self._replace_codes(link, owner, codes)
            link.commit()
            return True

    def remove_factor(self, owner: Owner, factor_id: str) -> Factor | None:
        whose = _whose(owner)
        with Turn(self._links) as link:
            link.begin()
            link.run(self._statements.lock, {**whose, "method": "otp"})
            taken = link.run(self._statements.take_factor, {**whose, "factor_id": factor_id})
            if not taken:
                link.rollback()
                return None
            if all(one.state == "pending" for one in self._factors_of(link, owner)):
                link.run(self._statements.drop_codes, whose)
                link.run(self._statements.drop_devices, whose)
            link.commit()
            return _factor(owner, taken[0])

    def reset(self, owner: Owner) -> int:
        whose = _whose(owner)
        with Turn(self._links) as link:
            link.begin()
            # Made, if it is not there: another process may be adding the first factor just now.
            link.run(self._statements.lock, {**whose, "method": "otp"})
            gone = len(link.run(self._statements.drop_factors, whose))
            link.run(self._statements.drop_codes, whose)
            link.run(self._statements.drop_devices, whose)
            link.run(self._statements.drop_budgets, whose)
            link.commit()
            return gone

    def add_device(self, device: TrustedDevice, now: int, max_devices: int) -> bool:
        statements = self._statements
        whose = _whose(device.owner)
        with Turn(self._links) as link:
            link.begin()
            link.run(statements.lock, {**whose, "method": "otp"})
            if all(one.state != "active" for one in self._factors_of(link, device.owner)):
                link.rollback()
                return False
            mine = sorted(self._devices_of(link, device.owner), key=lambda one: (one.last_used_at, one.series))
            for one in surplus(mine, now, max_devices - 1):
                link.run(statements.drop_device, {**whose, "series": one.series})
            fields = {name: getattr(device, name) for name in _DEVICE_FIELDS}
            link.run(statements.add_device, {**whose, **fields, "token_before": b""})
            link.commit()
            return True

    def use_device(
        self, owner: Owner, series: str, token_hash: bytes, next_hash: bytes, now: int, grace: int
    ) -> Literal["renewed", "same", "unknown", "stolen"]:
        statements = self._statements
        whose = _whose(owner)
        values = {**whose, "series": series, "token_hash": token_hash, "next_hash": next_hash, "now": now}
        with Turn(self._links) as link:
            if self._steps:
                link.begin()
            if link.run(statements.renew_device, values):
                if self._steps:
                    link.commit()
                return "renewed"
            # A token that is not the one to come never will be: the next ones are random.
            verdict = self._seen_device(link, values, grace)
            if verdict == "stolen":
                if not self._steps:
                    link.begin()
                    link.run(statements.lock, {**whose, "method": "otp"})
                    verdict = self._seen_device(link, values, grace)
                if verdict == "stolen":
                    link.run(statements.drop_devices, whose)
                link.commit()
            elif self._steps:
                link.rollback()
            return verdict

    def _seen_device(self, link: Link, values: Values, grace: int) -> Literal["same", "unknown", "stolen"]:
        rows = link.run(self._statements.device, values)
        if not rows:
            return "unknown"
        expires_at, before, last_used_at = rows[0]
        if expires_at <= values["now"]:
            return "unknown"
        return "same" if before == values["token_hash"] and values["now"] - last_used_at <= grace else "stolen"

    def devices(self, owner: Owner) -> list[TrustedDevice]:
        with Turn(self._links) as link:
            return self._devices_of(link, owner)

    def remove_devices(self, owner: Owner, series: str | None) -> int:
        statements = self._statements
        whose = _whose(owner)
        with Turn(self._links) as link:
            if series is None:
                return len(link.run(statements.drop_devices, whose))
            return len(link.run(statements.drop_device, {**whose, "series": series}))

    def user(self, owner: Owner) -> UserState:
        whose = _whose(owner)
        with Turn(self._links) as link:
            link.begin(reading=True)
            factors = self._factors_of(link, owner)
            budgets = {row[0]: Budget(*row[1:]) for row in link.run(self._statements.budgets_of, whose)}
            codes = link.run(self._statements.codes_of, whose)[0][0]
            link.commit()
        return UserState(tuple(factors), {method: budgets.get(method, Budget()) for method in METHODS}, codes)

    def factors(self, after: Factor | None, limit: int) -> list[Factor]:
        values = {**_whose(after.owner if after else _NOBODY), "factor_id": after.factor_id if after else ""}
        with Turn(self._links) as link:
            rows = link.run(self._statements.factors, {**values, "limit": limit})
        return [_factor(Owner(row[0], row[1]), row[2:]) for row in rows]

    def recovery_codes(self, after: RecoveryCode | None, limit: int) -> list[RecoveryCode]:
        values = {**_whose(after.owner if after else _NOBODY), "selector": after.selector if after else ""}
        with Turn(self._links) as link:
            rows = link.run(self._statements.codes, {**values, "limit": limit})
        return [RecoveryCode(Owner(row[0], row[1]), row[2], row[3]) for row in rows]

    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        # All in one order, so that no two sweeps wait for each other.
        factors = sorted(
            (
                _change(one.owner, "factor_id", one.factor_id, one.sealed, new)
                for one, new in changes
                if isinstance(one, Factor)
            ),
            key=_place,
        )
        codes = sorted(
            (
                _change(one.owner, "selector", one.selector, one.sealed, new)
                for one, new in changes
                if isinstance(one, RecoveryCode)
            ),
            key=_place,
        )
        done = 0
        with Turn(self._links) as link:
            link.begin()
            for statement, records in (
                (self._statements.reseal_factor, factors),
                (self._statements.reseal_code, codes),
            ):
                if self._steps:
                    done += sum(len(link.run(statement, record)) for record in records)
                elif records:
                    texts = [
                        {**record, "was": record["was"].hex(), "sealed": record["sealed"].hex()} for record in records
                    ]
                    done += len(link.run(statement, {"changes": json.dumps(texts, ensure_ascii=False)}))
            link.commit()
        return done

    def _version(self, link: Link) -> int | None:
        """The version of the tables; None if there are none, or nobody has said."""
        name = self._tables.schema.name
        if name not in link.tables([name]):
            return None
        found: int | None = link.run(self._statements.version, {})[0][0]
        if found is not None and found > VERSION:
            raise StoreRefused(f"the tables are of version {found}, this ferrotp knows {VERSION}: update it")
        return found

    def _factors_of(self, link: Link, owner: Owner) -> list[Factor]:
        return [_factor(owner, row) for row in link.run(self._statements.factors_of, _whose(owner))]

    def _devices_of(self, link: Link, owner: Owner) -> list[TrustedDevice]:
        return [TrustedDevice(owner, *row) for row in link.run(self._statements.devices_of, _whose(owner))]

    def _refund(self, link: Link, reservation: Reservation) -> None:
        whose = _whose(reservation.owner)
        link.run(self._statements.refund, {**whose, "method": reservation.method, "cost": reservation.limits.cost})

    def _replace_codes(self, link: Link, owner: Owner, codes: Sequence[RecoveryCode]) -> None:
        whose = _whose(owner)
        link.run(self._statements.drop_codes, whose)
        for code in codes:
            link.run(self._statements.add_code, {**whose, "selector": code.selector, "sealed": code.sealed})
        link.run(self._statements.clear, {**whose, "method": "recovery"})


_FACTOR_FIELDS = (
    "factor_id",
    "kind",
    "name",
    "state",
    "sealed",
    "legacy",
    "created_at",
    "expires_at",
    "last_step",
    "drift",
    "last_used_at",
)
_DEVICE_FIELDS = ("series", "name", "token_hash", "created_at", "expires_at", "last_used_at")
_NOBODY = Owner("", "")


def _whose(owner: Owner) -> dict[str, Any]:
    return {"tenant": owner.tenant, "user_id": owner.user_id}


def _factor(owner: Owner, row: Sequence[Any]) -> Factor:
    factor_id, kind, name, state, sealed, legacy, *times = row
    return Factor(owner, factor_id, kind, name, state, sealed, legacy != 0, *times)


def _for_recovery(owner: Owner, limits: Limits, budget: Budget, selector: str, sealed: bytes | None) -> Reservation:
    code = None if sealed is None else RecoveryCode(owner, selector, sealed)
    return Reservation(owner, "recovery", limits, budget, (), code)


def _change(owner: Owner, last: str, key: str, was: bytes, sealed: bytes) -> dict[str, Any]:
    return {**_whose(owner), last: key, "was": was, "sealed": sealed}


def _place(change: dict[str, Any]) -> tuple[str, ...]:
    return tuple(value for value in change.values() if isinstance(value, str))


@lru_cache(maxsize=16)
def _retries(delays: int) -> tuple[str, ...]:
    return tuple(f"retry_{step}" for step in range(delays))


def _database(where: "str | URL | Engine", timeout: float) -> "SQLiteFile | PostgreSQL":
    if isinstance(where, Engine):
        return _of_engine(where, timeout)
    if not isinstance(where, (str, URL)):
        raise StoreRefused(f"{type(where).__name__} is neither a URL nor an engine (of an AsyncEngine: sync_engine)")
    try:
        url = make_url(where)
    except ArgumentError:
        # SQLAlchemy's own text repeats the URL, and with it a password.
        raise StoreRefused("the URL of the database cannot be read") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        journal = url.query.get("journal", "wal")
        if journal not in ("wal", "delete"):
            raise StoreRefused("the journal of a SQLite file is wal or delete")
        return _sqlite(url.difference_update_query(["journal"]), str(journal))
    if backend == "postgresql":
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise StoreRefused("PostgreSQL is spoken to by psycopg 3: postgresql+psycopg://...")
        try:
            from .sql_postgresql import PostgreSQL

            engine = create_engine(
                url.set(drivername="postgresql+psycopg"),
                poolclass=NullPool,
                hide_parameters=True,
                connect_args={"connect_timeout": 2} if "connect_timeout" not in url.query else {},
            )
        except ImportError:
            raise StoreRefused("psycopg is not installed: pip install 'ferrotp[postgresql]'") from None
        return PostgreSQL(engine, timeout)
    raise StoreRefused(f"{backend} is no database that passes the store's tests: SQLite and PostgreSQL are")


def _of_engine(engine: Engine, timeout: float) -> "SQLiteFile | PostgreSQL":
    if engine.dialect.name == "sqlite" and engine.dialect.driver == "pysqlite":
        return _sqlite(engine.url, "")
    if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":
        if isinstance(engine.pool, (StaticPool, SingletonThreadPool)):
            raise StoreRefused("the engine's pool has one connection only, and a decision needs one of its own")
        from .sql_postgresql import PostgreSQL

        return PostgreSQL(engine, timeout)
    raise StoreRefused(
        f"an engine of {engine.dialect.name}+{engine.dialect.driver} does not serve:"
        " sqlite+pysqlite and postgresql+psycopg do; or pass a URL"
    )


def _sqlite(url: URL, journal: str) -> SQLiteFile:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StoreRefused("a SQLite file is opened by Python's sqlite3: sqlite:///...")
    arguments, options = url.get_dialect()().create_connect_args(url)
    path = str(arguments[0])
    if path == ":memory:" or "mode=memory" in path or not url.database:
        raise StoreRefused("a SQLite database in memory is lost with its process: name a file (sqlite:///mfa.db)")
    return SQLiteFile(path, bool(options.get("uri")), journal)
