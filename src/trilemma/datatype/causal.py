"""The causal view: one `ap` shard's keys as states that merge (crdt/entry.py).

A command that writes makes operations: each is applied to the rows at once, under the dot that the turn's batch will
have, and goes into the batch's body, from which every other replica applies it just so. Operations, as msgpack arrays:

    [1, db, key, value, deadline, resets]   SET: replace all that was seen
    [2, db, key, resets]                    delete what was seen
    [3, db, key, value, resets]             replace the value that was seen, keep deadlines
    [4, db, key, deadline]                  replace the deadlines that were seen; 0 is for ever
    [5, db, key, run, total, cleared_seq, cleared]   this node's whole new counter entry
    [6, db or -1, [[db, key, resets], ...]] empty a db, or all

`resets` are [node, run, seq, total] of the counter entries that were seen. PROTOCOLS §5.5, §5.6.
"""

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from trilemma.base.errors import error
from trilemma.base.ids import Dot, NodeId
from trilemma.base.prng import SplitMix64
from trilemma.crdt.entry import FOREVER_MS, Context, Count, Deadline, KeyState, Reset, Written
from trilemma.crdt.exact import exact_number, exact_text
from trilemma.datatype.keyscan import DBS, PAGE_ROWS, KeyScan, rowkey_stop, string_encoding
from trilemma.datatype.view import STRING
from trilemma.replication.port import Batch
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.number import parse_int64
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import pages

SET, DELETE, EDIT, DEADLINE, ADD, FLUSH = 1, 2, 3, 4, 5, 6
ALL_DBS = -1

POSITION_BITS = 20
"""An update of a counter entry is numbered (batch sequence, position): positions of one batch fit these bits."""

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

Operation = list[Any]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


def encode_operations(operations: Sequence[Operation]) -> bytes:
    """Return a batch's body."""
    return _encode(operations)


class Conflict(NamedTuple):
    """A key under which concurrent SETs stand: the one that is shown, and the hidden ones, newest first."""

    db: int
    key: bytes
    shown: Written
    hidden: list[Written]


class CausalView(KeyScan):
    """The View of an `ap` shard. `begin` before a turn's reads and writes."""

    def __init__(self, rows: ShardRows, node: NodeId) -> None:
        super().__init__(rows)
        self._expiry_head = rowkey.head(rows.shard, rows.generation, rowkey.EXPIRY)
        self._cleared_head = rowkey.head(rows.shard, rows.generation, rowkey.CLEARED)
        self._hidden_head = rowkey.head(rows.shard, rows.generation, rowkey.HIDDEN)
        self._node = node
        self._now_ms = 0
        self._header = Batch(node, 0, 0, {}, b"")
        self._random = SplitMix64(0)
        self.operations: list[Operation] = []
        """What this turn's commands have done so far."""
        self.touched_token = 0

    def begin(self, header: Batch, now_ms: int, seed: int) -> None:
        """Begin a turn: what its batch will be called, and the time by which expiry is judged."""
        self._header = header
        self._now_ms = now_ms
        self._random = SplitMix64(seed)
        self.operations = []

    def next_unit(self) -> None:
        """Begin to note afresh which rows a unit's replies show."""
        self.touched_token = 0

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
        row_key = self._key(db, key)
        row = self._rows.get(row_key)
        self.touched_token = max(self.touched_token, self._rows.token_of(row_key))
        return KeyState() if row is None else KeyState.decode(row)

    def _is_visible(self, state: KeyState) -> bool:
        deadline_ms = state.deadline_ms()
        return state.has_content and (deadline_ms is None or deadline_ms > self._now_ms)

    def _visible(self, db: int, key: bytes) -> KeyState | None:
        state = self._state(db, key)
        return state if self._is_visible(state) else None

    def _store(self, db: int, key: bytes, before: "_Marks", state: KeyState) -> None:
        row_key, row = self._key(db, key), state.encode()
        if row is None:
            self._rows.delete(row_key)
        else:
            self._rows.put(row_key, row)
        after = _Marks.of(state)
        if after != before:
            self._mark(db, rowkey.located(db, key), before, after)

    def _mark(self, db: int, place: bytes, before: "_Marks", after: "_Marks") -> None:
        """Keep the count of keys, and the rows by which what is to be removed some day is found without a search."""
        if after.has_content != before.has_content:
            self._count(db, 1 if after.has_content else -1)
        if after.expires_ms != before.expires_ms:
            if before.expires_ms is not None:
                self._rows.delete(self._expiry_head + rowkey.expiry_suffix(before.expires_ms, place))
            if after.expires_ms is not None:
                self._rows.put(self._expiry_head + rowkey.expiry_suffix(after.expires_ms, place), b"")
        if after.is_cleared != before.is_cleared:
            self._flag(self._cleared_head + place, after.is_cleared)
        if after.hides != before.hides:
            self._flag(self._hidden_head + place, after.hides)

    def _flag(self, row_key: bytes, is_set: bool) -> None:
        if is_set:
            self._rows.put(row_key, b"")
        else:
            self._rows.delete(row_key)

    @staticmethod
    def shown(state: KeyState) -> bytes | None:
        """Return the string that a state shows: the winning SET, with what was added to it where it is a number."""
        winner = state.winner()
        if not state.counts_live:
            return None if winner is None else winner.value
        base = Fraction(0)
        if winner is not None:
            number = _number(winner.value)
            if number is None:
                return winner.value
            base = number
        return _number_text(base + state.sum())

    # Operations

    def _do(self, operation: Operation) -> None:
        """Apply an operation of this turn's batch, and note it down for everyone else."""
        header = self._header
        context = Context(header.depends, header.origin, header.seq, len(self.operations))
        self.operations.append(operation)
        self._apply_one(operation, header.stamp, context)

    def apply(self, batch: Batch) -> None:
        """Apply a batch of another node, whose causes are applied."""
        for position, operation in enumerate(_decode(batch.body)):
            context = Context(batch.depends, batch.origin, batch.seq, position)
            self._apply_one(operation, batch.stamp, context)

    def _apply_one(self, operation: Operation, stamp: int, context: Context) -> None:
        kind, db = operation[0], operation[1]
        if kind == FLUSH:
            self._apply_flush(db, operation[2], context)
            return
        key = bytes(operation[2])
        row = self._rows.get(self._key(db, key))
        state = KeyState() if row is None else KeyState.decode(row)
        before = _Marks.of(state)
        dot = Dot(context.node, context.seq, context.position)
        if kind == SET:
            state.set(Written(dot, stamp, bytes(operation[3])), operation[4], context, _resets(operation[5]))
        elif kind == DELETE:
            state.delete(context, _resets(operation[3]))
        elif kind == EDIT:
            state.edit(Written(dot, stamp, bytes(operation[3])), context, _resets(operation[4]))
        elif kind == DEADLINE:
            state.expire(Deadline(dot, operation[3]), context)
        else:
            run, total, cleared_seq, cleared = operation[3:]
            seq = context.seq << POSITION_BITS | context.position
            state.add(context.node, Count(run, seq, exact_number(total), cleared_seq, exact_number(cleared)))
        self._store(db, key, before, state)

    def _apply_flush(self, db: int, seen: list[list[Any]], context: Context) -> None:
        resets = {(each[0], bytes(each[1])): _resets(each[2]) for each in seen}
        for one in range(DBS) if db == ALL_DBS else (db,):
            head = self._key_head + bytes((one,))
            for row_key, row in list(pages(self._rows, head, rowkey_stop(head), PAGE_ROWS)):
                key = self._place(row_key)[2]
                state = KeyState.decode(row)
                before = _Marks.of(state)
                state.delete(context, resets.get((one, key), []))
                self._store(one, key, before, state)

    # View

    def kind(self, db: int, key: bytes) -> str | None:
        """See View."""
        return STRING if self.exists(db, key) else None

    def string(self, db: int, key: bytes) -> bytes | None:
        """See View."""
        state = self._visible(db, key)
        return None if state is None else self.shown(state)

    def strings(self, db: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """See View."""
        return [self.string(db, key) for key in keys]

    def set_string(self, db: int, key: bytes, value: bytes, deadline_ms: int | None) -> None:
        """See View."""
        if deadline_ms is not None and deadline_ms <= self._now_ms:
            self.delete(db, key)
            return
        at_ms = FOREVER_MS if deadline_ms is None else deadline_ms
        self._do([SET, db, key, value, at_ms, _plain(self._state(db, key).resets())])

    def edit_string(self, db: int, key: bytes, value: bytes) -> None:
        """See View."""
        state = self._visible(db, key)
        if state is None:
            self.set_string(db, key, value, None)
        else:
            self._do([EDIT, db, key, value, _plain(state.resets())])

    def add_integer(self, db: int, key: bytes, amount: int) -> int:
        """See View."""
        text = self.string(db, key)
        number = 0 if text is None else parse_int64(text)
        if number is None:
            raise error("not_integer") if text is not None and not _is_long(text) else error("increment_overflow")
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
        """Ship this node's whole new sum; what an expired key held was seen, and goes first."""
        state = self._state(db, key)
        if state.has_content and not self._is_visible(state):
            self._do([DELETE, db, key, _plain(state.resets())])
            state = self._state(db, key)
        seq = self._header.seq << POSITION_BITS | len(self.operations)
        new = state.added(self._node, seq, amount)
        self._do([ADD, db, key, new.run, exact_text(new.total), new.cleared_seq, exact_text(new.cleared)])

    def exists(self, db: int, key: bytes) -> bool:
        """See View."""
        return self._visible(db, key) is not None

    def delete(self, db: int, key: bytes) -> bool:
        """See View: what was seen goes, expired or not."""
        state = self._state(db, key)
        if not state.has_content:
            return False
        was_visible = self._is_visible(state)
        self._do([DELETE, db, key, _plain(state.resets())])
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
            self._do([DEADLINE, db, key, FOREVER_MS if deadline_ms is None else deadline_ms])

    def copy(self, db: int, key: bytes, to_db: int, to_key: bytes) -> None:
        """See View: the shown value under fresh dots."""
        state = self._visible(db, key)
        value = None if state is None else self.shown(state)
        if state is not None and value is not None:
            self.set_string(to_db, to_key, value, state.deadline_ms())

    def encoding(self, db: int, key: bytes) -> str | None:
        """See View."""
        value = self.string(db, key)
        return None if value is None else string_encoding(value)

    def _seen(self, row: tuple[bytes, bytes]) -> bytes | None:
        return self._place(row[0])[2] if self._is_visible(KeyState.decode(row[1])) else None

    def flush(self, db: int | None) -> None:
        """See View: everything seen goes, unseen writes survive."""
        seen: list[list[Any]] = []
        for one in range(DBS) if db is None else (db,):
            head = self._key_head + bytes((one,))
            for row_key, row in pages(self._rows, head, rowkey_stop(head), PAGE_ROWS):
                resets = KeyState.decode(row).resets()
                if resets:
                    seen.append([one, self._place(row_key)[2], _plain(resets)])
        self._do([FLUSH, ALL_DBS if db is None else db, seen])

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

    # What goes some day (replication/leaderless/settled.py says when)

    def expired(self, horizon_ms: int, keys_max: int) -> list[tuple[int, bytes]]:
        """Return (db, key) of up to `keys_max` keys whose deadline lies at or before a time, the earliest first."""
        stop = self._expiry_head + rowkey.expiry_suffix(horizon_ms + 1, b"")
        found = []
        for row_key, _ in self._rows.scan(self._expiry_head, stop, keys_max):
            db, _, key = rowkey.read_place(rowkey.read_expiry(row_key[len(self._expiry_head) :])[1])
            found.append((db, key))
        return found

    def remove_expired(self, db: int, key: bytes) -> None:
        """Delete exactly what is seen of a key that has expired, as an operation of this turn's batch."""
        self._do([DELETE, db, key, _plain(self._state(db, key).resets())])

    def cleared(self, keys_max: int) -> dict[bytes, dict[NodeId, tuple[int, int]]]:
        """Return up to `keys_max` row keys whose states have wholly cleared counter entries, and which."""
        found = {}
        for row_key, _ in self._rows.scan(self._cleared_head, rowkey_stop(self._cleared_head), keys_max):
            key = self._key_head + row_key[len(self._cleared_head) :]
            row = self._rows.get(key)
            found[key] = {} if row is None else KeyState.decode(row).cleared()
        return found

    def drop_cleared(self, row_key: bytes, cleared: dict[NodeId, tuple[int, int]]) -> None:
        """Forget counter entries of a row that are out of sight on every replica; not an operation: nobody sees it."""
        row = self._rows.get(row_key)
        if row is not None:
            state = KeyState.decode(row)
            before = _Marks.of(state)
            state.drop_cleared(cleared)
            db, _, key = self._place(row_key)
            self._store(db, key, before, state)

    def digest(self) -> str:
        """Return a hash of all that the shard holds, hidden and expired included, judged by no clock."""
        content = blake2b(digest_size=16)
        for row_key, row in pages(self._rows, *self.key_range, PAGE_ROWS):
            content.update(self.row_hash(row_key, row))
        return content.hexdigest()

    @staticmethod
    def row_hash(row_key: bytes, row: bytes) -> bytes:
        """Return what counts of a KEY row in the digest."""
        held = KeyState.decode(row).content()
        if held is None:
            return b""
        suffix = row_key[rowkey.HEAD_BYTES :]
        return len(suffix).to_bytes(4, "big") + suffix + len(held).to_bytes(4, "big") + held


class _Marks(NamedTuple):
    """What other rows say of a state."""

    has_content: bool
    expires_ms: int | None
    is_cleared: bool
    hides: bool

    @classmethod
    def of(cls, state: KeyState) -> "_Marks":
        """Return the marks of a state."""
        has_content = state.has_content
        expires_ms = state.deadline_ms() if has_content else None
        return cls(has_content, expires_ms, bool(state.counts and state.cleared()), len(state.sets) > 1)


def _resets(plain: list[list[Any]]) -> list[Reset]:
    return [Reset(node, run, seq, exact_number(total)) for node, run, seq, total in plain]


def _plain(resets: list[Reset]) -> list[list[Any]]:
    return [[reset.node, reset.run, reset.seq, exact_text(reset.total)] for reset in resets]


def _number(text: bytes) -> Fraction | None:
    """Return the exact number that a string is, None where it is none."""
    integer = parse_int64(text)
    if integer is not None:
        return Fraction(integer)
    found = parse_long_double(text)
    return found if isinstance(found, Fraction) else None


def _number_text(number: Fraction) -> bytes:
    """Return a number as it is shown: exact if whole, else rounded once as INCRBYFLOAT does."""
    if number.denominator == 1:
        return exact_text(number).encode("ascii")
    rounded = add_long_doubles(number, Fraction(0))
    return b"inf" if rounded is None else format_long_double(rounded)


def _is_long(text: bytes) -> bool:
    """Say whether a string is a whole number beyond 64 bits, as merged sums may be."""
    return text.removeprefix(b"-").isdigit()
