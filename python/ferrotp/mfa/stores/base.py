"""What a store must decide. Each operation is one decision, made by the store in one transaction of its own.

A store never reads, lets the service think, and writes: what is decided between two processes is decided in the
statement that writes. Whatever a caller's own transaction does later, a decision stays.

All times are Unix times in whole milliseconds, from the service's clock; a store has none. Texts are stored as they
are. `ferrotp.mfa.testing` has the suite that holds a store to what is said here.
"""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

from ..errors import AlreadyEnrolled, LastFactor, PasskeyTaken, StoreDamaged, TooManyFactors

Method = Literal["otp", "recovery", "enrollment", "unlock"]
"""What a budget of attempts is for. All OTP factors of a user share one; recovery codes and enrollment have theirs, and
so have two codes in a row, which open a factor while single codes are delayed."""

METHODS: tuple[Method, ...] = ("otp", "recovery", "enrollment")
"""The budgets that a user has from the first factor on. That of ``unlock`` comes with the first attempt."""

NEVER_USED = -1
"""The last step of a factor of which no code was ever accepted."""

NEVER_BOUND = -1
"""`Budget.spent_until` of ``otp`` while a user has had none but pending factors: such a user may still be imported."""

CLOCKS_APART = 5.0
"""Seconds that a server's clock may differ from this machine's before `ferrotp doctor` says so."""

TIMEOUT = 1.8
"""Seconds within which a store answers or is unavailable, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose record it is."""

    tenant: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One authenticator of a user. Its secret and its parameters are in `sealed`, and only there."""

    owner: Owner
    factor_id: str
    """Of this user alone; that of a passkey follows from its credential, and is of one user of the tenant alone."""
    kind: Literal["totp", "hotp", "passkey"]
    name: str
    state: Literal["pending", "active", "disabled"]
    sealed: bytes = field(repr=False)
    legacy: bool
    """Its secret is shorter than 128 bits: accepted by policy, and to be enrolled again."""
    created_at: int
    expires_at: int
    """When it ends if it is still pending. 0 for one that never was."""
    last_step: int = NEVER_USED
    """The time step, or the counter, of the newest code accepted. No code of it or of an earlier one is accepted. For a
    passkey its counter of signatures, which stays 0 for one that does not count."""
    drift: int = 0
    """Time steps that the device was ahead of the server at the last accepted code."""
    last_used_at: int = 0
    """When the last code was accepted. 0: never."""


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """A recovery code that has not been used: its selector, and its sealed hash."""

    owner: Owner
    selector: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user who comes from another system, with all that comes along."""

    owner: Owner
    factors: tuple[Factor, ...]
    """Active ones, at least one."""
    recovery_codes: tuple[RecoveryCode, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustedDevice:
    """A browser that its user asked not to be asked in again: a series of tokens, each of which is used once."""

    owner: Owner
    series: str
    """Names the device. Not secret."""
    name: str
    token_hash: bytes = field(repr=False)
    """A MAC of the token that is to come next, under the keyring: who writes a row into the store makes none."""
    created_at: int
    expires_at: int
    last_used_at: int


@dataclass(frozen=True, slots=True)
class AnsweredChallenge:
    """A challenge that is answered just now. The store keeps which ones were, not which ones are open."""

    tenant: str
    challenge: str
    """Names it. Not secret."""
    expires_at: int
    """Until then it could be answered once more, and is remembered so that it is not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a store needs to know of the policy, in milliseconds."""

    free: int
    """Consecutive failures without a delay."""
    delays: tuple[int, ...]
    """The delay after failure `free` + 1, + 2 and so on. The last one repeats."""
    disable_at: int
    """Consecutive failures after which nothing more is accepted until the factor is bound again."""
    cost: int
    """What an attempt adds to `spent_until`; a success takes its own back, and nothing else does."""
    horizon: int
    """How far `spent_until` may be ahead of the clock: at most `2 * horizon / cost` failures in any `horizon`."""

    def delay(self, failures: int) -> int:
        """The delay after so many consecutive failures."""
        if failures <= self.free:
            return 0
        return self.delays[min(failures - self.free, len(self.delays)) - 1]


@dataclass(frozen=True, slots=True)
class Budget:
    """The attempts of one user by one method."""

    failures: int = 0
    """Consecutive failures, attempts under way among them."""
    retry_at: int = 0
    """No attempt before."""
    spent_until: int = 0
    """The leaky bucket: each failure moves it ahead by `Limits.cost`, and only time passes it."""

    def open_at(self, now: int, limits: Limits) -> int:
        """When the next attempt is open: not after `now` if one is open now."""
        return max(self.retry_at, max(self.spent_until, now) + limits.cost - limits.horizon)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the code of an attempt was found to be: a step of one of the factors that the attempt was offered."""

    factor_id: str
    step: int
    drift: int
    resealed: bytes | None = None
    """What the sealed secret is replaced by, if anything."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An attempt that is counted as a failure. `attempt` may accept it at once; `unlock`, `confirm` and `redeem` give
    it back."""

    owner: Owner
    method: Method
    limits: Limits
    budget: Budget
    """As it is with this attempt counted."""
    factors: tuple[Factor, ...] = ()
    """For ``otp`` and ``unlock`` the active ones; for ``enrollment`` the pending one that was asked for."""
    recovery_code: RecoveryCode | None = None
    """For ``recovery``: the unused one with the selector that was asked for."""
    recovery_codes: int = 0
    """From `attempt`: how many unused ones the user has."""
    accepted: Acceptance | None = None
    """What `attempt` accepted, and has kept. `budget` is then the one before the refund."""

    def sealed(self, factor_id: str) -> bytes | None:
        """The sealed record of a factor that was offered, as it was read."""
        return next((factor.sealed for factor in self.factors if factor.factor_id == factor_id), None)

    def newer(self, acceptance: Acceptance | None) -> tuple[Factor, Acceptance] | None:
        """The factor that is accepted, as it was read, with what is accepted of it: what every store asks of what
        `Decide` says. None for a step that is not newer than the factor's last, and for a factor that was not offered.
        """
        if acceptance is None:
            return None
        for factor in self.factors:
            if factor.factor_id == acceptance.factor_id and factor.last_step < acceptance.step:
                return factor, acceptance
        return None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event of a user, as the audit keeps it: never changed, and in a chain: see `ferrotp.mfa.audit_chain`."""

    owner: Owner
    number: int
    """From 1 on, without a gap."""
    at: int
    kind: str
    factor_id: str
    method: str
    detail: str
    """A JSON object."""
    address: str
    user_agent: str
    before: bytes = field(repr=False)
    """A hash of all rows before it. Empty for the first."""
    key_id: str
    """The key of the keyring that `mac` is made with."""
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the rows of a user end, and where what is kept of them begins."""

    number: int = 0
    """Of the last row. 0: there never was one."""
    link: bytes = field(default=b"", repr=False)
    """The hash of all rows."""
    pruned: int = 0
    """The rows up to this one were removed, since they were old."""
    anchor: bytes = field(default=b"", repr=False)
    """The hash of those rows."""
    key_id: str = ""
    mac: bytes = field(default=b"", repr=False)
    last: int = 0
    """The number of the last row that there is, whatever the head says. It is looked up, not kept."""


@dataclass(frozen=True, slots=True)
class AuditAppend:
    """Rows that are to be written for a user."""

    owner: Owner
    after: Callable[[AuditHead], tuple[AuditHead, list[AuditRow]]]
    """The head that replaces the one that was read, and the rows that come with it. It takes microseconds, and may be
    called again, with what another process has written meanwhile."""


Audit = Callable[[Any], Sequence[AuditAppend]]
"""What is to be written of a decision, by what the decision comes to: the answer that the operation is about to give.

A store calls it with each answer that changes something, and with each of `reserve` and of `attempt`: in the
transaction that the decision is made in, where it writes what it gets. Both are durable, or neither. It may call it
again, with what another process has changed meanwhile; the last call counts. If it raises, nothing is decided."""

Decide = Callable[[Reservation], "Acceptance | None"]
"""Looks at a code beside the factors that are offered: see `Store.attempt`."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A pending factor has become active."""

    codes_kept: bool
    """Whether the recovery codes that came with it are the user's now. No: there were others, which go on."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No attempt is open."""

    reason: Literal["not enrolled", "throttled", "disabled", "ended"]
    """``ended``: the half-login that asked was ended before."""
    retry_at: int = 0
    """For ``throttled``: when the next attempt is open."""
    clock_was_ahead: bool = False
    """A time was further ahead than any delay, so an earlier clock was: it has been brought back to the longest one."""


@dataclass(frozen=True, slots=True)
class UserState:
    """All that is kept of a user."""

    factors: tuple[Factor, ...]
    budgets: Mapping[Method, Budget]
    recovery_codes: int
    """How many are unused."""
    epoch: str = ""
    """What the user's logins carry: they end when it moves. Not secret. Empty for a user who never had a factor that is
    not pending, or was reset since."""


def new_epoch() -> str:
    """128 random bits: none comes twice."""
    return secrets.token_hex(16)


_Record = TypeVar("_Record", Factor, TrustedDevice)


def charge(budget: Budget, now: int, limits: Limits) -> tuple[Budget, Refusal | None]:
    """Counts an attempt as a failure before it is made, or refuses it: the rule that every store follows.

    The budget that it gives is to be kept in both cases.
    """
    # No delay reaches further ahead than this, so a time that does was written when the clock was ahead. Bringing it
    # back never shortens a delay: what is left of one is at most the longest.
    retry_at = min(budget.retry_at, now + limits.delays[-1])
    spent_until = min(budget.spent_until, now + limits.horizon)
    kept = Budget(budget.failures, retry_at, spent_until)
    clock_was_ahead = kept != budget
    if budget.failures >= limits.disable_at:
        return kept, Refusal("disabled", 0, clock_was_ahead)
    open_at = kept.open_at(now, limits)
    if open_at > now:
        return kept, Refusal("throttled", open_at, clock_was_ahead)
    failures = budget.failures + 1
    delay = limits.delay(failures)
    return Budget(failures, now + delay if delay else 0, max(spent_until, now) + limits.cost), None


def check_room(factors: Sequence[Factor], max_factors: int, only_first: bool) -> None:
    """What `Store.confirm` refuses, of a user with these factors: the rule that every store follows.

    :raises AlreadyEnrolled: a factor came since the one to be confirmed was begun by the password alone
    :raises TooManyFactors: as many came as a user may have
    """
    bound = sum(factor.state != "pending" for factor in factors)
    if bound and only_first:
        raise AlreadyEnrolled
    if bound >= max_factors:
        raise TooManyFactors(f"a user has at most {max_factors} factors: remove one first")


def check_passkey(factors: Sequence[Factor], passkey: Factor, max_factors: int, only_first: bool) -> None:
    """What `Store.add_passkey` refuses, of a user with these factors.

    :raises PasskeyTaken: the user has this one
    :raises AlreadyEnrolled: as `check_room`; and `TooManyFactors`
    """
    if any(factor.factor_id == passkey.factor_id for factor in factors):
        raise PasskeyTaken
    check_room(factors, max_factors, only_first)


def without_others_passkeys(users: Sequence[NewUser], owner_of: Callable[[Factor], Owner | None]) -> list[NewUser]:
    """Of users who are to be added, those who bring no passkey that is another's: in the store, or of one before them.

    :param owner_of: whose a passkey is in the store; None: nobody's
    """
    taken: dict[tuple[str, str], Owner] = {}
    found = []
    for user in users:
        mine = {(user.owner.tenant, factor.factor_id): factor for factor in user.factors if factor.kind == "passkey"}
        whose = [taken.get(key) or owner_of(factor) for key, factor in mine.items()]
        if all(owner in (None, user.owner) for owner in whose):
            taken.update(dict.fromkeys(mine, user.owner))
            found.append(user)
    return found


def counts_on(factor: Factor, counter: int) -> bool:
    """Whether a passkey's counter of signatures may come after the one that is kept: it grows, or there is none (Web
    Authentication, section 7.2, step 22)."""
    return factor.last_step < counter or factor.last_step == counter == 0


def check_whole(factors: Sequence[Factor], has_budgets: bool, recovery_codes: int, devices: int) -> None:
    """What every store looks at before it says what there is of a user: that what is gone by a fault does not look like
    what never was.

    :raises StoreDamaged: codes or devices without the factor that they go with, or factors without their budgets
    """
    if (recovery_codes or devices) and all(factor.state == "pending" for factor in factors):
        raise StoreDamaged("the user has recovery codes or trusted devices, and the factor is gone")
    if factors and not has_budgets:
        raise StoreDamaged("the user has factors, and the counts of attempts are gone")


def check_not_last(factors: Sequence[Factor], factor_id: str) -> None:
    """What `Store.remove_factor` refuses with `keep_last`, of a user with these factors.

    :raises LastFactor: no other factor is active
    """
    if [factor.factor_id for factor in factors if factor.state == "active"] == [factor_id]:
        raise LastFactor


def surplus(records: Sequence[_Record], now: int, room: int) -> list[_Record]:
    """Which of a user's records, the first to go first, go for new ones: the expired ones, and those beyond `room`."""
    live = [record for record in records if record.expires_at > now]
    staying = live[max(len(live) - room, 0) :]
    return [record for record in records if record not in staying]


def spend(budget: Budget, now: int, limits: Limits) -> tuple[Budget, int]:
    """Takes `Limits.cost` out of the bucket if there is room, and counts no failure: the rule that every store follows.

    :return: the budget to be kept, and 0; or as it was, and when there will be room
    """
    spent_until = max(min(budget.spent_until, now + limits.horizon), now) + limits.cost
    if spent_until > now + limits.horizon:
        return budget, spent_until - limits.horizon
    return replace(budget, spent_until=spent_until), 0


DEVICE_SKEW = 5_000
"""Milliseconds that the clock of the server that renewed a device may be ahead of this one's."""


def is_just_renewed(renewed_at: int, now: int, grace: int) -> bool:
    """Whether a device's token was renewed so short a while ago that the one before it may still be on its way. A clock
    that was set back makes it no shorter."""
    return -DEVICE_SKEW <= now - renewed_at <= grace


CLEAN_UP = 100
"""One of so many answers to challenges removes those of all users that have expired."""


def cleans_up() -> bool:
    """Whether it is this one's turn. What belongs to all users is touched rarely: of two who remove the same rows at
    one moment, one waits for the other's commit."""
    return random.randrange(CLEAN_UP) == 0  # noqa: S311 - whose turn it is, is no secret


def refund(budget: Budget, limits: Limits) -> Budget:
    """What a success leaves: no consecutive failure, no delay, and its own attempt taken back."""
    return Budget(0, 0, max(budget.spent_until - limits.cost, 0))


def advanced(factor: Factor, accepted: Acceptance, now: int) -> Factor:
    """What an accepted code makes of its factor."""
    return replace(
        factor,
        last_step=accepted.step,
        drift=accepted.drift,
        last_used_at=now,
        sealed=accepted.resealed or factor.sealed,
    )


class Store(Protocol):
    """A place for factors, recovery codes and budgets of attempts.

    Each method is one decision: it commits on its own before it returns, or changes nothing. What keeps it from
    answering (the server is away, slow or read-only) is a `StoreUnavailable`, within the store's `timeout`.

    Ids and names come from the service, which takes 1 to 255 printable characters; what a store does with others is its
    own matter.
    """

    def prepare(self) -> bool:
        """Creates what is missing (tables, for one), as often as it is called and by as many processes at once.

        :return: whether this call made a store where none was: the service tells of it, since users who come to a
            store that is new by mistake are let in by the password alone
        """

    def close(self) -> None:
        """Lets go of connections."""

    def add_factor(
        self, factor: Factor, now: int, max_factors: int, max_pending: int, *, audit: Audit | None = None
    ) -> bool:
        """Adds a factor, pending or active, and the user's budgets if there are none.

        The user's expired pending factors go, and the oldest pending ones beyond `max_pending` with this one. With a
        pending one the consecutive failures of ``enrollment`` and their delay end: they were about another secret. The
        budget of ``otp`` is made with `NEVER_BOUND` for a pending one, which ends with the first that is not.
        False, and nothing is added, if the user has `max_factors` that are not pending. With one that is not
        pending the user has an epoch from then on: a new one, if there was none.

        :raises FactorExists: if the user has a factor of this id; nothing has changed then
        """

    def add_users(self, users: Sequence[NewUser], *, audit: Audit | None = None) -> list[bool]:
        """Adds users of whom nothing is kept, each as a whole, with budgets and an epoch. For each whether it was
        added.

        A user who has budgets stays as it is, even one whose factors have all been removed: what came from another
        system comes once, and does not come back. One who has only begun to set up (`NEVER_BOUND`) is added, and the
        pending factors go. Their passkeys are theirs alone from then on; one of whom a passkey is another user's of the
        tenant stays out as a whole.
        """

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
        """Counts an attempt as failed before it is made, by the rule of `charge`, or says why there is none: for what
        takes longer than `attempt` may.

        ``otp`` and ``unlock`` give the active factors (all, or the one of `factor_id`); ``enrollment`` the pending
        factor of `factor_id` that has not expired; ``recovery`` the unused code of `selector`, if there is one.
        ``not enrolled``, and nothing is counted, if there is no such factor, or for ``recovery`` no active or
        disabled factor at all.
        """

    def budget(self, owner: Owner, method: Method) -> Budget:
        """One budget, as `user` gives it, and nothing else: for a form that says when the next attempt is open. It
        decides nothing, so a copy that lags may answer. An empty one where there is none."""

    def spend(self, owner: Owner, method: Method, now: int, limits: Limits) -> int:
        """Takes what something costs out of a budget of this user, by the rule of `spend`, and counts no failure.

        :return: 0; or, and nothing was taken, when there will be room. 0 for a user who has no budgets
        """

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
        """One attempt by ``otp``, whole: counted by the rule of `charge`, shown to `decide`, and kept, in one decision.

        What `decide` accepts advances that factor and refunds the attempt (`refund`); if it accepts nothing, or a step
        that is not newer than the factor's last, the attempt stays counted. Either is durable before this returns, so
        that no code is answered whose attempt is not counted: a process that dies in between has answered nobody.

        With the `login_id` of a half-login that `end_half_login` has ended it is refused as ``ended``, before all else:
        nothing is counted, and `decide` is not asked.

        `decide` gets the reservation as `reserve` would give it. It takes microseconds, and may be called again, with
        what another process has changed meanwhile; the last call counts. So it asks no store, waits for nothing and
        tells nobody. If it raises, the attempt stays counted and the exception goes on.
        """

    def unlock(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> bool:
        """Advances an active factor by two codes in a row, of `accepted.step` and the step before it, and refunds the
        attempt: if both are newer than the factor's last one, and both are used up. `accepted.resealed` replaces the
        sealed secret if the reservation's is still the one there.

        It also ends the delay of single codes: their consecutive failures are over. What they have spent of 30 days
        stays spent. False, and nothing changes, if ``otp`` has had `disable_at` failures in a row: this is no way
        around that.
        """

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
        """Makes a pending factor active, with the accepted step as its last, if it is still pending and has not
        expired. Its record was sealed a moment ago, and stays as it is. Unless `name` is empty, the factor has it from
        then on.

        Refunds the attempt. `codes` become the user's recovery codes, and clear the budget of ``recovery``, if the user
        has no unused one: of two first confirmations at once, only one set is shown. If the user's ``otp`` budget was
        used up (`Limits.disable_at`), all older active factors but passkeys become disabled and the budget is cleared:
        they stay unusable, and the new one is not held up. The user has an epoch from then on: a new one, if there was
        none.

        :return: None, and nothing has changed, if the factor is not pending any more
        :raises AlreadyEnrolled: with `only_first`, if the user has an active or disabled factor; nothing has changed
        :raises TooManyFactors: if the user has `max_factors` of them; nothing has changed
        """

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
        """Adds a passkey, active at once, and the user's budgets if there are none: all of it, or nothing.

        `codes` become the user's recovery codes, and clear the budget of ``recovery``, if the user has no unused one.
        The user has an epoch from then on: a new one, if there was none. Budgets and other factors stay as they are.
        Answered challenges that have expired may go.

        :return: None, and nothing has changed, if the challenge was answered before, in this tenant by anybody
        :raises PasskeyTaken: if a user of the tenant has a passkey of this id; nothing has changed
        :raises AlreadyEnrolled: as `confirm`; and `TooManyFactors`
        """

    def passkey(self, tenant: str, factor_id: str) -> Factor | None:
        """The passkey of this id, of any user of the tenant."""

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
        """Says yes to an active passkey: the counter and `sealed` replace what is kept, by the rule of `counts_on`, and
        the challenge is answered: both or neither.

        With it the consecutive failures of ``otp`` and their delay end, and what they have spent stays spent. With
        `disable_at` of them or more they stay: that is for codes, and opens them no more than it holds up a passkey.
        Answered challenges that have expired may go.

        - ``answered``: nothing has changed, for the challenge was answered before, in this tenant by anybody.
        - ``changed``: nothing has changed, for the passkey is not as it was read, or the counter does not count on.
        """

    def disable_passkey(self, passkey: Factor, *, audit: Audit | None = None) -> bool:
        """Makes an active passkey disabled. Whether it was this call."""

    def redeem(self, reservation: Reservation, selector: str, now: int, *, audit: Audit | None = None) -> int | None:
        """Uses up a recovery code, and refunds the attempt: both or neither. How many are left; None if it was gone."""

    def replace_recovery_codes(
        self,
        owner: Owner,
        codes: Sequence[RecoveryCode],
        now: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> bool:
        """Replaces all recovery codes and clears the budget of ``recovery``. False, and nothing has changed, if there
        is no active or disabled factor; with `only_first` also if there is an unused code."""

    def remove_factor(
        self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False, *, audit: Audit | None = None
    ) -> Factor | None:
        """Removes a factor of this owner and gives it; None if the owner has no such factor.

        With one that is not pending the user's epoch becomes `epoch`, and the trusted devices go: any of them may have
        been trusted for its codes. The recovery codes go with the last factor that is not pending. Budgets stay:
        removing is no way out of a delay.

        :raises LastFactor: with `keep_last`, if it is the only active one; nothing has changed
        """

    def reset(self, owner: Owner, *, audit: Audit | None = None) -> int:
        """Removes everything of a user but the audit, the epoch too. How many factors there were."""

    def move_epoch(self, owner: Owner, epoch: str, was: str | None, *, audit: Audit | None = None) -> int | None:
        """Makes this the user's epoch, whether there was one or not, and removes the trusted devices: both or neither.
        How many devices there were. None, and nothing is changed, if the epoch is another one than `was`."""

    def epoch(self, owner: Owner) -> str:
        """The user's epoch, as `user` gives it."""

    def delete_users(self, owners: Sequence[Owner], *, audit: Audit | None = None) -> list[int]:
        """Removes everything of many users but the audit in one transaction: their accounts are gone, and another may
        get the same id. For each how many factors there were."""

    def add_device(self, device: TrustedDevice, now: int, max_devices: int, *, audit: Audit | None = None) -> bool:
        """Adds a trusted device; the user's expired ones go, and those used longest ago beyond `max_devices` with this
        one. False, and nothing is added, if the user has no active factor."""

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
        """Whether a device of this owner is trusted, by its token.

        - ``renewed``: it was the one to come, and `next_hash` is in its place, so that it works once.
        - ``same``: it was the one to come or the one before, while that was put in its place just now
          (`is_just_renewed`): requests at once, of which one was renewed. Nothing changes, so that whatever comes in
          which order, the token to come is the one that the first was answered with.
        - ``unknown``: there is no such device, or it has expired. One that has expired is removed: the clock set back
          does not bring it back.
        - ``stolen``: an older token, so two parties have had it. All trusted devices of the owner are removed.
        """

    def devices(self, owner: Owner) -> list[TrustedDevice]:
        """The owner's trusted devices, expired ones among them, the oldest first."""

    def remove_devices(self, owner: Owner, series: str | None, *, audit: Audit | None = None) -> int:
        """Removes one device of this owner, or all of them. How many there were."""

    def end_half_login(self, owner: Owner, login_id: str, expires_at: int, now: int) -> None:
        """Remembers until then that a login was ended before its second factor was passed. What has expired goes."""

    def has_ended(self, owner: Owner, login_id: str) -> bool:
        """Whether that is remembered."""

    def user(self, owner: Owner) -> UserState:
        """All that is kept of a user: for pages and reports, and for whether a login needs a code at all. So it fails
        where a decision would: a copy that may lag, or that cannot be written, has no say in who has no factor.

        A user with a factor that is not pending has an epoch: where there is none (an older version added the factor),
        one is made first.

        :raises StoreDamaged: by the rule of `check_whole`, and for what else shows that records are gone
        """

    def factors(self, after: Factor | None, limit: int) -> list[Factor]:
        """The next `limit` factors of all users after one, by tenant, user and id. To go through all of them.

        A store that is spread over several servers may have another order of users, which stays, with the factors of
        each together.
        """

    def recovery_codes(self, after: RecoveryCode | None, limit: int) -> list[RecoveryCode]:
        """The next `limit` unused recovery codes of all users after one, by tenant, user and selector; or as `factors`
        may have it."""

    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        """Replaces the sealed record of each, where it is still what was read. How many were."""

    # The audit. Nobody asks for it but a service with `audit=True`, and what goes through all records.

    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        """Writes rows that go with no other decision: all of them, or none."""

    def audit_head(self, owner: Owner) -> AuditHead:
        """The head of a user; an empty one if there is none."""

    def audit_rows(self, owner: Owner, after: int, limit: int) -> list[AuditRow]:
        """The next `limit` rows of a user after one, by number."""

    def recent_audit_rows(self, owner: Owner, before: int, limit: int) -> list[AuditRow]:
        """The last `limit` rows of a user before one, the newest first."""

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        """The next `limit` users of whom there is a head, by tenant and user; or in another order, as `factors` may
        have it."""

    def headless_audit(self, limit: int) -> list[Owner]:
        """Users of whom there are rows and no head: somebody has removed it. At most `limit`; a store need not find
        those of whom it only knows by the head."""

    def revise_audit(self, owner: Owner, read: AuditHead, head: AuditHead, rows: Sequence[AuditRow]) -> bool:
        """Replaces a head, removes the rows up to `head.pruned`, and gives those of `rows` their new `key_id` and
        `mac`: where the head still is what was read, or nothing. Whether it did."""
