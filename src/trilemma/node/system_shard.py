"""The shard of the catalogue, `_system`, on every node (PROTOCOLS §7).

Its units carry one encoded catalogue change each. A PREPARE fences its prefix on this node as soon as it is durable in
the log here, committed or not; and because `_system` answers only when every member has an entry durably, the answer
to a PREPARE says that every member has fenced.
"""

from collections.abc import Sequence

from trilemma.base.ids import SYSTEM_KEYSPACE, NodeId, ShardId
from trilemma.base.time import Now
from trilemma.keyspace.catalogue import Abort, Catalogue, Prepare, decode_change, encode_change
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node.config import NodeConfig
from trilemma.node.raft_shard import RaftShard
from trilemma.node.unit import Path, Result, Unit, decode_units, encode_units
from trilemma.replication.port import Entry, EntryKind, Outbound
from trilemma.replication.raft.replica import Raft
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import LogRecord, RowReader
from trilemma.storage.rowkey import meta_key

CATALOGUE = b"catalogue"
"""The META row that holds the catalogue."""

PREPARED_MS_MAX = 2_000
"""A change that is still in the making after this is aborted by whoever leads `_system`."""


def system_keyspace(members: tuple[NodeId, ...]) -> Keyspace:
    """Return the settings of `_system`: a change is refused while a member is away."""
    return Keyspace(SYSTEM_KEYSPACE, "_system", Mode.CP, members, 1, "all", "linearizable", "sync", TIMEOUT_MS_DEFAULT)


class SystemShard(RaftShard):
    """The catalogue's replica on this node."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, raft: Raft, rows: ShardRows, first: Catalogue
    ) -> None:
        super().__init__(config, keyspace, shard, raft, rows)
        row = rows.get(self._row_key())
        self.catalogue = first if row is None else Catalogue.decode(row)
        self.changes_applied = 0
        """Counts the changes that took effect, so that the node knows when to route anew."""
        self.fences: dict[bytes, str] = {}
        """Fenced prefixes (keyspace names), each with the reason to give."""
        self._fences_of: tuple[int, int, int] = (-1, -1, -1)
        self._abort_proposed = (0, 0)
        """The term and the index of what was last given up: a leader keeps an entry in its log for its term only."""
        self.durable_applied = self.applied_index
        """The last change that this node will know of whatever happens: applied, and known on disk as committed.

        One that came to nothing counts too: its prefix was fenced until it was applied.
        """
        self._start_index = self.raft.commit_index
        self._changed_index = 0
        """The last change that was applied, whether or not it took effect."""
        self._remembered: tuple[int, int] | None = None

    def _row_key(self) -> bytes:
        return meta_key(self.shard, self.generation, CATALOGUE)

    def _run(self, entry: Entry, unit: Unit) -> Result:
        """Apply one change; the reply is its log index, negative where it came to nothing."""
        if unit.is_read:
            return super()._run(entry, unit)
        took_effect = self.catalogue.apply(entry.index, entry.stamp_ms, decode_change(unit.argv[0]))
        self._changed_index = entry.index
        if took_effect:
            self.changes_applied += 1
            self._rows.overlay.put(self._row_key(), self.catalogue.encode())
        return [b":%d\r\n" % (entry.index if took_effect else -entry.index)]

    def is_kept_in(self, engine: RowReader) -> bool:
        """Say whether the engine holds the catalogue as it is now: a start that finds what is written next knows it."""
        row = engine.get(self._row_key())
        return self.catalogue.version == (0 if row is None else Catalogue.decode(row).version)

    @property
    def is_flushed(self) -> bool:
        """Say whether the rows on disk show every change that is applied now: a start makes its replicas from these."""
        return self._rows.progress.flushed.index >= self._changed_index

    @property
    def has_met(self) -> bool:
        """Say whether this disk was ever among its peers: no replica enters a term without a majority's pre-votes."""
        return self.raft.term > 0

    @property
    def is_caught_up(self) -> bool:
        """Say whether all that was known as committed at the start is applied: before that, routes may be old."""
        return self.applied_index >= self._start_index

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica. A change counts as applied once a start of this node cannot forget it (PROTOCOLS §7)."""
        if self._changed_index > self.durable_applied and self._remembered is None:
            self._wake()
            self.raft.remember_commit()
            self._remembered = (token, self._changed_index)
        return super().collect(token)

    def persisted(self, token: int) -> None:
        """See ShardReplica."""
        super().persisted(token)
        if self._remembered is not None and token >= self._remembered[0]:
            self.durable_applied, self._remembered = self._remembered[1], None

    def _find_deadline_us(self) -> int:
        waits = self._changed_index > self.durable_applied and self._remembered is None
        return self._now.mono_us if waits else super()._find_deadline_us()

    def _installed(self) -> None:
        row = self._rows.overlay.get(self._row_key())
        if row is not None:
            self.catalogue = Catalogue.decode(row)
        self.changes_applied += 1
        self.durable_applied = max(self.durable_applied, self.applied_index)
        self._fences_of = (-1, -1, -1)

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica."""
        super().advance(now, up, offsets_ms)
        self._abort_overdue()

    def _abort_overdue(self) -> None:
        prepared = self.catalogue.prepared
        if prepared is None or self._intake.is_full or not self.raft.is_leader:
            return
        if self._abort_proposed == (self.raft.term, prepared.index):
            return
        if self.raft.log_time_ms() - prepared.stamp_ms >= PREPARED_MS_MAX:
            self._wake()
            unit = Unit(Path.WRITE, 0, 2, [encode_change(Abort(prepared.index))])
            if self.raft.propose(EntryKind.COMMANDS, encode_units([unit])) is not None:
                self._abort_proposed = (self.raft.term, prepared.index)

    def refresh_fences(self) -> None:
        """Fence what is being prepared, in the rows or in the durable part of the log behind them."""
        position = (self.applied_index, self.raft.durable_index, self.raft.term)
        if position == self._fences_of:
            return
        self._fences_of = position
        prepared = self.catalogue.prepared
        names = [] if prepared is None else [prepared.keyspace.name]
        first = self.applied_index + 1
        while entries := self.raft.entries(first, self.raft.durable_index):
            for entry in entries:
                names.extend(self._prepares(entry))
            first = entries[-1].index + 1
        self.fences = {name.encode(): f"keyspace '{name}' is being created or dropped" for name in names}

    def _prepares(self, entry: Entry) -> list[str]:
        if entry.kind is not EntryKind.COMMANDS:
            return []
        changes = [decode_change(unit.argv[0]) for unit in decode_units(entry.body) if not unit.is_read]
        return [change.keyspace.name for change in changes if isinstance(change, Prepare)]
