"""Causal delivery: what is delivered at one replica, its own batches and others', each after all that it depends on.

Owns the vector of what is delivered, the stamps, what waits for its causes or for its turn, and what is to be written
of it all. Does not know peers, links or messages, nor what is durable. Ladin et al. 1992 (lazy replication);
PROTOCOLS §5.
"""

from collections.abc import Sequence
from typing import Final

from trilemma.base.hlc import HybridLogicalClock
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.crdt.vector import join
from trilemma.replication.leaderless.early import EarlyBatches
from trilemma.replication.leaderless.record import LeaderlessState, record_of
from trilemma.replication.leaderless.recovery import Recovery
from trilemma.replication.leaderless.retention import Retention
from trilemma.replication.port import Batch, Reflected
from trilemma.storage.port import LogRecord

DELIVERED_BYTES_MAX: Final = 16 << 10
"""Bodies of others' batches delivered in one turn, unless the first alone is more. What is delivered is applied in the
same turn, and no heartbeat leaves meanwhile: of the smallest operations these are six hundred."""


class Delivery:
    """One replica's delivered batches.

    Args:
        members: all replicas of the shard, this one included.
        applied: what the rows reflect.
        retention: retains what is delivered.
    """

    def __init__(
        self,
        shard: ShardId,
        node: NodeId,
        members: Sequence[NodeId],
        applied: Reflected,
        retention: Retention,
    ) -> None:
        self.vector: dict[NodeId, int] = dict(applied.vector)
        """What is delivered here; never changed, only replaced."""
        self.clock = HybridLogicalClock(applied.stamp)
        self._shard = shard
        self._node = node
        self._origins = tuple(sorted(members))
        self._retention = retention
        self._early = EarlyBatches(node)
        self._records: list[LogRecord] = []
        self._delivered: list[tuple[Batch, dict[NodeId, int]]] = []
        self._turn_bytes = 0
        """Bodies delivered in this turn."""
        self._served: set[NodeId] = set()
        """Whose batches were delivered in this turn."""
        self.has_more = False
        """Whether something is due that this turn had no room for."""

    def recover(self, records: Sequence[LogRecord]) -> LeaderlessState:
        """Take in what the log kept; batches that the rows lack are delivered first.

        Returns:
            The last state of all, which says what the clocks showed together.
        """
        found = Recovery(records, self.clock)
        found.fill(self._retention, self.vector)
        for batch in found.lacked(self.vector):
            self._early.put(batch)
        self.deliver_due(is_recorded=True)
        self._early.clear()
        return found.state

    # Others' batches

    def take(self, batch: Batch) -> None:
        """Take in a batch from elsewhere; `deliver_due` delivers it."""
        self._early.take(batch, self.vector)

    def deliver_due(self, *, is_recorded: bool = False) -> bool:
        """Deliver what has all its causes delivered, as far as there is room in this turn; say whether anything was.

        Args:
            is_recorded: a start has found it all in its log. There is no turn to be held up, so there is room for all.
        """
        found = self.has_more = False
        progress = bool(self._early)
        while progress:
            progress = False
            for place, origin in enumerate(self._origins):
                while (batch := self._early.due(origin, self.vector)) is not None:
                    if not (is_recorded or self._has_room_for(batch)):
                        self.has_more = True
                        self._begin_with(place + (origin in self._served))
                        return found
                    self._early.remove(batch)
                    self._deliver_one(batch, is_recorded=is_recorded)
                    found = progress = True
        return found

    def _has_room_for(self, batch: Batch) -> bool:
        return not self._turn_bytes or self._turn_bytes + len(batch.body) <= DELIVERED_BYTES_MAX

    def _begin_with(self, place: int) -> None:
        """Begin with another origin next time: who stands behind others would wait for as long as they have more."""
        self._origins = self._origins[place:] + self._origins[:place]

    def _deliver_one(self, batch: Batch, *, is_recorded: bool) -> None:
        self.clock.observe(batch.stamp)
        self.vector = {**self.vector, batch.origin: batch.seq}
        self._delivered.append((batch, self.vector))
        self._retention.add(batch)
        if not is_recorded:
            self._turn_bytes += len(batch.body)
            self._served.add(batch.origin)
            self._records.append(record_of(self._shard, batch))

    def take_delivered(self) -> list[tuple[Batch, dict[NodeId, int]]]:
        """Return what was delivered since the last call, each with the vector that it brings the rows to."""
        self._turn_bytes = 0
        self._served.clear()
        delivered, self._delivered = self._delivered, []
        return delivered

    # Own batches

    @property
    def waiting_bytes(self) -> int:
        """The bodies of the batches that wait."""
        return self._early.bytes

    def taken(self) -> dict[NodeId, int]:
        """Return what is delivered, with what waits behind it and lacks nothing of the same origin."""
        return self._early.reach(self.vector)

    @property
    def held_back(self) -> int:
        """How many batches wait for what comes before them, or for a turn that has room."""
        return len(self._early)

    @property
    def made(self) -> int:
        """The sequence number of the newest own batch, 0 before the first."""
        return self.vector.get(self._node, 0)

    def next_header(self, wall_ms: int | None) -> Batch:
        """Return the next own batch without a body: its dot, stamp and what it depends on.

        Args:
            wall_ms: the wall clock, None where it is not to be trusted.
        """
        return Batch(self._node, self.made + 1, self.clock.tick(wall_ms), dict(self.vector), b"")

    def append(self, batch: Batch) -> None:
        """Deliver an own batch, which is applied already."""
        invariant(batch.seq == self.made + 1, "own batches follow each other")
        self.vector = {**self.vector, self._node: batch.seq}
        self._retention.add(batch)
        self._records.append(record_of(self._shard, batch))

    # Rows that came

    def install(self, reflected: Reflected) -> None:
        """Go on from rows that reflect this and all that was delivered here."""
        vector, stamp = reflected
        self.clock.observe(stamp)
        for origin, seq in vector.items():
            if seq > self.vector.get(origin, 0):
                self._retention.jump(origin, seq)
        self.vector = join((self.vector, vector))
        self._early.forget_delivered(self.vector)

    def take_records(self) -> list[LogRecord]:
        """Return what is to be written to the log."""
        records, self._records = self._records, []
        return records
