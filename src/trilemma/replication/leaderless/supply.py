"""What a replica hands on as batches: those that somebody lacks, out of what is retained, whoever wrote them.

Owns the order of what is handed on and the size of one answer. Does not know what is delivered or durable: that is
told. Where a batch is gone, rows must do (PROTOCOLS §5.7).
"""

from trilemma.crdt.vector import Vector
from trilemma.replication.leaderless.messages import Batches, Dropped, Wire, wire_of
from trilemma.replication.leaderless.retention import Retention
from trilemma.replication.port import Batch

SEND_BYTES_MAX = 128 << 10
"""Bodies in one answer to a pull, unless the first alone is more: a few turns' work for who asked."""


def batches_above(vector: Vector, retention: Retention, held: Vector) -> list[Batch] | None:
    """Return all batches up to `held` that a vector lacks, in causal order; None where one of them is gone."""
    found: list[Batch] = []
    for origin, last in sorted(held.items()):
        seq = vector.get(origin, 0)
        while seq < last:
            batches = retention.after(origin, seq, last)
            if not batches:
                return None
            found.extend(batches)
            seq = batches[-1].seq
    return _in_causal_order(found)


def answer_to(vector: Vector, retention: Retention, held: dict[int, int]) -> Batches | Dropped | None:
    """Return what to send to a peer that pulls and holds a vector.

    Args:
        held: what is held durably here; nothing beyond is sent.

    Returns:
        Batches in causal order as far as that is one origin's, not all where they are many; Dropped where one is gone;
        None where the peer lacks nothing.
    """
    found: list[Batch] = []
    for origin, last in sorted(held.items()):
        batches = retention.after(origin, vector.get(origin, 0), last)
        if batches is None:
            return Dropped(held)
        found.extend(batches)
    sent = _first_of(_in_causal_order(found))
    return Batches(sent) if sent else None


def _in_causal_order(batches: list[Batch]) -> list[Batch]:
    # Stamps grow along causality.
    return sorted(batches, key=lambda batch: (batch.stamp, batch.origin, batch.seq))


def _first_of(batches: list[Batch]) -> list[Wire]:
    """Return as many batches as one answer may hold, as they travel."""
    sent: list[Wire] = []
    size = 0
    for batch in batches:
        size += len(batch.body)
        if sent and size > SEND_BYTES_MAX:
            break
        sent.append(wire_of(batch))
    return sent
