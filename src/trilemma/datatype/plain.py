"""The plain view: one shard's keys as rows with one writer at a time, as `cp` and `ca` shards have it.

A turn or an entry sets the moment by `begin`; commands then read and write. The rows are in `plain_rows`.
"""

from collections.abc import Sequence

from trilemma.base.errors import error, register
from trilemma.base.prng import SplitMix64
from trilemma.datatype.keyscan import DBS, string_encoding
from trilemma.datatype.plain_rows import HEADER, HEADER_BYTES, PlainRows
from trilemma.datatype.view import STRING
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.number import parse_int64
from trilemma.storage.overlay import ShardRows

TYPE_STRING = 1
TYPE_NAMES = {TYPE_STRING: STRING}

UNITS_PER_ENTRY = 1 << 20
"""A version is the index of an entry and the place of a unit in it: no two units of an entry share one."""

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
INT64_TEXT_BYTES_MAX = 20

register("increment_overflow", "ERR increment or decrement would overflow", "the value stays as it was")

register("increment_nan", "ERR increment would produce NaN or Infinity", "the value stays as it was")


class PlainView(PlainRows):
    """The View of a `cp` or `ca` shard. `begin` before each entry, or before a turn's reads."""

    def __init__(self, rows: ShardRows) -> None:
        super().__init__(rows)
        self._seed = 0
        self._random: SplitMix64 | None = None

    def next_part(self) -> None:
        """See View: what is in the log are the commands, however much they write."""

    def begin(self, index: int, now_ms: int, ttl_now_ms: int, seed: int) -> None:
        """Set the log index, the times and the randomness of what is executed next."""
        self._version = index * UNITS_PER_ENTRY
        self._now_ms = now_ms
        self._ttl_now_ms = ttl_now_ms
        self._seed = seed
        self._random = None

    def next_unit(self) -> None:
        """Begin the next unit of the entry: versions and randomness are its own, whether or not reads are executed."""
        self._version += 1
        self._random = None

    @property
    def now_ms(self) -> int:
        """See View: log time."""
        return self._now_ms

    @property
    def ttl_now_ms(self) -> int:
        """See View."""
        return self._ttl_now_ms

    def draw(self, bound: int) -> int:
        """See View."""
        if self._random is None:
            self._random = SplitMix64(self._seed ^ self._version)
        return self._random.below(bound)

    # View

    def kind(self, db: int, key: bytes) -> str | None:
        """See View."""
        found = self._visible(db, key)
        return None if found is None else TYPE_NAMES[found.type]

    def string(self, db: int, key: bytes) -> bytes | None:
        """See View."""
        row = self._string_row(db, key)
        return None if row is None else row[HEADER_BYTES:]

    def glimpse(self, db: int, key: bytes) -> memoryview | None:
        """See View."""
        row = self._string_row(db, key)
        return None if row is None else memoryview(row)[HEADER_BYTES:]

    def _string_row(self, db: int, key: bytes) -> bytes | None:
        row = self._rows.get(self._key(db, key))
        if row is None:
            return None
        found_type, _, deadline_ms = HEADER.unpack_from(row)
        if deadline_ms and deadline_ms <= self._now_ms:
            return None
        if found_type != TYPE_STRING:
            raise error("wrong_type")
        return row

    def stored_bytes(self, db: int, key: bytes) -> int:
        """Return how long the row of a key is, expired or not, 0 where there is none."""
        row = self._rows.get(self._key(db, key))
        return 0 if row is None else len(row)

    def strings(self, db: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """See View."""
        found = [self._visible(db, key) for key in keys]
        return [one.payload if one is not None and one.type == TYPE_STRING else None for one in found]

    def set_string(self, db: int, key: bytes, value: bytes, deadline_ms: int | None) -> None:
        """See View."""
        if deadline_ms is not None and deadline_ms <= self._now_ms:
            self.delete(db, key)
        else:
            self._put(db, key, TYPE_STRING, value, deadline_ms or 0)

    def edit_string(self, db: int, key: bytes, value: bytes) -> None:
        """See View."""
        found = self._visible(db, key)
        self._put(db, key, TYPE_STRING, value, 0 if found is None else found.deadline_ms)

    def add_integer(self, db: int, key: bytes, amount: int) -> int:
        """See View."""
        text = self.glimpse(db, key)
        number = 0 if text is None else parse_int64(bytes(text[: INT64_TEXT_BYTES_MAX + 1]))
        if number is None:
            raise error("not_integer")
        total = number + amount
        if not INT64_MIN <= total <= INT64_MAX:
            raise error("increment_overflow")
        self.edit_string(db, key, b"%d" % total)
        return total

    def add_float(self, db: int, key: bytes, amount: bytes) -> bytes:
        """See View."""
        text = self.string(db, key)
        number, added = parse_long_double(b"0" if text is None else text), parse_long_double(amount)
        if number is None or added is None:
            raise error("not_float")
        total = add_long_doubles(number, added)
        if total is None:
            raise error("increment_nan")
        shown = format_long_double(total)
        self.edit_string(db, key, shown)
        return shown

    def exists(self, db: int, key: bytes) -> bool:
        """See View."""
        return self._visible(db, key) is not None

    def delete(self, db: int, key: bytes) -> bool:
        """See View."""
        found = self._stored(db, key)
        if found is None:
            return False
        is_visible = not (found.deadline_ms and found.deadline_ms <= self._now_ms)
        self._remove(db, key, found, self._version if is_visible else found.version)
        return is_visible

    def deadline_ms(self, db: int, key: bytes) -> int | None:
        """See View."""
        found = self._visible(db, key)
        return None if found is None else found.deadline_ms or None

    def set_deadline(self, db: int, key: bytes, deadline_ms: int | None) -> None:
        """See View."""
        found = self._visible(db, key)
        if found is None:
            return
        if deadline_ms is not None and deadline_ms <= self._now_ms:
            self.delete(db, key)
        else:
            self._put(db, key, found.type, found.payload, deadline_ms or 0)

    def copy(self, db: int, key: bytes, to_db: int, to_key: bytes) -> None:
        """See View."""
        found = self._visible(db, key)
        if found is not None:
            self._put(to_db, to_key, found.type, found.payload, found.deadline_ms)

    def encoding(self, db: int, key: bytes) -> str | None:
        """See View."""
        found = self._visible(db, key)
        return None if found is None else string_encoding(found.payload)

    def _seen(self, row: tuple[bytes, bytes]) -> bytes | None:
        deadline_ms = HEADER.unpack_from(row[1])[2]
        return None if deadline_ms and deadline_ms <= self._now_ms else self._place(row[0])[2]

    def flush(self, db: int | None) -> None:
        """See View."""
        for one in range(DBS) if db is None else (db,):
            if self._counts[one]:
                self._empty(one)
        self._note_flush()
