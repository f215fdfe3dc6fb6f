"""How an `ap` shard stands on this node: all that others read of it. Changes nothing.

The words of INFO and of receipts are in `causal_report`.
"""

from trilemma.base.ids import NodeId, ShardId
from trilemma.crdt.vector import text
from trilemma.keyspace.settings import Keyspace
from trilemma.node import causal_report as report
from trilemma.node.causal_rows import CausalRows, decode_reflected
from trilemma.node.causal_switch import CausalSwitch
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.progress import RowsMark
from trilemma.node.request import Target
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.storage.port import ReadView


class CausalStanding:
    """What is read of a shard; see node/shard.py for the contract."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, replica: Leaderless, rows: CausalRows
    ) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.replica = replica
        self._config = config
        self._rows = rows
        self._switch = CausalSwitch(replica, rows)

    # Who executes

    def target(self) -> Target | None:
        """See ShardReplica: every replica executes, from its first turn to its last."""
        return self._config.node_id, self._config.starts

    def has_executed(self, epoch: int) -> bool:
        """See ShardReplica: an epoch is a start, and each but this one was another."""
        return False

    def leader(self) -> Target | None:
        """See ShardReplica: there is none."""
        return None

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """See ShardReplica: a replica always serves."""
        return None

    @property
    def allows_stale(self) -> bool:
        """See ShardReplica: READONLY changes nothing here."""
        return False

    # How far

    @property
    def position(self) -> int:
        """See ShardReplica: the sequence of the newest own batch."""
        return report.position(self.replica)

    def held_by(self, position: int) -> int:
        """See ShardReplica."""
        return report.held_by(self.replica, position)

    def first_needed(self, stream: int) -> int:
        """See ShardReplica: what rows on disk lack, and what a peer may still ask for."""
        return min(self._rows.progress.flushed.get(stream, 0) + 1, self.replica.first_retained(stream))

    def facts(self) -> dict[str, object]:
        """See ShardReplica."""
        return report.facts(self.replica)

    def lag(self) -> dict[NodeId, int | None]:
        """See ShardReplica."""
        return report.lag(self.replica)

    # The rows

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.overlay.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: what the rows reflect, read from the rows themselves."""
        return self._switch.label_of(view)

    def digest(self) -> tuple[str, str]:
        """See ShardReplica."""
        return f"vector {text(self.replica.vector)}", self._rows.view.digest()

    @property
    def rows_mark(self) -> RowsMark:
        """See ShardReplica."""
        return RowsMark(self.generation, self._rows.progress.layers)

    def has_in_engine(self, mark: RowsMark) -> bool:
        """See ShardReplica. On rows that have come whole since then, the first layer is what they lacked of it."""
        layers = mark.layers if self.generation == mark.generation else 1
        return self._rows.progress.layers_entered >= layers

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        reflects = f"vector {text(decode_reflected(self.label_of(view)).vector)}"
        return Digest(reflects, view, [self._rows.view.key_range], self._rows.view.row_hash)

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return self._rows.sizes()

    @property
    def defects(self) -> list[str]:
        """See ShardReplica."""
        return self._rows.view.defects
