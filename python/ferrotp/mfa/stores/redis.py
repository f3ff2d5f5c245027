"""A store in Redis: each decision is one Lua script, and one round trip.

See `docs/redis.md` for what the server must be set up to keep, and what a failover can lose. The scripts, and how
records look there, are in the folder `lua` beside this file.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import cache, lru_cache
from hashlib import sha1
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, urlencode

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from ..errors import (
    AlreadyEnrolled,
    FactorExists,
    LastFactor,
    PasskeyTaken,
    StoreDamaged,
    StoreRefused,
    StoreUnavailable,
    TooManyFactors,
)
from .again import Tries
from .base import (
    CLOCKS_APART,
    DEVICE_SKEW,
    METHODS,
    NEVER_USED,
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
    advanced,
    charge,
    new_epoch,
    refund,
)

T = TypeVar("T")

OLDEST: Final = (6, 2)
"""The oldest Redis that this is tested on."""

_WHOLE = 2**53
"""Lua's numbers are doubles: whole ones are exact up to here."""

_SUMMED = 2**51
"""The clock and the limits are below this, so that what is made of them is exact, too."""

_STEPS = 2**64
"""Steps and counters are compared as text, and may be as large as a counter is in RFC 4226."""


class SlotKeys:
    """The names of the keys that are in one hash slot, so that a script may change a user and the lists of all there.

    :param start: what all of them begin with. What is in braces chooses the slot
    """

    def __init__(self, start: bytes) -> None:
        self.start = start
        self.hashes = {Factor: start + b"factors:", RecoveryCode: start + b"codes:"}
        """A user's records, by kind: behind it stands the user."""
        self.indexes = {Factor: start + b"factors", RecoveryCode: start + b"codes"}
        """Of all users' records, by kind."""
        self.passkeys = start + b"passkeys"
        self.audited = start + b"audited"
        """The users who have rows of the audit."""
        self._of_each = (self.hashes[Factor], start + b"budgets:", self.hashes[RecoveryCode], start + b"devices:")
        self._of_all = (self.indexes[Factor], self.indexes[RecoveryCode], self.passkeys, start + b"challenges")

    def of_user(self, user: bytes) -> tuple[bytes, ...]:
        """What is kept of one user."""
        factors, budgets, codes, devices = self._of_each
        return factors + user, budgets + user, codes + user, devices + user

    def of_audit(self, user: bytes) -> tuple[bytes, bytes]:
        """The rows of a user, and their head."""
        return self.start + b"audit:" + user, self.start + b"audit-head:" + user

    def of_decision(self, user: bytes) -> tuple[bytes, ...]:
        """All that a decision about a user may touch, in the order of `lua/common.lua`."""
        return self.of_user(user) + self._of_all


class RedisStore:
    """Factors, recovery codes and budgets in one Redis database.

    `client` says where: its address, database, credentials and TLS settings are used, on connections of the store's
    own, with `timeout` (seconds) for all that one operation waits for. Nothing is tried twice, since a decision whose
    answer was lost may have been made. All keys begin with `{prefix}`.

    `allow_eviction` and `allow_loss` let `prepare` pass a server that may evict keys, and one that does not write
    each change to disk: for tests, or where something else keeps what Redis loses.
    """

    def __init__(
        self,
        client: "redis.Redis",
        *,
        prefix: str = "ferrotp",
        timeout: float = TIMEOUT,
        allow_eviction: bool = False,
        allow_loss: bool = False,
    ) -> None:
        if not prefix or set("{}\0") & set(prefix):
            raise ValueError("prefix: not empty, and without braces and NUL")
        if not timeout > 0:
            raise ValueError("timeout: more than 0 seconds")
        self._allow_eviction = allow_eviction
        self._allow_loss = allow_loss
        self._timeout = timeout
        self._deadline = threading.local()
        self._prefix = prefix.encode()
        self._all_keys = SlotKeys(b"{%b}:" % self._prefix)
        self._open(client)

    def _open(self, client: Any) -> None:
        """Makes what reaches the server. It connects nowhere yet."""
        self._client = redis.Redis(connection_pool=self._pool(client))

    @classmethod
    def from_url(cls, url: str, *, timeout: float = TIMEOUT) -> "RedisStore":
        """A store by ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes them, and in the query also
        ``prefix``, ``allow_eviction=1`` and ``allow_loss=1``."""
        with suppress(ValueError, LookupError, TypeError):
            client, settings = client_of(url)
            return cls(client, timeout=timeout, **settings)
        # Raised out here: what went wrong in there may repeat the URL, and the password in it.
        raise StoreRefused(
            "not the URL of a Redis: redis://, rediss:// or unix://, settings of redis-py, and each switch 0 or 1"
        )

    def prepare(self) -> bool:
        """Refuses a server that could lose what was decided. There is nothing to create."""
        if self._check_server(self._client).get("cluster_enabled"):
            _refuse(
                self._answer_to(self._client, "CLUSTER INFO").get("cluster_size") != "1",
                "a Redis Cluster of several shards: name it by redis+cluster://, or use one with a single shard",
            )
            _refuse(
                bool(self._ask(time.monotonic() + self._timeout, "EXISTS", self._mark)),
                "the store under this prefix is spread over a Cluster: name it by redis+cluster://",
            )
        # That it may run scripts on these keys is better known now than at the first login.
        self.factors(None, 1)
        return False

    @property
    def _mark(self) -> bytes:
        """The key that says that the store of this prefix is one of `RedisClusterStore`."""
        return self._all_keys.start + b"cluster"

    def _check_server(self, client: "redis.Redis") -> dict[str, Any]:
        """Refuses a server that could lose what was decided. What it tells of itself, or nothing if it may not."""
        info = self._answer_to(client, "INFO")
        if not info:
            _refuse(
                not (self._allow_eviction and self._allow_loss),
                "Redis does not say how it is set up: allow the command INFO to this user, or say allow_eviction and"
                " allow_loss",
            )
        version = str(info.get("redis_version", "6.2"))
        _refuse(
            tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST,
            f"Redis {version} is too old: 6.2 or newer",
        )
        _refuse(info.get("role", "master") != "master", "this server is a replica: name the primary")
        if info and not self._allow_eviction:
            policy = str(info.get("maxmemory_policy", "unknown"))
            # "volatile" policies take only keys that expire, and none of ours does.
            _refuse(
                info.get("maxmemory") != 0 and policy != "noeviction" and not policy.startswith("volatile-"),
                f"Redis may evict keys (maxmemory-policy {policy}): set noeviction, or say allow_eviction",
            )
        if info and not self._allow_loss:
            _refuse(
                info.get("aof_enabled") != 1,
                "Redis does not log changes to disk, so a restart would accept codes again: set appendonly yes, or say"
                " allow_loss",
            )
            _refuse(
                self._answer_to(client, "CONFIG GET", "appendfsync").get("appendfsync") == "no",
                "Redis leaves it to the system when its log reaches the disk: set appendfsync always (or everysec), or"
                " say allow_loss",
            )
        return info

    def faults(self) -> list[str]:
        """What is wrong with the place, each with what to do: what `ferrotp doctor` says. Nothing is changed.

        :raises StoreUnavailable: if it does not answer
        """
        found = []
        try:
            self.prepare()
        except StoreRefused as error:
            found.append(str(error))
        return found + self._clock_faults(self._client)

    def _clock_faults(self, client: "redis.Redis") -> list[str]:
        before = time.time()
        seconds, _ = self._ask(time.monotonic() + self._timeout, "TIME", execute=client.execute_command)
        if not before - CLOCKS_APART - 1 < int(seconds) < time.time() + CLOCKS_APART:
            return ["the server's clock is not this machine's: set both by the network"]
        return []

    def close(self) -> None:
        self._client.connection_pool.disconnect()

    def add_factor(
        self, factor: Factor, now: int, max_factors: int, max_pending: int, *, audit: Audit | None = None
    ) -> bool:
        args: list[bytes | str] = [*_whole(now, max_factors, max_pending)]
        args += [_escaped(factor.factor_id), _record(factor), new_epoch()]
        answer = self._decide("add_factor", factor.owner, _ADDING.__getitem__, *args, audit=audit)
        if answer is None:
            raise FactorExists
        return answer

    def add_users(self, users: Sequence[NewUser], *, audit: Audit | None = None) -> list[bool]:
        answer = [self._add_user(user, _for_one(audit, number, len(users), False)) for number, user in enumerate(users)]
        if audit is not None:
            audit(answer)  # each was written with its user; this one is what it has come to
        return answer

    def _add_user(self, user: NewUser, audit: Audit | None) -> bool:
        return self._decide("add_user", user.owner, _yes, *_new_user(user), audit=audit)

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
        def read(answer: list[bytes]) -> Reservation | Refusal:
            said, *rest = answer
            if said == b"none":
                return Refusal("not enrolled")
            if said == b"disabled":
                return Refusal("disabled", 0, _yes(int(rest[0])))
            if said == b"throttled":
                return Refusal("throttled", int(rest[1]), _yes(int(rest[0])))
            if said != b"open":
                raise ValueError
            failures, retry_at, spent_until, *found = rest
            budget = Budget(int(failures), int(retry_at), int(spent_until))
            if method == "recovery":
                code = RecoveryCode(owner, selector, found[0]) if found else None
                return Reservation(owner, method, limits, budget, (), code)
            return Reservation(owner, method, limits, budget, _in_order(owner, found))

        args = (method, *_whole(now, below=_SUMMED), _escaped(factor_id), _escaped(selector), *_limits(limits))
        return self._decide("reserve", owner, read, *args, audit=audit)

    def budget(self, owner: Owner, method: Method) -> Budget:
        def read(numbers: list[bytes]) -> Budget:
            failures, retry_at, spent_until = map(int, numbers)
            return Budget(failures, retry_at, spent_until)

        return self._decide("budget", owner, read, method)

    def spend(self, owner: Owner, method: Method, now: int, limits: Limits) -> int:
        args = _whole(now, limits.cost, limits.horizon, below=_SUMMED)
        return self._decide("spend", owner, int, method, *args)

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
        """One script reads, and one keeps what it came to if all is as it was read; else once more."""
        _limits(limits)  # what Lua could not count with is refused now

        def read(answer: list[bytes]) -> Refusal | tuple[Budget, int, dict[str, bytes]]:
            if answer == [b"none"]:
                return Refusal("not enrolled")
            if answer == [b"ended"]:
                return Refusal("ended")
            if type(answer) is not list or len(answer) < 6:
                raise ValueError
            records = dict(zip(map(_unescaped, answer[4::2]), answer[5::2], strict=True))
            return Budget(*map(int, answer[:3])), int(answer[3]), records

        until = time.monotonic() + self._timeout
        tries = Tries()
        while True:
            tries.pause()
            args = (method, *_whole(now, below=_SUMMED), _escaped(factor_id), _escaped(login_id))
            there, head = self._look(owner, args, read, until, audit)
            if isinstance(there, Refusal):
                if self._refused(owner, there, head, until, audit):
                    return there
                continue
            was, codes, records = there
            charged, refusal = charge(was, now, limits)
            if refusal:
                if charged == was:
                    settled = self._refused(owner, refusal, head, until, audit)
                else:
                    rows = _rows_of(audit, refusal)
                    settled = self._settle(owner, method, was, charged, records, until, head=head, rows=rows)
                if settled:
                    return refusal
                continue
            factors = sorted((_factor(owner, name, raw) for name, raw in records.items()), key=_age)
            answer = Reservation(owner, method, limits, charged, tuple(factors), recovery_codes=codes)
            failure: BaseException | None = None
            found = None
            try:
                found = answer.newer(decide(answer))
            except BaseException as error:
                failure = error
            kept = answer if found is None else replace(answer, accepted=found[1])
            after, changed = (charged, None) if found is None else (refund(charged, limits), advanced(*found, now))
            rows = _rows_of(audit, kept)
            if self._settle(owner, method, was, after, records, until, changed, head=head, rows=rows):
                if failure is not None:
                    raise failure
                return kept

    def _look(
        self,
        owner: Owner,
        args: Sequence[bytes | str],
        read: Callable[[Any], T],
        until: float,
        audit: Audit | None,
    ) -> "tuple[T, tuple[bytes, bytes]]":
        """What an attempt is tried on, and with an audit the head of the user's rows as it is kept."""
        if audit is None:
            return self._decide("look", owner, read, *args, until=until), (b"", b"")
        user = _owner(owner)
        slot = self._keys(user)
        _, _, heads, answer = self._audited("look", slot, slot.of_decision(user), (user, *args), [user], read, until)
        return answer, (heads[0], heads[1])

    def _refused(
        self, owner: Owner, refusal: Refusal, head: tuple[bytes, bytes], until: float, audit: Audit | None
    ) -> bool:
        """Writes the row of a refusal that changes nothing else, if no other row came in between."""
        return audit is None or self._commit("append_audit", owner, (), (), head, _rows_of(audit, refusal), until)

    def unlock(
        self,
        reservation: Reservation,
        accepted: Acceptance,
        now: int,
        *,
        disable_at: int,
        audit: Audit | None = None,
    ) -> bool:
        numbers = _whole(reservation.limits.cost, disable_at)
        steps = _step(accepted.step - 1), _step(accepted.step)
        args = [reservation.method, *numbers, _escaped(accepted.factor_id), *steps, *_whole(accepted.drift, now)]
        read = reservation.sealed(accepted.factor_id)
        if accepted.resealed is not None and read is not None:
            args += [read, accepted.resealed]
        return self._decide("unlock", reservation.owner, _yes, *args, audit=audit)

    def _settle(
        self,
        owner: Owner,
        method: Method,
        was: Budget,
        after: Budget,
        records: dict[str, bytes],
        until: float,
        changed: Factor | None = None,
        *,
        head: tuple[bytes, bytes] = (b"", b""),
        rows: "Sequence[AuditAppend] | None" = None,
    ) -> bool:
        """Keeps a budget, and a factor if one has changed, where they are as they were read; with rows of the audit,
        if there is one."""
        factor_id = changed.factor_id if changed else next(iter(records))
        new = [_record(changed)] if changed else []
        args = (method, *_numbers(was), *_numbers(after), _escaped(factor_id), records[factor_id], *new)
        if rows is None:
            return self._decide("settle", owner, _yes, *args, until=until)
        user = _owner(owner)
        return self._commit("settle", owner, self._keys(user).of_decision(user), (user, *args), head, rows, until)

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
        limits = reservation.limits
        args: list[bytes | str] = [reservation.method, *_whole(limits.cost, limits.disable_at)]
        args += [_escaped(accepted.factor_id), _step(accepted.step)]
        args += [*_whole(accepted.drift, now), new_epoch(), *_whole(max_factors, only_first)]
        args += [name.encode("utf-8", "surrogatepass"), *_pairs(codes)]
        answer = self._decide("confirm", reservation.owner, _CONFIRMED.__getitem__, *args, audit=_if_added(audit))
        return _unless_refused(answer, max_factors)

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
        args = _new_passkey(passkey, answered, now, codes, max_factors, only_first)
        answer = self._decide("add_passkey", passkey.owner, _ADDED.__getitem__, *args, audit=_if_added(audit))
        return _unless_refused(answer, max_factors)

    def passkey(self, tenant: str, factor_id: str) -> Factor | None:
        return self._passkey_in(self._all_keys, tenant, factor_id)

    def _passkey_in(self, keys: SlotKeys, tenant: str, factor_id: str) -> Factor | None:
        """The passkey, if its user is one of this slot."""

        def read(answer: list[bytes]) -> Factor | None:
            if not answer:
                return None
            user, raw = answer
            _, user_id = map(_unescaped, user.split(b"\0"))
            return _factor(Owner(tenant, user_id), factor_id, raw)

        args = (keys.hashes[Factor], _of_tenant(tenant, factor_id), _escaped(factor_id))
        return self._run("passkey", [keys.passkeys], args, read)

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
        args: list[bytes | str] = [_escaped(answered.challenge), *_whole(answered.expires_at, now)]
        args += [_escaped(passkey.factor_id), passkey.sealed, sealed, _step(counter), *_whole(disable_at)]
        return self._decide("use_passkey", passkey.owner, _USED.__getitem__, *args, audit=audit)

    def disable_passkey(self, passkey: Factor, *, audit: Audit | None = None) -> bool:
        return self._decide("disable_passkey", passkey.owner, _yes, _escaped(passkey.factor_id), audit=audit)

    def redeem(self, reservation: Reservation, selector: str, now: int, *, audit: Audit | None = None) -> int | None:
        read = reservation.recovery_code
        if read is None or read.selector != selector:
            return None
        args = (reservation.method, *_whole(reservation.limits.cost), _escaped(selector), read.sealed)
        return self._decide("redeem", reservation.owner, _count_or_none, *args, audit=audit)

    def replace_recovery_codes(
        self,
        owner: Owner,
        codes: Sequence[RecoveryCode],
        now: int,
        only_first: bool = False,
        *,
        audit: Audit | None = None,
    ) -> bool:
        return self._decide("replace_recovery_codes", owner, _yes, *_whole(only_first), *_pairs(codes), audit=audit)

    def remove_factor(
        self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False, *, audit: Audit | None = None
    ) -> Factor | None:
        def audit_removed(removed: Factor | int | None) -> Sequence[AuditAppend]:
            return () if audit is None or isinstance(removed, int) else audit(removed)

        def read(answer: bytes | int | None) -> Factor | int | None:
            return _factor(owner, factor_id, answer) if isinstance(answer, bytes) else answer

        args: tuple[bytes | str, ...] = (_escaped(factor_id), epoch, *_whole(keep_last))
        removed = self._decide("remove_factor", owner, read, *args, audit=audit and audit_removed)
        if isinstance(removed, int):
            raise LastFactor
        return removed

    def reset(self, owner: Owner, *, audit: Audit | None = None) -> int:
        return self._decide("reset", owner, _count, audit=audit)

    def delete_users(self, owners: Sequence[Owner], *, audit: Audit | None = None) -> list[int]:
        gone = self._delete_in(self._all_keys, {owner: _owner(owner) for owner in owners}, owners, audit)
        return _in_places(gone, owners)

    def _delete_in(
        self, keys: SlotKeys, users: Mapping[Owner, bytes], owners: Sequence[Owner], audit: Audit | None
    ) -> dict[Owner, int]:
        """Removes users of one slot. How many factors each had.

        :param owners: all who are asked for, in the order of the answer
        """
        names = [name for user in users.values() for name in keys.of_user(user)]
        names += [keys.indexes[Factor], keys.indexes[RecoveryCode], keys.passkeys]

        def read(counts: list[int]) -> dict[Owner, int]:
            return dict(zip(users, map(_count, counts), strict=True))

        args = [*users.values()]
        if audit is None:
            return self._run("delete_users", names, args, read)

        def audit_gone(gone: dict[Owner, int]) -> Sequence[AuditAppend]:
            return audit(_in_places(gone, owners))

        return self._decide_audited("delete_users", keys, names, args, [*users], read, audit_gone)

    def move_epoch(self, owner: Owner, epoch: str, was: str | None, *, audit: Audit | None = None) -> int | None:
        args = [epoch] if was is None else [epoch, was]
        return self._decide("move_epoch", owner, _count_or_none, *args, audit=audit)

    def epoch(self, owner: Owner) -> str:
        return self._decide("epoch", owner, bytes.decode, new_epoch())

    def add_device(self, device: TrustedDevice, now: int, max_devices: int, *, audit: Audit | None = None) -> bool:
        name = device.name.encode("utf-8", "surrogatepass")
        times = (device.created_at, device.expires_at, device.last_used_at)
        line = b" ".join([b"1", *_whole(*times, len(device.token_hash), 0)])
        record = line + b"\n" + device.token_hash + name
        args = (*_whole(now, max_devices), _escaped(device.series), record)
        return self._decide("add_device", device.owner, _yes, *args, audit=audit)

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
        args = (_escaped(series), token_hash, next_hash, *_whole(now, grace, DEVICE_SKEW))
        return self._decide("use_device", owner, _TRUST.__getitem__, *args, audit=audit)

    def devices(self, owner: Owner) -> list[TrustedDevice]:
        def read(flat: list[bytes]) -> list[TrustedDevice]:
            found = [_device(owner, _unescaped(flat[i]), flat[i + 1]) for i in range(0, len(flat), 2)]
            return sorted(found, key=lambda device: (device.created_at, device.series))

        return self._decide("devices", owner, read)

    def remove_devices(self, owner: Owner, series: str | None, *, audit: Audit | None = None) -> int:
        args = [] if series is None else [_escaped(series)]
        return self._decide("remove_devices", owner, _count, *args, audit=audit)

    def end_half_login(self, owner: Owner, login_id: str, expires_at: int, now: int) -> None:
        self._decide("end_half_login", owner, _yes, _escaped(login_id), *_whole(expires_at, now))

    def has_ended(self, owner: Owner, login_id: str) -> bool:
        return self._decide("has_ended", owner, _yes, _escaped(login_id))

    def user(self, owner: Owner) -> UserState:
        def read(answer: list[Any]) -> UserState:
            codes, epoch, *rest = answer
            numbers = [int(number) for number in rest[: 3 * len(METHODS)]]
            budgets = {method: Budget(*numbers[3 * i : 3 * i + 3]) for i, method in enumerate(METHODS)}
            return UserState(_in_order(owner, rest[3 * len(METHODS) :]), budgets, _count(codes), epoch.decode())

        return self._decide("user", owner, read, new_epoch())

    def factors(self, after: Factor | None, limit: int) -> list[Factor]:
        place = _member(after.owner, after.factor_id) if after else b""
        return self._list(Factor, place, limit, _factor)

    def recovery_codes(self, after: RecoveryCode | None, limit: int) -> list[RecoveryCode]:
        place = _member(after.owner, after.selector) if after else b""
        return self._list(RecoveryCode, place, limit, RecoveryCode)

    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        return self._reseal_in(self._all_keys, changes)

    def _reseal_in(self, slot: SlotKeys, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        """The same for records of one slot."""
        keys: list[bytes] = []
        args: list[bytes | str] = []
        for read, sealed in changes:
            keys.append(slot.hashes[type(read)] + _owner(read.owner))
            if isinstance(read, Factor):
                args += ["factor", _escaped(read.factor_id), read.sealed, sealed]
            else:
                args += ["code", _escaped(read.selector), read.sealed, sealed]
        return self._run("reseal", keys, args, _count)

    # The audit

    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        def rows(_: bool) -> Sequence[AuditAppend]:
            return appends

        owners = [append.owner for append in appends]
        self._decide_audited("append_audit", self._all_keys, (), (), owners, _yes, rows)

    def audit_head(self, owner: Owner) -> AuditHead:
        user = _owner(owner)
        return self._run("audit_head", self._keys(user).of_audit(user), (), lambda answer: _head(*answer))

    def audit_rows(self, owner: Owner, after: int, limit: int) -> list[AuditRow]:
        return self._audit_rows(owner, "after", after, limit)

    def recent_audit_rows(self, owner: Owner, before: int, limit: int) -> list[AuditRow]:
        return self._audit_rows(owner, "before", before, limit)

    def _audit_rows(self, owner: Owner, side: str, number: int, limit: int) -> list[AuditRow]:
        def read(flat: list[bytes]) -> list[AuditRow]:
            return [_audit_row(owner, raw, place) for raw, place in zip(flat[::2], flat[1::2], strict=True)]

        user = _owner(owner)
        args: list[bytes | str] = [side, *_whole(min(number, _WHOLE - 1), limit)]
        return self._run("audit_rows", self._keys(user).of_audit(user)[:1], args, read)

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        return self._audited_in(self._all_keys, _owner(after) if after else b"", limit)

    def _audited_in(self, keys: SlotKeys, after: bytes, limit: int) -> list[Owner]:
        """Those of one slot."""

        def read(users: list[bytes]) -> list[Owner]:
            return [Owner(*map(_unescaped, user.split(b"\0"))) for user in users]

        return self._run("audit_owners", [keys.audited], [after, *_whole(limit)], read)

    def headless_audit(self, limit: int) -> list[Owner]:
        """None: a user who is in the list is among those of `audit_owners`, with a head or without."""
        return []

    def revise_audit(self, owner: Owner, read: AuditHead, head: AuditHead, rows: Sequence[AuditRow]) -> bool:
        user = _owner(owner)
        args: list[bytes | str] = [_head_record(read), _head_record(head), *_whole(head.pruned)]
        for row in rows:
            args += [*_whole(row.number), _audit_record(row)]
        return self._run("revise_audit", self._keys(user).of_audit(user), args, _yes)

    def _decide_audited(
        self,
        script: str,
        slot: SlotKeys,
        keys: Sequence[bytes],
        args: Sequence[bytes | str],
        owners: Sequence[Owner],
        read: Callable[[Any], T],
        audit: Audit,
    ) -> T:
        """A script's decision with the rows of its answer: asked for, and then made, if it is still the same.

        :param owners: whose rows there may be
        """
        until = getattr(self._deadline, "whole", None) or time.monotonic() + self._timeout
        users = [_owner(owner) for owner in owners]
        made: list[bytes | str] = []
        digest = b""
        while True:
            is_made, digest, heads, answer = self._audited(script, slot, keys, args, users, read, until, digest, made)
            if is_made:
                return answer
            coming = {append.owner: append for append in audit(answer)}
            made = []
            for owner, user, *head in zip(owners, users, heads[::2], heads[1::2], strict=True):
                made += _coming(user, (head[0], head[1]), coming.pop(owner, None))
            if coming:
                raise AssertionError("rows of the audit are of the users that are decided on")

    def _commit(
        self,
        script: str,
        owner: Owner,
        keys: Sequence[bytes],
        args: Sequence[bytes | str],
        head: tuple[bytes, bytes],
        appends: Sequence[AuditAppend] | None,
        until: float,
    ) -> bool:
        """A script whose answer is yes or no, with the rows of a yes, after a head that was read. Whether it was yes,
        and no other rows came in between."""
        user = _owner(owner)
        rows = _coming(user, head, appends[0] if appends else None)
        found = self._audited(script, self._keys(user), keys, args, [user], int, until, _SAID_YES, rows)
        return found[0]

    def _audited(
        self,
        script: str,
        slot: SlotKeys,
        keys: Sequence[bytes],
        args: Sequence[bytes | str],
        users: Sequence[bytes],
        read: Callable[[Any], T],
        until: float,
        digest: bytes = b"",
        rows: Sequence[bytes | str] = (),
    ) -> "tuple[bool, bytes, list[bytes], T]":
        """See `lua/audit_begin.lua`."""

        def read_all(answer: list[Any]) -> "tuple[bool, bytes, list[bytes], T]":
            is_made, said, heads, its_answer = answer
            return {b"1": True, b"0": False}[is_made], said, heads, read(its_answer)

        names = [*keys, *(name for user in users for name in slot.of_audit(user)), slot.audited]
        sent = [*_whole(len(keys), len(args)), digest, *args, *_whole(len(users)), *rows]
        return self._run(f"audited {script}", names, sent, read_all, until)

    def _keys(self, user: bytes) -> SlotKeys:
        """Those of the slot that a user is in."""
        return self._all_keys

    def _decide(
        self,
        script: str,
        owner: Owner,
        read: Callable[[Any], T],
        *args: bytes | str,
        until: float | None = None,
        audit: Audit | None = None,
    ) -> T:
        user = _owner(owner)
        slot = self._keys(user)
        if audit is not None:
            return self._decide_audited(script, slot, slot.of_decision(user), (user, *args), [owner], read, audit)
        return self._run(script, slot.of_decision(user), (user, *args), read, until)

    def _list(self, kind: type, after: bytes, limit: int, make: Callable[[Owner, str, bytes], T]) -> list[T]:
        return self._list_in(self._all_keys, kind, after, limit, make)

    def _list_in(
        self, keys: SlotKeys, kind: type, after: bytes, limit: int, make: Callable[[Owner, str, bytes], T]
    ) -> list[T]:
        """The records of one slot."""

        def read(flat: list[bytes]) -> list[T]:
            found = []
            for member, raw in zip(flat[::2], flat[1::2], strict=True):
                tenant, user_id, last = map(_unescaped, member.split(b"\0"))
                found.append(make(Owner(tenant, user_id), last, raw))
            return found

        return self._run("list", [keys.indexes[kind]], [keys.hashes[kind], after, *_whole(limit)], read)

    @contextmanager
    def _one_deadline(self) -> Iterator[None]:
        """All that is asked in here has the time of one operation together."""
        self._deadline.whole = time.monotonic() + self._timeout
        try:
            yield
        finally:
            self._deadline.whole = None

    def _run(
        self,
        name: str,
        keys: Sequence[bytes],
        args: Sequence[bytes | str],
        read: Callable[[Any], T],
        until: float | None = None,
    ) -> T:
        """A script's answer, as `read` makes it out. One round trip, unless the server has to be sent the script."""
        if until is None:
            until = getattr(self._deadline, "whole", None) or time.monotonic() + self._timeout
        digest, text = _script(name)
        answer = self._ask(until, "EVALSHA", digest, len(keys), *keys, *args)
        if answer is _NOT_LOADED:
            answer = self._ask(until, "EVAL", text, len(keys), *keys, *args)
        with suppress(AttributeError, LookupError, TypeError, ValueError):
            return read(answer)
        raise StoreUnavailable("Redis: the answer is none of the script's")

    def _execute(self, *command: Any) -> Any:
        """What the server that the command is for answers."""
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call, unused-ignore]

    def _ask(self, until: float, *command: Any, execute: Callable[..., Any] | None = None) -> Any:
        self._deadline.until = until
        try:
            return (execute or self._execute)(*command)
        except NoScriptError:
            return _NOT_LOADED
        except (RedisError, OSError) as error:
            damaged = isinstance(error, ResponseError) and "FERROTP damaged" in str(error)
            reason = "a record is missing or damaged" if damaged else type(error).__name__
        finally:
            self._deadline.until = None
        # Raised out here: redis-py's error, and the frames that it holds, know the command and the credentials.
        raise (StoreDamaged if damaged else StoreUnavailable)(f"Redis: {reason}")

    def _answer_to(self, client: "redis.Redis", *command: str) -> dict[str, Any]:
        """What a server tells of itself. Empty if it may not be asked."""
        self._deadline.until = time.monotonic() + self._timeout
        try:
            told = client.execute_command(*command)  # type: ignore[no-untyped-call, unused-ignore]
            return {_text(name): _text(value) for name, value in told.items()}
        except (RedisError, OSError) as error:
            if isinstance(error, NoPermissionError) or "unknown command" in str(error):
                return {}
            reason = type(error).__name__
        finally:
            self._deadline.until = None
        raise StoreUnavailable(f"Redis: {reason}")

    def _pool(self, client: "redis.Redis", share: int = 1, **place: Any) -> "redis.ConnectionPool":
        """A pool like the client's, with what this store needs of its connections.

        It is redis-py's, and not `ferrotp.mfa.stores.pool`: it knows Sentinel and TLS, minds forks, and has room for
        any number of connections, so that nobody queues for one.

        :param share: each wait takes at most this part of what is left of the time
        :param place: settings in place of the client's
        """
        theirs: Any = getattr(client, "connection_pool", None)
        if type(theirs) not in (redis.ConnectionPool, redis.BlockingConnectionPool, SentinelConnectionPool):
            raise TypeError("client: a redis.Redis on a redis.ConnectionPool or of a Sentinel; no Cluster, no asyncio")
        settings = {
            name: value
            for name, value in theirs.connection_kwargs.items()
            if not name.startswith(("maint_notifications", "orig_", "retry", "socket_timeout", "socket_connect_"))
            and name not in ("cache", "cache_config", "connection_pool")
        }
        limits = {"store_deadline": self._deadline, "store_timeout": self._timeout, "share": share}
        settings |= {
            "connection_class": type("Bounded", (_Bounded, theirs.connection_class), limits),
            "max_connections": 2**31,
            # One answer for one command: without health checks, and without the pushes of protocol 3.
            "health_check_interval": 0,
            "protocol": 2,
            "decode_responses": False,
            "retry": Retry(NoBackoff(), 0),
            **place,
        }
        if isinstance(theirs, SentinelConnectionPool):
            if not theirs.is_master:
                raise TypeError("client: of the primary (master_for), not of a replica")
            manager = copy(theirs.sentinel_manager)
            # A quarter: one that hangs leaves time to ask the next.
            manager.sentinels = [redis.Redis(connection_pool=self._pool(sentinel, 4)) for sentinel in manager.sentinels]
            made: redis.ConnectionPool = SentinelConnectionPool(theirs.service_name, manager, **settings)  # type: ignore[no-untyped-call]
            return made
        pool = redis.ConnectionPool(**settings)
        # A setting that redis-py does not know is found now, and not at the first login.
        pool.connection_class(**pool.connection_kwargs)
        return pool


class _Bounded:
    """A connection that waits no longer than to the deadline of what its thread has asked the store."""

    store_deadline: threading.local
    store_timeout: float
    share: int
    _sock: Any

    def _left(self) -> float:
        until = getattr(self.store_deadline, "until", None)
        left: float = self.store_timeout if until is None else until - time.monotonic()
        if left <= 0:
            raise TimeoutError  # as a socket would
        return left / self.share

    @property
    def socket_timeout(self) -> float:
        return self._left()

    @socket_timeout.setter
    def socket_timeout(self, value: object) -> None:
        pass

    @property
    def socket_connect_timeout(self) -> float:
        return self._left()

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: object) -> None:
        pass

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        self._limit()
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            self._limit()
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError:
            raise
        except BaseException:
            # An answer that comes after all must not be read as that to the next question.
            self.disconnect()  # type: ignore[attr-defined]
            raise

    def _limit(self) -> None:
        if self._sock:
            try:
                self._sock.settimeout(self._left())
            except TimeoutError:
                raise RedisTimeoutError("the time is over") from None


_NOT_LOADED: Final = object()


@cache
def _script(name: str) -> tuple[str, str]:
    """A script's digest, by which Redis knows it, and its text. A name may be of several files, one after the other."""
    folder = Path(__file__).with_name("lua")

    def read(*parts: str) -> str:
        return "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)

    first, *others = name.split()
    if first == "audited":
        decision = f"local function decide()\n{read(*others)}\nend\n"
        text = read("audit_begin", "common") + decision + read("audit_end")
    else:
        text = read("common", first, *others)
    return sha1(text.encode(), usedforsecurity=False).hexdigest(), text


def client_of(url: str) -> "tuple[redis.Redis, dict[str, Any]]":
    """A client, and the store's own settings: those of `RedisStore`.

    :raises ValueError: for another URL, as `LookupError` and `TypeError`; it may repeat a password
    """
    place, _, query = url.partition("?")
    ours: dict[str, Any] = {}
    theirs = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "prefix":
            ours[name] = value
        elif name in ("allow_eviction", "allow_loss"):
            ours[name] = {"0": False, "1": True}[value]
        else:
            theirs.append((name, value))
    pool = redis.ConnectionPool.from_url(f"{place}?{urlencode(theirs)}")
    return redis.Redis(connection_pool=pool), ours


def _refuse(fault: bool, message: str) -> None:
    if fault:
        raise StoreRefused(message)


def _yes(answer: int) -> bool:
    return {0: False, 1: True}[answer]


def _count(answer: int) -> int:
    if type(answer) is not int:
        raise TypeError
    return answer


def _unless_refused(
    answer: Confirmation | Literal["taken", "enrolled", "full"] | None, max_factors: int
) -> Confirmation | None:
    """What a script says of a new factor, with what it refuses as an exception."""
    if answer == "taken":
        raise PasskeyTaken
    if answer == "enrolled":
        raise AlreadyEnrolled
    if answer == "full":
        raise TooManyFactors(f"a user has at most {max_factors} factors: remove one first")
    return answer


def _count_or_none(answer: int | None) -> int | None:
    return None if answer is None else _count(answer)


_ADDING: Final[dict[int, bool | None]] = {0: False, 1: True, 2: None}
"""What `lua/add_factor.lua` says. None: there is one of this id."""

_SAID_YES: Final = sha1(b"number1:1", usedforsecurity=False).hexdigest().encode()
"""What `lua/audit_end.lua` says of a yes."""


def _rows_of(audit: Audit | None, answer: object) -> "Sequence[AuditAppend] | None":
    return None if audit is None else audit(answer)


def _if_added(audit: Audit | None) -> Audit | None:
    """What is raised is no answer: no rows go with it."""
    return None if audit is None else lambda answer: audit(answer) if isinstance(answer, Confirmation) else ()


def _for_one(audit: Audit | None, number: int, count: int, nothing: T) -> Audit | None:
    """What there is to write of one of several, whose answers are one list."""
    if audit is None:
        return None
    return lambda answer: audit([answer if place == number else nothing for place in range(count)])


def _in_places(found: Mapping[Owner, int], owners: Sequence[Owner]) -> list[int]:
    """The count of each owner. One who stands twice had as many the first time."""
    left = dict(found)
    return [left.pop(owner, 0) for owner in owners]


def _coming(user: bytes, head: tuple[bytes, bytes], append: AuditAppend | None) -> list[bytes | str]:
    """What `lua/audit_end.lua` takes of one user."""
    if append is None:
        return [user, *head, b"", b"0"]
    fresh, rows = append.after(_head(*head))
    parts: list[bytes | str] = []
    for row in rows:
        parts += [*_whole(row.number), _audit_record(row)]
    sent: list[bytes | str] = [user, *head, _head_record(fresh), *_whole(len(rows))]
    return sent + parts


def _audit_record(row: AuditRow) -> str:
    numbers, said = (row.number, row.at), (row.kind, row.factor_id, row.method, row.detail, row.address, row.user_agent)
    return json.dumps([*numbers, *said, row.before.hex(), row.key_id, row.mac.hex()])


def _audit_row(owner: Owner, raw: bytes, number: bytes) -> AuditRow:
    """A row; one that somebody has changed into no row is one that is not right."""
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        place, at, *said, before, key_id, mac = json.loads(raw)
        if place == float(number) and len(said) == 6 and all(isinstance(text, str) for text in (*said, key_id)):
            return AuditRow(owner, int(place), int(at), *said, bytes.fromhex(before), key_id, bytes.fromhex(mac))  # type: ignore[call-arg]
    return AuditRow(owner, int(float(number)), 0, "", "", "", "", "", "", b"", "", b"")


def _head_record(head: AuditHead) -> str:
    if not head.number:
        return ""
    hashes = head.link.hex(), head.anchor.hex(), head.mac.hex()
    return json.dumps([head.number, hashes[0], head.pruned, hashes[1], head.key_id, hashes[2]])


def _head(raw: bytes, last: bytes) -> AuditHead:
    """A head; one that somebody has changed into none is one that is not right."""
    newest = int(float(last))
    if not raw:
        return AuditHead(last=newest)
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        number, link, pruned, anchor, key_id, mac = json.loads(raw)
        if isinstance(key_id, str):
            hashes = map(bytes.fromhex, (link, anchor, mac))
            return AuditHead(int(number), next(hashes), int(pruned), next(hashes), key_id, next(hashes), newest)
    return AuditHead(max(newest, 1), last=newest)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _whole(*numbers: int, below: int = _WHOLE) -> list[bytes]:
    for number in numbers:
        if not -below < number < below:
            raise ValueError(f"{number}: Redis could not count exactly with so large a number")
    return [b"%d" % number for number in numbers]


def _numbers(budget: Budget) -> list[bytes]:
    return _whole(budget.failures, budget.retry_at, budget.spent_until)


def _step(step: int) -> bytes:
    if not NEVER_USED <= step < _STEPS:
        raise ValueError(f"step {step}: from 0 to 2^64 - 1")
    return b"%d" % step


@lru_cache(maxsize=16)
def _limits(limits: Limits) -> tuple[bytes, ...]:
    numbers = (limits.cost, limits.horizon, limits.disable_at, limits.free, *limits.delays)
    return tuple(_whole(*numbers, below=_SUMMED))


def _pairs(codes: Sequence[RecoveryCode]) -> list[bytes]:
    return [part for code in codes for part in (_escaped(code.selector), code.sealed)]


def _new_user(user: NewUser) -> list[bytes | str]:
    """What `lua/add_user.lua` takes."""
    factors = [part for factor in user.factors for part in (_escaped(factor.factor_id), _record(factor))]
    return [new_epoch(), *_whole(len(user.factors)), *factors, *_pairs(user.recovery_codes)]


def _new_passkey(
    passkey: Factor,
    answered: AnsweredChallenge,
    now: int,
    codes: Sequence[RecoveryCode],
    max_factors: int,
    only_first: bool,
) -> list[bytes | str]:
    """What `lua/add_passkey.lua` takes."""
    args: list[bytes | str] = [_escaped(answered.challenge), *_whole(answered.expires_at, now)]
    args += [_escaped(passkey.factor_id), _record(passkey), *_whole(max_factors, only_first), new_epoch()]
    return [*args, *_pairs(codes)]


# Keys and members of the indexes are compared byte by byte. With NUL between tenant, user and id, and NUL itself
# escaped, that gives the order of the three, and no two owners the same key.


def _escaped(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")


def _unescaped(raw: bytes) -> str:
    return raw.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1").decode("utf-8", "surrogatepass")


def _owner(owner: Owner) -> bytes:
    return _escaped(owner.tenant) + b"\0" + _escaped(owner.user_id)


def _of_tenant(tenant: str, name: str) -> bytes:
    """What names a passkey, or a challenge, among all users' of a tenant."""
    return _escaped(tenant) + b"\0" + _escaped(name)


def _member(owner: Owner, last: str) -> bytes:
    return _owner(owner) + b"\0" + _escaped(last)


def _record(factor: Factor) -> bytes:
    """A factor as the scripts know it: see `lua/common.lua`."""
    name = factor.name.encode("utf-8", "surrogatepass")
    fields = [
        b"1",
        factor.kind.encode(),
        factor.state.encode(),
        b"%d" % factor.legacy,
        *_whole(factor.created_at, factor.expires_at),
        _step(factor.last_step),
        *_whole(factor.drift, factor.last_used_at, len(name)),
    ]
    return b" ".join(fields) + b"\n" + name + factor.sealed


def _factor(owner: Owner, factor_id: str, raw: bytes) -> Factor:
    line, _, rest = raw.partition(b"\n")
    _, kind, state, legacy, *numbers = line.split(b" ")
    created, expires, last, drift, used, size = map(int, numbers)
    return Factor(
        owner,
        factor_id,
        _KINDS[kind],
        rest[:size].decode("utf-8", "surrogatepass"),
        _STATES[state],
        rest[size:],
        legacy == b"1",
        created,
        expires,
        last,
        drift,
        used,
    )


_KINDS: Final[dict[bytes, Literal["totp", "hotp", "passkey"]]] = {
    b"totp": "totp",
    b"hotp": "hotp",
    b"passkey": "passkey",
}
_STATES: Final[dict[bytes, Literal["pending", "active", "disabled"]]] = {
    b"pending": "pending",
    b"active": "active",
    b"disabled": "disabled",
}


_TRUST: Final[dict[bytes, Literal["renewed", "same", "unknown", "stolen"]]] = {
    b"renewed": "renewed",
    b"same": "same",
    b"unknown": "unknown",
    b"stolen": "stolen",
}


_CONFIRMED: Final[dict[bytes, Confirmation | Literal["enrolled", "full"] | None]] = {
    b"gone": None,
    b"enrolled": "enrolled",
    b"full": "full",
    b"confirmed": Confirmation(codes_kept=False),
    b"confirmed with codes": Confirmation(codes_kept=True),
}


_ADDED: Final[dict[bytes, Confirmation | Literal["taken", "enrolled", "full"] | None]] = {
    b"answered": None,
    b"taken": "taken",
    b"enrolled": "enrolled",
    b"full": "full",
    b"confirmed": Confirmation(codes_kept=False),
    b"confirmed with codes": Confirmation(codes_kept=True),
}


_USED: Final[dict[bytes, Literal["accepted", "answered", "changed"]]] = {
    b"accepted": "accepted",
    b"answered": "answered",
    b"changed": "changed",
}


def _device(owner: Owner, series: str, raw: bytes) -> TrustedDevice:
    line, _, rest = raw.partition(b"\n")
    _, created, expires, used, size, other = line.split(b" ")
    hash_end = int(size)
    name = rest[hash_end + int(other) :].decode("utf-8", "surrogatepass")
    return TrustedDevice(owner, series, name, rest[:hash_end], int(created), int(expires), int(used))


def _in_order(owner: Owner, flat: list[bytes]) -> tuple[Factor, ...]:
    """The factors of an answer, the oldest first."""
    found = [_factor(owner, _unescaped(flat[i]), flat[i + 1]) for i in range(0, len(flat), 2)]
    return tuple(sorted(found, key=_age))


def _age(factor: Factor) -> tuple[int, str]:
    return factor.created_at, factor.factor_id
