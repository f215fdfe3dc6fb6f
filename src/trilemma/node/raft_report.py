"""What a `cp` or `ca` replica tells of itself: INFO's facts, how far others are behind, receipts of CAP EXPLAIN.

Owns the words and what they are taken from; decides nothing. Functions of Raft's state and of the entry that the rows
reflect.
"""

from trilemma.base.ids import NodeId
from trilemma.keyspace.settings import Keyspace
from trilemma.node.applied import Applied
from trilemma.node.config import NodeConfig
from trilemma.node.execute import warnings_of
from trilemma.node.unit import Unit
from trilemma.replication.raft.replica import Raft
from trilemma.resp.reply import Reply


def facts(config: NodeConfig, raft: Raft, applied_index: int, flushed_index: int) -> dict[str, object]:
    """Return what INFO says of a replica."""
    leader = None if raft.leader is None else config.member_name(raft.leader)
    return {
        "role": raft.role.value,
        "term": raft.term,
        "leader": leader or "none",
        "last_index": raft.last_index,
        "commit_index": raft.commit_index,
        "applied_index": applied_index,
        "flushed_index": flushed_index,
    }


def lag(config: NodeConfig, keyspace: Keyspace, raft: Raft) -> dict[NodeId, int]:
    """Return how many entries each other replica is behind; empty where this one does not lead, and cannot know."""
    if not raft.is_leader:
        return {}
    others = [node for node in keyspace.replicas if node != config.node_id]
    return {node: max(raft.last_index - raft.match_index(node), 0) for node in others}


def receipt(config: NodeConfig, keyspace: Keyspace, raft: Raft, applied: Applied, unit: Unit) -> dict[bytes, Reply]:
    """Return the receipt of a unit that has just been executed."""
    fresh = "newest acknowledged" if raft.is_leader else "stale: current at some time"
    return {
        b"node": config.name.encode(),
        b"keyspace": keyspace.name.encode(),
        b"mode": keyspace.mode.value.encode(),
        b"promise": (fresh if unit.is_read else f"durable on {keyspace.write}").encode(),
        b"index": applied.index,
        b"term": applied.term,
        b"replicas": len(raft.durable_on(applied.index)),
        b"warnings": warnings_of(unit, keyspace),
    }
