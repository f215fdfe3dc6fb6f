"""The causal view: what commands see and do to one `ap` shard's keys, which are states that merge (crdt/entry.py).

A command that writes makes operations: each is applied to the rows at once, under the dot that the turn's batch will
have, and goes into the batch's body, from which every other replica applies it just so. Owns what is visible, and what
was done in this turn; how operations look is in `operations`, what they do to rows in `state_rows`, what a state shows
in `shown`. PROTOCOLS §5.5, §5.6.
"""

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from typing import Any, NamedTuple

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId
from trilemma.base.invariant import invariant
from trilemma.base.prng import SplitMix64
from trilemma.crdt.entry import FOREVER_MS, Context, KeyState, Written
from trilemma.crdt.exact import exact_text
from trilemma.datatype.keyscan import DBS, rowkey_stop, string_encoding
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
from trilemma.datatype.shown import is_beyond_int64, shown
from trilemma.datatype.state_rows import StateRows
from trilemma.datatype.view import STRING
from trilemma.replication.port import Batch
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.number import parse_int64
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows

register(
    "transaction_too_large",
    "ERR the transaction has written more than {limit} bytes; this command was not executed",
    "make several transactions of it",
)

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


class Conflict(NamedTuple):
    """A key under which concurrent SETs stand: the one that is shown, and the hidden ones, newest first."""

    db: int
    key: bytes
    shown: Written
    hidden: list[Written]


class CausalView(StateRows):
    """The View of an `ap` shard. `begin` before a turn's reads and writes."""

    def __init__(self, rows: ShardRows, node: NodeId) -> None:
        super().__init__(rows)
        self._node = node
        self._now_ms = 0
        self._header = Batch(node, 0, 0, {}, b"")
        self._random = SplitMix64(0)
        self.operations: list[Operation] = []
        """What this turn's commands have done so far."""
        self.operation_bytes = 0
        """About how many bytes that is, as the body of a batch."""
        self._is_full = False
        self._read_row = b""
        self._read_state = KeyState()
        """What was decoded last, and of which row."""
        self.touched_token = 0
        """The token by which the rows are durable that the unit has looked at one by one."""
        self.looks_at_all = False
        """Whether the unit has looked at rows without being told which: at all there are."""

    def begin(self, header: Batch, now_ms: int, seed: int) -> None:
        """Begin a turn: what its batch will be called, and the time by which expiry is judged."""
        self._header = header
        self._now_ms = now_ms
        self._random = SplitMix64(seed)
        self.operations = []
        self.operation_bytes = 0
        self._is_full = False

    def next_unit(self) -> None:
        """Begin to note afresh which rows a unit's replies show."""
        self.touched_token = 0
        self.looks_at_all = False
        self._is_full = False

    def next_part(self) -> None:
        """See View: a transaction is one batch whole, which is one record of the log and one frame to a peer."""
        self._is_full = self.operation_bytes >= OPERATION_BYTES_MAX

    @property
    def now_ms(self) -> int:
        """See View: the expiry clock."""
        return self._now_ms

    @property
    def ttl_now_ms(self) -> int:
        """See View."""
        return self._now_ms

    def draw(self, bound: int) -> int:
        """See View."""
        return self._random.below(bound)

    # States

    def _state(self, db: int, key: bytes) -> KeyState:
        """Return a key's state, to be read only: of a row read again it is the same one, for decoding copies values."""
        row_key = self._key(db, key)
        row = self._rows.get(row_key)
        self.touched_token = max(self.touched_token, self._rows.token_of(row_key))
        if row is None:
            return KeyState()
        if row is not self._read_row:
            self._read_row, self._read_state = row, KeyState.decode(row)
        return self._read_state

    def _is_visible(self, state: KeyState) -> bool:
        deadline_ms = state.deadline_ms()
        return state.has_content and (deadline_ms is None or deadline_ms > self._now_ms)

    def _visible(self, db: int, key: bytes) -> KeyState | None:
        state = self._state(db, key)
        return state if self._is_visible(state) else None

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

    def kind(self, db: int, key: bytes) -> str | None:
        """See View."""
        return STRING if self.exists(db, key) else None

    def string(self, db: int, key: bytes) -> bytes | None:
        """See View."""
        state = self._visible(db, key)
        return None if state is None else shown(state)

    def glimpse(self, db: int, key: bytes) -> memoryview | None:
        """See View."""
        value = self.string(db, key)
        return None if value is None else memoryview(value)

    def strings(self, db: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """See View."""
        return [self.string(db, key) for key in keys]

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
        """See View."""
        text = self.string(db, key)
        number = 0 if text is None else parse_int64(text)
        if number is None:
            raise (
                error("not_integer") if text is not None and not is_beyond_int64(text) else error("increment_overflow")
            )
        if not INT64_MIN <= number + amount <= INT64_MAX:
            raise error("increment_overflow")
        self._add(db, key, Fraction(amount))
        return number + amount

    def add_float(self, db: int, key: bytes, amount: bytes) -> bytes:
        """See View."""
        text = self.string(db, key)
        number, added = parse_long_double(b"0" if text is None else text), parse_long_double(amount)
        if number is None or added is None:
            raise error("not_float")
        total = add_long_doubles(number, added)
        if total is None or isinstance(added, float):
            raise error("increment_nan")
        self._add(db, key, added)
        return format_long_double(total)

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

    def exists(self, db: int, key: bytes) -> bool:
        """See View."""
        return self._visible(db, key) is not None

    def delete(self, db: int, key: bytes) -> bool:
        """See View: what was seen goes, expired or not."""
        state = self._state(db, key)
        if not state.has_content:
            return False
        was_visible = self._is_visible(state)
        self._do([DELETE, db, key, plain_resets(state.resets())], len(key))
        return was_visible

    def deadline_ms(self, db: int, key: bytes) -> int | None:
        """See View."""
        state = self._visible(db, key)
        return None if state is None else state.deadline_ms()

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

    def encoding(self, db: int, key: bytes) -> str | None:
        """See View."""
        value = self.string(db, key)
        return None if value is None else string_encoding(value)

    def _seen(self, row: tuple[bytes, bytes]) -> bytes | None:
        return self._place(row[0])[2] if self._is_visible(KeyState.decode(row[1])) else None

    def size(self, db: int) -> int:
        """See View."""
        self.looks_at_all = True
        return super().size(db)

    def scan(self, db: int, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """See View."""
        self.looks_at_all = True
        return super().scan(db, cursor, count)

    def random_key(self, db: int) -> bytes | None:
        """See View."""
        self.looks_at_all = True
        return super().random_key(db)

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

    def version(self, db: int, key: bytes) -> int:
        """See View: a hash of the state, and of whether it is visible."""
        state = self._state(db, key)
        content = (state.encode() or b"") + bytes((self._is_visible(state),))
        return int.from_bytes(blake2b(content, digest_size=8).digest(), "big") >> 1

    def conflicts(self, keys_max: int) -> list[Conflict]:
        """Return up to `keys_max` keys under which concurrent SETs are hidden by the one that won."""
        found = []
        for row_key, _ in self._rows.scan(self._hidden_head, rowkey_stop(self._hidden_head), keys_max):
            db, _, key = rowkey.read_place(row_key[len(self._hidden_head) :])
            sets = sorted(self._state(db, key).sets, key=lambda each: each.rank, reverse=True)
            found.append(Conflict(db, key, sets[0], sets[1:]))
        return found

    def remove_expired(self, db: int, key: bytes) -> None:
        """Delete exactly what is seen of a key that has expired, or of which only deadlines are left, as an operation
        of this turn's batch."""
        self._do([DELETE, db, key, plain_resets(self._state(db, key).resets())], len(key))
