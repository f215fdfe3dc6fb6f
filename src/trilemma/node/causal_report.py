"""What an `ap` replica tells of itself: INFO's facts, how far others are behind, receipts, hidden concurrent SETs.

Owns the words and what they are taken from; decides nothing. Functions of the replica's vectors and of the rows.
"""

from trilemma.base.hlc import stamp_ms
from trilemma.base.ids import NodeId
from trilemma.base.time import Now
from trilemma.crdt.entry import Written
from trilemma.crdt.vector import text
from trilemma.datatype.causal import CausalView
from trilemma.keyspace.settings import Keyspace
from trilemma.node import receipt as common
from trilemma.node.config import NodeConfig
from trilemma.node.receipt import NOTHING, UNBOUNDED, at_most_ms, is_error
from trilemma.node.unit import Result, Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.resp.reply import Reply


def facts(replica: Leaderless) -> dict[str, object]:
    """Return what INFO says of a replica."""
    return {
        "role": "replica",
        "vector": text(replica.vector),
        "durable": text(replica.holdings.durable),
        "sequence": position(replica),
        "durable_sequence": replica.holdings.durable.get(replica.node, 0),
        "held_back": replica.held_back,
        "retained_bytes": replica.retained_bytes,
        "clock_trusted": "yes" if replica.wall_clock.is_trusted else "no",
    }


def lag(replica: Leaderless) -> dict[NodeId, int | None]:
    """Return how many batches each other replica is behind; None for one that was not heard since the start."""
    return {peer: _batches_behind(replica, peer) for peer in replica.peers}


def _batches_behind(replica: Leaderless, peer: NodeId) -> int | None:
    held = replica.holdings.of_peers.get(peer)
    if held is None:
        return None
    return sum(max(seq - held.get(node, 0), 0) for node, seq in replica.vector.items())


def position(replica: Leaderless) -> int:
    """Return what is acknowledged of this replica's own by now: the sequence of its newest batch."""
    return replica.vector.get(replica.node, 0)


def held_by(replica: Leaderless, position: int) -> int:
    """Return how many other replicas are known to hold the own batches up to a position durably."""
    return sum(node != replica.node for node in replica.holdings.holders(position))


def receipt(
    config: NodeConfig,
    keyspace: Keyspace,
    replica: Leaderless,
    now: Now,
    unit: Unit,
    result: Result,
    seq: int,
    held: int,
) -> Reply:
    """Return the receipt of a unit. `seq`: its own batch, 0 for none; `held`: on how many replicas what it names is."""
    stale = stale_ms_max(replica, now)
    if is_error(result):
        promise, stale = NOTHING, UNBOUNDED
    elif seq:
        promise = _written(keyspace)
    elif unit.is_read and keyspace.read_count > 1:
        promise = f"newest of {keyspace.read_count} replicas"
    else:
        promise = "own side's newest"
    facts: dict[bytes, Reply] = {b"vector": text(replica.vector).encode(), b"replicas": held}
    return common.receipt(config, keyspace, unit, promise, stale, facts)


def _written(keyspace: Keyspace) -> str:
    if keyspace.durability == "everysec" and keyspace.write_count == 1:
        return "taken in, durable a moment later, spreads to all"
    return f"durable on {keyspace.write}, spreads to all"


def stale_ms_max(replica: Leaderless, now: Now) -> int:
    """Return how long ago at most an acknowledged write can be, of whatever replica, that is not here; -1: not known.

    The longest time since a peer may have said that it had made what is all here (replication/leaderless/currency.py
    derives it). READ n asks peers, whose answers count as gossip does.
    """
    if not replica.peers:
        return 0
    covered_us = replica.covered_us()
    return at_most_ms(None if covered_us is None else now.mono_us - covered_us)


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
