"""The statements of the SQL store, written in SQLAlchemy Core and turned to text once.

Each statement that decides has its conditions on the row that it changes: PostgreSQL looks at that row again after it
has waited for it (READ COMMITTED), and at nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    LargeBinary,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    outerjoin,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeEngine

from .sql_schema import Tables

_numbers = count()
# One row for each that was changed.
_DONE: "ColumnElement[int]" = literal_column("1", BigInteger())


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement as text, with what it takes and gives, in their order."""

    name: bytes
    """For PostgreSQL, which keeps a prepared statement by name."""
    text: str
    takes: tuple[tuple[str, "TypeEngine[Any]"], ...]
    gives: tuple["TypeEngine[Any]", ...]


def _text(name: str) -> "ColumnElement[str]":
    return bindparam(name, type_=Text())


def _number(name: str) -> "ColumnElement[int]":
    return bindparam(name, type_=BigInteger())


def _bytes(name: str) -> "ColumnElement[bytes]":
    return bindparam(name, type_=LargeBinary())


def _smaller(one: "ColumnElement[int]", other: "ColumnElement[int]") -> "ColumnElement[int]":
    return case((one < other, one), else_=other)


def _larger(one: "ColumnElement[int]", other: "ColumnElement[int]") -> "ColumnElement[int]":
    return case((one > other, one), else_=other)


class Statements:
    """All statements, for one dialect and one set of tables."""

    def __init__(self, tables: Tables, dialect: str) -> None:
        flavour: Any = sqlite.dialect if dialect == "sqlite" else postgresql.psycopg.dialect
        self._dialect: Dialect = flavour(paramstyle="named" if dialect == "sqlite" else "numeric_dollar")
        self._tables = tables
        self._open: dict[tuple[str, bool, int], Statement] = {}
        factor, budget, code = tables.factor, tables.budget, tables.recovery_code
        self._factor_owner = and_(factor.c.tenant == _text("tenant"), factor.c.user_id == _text("user_id"))
        self._budget_owner = and_(budget.c.tenant == _text("tenant"), budget.c.user_id == _text("user_id"))
        self._code_owner = and_(code.c.tenant == _text("tenant"), code.c.user_id == _text("user_id"))
        device = tables.device
        self._device_owner = and_(device.c.tenant == _text("tenant"), device.c.user_id == _text("user_id"))
        self._device_key = and_(self._device_owner, device.c.series == _text("series"))
        self._factor_key = and_(self._factor_owner, factor.c.factor_id == _text("factor_id"))
        self._budget_key = and_(self._budget_owner, budget.c.method == _text("method"))
        self._code_key = and_(self._code_owner, code.c.selector == _text("selector"))
        self._factor_fields = [column for column in factor.c if column.name not in ("tenant", "user_id")]

    def _made(self, statement: Executable) -> Statement:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        text = str(compiled)
        # An SQL `:name` may stand twice, and is one value all the same; so may a `$1`.
        names = list(dict.fromkeys(compiled.positiontup or compiled.binds))
        takes = tuple((name, compiled.binds[name].type) for name in names)
        gives = tuple(entry.type for entry in compiled._result_columns)
        return Statement(b"ferrotp_%d" % next(_numbers), text, takes, gives)

    def create(self, names: Sequence[str]) -> list[str]:
        """The statements that make the tables of these names."""
        # Rows change all the time. With room on its page for the new version, PostgreSQL leaves the index alone.
        room = "" if self._dialect.name == "sqlite" else "WITH (fillfactor = 70)"
        return [
            str(CreateTable(table).compile(dialect=self._dialect)) + room
            for table in self._tables.metadata.sorted_tables
            if table.name in names
        ]

    # Attempts.

    def _charged(self, delays: int) -> Any:
        """`ferrotp.mfa.stores.base.charge`, in SQL: an attempt that is open, counted as a failure.

        `longest` is the clock and the longest delay, `horizon` the clock and the horizon. `retry_0` and so on are what
        `retry_at` becomes after failure `free` + 1 and so on.
        """
        budget = self._tables.budget
        retry_at = _smaller(budget.c.retry_at, _number("longest"))
        spent = _larger(_smaller(budget.c.spent_until, _number("horizon")), _number("now")) + _number("cost")
        ladder = [
            (budget.c.failures < _number("free") + literal_column(str(step + 1)), _number(f"retry_{step}"))
            for step in range(delays - 1)
        ]
        return (
            update(budget)
            .where(
                self._budget_key,
                budget.c.failures < _number("disable_at"),
                retry_at <= _number("now"),
                spent <= _number("horizon"),
            )
            .values(
                failures=budget.c.failures + literal_column("1"),
                retry_at=case(
                    (budget.c.failures < _number("free"), literal_column("0")),
                    *ladder,
                    else_=_number(f"retry_{delays - 1}"),
                ),
                spent_until=spent,
            )
            .returning(budget.c.failures, budget.c.retry_at, budget.c.spent_until)
        )

    def _found(self, method: str, one: bool) -> "ColumnElement[bool]":
        """The factors without which there is no attempt."""
        factor = self._tables.factor
        if method == "recovery":
            return and_(self._factor_owner, factor.c.state != literal_column("'pending'"))
        owned = self._factor_key if one or method == "enrollment" else self._factor_owner
        if method == "enrollment":
            return and_(owned, factor.c.state == literal_column("'pending'"), factor.c.expires_at > _number("now"))
        return and_(owned, factor.c.state == literal_column("'active'"))

    def count(self, method: str, one: bool, delays: int) -> Statement:
        """Counts an attempt, if one is open and there is something to try it on.

        On PostgreSQL it also gives the factors, or the recovery code, so that it is one round trip. They are as they
        were when it began: `accept` looks at them anew. On SQLite nothing else runs between two statements.
        """
        key = (method, one, delays)
        made = self._open.get(key)
        if made is None:
            charged = self._charged(delays).where(exists(select(literal_column("1")).where(self._found(method, one))))
            if self._dialect.name == "sqlite":
                made = self._made(charged)
            else:
                counted = charged.cte("counted")
                if method == "recovery":
                    code = self._tables.recovery_code
                    joined = outerjoin(counted, code, self._code_key)
                    made = self._made(select(*counted.c, code.c.sealed).select_from(joined))
                else:
                    made = self._made(select(*counted.c, *self._factor_fields).where(self._found(method, one)))
            self._open[key] = made
        return made

    @cached_property
    def found(self) -> dict[tuple[str, bool], Statement]:
        """The factors without which there is no attempt, by method and by whether one is asked for."""
        return {
            (method, one): self._made(select(*self._factor_fields).where(self._found(method, one)))
            for method in ("otp", "recovery", "enrollment")
            for one in (False, True)
        }

    @cached_property
    def code(self) -> Statement:
        return self._made(select(self._tables.recovery_code.c.sealed).where(self._code_key))

    @cached_property
    def budget(self) -> Statement:
        budget = self._tables.budget
        return self._made(select(budget.c.failures, budget.c.retry_at, budget.c.spent_until).where(self._budget_key))

    @cached_property
    def correct(self) -> Statement:
        """Brings the times of a budget back, if it is still as it was read."""
        budget = self._tables.budget
        return self._made(
            update(budget)
            .where(
                self._budget_key,
                budget.c.failures == _number("failures"),
                budget.c.retry_at == _number("was_retry_at"),
                budget.c.spent_until == _number("was_spent_until"),
            )
            .values(retry_at=_number("retry_at"), spent_until=_number("spent_until"))
            .returning(_DONE)
        )

    # Acceptance.

    def _refund(self) -> Any:
        """`ferrotp.mfa.stores.base.refund`, in SQL."""
        budget = self._tables.budget
        left = budget.c.spent_until - _number("cost")
        return (
            update(budget)
            .where(self._budget_key)
            .values(
                failures=literal_column("0"),
                retry_at=literal_column("0"),
                spent_until=_larger(left, literal_column("0", BigInteger())),
            )
        )

    def _advance(self) -> Any:
        factor = self._tables.factor
        return (
            update(factor)
            .where(self._factor_key, factor.c.state == literal_column("'active'"), factor.c.last_step < _number("step"))
            .values(
                last_step=_number("step"),
                drift=_number("drift"),
                last_used_at=_number("now"),
                sealed=case((factor.c.sealed == _bytes("was"), _bytes("resealed")), else_=factor.c.sealed),
            )
            .returning(factor.c.factor_id)
        )

    @cached_property
    def advance(self) -> Statement:
        return self._made(self._advance())

    @cached_property
    def refund(self) -> Statement:
        return self._made(self._refund())

    @cached_property
    def accept(self) -> Statement:
        """`advance` and `refund` in one: both or neither. For PostgreSQL.

        The budget's row is locked first, as in every other decision, so that no two wait for each other. Whether the
        factor may advance is decided on the factor's row when that is reached, and only if it did is there a row to
        refund by.
        """
        budget, factor = self._tables.budget, self._tables.factor
        held = select(budget.c.tenant).where(self._budget_key).with_for_update().cte("held")
        advanced = self._advance().where(factor.c.tenant == held.c.tenant).cte("advanced")
        return self._made(self._refund().where(advanced.c.factor_id == _text("factor_id")).returning(_DONE))

    @cached_property
    def activate(self) -> Statement:
        factor = self._tables.factor
        return self._made(
            update(factor)
            .where(
                self._factor_key,
                factor.c.state == literal_column("'pending'"),
                factor.c.expires_at > _number("now"),
            )
            .values(
                state=literal_column("'active'"),
                last_step=_number("step"),
                drift=_number("drift"),
                last_used_at=_number("now"),
            )
            .returning(_DONE)
        )

    @cached_property
    def disable_others(self) -> Statement:
        factor = self._tables.factor
        return self._made(
            update(factor)
            .where(
                self._factor_owner,
                factor.c.state == literal_column("'active'"),
                factor.c.factor_id != _text("factor_id"),
            )
            .values(state=literal_column("'disabled'"))
        )

    # Records.

    @cached_property
    def lock(self) -> Statement:
        """Makes the user's decisions wait for each other, from the first record on. The lock is the row of a budget."""
        budget = self._tables.budget
        flavour: Any = sqlite if self._dialect.name == "sqlite" else postgresql
        fresh = flavour.insert(budget).values(
            tenant=_text("tenant"),
            user_id=_text("user_id"),
            method=_text("method"),
            failures=literal_column("0"),
            retry_at=literal_column("0"),
            spent_until=literal_column("0"),
        )
        return self._made(
            fresh.on_conflict_do_update(
                index_elements=[budget.c.tenant, budget.c.user_id, budget.c.method],
                set_={"failures": budget.c.failures},
            ).returning(budget.c.failures, budget.c.retry_at, budget.c.spent_until)
        )

    @cached_property
    def clear(self) -> Statement:
        budget = self._tables.budget
        nothing: ColumnElement[int] = literal_column("0")
        return self._made(
            update(budget).where(self._budget_key).values(failures=nothing, retry_at=nothing, spent_until=nothing)
        )

    @cached_property
    def add_factor(self) -> Statement:
        return self._made(
            insert(self._tables.factor).values({column.name: _like(column) for column in self._tables.factor.c})
        )

    @cached_property
    def add_code(self) -> Statement:
        return self._made(
            insert(self._tables.recovery_code).values(
                {column.name: _like(column) for column in self._tables.recovery_code.c}
            )
        )

    @cached_property
    def factors_of(self) -> Statement:
        factor = self._tables.factor
        return self._made(
            select(*self._factor_fields).where(self._factor_owner).order_by(factor.c.created_at, factor.c.factor_id)
        )

    @cached_property
    def budgets_of(self) -> Statement:
        budget = self._tables.budget
        return self._made(
            select(budget.c.method, budget.c.failures, budget.c.retry_at, budget.c.spent_until).where(
                self._budget_owner
            )
        )

    @cached_property
    def codes_of(self) -> Statement:
        return self._made(
            select(func.count(literal_column("*"), type_=BigInteger()))
            .select_from(self._tables.recovery_code)
            .where(self._code_owner)
        )

    @cached_property
    def take_factor(self) -> Statement:
        return self._made(delete(self._tables.factor).where(self._factor_key).returning(*self._factor_fields))

    @cached_property
    def take_code(self) -> Statement:
        code = self._tables.recovery_code
        return self._made(delete(code).where(self._code_key, code.c.sealed == _bytes("sealed")).returning(_DONE))

    @cached_property
    def drop_factors(self) -> Statement:
        return self._made(delete(self._tables.factor).where(self._factor_owner).returning(_DONE))

    @cached_property
    def drop_codes(self) -> Statement:
        return self._made(delete(self._tables.recovery_code).where(self._code_owner))

    @cached_property
    def drop_budgets(self) -> Statement:
        return self._made(delete(self._tables.budget).where(self._budget_owner))

    # Trusted devices.

    @cached_property
    def add_device(self) -> Statement:
        return self._made(
            insert(self._tables.device).values({column.name: _like(column) for column in self._tables.device.c})
        )

    @cached_property
    def renew_device(self) -> Statement:
        """Puts the next token in the place of the one that was to come, if that is the one that came."""
        device = self._tables.device
        return self._made(
            update(device)
            .where(
                self._device_key,
                device.c.expires_at > _number("now"),
                device.c.token_hash == _bytes("token_hash"),
            )
            .values(token_hash=_bytes("next_hash"), token_before=_bytes("token_hash"), last_used_at=_number("now"))
            .returning(_DONE)
        )

    @cached_property
    def device(self) -> Statement:
        device = self._tables.device
        return self._made(
            select(device.c.expires_at, device.c.token_before, device.c.last_used_at).where(self._device_key)
        )

    @cached_property
    def devices_of(self) -> Statement:
        device = self._tables.device
        fields = [column for column in device.c if column.name not in ("tenant", "user_id", "token_before")]
        return self._made(select(*fields).where(self._device_owner).order_by(device.c.created_at, device.c.series))

    @cached_property
    def drop_device(self) -> Statement:
        return self._made(delete(self._tables.device).where(self._device_key).returning(_DONE))

    @cached_property
    def drop_devices(self) -> Statement:
        return self._made(delete(self._tables.device).where(self._device_owner).returning(_DONE))

    # All users, in order.

    def _page(self, table: Any, last: str) -> Statement:
        place = tuple_(table.c.tenant, table.c.user_id, table.c[last])
        after = tuple_(_text("tenant"), _text("user_id"), _text(last))
        return self._made(
            select(*table.c)
            .where(place > after)
            .order_by(table.c.tenant, table.c.user_id, table.c[last])
            .limit(_number("limit"))
            .offset(literal_column("0"))  # else SQLite's has a value of its own for it
        )

    @cached_property
    def factors(self) -> Statement:
        return self._page(self._tables.factor, "factor_id")

    @cached_property
    def codes(self) -> Statement:
        return self._page(self._tables.recovery_code, "selector")

    def _reseal(self, table: Any, last: str) -> Statement:
        if self._dialect.name == "sqlite":
            return self._made(
                update(table)
                .where(
                    table.c.tenant == _text("tenant"),
                    table.c.user_id == _text("user_id"),
                    table.c[last] == _text(last),
                    table.c.sealed == _bytes("was"),
                )
                .values(sealed=_bytes("sealed"))
                .returning(_DONE)
            )
        # Any number of records in one round trip.
        names = ("tenant", "user_id", last, "was", "sealed")
        change = (
            func.jsonb_to_recordset(cast(_text("changes"), postgresql.JSONB))
            .table_valued(*(column(name, Text()) for name in names))
            .render_derived(with_types=True)
        )
        return self._made(
            update(table)
            .where(
                table.c.tenant == change.c.tenant,
                table.c.user_id == change.c.user_id,
                table.c[last] == change.c[last],
                table.c.sealed == func.decode(change.c.was, literal_column("'hex'")),
            )
            .values(sealed=func.decode(change.c.sealed, literal_column("'hex'")))
            .returning(_DONE)
        )

    @cached_property
    def reseal_factor(self) -> Statement:
        return self._reseal(self._tables.factor, "factor_id")

    @cached_property
    def reseal_code(self) -> Statement:
        return self._reseal(self._tables.recovery_code, "selector")

    # The version of the tables.

    @cached_property
    def version(self) -> Statement:
        return self._made(select(func.max(self._tables.schema.c.version, type_=BigInteger())))

    @cached_property
    def set_version(self) -> Statement:
        return self._made(insert(self._tables.schema).values(version=_number("version")))


def _like(column: "Column[Any]") -> "ColumnElement[Any]":
    return bindparam(column.name, type_=column.type)
