"""How a `cp` or `ca` shard stands on this node: all that others read of it. Changes nothing.

The words of INFO and of receipts are in `raft_report`.
"""

from trilemma.base.ids import NodeId, ShardId
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node import admission
from trilemma.node import raft_report as report
from trilemma.node.applied import decode_label
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.progress import RowsMark
from trilemma.node.raft_rows import RaftRows
from trilemma.node.raft_switch import RaftSwitch
from trilemma.node.request import Target
from trilemma.replication.raft.replica import Raft
from trilemma.storage.port import ReadView


class RaftStanding:
    """What is read of a shard; see node/shard.py for the contract."""

    def __init__(self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, raft: Raft, rows: RaftRows) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.raft = raft
        self._config = config
        self._rows = rows
        self._switch = RaftSwitch(raft, rows)

    # Who executes

    def target(self) -> Target | None:
        """See ShardReplica."""
        return (self._config.node_id, self.raft.term) if self.raft.is_leader else None

    def has_executed(self, epoch: int) -> bool:
        """See ShardReplica."""
        return self.raft.has_led(epoch)

    def leader(self) -> Target | None:
        """See ShardReplica."""
        return None if self.raft.leader is None else (self.raft.leader, self.raft.term)

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """See ShardReplica."""
        return admission.why_down(self._config, self.keyspace, up)

    @property
    def serves_leased_reads(self) -> bool:
        """Say whether followers of this shard may answer reads (`ca`, READ local)."""
        return self.keyspace.mode is Mode.CA or self.keyspace.read == "local"

    @property
    def allows_stale(self) -> bool:
        """See ShardReplica: `ca` never answers what may be stale."""
        return self.keyspace.mode is Mode.CP

    # How far

    @property
    def applied_index(self) -> int:
        """The index of the last entry that the rows reflect."""
        return self._rows.applied.index

    @property
    def position(self) -> int:
        """See ShardReplica: a log index."""
        return self.applied_index

    def held_by(self, position: int) -> int:
        """See ShardReplica."""
        return sum(node != self._config.node_id for node in self.raft.durable_on(position))

    def first_needed(self, stream: int) -> int:
        """See ShardReplica."""
        return self.raft.first_needed

    def facts(self) -> dict[str, object]:
        """See ShardReplica."""
        return report.facts(self._config, self.raft, self.applied_index, self._rows.progress.flushed.index)

    def lag(self) -> dict[NodeId, int | None]:
        """See ShardReplica: known to the leader."""
        return report.lag(self._config, self.keyspace, self.raft)

    # The rows

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.overlay.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: the entry that the rows reflect, read from the rows themselves."""
        return self._switch.label_of(view)

    def digest(self) -> tuple[str, str]:
        """See ShardReplica."""
        return f"index {self.applied_index}", self._rows.digest()

    @property
    def rows_mark(self) -> RowsMark:
        """See ShardReplica."""
        return RowsMark(self.generation, self._rows.progress.layers)

    def has_in_engine(self, mark: RowsMark) -> bool:
        """See ShardReplica: rows that have come whole since then reflect all that was applied."""
        return self.generation != mark.generation or self._rows.progress.layers_entered >= mark.layers

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        return self._rows.paged_digest(f"index {decode_label(self.label_of(view)).base_index}", view)

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return self._rows.sizes()

    @property
    def defects(self) -> list[str]:
        """See ShardReplica."""
        return self._rows.view.defects
