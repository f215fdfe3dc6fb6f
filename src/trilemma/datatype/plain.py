"""The plain view: one shard's keys as rows with one writer at a time, as `cp` and `ca` shards have it.

A key row's value is a header (type u8, version u64, deadline u64 ms, all big-endian; deadline 0: none) and the payload.
Beside it stand an EXPIRY row per deadline, so that the next key to expire is found without a search, and META rows:
the number of keys per db, and per bucket of key hashes the last index at which a key vanished (for WATCH). Page:
docs/formats/plain-rows.md. Deterministic: the same entries make the same rows on every replica.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct

from trilemma.base.errors import error, register
from trilemma.base.prng import SplitMix64
from trilemma.datatype.keyscan import DBS, PAGE_ROWS, KeyScan, rowkey_stop, string_encoding
from trilemma.datatype.view import STRING
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.number import parse_int64
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import pages

TYPE_STRING = 1
TYPE_NAMES = {TYPE_STRING: STRING}

WATCH_BUCKETS = 4_096
"""Buckets that vanished keys share; more would abort fewer transactions needlessly, at 14 bytes each."""

UNITS_PER_ENTRY = 1 << 20
"""A version is the index of an entry and the place of a unit in it: no two units of an entry share one."""

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

register("increment_overflow", "ERR increment or decrement would overflow", "the value stays as it was")

register("increment_nan", "ERR increment would produce NaN or Infinity", "the value stays as it was")

_HEADER = Struct(">BQQ")
_NUMBER = Struct(">Q")
_HEADER_BYTES = _HEADER.size


class _Found:
    """A key row, read."""

    __slots__ = ("deadline_ms", "payload", "type", "version")
    type: int
    version: int
    deadline_ms: int

    def __init__(self, row: bytes) -> None:
        self.type, self.version, self.deadline_ms = _HEADER.unpack_from(row)
        self.payload = row[_HEADER_BYTES:]


class PlainView(KeyScan):
    """The View of a `cp` or `ca` shard. `begin` before each entry, or before a turn's reads."""

    def __init__(self, rows: ShardRows) -> None:
        super().__init__(rows)
        self._expiry_head = rowkey.head(rows.shard, rows.generation, rowkey.EXPIRY)
        self._version = 0
        self._seed = 0
        self._now_ms = 0
        self._ttl_now_ms = 0
        self._random: SplitMix64 | None = None
        self._next_deadline_ms: int | None = None
        self._knows_next_deadline = False

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

    # Rows

    def _bucket_key(self, key: bytes) -> bytes:
        bucket = rowkey.key_hash(key) % WATCH_BUCKETS
        return rowkey.meta_key(self._rows.shard, self._rows.generation, b"gone" + bucket.to_bytes(2, "big"))

    def _flush_key(self) -> bytes:
        return rowkey.meta_key(self._rows.shard, self._rows.generation, b"flushed")

    def _stored(self, db: int, key: bytes) -> _Found | None:
        row = self._rows.get(self._key(db, key))
        return None if row is None else _Found(row)

    def _visible(self, db: int, key: bytes) -> _Found | None:
        found = self._stored(db, key)
        if found is None or (found.deadline_ms and found.deadline_ms <= self._now_ms):
            return None
        return found

    def _put(self, db: int, key: bytes, type_number: int, payload: bytes, deadline_ms: int) -> None:
        old = self._stored(db, key)
        if old is None:
            self._count(db, 1)
        elif old.deadline_ms and old.deadline_ms != deadline_ms:
            self._rows.delete(self._expiry_key(db, key, old.deadline_ms))
            self._knows_next_deadline = False
        if old is not None and old.deadline_ms and old.deadline_ms <= self._now_ms:
            # What is replaced had expired: a watch of the absent key must see that it once was there.
            self._note_gone(key, old.version)
        if deadline_ms and (old is None or old.deadline_ms != deadline_ms):
            self._rows.put(self._expiry_key(db, key, deadline_ms), b"")
            self._knows_next_deadline = False
        self._rows.put(self._key(db, key), _HEADER.pack(type_number, self._version, deadline_ms) + payload)

    def _expiry_key(self, db: int, key: bytes, deadline_ms: int) -> bytes:
        return self._expiry_head + rowkey.expiry_suffix(deadline_ms, rowkey.located(db, key))

    def _remove(self, db: int, key: bytes, found: _Found, gone_index: int) -> None:
        self._rows.delete(self._key(db, key))
        if found.deadline_ms:
            self._rows.delete(self._expiry_key(db, key, found.deadline_ms))
            self._knows_next_deadline = False
        self._count(db, -1)
        self._note_gone(key, gone_index)

    def _note_gone(self, key: bytes, index: int) -> None:
        bucket = self._bucket_key(key)
        if index > self._read_number(bucket):
            self._rows.put(bucket, _NUMBER.pack(index))

    # View

    def kind(self, db: int, key: bytes) -> str | None:
        """See View."""
        found = self._visible(db, key)
        return None if found is None else TYPE_NAMES[found.type]

    def string(self, db: int, key: bytes) -> bytes | None:
        """See View."""
        row = self._rows.get(self._key(db, key))
        if row is None:
            return None
        found_type, _, deadline_ms = _HEADER.unpack_from(row)
        if deadline_ms and deadline_ms <= self._now_ms:
            return None
        if found_type != TYPE_STRING:
            raise error("wrong_type")
        return row[_HEADER_BYTES:]

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
        text = self.string(db, key)
        number = 0 if text is None else parse_int64(text)
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
        deadline_ms = _HEADER.unpack_from(row[1])[2]
        return None if deadline_ms and deadline_ms <= self._now_ms else self._place(row[0])[2]

    def flush(self, db: int | None) -> None:
        """See View."""
        for one in range(DBS) if db is None else (db,):
            if self._counts[one]:
                self._flush_db(one)
        self._rows.put(self._flush_key(), _NUMBER.pack(self._version))

    def _flush_db(self, db: int) -> None:
        for row_key, _ in list(pages(self._rows, self._expiry_head, rowkey_stop(self._expiry_head), PAGE_ROWS)):
            if rowkey.read_expiry(row_key[len(self._expiry_head) :])[1][0] == db:
                self._rows.delete(row_key)
        self._rows.delete_range(self._key_head + bytes((db,)), self._key_head + bytes((db + 1,)))
        self._count(db, -self._counts[db])
        self._knows_next_deadline = False

    def version(self, db: int, key: bytes) -> int:
        """See View: of a visible key the index that wrote it; of an absent one, negated, when it was last there."""
        found = self._stored(db, key)
        gone = max(self._read_number(self._bucket_key(key)), self._read_number(self._flush_key()))
        if found is None:
            return -gone
        if found.deadline_ms and found.deadline_ms <= self._now_ms:
            return -max(gone, found.version)
        return found.version

    # Expiry and digest

    def next_deadline_ms(self) -> int | None:
        """Return the earliest deadline of any key, passed or not, or None."""
        if not self._knows_next_deadline:
            rows = self._rows.scan(self._expiry_head, rowkey_stop(self._expiry_head), 1)
            self._next_deadline_ms = rowkey.read_expiry(rows[0][0][len(self._expiry_head) :])[0] if rows else None
            self._knows_next_deadline = True
        return self._next_deadline_ms

    def is_overdue(self, db: int, key: bytes) -> bool:
        """Say whether a key's deadline has passed by log time, but by no entry yet: only the next tick can tell."""
        found = self._stored(db, key)
        return found is not None and self._now_ms < found.deadline_ms <= self._ttl_now_ms

    def holds_overdue(self) -> bool:
        """Say whether any key is overdue."""
        start = self._expiry_head + rowkey.expiry_suffix(self._now_ms + 1, b"")
        stop = self._expiry_head + rowkey.expiry_suffix(self._ttl_now_ms + 1, b"")
        return bool(start < stop and self._rows.scan(start, stop, 1))

    def reap(self, keys_max: int) -> int:
        """Remove up to `keys_max` keys whose deadline has passed, the earliest first; return how many."""
        stop = self._expiry_head + rowkey.expiry_suffix(self._now_ms + 1, b"")
        rows = self._rows.scan(self._expiry_head, stop, keys_max)
        for row_key, _ in rows:
            db, _, key = rowkey.read_place(rowkey.read_expiry(row_key[len(self._expiry_head) :])[1])
            found = self._stored(db, key)
            if found is not None:
                self._remove(db, key, found, found.version)
        return len(rows)

    def digest(self, ranges: Sequence[tuple[bytes, bytes]]) -> str:
        """Return a hash of all rows that are the shard's content: equal on replicas that applied the same entries."""
        content = blake2b(digest_size=16)
        for start, stop in ranges:
            for row_key, value in pages(self._rows, start, stop, PAGE_ROWS):
                content.update(self.row_hash(row_key, value))
        return content.hexdigest()

    @staticmethod
    def row_hash(row_key: bytes, value: bytes) -> bytes:
        """Return what counts of a row in the digest: all but shard, generation and kind."""
        suffix = row_key[rowkey.HEAD_BYTES :]
        return _NUMBER.pack(len(suffix)) + suffix + _NUMBER.pack(len(value)) + value
