"""The node's one log for all shards: tokens, segments, restatements, when an old segment may go (PROTOCOLS §6.2)."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from trilemma.base.ids import ShardId
from trilemma.base.limits import MIB, limit
from trilemma.node.undurable import Undurable
from trilemma.storage.port import LogRecord, LogWrite, RecordKind, Recovered

RECORD_OVERHEAD_BYTES = 40
"""What a record costs beside its body; only used to decide when a segment, or the log, is full."""

UNDURABLE_BYTES_MAX = limit(
    "log_undurable_bytes_max",
    64 * MIB,
    "bytes",
    "what the disk has not taken is held in memory, and the node stops where that is far too much",
    "writes wait until the disk has caught up; of those held_bytes_max is the bound, and forward_window_bytes per node "
    "that forwards",
)

Stream = tuple[ShardId, int]


class NodeLog:
    """Collects one turn's records and decides about segments."""

    def __init__(self, recovered: Recovered, segment_bytes: int, restate: Callable[[], list[LogRecord]]) -> None:
        self.next_token = 1
        """The token of the LogWrite that this turn will end with, if it has records."""
        self.durable_token = 0
        self.bytes_written = 0
        self._segment_bytes = segment_bytes
        self._restate = restate
        self._records: list[LogRecord] = []
        self._coming_bytes = 0
        """Of `_records`."""
        self._undurable = Undurable()
        self._must_sync = False
        self._synced_token = 0
        """Of the newest write that was to be synced at once."""
        self._segment = recovered.next_segment
        self._opens = True
        self._filled = 0
        self._highest: dict[int, dict[Stream, int]] = {number: {} for number in recovered.segments}
        self._bytes: dict[int, int] = dict.fromkeys(recovered.segments, 0)
        self._note_recovered(recovered)
        self._released = min(recovered.segments, default=recovered.next_segment)

    def _note_recovered(self, recovered: Recovered) -> None:
        # The records do not say which segment they are from: all count for the oldest, which goes before any other.
        if recovered.segments:
            self._note(recovered.segments[0], recovered.records)
            self._bytes[recovered.segments[0]] = _size(recovered.records)

    def add(self, records: Sequence[LogRecord], must_sync: bool) -> None:
        """Take in records of this turn."""
        self._records.extend(records)
        self._coming_bytes += _size(records)
        self._must_sync |= must_sync

    @property
    def is_behind(self) -> bool:
        """Say whether so much is not durable, this turn's records included, that writes have to wait."""
        return self._undurable.bytes + self._coming_bytes > UNDURABLE_BYTES_MAX

    @property
    def undurable_token(self) -> int:
        """The token that covers everything handed out so far and collected now; 0 where all of it is durable."""
        newest = self.next_token if self._records else self.next_token - 1
        return newest if newest > self.durable_token else 0

    @property
    def synced_token(self) -> int:
        """The newest token, this turn's included, that somebody waits for; other writes are synced at leisure."""
        return self.next_token if self._must_sync else self._synced_token

    def persisted(self, token: int) -> None:
        """Take note of durability."""
        self.durable_token = max(self.durable_token, token)
        self._undurable.persisted(token)

    def take(self, first_needed: Callable[[ShardId, int], int]) -> LogWrite | None:
        """Return this turn's write, or None. `first_needed(shard, stream)`: the lowest index still needed."""
        if not self._records:
            return None
        records, must_sync, opens = self._records, self._must_sync, self._opens
        if opens:
            restated = self._restate()
            records = [*restated, *records]
            self._coming_bytes += _size(restated)
            must_sync = True
            self._highest[self._segment] = {}
            self._bytes[self._segment] = 0
        self._note(self._segment, records)
        if must_sync:
            self._synced_token = self.next_token
        write = LogWrite(self.next_token, self._segment, opens, records, must_sync, self._release(first_needed))
        self._account()
        self._records, self._must_sync = [], False
        self.next_token += 1
        return write

    def _account(self) -> None:
        written, self._coming_bytes = self._coming_bytes, 0
        self._undurable.add(self.next_token, written)
        self.bytes_written += written
        self._bytes[self._segment] += written
        self._filled += written
        self._opens = self._filled >= self._segment_bytes
        if self._opens:
            self._segment += 1
            self._filled = 0

    def _note(self, segment: int, records: Iterable[LogRecord]) -> None:
        highest = self._highest[segment]
        for record in records:
            if record.kind in (RecordKind.ENTRY, RecordKind.BATCH):
                stream = (record.shard, record.stream)
                highest[stream] = max(highest.get(stream, 0), record.index)

    def _release(self, first_needed: Callable[[ShardId, int], int]) -> int:
        for segment in sorted(self._highest):
            needed = any(top >= first_needed(*stream) for stream, top in self._highest[segment].items())
            if segment >= self._segment or needed:
                self._released = segment
                break
            del self._highest[segment], self._bytes[segment]
        return self._released

    def pinned_beyond(
        self, bytes_max: int, first_needed: Callable[[ShardId, int], int]
    ) -> Iterator[tuple[ShardId, int, int]]:
        """Find who keeps the log above a bound: (shard, stream, up to where it lies in the oldest segments), of each
        that still needs some of those without which the log would be within it."""
        excess = sum(self._bytes.values()) - bytes_max
        tops: dict[Stream, int] = {}
        for segment in sorted(self._highest):
            if excess <= 0 or segment >= self._segment:
                break
            excess -= self._bytes[segment]
            for stream, top in self._highest[segment].items():
                tops[stream] = max(top, tops.get(stream, 0))
        return ((*stream, top) for stream, top in tops.items() if top >= first_needed(*stream))


def _size(records: Iterable[LogRecord]) -> int:
    return sum(len(record.body) + RECORD_OVERHEAD_BYTES for record in records)
