"""The statements of the SQL store, written in SQLAlchemy Core and turned to text once.

Each statement that decides has its conditions on the row that it changes: PostgreSQL looks at that row again after it
has waited for it (READ COMMITTED), and at nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, ClassVar, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeEngine

from ..base import NEVER_BOUND
from .schema import Tables

StatementsT = TypeVar("StatementsT", bound="Statements")

# One row for each that was changed.
DONE: "ColumnElement[int]" = literal_column("1", BigInteger())


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement as text, with what it takes and gives, in their order."""

    name: bytes
    """For PostgreSQL, which keeps a prepared statement by name: it follows from the text, so that it names the same
    statement in every process that gets the connection from a pooler."""
    text: str
    takes: tuple[tuple[str, "TypeEngine[Any]"], ...]
    gives: tuple["TypeEngine[Any]", ...]
    then: "Statement | None" = None
    """What is asked next, of the same values, where the database gives no rows of what it changes."""


def text(name: str) -> "ColumnElement[str]":
    return bindparam(name, type_=Text())


def number(name: str) -> "ColumnElement[int]":
    return bindparam(name, type_=BigInteger())


def binary(name: str) -> "ColumnElement[bytes]":
    return bindparam(name, type_=LargeBinary())


def _smaller(left: "ColumnElement[int]", right: "ColumnElement[int]") -> "ColumnElement[int]":
    return case((left < right, left), else_=right)


def _larger(left: "ColumnElement[int]", right: "ColumnElement[int]") -> "ColumnElement[int]":
    return case((left > right, left), else_=right)


class _Counts(dict[tuple[str, bool, int], Statement]):
    """Statements by their key, each made when it is asked for first."""

    def __init__(self, make: Callable[[str, bool, int], Statement]) -> None:
        self._make = make

    def __missing__(self, key: tuple[str, bool, int]) -> Statement:
        made = self[key] = self._make(*key)
        return made


def statements_of(kind: "Callable[[Tables], StatementsT]", tables: Tables) -> StatementsT:
    """Statements of a kind, all of them as text: the compiler takes 30 to 120 milliseconds, once for all stores of
    these tables."""
    return cast(StatementsT, _compiled(kind, tables))


@lru_cache(maxsize=16)
def _compiled(kind: "Callable[[Tables], Statements]", tables: Tables) -> "Statements":
    statements = kind(tables)
    statements.compile()
    return statements


class Statements(ABC):
    """All statements, for one set of tables. What only one of the databases takes is in its own class."""

    table_options: ClassVar[str] = ""
    """What stands behind ``CREATE TABLE``."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tables = tables
        self.counts = _Counts(self._count)
        """What counts an attempt, by method, by whether one factor is asked for, and by how many delays there are."""
        factor, budget, code = tables.factor, tables.budget, tables.recovery_code
        self._factor_owner = and_(factor.c.tenant == text("tenant"), factor.c.user_id == text("user_id"))
        self._budget_owner = and_(budget.c.tenant == text("tenant"), budget.c.user_id == text("user_id"))
        self._code_owner = and_(code.c.tenant == text("tenant"), code.c.user_id == text("user_id"))
        device = tables.device
        self._device_owner = and_(device.c.tenant == text("tenant"), device.c.user_id == text("user_id"))
        self._user_key = and_(tables.user.c.tenant == text("tenant"), tables.user.c.user_id == text("user_id"))
        ended = tables.ended_login
        self._ended_owner = and_(ended.c.tenant == text("tenant"), ended.c.user_id == text("user_id"))
        passkey = tables.passkey
        self._passkey_owner = and_(passkey.c.tenant == text("tenant"), passkey.c.user_id == text("user_id"))
        self._device_key = and_(self._device_owner, device.c.series == text("series"))
        self._factor_key = and_(self._factor_owner, factor.c.factor_id == text("factor_id"))
        self._budget_key = and_(self._budget_owner, budget.c.method == text("method"))
        self._code_key = and_(self._code_owner, code.c.selector == text("selector"))
        self._factor_fields = [column for column in factor.c if column.name not in ("tenant", "user_id")]

    @property
    def table_names(self) -> list[str]:
        """All tables."""
        return [table.name for table in self._tables.metadata.sorted_tables]

    def compile(self) -> None:
        """Turns all of them into text now, and not when they are first used: that would be under a lock, which others
        wait for, and the compiler takes milliseconds.
        """
        for kind in type(self).__mro__:
            for name, attribute in vars(kind).items():
                if isinstance(attribute, cached_property):
                    getattr(self, name)

    def _made(self, statement: Executable) -> Statement:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        sql = str(compiled)
        # An SQL `:name` may stand twice, and is one value all the same; so may a `$1`.
        names = list(dict.fromkeys(compiled.positiontup or compiled.binds))
        takes = tuple((name, compiled.binds[name].type) for name in names)
        gives = tuple(entry.type for entry in compiled._result_columns)
        name = b"ferrotp_" + blake2b(sql.encode(), digest_size=16).hexdigest().encode()
        return Statement(name, sql, takes, gives)

    def create(self, names: Sequence[str]) -> list[str]:
        """The statements that make the tables of these names."""
        return [
            str(CreateTable(table).compile(dialect=self._dialect)) + self.table_options
            for table in self._tables.metadata.sorted_tables
            if table.name in names
        ]

    @abstractmethod
    def replace_check(self, table: Table, column: str) -> list[str]:
        """The statements that let a column of a table have the values of today."""

    def replace_method_check(self) -> list[str]:
        """The statements that let budgets be of the methods of today."""
        return self.replace_check(self._tables.budget, "method")

    def allow_passkeys(self) -> list[str]:
        """The statements that let factors be passkeys."""
        return self.replace_check(self._tables.factor, "kind")

    # Attempts.

    def _charged(self, delays: int) -> Any:
        """`ferrotp.mfa.stores.base.charge`, in SQL: an attempt that is open, counted as a failure.

        `longest` is the clock and the longest delay, `horizon` the clock and the horizon. `retry_0` and so on are what
        `retry_at` becomes after failure `free` + 1 and so on.
        """
        budget = self._tables.budget
        retry_at = _smaller(budget.c.retry_at, number("longest"))
        spent = _larger(_smaller(budget.c.spent_until, number("horizon")), number("now")) + number("cost")
        ladder = [
            (budget.c.failures < number("free") + literal_column(str(step + 1)), number(f"retry_{step}"))
            for step in range(delays - 1)
        ]
        return (
            update(budget)
            .where(
                self._budget_key,
                budget.c.failures < number("disable_at"),
                retry_at <= number("now"),
                spent <= number("horizon"),
            )
            .values(
                failures=budget.c.failures + literal_column("1"),
                retry_at=case(
                    (budget.c.failures < number("free"), literal_column("0")),
                    *ladder,
                    else_=number(f"retry_{delays - 1}"),
                ),
                spent_until=spent,
            )
            .returning(budget.c.failures, budget.c.retry_at, budget.c.spent_until)
        )

    @cached_property
    def spend(self) -> Statement:
        """`ferrotp.mfa.stores.base.spend`, in SQL."""
        budget = self._tables.budget
        spent = _larger(_smaller(budget.c.spent_until, number("horizon")), number("now")) + number("cost")
        return self._made(
            update(budget).where(self._budget_key, spent <= number("horizon")).values(spent_until=spent).returning(DONE)
        )

    def _found(self, method: str, one_factor: bool) -> "ColumnElement[bool]":
        """The factors without which there is no attempt."""
        factor = self._tables.factor
        if method == "recovery":
            return and_(self._factor_owner, factor.c.state != literal_column("'pending'"))
        owned = self._factor_key if one_factor or method == "enrollment" else self._factor_owner
        if method == "enrollment":
            return and_(owned, factor.c.state == literal_column("'pending'"), factor.c.expires_at > number("now"))
        return and_(owned, factor.c.state == literal_column("'active'"))

    def _count(self, method: str, one_factor: bool, delays: int) -> Statement:
        """Counts an attempt, if one is open and there is something to try it on."""
        usable = exists(select(literal_column("1")).where(self._found(method, one_factor)))
        return self._made(self._counting(self._charged(delays).where(usable), method, one_factor))

    @abstractmethod
    def _counting(self, charged: Any, method: str, one_factor: bool) -> Executable:
        """What counts an attempt, made of the change of the budget."""

    @cached_property
    def found(self) -> dict[tuple[str, bool], Statement]:
        """The factors without which there is no attempt, by method and by whether one is asked for."""
        return {
            (method, one_factor): self._made(select(*self._factor_fields).where(self._found(method, one_factor)))
            for method in ("otp", "recovery", "enrollment", "unlock")
            for one_factor in (False, True)
        }

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
                budget.c.failures == number("failures"),
                budget.c.retry_at == number("was_retry_at"),
                budget.c.spent_until == number("was_spent_until"),
            )
            .values(retry_at=number("retry_at"), spent_until=number("spent_until"))
            .returning(DONE)
        )

    @property
    def _code_count(self) -> "ColumnElement[int]":
        """How many unused recovery codes the user has."""
        count: ColumnElement[int] = counted(self._tables.recovery_code, self._code_owner).scalar_subquery()
        return count

    # Acceptance.

    def _refund(self) -> Any:
        """`ferrotp.mfa.stores.base.refund`, in SQL."""
        budget = self._tables.budget
        left = budget.c.spent_until - number("cost")
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
        """Moves an active factor on, if it is still as it was read."""
        factor = self._tables.factor
        return (
            update(factor)
            .where(
                self._factor_key,
                factor.c.state == literal_column("'active'"),
                factor.c.last_step == number("was_step"),
                factor.c.sealed == binary("was_sealed"),
            )
            .values(
                last_step=number("step"),
                drift=number("drift"),
                last_used_at=number("used_at"),
                sealed=binary("sealed"),
            )
            .returning(factor.c.factor_id)
        )

    @cached_property
    def refund(self) -> Statement:
        return self._made(self._refund())

    @cached_property
    def advance_by_two(self) -> Statement:
        """Moves an active factor on past two steps, if the first of them is newer than its last."""
        factor = self._tables.factor
        return self._made(
            update(factor)
            .where(self._factor_key, factor.c.state == literal_column("'active'"), factor.c.last_step < number("first"))
            .values(
                last_step=number("step"),
                drift=number("drift"),
                last_used_at=number("now"),
                sealed=case((factor.c.sealed == binary("was"), binary("resealed")), else_=factor.c.sealed),
            )
            .returning(DONE)
        )

    @cached_property
    def end_delay(self) -> Statement:
        """Ends the row of failures of single codes. What they have spent stays spent."""
        budget = self._tables.budget
        nothing: ColumnElement[int] = literal_column("0")
        return self._made(
            update(budget)
            .where(self._budget_owner, budget.c.method == literal_column("'otp'"))
            .values(failures=nothing, retry_at=nothing)
        )

    @cached_property
    def new_unlock_budget(self) -> Statement:
        """The budget of two codes in a row, of a user who has the others."""
        budget = self._tables.budget
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        other = budget.alias("other")
        users = select(
            other.c.tenant, other.c.user_id, literal_column("'unlock'", Text()), nothing, nothing, nothing
        ).where(
            other.c.tenant == text("tenant"),
            other.c.user_id == text("user_id"),
            other.c.method == literal_column("'otp'"),
        )
        made = self._insert(budget).from_select([column.name for column in budget.c], users)
        return self._made(self._or_leave(made))

    @cached_property
    def activate(self) -> Statement:
        factor = self._tables.factor
        return self._made(
            update(factor)
            .where(
                self._factor_key,
                factor.c.state == literal_column("'pending'"),
                factor.c.expires_at > number("now"),
            )
            .values(
                name=text("name"),
                state=literal_column("'active'"),
                last_step=number("step"),
                drift=number("drift"),
                last_used_at=number("now"),
            )
            .returning(DONE)
        )

    @cached_property
    def disable_others(self) -> Statement:
        factor = self._tables.factor
        return self._made(
            update(factor)
            .where(
                self._factor_owner,
                factor.c.state == literal_column("'active'"),
                factor.c.kind != literal_column("'passkey'"),
                factor.c.factor_id != text("factor_id"),
            )
            .values(state=literal_column("'disabled'"))
        )

    # Records.

    @cached_property
    def lock(self) -> Statement:
        """Makes the user's decisions wait for each other, from the first record on. The lock is the row of a budget."""
        return self._made(self._locking(self._fresh_budget()))

    @cached_property
    def lock_for_factor(self) -> Statement:
        """The same, where a budget that is made begins with `fresh` spent."""
        return self._made(self._locking(self._fresh_budget(number("fresh"))))

    def _locking(self, fresh: Any) -> Any:
        budget = self._tables.budget
        locked = self._or_change(fresh, failures=budget.c.failures)
        return locked.returning(budget.c.failures, budget.c.retry_at, budget.c.spent_until)

    @cached_property
    def hold(self) -> Statement:
        """The same lock, where there is a budget: none is made for a user of whom nothing is kept."""
        budget = self._tables.budget
        return self._made(update(budget).where(self._budget_key).values(failures=budget.c.failures))

    @abstractmethod
    def _insert(self, table: Any) -> Any:
        """The database's own ``INSERT``, which knows what to do on a conflict."""

    def _or_leave(self, fresh: Any) -> Any:
        """An ``INSERT`` that leaves the row alone that is there."""
        return fresh.on_conflict_do_nothing()

    def _row_or_leave(self, table: Any) -> Any:
        """A whole row, unless it is there."""
        return self._or_leave(self._insert(table).values(_row(table)))

    def _or_change(self, fresh: Any, **changes: "ColumnElement[Any]") -> Any:
        """An ``INSERT`` that changes the row that is there."""
        return fresh.on_conflict_do_update(index_elements=[*fresh.table.primary_key], set_=changes)

    def _fresh_budget(self, spent_until: "ColumnElement[int] | None" = None) -> Any:
        nothing: ColumnElement[int] = literal_column("0")
        return self._insert(self._tables.budget).values(
            tenant=text("tenant"),
            user_id=text("user_id"),
            method=text("method"),
            failures=nothing,
            retry_at=nothing,
            spent_until=nothing if spent_until is None else spent_until,
        )

    def _or_begun(self, fresh: Any) -> Any:
        """Makes budgets, or takes over those of users who have only begun to set up."""
        budget = self._tables.budget
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        return fresh.on_conflict_do_update(
            index_elements=[budget.c.tenant, budget.c.user_id, budget.c.method],
            set_={"spent_until": nothing},
            where=budget.c.spent_until == literal_column(str(NEVER_BOUND)),
        )

    @cached_property
    def note_bound(self) -> Statement:
        """The user has a factor that is not pending, from now on."""
        budget = self._tables.budget
        return self._made(
            update(budget)
            .where(self._budget_key, budget.c.spent_until == literal_column(str(NEVER_BOUND)))
            .values(spent_until=literal_column("0"))
        )

    @cached_property
    def forget_failures(self) -> Statement:
        """Ends consecutive failures and their delay. What was spent stays spent."""
        nothing: ColumnElement[int] = literal_column("0")
        return self._made(
            update(self._tables.budget).where(self._budget_key).values(failures=nothing, retry_at=nothing)
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
        return self._made(insert(self._tables.factor).values(_row(self._tables.factor)))

    @cached_property
    def add_code(self) -> Statement:
        return self._made(insert(self._tables.recovery_code).values(_row(self._tables.recovery_code)))

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
        return self._made(counted(self._tables.recovery_code, self._code_owner))

    @cached_property
    def counts_of(self) -> Statement:
        """How many codes and devices there are, and whether this server takes writes."""
        devices = counted(self._tables.device, self._device_owner).scalar_subquery()
        return self._made(select(self._code_count, devices, self._may_write()))

    @abstractmethod
    def _may_write(self) -> "ColumnElement[Any]":
        """Whether the transaction may write, as far as the database says so."""

    @cached_property
    def take_factor(self) -> Statement:
        return self._made(delete(self._tables.factor).where(self._factor_key).returning(*self._factor_fields))

    @cached_property
    def take_code(self) -> Statement:
        code = self._tables.recovery_code
        return self._made(delete(code).where(self._code_key, code.c.sealed == binary("sealed")).returning(DONE))

    @cached_property
    def drop_factors(self) -> Statement:
        return self._made(delete(self._tables.factor).where(self._factor_owner).returning(DONE))

    @cached_property
    def drop_codes(self) -> Statement:
        return self._made(delete(self._tables.recovery_code).where(self._code_owner))

    @cached_property
    def drop_budgets(self) -> Statement:
        return self._made(delete(self._tables.budget).where(self._budget_owner))

    # Trusted devices.

    @cached_property
    def add_device(self) -> Statement:
        return self._made(insert(self._tables.device).values(_row(self._tables.device)))

    @cached_property
    def renew_device(self) -> Statement:
        """Puts the next token in the place of the one that was to come, if that is the one that came, and was not put
        there just now: `is_just_renewed`, in SQL."""
        device = self._tables.device
        return self._made(
            update(device)
            .where(
                self._device_key,
                device.c.expires_at > number("now"),
                device.c.token_hash == binary("token_hash"),
                or_(
                    device.c.token_before == binary("none"),
                    device.c.last_used_at < number("grace_began"),
                    device.c.last_used_at > number("latest"),
                ),
            )
            .values(token_hash=binary("next_hash"), token_before=binary("token_hash"), last_used_at=number("now"))
            .returning(DONE)
        )

    @cached_property
    def device(self) -> Statement:
        device = self._tables.device
        return self._made(
            select(device.c.expires_at, device.c.token_hash, device.c.token_before, device.c.last_used_at).where(
                self._device_key
            )
        )

    @cached_property
    def devices_of(self) -> Statement:
        device = self._tables.device
        fields = [column for column in device.c if column.name not in ("tenant", "user_id", "token_before")]
        return self._made(select(*fields).where(self._device_owner).order_by(device.c.created_at, device.c.series))

    @cached_property
    def drop_device(self) -> Statement:
        return self._made(delete(self._tables.device).where(self._device_key).returning(DONE))

    @cached_property
    def drop_expired_device(self) -> Statement:
        device = self._tables.device
        return self._made(delete(device).where(self._device_key, device.c.expires_at <= number("now")))

    @cached_property
    def drop_devices(self) -> Statement:
        return self._made(delete(self._tables.device).where(self._device_owner).returning(DONE))

    # Passkeys.

    @cached_property
    def passkey(self) -> Statement:
        """A passkey, and whose it is."""
        factor, passkey = self._tables.factor, self._tables.passkey
        its = and_(
            factor.c.tenant == passkey.c.tenant,
            factor.c.user_id == passkey.c.user_id,
            factor.c.factor_id == passkey.c.factor_id,
            factor.c.kind == literal_column("'passkey'"),
        )
        return self._made(
            select(passkey.c.user_id, *self._factor_fields)
            .select_from(passkey.join(factor, its))
            .where(passkey.c.tenant == text("tenant"), passkey.c.factor_id == text("factor_id"))
        )

    @cached_property
    def owner_of_passkey(self) -> Statement:
        """Whose a passkey is, also if its factor should be missing."""
        passkey = self._tables.passkey
        mine = passkey.c.tenant == text("tenant"), passkey.c.factor_id == text("factor_id")
        return self._made(select(passkey.c.user_id).where(*mine))

    @cached_property
    def claim_passkey(self) -> Statement:
        """Makes a passkey a user's, if it is nobody's."""
        return self._made(self._row_or_leave(self._tables.passkey).returning(DONE))

    @cached_property
    def release_passkey(self) -> Statement:
        passkey = self._tables.passkey
        return self._made(delete(passkey).where(self._passkey_owner, passkey.c.factor_id == text("factor_id")))

    @cached_property
    def release_passkeys(self) -> Statement:
        """All of a user."""
        return self._made(delete(self._tables.passkey).where(self._passkey_owner))

    @cached_property
    def _active_passkey(self) -> "ColumnElement[bool]":
        factor = self._tables.factor
        return and_(
            self._factor_key,
            factor.c.kind == literal_column("'passkey'"),
            factor.c.state == literal_column("'active'"),
        )

    @cached_property
    def use_passkey(self) -> Statement:
        """Counts a passkey's signature, by the rule of `counts_on`."""
        factor = self._tables.factor
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        return self._made(
            update(factor)
            .where(
                self._active_passkey,
                factor.c.sealed == binary("was"),
                or_(
                    factor.c.last_step < number("counter"),
                    and_(factor.c.last_step == nothing, number("counter") == nothing),
                ),
            )
            .values(last_step=number("counter"), sealed=binary("sealed"), last_used_at=number("now"))
            .returning(DONE)
        )

    @cached_property
    def disable_passkey(self) -> Statement:
        return self._made(
            update(self._tables.factor)
            .where(self._active_passkey)
            .values(state=literal_column("'disabled'"))
            .returning(DONE)
        )

    @cached_property
    def answer(self) -> Statement:
        """Remembers that a challenge was answered, if it was not."""
        return self._made(self._row_or_leave(self._tables.answered_challenge).returning(DONE))

    @cached_property
    def drop_expired_answers(self) -> Statement:
        """Of all users: there are as many as passkeys are used in two minutes, and up to a few hundred older ones."""
        answered = self._tables.answered_challenge
        return self._made(delete(answered).where(answered.c.expires_at <= number("now")))

    # The epoch.

    def _new_epoch(self) -> Any:
        return self._insert(self._tables.user).values(
            tenant=text("tenant"), user_id=text("user_id"), epoch=text("epoch")
        )

    @cached_property
    def make_epoch(self) -> Statement:
        """An epoch for a user who has none."""
        return self._made(self._or_leave(self._new_epoch()).returning(DONE))

    @cached_property
    def swap_epoch(self) -> Statement:
        """Another epoch in the place of the one that is named."""
        user = self._tables.user
        return self._made(
            update(user).where(self._user_key, user.c.epoch == text("was")).values(epoch=text("epoch")).returning(DONE)
        )

    @cached_property
    def set_epoch(self) -> Statement:
        return self._made(self._or_change(self._new_epoch(), epoch=text("epoch")))

    @cached_property
    def epoch(self) -> Statement:
        return self._made(select(self._tables.user.c.epoch).where(self._user_key))

    @cached_property
    def drop_user(self) -> Statement:
        return self._made(delete(self._tables.user).where(self._user_key))

    # Logins that were ended before the second factor.

    @cached_property
    def add_ended(self) -> Statement:
        return self._made(self._row_or_leave(self._tables.ended_login))

    @property
    def _ended_key(self) -> "ColumnElement[bool]":
        return and_(self._ended_owner, self._tables.ended_login.c.login_id == text("login_id"))

    @cached_property
    def ended(self) -> Statement:
        return self._made(select(DONE).select_from(self._tables.ended_login).where(self._ended_key))

    @cached_property
    def drop_expired_ended(self) -> Statement:
        """Of all users: there are as many as half-logins are ended in ten minutes."""
        ended = self._tables.ended_login
        return self._made(delete(ended).where(ended.c.expires_at <= number("now")))

    @cached_property
    def drop_ended(self) -> Statement:
        return self._made(delete(self._tables.ended_login).where(self._ended_owner))

    # All users, in order.

    def _page(self, table: Any, last: str) -> Statement:
        place = tuple_(table.c.tenant, table.c.user_id, table.c[last])
        after = tuple_(text("tenant"), text("user_id"), text(last))
        return self._made(
            select(*table.c)
            .where(place > after)
            .order_by(table.c.tenant, table.c.user_id, table.c[last])
            .limit(number("limit"))
            .offset(literal_column("0"))  # else SQLite's has a value of its own for it
        )

    @cached_property
    def factors(self) -> Statement:
        return self._page(self._tables.factor, "factor_id")

    @cached_property
    def codes(self) -> Statement:
        return self._page(self._tables.recovery_code, "selector")

    @abstractmethod
    def _reseal(self, table: Any, last: str) -> Statement:
        """Replaces a sealed record where it is what was read."""

    @cached_property
    def reseal_factor(self) -> Statement:
        return self._reseal(self._tables.factor, "factor_id")

    @cached_property
    def reseal_code(self) -> Statement:
        return self._reseal(self._tables.recovery_code, "selector")

    # The audit.

    @cached_property
    def _head_key(self) -> "ColumnElement[bool]":
        head = self._tables.audit_head
        return and_(head.c.tenant == text("tenant"), head.c.user_id == text("user_id"))

    @cached_property
    def _row_owner(self) -> "ColumnElement[bool]":
        row = self._tables.audit_row
        return and_(row.c.tenant == text("tenant"), row.c.user_id == text("user_id"))

    @cached_property
    def _head_fields(self) -> "list[ColumnElement[Any]]":
        """Those of `AuditHead`."""
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        newest = func.coalesce(func.max(self._tables.audit_row.c.number), nothing, type_=BigInteger())
        last = select(newest).where(self._row_owner).scalar_subquery()
        return [*[column for column in self._tables.audit_head.c if column.name not in ("tenant", "user_id")], last]

    @cached_property
    def audit_head(self) -> Statement:
        return self._made(select(*self._head_fields).where(self._head_key))

    @cached_property
    def hold_audit_head(self) -> Statement:
        head = self._tables.audit_head
        return self._made(select(DONE).select_from(head).where(self._head_key).with_for_update())

    @cached_property
    def last_audit_row(self) -> Statement:
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        newest = func.coalesce(func.max(self._tables.audit_row.c.number), nothing, type_=BigInteger())
        return self._made(select(newest).where(self._row_owner))

    @cached_property
    def make_audit_head(self) -> Statement:
        """An empty head for a user who has none."""
        head = self._tables.audit_head
        nothing: ColumnElement[int] = literal_column("0", BigInteger())
        no_text: ColumnElement[str] = literal_column("''", Text())
        return self._made(
            self._or_leave(
                self._insert(head).values(
                    tenant=text("tenant"),
                    user_id=text("user_id"),
                    number=nothing,
                    link=binary("none"),
                    pruned=nothing,
                    anchor=binary("none"),
                    key_id=no_text,
                    mac=binary("none"),
                )
            )
        )

    def _move_head(self) -> Any:
        """Replaces a head, if it is as it was read."""
        head = self._tables.audit_head
        return (
            update(head)
            .where(self._head_key, head.c.number == number("was_number"), head.c.mac == binary("was_mac"))
            .values(
                number=number("head_number"),
                link=binary("head_link"),
                pruned=number("head_pruned"),
                anchor=binary("head_anchor"),
                key_id=text("head_key_id"),
                mac=binary("head_mac"),
            )
            .returning(head.c.tenant)
        )

    @cached_property
    def move_audit_head(self) -> Statement:
        return self._made(self._move_head())

    @cached_property
    def add_audit_row(self) -> Statement:
        return self._made(insert(self._tables.audit_row).values(_row(self._tables.audit_row)))

    @cached_property
    def drop_audit_rows(self) -> Statement:
        row = self._tables.audit_row
        return self._made(delete(row).where(self._row_owner, row.c.number <= number("head_pruned")))

    @cached_property
    def reseal_audit_row(self) -> Statement:
        row = self._tables.audit_row
        return self._made(
            update(row)
            .where(self._row_owner, row.c.number == number("number"))
            .values(key_id=text("key_id"), mac=binary("mac"))
        )

    @cached_property
    def audit_rows(self) -> Statement:
        row = self._tables.audit_row
        found = select(*row.c).where(self._row_owner, row.c.number > number("after")).order_by(row.c.number)
        return self._made(found.limit(number("limit")).offset(literal_column("0")))

    @cached_property
    def recent_audit_rows(self) -> Statement:
        row = self._tables.audit_row
        found = select(*row.c).where(self._row_owner, row.c.number < number("before")).order_by(row.c.number.desc())
        return self._made(found.limit(number("limit")).offset(literal_column("0")))

    @cached_property
    def audit_owners(self) -> Statement:
        head = self._tables.audit_head
        later = or_(
            head.c.tenant > text("tenant"), and_(head.c.tenant == text("tenant"), head.c.user_id > text("user_id"))
        )
        found = select(head.c.tenant, head.c.user_id).where(head.c.tenant >= text("tenant"), later)
        found = found.order_by(head.c.tenant, head.c.user_id)
        return self._made(found.limit(number("limit")).offset(literal_column("0")))

    @cached_property
    def first_audit_owners(self) -> Statement:
        head = self._tables.audit_head
        found = select(head.c.tenant, head.c.user_id).order_by(head.c.tenant, head.c.user_id)
        return self._made(found.limit(number("limit")).offset(literal_column("0")))

    @cached_property
    def headless_audit(self) -> Statement:
        head, row = self._tables.audit_head, self._tables.audit_row
        its = and_(head.c.tenant == row.c.tenant, head.c.user_id == row.c.user_id)
        found = select(row.c.tenant, row.c.user_id).where(not_(exists(select(DONE).select_from(head).where(its))))
        return self._made(found.distinct().limit(number("limit")).offset(literal_column("0")))

    # The version of the tables.

    @cached_property
    def version(self) -> Statement:
        return self._made(select(func.max(self._tables.schema.c.version, type_=BigInteger())))

    @cached_property
    def set_version(self) -> Statement:
        return self._made(insert(self._tables.schema).values(version=number("version")))


def counted(table: Any, owned: "ColumnElement[bool]") -> Any:
    """How many rows of a table are so."""
    return select(func.count(literal_column("*"), type_=BigInteger())).select_from(table).where(owned)


def _row(table: Any) -> "dict[str, ColumnElement[Any]]":
    """A parameter for each column, by the column's name."""
    return {column.name: _like(column) for column in table.c}


def _like(column: "Column[Any]") -> "ColumnElement[Any]":
    return bindparam(column.name, type_=column.type)
