"""What a start finds in the node's log: the batches, and the last state that a segment restated.

Owns which of them can be handed on to peers, and which the rows lack. Does not know how a batch is delivered.
"""

from collections.abc import Iterator, Sequence

from trilemma.base.hlc import HybridLogicalClock
from trilemma.base.ids import NodeId
from trilemma.crdt.vector import Vector, join
from trilemma.replication.leaderless.record import LeaderlessState, batch_of, decode_state
from trilemma.replication.leaderless.retention import Retention
from trilemma.replication.port import Batch
from trilemma.storage.port import LogRecord, RecordKind


class Recovery:
    """What the log kept of one shard.

    Args:
        records: in write order.
        clock: observes every stamp that was written.
    """

    def __init__(self, records: Sequence[LogRecord], clock: HybridLogicalClock) -> None:
        self.state = LeaderlessState()
        """The last state of all, which says what the clocks showed together."""
        self._batches: dict[tuple[NodeId, int], Batch] = {}
        self._dropped: dict[NodeId, int] = {}
        for record in records:
            if record.kind == RecordKind.BATCH:
                batch = batch_of(record)
                self._batches[batch.origin, batch.seq] = batch
                clock.observe(batch.stamp)
            elif record.kind == RecordKind.SHARD_STATE:
                self.state = decode_state(record.body)
                self._dropped = join((self._dropped, self.state.dropped))
                clock.observe(self.state.hlc)

    def fill(self, retention: Retention, applied: Vector) -> None:
        """Retain what the rows reflect and peers may still ask for; what the rows lack is retained once delivered."""
        for origin in sorted({*applied, *(origin for origin, _ in self._batches)}):
            last = applied.get(origin, 0)
            gone = self._gone(origin, last)
            retention.found(origin, gone, [self._batches[origin, seq] for seq in range(gone + 1, last + 1)])

    def _gone(self, origin: NodeId, applied: int) -> int:
        """Return up to where an origin's batches cannot be handed on: what the rows brought, and what lies below it,
        is not in the log."""
        held = {seq for each, seq in self._batches if each == origin}
        gone = max({applied, *held})
        while gone in held:
            gone -= 1
        return max(gone, min(self._dropped.get(origin, 0), applied))

    def lacked(self, applied: Vector) -> Iterator[Batch]:
        """Yield the batches that the rows do not reflect, in write order."""
        return (batch for batch in self._batches.values() if batch.seq > applied.get(batch.origin, 0))
