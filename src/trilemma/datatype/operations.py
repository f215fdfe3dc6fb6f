"""Operations: what the body of an `ap` shard's batch says, as msgpack arrays.

    [1, db, key, value, deadline, resets]   SET: replace all that was seen
    [2, db, key, resets]                    delete what was seen
    [3, db, key, value, resets]             replace the value that was seen, keep deadlines
    [4, db, key, deadline]                  replace the deadlines that were seen; 0 is for ever
    [5, db, key, run, total, cleared_seq, cleared]   this node's whole new counter entry
    [6, db or -1, [[db, key, resets], ...]] empty a db, or all

`resets` are [node, run, seq, total] of the counter entries that were seen. What operations do to rows is in
`state_rows`. PROTOCOLS §5.5, §5.6.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from trilemma.base.limits import MIB, limit
from trilemma.crdt.entry import Reset
from trilemma.crdt.exact import exact_number, exact_text

SET, DELETE, EDIT, DEADLINE, ADD, FLUSH = 1, 2, 3, 4, 5, 6
ALL_DBS = -1

POSITION_BITS = 20
"""An update of a counter entry is numbered (batch sequence, position): positions of one batch fit these bits."""

OPERATION_OVERHEAD_BYTES = 16
"""What an operation is beside its key and value, about."""

OPERATION_BYTES_MAX = limit(
    "transaction_effect_bytes_max",
    128 * MIB,
    "bytes",
    "on ap a transaction's effects, whole values, are one batch; COPY, APPEND and SETRANGE make much of little",
    "ERR the transaction has written more than 134217728 bytes; this command was not executed",
)

Operation = list[Any]

_encode = msgspec.msgpack.Encoder().encode
decode_operations = msgspec.msgpack.Decoder(list[Operation]).decode
"""Return the operations that a batch's body says."""


def encode_operations(operations: Sequence[Operation]) -> bytes:
    """Return a batch's body."""
    return _encode(operations)


def plain_resets(resets: list[Reset]) -> list[list[Any]]:
    """Return resets as they stand in an operation."""
    return [[reset.node, reset.run, reset.seq, exact_text(reset.total)] for reset in resets]


def read_resets(plain: list[list[Any]]) -> list[Reset]:
    """Return the resets that stand in an operation."""
    return [Reset(node, run, seq, exact_number(total)) for node, run, seq, total in plain]
