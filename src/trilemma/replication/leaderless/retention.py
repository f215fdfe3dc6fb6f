"""The batches that some replica may still ask for: in memory while they are few bytes, in the node's log beyond.

A batch is let go when all replicas hold it durably, or, at the bound, when a majority does (PROTOCOLS §5.7).
"""

from collections import deque

from trilemma.base.ids import NodeId, ShardId
from trilemma.replication.leaderless.record import batch_of
from trilemma.replication.port import Batch
from trilemma.storage.port import LogReader

MEMORY_BYTES_MAX = 16 << 20
"""Bodies kept in memory for peers that are a little behind."""

READ_BYTES_MAX = 1 << 20


class _Stream:
    """One origin's batches: dropped up to `dropped`, in memory from `first` on."""

    __slots__ = ("dropped", "first", "recent", "sizes")

    def __init__(self, dropped: int) -> None:
        self.dropped = dropped
        self.first = dropped + 1
        self.recent: deque[Batch] = deque()
        self.sizes: deque[int] = deque()


class Retention:
    """All origins' batches of one shard."""

    def __init__(self, shard: ShardId, log: LogReader, retained_bytes: int) -> None:
        self._retained_bytes = retained_bytes
        self._shard = shard
        self._log = log
        self._streams: dict[NodeId, _Stream] = {}
        self._memory_bytes = 0
        self.bytes = 0
        """Bytes retained, those only in the log included."""

    def found(self, origin: NodeId, dropped: int) -> None:
        """Say what start-up found: everything of an origin above `dropped` is in the log."""
        self._streams[origin] = _Stream(dropped)

    def _stream(self, origin: NodeId, seq: int) -> _Stream:
        stream = self._streams.get(origin)
        if stream is None:
            stream = self._streams[origin] = _Stream(seq - 1)
        return stream

    def add(self, batch: Batch) -> None:
        """Retain the next batch of its origin."""
        stream = self._stream(batch.origin, batch.seq)
        if not stream.recent:
            stream.first = batch.seq
        size = len(batch.body)
        stream.recent.append(batch)
        stream.sizes.append(size)
        self.bytes += size
        self._memory_bytes += size
        while self._memory_bytes > MEMORY_BYTES_MAX and len(stream.recent) > 1:
            self._forget_first(stream)

    def _forget_first(self, stream: _Stream) -> None:
        stream.recent.popleft()
        self._memory_bytes -= stream.sizes.popleft()
        stream.first += 1

    def dropped(self, origin: NodeId) -> int:
        """Return up to where an origin's batches are gone."""
        stream = self._streams.get(origin)
        return 0 if stream is None else stream.dropped

    def after(self, origin: NodeId, seq: int, last: int) -> list[Batch] | None:
        """Return batches seq + 1 .. last of an origin, perhaps not all at once; None where the first is gone."""
        stream = self._streams.get(origin)
        if stream is None or last <= seq:
            return []
        if seq < stream.dropped:
            return None
        if seq + 1 >= stream.first:
            skipped = seq + 1 - stream.first
            return [batch for place, batch in enumerate(stream.recent) if place >= skipped and batch.seq <= last]
        records = self._log.read(self._shard, origin, seq + 1, min(last, stream.first - 1), READ_BYTES_MAX)
        return [batch_of(record) for record in records] or None

    def jump(self, origin: NodeId, seq: int) -> None:
        """Begin anew above a sequence number: what came before arrived as rows, not as batches."""
        stream = self._streams.get(origin)
        if stream is not None:
            self.bytes -= sum(stream.sizes)
            self._memory_bytes -= sum(stream.sizes)
        self._streams[origin] = _Stream(seq)

    def drop(self, origin: NodeId, seq: int) -> None:
        """Let go an origin's batches up to a sequence number."""
        stream = self._streams.get(origin)
        if stream is None or seq <= stream.dropped:
            return
        while stream.recent and stream.recent[0].seq <= seq:
            self.bytes -= stream.sizes[0]
            self._forget_first(stream)
        stream.dropped = seq
        stream.first = max(stream.first, seq + 1)

    @property
    def is_over_bound(self) -> bool:
        """Say whether more is retained than is kept for a replica that is away."""
        return self.bytes > self._retained_bytes
