"""A store that is spread over the shards of a Redis Cluster.

Users are dealt out to lists, by tenant and user, and each list is in a hash slot of its own, with all that is kept of
its users: so a decision about a user is the one script of `RedisStore`, and nothing of all users is written by it. See
`docs/redis.md`.

Two things are unique among all users, whose slots no script can change together: the id of a passkey, and the answer to
a challenge. Each is claimed in a slot of its own first, and fails closed.

- A passkey: the user's slot keeps a claim under way, under a random name, which expires. The id's slot names the user
  and that claim, by compare-and-set. Then the user's script adds the passkey, if the claim is still there, and uses it
  up. The id is another's for as long as that one's claim is under way, or the passkey is there; what is left of a
  process that died in between stands for nothing once its claim has expired, which is the user's own slot's to say: no
  two clocks are compared.
- A challenge: it is answered in its own slot, then the passkey is used, and the user's slot remembers the answer, too.
  So one passkey never answers it twice whatever a slot forgets. If the passkey is refused, the answer is taken back; if
  nobody knows what came of it, it stays, and the user asks for another challenge.
"""

import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import redis
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from ..errors import StoreRefused, StoreUnavailable
from .base import TIMEOUT, AnsweredChallenge, Audit, AuditAppend, Confirmation, Factor, NewUser, Owner, RecoveryCode
from .redis import (
    _ADDED,
    RedisStore,
    SlotKeys,
    _escaped,
    _if_added,
    _in_places,
    _new_passkey,
    _new_user,
    _of_tenant,
    _owner,
    _refuse,
    _unescaped,
    _unless_refused,
    _whole,
    _yes,
    client_of,
)
from .redis_nodes import SLOTS, Address, Nodes

T = TypeVar("T")

LISTS: Final = 256
"""How many lists there are, and so how many shards have users at most. It is part of where everything is kept."""

_CLAIM: Final = 10_000
"""Milliseconds for which a claim under way stands, at least."""


class RedisClusterStore(RedisStore):
    """Factors, recovery codes and budgets, spread over the shards of a Redis Cluster.

    `client` says where, with which credentials and TLS settings: a `redis.RedisCluster`, or a `redis.Redis` of one of
    the nodes. The rest is as in `RedisStore`, whose keys these are not: a store is opened as what it was made as.
    """

    def __init__(
        self,
        client: "redis.RedisCluster | redis.Redis",
        *,
        prefix: str = "ferrotp",
        timeout: float = TIMEOUT,
        allow_eviction: bool = False,
        allow_loss: bool = False,
    ) -> None:
        super().__init__(
            client,  # type: ignore[arg-type]
            prefix=prefix,
            timeout=timeout,
            allow_eviction=allow_eviction,
            allow_loss=allow_loss,
        )
        self._lists = _lists(self._prefix)

    def _open(self, client: Any) -> None:
        if isinstance(client, redis.RedisCluster):
            nodes = client.get_nodes()  # type: ignore[no-untyped-call, unused-ignore]
            seeds = [(node.host, int(node.port)) for node in nodes]
            client = client.get_redis_connection(nodes[0])
        else:
            settings = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {"path": ""})
            if "path" in settings or settings.get("db"):
                raise TypeError("client: a redis.RedisCluster, or a redis.Redis of a node, by TCP and of database 0")
            seeds = [(settings.get("host", "localhost"), int(settings.get("port", 6379)))]

        def connect(address: Address) -> "redis.Redis":
            # What a RedisCluster does with each new connection is for reading from replicas.
            place: dict[str, Any] = {"host": address[0], "port": address[1], "redis_connect_func": None}
            return redis.Redis(connection_pool=self._pool(client, **place))

        connect(seeds[0])  # a setting that redis-py does not know is found now
        self._nodes = Nodes(seeds, connect, self._deadline)

    @classmethod
    def from_url(cls, url: str, *, timeout: float = TIMEOUT) -> "RedisClusterStore":
        """A store by ``redis+cluster://`` or ``rediss+cluster://`` with one node or several, separated by commas, and
        in the query what `RedisStore.from_url` takes."""
        with suppress(ValueError, LookupError, TypeError):
            place, mark, query = url.partition("?")
            scheme, _, rest = place.partition("://")
            servers, slash, path = rest.partition("/")
            credentials, at, hosts = servers.rpartition("@")
            first, *others = hosts.split(",")
            plain = {"redis+cluster": "redis", "rediss+cluster": "rediss"}[scheme]
            client, settings = client_of(f"{plain}://{credentials}{at}{first}{slash}{path}{mark}{query}")
            store = cls(client, timeout=timeout, **settings)
            store._nodes.seeds += map(_address, others)
            return store
        # Raised out here: what went wrong in there may repeat the URL, and the password in it.
        raise StoreRefused(
            "not the URL of a Redis Cluster: redis+cluster:// or rediss+cluster://, nodes separated by commas, settings"
            " of redis-py, and each switch 0 or 1"
        )

    def prepare(self) -> bool:
        """Refuses a Cluster that could lose what was decided, and one that has a store of `RedisStore` under this
        prefix. There is nothing to create but a mark that says that a store is here."""
        self._check_nodes()
        found = self._marked(make=True)
        # That it may run scripts on these keys is better known now than at the first login.
        self.factors(None, 1)
        return found == "made"

    def faults(self) -> list[str]:
        found: list[str] = []
        try:
            self._check_nodes()
            self._marked(make=False)
        except StoreRefused as error:
            return [str(error)]
        for client in self._primaries():
            found += self._clock_faults(client)
            setting = "cluster-require-full-coverage"
            if self._answer_to(client, "CONFIG GET", setting).get(setting) == "yes":
                found.append(f"one shard that is away stops all of them: set {setting} no")
        return list(dict.fromkeys(found))

    def close(self) -> None:
        self._nodes.close()

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
        with self._one_deadline():
            if not self._answer(answered, now):
                return None
            try:
                return self._claim_and_add(passkey, answered, now, codes, max_factors, only_first, audit)
            except StoreUnavailable:
                raise  # nobody knows what came of it
            except BaseException:  # it was refused, or its row of the audit could not be made
                self._take_back_answer(answered)
                raise

    def passkey(self, tenant: str, factor_id: str) -> Factor | None:
        with self._one_deadline():
            place = _of_tenant(tenant, factor_id)
            claim = self._run("whose", [self._claims(place)], [place], _raw)
            return self._passkey_in(self._keys(_claimant(claim)), tenant, factor_id) if claim else None

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
        with self._one_deadline():
            if not self._answer(answered, now):
                return "answered"
            use = answered, counter, sealed, now
            try:
                said = super().use_passkey(passkey, *use, disable_at=disable_at, audit=audit)
            except StoreUnavailable:
                raise
            except BaseException:
                self._take_back_answer(answered)
                raise
            if said == "changed":
                self._take_back_answer(answered)
            return said

    def remove_factor(
        self, owner: Owner, factor_id: str, epoch: str, keep_last: bool = False, *, audit: Audit | None = None
    ) -> Factor | None:
        with self._one_deadline():
            removed = super().remove_factor(owner, factor_id, epoch, keep_last, audit=audit)
            if removed and removed.kind == "passkey":
                self._give_up(owner, [factor_id])
            return removed

    def reset(self, owner: Owner, *, audit: Audit | None = None) -> int:
        with self._one_deadline():
            user = _owner(owner)
            mine = self._passkeys_of(self._keys(user), {owner: user})
            gone = super().reset(owner, audit=audit)
            self._give_up(owner, mine[owner])
            return gone

    def delete_users(self, owners: Sequence[Owner], *, audit: Audit | None = None) -> list[int]:
        """As it is promised, but a transaction for each list: if a shard is away in the middle, some of the users are
        gone, and the same call removes the others later."""
        lists: defaultdict[SlotKeys, dict[Owner, bytes]] = defaultdict(dict)
        for owner in owners:
            user = _owner(owner)
            lists[self._keys(user)][owner] = user
        gone: dict[Owner, int] = {}
        with self._one_deadline():
            for keys, users in lists.items():
                passkeys = self._passkeys_of(keys, users)
                gone |= self._delete_in(keys, users, owners, audit)
                for owner, ids in passkeys.items():
                    self._give_up(owner, ids)
        answer = _in_places(gone, owners)
        if audit is not None:
            audit(answer)  # each was written with its list; this one is what it has come to
        return answer

    def reseal(self, changes: "Sequence[tuple[Factor | RecoveryCode, bytes]]") -> int:
        lists: defaultdict[SlotKeys, list[tuple[Factor | RecoveryCode, bytes]]] = defaultdict(list)
        for change in changes:
            lists[self._keys(_owner(change[0].owner))].append(change)
        with self._one_deadline():
            return sum(self._reseal_in(keys, some) for keys, some in lists.items())

    def append_audit(self, appends: Sequence[AuditAppend]) -> None:
        """As it is promised for one user; those of several are written one after the other."""
        with self._one_deadline():
            for append in appends:
                self._decide_audited(
                    "append_audit",
                    self._keys(_owner(append.owner)),
                    (),
                    (),
                    [append.owner],
                    _yes,
                    lambda _, append=append: [append],  # type: ignore[misc]
                )

    def audit_owners(self, after: Owner | None, limit: int) -> list[Owner]:
        """One list after the other."""
        place = _owner(after) if after else b""
        first = _dealt(place) if after else 0
        found: list[Owner] = []
        with self._one_deadline():
            for number in range(first, LISTS):
                start = place if number == first else b""
                found += self._audited_in(self._lists[number], start, limit - len(found))
                if len(found) == limit:
                    break
        return found

    # Where things are.

    def _keys(self, user: bytes) -> SlotKeys:
        return self._lists[_dealt(user)]

    def _claims(self, place: bytes) -> bytes:
        """The key with whose a passkey is, of a tenant and an id."""
        return self._lists[_dealt(place)].start + b"claims"

    def _execute(self, *command: Any) -> Any:
        is_script = command[0] in ("EVAL", "EVALSHA")
        return self._nodes.execute(key_slot(command[3 if is_script else 1]), *command)

    def _list(self, kind: type, after: bytes, limit: int, make: Callable[[Owner, str, bytes], T]) -> list[T]:
        """One list after the other: `after` says in which one to go on."""
        first = _dealt(after.rpartition(b"\0")[0]) if after else 0
        found: list[T] = []
        with self._one_deadline():
            for number in range(first, LISTS):
                place = after if number == first else b""
                found += self._list_in(self._lists[number], kind, place, limit - len(found), make)
                if len(found) == limit:
                    break
        return found

    # The Cluster.

    def _primaries(self) -> "list[redis.Redis]":
        self._deadline.until = time.monotonic() + self._timeout
        try:
            return self._nodes.primaries()
        except (RedisError, OSError) as error:
            is_none = isinstance(error, ResponseError) and "cluster support disabled" in str(error)
            reason = type(error).__name__
        finally:
            self._deadline.until = None
        _refuse(is_none, "this is no Redis Cluster: name it by redis://")
        raise StoreUnavailable(f"Redis: {reason}")

    def _check_nodes(self) -> None:
        for client in self._primaries():
            self._check_server(client)

    def _marked(self, *, make: bool) -> Literal["other", "made", "there", "none"]:
        here = self._all_keys
        keys = [here.indexes[Factor], here.indexes[RecoveryCode], self._mark]
        found = self._run("mark", keys, _whole(make), _MARKS.__getitem__)
        _refuse(found == "other", "the store under this prefix is in one hash slot: name it by redis://")
        return found

    # The answer to a challenge.

    def _answer(self, answered: AnsweredChallenge, now: int) -> bool:
        """Answers a challenge, unless it was answered before."""
        place, key = self._answers(answered)
        return self._run("answer", [key], [place, *_whole(answered.expires_at, now)], _yes)

    def _take_back_answer(self, answered: AnsweredChallenge) -> None:
        """What cannot be taken back now stays answered: its user asks for another challenge."""
        place, key = self._answers(answered)
        with suppress(StoreUnavailable):
            self._run("take_back_answer", [key], [place], _yes)

    def _answers(self, answered: AnsweredChallenge) -> tuple[bytes, bytes]:
        place = _of_tenant(answered.tenant, answered.challenge)
        return place, self._lists[_dealt(place)].start + b"answered"

    # Whose a passkey is.

    def _add_user(self, user: NewUser, audit: Audit | None) -> bool:
        owner, parts = user.owner, _new_user(user)
        ids = [factor.factor_id for factor in user.factors if factor.kind == "passkey"]
        if not ids:
            return self._decide("add_user", owner, _yes, *parts, audit=audit)
        with self._one_deadline():
            name = _new_name()
            self._claiming(name, "begin_claim", owner, _yes, self._lasts)
            added = False
            try:
                added = self._claim(owner, ids, name) and self._claiming(
                    name, "claimed add_user", owner, _yes, *parts, audit=audit
                )
            except StoreUnavailable:
                raise
            except BaseException:
                self._withdraw(owner, ids, name)
                raise
            if not added:
                self._withdraw(owner, ids, name)
            return added

    def _claim_and_add(
        self,
        passkey: Factor,
        answered: AnsweredChallenge,
        now: int,
        codes: Sequence[RecoveryCode],
        max_factors: int,
        only_first: bool,
        audit: Audit | None,
    ) -> Confirmation | None:
        owner, ids, name = passkey.owner, [passkey.factor_id], _new_name()
        # What the user's own records refuse is refused before anything is claimed.
        args = (_escaped(passkey.factor_id), *_whole(max_factors, only_first), self._lasts)
        _unless_refused(self._claiming(name, "begin_passkey", owner, _BEGUN.__getitem__, *args), max_factors)
        added: Confirmation | Literal["taken", "enrolled", "full"] | None = "taken"
        if self._claim(owner, ids, name):
            parts = _new_passkey(passkey, answered, now, codes, max_factors, only_first)
            try:
                added = self._claiming(
                    name, "claimed add_passkey", owner, _ADDED.__getitem__, *parts, audit=_if_added(audit)
                )
            except StoreUnavailable:
                raise
            except BaseException:
                self._withdraw(owner, ids, name)
                raise
        if not isinstance(added, Confirmation):
            self._withdraw(owner, ids, name)
        return _unless_refused(added, max_factors)

    def _claiming(
        self,
        name: bytes,
        script: str,
        owner: Owner,
        read: Callable[[Any], T],
        *args: bytes | str,
        audit: Audit | None = None,
    ) -> T:
        """As `_decide`, with the claim under way of this name."""
        user = _owner(owner)
        keys = self._keys(user)
        names = [*keys.of_decision(user), _under_way(keys, name)]
        if audit is not None:
            return self._decide_audited(script, keys, names, [user, *args], [owner], read, audit)
        return self._run(script, names, [user, *args], read)

    @property
    def _lasts(self) -> bytes:
        """For how long a claim under way stands: longer than an operation takes."""
        return b"%d" % max(_CLAIM, int(2000 * self._timeout))

    def _claim(self, owner: Owner, ids: Iterable[str], name: bytes) -> bool:
        """Claims all these passkeys, if no other claim on any of them stands."""
        return all(self._claim_one(owner, factor_id, name) for factor_id in ids)

    def _claim_one(self, owner: Owner, factor_id: str, name: bytes) -> bool:
        place = _of_tenant(owner.tenant, factor_id)
        mine = name + b" " + _owner(owner)
        there = b""
        while True:
            is_mine, there = self._replace_claim(place, there, mine)
            if is_mine:
                return True
            if there and self._stands(there, factor_id):
                return False

    def _replace_claim(self, place: bytes, was: bytes, claim: bytes) -> tuple[bool, bytes]:
        """Puts a claim (or none: empty) in the place of the one that was read. Whether it did, and what was there."""

        def read(answer: list[bytes]) -> tuple[bool, bytes]:
            said, there = answer
            return {b"1": True, b"0": False}[said], _raw(there)

        return self._run("claim", [self._claims(place)], [place, was, claim], read)

    def _stands(self, claim: bytes, factor_id: str) -> bool:
        """Whether the passkey is there, or may be soon. If not, it never will be by this claim: it has expired."""
        user = _claimant(claim)
        keys = self._keys(user)
        names = [keys.hashes[Factor] + user, _under_way(keys, claim.partition(b" ")[0])]
        return self._run("stands", names, [_escaped(factor_id)], _yes)

    def _withdraw(self, owner: Owner, ids: Iterable[str], name: bytes) -> None:
        """Takes back what was claimed under this name, and not used."""
        # What cannot be taken back now stands for nothing once it has expired.
        with suppress(StoreUnavailable):
            for factor_id in ids:
                self._replace_claim(_of_tenant(owner.tenant, factor_id), name + b" " + _owner(owner), b"")

    def _give_up(self, owner: Owner, ids: Iterable[str]) -> None:
        """Takes back the claims on passkeys that were a user's, and are gone."""
        # As above: the next claim on the id takes its place.
        with suppress(StoreUnavailable):
            for factor_id in ids:
                place = _of_tenant(owner.tenant, factor_id)
                claim = self._run("whose", [self._claims(place)], [place], _raw)
                if _claimant(claim) == _owner(owner) and not self._stands(claim, factor_id):
                    self._replace_claim(place, claim, b"")

    def _passkeys_of(self, keys: SlotKeys, users: "dict[Owner, bytes]") -> dict[Owner, list[str]]:
        """The ids of the passkeys of some users of one list."""

        def read(answer: list[list[bytes]]) -> dict[Owner, list[str]]:
            return {owner: [*map(_unescaped, mine)] for owner, mine in zip(users, answer, strict=True)}

        return self._run("passkeys", [keys.hashes[Factor] + user for user in users.values()], [], read)


@lru_cache(maxsize=8)
def _lists(prefix: bytes) -> tuple[SlotKeys, ...]:
    """The names of the keys of each list. Each is in another part of the slots, and the parts are equal: shards with
    as many slots have as many lists."""
    found: dict[int, SlotKeys] = {}
    for number in itertools.count():
        tag = b"%b:%d" % (prefix, number)
        # Not ":" behind the braces: a store in one slot may be called like this tag.
        found.setdefault(key_slot(tag) * LISTS // SLOTS, SlotKeys(b"{%b}/" % tag))
        if len(found) == LISTS:
            return tuple(found[part] for part in range(LISTS))
    raise AssertionError  # there is no last number


def _dealt(name: bytes) -> int:
    """The number of the list of a user, and of what is of a tenant alone."""
    return blake2b(name, digest_size=1).digest()[0]


def _address(text: str) -> Address:
    """Of ``host`` or ``host:port``."""
    found = urlsplit("//" + text)
    if not found.hostname:
        raise ValueError
    return found.hostname, found.port or 6379


def _new_name() -> bytes:
    """Of a claim: 128 random bits, without a space."""
    return secrets.token_hex(16).encode()


def _under_way(keys: SlotKeys, name: bytes) -> bytes:
    """The key of a claim under way, in the slot of its user."""
    return keys.start + b"claim:" + name


def _claimant(claim: bytes) -> bytes:
    """The user who claimed a passkey. Nobody's name is empty: it has a NUL."""
    return claim.partition(b" ")[2]


def _raw(answer: Any) -> bytes:
    if not isinstance(answer, bytes):
        raise TypeError
    return answer


_BEGUN: Final[dict[bytes, Literal["taken", "enrolled", "full"] | None]] = {
    b"taken": "taken",
    b"enrolled": "enrolled",
    b"full": "full",
    b"begun": None,
}

_MARKS: Final[dict[bytes, Literal["other", "made", "there", "none"]]] = {
    b"other": "other",
    b"made": "made",
    b"there": "there",
    b"none": "none",
}
