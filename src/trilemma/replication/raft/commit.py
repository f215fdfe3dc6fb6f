"""When an entry is committed: a majority has it durably, it is of the leader's own term, and nobody reads without it.

Paper §5.3, §5.4.2 (figure 8); PROTOCOLS §3.1 (possible lease holders).
"""

from collections.abc import Mapping, Sequence

from trilemma.base.ids import NodeId
from trilemma.replication.raft.configuration import Configuration, majority_value
from trilemma.replication.raft.log import Log


class CommitRule:
    """The rule of one leader's term."""

    __slots__ = ("_log", "_term")

    def __init__(self, log: Log, term: int) -> None:
        self._log = log
        self._term = term

    def committed(
        self, durable: Mapping[NodeId, int], configuration: Configuration, holders: Sequence[NodeId]
    ) -> int | None:
        """Return the highest index that may be taken as committed now, or None.

        Args:
            durable: per member, up to which index it holds the log durably.
            configuration: the newest.
            holders: who may hold a read lease.
        """
        index = self._on_majority(durable, configuration)
        index = min(index, self._on_lease_holders(durable, holders, index))
        return index if self._may_commit(index) else None

    def _on_majority(self, durable: Mapping[NodeId, int], configuration: Configuration) -> int:
        return majority_value([durable.get(voter, 0) for voter in configuration.voters], configuration.quorum)

    def _on_lease_holders(self, durable: Mapping[NodeId, int], holders: Sequence[NodeId], index: int) -> int:
        """Return up to which index every possible reader has the log; `index` where there is none."""
        return min((durable.get(holder, 0) for holder in holders), default=index)

    def _may_commit(self, index: int) -> bool:
        """Say whether an entry that is held enough is committed by that: older terms' only along with an own one."""
        return self._log.terms.at(index) == self._term
