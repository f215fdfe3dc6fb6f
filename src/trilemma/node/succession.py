"""Who takes over from the leader of a `cp` or `ca` shard: by KEYSPACE LEAD, at a shutdown, or where its disk is full.

Owns who can, and why a node cannot, as functions of who is reached and whose disk has room. How leadership is handed
over is Raft's (replication/raft/transfer.py).
"""

from collections.abc import Iterable

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.config import NodeConfig
from trilemma.node.unit import Result, Unit
from trilemma.replication.raft.replica import Raft
from trilemma.resp.reply import OK, ErrorReply, encode

register("no_heir", "ERR {name} cannot take over keyspace '{keyspace}': {reason}", "choose another node, or try later")


def leave_to_whoever_has_room(
    config: NodeConfig, raft: Raft, keyspace: Keyspace, up: frozenset[NodeId], full_disks: frozenset[NodeId]
) -> None:
    """Hand over where the own disk is full; reads go on here until then."""
    heirs = [node for node in keyspace.replicas if node in up and node not in full_disks and node != config.node_id]
    if heirs:
        transfer_to_best(raft, heirs)


def transfer_to_best(raft: Raft, heirs: Iterable[NodeId]) -> None:
    """Begin to hand the leadership to whoever of some nodes, at least one, holds most of the log."""
    raft.transfer_leadership(max(heirs, key=lambda node: (raft.match_index(node), -node)))


def why_no_heir(
    config: NodeConfig,
    raft: Raft,
    heir: NodeId,
    up: frozenset[NodeId],
    full_disks: frozenset[NodeId],
    leaving: frozenset[NodeId],
) -> str | None:
    """Return why this node, as the leader, cannot hand over to another now, or None."""
    if heir == config.node_id:
        return None
    if heir not in raft.configuration.voters:
        return "it has no vote"
    if raft.heir is not None:
        return f"a hand-over to {config.member_name(raft.heir)} is under way"
    if heir not in up:
        return f"no link from the leader, {config.name}, to it is up"
    if heir in leaving:
        return refusal.about_to_stop([config.member_name(heir)])
    if heir in full_disks:
        return refusal.disk_full([config.member_name(heir)])
    return None


def reply_of_lead(config: NodeConfig, keyspace: Keyspace, unit: Unit, heir: NodeId, reason: str | None) -> Result:
    """Return what KEYSPACE LEAD answers: OK, or the reason for which the node cannot take over."""
    if reason is None:
        return [encode(OK, unit.protocol)]
    text = error("no_heir", name=config.member_name(heir), keyspace=keyspace.name, reason=reason).text
    return [encode(ErrorReply(text), unit.protocol)]
