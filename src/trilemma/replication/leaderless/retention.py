"""The batches that some replica may still ask for: in memory while they are few bytes, in the node's log beyond.

A batch is let go when all replicas hold it durably, or, at the bound, when a majority does (PROTOCOLS §5.7).
"""

from collections import deque
from collections.abc import Iterable

from trilemma.base.ids import NodeId, ShardId
from trilemma.replication.leaderless.record import batch_of
from trilemma.replication.port import Batch
from trilemma.storage.port import LogReader

MEMORY_BYTES_MAX = 16 << 20
"""Bodies kept in memory for peers that are a little behind."""

READ_BYTES_MAX = 1 << 20

GRAINS = 64
"""How many parts of the bound are told apart where a stream is weighed: no size is kept per batch."""


class _Stream:
    """One origin's batches: dropped up to `dropped`, in memory from `first` on, in the log only between the two."""

    __slots__ = ("_gone", "_grain", "_last", "_marks", "_total", "dropped", "first", "recent")

    def __init__(self, dropped: int, first: int, grain: int) -> None:
        self.dropped = dropped
        self.first = first
        self.recent: deque[Batch] = deque()
        self._grain = grain
        self._marks: deque[tuple[int, int]] = deque()
        """Sequence numbers, a grain of bytes apart, and the bytes of all batches up to each."""
        self._last = dropped
        self._total = 0
        self._gone = 0

    def weigh(self, seq: int, size: int) -> None:
        """Count the next batch's bytes."""
        self._last = seq
        self._total += size
        if self._total - (self._marks[-1][1] if self._marks else self._gone) >= self._grain:
            self._marks.append((seq, self._total))

    def drop(self, seq: int) -> None:
        """Let go what lies up to `seq`."""
        self.dropped = seq
        self.first = max(self.first, seq + 1)
        while self._marks and self._marks[0][0] <= seq:
            self._gone = self._marks.popleft()[1]
        if seq >= self._last:
            self._gone = self._total

    @property
    def bytes(self) -> int:
        """The bytes retained, to within a grain."""
        return self._total - self._gone


class Retention:
    """All origins' batches of one shard."""

    def __init__(self, shard: ShardId, log: LogReader, retained_bytes: int) -> None:
        self._retained_bytes = retained_bytes
        self._shard = shard
        self._log = log
        self._streams: dict[NodeId, _Stream] = {}
        self._memory_bytes = 0

    def found(self, origin: NodeId, dropped: int, batches: Iterable[Batch]) -> None:
        """Say what start-up found: an origin's batches above `dropped`, ascending, are in the log.

        What the rows lack is not among them: it is delivered anew, by `add`.
        """
        stream = self._begin(origin, dropped)
        for batch in batches:
            stream.weigh(batch.seq, len(batch.body))
            stream.first = batch.seq + 1

    def _begin(self, origin: NodeId, dropped: int) -> _Stream:
        stream = self._streams[origin] = _Stream(dropped, dropped + 1, max(self._retained_bytes // GRAINS, 1))
        return stream

    def add(self, batch: Batch) -> None:
        """Retain the next batch of its origin."""
        stream = self._streams.get(batch.origin) or self._begin(batch.origin, batch.seq - 1)
        if not stream.recent:
            stream.first = batch.seq
        size = len(batch.body)
        stream.recent.append(batch)
        stream.weigh(batch.seq, size)
        self._memory_bytes += size
        while self._memory_bytes > MEMORY_BYTES_MAX and len(stream.recent) > 1:
            self._forget_first(stream)

    def _forget_first(self, stream: _Stream) -> None:
        self._memory_bytes -= len(stream.recent.popleft().body)
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
            self._memory_bytes -= sum(len(batch.body) for batch in stream.recent)
        self._begin(origin, seq)

    def drop(self, origin: NodeId, seq: int) -> None:
        """Let go an origin's batches up to a sequence number."""
        stream = self._streams.get(origin)
        if stream is None or seq <= stream.dropped:
            return
        while stream.recent and stream.recent[0].seq <= seq:
            self._forget_first(stream)
        stream.drop(seq)

    @property
    def bytes(self) -> int:
        """Bytes retained, those only in the log included."""
        return sum(stream.bytes for stream in self._streams.values())

    @property
    def is_over_bound(self) -> bool:
        """Say whether more is retained than is kept for a replica that is away."""
        return self.bytes > self._retained_bytes
