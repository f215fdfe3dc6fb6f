"""What the pure node asks of its disk: one append-only log for all shards, one ordered map of rows.

Writing to the log goes out by `Effects` (node/effects.py) and comes back as `persisted(token)`; everything here is
synchronous reading, and row batches. Two implementations: `storage.memory` (the simulator's, with crash semantics) and
`runtime` (files, RocksDB). Rules: PROTOCOLS §6.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from trilemma.base.ids import ShardId


class RecordKind(IntEnum):
    """What a log record holds. Numbers are on disk: never reuse one."""

    NODE = 1
    """Node-wide state (clocks, start count), msgpack map; shard is SYSTEM_SHARD. Newest wins."""
    SHARD_STATE = 2
    """A shard's restated state (term, vote, commit, base, generation, vector, drop point), msgpack map. Newest wins."""
    ENTRY = 3
    """A Raft entry at `index` of `term`; supersedes every earlier record of its shard at or above `index`."""
    BATCH = 4
    """A leaderless batch: `stream` is the origin's node id, `index` its sequence number."""
    GENERATION = 5
    """The switch of a shard to a generation of rows that is already durable, with its base state, msgpack map."""


class LogRecord(NamedTuple):
    """One record. `stream` is 0 for Raft, the origin's node id for leaderless batches."""

    kind: int
    shard: ShardId
    stream: int
    index: int  # type: ignore[assignment] # the field's word; tuple.index is of no use here
    term: int
    body: bytes


class LogWrite(NamedTuple):
    """What one turn appends.

    `segment` is the number of the segment to append to; where `opens_segment`, it is a new one and `records` begins
    with the restatement of all shards, to be synced before anything later. `must_sync` False means that nobody waits:
    the token is then durable with the next sync. `release_before`: segments with a lower number may be removed once
    this write is durable.
    """

    token: int
    segment: int
    opens_segment: bool
    records: Sequence[LogRecord]
    must_sync: bool
    release_before: int


class LogReader(Protocol):
    """Reading back what was handed to the log, durable or not, within the segments still kept."""

    def read(self, shard: ShardId, stream: int, first: int, last: int, bytes_max: int) -> list[LogRecord]:
        """Return the newest ENTRY or BATCH records first..last, in order, without a gap.

        May stop early at `bytes_max` (but returns at least one record that is there), or at the first one not kept.
        """
        ...

    def sizes(self) -> dict[int, int]:
        """Return the bytes of each kept segment, by number."""
        ...


class RowBatch(NamedTuple):
    """Row changes that become visible, and durable, together. Ranges go first, then deletes, then puts."""

    puts: Sequence[tuple[bytes, bytes]]
    deletes: Sequence[bytes]
    delete_ranges: Sequence[tuple[bytes, bytes]]


class RowReader(Protocol):
    """Ordered reads; keys compare as bytes."""

    def get(self, key: bytes) -> bytes | None:
        """Return the row, or None."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the rows in the order asked."""
        ...

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` rows with start <= key < stop, ascending (or descending) by key. For few small rows."""
        ...

    def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows with start <= key < stop in ascending order, read one at a time: values may be large.

        Shows the rows as they are when the first is asked for. Until the last one is, nothing else may be read from the
        same view, and nothing may be written to the engine.
        """
        ...


class ReadView(RowReader, Protocol):
    """The rows as they were when it was taken. Must be closed."""

    def close(self) -> None:
        """Give it back."""
        ...


class Engine(RowReader, Protocol):
    """The row engine. Writes are visible at once; after a crash a prefix of the written batches is left."""

    @property
    def takes_writes(self) -> bool:
        """Say whether `write` may be called now: not while an engine waits for room on its disk."""
        ...

    def write(self, batch: RowBatch) -> None:
        """Apply a batch atomically. Durable only after a flush (or when the engine chose to flush by itself)."""
        ...

    def read_view(self) -> ReadView:
        """Pin the rows as they are now."""
        ...


class Recovered(NamedTuple):
    """What start-up found in the log: all records of the kept segments in write order, torn tail already cut."""

    records: Sequence[LogRecord]
    next_segment: int
    segments: Sequence[int]


def prefix_stop(prefix: bytes) -> bytes:
    """Return the smallest key above every key that begins with `prefix` (which holds a byte below 0xff)."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])
