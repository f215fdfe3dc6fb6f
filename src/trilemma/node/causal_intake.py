"""What an `ap` shard lets in: units that wait to be executed, or to be asked about before, and those that are refused.

Owns for what reasons writes are refused (a full disk, too much that nobody else holds) or wait (a disk that is behind).
Does not know how units are executed (node/causal_execution.py), nor how others are asked (node/questions.py).
"""

from collections.abc import Callable

from trilemma.base.ids import NodeId
from trilemma.base.limits import GIB, MIB, limit
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, refusal
from trilemma.node.batch import Batch, Waiter, is_awaited
from trilemma.node.causal_execution import CausalExecution
from trilemma.node.config import NodeConfig
from trilemma.node.questions import Questions, asks_others
from trilemma.node.undurable import Undurable
from trilemma.node.unit import Unit
from trilemma.replication.leaderless.replica import Leaderless

UNDURABLE_BYTES_MAX = limit(
    "undurable_bytes_max",
    32 * MIB,
    "bytes per shard",
    "a small APPEND writes a whole value: batches are made faster than the disk takes them",
    "commands wait until the disk has caught up, and peers' batches are asked for again",
)
UNSHARED_BYTES_MAX = limit(
    "unshared_bytes_max",
    GIB,
    "bytes per shard",
    "what no majority of the replicas holds is never dropped from the log",
    "writes are refused: CLUSTERDOWN ... no majority of the replicas holds yet",
)


class CausalIntake:
    """One replica's intake."""

    def __init__(
        self, config: NodeConfig, replica: Leaderless, questions: Questions, execution: CausalExecution
    ) -> None:
        self._config = config
        self._replica = replica
        self._questions = questions
        self._execution = execution
        self.is_full = False
        """Whether the disk takes no further batches."""
        self.holds_writes = False
        """Whether the node's disk has to catch up."""
        self.undurable = Undurable()
        """Records of this shard."""

    @property
    def is_behind(self) -> bool:
        """Whether the disk has to catch up before anything more is written."""
        return self.holds_writes or self.undurable.bytes > UNDURABLE_BYTES_MAX

    def why_not_written(self) -> str | None:
        """Return why writes are refused now, or None: a full disk, or too much that nobody else holds."""
        if self.is_full:
            return refusal.disk_full([self._config.name])
        if self._replica.retained_bytes > UNSHARED_BYTES_MAX:
            return "too much was written that no majority of the replicas holds yet"
        return None

    def submit(self, batch: Batch, keyspace: Keyspace) -> None:
        """Take in a batch's units: each waits in the line of its kind, or is refused."""
        count = keyspace.read_count
        ahead = self._questions.lines() if count == 1 else ()
        refused = self.why_not_written()
        units, reads, barriers = self._execution.waiting, self._questions.reads, self._questions.barriers
        for place, unit in enumerate(batch.units):
            if place in batch.skipped:
                continue
            if refused is not None and not unit.is_read:
                batch.complete(place, refusal.down(keyspace, refused), 0)
                continue
            asks = asks_others(unit) if count > 1 else bool(ahead) and batch.line(place) in ahead
            is_barrier = bool(unit.argv) and unit.argv[0] == internal.HOLDS_PREFIX
            (barriers if is_barrier else reads if asks else units).append((batch, place))

    def take_answered(self, keyspace: Keyspace, mono_us: int, up: frozenset[NodeId]) -> None:
        """Have executed what enough replicas have answered about; meanwhile the disk may have become full."""
        refused = self.why_not_written()
        for batch, place in self._questions.take_answered(keyspace, mono_us, up):
            if refused is None or batch.units[place].is_read:
                self._execution.waiting.append((batch, place))
            else:
                batch.complete(place, refusal.down(keyspace, refused), 0)

    def drop_answered(self) -> None:
        """Let go, barriers apart, what waits and for which nobody does any more."""
        self._execution.keep(is_awaited)
        self._questions.keep(is_awaited)

    def refuse_fenced(self, keyspace: Keyspace, why: Callable[[Unit], str | None]) -> None:
        """Refuse what waits and is fenced, barriers apart: `why` returns the reason, None where a unit is not."""

        def passes(waiter: Waiter) -> bool:
            batch, place = waiter
            reason = why(batch.units[place])
            if reason is not None:
                batch.complete(place, refusal.down(keyspace, reason, batch.units[place]), 0)
            return reason is None

        self._execution.keep(passes)
        self._questions.keep(passes)
