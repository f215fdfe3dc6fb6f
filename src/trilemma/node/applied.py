"""What a set of rows of a `cp` or `ca` shard reflects: the APPLIED row that is written with them, the label of a copy.

Owns the two formats (docs/formats.md), not the rows, nor when they change: see node/raft_rows.py. The label is read
from the very rows that a transfer sends (PROTOCOLS §6.6), so it says what they reflect and nothing else.
"""

import msgspec

from trilemma.base.ids import ShardId
from trilemma.replication.raft.configuration import Configuration
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import ReadView
from trilemma.storage.rowkey import meta_key

APPLIED = b"applied"
"""The META row that says which entry the shard's rows reflect."""


class Applied(msgspec.Struct, frozen=True, array_like=True):
    """The APPLIED row: the last entry that the rows reflect."""

    index: int
    term: int
    stamp_ms: int


NOTHING_APPLIED = Applied(0, 0, 0)
"""Of rows without an APPLIED row."""

encode_applied = msgspec.msgpack.Encoder().encode
_decode_applied = msgspec.msgpack.Decoder(Applied).decode


class Label(msgspec.Struct, frozen=True):
    """What a set of rows reflects; the fields are those of a SHARD_STATE's base."""

    base_index: int
    base_term: int
    stamp_ms: int
    configuration: Configuration
    leases: bool


encode_label = msgspec.msgpack.Encoder().encode
decode_label = msgspec.msgpack.Decoder(Label).decode


def read_applied(rows: ShardRows) -> Applied:
    """Return which entry a shard's rows reflect."""
    row = rows.get(meta_key(rows.shard, rows.generation, APPLIED))
    return NOTHING_APPLIED if row is None else _decode_applied(row)


def applied_in(view: ReadView, shard: ShardId, generation: int) -> Applied:
    """Return which entry the rows of a generation reflect, as a pinned view of the engine holds them."""
    row = view.get(meta_key(shard, generation, APPLIED))
    return NOTHING_APPLIED if row is None else _decode_applied(row)
