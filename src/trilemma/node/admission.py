"""Whether a `cp` or `ca` shard takes writes now, and whether it is served here at all.

Owns the rules (PROTOCOLS §3.7, §6.4) and their reasons, as functions of who is reached and whose disk has room. Knows
no entry and no connection; the sentences around a reason are node/refusal.py's.
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.batch import Waiter
from trilemma.node.config import NodeConfig


def why_not_written(
    config: NodeConfig,
    keyspace: Keyspace,
    up: frozenset[NodeId],
    full_disks: frozenset[NodeId],
    leaving: frozenset[NodeId],
) -> str | None:
    """Return why this node, as the leader, refuses writes now: a full disk, WRITE all without all, or too few replicas
    once those have stopped that are about to; else None."""
    if config.node_id in full_disks:
        return refusal.disk_full([config.name])
    needed = len(keyspace.replicas) if keyspace.write == "all" else len(keyspace.replicas) // 2 + 1
    why = why_too_few_stay(config, keyspace, up, leaving, needed) if leaving else None
    if why is not None:
        return why
    if keyspace.write != "all":
        return None
    full = [config.member_name(node) for node in keyspace.replicas if node in full_disks]
    if full:
        return refusal.disk_full(full)
    others = [node for node in keyspace.replicas if node != config.node_id]
    missing = [config.member_name(node) for node in others if node not in up]
    if not missing:
        return None
    total = len(keyspace.replicas)
    needs = (
        "every member has to agree"
        if refusal.is_catalogue(keyspace)
        else f"WRITE all needs {total} of {total} replicas"
    )
    return f"{', '.join(missing)} cannot be reached from the leader, {needs}"


def why_too_few_stay(
    config: NodeConfig, keyspace: Keyspace, up: frozenset[NodeId], leaving: frozenset[NodeId], needed: int
) -> str | None:
    """Return why a write could not be confirmed once those have stopped that are about to, or None: not for that."""
    staying = sum(node == config.node_id or node in up - leaving for node in keyspace.replicas)
    gone = [config.member_name(node) for node in keyspace.replicas if node in up & leaving]
    if staying >= needed or not gone:
        return None
    return f"{refusal.about_to_stop(gone)}, writes need {needed} of {len(keyspace.replicas)} replicas"


def without_writes(waiters: Sequence[Waiter], keyspace: Keyspace, why: str, *, has_room: bool) -> list[Waiter]:
    """Refuse units that write, and return those that only read; without room in the log they are refused too."""
    left = []
    for batch, position in waiters:
        if has_room and batch.units[position].is_read:
            left.append((batch, position))
        else:
            batch.complete(position, refusal.down(keyspace, why, batch.units[position]), 0)
    return left


def why_down(config: NodeConfig, keyspace: Keyspace, up: frozenset[NodeId]) -> str | None:
    """Return why a shard cannot be served from this node, or None: it reaches no majority of the replicas."""
    reached = sum(node == config.node_id or node in up for node in keyspace.replicas)
    return refusal.no_majority(keyspace, config.name, reached)
