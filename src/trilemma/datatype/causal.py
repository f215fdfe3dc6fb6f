"""The causal view: what commands do to one `ap` shard's keys, which are states that merge (crdt/entry.py).

A command that writes makes operations: each is applied to the rows at once, under the dot that the turn's batch will
have, and goes into the batch's body, from which every other replica applies it just so. Owns what was done in this
turn; what commands see is in `causal_reading`, how operations look in `operations`, what they do to rows in
`state_rows`. PROTOCOLS §5.5, §5.6.
"""

from fractions import Fraction
from typing import Any

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId
from trilemma.base.invariant import invariant
from trilemma.base.prng import SplitMix64
from trilemma.crdt.entry import FOREVER_MS, Context, KeyState
from trilemma.crdt.exact import exact_text
from trilemma.datatype.causal_reading import CausalReading
from trilemma.datatype.keyscan import DBS, rowkey_stop
from trilemma.datatype.operations import (
    ADD,
    ALL_DBS,
    DEADLINE,
    DELETE,
    EDIT,
    FLUSH,
    OPERATION_BYTES_MAX,
    OPERATION_OVERHEAD_BYTES,
    POSITION_BITS,
    SET,
    Operation,
    plain_resets,
)
from trilemma.datatype.shown import exact, is_beyond_int64, number_text, shown, shown_as
from trilemma.replication.port import Batch
from trilemma.resp.longdouble import add_long_doubles, parse_long_double
from trilemma.resp.number import parse_int64
from trilemma.storage.overlay import ShardRows

register(
    "transaction_too_large",
    "ERR the transaction has written more than {limit} bytes; this command was not executed",
    "make several transactions of it",
)

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


class CausalView(CausalReading):
    """The View of an `ap` shard. `begin` before a turn's reads and writes."""

    def __init__(self, rows: ShardRows, node: NodeId, start: int) -> None:
        """Args: `start` counts the starts of the node."""
        super().__init__(rows, node, start)
        self._node = node
        self._header = Batch(node, 0, 0, {}, b"")
        self._random = SplitMix64(0)
        self.operations: list[Operation] = []
        """What this turn's commands have done so far."""
        self.operation_bytes = 0
        """About how many bytes that is, as the body of a batch."""
        self._is_full = False

    def begin(self, header: Batch, now_ms: int, seed: int) -> None:
        """Begin a turn: what its batch will be called, and the time by which expiry is judged."""
        self._header = header
        self._now_ms = now_ms
        self._random = SplitMix64(seed)
        self.operations = []
        self.operation_bytes = 0
        self._is_full = False

    def next_unit(self) -> None:
        """Begin to note afresh which rows a unit's replies show, and whether it may do anything."""
        super().next_unit()
        self._is_full = False

    def next_part(self) -> None:
        """See View: a transaction is one batch whole, which is one record of the log and one frame to a peer."""
        self._is_full = self.operation_bytes >= OPERATION_BYTES_MAX

    def draw(self, bound: int) -> int:
        """See View."""
        return self._random.below(bound)

    # Operations

    def _do(self, operation: Operation, content_bytes: int = 0) -> None:
        """Apply an operation of this turn's batch, and note it down for everyone else."""
        if self._is_full:
            raise error("transaction_too_large", limit=OPERATION_BYTES_MAX)
        invariant(len(self.operations) < 1 << POSITION_BITS, "the operations of a batch fit their numbers")
        self.operation_bytes += OPERATION_OVERHEAD_BYTES + content_bytes
        header = self._header
        context = Context(header.depends, header.origin, header.seq, len(self.operations))
        self.operations.append(operation)
        self._apply_operation(operation, header.stamp, context)

    # View

    def set_string(self, db: int, key: bytes, value: bytes, deadline_ms: int | None) -> None:
        """See View."""
        if deadline_ms is not None and deadline_ms <= self._now_ms:
            self.delete(db, key)
            return
        at_ms = FOREVER_MS if deadline_ms is None else deadline_ms
        self._do([SET, db, key, value, at_ms, plain_resets(self._state(db, key).resets())], len(key) + len(value))

    def edit_string(self, db: int, key: bytes, value: bytes) -> None:
        """See View."""
        state = self._visible(db, key)
        if state is None:
            self.set_string(db, key, value, None)
        else:
            self._do([EDIT, db, key, value, plain_resets(state.resets())], len(key) + len(value))

    def add_integer(self, db: int, key: bytes, amount: int) -> int:
        """See View. Where the number shown is rounded, because fractions were added, the new one must be whole too."""
        state = self._visible(db, key) or KeyState()
        held = exact(state)
        text = shown_as(state, held)
        number = 0 if text is None else parse_int64(text)
        if number is None or held is None:
            # A sum that several nodes have added to may go beyond 64 bits; a text is no integer, whatever its digits.
            is_sum_beyond = text is not None and state.counts_live and is_beyond_int64(text)
            raise error("increment_overflow" if is_sum_beyond else "not_integer")
        if not INT64_MIN <= number + amount <= INT64_MAX:
            raise error("increment_overflow")
        if held != number and number_text(held + amount) != b"%d" % (number + amount):
            raise error("not_integer")
        self._add(db, key, Fraction(amount))
        return number + amount

    def add_float(self, db: int, key: bytes, amount: bytes) -> bytes:
        """See View: the reply is what the key shows then, the exact sum rounded once."""
        state = self._visible(db, key) or KeyState()
        held = exact(state)
        text = shown_as(state, held)
        number, added = parse_long_double(b"0" if text is None else text), parse_long_double(amount)
        if number is None or added is None:
            raise error("not_float")
        if held is None or isinstance(number, float) or isinstance(added, float):
            raise error("increment_nan")
        if add_long_doubles(held, added) is None:
            raise error("increment_nan")
        self._add(db, key, added)
        return number_text(held + added)

    def _add(self, db: int, key: bytes, amount: Fraction) -> None:
        """Ship this node's whole new sum. What an expired key held was seen, and goes first, and so do deadlines that
        outlived their key: an EXPIRE that a DEL had not seen must not end what is counted from now on."""
        state = self._state(db, key)
        if (state.has_content or state.deadlines) and not self._is_visible(state):
            self._do([DELETE, db, key, plain_resets(state.resets())], len(key))
            state = self._state(db, key)
        seq = self._header.seq << POSITION_BITS | len(self.operations)
        new = state.added(self._node, seq, amount)
        self._do([ADD, db, key, new.run, exact_text(new.total), new.cleared_seq, exact_text(new.cleared)], len(key))

    def delete(self, db: int, key: bytes) -> bool:
        """See View: what was seen goes, expired or not."""
        state = self._state(db, key)
        if not state.has_content:
            return False
        was_visible = self._is_visible(state)
        self._do([DELETE, db, key, plain_resets(state.resets())], len(key))
        return was_visible

    def set_deadline(self, db: int, key: bytes, deadline_ms: int | None) -> None:
        """See View."""
        if self._visible(db, key) is None:
            return
        if deadline_ms is not None and deadline_ms <= self._now_ms:
            self.delete(db, key)
        else:
            self._do([DEADLINE, db, key, FOREVER_MS if deadline_ms is None else deadline_ms], len(key))

    def copy(self, db: int, key: bytes, to_db: int, to_key: bytes) -> None:
        """See View: the shown value under fresh dots."""
        state = self._visible(db, key)
        value = None if state is None else shown(state)
        if state is not None and value is not None:
            self.set_string(to_db, to_key, value, state.deadline_ms())

    def flush(self, db: int | None) -> None:
        """See View: everything seen goes, unseen writes survive."""
        seen: list[list[Any]] = []
        for one in range(DBS) if db is None else (db,):
            head = self._key_head + bytes((one,))
            for row_key, row in self._rows.iterate(head, rowkey_stop(head)):
                resets = KeyState.decode(row).resets()
                if resets:
                    seen.append([one, self._place(row_key)[2], plain_resets(resets)])
        seen_bytes = sum(len(each[1]) + OPERATION_OVERHEAD_BYTES * len(each[2]) for each in seen)
        self._do([FLUSH, ALL_DBS if db is None else db, seen], seen_bytes)

    def remove_expired(self, db: int, key: bytes) -> None:
        """Delete exactly what is seen of a key that has expired, or of which only deadlines are left, as an operation
        of this turn's batch."""
        self._do([DELETE, db, key, plain_resets(self._state(db, key).resets())], len(key))
