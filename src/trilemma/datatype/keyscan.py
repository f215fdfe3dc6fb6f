"""What both views share: where key rows stand, the number of keys per db, walking through keys by their hashes."""

from struct import Struct

from trilemma.resp.number import parse_int64
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows

DBS = 16

RAW_ENCODING_BYTES_MIN = 45
"""Strings of this length are `raw`, shorter ones `embstr` (Redis' OBJ_ENCODING_EMBSTR_SIZE_LIMIT is 44)."""
INT_ENCODING_BYTES_MAX = 20

WATCH_BUCKETS = 4_096
"""Buckets that vanished keys of a shard share, for WATCH; more would abort fewer transactions needlessly, at 14 bytes
each on `cp` and `ca`."""

_NUMBER = Struct(">Q")


def rowkey_stop(head: bytes) -> bytes:
    """Return the end of the range of all rows that begin with a head."""
    return head[:-1] + bytes((head[-1] + 1,))


def watch_bucket(key: bytes) -> int:
    """Return the bucket of a key that vanishes."""
    return rowkey.key_hash(key) % WATCH_BUCKETS


def string_encoding(value: bytes) -> str:
    """Return what OBJECT ENCODING says of a string."""
    if len(value) <= INT_ENCODING_BYTES_MAX and parse_int64(value) is not None:
        return "int"
    return "raw" if len(value) >= RAW_ENCODING_BYTES_MIN else "embstr"


class KeyScan:
    """Key rows of one shard. A view says by `_seen` which rows show a key, and draws by `draw`."""

    def __init__(self, rows: ShardRows) -> None:
        self.defects: list[str] = []
        self._rows = rows
        self._key_head = rowkey.head(rows.shard, rows.generation, rowkey.KEY)
        self._counts = [self._read_number(self._count_key(db)) for db in range(DBS)]

    @property
    def key_range(self) -> tuple[bytes, bytes]:
        """The range of all KEY rows."""
        return self._key_head, rowkey_stop(self._key_head)

    def draw(self, bound: int) -> int:
        """See View."""
        raise NotImplementedError

    def _seen(self, row: tuple[bytes, bytes]) -> bytes | None:
        """Return the key that a row shows, None where it shows none now."""
        raise NotImplementedError

    def _key(self, db: int, key: bytes) -> bytes:
        return self._key_head + rowkey.located(db, key)

    def _count_key(self, db: int) -> bytes:
        return rowkey.meta_key(self._rows.shard, self._rows.generation, b"count" + bytes((db,)))

    def _read_number(self, row_key: bytes) -> int:
        row = self._rows.get(row_key)
        return 0 if row is None else int(_NUMBER.unpack(row)[0])

    def _count(self, db: int, change: int) -> None:
        self._counts[db] += change
        self._rows.put(self._count_key(db), _NUMBER.pack(self._counts[db]))

    def size(self, db: int) -> int:
        """See View."""
        return self._counts[db]

    def scan(self, db: int, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """See View."""
        start = self._key_head + bytes((db,)) + cursor.to_bytes(6, "big")
        stop = self._key_head + bytes((db + 1,))
        keys: list[bytes] = []
        last = -1
        for place, row in enumerate(self._rows.iterate(start, stop)):
            key_hash = self._place(row[0])[1]
            if place >= count and key_hash != last:
                return key_hash, keys
            last = key_hash
            if (key := self._seen(row)) is not None:
                keys.append(key)
        return 0, keys

    def _place(self, row_key: bytes) -> tuple[int, int, bytes]:
        return rowkey.read_place(row_key[len(self._key_head) :])

    def random_key(self, db: int) -> bytes | None:
        """See View: the first visible key from a drawn hash on, going round once."""
        if not self._counts[db]:
            return None
        drawn = self.draw(1 << 32) << 16
        low, high = self._key_head + bytes((db,)), self._key_head + bytes((db + 1,))
        middle = low + drawn.to_bytes(6, "big")
        for start, stop in ((middle, high), (low, middle)):
            for row in self._rows.iterate(start, stop):
                key = self._seen(row)
                if key is not None:
                    return key
        return None
