"""What a `cp` or `ca` shard lets in: which units wait to be read, which to be proposed, and what of those is refused.

Owns when the leader proposes what waits, refuses it (node/admission.py has the rule), or has it wait; a replica that
leads no more hands it back. Does not know how units become entries (node/proposals.py), nor who leads next.
"""

from trilemma.base.ids import NodeId
from trilemma.keyspace.settings import Keyspace
from trilemma.node import admission
from trilemma.node.backlog import HELD_REQUESTS_MAX
from trilemma.node.batch import Batch, is_awaited
from trilemma.node.config import NodeConfig
from trilemma.node.proposals import Proposals
from trilemma.node.raft_reads import RaftReads
from trilemma.node.unit import Path
from trilemma.replication.raft.replica import Raft


class RaftIntake:
    """One replica's intake."""

    def __init__(self, config: NodeConfig, raft: Raft, reads: RaftReads, proposals: Proposals) -> None:
        self._config = config
        self._raft = raft
        self._reads = reads
        self._proposals = proposals
        self.full_disks: frozenset[NodeId] = frozenset()
        """The nodes whose disks take no further entries."""
        self.holds_writes = False
        """Whether the node's disk has to catch up."""
        self.leaving: frozenset[NodeId] = frozenset()
        """The peers that are about to stop."""
        self.settles = False
        """Whether nothing more is proposed, so that all that entries hold can be answered before another one leads."""

    @property
    def is_full(self) -> bool:
        """Whether this node's own disk takes no further entries."""
        return self._config.node_id in self.full_disks

    def submit(self, batch: Batch) -> None:
        """Take in a batch's units: each waits in the line of its kind."""
        reads, logged = self._reads.waiting, self._proposals.waiting
        for position, unit in enumerate(batch.units):
            if position in batch.skipped:
                continue
            (reads if unit.path is Path.READ else logged).append((batch, position))

    def drop_answered(self) -> None:
        """Let go what waits to be asked about or proposed, and for which nobody waits any more."""
        self._reads.waiting = list(filter(is_awaited, self._reads.waiting))
        self._proposals.waiting = list(filter(is_awaited, self._proposals.waiting))

    def why_not_written(self, keyspace: Keyspace, up: frozenset[NodeId]) -> str | None:
        """Return why writes are refused now, by the admission rule (PROTOCOLS §3.7) or for a full disk, or None."""
        return admission.why_not_written(self._config, keyspace, up, self.full_disks, self.leaving)

    @property
    def may_propose(self) -> bool:
        """Whether something waits that this replica, if it leads, may propose."""
        return bool(self._proposals.waiting) and not self._holds_back

    @property
    def _holds_back(self) -> bool:
        return self._raft.holds_back or self.holds_writes or self.settles

    def propose(self, keyspace: Keyspace, up: frozenset[NodeId]) -> None:
        """Propose what waits, as one entry, or refuse it; hand it back where this replica does not lead."""
        proposals = self._proposals
        if not self._raft.is_leader:
            proposals.hand_back()
            return
        refused = self.why_not_written(keyspace, up) if proposals.waiting else None
        if refused is not None:
            has_room = not self.is_full
            proposals.waiting = admission.without_writes(proposals.waiting, keyspace, refused, has_room=has_room)
        # A leader that takes nothing in for now may go on in its term. What it handed back meanwhile would be overtaken
        # by what its session sent later (PROTOCOLS §2.5), and would be refused by who may yet lead (§1.4). So it waits.
        if self._holds_back:
            proposals.refuse_above(HELD_REQUESTS_MAX, keyspace)
        elif proposals.waiting:
            proposals.propose(proposals.next_waiters())
