"""The tokens of CAP ONCE that a `cp` or `ca` shard remembers, each with the first reply to its command.

Beside every ONCE row (what the token's command was, when it was executed by log time, what was answered) stands an AGE
row, so that the oldest token is found without a search; a META row counts both. All are rows of the shard: they are
written in the batch of the command's own effect, travel with snapshots, and count in digests. What is forgotten, and
when, depends on rows and log time alone, so every replica forgets the same. Knows no commands and no replies but bytes.
Page: docs/formats.md.
"""

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from trilemma.base.limits import (
    ONCE_BYTES_MAX,
    ONCE_KEPT_MS_MAX,
    ONCE_KEPT_MS_MIN,
    ONCE_REPLY_BYTES_MAX,
    ONCE_TOKENS_MAX,
)
from trilemma.datatype.keyscan import rowkey_stop
from trilemma.storage import rowkey
from trilemma.storage.overlay import ShardRows

COMMAND_HASH_BYTES = 16
FORGOTTEN_AT_ONCE = 64
"""Tokens that go together when room is needed, so that not every command has to look for the oldest."""

_ROW = Struct(f">Q{COMMAND_HASH_BYTES}sI")
_STAMP = Struct(">Q")
_TOTALS = Struct(">QQ")


class Kept(NamedTuple):
    """A remembered token. `resp2` is empty where the reply was too long to be kept; `resp3` where it is the same."""

    stamp_ms: int
    command_hash: bytes
    resp2: bytes
    resp3: bytes


def command_hash(argv: list[bytes], name_words: int = 1) -> bytes:
    """Return what tells one command from another: its name (so many words), in any case, and its arguments."""
    told = blake2b(digest_size=COMMAND_HASH_BYTES)
    for word in (*map(bytes.lower, argv[:name_words]), *argv[name_words:]):
        told.update(_STAMP.pack(len(word)) + word)
    return told.digest()


def encode_kept(kept: Kept) -> bytes:
    """Return the value of a ONCE row."""
    return _ROW.pack(kept.stamp_ms, kept.command_hash, len(kept.resp2)) + kept.resp2 + kept.resp3


def decode_kept(row: bytes) -> Kept:
    """Return what `encode_kept` made."""
    stamp_ms, told, resp2_bytes = _ROW.unpack_from(row)
    end = _ROW.size + resp2_bytes
    return Kept(stamp_ms, told, row[_ROW.size : end], row[end:])


class OnceTable:
    """One shard generation's tokens."""

    def __init__(self, rows: ShardRows) -> None:
        self._rows = rows
        self._head = rowkey.head(rows.shard, rows.generation, rowkey.ONCE)
        self._age_head = rowkey.head(rows.shard, rows.generation, rowkey.AGE)
        self._totals_key = rowkey.meta_key(rows.shard, rows.generation, b"once")
        row = rows.get(self._totals_key)
        self.count: int
        self.bytes: int
        self.count, self.bytes = (0, 0) if row is None else _TOTALS.unpack(row)
        self._oldest_ms: int | None = None
        self._knows_oldest = self.count == 0

    @property
    def key_range(self) -> tuple[bytes, bytes]:
        """The range of all ONCE rows."""
        return self._head, rowkey_stop(self._head)

    def find(self, db: int, token: bytes) -> Kept | None:
        """Return what is remembered of a token, or None. A token belongs to its db and shard."""
        row = self._rows.get(self._head + bytes((db,)) + token)
        return None if row is None else decode_kept(row)

    def make_room(self, now_ms: int) -> bool:
        """Forget the oldest tokens where bounds leave no room for one more; return whether there is room now.

        Cost: nothing but comparisons while there is room; else every token that goes was once a command.
        """
        while not self._has_room():
            # One long reply takes the room of many short ones.
            if not self.forget(now_ms - ONCE_KEPT_MS_MIN, FORGOTTEN_AT_ONCE):
                return False
        return True

    def _has_room(self) -> bool:
        return self.count < ONCE_TOKENS_MAX and self.bytes + 2 * ONCE_REPLY_BYTES_MAX <= ONCE_BYTES_MAX

    def remember(self, db: int, token: bytes, kept: Kept) -> None:
        """Keep a token that is not known yet. A reply beyond its bound is left out."""
        if len(kept.resp2) + len(kept.resp3) > ONCE_REPLY_BYTES_MAX:
            kept = kept._replace(resp2=b"", resp3=b"")
        value = encode_kept(kept)
        self._rows.put(self._head + bytes((db,)) + token, value)
        self._rows.put(self._age_head + _STAMP.pack(kept.stamp_ms) + bytes((db,)) + token, b"")
        self._count(1, len(token) + len(value))
        if self._knows_oldest and self._oldest_ms is None:
            self._oldest_ms = kept.stamp_ms

    def _count(self, tokens: int, size: int) -> None:
        self.count += tokens
        self.bytes += size
        self._rows.put(self._totals_key, _TOTALS.pack(self.count, self.bytes))

    def next_due_ms(self) -> int | None:
        """Return the log time at which the oldest token is to be forgotten, or None where there is none."""
        if not self._knows_oldest:
            rows = self._rows.scan(self._age_head, rowkey_stop(self._age_head), 1)
            self._oldest_ms = _STAMP.unpack_from(rows[0][0], len(self._age_head))[0] if rows else None
            self._knows_oldest = True
        return None if self._oldest_ms is None else self._oldest_ms + ONCE_KEPT_MS_MAX

    def reap(self, now_ms: int, tokens_max: int) -> None:
        """Forget tokens that are older than any is kept, the oldest first."""
        if self.count:
            self.forget(now_ms - ONCE_KEPT_MS_MAX, tokens_max)

    def forget(self, stamp_ms: int, tokens_max: int) -> int:
        """Forget up to `tokens_max` tokens of that log time and before, the oldest first; return how many."""
        if stamp_ms < 0:
            return 0
        stop = self._age_head + _STAMP.pack(stamp_ms + 1)
        found = self._rows.scan(self._age_head, stop, tokens_max)
        size = 0
        for age_key, _ in found:
            place = age_key[len(self._age_head) + _STAMP.size :]
            size += len(place) - 1 + len(self._rows.get(self._head + place) or b"")
            self._rows.delete(self._head + place)
            self._rows.delete(age_key)
        if found:
            self._count(-len(found), -size)
            self._knows_oldest = False
        return len(found)
