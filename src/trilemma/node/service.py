"""What a client at this node gets of a keyspace now: INFO keyspaces' `state`, CLUSTER INFO's `cluster_state`.

Owns the words. For what a leader elsewhere takes it goes by what that one last said of its links, so it may be wrong
for a moment after a change; requests themselves are judged by whoever executes them (node/route.py, node/admission.py).
"""

from typing import NamedTuple

from trilemma.base.ids import NodeId, ShardId
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.executors import Executors
from trilemma.node.peers import Peers

UP = "up"
READ_ONLY = "read_only"
WRITE_ONLY = "write_only"
"""An `ap` keyspace with READ n where fewer replicas are reached: writes are taken."""
DOWN = "down"


class State(NamedTuple):
    """One keyspace's state at this node: the word, and why it is not UP."""

    word: str
    why: str | None


class Service:
    """The states of all keyspaces, as seen from this node."""

    def __init__(self, executors: Executors, peers: Peers) -> None:
        self._executors = executors
        self._peers = peers

    def state(self, keyspace: Keyspace) -> State:
        """Return what writes and reads of a keyspace get here; a read is one that must show the newest on cp and ca."""
        return self._of_shard(keyspace, keyspace.shard_ids()[0])

    def _of_shard(self, keyspace: Keyspace, shard: ShardId) -> State:
        why = self._executors.why_down(shard)
        if why is not None:
            return State(DOWN, why)
        return self._leaderless(keyspace, shard) if keyspace.is_leaderless else self._led(keyspace, shard)

    def _led(self, keyspace: Keyspace, shard: ShardId) -> State:
        target = self._executors.local_target(shard) or self._executors.remote_target(shard)
        if target is None:
            return State(DOWN, "no leader is known")
        leader = target[0]
        if not self._peers.has_path(leader):
            return State(DOWN, f"no path to the leader {self._executors.name(leader)}")
        why = self._why_not_written(keyspace, leader)
        return State(UP, None) if why is None else State(READ_ONLY, why)

    def _why_not_written(self, keyspace: Keyspace, leader: NodeId) -> str | None:
        """Return why a leader refuses writes, or cannot have them confirmed: what it lacks, or whose disks are full."""
        full = [node for node in keyspace.replicas if node in self._executors.full_disks]
        room = len(keyspace.replicas) - len(full)
        needed = len(keyspace.replicas) if keyspace.write == "all" else len(keyspace.replicas) // 2 + 1
        if room < needed or leader in full:
            return refusal.disk_full([self._executors.name(node) for node in full])
        if keyspace.write != "all":
            return None
        seen = self._peers.up_at(leader)
        away = [self._executors.name(node) for node in keyspace.replicas if node != leader and node not in seen]
        return f"{' and '.join(away)} cannot be reached from the leader, WRITE all needs all replicas" if away else None

    def _leaderless(self, keyspace: Keyspace, shard: ShardId) -> State:
        replica = self._executors.replicas.get(shard)
        if replica is None:
            return State(UP, None)
        not_read = self._why_not_read(keyspace)
        not_written = replica.why_not_written() or self._executors.why_not_written(shard)
        if not_read is not None and not_written is not None:
            return State(DOWN, not_written)
        if not_written is not None:
            return State(READ_ONLY, not_written)
        return State(UP, None) if not_read is None else State(WRITE_ONLY, not_read)

    def _why_not_read(self, keyspace: Keyspace) -> str | None:
        own = self._peers.node
        reached = sum(node == own or node in self._peers.up for node in keyspace.replicas)
        total, needed = len(keyspace.replicas), keyspace.read_count
        return None if reached >= needed else refusal.reaches(self._executors.name(own), reached, total, needed)
