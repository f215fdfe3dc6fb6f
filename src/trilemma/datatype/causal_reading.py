"""What commands see of one `ap` shard's keys: which states are visible now, and what they show.

Owns what is visible, and what a unit's replies have looked at. What commands do is in `causal`, what a state shows in
`shown`. PROTOCOLS §5.5, §5.6.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from trilemma.base.ids import NodeId
from trilemma.crdt.entry import KeyState, Written
from trilemma.datatype.keyscan import rowkey_stop, string_encoding, watch_bucket
from trilemma.datatype.shown import shown
from trilemma.datatype.state_rows import StateRows
from trilemma.datatype.view import STRING
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows


class Conflict(NamedTuple):
    """A key under which concurrent SETs stand: the one that is shown, and the hidden ones, newest first."""

    db: int
    key: bytes
    shown: Written
    hidden: list[Written]


class CausalReading(StateRows):
    """The half of an `ap` shard's View that changes nothing."""

    def __init__(self, rows: ShardRows, node: NodeId, start: int) -> None:
        super().__init__(rows)
        self._life = (node, start, rows.generation)
        """As long as this is the same, `_vanished` has missed nothing."""
        self._now_ms = 0
        self._read_row = b""
        self._read_state = KeyState()
        """What was decoded last, and of which row."""
        self.touched_token = 0
        """The token by which the rows are durable that the unit has looked at one by one."""
        self.looks_at_all = False
        """Whether the unit has looked at rows without being told which: at all there are."""

    def next_unit(self) -> None:
        """Begin to note afresh which rows a unit's replies show."""
        self.touched_token = 0
        self.looks_at_all = False

    # Time

    @property
    def now_ms(self) -> int:
        """See View: the expiry clock."""
        return self._now_ms

    @property
    def ttl_now_ms(self) -> int:
        """See View."""
        return self._now_ms

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

    # One key

    def kind(self, db: int, key: bytes) -> str | None:
        """See View."""
        return STRING if self.exists(db, key) else None

    def exists(self, db: int, key: bytes) -> bool:
        """See View."""
        return self._visible(db, key) is not None

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

    def deadline_ms(self, db: int, key: bytes) -> int | None:
        """See View."""
        state = self._visible(db, key)
        return None if state is None else state.deadline_ms()

    def encoding(self, db: int, key: bytes) -> str | None:
        """See View."""
        value = self.string(db, key)
        return None if value is None else string_encoding(value)

    def version(self, db: int, key: bytes) -> int:
        """See View: a hash of the state, and of whether it is visible.

        Of a key that is not there nothing is left that could tell whether it was there meanwhile. So its version says
        how many keys of its bucket have vanished here, and differs on other replicas and after a restart.
        """
        state = self._state(db, key)
        if state.has_content:
            found = blake2b(state.encode() or b"", digest_size=8, person=b"visible" if self._is_visible(state) else b"")
        else:
            gone = (*self._life, self._vanished.get(watch_bucket(key), 0))
            found = blake2b(repr(gone).encode(), digest_size=8, person=b"gone")
        return int.from_bytes(found.digest(), "big") >> 1

    # All keys

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

    def _seen(self, row: tuple[bytes, bytes]) -> bytes | None:
        return self._place(row[0])[2] if self._is_visible(KeyState.decode(row[1])) else None

    def conflicts(self, keys_max: int) -> list[Conflict]:
        """Return up to `keys_max` keys under which concurrent SETs are hidden by the one that won."""
        found = []
        for row_key, _ in self._rows.scan(self._hidden_head, rowkey_stop(self._hidden_head), keys_max):
            db, _, key = rowkey.read_place(row_key[len(self._hidden_head) :])
            sets = sorted(self._state(db, key).sets, key=lambda each: each.rank, reverse=True)
            found.append(Conflict(db, key, sets[0], sets[1:]))
        return found
