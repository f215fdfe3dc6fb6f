"""The replicated log of one shard: terms of all its indexes, the newest payloads in memory, the rest by LogReader.

Owns what is handed to the node's log and which of it is durable. Does not know why entries come or go, nor what they
mean. Paper §5.3 (log matching); PROTOCOLS §6.1 (an ENTRY record supersedes all at or above its index).
"""

from collections.abc import Sequence

from trilemma.base.ids import ShardId
from trilemma.replication.raft.durability import Durability
from trilemma.replication.raft.retention import Retention
from trilemma.replication.raft.terms import TermRuns
from trilemma.storage.port import LogReader, LogRecord, RecordKind

TAIL_BYTES_MAX = 16 << 20
"""Payload bytes kept in memory: enough for peers within a second of the leader; older ones come from the disk."""

Stored = tuple[int, bytes]
"""(term, payload) of an entry."""


class Log:
    """Entries base_index + 1 .. last_index."""

    __slots__ = (
        "_first",
        "_handed_index",
        "_payloads",
        "_reader",
        "_shard",
        "_tail_bytes",
        "durability",
        "retention",
        "terms",
    )

    def __init__(self, shard: ShardId, reader: LogReader) -> None:
        self._shard = shard
        self._reader = reader
        self.durability = Durability(0)
        self.reset(0, 0)

    def reset(self, base_index: int, base_term: int) -> None:
        """Begin anew above a base, as after a snapshot."""
        self.terms = TermRuns(base_index, base_term)
        self.retention = Retention()
        self.durability.reset(base_index)
        self._payloads: list[bytes] = []
        self._first = base_index + 1
        self._tail_bytes = 0
        self._handed_index = base_index

    def rebase(self, base_index: int, base_term: int) -> None:
        """Take over a base that rows elsewhere reflect; entries above it stay if they follow from it."""
        if self.terms.at(base_index) == base_term:
            self.compact(base_index)
        else:
            self.reset(base_index, base_term)

    @property
    def base_index(self) -> int:
        """The index up to which entries are gone."""
        return self.terms.base_index

    @property
    def last_index(self) -> int:
        """The index of the last entry."""
        return self.terms.last_index

    @property
    def last_term(self) -> int:
        """The term of the last entry."""
        return self.terms.last_term

    @property
    def durable_index(self) -> int:
        """The index up to which this node's disk holds the log."""
        return self.durability.durable_index

    def append(self, term: int, payload: bytes) -> int:
        """Add an entry; return its index."""
        index = self.terms.append(term)
        self._payloads.append(payload)
        self._tail_bytes += len(payload)
        self.retention.appended(index, len(payload))
        return index

    def truncate(self, first: int) -> None:
        """Drop all entries from `first` on; its index must be above the base."""
        last = first - 1
        self.terms.truncate(last)
        self.retention.truncated(last)
        self.durability.truncated(last)
        self._handed_index = min(self._handed_index, last)
        if first < self._first:
            self._payloads, self._first, self._tail_bytes = [], first, 0
            return
        cut = first - self._first
        self._tail_bytes -= sum(map(len, self._payloads[cut:]))
        del self._payloads[cut:]

    def compact(self, base_index: int) -> None:
        """Forget the entries up to an index."""
        self.terms.compact(base_index)
        self.retention.compacted(base_index)
        self._drop_payloads(base_index)

    def evict(self, last_index: int) -> None:
        """Let the older half of what is in memory go where it is too much, up to an index; it stays readable."""
        if self._tail_bytes > TAIL_BYTES_MAX:
            self._drop_payloads(min(last_index, self._handed_index, self._first + len(self._payloads) // 2))

    def _drop_payloads(self, last_index: int) -> None:
        count = min(last_index + 1 - self._first, len(self._payloads))
        if count > 0:
            self._tail_bytes -= sum(map(len, self._payloads[:count]))
            del self._payloads[:count]
        self._first = max(self._first, min(last_index, self.last_index) + 1)

    def slice(self, first: int, last: int, bytes_max: int) -> list[Stored]:
        """Return entries first..last, at least one, stopping early at `bytes_max`; none where `first` is not kept."""
        if first < self._first:
            records = self._reader.read(self._shard, 0, first, min(last, self._first - 1), bytes_max)
            return [(record.term, record.body) for record in records]
        found: list[Stored] = []
        size = 0
        for index in range(first, last + 1):
            payload = self._payloads[index - self._first]
            size += len(payload)
            if found and size > bytes_max:
                break
            found.append((self.terms.at(index) or 0, payload))
        return found

    def take_records(self, token: int, mono_us: int) -> Sequence[LogRecord]:
        """Return the entries that the node's log has not been handed yet, which `token` will make durable."""
        first, last = self._handed_index + 1, self.last_index
        if first > last:
            return ()
        self._handed_index = last
        self.durability.handed_out(token, last, mono_us)
        return [
            LogRecord(RecordKind.ENTRY, self._shard, 0, index, self.terms.at(index) or 0, payload)
            for index, payload in enumerate(self._payloads[first - self._first :], first)
        ]

    def recovered(self) -> None:
        """Take all that is held as handed out and durable: it was read from the disk."""
        self._handed_index = self.last_index
        self.durability.reset(self.last_index)
