"""Batches that came before their causes, or faster than they are delivered: they wait here, in any order of arrival.

Owns which batch is due over a vector of what is delivered. Does not know how a batch is delivered, or who sent it.
Bounded: what finds no room is dropped, and pulled again later. Ladin et al. 1992 (lazy replication); PROTOCOLS §5.
"""

from trilemma.base.ids import NodeId
from trilemma.base.limits import MIB, limit
from trilemma.crdt.vector import Vector, covers
from trilemma.replication.port import Batch

EARLY_BATCHES_MAX = limit(
    "early_batches_max",
    4_096,
    "batches per shard",
    "what came before its cause, or too fast, is kept in memory",
    "it is dropped, and pulled again later",
)
EARLY_BYTES_MAX = limit(
    "early_bytes_max",
    16 * MIB,
    "bytes per shard",
    "what came before its cause, or too fast, is kept in memory",
    "it is dropped, and pulled again later",
)


class EarlyBatches:
    """The batches of one shard that wait at one replica."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._batches: dict[tuple[NodeId, int], Batch] = {}
        self.bytes = 0
        """Of their bodies."""

    def __len__(self) -> int:
        return len(self._batches)

    def take(self, batch: Batch, delivered: Vector) -> None:
        """Put a batch aside unless it is known or too far ahead; what can be delivered now is never too far."""
        key = (batch.origin, batch.seq)
        if batch.seq <= delivered.get(batch.origin, 0) or batch.origin == self._node or key in self._batches:
            return
        is_next = batch.seq == delivered.get(batch.origin, 0) + 1 and self._is_due(batch, delivered)
        has_room = len(self._batches) < EARLY_BATCHES_MAX and self.bytes + len(batch.body) <= EARLY_BYTES_MAX
        if is_next or has_room:
            self.put(batch)

    def put(self, batch: Batch) -> None:
        """Put a batch aside that is wanted for sure: a start found it in the log."""
        self._batches[batch.origin, batch.seq] = batch
        self.bytes += len(batch.body)

    def due(self, origin: NodeId, delivered: Vector) -> Batch | None:
        """Return an origin's next batch if it has come and its causes are delivered."""
        batch = self._batches.get((origin, delivered.get(origin, 0) + 1))
        return None if batch is None or not self._is_due(batch, delivered) else batch

    def remove(self, batch: Batch) -> None:
        """Take out a batch."""
        del self._batches[batch.origin, batch.seq]
        self.bytes -= len(batch.body)

    def reach(self, delivered: Vector) -> dict[NodeId, int]:
        """Return a vector of what is delivered, and for each origin of what waits here right behind that."""
        reached = dict(delivered)
        for origin in {batch.origin for batch in self._batches.values()}:
            seq = reached.get(origin, 0)
            while (origin, seq + 1) in self._batches:
                seq += 1
            if seq:
                reached[origin] = seq
        return reached

    def _is_due(self, batch: Batch, delivered: Vector) -> bool:
        return covers(delivered, batch.depends)

    def forget_delivered(self, delivered: Vector) -> None:
        """Let go what has been delivered otherwise, as rows."""
        for batch in [each for each in self._batches.values() if each.seq <= delivered.get(each.origin, 0)]:
            self.remove(batch)

    def clear(self) -> None:
        """Let go everything."""
        self._batches.clear()
        self.bytes = 0
