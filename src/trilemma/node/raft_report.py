"""What a `cp` or `ca` replica tells of itself: INFO's facts, how far others are behind, receipts of CAP EXPLAIN.

Owns the words and what they are taken from; decides nothing. Functions of Raft's state and of the entry that the rows
reflect.
"""

from trilemma.base.ids import NodeId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node.applied import Applied
from trilemma.node.config import NodeConfig
from trilemma.node.receipt import at_most_ms
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


def lag(config: NodeConfig, keyspace: Keyspace, raft: Raft) -> dict[NodeId, int | None]:
    """Return how many entries each other replica is behind; empty where this one does not lead, and cannot know.

    None for one that has not yet said what it holds: a new leader would have to call it the whole log.
    """
    if not raft.is_leader:
        return {}
    others = [node for node in keyspace.replicas if node != config.node_id]
    return {node: raft.entries_behind(node) for node in others}


def holders(raft: Raft, index: int) -> int:
    """Return how many replicas are known to hold the log durably up to an index: a majority where it is committed.

    A leader knows of each; a follower of itself, and of what the leader's appends say of all.
    """
    configuration = raft.configuration
    if index <= raft.replicated_index:
        return len(configuration.voters)
    known = len(raft.durable_on(index))
    return max(known, configuration.quorum) if index <= raft.commit_index else known


def stale_ms_max(raft: Raft, applied: Applied, now: Now) -> int:
    """Return how long ago at most what the rows show was the newest acknowledged, -1 where no bound is known.

    The age, at the turn that answers, of the time before which all that was acknowledged is applied here
    (replication/raft/currency.py derives it). For a follower that is the time since its leader may have named a commit
    index up to which it has applied, plus the detection time, within which a deposed leader steps down. For a leader,
    the time since a majority followed it.
    """
    as_of_us = raft.current_as_of_us(applied.term)
    return at_most_ms(None if as_of_us is None else now.mono_us - as_of_us)


def of_entry(raft: Raft, index: int, term: int) -> dict[bytes, Reply]:
    """Return the facts of a receipt that names an entry: a write's own one, or the last one that a read reflects."""
    return {b"index": index, b"term": term, b"replicas": holders(raft, index)}
