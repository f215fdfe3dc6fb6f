"""A batch as a record of the node's log, and the state that a fresh segment restates."""

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import CLOCK_OFFSET_MS_MAX
from trilemma.replication.port import Batch
from trilemma.storage.port import LogRecord, RecordKind


class _Body(msgspec.Struct, frozen=True, array_like=True):
    stamp: int
    depends: dict[NodeId, int]
    body: bytes


class LeaderlessState(msgspec.Struct, frozen=True):
    """The body of a SHARD_STATE record: what is held, what is gone from the log, and the clocks.

    `wall_ms` is what the wall clock showed when the expiry clock showed `expiry_ms`: how far apart the two were, so
    that a start can tell by the wall clock how long the node was away. `firm_ms` is what of that was no guess; None
    where all of it was firm.
    """

    vector: dict[NodeId, int] = {}
    dropped: dict[NodeId, int] = {}
    hlc: int = 0
    expiry_ms: int = 0
    wall_ms: int = 0
    firm_ms: int | None = None

    @property
    def was_apart(self) -> bool:
        """Whether the two were further apart than clocks that agree."""
        return abs(self.wall_ms - self.expiry_ms) > CLOCK_OFFSET_MS_MAX


_encode = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode
decode_state = msgspec.msgpack.Decoder(LeaderlessState).decode


def record_of(shard: ShardId, batch: Batch) -> LogRecord:
    """Return the record that keeps a batch."""
    body = _encode(_Body(batch.stamp, batch.depends, batch.body))
    return LogRecord(RecordKind.BATCH, shard, batch.origin, batch.seq, 0, body)


def batch_of(record: LogRecord) -> Batch:
    """Return the batch that a record keeps."""
    found = _decode_body(record.body)
    return Batch(record.stream, record.index, found.stamp, found.depends, found.body)


def state_record(shard: ShardId, state: LeaderlessState) -> LogRecord:
    """Return the record that restates a shard."""
    return LogRecord(RecordKind.SHARD_STATE, shard, 0, 0, 0, _encode(state))
