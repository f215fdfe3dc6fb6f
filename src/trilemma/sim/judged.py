"""What is judged of a schedule at once: one workload's part of the history, and what may be demanded of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trilemma.check.history import Operation
from trilemma.check.receipt import Terms
from trilemma.sim.sessions import as_executed


class Judged(NamedTuple):
    """A workload's part of a history: the run, and the reads made after it had come to rest."""

    workload: str
    operations: Sequence[Operation]
    finals: Sequence[Operation]
    apart_us: int = 0
    """How far apart most wall clocks were for a while."""
    has_quorums: bool = False
    """Whether the replicas that hold an acknowledged write and those that a read asks have one in common (`ap`)."""
    nodes: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    """Which of the nodes hold a replica of the keyspace that is driven."""
    leap_us: int = 0
    """By how much log time may have been wrong (`cp`, `ca`)."""
    terms: Terms = Terms(1, 1, frozenset())
    """On how many replicas what is acknowledged has to be, and who holds one."""

    is_leaderless: bool = False
    digests: Mapping[str, Mapping[str, str]] = {}
    """At the end, by shard and node, what each replica reflects and its digest."""

    @property
    def has_all_replicas(self) -> bool:
        """Whether every node holds one."""
        return self.holders == self.nodes

    def executed(self, operations: Sequence[Operation]) -> list[Operation]:
        """Return a part of the history in the order that `ap` promises to keep."""
        return as_executed(operations, self.nodes, self.holders)
