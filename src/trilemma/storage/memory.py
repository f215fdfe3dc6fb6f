"""In-memory twins of the log and the row engine, with the crash semantics of the real ones (PROTOCOLS §6.7).

Product code: the simulator and users' tests run on them. What was not synced is lost at a crash, or torn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from sortedcontainers import SortedDict

from trilemma.base.ids import ShardId
from trilemma.base.invariant import invariant
from trilemma.storage.port import LogRecord, LogWrite, RecordKind, Recovered, RowBatch

Draw = Callable[[int], int]
"""Return a number from 0 to bound - 1."""


class MemoryLog:
    """A log of segments in memory. `append` is writing, `sync` makes a token durable, `crash` loses the rest."""

    def __init__(self) -> None:
        self._segments: dict[int, list[LogWrite]] = {}
        self._durable = 0
        self._released = 0
        self._releases: deque[tuple[int, int]] = deque()
        """(token, release_before) of writes that are not durable yet."""
        self._index: dict[tuple[ShardId, int], dict[int, LogRecord]] = {}

    def append(self, write: LogWrite) -> None:
        """Take a write; it is readable at once and durable after `sync`."""
        self._segments.setdefault(write.segment, []).append(write)
        if write.release_before > self._released:
            self._releases.append((write.token, write.release_before))
        self._index_records(write.records)

    def _index_records(self, records: Iterable[LogRecord]) -> None:
        for record in records:
            if record.kind == RecordKind.ENTRY:
                stream = self._index.setdefault((record.shard, 0), {})
                stream[record.index] = record
                # An entry supersedes all that stood at or above its index.
                above = record.index + 1
                while stream.pop(above, None) is not None:
                    above += 1
            elif record.kind == RecordKind.BATCH:
                self._index.setdefault((record.shard, record.stream), {})[record.index] = record

    def sync(self, token: int) -> None:
        """Make everything up to a token durable, and remove the segments that it released."""
        self._durable = max(self._durable, token)
        while self._releases and self._releases[0][0] <= token:
            self._released = max(self._released, self._releases.popleft()[1])
        for number in [number for number in self._segments if number < self._released]:
            del self._segments[number]

    def crash(self, draw: Draw | None = None) -> None:
        """Lose what is not durable, save for a prefix of `draw`n length: its bytes may have reached the disk."""
        undurable = [
            write
            for number in sorted(self._segments)
            for write in self._segments[number]
            if write.token > self._durable
        ]
        kept = 0 if draw is None else draw(len(undurable) + 1)
        lost = {write.token for write in undurable[kept:]}
        for number in list(self._segments):
            self._segments[number] = [write for write in self._segments[number] if write.token not in lost]
            if not self._segments[number]:
                del self._segments[number]
        self._reindex()

    def _reindex(self) -> None:
        self._index = {}
        for number in sorted(self._segments):
            for write in self._segments[number]:
                self._index_records(write.records)

    def recover(self) -> Recovered:
        """Return what a start finds; it is durable from then on, as a real log's start makes it. Tokens count anew."""
        numbers = sorted(self._segments)
        records = [record for number in numbers for write in self._segments[number] for record in write.records]
        for number in numbers:
            self._segments[number] = [write._replace(token=0) for write in self._segments[number]]
        self._durable = 0
        self._releases.clear()
        return Recovered(records, (numbers[-1] + 1) if numbers else 1, numbers)

    def read(self, shard: ShardId, stream: int, first: int, last: int, bytes_max: int) -> list[LogRecord]:
        """See LogReader."""
        found = self._index.get((shard, stream), {})
        records: list[LogRecord] = []
        size = 0
        for index in range(first, last + 1):
            record = found.get(index)
            if record is None or (records and size + len(record.body) > bytes_max):
                break
            size += len(record.body)
            records.append(record)
        return records

    def sizes(self) -> dict[int, int]:
        """See LogReader."""
        return {
            number: sum(len(record.body) for write in writes for record in write.records)
            for number, writes in self._segments.items()
        }


class MemoryView:
    """A read view: the rows as they were."""

    def __init__(self, rows: "SortedDict[bytes, bytes]") -> None:
        self._rows = rows

    def get(self, key: bytes) -> bytes | None:
        """See RowReader."""
        value: bytes | None = self._rows.get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See RowReader."""
        return [self.get(key) for key in keys]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """See RowReader."""
        found: list[tuple[bytes, bytes]] = []
        for key in self._rows.irange(start, stop, inclusive=(True, False), reverse=reverse):
            if len(found) == limit:
                break
            found.append((key, self._rows[key]))
        return found

    def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See RowReader."""
        for key in self._rows.irange(start, stop, inclusive=(True, False)):
            yield key, self._rows[key]

    def close(self) -> None:
        """See ReadView."""


class MemoryEngine(MemoryView):
    """An ordered map whose writes since the last flush are lost at a crash, save for a prefix of batches."""

    def __init__(self) -> None:
        super().__init__(SortedDict())
        self._unflushed: list[RowBatch] = []
        self._flushed: dict[bytes, bytes] = {}
        self.takes_writes = True
        """See Engine; whoever plays a full disk sets it."""

    def write(self, batch: RowBatch) -> None:
        """See Engine."""
        self._apply(self._rows, batch)
        self._unflushed.append(batch)

    @staticmethod
    def _apply(rows: "SortedDict[bytes, bytes] | dict[bytes, bytes]", batch: RowBatch) -> None:
        for start, stop in batch.delete_ranges:
            for key in [key for key in rows if start <= key < stop]:
                del rows[key]
        for key in batch.deletes:
            rows.pop(key, None)
        rows.update(batch.puts)

    def flush(self, batches: int | None = None) -> None:
        """Make the oldest `batches` of the unflushed writes durable (None: all)."""
        count = len(self._unflushed) if batches is None else batches
        invariant(count <= len(self._unflushed), "no more is flushed than was written")
        for batch in self._unflushed[:count]:
            self._apply(self._flushed, batch)
        del self._unflushed[:count]

    @property
    def unflushed(self) -> int:
        """The number of batches that a crash may lose."""
        return len(self._unflushed)

    def crash(self, draw: Draw | None = None) -> None:
        """Lose the unflushed batches, save for a prefix of `draw`n length."""
        if draw is not None:
            self.flush(draw(len(self._unflushed) + 1))
        self._unflushed.clear()
        self._rows = SortedDict(self._flushed)

    def read_view(self) -> MemoryView:
        """See Engine."""
        return MemoryView(SortedDict(self._rows))
