"""Which node of a Redis Cluster has a slot, and how a command gets there.

redis-py's own `RedisCluster` sends a command again when its answer was lost, and a decision must not be made twice.
Here a command is sent again only after a node has said that it did not run it.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

Address = tuple[str, int]
"""Host and port."""

SLOTS: Final = 16_384
"""Of every Redis Cluster."""

_PAUSE = 0.02
"""Seconds before a command is sent again to nodes that do not agree, or that are moving the slot."""


class Nodes:
    """The nodes of one Cluster. What is known of it is what a node has told, until a node says otherwise.

    :param seeds: nodes to ask first
    :param connect: makes a client of a node
    :param deadline: for each thread `until`, by `time.monotonic`, which the clients keep to
    """

    def __init__(
        self, seeds: Iterable[Address], connect: "Callable[[Address], redis.Redis]", deadline: threading.local
    ) -> None:
        self.seeds = list(seeds)
        self._connect = connect
        self._deadline = deadline
        self._clients: dict[Address, redis.Redis] = {}
        self._owners: list[Address | None] = [None] * SLOTS
        """The primary of each slot."""
        self._is_known = False
        self._failed: Address | None = None
        """The node that gave no answer last: it is asked last."""

    def execute(self, slot: int, *command: Any) -> Any:
        """What the node that has the slot answers.

        :raises RedisError: what it refuses; or nobody has the slot
        """
        sent_on: Address | None = None
        for turn in itertools.count():
            if turn > 1:
                self._pause()
            address = sent_on or self._owner(slot)
            try:
                if sent_on:
                    return self._ask(address, command)
                return self._client(address).execute_command(*command)  # type: ignore[no-untyped-call, unused-ignore]
            except MovedError as error:
                sent_on = None
                self._owners[slot] = _told(error, address)
            except AskError as error:  # this once: the slot is being moved
                sent_on = _told(error, address)
            except TryAgainError:  # some of the keys are here, and some there
                sent_on = None
            except (RedisConnectionError, RedisTimeoutError, ClusterDownError, OSError):
                self._doubt(address)
                raise

    def primaries(self) -> "list[redis.Redis]":
        """A client of each node that has slots, as they are now.

        :raises ResponseError: if the nodes that answer are of no Cluster
        """
        self._learn()
        return [self._client(address) for address in dict.fromkeys(self._owners) if address]

    def close(self) -> None:
        for client in list(self._clients.values()):
            client.connection_pool.disconnect()

    def _owner(self, slot: int) -> Address:
        if not self._is_known:
            self._learn()
        address = self._owners[slot]
        if address is None:
            self._is_known = False
            raise ClusterDownError("nobody has the slot")
        return address

    def _client(self, address: Address) -> "redis.Redis":
        # Two threads may make one at once: one of them is kept.
        return self._clients.get(address) or self._clients.setdefault(address, self._connect(address))

    def _ask(self, address: Address, command: tuple[Any, ...]) -> Any:
        """Has a node run a command that another has sent on to it."""
        with self._client(address).pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")  # type: ignore[no-untyped-call, unused-ignore]
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call, unused-ignore]
            _, answer = pipeline.execute(raise_on_error=False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _learn(self) -> None:
        """Asks who has which slots, the nodes one after the other, each for a part of the time."""
        until = self._deadline.until
        known = dict.fromkeys([*dict.fromkeys(owner for owner in self._owners if owner), *self.seeds])
        refusal: ResponseError | None = None
        try:
            for address in sorted(known, key=lambda address: address == self._failed):
                now = time.monotonic()
                self._deadline.until = now + (until - now) / 4
                try:
                    told = self._client(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call, unused-ignore]
                except ResponseError as error:
                    refusal = error
                except (RedisError, OSError):
                    self._doubt(address)
                else:
                    self._owners = _owners(told, address)
                    self._is_known = True
                    return
        finally:
            self._deadline.until = until
        raise refusal or RedisConnectionError("no node answers")

    def _doubt(self, address: Address) -> None:
        self._is_known = False
        self._failed = address

    def _pause(self) -> None:
        left = self._deadline.until - time.monotonic()
        if left <= 0:
            raise RedisTimeoutError("the time is over")
        time.sleep(min(_PAUSE, left))


def _owners(told: Any, asked: Address) -> list[Address | None]:
    """The primary of each slot, of the answer to ``CLUSTER SLOTS``."""
    owners: list[Address | None] = [None] * SLOTS
    for first, last, (host, port, *_), *_ in told:
        name = host.decode() if isinstance(host, bytes) else host
        owners[first : last + 1] = [(name or asked[0], int(port))] * (last + 1 - first)
    return owners


def _told(error: AskError, asked: Address) -> Address:
    """Where a node says that a slot is. Without a host it is the same one, at another port."""
    return str(error.host) or asked[0], int(error.port)
