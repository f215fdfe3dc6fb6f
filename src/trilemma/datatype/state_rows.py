"""Key states as rows of an `ap` shard, and how operations change them.

Beside each state's row stand the rows by which what is to be removed some day is found without a search: one per
deadline, one per state with cleared counter entries, one per state with hidden SETs. Knows no clock and no commands:
which states are visible is for the view to say. PROTOCOLS §5.5, §5.6; what a state is: crdt/entry.py.
"""

from hashlib import blake2b
from typing import Any, NamedTuple

from trilemma.base.ids import Dot, NodeId
from trilemma.crdt.entry import Context, Count, Deadline, KeyState, Written
from trilemma.crdt.exact import exact_number
from trilemma.datatype.keyscan import DBS, KeyScan, rowkey_stop, watch_bucket
from trilemma.datatype.operations import (
    ALL_DBS,
    DEADLINE,
    DELETE,
    EDIT,
    FLUSH,
    POSITION_BITS,
    SET,
    Operation,
    decode_operations,
    read_resets,
)
from trilemma.replication.port import Batch
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows

AT_ONCE_MS = 0
"""The moment under which stands what may go as soon as every replica was heard."""


class _Marks(NamedTuple):
    """What other rows say of a state."""

    has_content: bool
    expires_ms: int | None
    is_cleared: bool
    hides: bool

    @classmethod
    def of(cls, state: KeyState) -> "_Marks":
        """Return the marks of a state."""
        return cls(
            state.has_content, cls._expires_ms(state), bool(state.counts and state.cleared()), len(state.sets) > 1
        )

    @staticmethod
    def _expires_ms(state: KeyState) -> int | None:
        """Return when a state's row is looked at to be removed. Deadlines that outlived their key go as a key would;
        where they say that it lives for ever there is nothing to wait for."""
        deadline_ms = state.deadline_ms()
        return AT_ONCE_MS if deadline_ms is None and state.deadlines and not state.has_content else deadline_ms


class StateRows(KeyScan):
    """The states of one shard's keys."""

    def __init__(self, rows: ShardRows) -> None:
        super().__init__(rows)
        self._expiry_head = rowkey.head(rows.shard, rows.generation, rowkey.EXPIRY)
        self._cleared_head = rowkey.head(rows.shard, rows.generation, rowkey.CLEARED)
        self._hidden_head = rowkey.head(rows.shard, rows.generation, rowkey.HIDDEN)
        self._vanished: dict[int, int] = {}
        """By bucket, how many keys have vanished since these rows are in use, for WATCH; at most WATCH_BUCKETS."""

    # Operations

    def apply(self, batch: Batch) -> None:
        """Apply a batch of another node, whose causes are applied."""
        for position, operation in enumerate(decode_operations(batch.body)):
            context = Context(batch.depends, batch.origin, batch.seq, position)
            self._apply_operation(operation, batch.stamp, context)

    def _apply_operation(self, operation: Operation, stamp: int, context: Context) -> None:
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
            state.set(Written(dot, stamp, bytes(operation[3])), operation[4], context, read_resets(operation[5]))
        elif kind == DELETE:
            state.delete(context, read_resets(operation[3]))
        elif kind == EDIT:
            state.edit(Written(dot, stamp, bytes(operation[3])), context, read_resets(operation[4]))
        elif kind == DEADLINE:
            state.expire(Deadline(dot, operation[3]), context)
        else:
            run, total, cleared_seq, cleared = operation[3:]
            seq = context.seq << POSITION_BITS | context.position
            state.add(context.node, Count(run, seq, exact_number(total), cleared_seq, exact_number(cleared)))
        self._store(db, key, before, state)

    def _apply_flush(self, db: int, seen: list[list[Any]], context: Context) -> None:
        resets = {(each[0], bytes(each[1])): read_resets(each[2]) for each in seen}
        for one in range(DBS) if db == ALL_DBS else (db,):
            head = self._key_head + bytes((one,))
            for row_key, row in self._rows.iterate(head, rowkey_stop(head)):
                key = self._place(row_key)[2]
                state = KeyState.decode(row)
                before = _Marks.of(state)
                state.delete(context, resets.get((one, key), []))
                self._store(one, key, before, state)

    # Rows

    def _store(self, db: int, key: bytes, before: _Marks, state: KeyState) -> None:
        row_key, row = self._key(db, key), state.encode()
        if row is None:
            self._rows.delete(row_key)
        else:
            self._rows.put(row_key, row)
        after = _Marks.of(state)
        if after != before:
            self._mark(db, key, before, after)

    def _mark(self, db: int, key: bytes, before: _Marks, after: _Marks) -> None:
        """Keep the counts of keys, and the rows by which what is to be removed some day is found without a search."""
        if after.has_content != before.has_content:
            self._count(db, 1 if after.has_content else -1)
            if not after.has_content:
                bucket = watch_bucket(key)
                self._vanished[bucket] = self._vanished.get(bucket, 0) + 1
        place = rowkey.located(db, key)
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

    # What goes some day (replication/leaderless/settled.py says when)

    def expired(self, horizon_ms: int, keys_max: int) -> list[tuple[int, bytes]]:
        """Return (db, key) of up to `keys_max` keys whose deadline lies at or before a time, the earliest first."""
        stop = self._expiry_head + rowkey.expiry_suffix(horizon_ms + 1, b"")
        found = []
        for row_key, _ in self._rows.scan(self._expiry_head, stop, keys_max):
            db, _, key = rowkey.read_place(rowkey.read_expiry(row_key[len(self._expiry_head) :])[1])
            found.append((db, key))
        return found

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

    # Digest

    def digest(self) -> str:
        """Return a hash of all that the shard holds, hidden and expired included, judged by no clock."""
        content = blake2b(digest_size=16)
        for row_key, row in self._rows.iterate(*self.key_range):
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
