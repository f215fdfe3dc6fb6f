"""Where each entry and batch stands in the log's files: 16 bytes a record in memory, for the segments still kept.

Used by one thread.
"""

from array import array
from bisect import bisect_left

from trilemma.base.ids import ShardId
from trilemma.storage.port import LogRecord, RecordKind

Place = tuple[int, int, int]
"""Segment number, offset of the record, its bytes."""

Stream = tuple[ShardId, int]


class _Places:
    """One stream's records: index `first` + i stands at place i."""

    __slots__ = ("first", "offsets", "segments", "sizes")

    def __init__(self, first: int) -> None:
        self.first = first
        self.segments = array("Q")
        self.offsets = array("Q")
        self.sizes = array("L")

    def cut(self, length: int) -> None:
        """Keep the first `length` places."""
        del self.segments[length:], self.offsets[length:], self.sizes[length:]

    def drop(self, count: int) -> None:
        """Forget the first `count` places."""
        del self.segments[:count], self.offsets[:count], self.sizes[:count]
        self.first += count


class Index:
    """The places of all streams' newest records."""

    def __init__(self) -> None:
        self._streams: dict[Stream, _Places] = {}
        self._first_segment = 0

    def add(self, record: LogRecord, segment: int, offset: int, size: int) -> None:
        """Note a record; an entry supersedes all at or above its index, a batch found again replaces itself."""
        if record.kind not in (RecordKind.ENTRY, RecordKind.BATCH):
            return
        stream = (record.shard, record.stream)
        places = self._streams.get(stream)
        if places is None or not places.first <= record.index <= places.first + len(places.segments):
            places = self._streams[stream] = _Places(record.index)
        position = record.index - places.first
        if position < len(places.segments):
            if record.kind == RecordKind.BATCH:
                places.segments[position], places.offsets[position], places.sizes[position] = segment, offset, size
                return
            places.cut(position)
        places.segments.append(segment)
        places.offsets.append(offset)
        places.sizes.append(size)

    def place(self, stream: Stream, index: int) -> Place | None:
        """Return where a record stands, None where it is not kept."""
        places = self._streams.get(stream)
        if places is None or not 0 <= index - places.first < len(places.segments):
            return None
        position = index - places.first
        return places.segments[position], places.offsets[position], places.sizes[position]

    def release(self, first_segment: int) -> None:
        """Forget what stood in segments that are gone. Cost: nothing where no further ones are."""
        if first_segment <= self._first_segment:
            return
        self._first_segment = first_segment
        for places in self._streams.values():
            count = bisect_left(places.segments, first_segment)
            if count:
                places.drop(count)
