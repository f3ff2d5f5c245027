"""What every part of the service stands on: whose and when, and one way each to count an attempt, refuse it, open a
sealed record and tell what happened."""

import logging
import secrets
from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timezone
from typing import Concatenate, NoReturn, ParamSpec, TypeVar
from uuid import UUID

from .. import vault
from .errors import (
    EnrollmentExpired,
    FactorDisabled,
    InvalidCode,
    InvalidIdentifier,
    LoginCancelled,
    NotEnrolled,
    SealedRecordError,
    StoreDamaged,
    Throttled,
    TooManyFactors,
)
from .events import NOTIFY, ROWS_ONLY, Event, Kind
from .key_source import KeySource
from .policy import Policy
from .results import FactorInfo, UserId
from .stores.base import (
    Acceptance,
    Budget,
    Factor,
    Limits,
    Method,
    Owner,
    RecoveryCode,
    Refusal,
    Reservation,
    Store,
    UserState,
)

_P = ParamSpec("_P")
_T = TypeVar("_T")

log = logging.getLogger("ferrotp.mfa")
log.addHandler(logging.NullHandler())  # an application that set up no logging gets none on its screen

_WARN: frozenset[Kind] = (NOTIFY - {"reminded"}) | {
    "refused",
    "passkey refused",
    "throttled",
    "secret revealed",
    "recovery refused",
    "enrollment refused",
    "unlock refused",
    "sealed record refused",
    "clock was ahead",
    "store created",
    "store damaged",
    "audit damaged",
}
_REFUSED: dict[Method, Kind] = {
    "otp": "refused",
    "recovery": "recovery refused",
    "enrollment": "enrollment refused",
    "unlock": "unlock refused",
}


class Core:
    """The store, the keys and the policy of one service. It keeps nothing else: what is decided, the store decides."""

    audited = False
    """Whether each event is a row of the store, too: then it is an `AuditedCore`."""

    def __init__(
        self,
        store: Store,
        issuer: str,
        keys: "vault.Keyring | KeySource",
        policy: Policy,
        tenant: str | Callable[[], str],
        clock: Callable[[], float],
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.store = store
        self.issuer = identifier("issuer", issuer)
        self.keys = keys
        self.policy = policy
        self.limits = policy.limits()
        self.unlock_limits = policy.unlock_limits()
        self._tenant = _fixed_or_asked(tenant)
        self.clock = clock
        self.on_event = on_event

    def for_tenant(self, tenant: str | Callable[[], str]) -> "Core":
        """The same for the users of another tenant."""
        other = copy(self)
        other._tenant = _fixed_or_asked(tenant)
        return other

    @property
    def keyring(self) -> vault.Keyring:
        """The keys as they are now.

        :raises KeysUnavailable: if they are elsewhere, and that is away
        """
        return self.keys.keyring() if isinstance(self.keys, KeySource) else self.keys

    @property
    def tenant(self) -> str:
        """Whose users these are, now.

        :raises InvalidIdentifier: if it is asked of the application, and that does not know
        """
        # A tenant that is not known is no tenant: the empty one has users of its own.
        return identifier("tenant", self._tenant()) if callable(self._tenant) else self._tenant

    @property
    def fixed_tenant(self) -> str:
        """The same where no request is; empty if it is asked of the application."""
        return "" if callable(self._tenant) else self._tenant

    def now(self) -> int:
        """Unix milliseconds, as stores take them."""
        return int(self.clock() * 1000)

    def owner(self, user_id: UserId) -> Owner:
        """Whose records these are."""
        return Owner(self.tenant, user_id_text(user_id))

    def decide(
        self,
        verb: Callable[..., _T],
        /,
        *arguments: object,
        events: "Callable[[Core, _T], None]",
        **named: object,
    ) -> _T:
        """A decision of the store, and the events of what it comes to.

        :param events: emits what there is to tell of an answer, by the core that it is called with
        """
        answer = verb(*arguments, **named)
        events(self, answer)
        return answer

    def reserve(
        self, owner: Owner, method: Method, now: int, *, factor_id: str = "", selector: str = ""
    ) -> Reservation:
        """An attempt that is counted before it is made; or raises why there is none."""
        limits = self.unlock_limits if method == "unlock" else self.limits

        def events(core: Core, answer: Reservation | Refusal) -> None:
            if isinstance(answer, Refusal):
                core._tell_refusal(answer, owner, method, now, factor_id)
            elif self.audited:
                core.emit("attempt counted", now, owner, factor_id, method, failures=answer.budget.failures)

        wanted = {"factor_id": factor_id, "selector": selector}
        try:
            answer = self.decide(self.store.reserve, owner, method, now, limits, events=events, **wanted)
        except StoreDamaged as error:
            self.emit("store damaged", now, owner, reason=str(error))
            raise
        if isinstance(answer, Refusal):
            _raise_refusal(answer, method)
        return answer

    def attempt(
        self,
        owner: Owner,
        method: Method,
        now: int,
        decide: "Callable[[Core, Reservation], Acceptance | None]",
        events: "Callable[[Core, Reservation], None]",
        *,
        factor_id: str = "",
        login_id: str = "",
    ) -> Reservation:
        """An attempt as one decision of the store, which is durable when this returns; or raises why there is none.

        :param decide: called in the middle of the store's decision, and again if another process came between. So it
            gets a core that keeps the events to itself: those of the last call go out when the decision stands
        :param events: emits what the attempt came to, as in `Core.decide`
        """
        met: list[Event] = []  # by the last call of `decide`
        quiet = QuietCore(self, met)

        def decide_quietly(reservation: Reservation) -> Acceptance | None:
            met.clear()
            return decide(quiet, reservation)

        def all_events(core: Core, answer: Reservation | Refusal) -> None:
            if isinstance(answer, Refusal):
                core._tell_refusal(answer, owner, method, now, factor_id)
                return
            if met:
                core._note_all(met)
                met.clear()
            events(core, answer)

        wanted = {"factor_id": factor_id, "login_id": login_id}
        try:
            answer = self.decide(
                self.store.attempt, owner, method, now, self.limits, decide_quietly, events=all_events, **wanted
            )
        except StoreDamaged as error:
            self.emit("store damaged", now, owner, reason=str(error))
            raise
        finally:
            if met:  # by a decision that failed
                self._tell(met)
        if isinstance(answer, Refusal):
            _raise_refusal(answer, method)
        return answer

    def user(self, owner: Owner, now: int) -> UserState:
        """All that is kept of a user."""
        try:
            return self.store.user(owner)
        except StoreDamaged as error:
            self.emit("store damaged", now, owner, reason=str(error))
            raise

    def _tell_refusal(self, refusal: Refusal, owner: Owner, method: Method, now: int, factor_id: str) -> None:
        if refusal.clock_was_ahead:
            self.emit("clock was ahead", now, owner, factor_id, method)
        if refusal.reason == "throttled":
            self.emit("throttled", now, owner, factor_id, method, retry_at=moment(refusal.retry_at))
        else:
            self.emit(_REFUSED[method], now, owner, factor_id, method, reason=refusal.reason)

    def refuse(self, reservation: Reservation, now: int, reason: str, factor_id: str = "") -> NoReturn:
        """Ends an attempt that stays counted, and tells of it."""
        self.emit_together(lambda core: core.tell_refused(reservation, now, reason, factor_id))
        self.raise_refused(reservation, now)

    def tell_refused(self, reservation: Reservation, now: int, reason: str, factor_id: str = "") -> None:
        """Tells of an attempt that stays counted.

        :param reason: for the event: wrong, used or malformed. The error does not say it
        """
        budget, limits, owner, method = reservation.budget, reservation.limits, reservation.owner, reservation.method
        retry_at = next_attempt(budget, now, limits)
        evidence = {"reason": reason, "failures": budget.failures, "retry_at": retry_at}
        # Once in a row of failures: each of them has a number of its own. A code that ends a set-up is nobody's guess.
        if budget.failures == self.policy.notify_after and method != "enrollment":
            self.emit("guessing suspected", now, owner, factor_id, method, failures=budget.failures)
        self.emit(_REFUSED[method], now, owner, factor_id, method, **evidence)
        if budget.failures >= limits.disable_at and method != "enrollment":
            self.emit("disabled", now, owner, factor_id, method, failures=budget.failures)

    def raise_refused(self, reservation: Reservation, now: int) -> NoReturn:
        """What an attempt that stays counted raises."""
        budget, limits = reservation.budget, reservation.limits
        if budget.failures >= limits.disable_at:
            raise EnrollmentExpired if reservation.method == "enrollment" else FactorDisabled
        retry_at = next_attempt(budget, now, limits)
        left = min(limits.free + 1, limits.disable_at) - budget.failures
        raise InvalidCode(0 if retry_at else max(left, 0), retry_at)

    def open_record(
        self,
        record: Factor | RecoveryCode,
        now: int,
        use: Callable[Concatenate[tuple[str, str, str], bytes, _P], _T],
        /,
        *arguments: _P.args,
        **options: _P.kwargs,
    ) -> _T:
        """What a method of the keyring makes of a record; one that does not open is refused, and told.

        :param use: called with whom the record is sealed for, the record, and the arguments
        """
        owner, name = record.owner, record.factor_id if isinstance(record, Factor) else record.selector
        try:
            return use((owner.tenant, owner.user_id, name), record.sealed, *arguments, **options)
        except vault.SealedRecordError as error:
            factor_id = name if isinstance(record, Factor) else ""
            self.emit("sealed record refused", now, owner, factor_id, reason=error.reason)
            raise SealedRecordError(str(error)) from None

    def add_factor(self, factor: Factor, now: int, kind: Kind, **detail: object) -> None:
        """Adds a factor, within what the policy allows a user, and tells of it.

        :param kind: of the event
        """

        def events(core: Core, added: bool) -> None:
            if added:
                core.emit(kind, now, factor.owner, factor.factor_id, factor.kind, **detail)

        limits = self.policy.max_factors, self.policy.max_pending
        if not self.decide(self.store.add_factor, factor, now, *limits, events=events):
            raise TooManyFactors(f"a user has at most {self.policy.max_factors} factors: remove one first")

    def log_undeleted(self, owners: Sequence[Owner]) -> None:
        """That accounts are gone and their second factors are not: nobody who waits for an answer may hear of it."""
        ids = [owner.user_id for owner in owners]
        log.error("tenant=%r: the second factors of deleted users are still there: delete_users(%r)", self.tenant, ids)

    def emit(
        self, kind: Kind, now: int, owner: Owner, factor_id: str = "", method: str = "", /, **detail: object
    ) -> Event:
        """Writes what happened to the logger ``ferrotp.mfa`` (a warning for what should be looked at, else info), and
        hands it to the application."""
        at = moment(now)
        event = Event(kind, at, owner.tenant, owner.user_id, factor_id, method, detail)
        self._note_all([event])
        return event

    def emit_together(self, events: "Callable[[Core], None]") -> None:
        """Events that are written at once, if they are rows."""
        events(self)

    def _tell(self, events: Sequence[Event]) -> None:
        """To the log, and to the application."""
        for event in events:
            kind = event.kind
            if kind in ROWS_ONLY:
                continue
            level = logging.WARNING if kind in _WARN else logging.INFO
            if log.isEnabledFor(level):
                # Ids may hold anything that the application lets through: a line of the log stays one line.
                # Quoted, so that no value reads as another field.
                text = " ".join(f"{name}={str(value)!r}" for name, value in event.detail.items())
                ids = (event.tenant, event.user_id, event.factor_id)
                log.log(level, "%s: tenant=%r user=%r factor=%r %s", kind, *ids, text, extra={"ferrotp_event": event})
            if self.on_event is not None:
                try:
                    self.on_event(event)
                except Exception:
                    # Without its traceback: the locals of the application's function are not ours to show.
                    log.error("the handler of %r raised; the decision stands", kind)

    _note_all = _tell
    """What becomes of events that go with no decision of the store."""

    def begin_audit(self) -> None:
        """Says once that from now on each event is a row, where it is."""


class QuietCore(Core):
    """A core whose events only go into a list: what they tell of may not stand."""

    def __init__(self, core: Core, told: list[Event]) -> None:
        self.__dict__.update(core.__dict__)
        self._told = told

    def _note_all(self, events: Sequence[Event]) -> None:
        self._told.extend(events)


def _raise_refusal(refusal: Refusal, method: Method) -> NoReturn:
    if refusal.reason == "throttled":
        raise Throttled(moment(refusal.retry_at))
    if refusal.reason == "ended":
        raise LoginCancelled
    if method == "enrollment":
        raise EnrollmentExpired  # also after too many wrong codes: a new enrollment begins anew
    raise FactorDisabled if refusal.reason == "disabled" else NotEnrolled


def moment(milliseconds: int) -> datetime:
    """A time of a store, for people."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def next_attempt(budget: Budget, now: int, limits: Limits) -> datetime | None:
    """When the next attempt is open. None: now."""
    open_at = budget.open_at(now, limits)
    return moment(open_at) if open_at > now else None


def factor_info(factor: Factor) -> FactorInfo:
    """A factor, as a page may show it."""
    return FactorInfo(
        user_id=factor.owner.user_id,
        factor_id=factor.factor_id,
        kind=factor.kind,
        name=factor.name,
        state=factor.state,
        created_at=moment(factor.created_at),
        last_used_at=moment(factor.last_used_at) if factor.last_used_at else None,
        drift=factor.drift,
        legacy=factor.legacy,
    )


def user_id_text(user_id: UserId) -> str:
    """The one text of a user's id: a `str` as it is, an `int` in decimal, a `UUID` in lower case with hyphens.

    :raises InvalidIdentifier: for anything else, and for a text that is no identifier
    """
    if isinstance(user_id, str):
        return identifier("user_id", user_id)
    if type(user_id) is int or isinstance(user_id, UUID):
        return str(user_id)
    raise InvalidIdentifier(f"user_id must be a str, an int or a UUID, not {type(user_id).__name__}")


def identifier(what: str, text: str) -> str:
    """An id or a name as it is. Refuses what databases cut, fold or choke on: two users must never become one."""
    if not isinstance(text, str):
        raise InvalidIdentifier(f"{what} must be a str")
    if not (0 < len(text) <= 255 and text == text.strip() and text.isprintable()):
        raise InvalidIdentifier(f"{what} must be 1 to 255 printable characters, without space at its ends")
    return text


def _fixed_or_asked(tenant: str | Callable[[], str]) -> str | Callable[[], str]:
    return tenant if callable(tenant) or tenant == "" else identifier("tenant", tenant)


def is_identifier(text: str) -> bool:
    """Whether a text can be an id or a name."""
    try:
        identifier("", text)
    except InvalidIdentifier:
        return False
    return True


def existing_factor_id(factor_id: str) -> str:
    """The id of a factor that must be there. To a store, an empty one would mean any, and a text that is no id (with a
    NUL, or half a character) is one that databases do not take: nobody has such a factor."""
    if not is_identifier(factor_id):
        raise NotEnrolled
    return factor_id


def new_id() -> str:
    """A random id, of 128 bits."""
    return secrets.token_hex(16)
