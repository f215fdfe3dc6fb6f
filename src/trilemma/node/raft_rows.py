"""The rows of a `cp` or `ca` shard on this node, and the entry that they reflect.

Owns the views by which commands and CAP ONCE see the rows, what is overdue in them by log time, and when they may enter
the engine: only once this node's own log holds their entries (PROTOCOLS §6.5). Does not know Raft, nor who waits for
what is written: entries come in order from node/raft_execution.py.
"""

from trilemma.base.invariant import invariant
from trilemma.datatype.keyscan import DBS
from trilemma.datatype.once import OnceTable
from trilemma.datatype.plain import PlainView
from trilemma.node import internal
from trilemma.node.applied import APPLIED, Applied, encode_applied, read_applied
from trilemma.node.digest import Digest
from trilemma.node.progress import RowsProgress
from trilemma.node.refusal import places_in
from trilemma.node.unit import Unit
from trilemma.replication.port import Entry
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import ReadView, RowBatch
from trilemma.storage.rowkey import meta_key

REAP_KEYS_MAX = 1_000
"""Expired keys, and as many tokens too old to keep, that one TICK entry removes; more are due at the next."""


class RaftRows:
    """One shard's rows, of the generation that is in use."""

    def __init__(self, overlay: ShardRows) -> None:
        self._may_be_overdue = False
        self.use(overlay)

    def use(self, overlay: ShardRows) -> None:
        """Take rows into use, the first ones or those of another generation; what was on its way to disk is not."""
        self.overlay = overlay
        self.view = PlainView(overlay)
        self.once = OnceTable(overlay)
        self.applied = read_applied(overlay)
        self.progress: RowsProgress[Applied] = RowsProgress(self.applied)

    # Entries

    def must_follow(self, entry: Entry) -> None:
        """Check that an entry is the next one."""
        invariant(entry.index == self.applied.index + 1, "entries are applied in order, each once")

    def begin(self, entry: Entry) -> None:
        """Have what is run from now on write as of an entry: its index, its log time, its randomness."""
        self.view.begin(entry.index, entry.stamp_ms, entry.stamp_ms, entry.seed)

    def tick(self, entry: Entry) -> None:
        """Apply a TICK: remove what has expired by its log time, and tokens too old to keep."""
        self.begin(entry)
        self.view.reap(REAP_KEYS_MAX)
        self.once.reap(entry.stamp_ms, REAP_KEYS_MAX)

    def reached(self, entry: Entry) -> None:
        """Take note that an entry is applied."""
        self.applied = Applied(entry.index, entry.term, max(entry.stamp_ms, self.applied.stamp_ms))

    def seal(self, token: int) -> None:
        """Close what was applied this turn; it may enter the engine once `token` is durable (0: at once)."""
        overlay = self.overlay
        overlay.put(meta_key(overlay.shard, overlay.generation, APPLIED), encode_applied(self.applied))
        overlay.seal(token)
        self.progress.sealed(token, self.applied)

    def drain(self, durable_token: int) -> RowBatch | None:
        """Return the rows that may go to the engine now."""
        if not self.overlay.sealed:
            return None
        self.progress.entered(durable_token)
        return self.overlay.drain(durable_token)

    # Time

    def next_due_ms(self) -> int | None:
        """Return the log time at which an entry has something to remove: an expired key, a token too old to keep."""
        key_ms, token_ms = self.view.next_deadline_ms(), self.once.next_due_ms()
        if key_ms is None or token_ms is None:
            return token_ms if key_ms is None else key_ms
        return min(key_ms, token_ms)

    def begin_read(self, log_time_ms: int) -> None:
        """Have what is read from now on be judged by log time, but by what is applied where that is ahead."""
        applied = self.applied
        now_ms = max(applied.stamp_ms, log_time_ms)
        self.view.begin(applied.index, applied.stamp_ms, now_ms, applied.index)
        due_ms = self.view.next_deadline_ms()
        self._may_be_overdue = due_ms is not None and due_ms <= now_ms

    def is_overdue(self, unit: Unit) -> bool:
        """Say whether a unit reads a key whose deadline has passed by log time, but by no applied entry yet."""
        if not self._may_be_overdue or (unit.argv and unit.argv[0] in internal.WITHOUT_DATA):
            return False
        places = list(places_in(unit))
        return any(self.view.is_overdue(db, key) for db, key in places) if places else self.view.holds_overdue()

    # Content

    @property
    def _content_ranges(self) -> list[tuple[bytes, bytes]]:
        """The rows that are the shard's content: keys, and the tokens of CAP ONCE."""
        return [self.view.key_range, self.once.key_range]

    def digest(self) -> str:
        """Return the digest of the content."""
        return self.view.digest(self._content_ranges)

    def paged_digest(self, reflects: str, view: ReadView) -> Digest:
        """Return a digest to be made, page by page, of what a pinned view of the engine holds."""
        return Digest(reflects, view, self._content_ranges, self.view.row_hash)

    def sizes(self) -> list[int]:
        """Return the number of keys per db."""
        return [self.view.size(db) for db in range(DBS)]
