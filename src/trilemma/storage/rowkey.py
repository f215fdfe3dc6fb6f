"""Where a row stands: every row key of every shard, in one place (docs/formats.md).

    shard u32 | generation u32 | kind u8 | ...
    META    ... | name
    KEY     ... | db u8 | key hash u48 | key
    EXPIRY  ... | deadline u64 (ms) | db u8 | key hash u48 | key
    CLEARED ... | db u8 | key hash u48 | key
    HIDDEN  ... | db u8 | key hash u48 | key
    ONCE    ... | db u8 | token
    AGE     ... | stamp u64 (ms) | db u8 | token

All big-endian, so that keys order as bytes the way their fields order: a SCAN cursor is a key hash, the next key to
expire is the first EXPIRY row, the oldest token of CAP ONCE the first AGE row.
"""

from functools import lru_cache
from struct import Struct
from zlib import crc32

from trilemma.base.ids import ShardId
from trilemma.storage.generation import GENERATION_MAX

META = 1
KEY = 2
EXPIRY = 3
CLEARED = 4
HIDDEN = 5
ONCE = 6
AGE = 7

SHARD_MAX: ShardId = (1 << 32) - 1
HASH_BITS = 48
HASH_MAX = (1 << HASH_BITS) - 1

_HEAD = Struct(">IIB")
_DEADLINE = Struct(">Q")
DEADLINE_MAX_MS = (1 << 63) - 1
HEAD_BYTES = _HEAD.size
_DB_AND_HASH_BYTES = 7


def key_hash(key: bytes) -> int:
    """Return the 48-bit hash that orders keys; 0 is kept for the beginning of a scan."""
    return ((crc32(key) << 16) | (crc32(key, 0x9E3779B9) & 0xFFFF)) or 1


@lru_cache(maxsize=4096)
def head(shard: ShardId, generation: int, kind: int) -> bytes:
    """Return the bytes that all rows of one kind of one shard generation begin with."""
    return _HEAD.pack(shard, generation, kind)


def meta_key(shard: ShardId, generation: int, name: bytes) -> bytes:
    """Return the key of a META row."""
    return head(shard, generation, META) + name


def located(db: int, key: bytes) -> bytes:
    """Return what follows the head of a KEY row."""
    return bytes((db,)) + key_hash(key).to_bytes(6, "big") + key


def expiry_suffix(deadline_ms: int, place: bytes) -> bytes:
    """Return what follows the head of an EXPIRY row; `place` is `located(db, key)`."""
    return _DEADLINE.pack(deadline_ms) + place


def read_place(place: bytes) -> tuple[int, int, bytes]:
    """Return (db, key hash, key) of what `located` made."""
    return place[0], int.from_bytes(place[1:7], "big"), place[_DB_AND_HASH_BYTES:]


def read_expiry(suffix: bytes) -> tuple[int, bytes]:
    """Return (deadline in ms, place) of what `expiry_suffix` made."""
    return _DEADLINE.unpack_from(suffix)[0], suffix[8:]


def every_generation(shard: ShardId) -> tuple[bytes, bytes]:
    """Return the range of all rows of a shard, whatever their generation."""
    return shard_range(shard, 0)[0], shard_range(shard, GENERATION_MAX)[1]


def shard_of(row_key: bytes) -> ShardId:
    """Return the shard that a row belongs to."""
    return int(_HEAD.unpack_from(row_key)[0])


def shard_range(shard: ShardId, generation: int) -> tuple[bytes, bytes]:
    """Return the range of all rows of one generation of a shard."""
    return _HEAD.pack(shard, generation, 0), _HEAD.pack(shard, generation, 255)
