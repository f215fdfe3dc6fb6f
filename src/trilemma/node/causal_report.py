"""What an `ap` replica tells of itself: INFO's facts, how far others are behind, receipts, hidden concurrent SETs.

Owns the words and what they are taken from; decides nothing. Functions of the replica's vectors and of the rows.
"""

from trilemma.base.hlc import stamp_ms
from trilemma.base.ids import NodeId
from trilemma.crdt.entry import Written
from trilemma.crdt.vector import text
from trilemma.datatype.causal import CausalView
from trilemma.keyspace.settings import Keyspace
from trilemma.node.config import NodeConfig
from trilemma.node.execute import warnings_of
from trilemma.node.unit import Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.resp.reply import Reply


def facts(replica: Leaderless) -> dict[str, object]:
    """Return what INFO says of a replica."""
    return {
        "role": "replica",
        "vector": text(replica.vector),
        "durable": text(replica.durable),
        "clock_trusted": "yes" if replica.expiry.is_trusted else "no",
    }


def lag(replica: Leaderless) -> dict[NodeId, int]:
    """Return how many batches each other replica is behind."""
    own = replica.vector
    held = replica.held
    return {
        peer: sum(max(seq - held.get(peer, {}).get(node, 0), 0) for node, seq in own.items()) for peer in replica.peers
    }


def receipt(
    config: NodeConfig, keyspace: Keyspace, replica: Leaderless, up: frozenset[NodeId], unit: Unit
) -> dict[bytes, Reply]:
    """Return the receipt of a unit that has just been executed."""
    promise = f"durable on {keyspace.write}, spreads to all" if not unit.is_read else "own side's newest"
    return {
        b"node": config.name.encode(),
        b"keyspace": keyspace.name.encode(),
        b"mode": keyspace.mode.value.encode(),
        b"promise": promise.encode(),
        b"vector": text(replica.vector).encode(),
        b"replicas": 1 + sum(peer in up for peer in replica.peers),
        b"warnings": warnings_of(unit, keyspace),
    }


def conflicts(config: NodeConfig, view: CausalView, keys_max: int) -> Reply:
    """Return up to `keys_max` keys with concurrent SETs, what each shows and what it hides, for CAP CONFLICTS."""
    rows: list[Reply] = []
    for conflict in view.conflicts(keys_max):
        hidden: list[Reply] = [_told(config, written) for written in conflict.hidden]
        row: list[Reply] = [conflict.db, conflict.key, _told(config, conflict.shown), hidden]
        rows.append(row)
    return rows


def _told(config: NodeConfig, written: Written) -> Reply:
    """Return a SET as CAP CONFLICTS shows it: value, who wrote it, when by its stamp in ms."""
    told: list[Reply] = [written.value, config.member_name(written.dot.node).encode()]
    told.append(stamp_ms(written.stamp))
    return told
