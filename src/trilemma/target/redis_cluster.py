"""Redis Cluster: three primaries, one per node, and beside each a replica of the next node's primary.

Clients are cluster-aware as the specification asks: they fetch the map of slots, send to the owner, and look it up
again after MOVED, CLUSTERDOWN or a broken connection. Nothing that was sent is sent again; MOVED says: not done.
Source: redis.io, "Redis cluster specification", "Client and server roles in the Redis cluster protocol".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from trilemma.keyspace.slot import SLOTS, slot_of
from trilemma.target.machines import Machines, Place
from trilemma.target.port import Client, Keyspace, NotSentError, Target
from trilemma.target.programs import version_of
from trilemma.target.redis_server import ask, find_server, holds_within, info, require, start_server
from trilemma.target.wire import LOOK_ELSEWHERE, RespConnection, first_word
from trilemma.workload.step import Command, Reply

NODES: Final = ("n1", "n2", "n3")
NODE_TIMEOUT_MS: Final = 2_000
"""How long a node must be silent before it counts as failed: Redis' default is 15 s, too long for short runs."""

SETTLE_S: Final = 15.0
BACK_S: Final = 10.0
FIRST_PORT: Final = 6379

SlotRange = tuple[int, int, Place]
"""First and last slot, and the primary that owns them."""


def key_of(commands: Sequence[Command]) -> bytes:
    """Return the first key of a step: all keys of a step share a slot. Nothing for a step without keys."""
    return next((command[1] for command in commands if len(command) > 1), b"")


def read_map(slots: Sequence[Any]) -> list[SlotRange]:
    """Return what CLUSTER SLOTS says, primaries only."""
    return [(first, last, Place(primary[0].decode(), primary[1])) for first, last, primary, *_ in slots]


def owner_of(key: bytes, ranges: Sequence[SlotRange]) -> Place | None:
    """Return the primary that owns a key's slot, None where no node claims it."""
    slot = slot_of(key)
    return next((place for first, last, place in ranges if first <= slot <= last), None)


class ClusterClient:
    """See `port.Client`: one connection per primary, so a session ends with the first of them that breaks."""

    def __init__(self, target: "RedisCluster", node: str) -> None:
        self._target = target
        self._node = node
        self._ranges: list[SlotRange] = []
        self._connections: dict[Place, RespConnection] = {}
        self._has_doubts = False

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """See `port.Client`."""
        replies = self._connection(key_of(commands)).execute(commands)
        if any(first_word(reply) in LOOK_ELSEWHERE for reply in replies):
            # Where a slot is now, another session asks: a WATCH on the old owner must not be forgotten in silence.
            self._has_doubts = True
        return replies

    def is_usable(self) -> bool:
        """See `port.Client`."""
        return not self._has_doubts and all(each.is_usable() for each in self._connections.values())

    def close(self) -> None:
        """See `port.Client`."""
        for connection in self._connections.values():
            connection.close()

    def _connection(self, key: bytes) -> RespConnection:
        if not self._ranges:
            self._ranges = self._target.slot_map(self._node)
        owner = owner_of(key, self._ranges)
        if owner is None:
            self._has_doubts = True
            raise NotSentError(f"no node claims the slot of {key!r}")
        if owner not in self._connections:
            self._connections[owner] = RespConnection(self._target.machines.dial(owner))
        return self._connections[owner]


class RedisCluster(Target):
    """See the module."""

    name = "redis-cluster"

    def __init__(self, *, has_links: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.nodes = NODES
        self.machines = Machines(NODES, has_links=has_links, seed=seed)
        self.links = self.machines.network
        self.keyspaces = (Keyspace("redis-cluster", b"", settings="three primaries, a replica each"),)
        self._primaries: dict[str, Place] = {}
        self._replicas: dict[str, Place] = {}

    def start(self) -> None:
        """See `port.Target`."""
        find_server()
        self.machines.open()
        self.processes = self.machines.programs
        places = self.machines.places(4, FIRST_PORT)
        self._primaries = {node: each[0] for node, each in places.items()}
        self._replicas = {node: each[1] for node, each in places.items()}
        for node, (primary, replica, *buses) in places.items():
            for name, place, bus in zip(("primary", "replica"), (primary, replica), buses, strict=True):
                lines = ("cluster-enabled yes", f"cluster-port {bus.port}", f"cluster-node-timeout {NODE_TIMEOUT_MS}")
                start_server(self.machines, node, name, place, (*lines, "repl-diskless-sync-delay 0"))
        everybody = [*self._primaries.values(), *self._replicas.values()]
        require(self.machines, lambda: all(bool(self._ask(place, "PING")) for place in everybody), "no answer")
        self._introduce(everybody, {place: bus.port for each in places.values() for place, bus in _buses(each)})
        require(self.machines, lambda: all(self._knows(place, len(everybody)) for place in everybody), "did not meet")
        for node, follower in zip(NODES, (*NODES[-1:], *NODES[:-1]), strict=True):
            name = self._ask(self._primaries[node], "CLUSTER", "MYID").decode()
            self._ask(self._replicas[follower], "CLUSTER", "REPLICATE", name)
        require(self.machines, self._is_whole, "the cluster did not become whole")

    def _introduce(self, everybody: Sequence[Place], bus_ports: Mapping[Place, int]) -> None:
        """Give each primary its slots, and have all meet the first."""
        for number, place in enumerate(everybody, start=1):
            self._ask(place, "CLUSTER", "SET-CONFIG-EPOCH", str(number))
        for number, place in enumerate(self._primaries.values()):
            first, last = (SLOTS * each // len(NODES) for each in (number, number + 1))
            self._ask(place, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last - 1))
        host, port = everybody[0]
        for place in everybody[1:]:
            self._ask(place, "CLUSTER", "MEET", host, str(port), str(bus_ports[everybody[0]]))

    def stop(self) -> None:
        """See `port.Target`."""
        self.machines.close()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return ClusterClient(self, node)

    def slot_map(self, node: str) -> list[SlotRange]:
        """Return the map of slots as a node knows it, or the next one that answers.

        Raises:
            NotSentError: none answers.
        """
        for each in (node, *(other for other in NODES if other != node)):
            try:
                return read_map(self._ask(self._primaries[each], "CLUSTER", "SLOTS"))
            except NotSentError as problem:
                last = problem
        raise last

    def leader(self) -> str | None:
        """See `port.Target`: the first node, whose primary is as good as any."""
        return NODES[0]

    def wait_until_served(self, node: str) -> bool:
        """See `port.Target`."""
        return holds_within(lambda: bool(self._ask(self._primaries[node], "PING")), BACK_S)

    def settle(self) -> bool:
        """See `port.Target`."""
        return holds_within(self._is_whole, SETTLE_S)

    def versions(self) -> Mapping[str, str]:
        """See `port.Target`."""
        return {"redis-server": version_of(find_server())}

    def notes(self) -> Sequence[str]:
        """See `port.Target`."""
        return (
            f"Redis Cluster: appendonly with appendfsync everysec; cluster-node-timeout {NODE_TIMEOUT_MS}; other "
            "settings as they come.",
            "A node is a machine with a primary and another primary's replica: both share its fate.",
        )

    def _ask(self, place: Place, *words: str) -> Any:
        return ask(self.machines, place, *words)

    def _knows(self, place: Place, number: int) -> bool:
        facts = self._ask(place, "CLUSTER", "INFO").decode()
        return f"cluster_known_nodes:{number}\r\n" in facts and "cluster_state:ok" in facts

    def _is_whole(self) -> bool:
        """Whether every server serves, and every replica follows its primary."""
        everybody = [*self._primaries.values(), *self._replicas.values()]
        if not all(self._knows(place, len(everybody)) for place in everybody):
            return False
        found = [info(self.machines, place, "replication") for place in everybody]
        replicas = [each for each in found if each["role"] == "slave"]
        return len(replicas) == len(NODES) and all(each["master_link_status"] == "up" for each in replicas)


def _buses(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    return [(places[0], places[2]), (places[1], places[3])]
