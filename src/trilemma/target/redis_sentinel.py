"""Redis with fail-over: a primary, two replicas and three sentinels, one server and one sentinel per node.

Clients find the primary as Redis' guide for clients says: ask a sentinel (the one beside them first), connect, check
with ROLE that it is one; and ask again every second, as clients do that listen for `+switch-master`. With `wait` every
write is followed by WAIT 1 in the same write to the socket: it counts as done only when a replica has it.
Source: redis.io, "High availability with Redis Sentinel", "Sentinel client spec"; WAIT.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final

from trilemma.target.machines import Machines, Place
from trilemma.target.port import Client, Keyspace, NotSentError, Target
from trilemma.target.programs import find_binary, version_of
from trilemma.target.redis_server import (
    ask,
    find_server,
    holds_within,
    info,
    require,
    start_sentinel,
    start_server,
)
from trilemma.target.wire import LOOK_ELSEWHERE, RespConnection, first_word
from trilemma.workload.step import Command, Reply

NODES: Final = ("n1", "n2", "n3")
SENTINEL_PACKAGE: Final = "redis-sentinel"
DOWN_AFTER_MS: Final = 1_500
"""How long a server must be silent before a sentinel calls it down: Redis' default is 30 s, too long for short runs."""

FAILOVER_TIMEOUT_MS: Final = 3_000
"""Sentinels begin no second fail-over within twice this: Redis' default is three minutes."""

QUORUM: Final = 2
LOOK_S: Final = 1.0
WAIT_REPLICAS: Final = 1
WAIT_MS: Final = 1_000
SETTLE_S: Final = 15.0
BACK_S: Final = 10.0

WRITES: Final = frozenset((b"SET", b"MSET", b"INCR", b"INCRBY", b"DECR", b"DECRBY", b"APPEND", b"DEL", b"EXEC"))
_GROUP: Final = "main"


def with_wait(commands: Sequence[Command]) -> list[Command]:
    """Return a step's commands with WAIT behind them where they write."""
    if not any(command[0] in WRITES for command in commands):
        return list(commands)
    return [*commands, (b"WAIT", b"%d" % WAIT_REPLICAS, b"%d" % WAIT_MS)]


def judge_wait(commands: Sequence[Command], replies: Sequence[Reply]) -> list[Reply]:
    """Return a step's replies: a write that too few replicas have is said to be uncertain.

    Args:
        replies: those of `with_wait(commands)`.
    """
    if len(replies) <= len(commands):
        # Nothing was waited for, or WAIT itself was not answered: then its write is not known to be anywhere else.
        return list(replies) if with_wait(commands) == list(commands) else list(replies)[: len(commands) - 1]
    *told, counted = replies
    done = told[-1] is not None and not isinstance(told[-1], Exception | str)
    if done and not (isinstance(counted, int) and counted >= WAIT_REPLICAS):
        told[-1] = f"UNCERTAIN WAIT counted {counted} of {WAIT_REPLICAS} replicas"
    return told


class SentinelClient:
    """See `port.Client`."""

    def __init__(self, target: "RedisSentinel", node: str) -> None:
        self._target = target
        self._node = node
        self._primary: Place | None = None
        self._looked = 0.0
        self._has_doubts = False
        self._connection = RespConnection(self._dial)

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """See `port.Client`."""
        if not self._target.waits:
            replies = list(self._connection.execute(commands))
        else:
            replies = judge_wait(commands, self._connection.execute(with_wait(commands)))
        if any(first_word(reply) in LOOK_ELSEWHERE for reply in replies):
            self._has_doubts = True
        return replies

    def is_usable(self) -> bool:
        """See `port.Client`: also over when the sentinels name another primary."""
        if not self._connection.is_usable() or self._has_doubts:
            return False
        if self._primary is not None and time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            try:
                return self._target.find_primary(self._node) == self._primary
            except NotSentError:
                return True
        return True

    def close(self) -> None:
        """See `port.Client`."""
        self._connection.close()

    def _dial(self) -> socket.socket:
        self._primary = self._target.find_primary(self._node)
        self._looked = time.monotonic()
        role = ask(self._target.machines, self._primary, "ROLE")
        if role[0] != b"master":
            raise NotSentError(f"{self._primary} is no primary")
        return self._target.machines.dial(self._primary)()


class RedisSentinel(Target):
    """See the module. Args: wait: WAIT behind every write; has_links: links will be disturbed."""

    name = "redis"

    def __init__(self, *, wait: bool = False, has_links: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.name = "redis-wait" if wait else "redis"
        self.waits = wait
        self.nodes = NODES
        self.machines = Machines(NODES, has_links=has_links, seed=seed)
        self.links = self.machines.network
        self.keyspaces = (Keyspace(self.name, b"", settings="WAIT 1 behind every write" if wait else "no WAIT"),)
        self._servers: dict[str, Place] = {}
        self._sentinels: dict[str, Place] = {}
        self._binaries = ("", "")

    def start(self) -> None:
        """See `port.Target`."""
        self._binaries = find_server(), find_binary("redis-sentinel", SENTINEL_PACKAGE)
        self.machines.open()
        self.processes = self.machines.programs
        places = self.machines.places(2, 6379)
        self._servers = {node: both[0] for node, both in places.items()}
        self._sentinels = {node: both[1] for node, both in places.items()}
        primary = self._servers[NODES[0]]
        for node, place in self._servers.items():
            follow = () if node == NODES[0] else (f"replicaof {primary.host} {primary.port}",)
            start_server(self.machines, node, "redis", place, (*follow, "repl-diskless-sync-delay 0"))
        require(self.machines, self._replicates, "the replicas did not follow")
        for node, place in self._sentinels.items():
            start_sentinel(self.machines, node, self._binaries[1], place, self._sentinel_lines(primary))
        require(self.machines, self._is_watched, "the sentinels did not find each other")

    def _sentinel_lines(self, primary: Place) -> tuple[str, ...]:
        return (
            f"sentinel monitor {_GROUP} {primary.host} {primary.port} {QUORUM}",
            f"sentinel down-after-milliseconds {_GROUP} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {_GROUP} {FAILOVER_TIMEOUT_MS}",
        )

    def stop(self) -> None:
        """See `port.Target`."""
        self.machines.close()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return SentinelClient(self, node)

    def replica(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return RespConnection(self.machines.dial(self._servers[node]))

    def find_primary(self, node: str) -> Place:
        """Return what the sentinels call the primary: the one of this node, or the next that answers.

        Raises:
            NotSentError: none does.
        """
        for each in (node, *(other for other in NODES if other != node)):
            try:
                found = ask(self.machines, self._sentinels[each], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", _GROUP)
                return Place(found[0].decode(), int(found[1]))
            except NotSentError as problem:
                last = problem
        raise last

    def leader(self) -> str | None:
        """See `port.Target`."""
        try:
            primary = self.find_primary(NODES[0])
        except NotSentError:
            return None
        return next((node for node, place in self._servers.items() if place == primary), None)

    def wait_until_served(self, node: str) -> bool:
        """See `port.Target`."""
        return holds_within(lambda: bool(ask(self.machines, self._servers[node], "PING")), BACK_S)

    def settle(self) -> bool:
        """See `port.Target`."""
        return holds_within(self._replicates, SETTLE_S)

    def versions(self) -> Mapping[str, str]:
        """See `port.Target`."""
        return {"redis-server": version_of(self._binaries[0])}

    def notes(self) -> Sequence[str]:
        """See `port.Target`."""
        return (
            f"Redis: appendonly with appendfsync everysec; sentinels: down-after-milliseconds {DOWN_AFTER_MS}, "
            f"failover-timeout {FAILOVER_TIMEOUT_MS}, quorum {QUORUM}; min-replicas-to-write is not set.",
            "A node is a machine with one redis-server and one sentinel: both are paused, killed and cut off together.",
        )

    def _replicates(self) -> bool:
        """Whether one server is the primary and the two others follow it without a gap."""
        found = [info(self.machines, place, "replication") for place in self._servers.values()]
        primaries = [each for each in found if each["role"] == "master"]
        replicas = [each for each in found if each.get("master_link_status") == "up"]
        if len(primaries) != 1 or len(replicas) != len(NODES) - 1:
            return False
        offset = primaries[0]["master_repl_offset"]
        return all(each["slave_repl_offset"] == offset for each in replicas)

    def _is_watched(self) -> bool:
        for place in self._sentinels.values():
            words = ask(self.machines, place, "SENTINEL", "MASTER", _GROUP)
            facts = dict(zip(words[::2], words[1::2], strict=True))
            if int(facts[b"num-slaves"]) < len(NODES) - 1 or int(facts[b"num-other-sentinels"]) < len(NODES) - 1:
                return False
        return True
