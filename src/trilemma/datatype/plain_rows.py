"""The rows of a `cp` or `ca` shard: keys with one writer at a time, their deadlines, what WATCH must know.

A key row's value is a header (type u8, version u64, deadline u64 ms, all big-endian; deadline 0: none) and the payload.
Beside it stand an EXPIRY row per deadline, so that the next key to expire is found without a search, and META rows:
the number of keys per db, and per bucket of key hashes the last index at which a key vanished (for WATCH). Knows no
command. Page: docs/formats.md. Deterministic: the same entries make the same rows on every replica.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct

from trilemma.datatype.keyscan import KeyScan, rowkey_stop, watch_bucket
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows

HEADER = Struct(">BQQ")
HEADER_BYTES = HEADER.size
_NUMBER = Struct(">Q")


class Found:
    """A key row, read: `deadline_ms` is 0 where there is none. Cost: the header; a value may be many MiB long."""

    __slots__ = ("_row", "deadline_ms", "type", "version")
    type: int
    version: int
    deadline_ms: int

    def __init__(self, row: bytes) -> None:
        self.type, self.version, self.deadline_ms = HEADER.unpack_from(row)
        self._row = row

    @property
    def payload(self) -> bytes:
        """All behind the header, copied."""
        return self._row[HEADER_BYTES:]


class PlainRows(KeyScan):
    """The rows of one shard, as of the moment that its view has set."""

    def __init__(self, rows: ShardRows) -> None:
        super().__init__(rows)
        self._expiry_head = rowkey.head(rows.shard, rows.generation, rowkey.EXPIRY)
        self._version = 0
        """Of what is written now."""
        self._now_ms = 0
        """The time by which keys have expired: that of the newest entry."""
        self._ttl_now_ms = 0
        """Log time, which may be ahead of it."""
        self._next_deadline_ms: int | None = None
        self._knows_next_deadline = False

    # Keys

    def _stored(self, db: int, key: bytes) -> Found | None:
        row = self._rows.get(self._key(db, key))
        return None if row is None else Found(row)

    def _visible(self, db: int, key: bytes) -> Found | None:
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
        self._rows.put(self._key(db, key), HEADER.pack(type_number, self._version, deadline_ms) + payload)

    def _remove(self, db: int, key: bytes, found: Found, gone_index: int) -> None:
        self._rows.delete(self._key(db, key))
        if found.deadline_ms:
            self._rows.delete(self._expiry_key(db, key, found.deadline_ms))
            self._knows_next_deadline = False
        self._count(db, -1)
        self._note_gone(key, gone_index)

    def _empty(self, db: int) -> None:
        """Remove all keys of a db."""
        for row_key, _ in self._rows.iterate(self._expiry_head, rowkey_stop(self._expiry_head)):
            if rowkey.read_expiry(row_key[len(self._expiry_head) :])[1][0] == db:
                self._rows.delete(row_key)
        self._rows.delete_range(self._key_head + bytes((db,)), self._key_head + bytes((db + 1,)))
        self._count(db, -self._counts[db])
        self._knows_next_deadline = False

    # What WATCH must know

    def _bucket_key(self, key: bytes) -> bytes:
        return rowkey.meta_key(self._rows.shard, self._rows.generation, b"gone" + watch_bucket(key).to_bytes(2, "big"))

    def _flush_key(self) -> bytes:
        return rowkey.meta_key(self._rows.shard, self._rows.generation, b"flushed")

    def _note_gone(self, key: bytes, index: int) -> None:
        bucket = self._bucket_key(key)
        if index > self._read_number(bucket):
            self._rows.put(bucket, _NUMBER.pack(index))

    def _note_flush(self) -> None:
        self._rows.put(self._flush_key(), _NUMBER.pack(self._version))

    def version(self, db: int, key: bytes) -> int:
        """See View: of a visible key the index that wrote it; of an absent one, negated, when it was last there."""
        found = self._stored(db, key)
        gone = max(self._read_number(self._bucket_key(key)), self._read_number(self._flush_key()))
        if found is None:
            return -gone
        if found.deadline_ms and found.deadline_ms <= self._now_ms:
            return -max(gone, found.version)
        return found.version

    # Expiry

    def _expiry_key(self, db: int, key: bytes, deadline_ms: int) -> bytes:
        return self._expiry_head + rowkey.expiry_suffix(deadline_ms, rowkey.located(db, key))

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

    # Digest

    def digest(self, ranges: Sequence[tuple[bytes, bytes]]) -> str:
        """Return a hash of all rows that are the shard's content: equal on replicas that applied the same entries."""
        content = blake2b(digest_size=16)
        for start, stop in ranges:
            for row_key, value in self._rows.iterate(start, stop):
                content.update(self.row_hash(row_key, value))
        return content.hexdigest()

    @staticmethod
    def row_hash(row_key: bytes, value: bytes) -> bytes:
        """Return what counts of a row in the digest: all but shard, generation and kind."""
        suffix = row_key[rowkey.HEAD_BYTES :]
        return _NUMBER.pack(len(suffix)) + suffix + _NUMBER.pack(len(value)) + value
