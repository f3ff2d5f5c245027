"""A Redis Cluster of the tests' own: a few servers, each with a part of the hash slots."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from .redis_server import Server, free_port, programs

SLOTS = 16_384


class Shard(Server):
    """A primary of a Cluster, or a replica."""

    def __init__(self, **settings: str) -> None:
        found = programs()
        super().__init__(
            found.get("valkey") or found["redis"],
            port=str(free_port()),
            cluster_enabled="yes",
            cluster_require_full_coverage="no",  # one shard that is away does not stop the others
            **settings,
        )
        self.place = f"127.0.0.1:{self.settings['port']}"
        self.node_id = self.cluster("MYID").decode()

    def cluster(self, verb: str, *arguments: Any) -> Any:
        return self.client().execute_command(f"CLUSTER {verb}", *arguments)

    def knows(self, nodes: int) -> bool:
        """Whether it serves, and knows so many nodes and who has each slot."""
        info = self.cluster("INFO")
        return (info["cluster_state"], info["cluster_known_nodes"], info["cluster_slots_ok"]) == (
            "ok",
            str(nodes),
            str(SLOTS),
        )


class Cluster:
    """Shards, each with as many slots."""

    def __init__(self, shards: list[Shard], replicas: list[Shard]) -> None:
        self.shards, self.replicas = shards, replicas
        self.nodes = [*shards, *replicas]
        self.url = "redis+cluster://" + ",".join(node.place for node in self.nodes)
        self.owner: dict[int, Shard] = {}
        for number, shard in enumerate(shards):
            slots = range(SLOTS * number // len(shards), SLOTS * (number + 1) // len(shards))
            shard.cluster("SET-CONFIG-EPOCH", number + 1)
            shard.cluster("ADDSLOTS", *slots)
            self.owner |= dict.fromkeys(slots, shard)
        for node in self.nodes[1:]:
            shards[0].cluster("MEET", *node.place.split(":"))
        for node in shards:
            until(lambda node=node: node.knows(len(self.nodes)))  # type: ignore[misc]
        for replica in replicas:
            until(lambda replica=replica: shards[0].node_id in str(replica.cluster("NODES")))  # type: ignore[misc]
            replica.cluster("REPLICATE", shards[0].node_id)
            until(lambda replica=replica: replica.client().info("replication").get("master_link_status") == "up")  # type: ignore[misc]

    def serves(self) -> bool:
        """Whether each shard serves, and knows the others."""
        return all(node.knows(len(self.nodes)) for node in self.nodes)

    def dump(self) -> dict[bytes, object]:
        """All keys, with what they are."""
        found: dict[bytes, object] = {}
        for shard in self.shards:
            client = shard.client()
            found |= {key: client.dump(key) for key in client.scan_iter()}
        return found

    def flush(self) -> None:
        for shard in self.shards:
            shard.client().flushall()

    def other(self, slot: int) -> Shard:
        """A shard that does not have the slot."""
        return next(shard for shard in self.shards if shard is not self.owner[slot])

    def begin_move(self, slot: int, target: Shard) -> None:
        """The slot is being moved, and nothing of it has gone yet."""
        target.cluster("SETSLOT", slot, "IMPORTING", self.owner[slot].node_id)
        self.owner[slot].cluster("SETSLOT", slot, "MIGRATING", target.node_id)

    def move_keys(self, slot: int, target: Shard, count: int = 10) -> bool:
        """A few keys of the slot go. Whether there were any."""
        source = self.owner[slot]
        keys = source.cluster("GETKEYSINSLOT", slot, count)
        if keys:
            host, port = target.place.split(":")
            source.client().execute_command("MIGRATE", host, port, "", 0, 5000, "KEYS", *keys)
        return bool(keys)

    def end_move(self, slot: int, target: Shard) -> None:
        for shard in sorted(self.shards, key=lambda shard: shard is not target):
            shard.cluster("SETSLOT", slot, "NODE", target.node_id)
        self.owner[slot] = target

    def give_up_move(self, slot: int, target: Shard) -> None:
        for shard in (self.owner[slot], target):
            shard.cluster("SETSLOT", slot, "STABLE")


@contextlib.contextmanager
def cluster(shards: int = 3, replicas: int = 0, **settings: str) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        nodes: list[Shard] = []
        for _ in range(shards + replicas):
            nodes.append(Shard(**settings))
            stack.callback(nodes[-1].remove)
        yield Cluster(nodes[:shards], nodes[shards:])


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
