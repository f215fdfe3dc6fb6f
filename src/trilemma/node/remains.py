"""What a dropped keyspace leaves behind in the engine: its shards' rows, which go in bounded steps.

They go only once the engine itself holds the catalogue that names their keyspace no more. After a crash the engine
holds a prefix of what was written, so no start finds a keyspace whose rows are gone; and where the crash came in
between, the start's own search finds them. Ids are never used twice (PROTOCOLS §7.4), so they are nobody else's. Views
that were pinned before go on showing them. What the log holds of such shards is for node/shards.py.
"""

from trilemma.base.ids import DEFAULT_KEYSPACE, ShardId, keyspace_of, shard_id
from trilemma.node.system_shard import SystemShard
from trilemma.storage.port import Engine, RowBatch
from trilemma.storage.rowkey import SHARD_MAX, every_generation, shard_of

SHARDS_PER_STEP = 32
"""Shards looked at in one turn: a seek each, and one range to delete where nothing but its rows is left of it."""

FIRST: ShardId = shard_id(DEFAULT_KEYSPACE, 0)


class Remains:
    """The search for such rows: after each change of the catalogue, and at the start."""

    def __init__(self, engine: Engine, system: SystemShard) -> None:
        self._engine = engine
        self._system = system
        self._changes_seen = -1
        self._next: ShardId | None = None
        """The shard from which the search goes on, None where it is over."""
        self.wants_turn = False
        """Whether the search goes on in the next turn; it may also wait until the engine holds the catalogue."""

    def step(self) -> None:
        """Go on with the search, if there is one. To be called once the turn's rows are written."""
        if self._changes_seen != self._system.changes_applied:
            self._changes_seen, self._next = self._system.changes_applied, FIRST
        self.wants_turn = False
        if self._next is not None and self._engine.takes_writes and self._system.is_kept_in(self._engine):
            self._search(self._next)
            self.wants_turn = self._next is not None

    def _search(self, shard: ShardId) -> None:
        gone = []
        for _ in range(SHARDS_PER_STEP):
            found = self._engine.scan(every_generation(shard)[0], every_generation(SHARD_MAX)[1], 1)
            if not found:
                self._next = None
                break
            shard = shard_of(found[0][0])
            if self._system.catalogue.is_gone(keyspace_of(shard)):
                gone.append(every_generation(shard))
            shard += 1
            self._next = shard
        if gone:
            self._engine.write(RowBatch((), (), gone))
