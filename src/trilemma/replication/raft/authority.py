"""What a leader may rely on: as of when a majority followed it, its own read lease, what it may lend.

Thesis §6.4.1 (lease of the leader), §6.2 (a leader that lost its majority); PROTOCOLS §2.3, §3.3.
"""

from collections.abc import Mapping

from trilemma.base.ids import NodeId
from trilemma.replication.raft.configuration import majority_value
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.leases import Grants
from trilemma.replication.raft.replication import Progress
from trilemma.replication.raft.rounds import Rounds
from trilemma.replication.raft.timing import refusal_us


class Authority:
    """One leader's standing with its voters."""

    def __init__(self, core: Core, peers: Mapping[NodeId, Progress], first_index: int) -> None:
        self.rounds = Rounds()
        self.grants = Grants()
        self.is_spent = False
        """Set when TimeoutNow was sent: no lease in the rest of this term."""
        self._core = core
        self._peers = peers
        self._first_index = first_index
        self._elected_us = core.now.mono_us
        self._inherit()

    def _inherit(self) -> None:
        """Take every voter that may hold a grant of an earlier leader as holding one (PROTOCOLS §3.4)."""
        core = self._core
        if not any(core.leases.since(core.commit_index)):
            return
        for configuration in core.configurations.since(core.commit_index):
            for voter in configuration.voters:
                if voter != core.node:
                    self.grants.lend(voter, self._inherited_until_us())

    def _inherited_until_us(self) -> int:
        return self._elected_us + refusal_us(self._core.timing)

    @property
    def own_term_committed(self) -> bool:
        """Say whether an entry of this leader's own term is committed."""
        return self._core.commit_index >= self._first_index

    @property
    def majority_round(self) -> int:
        """The newest round that a majority has answered."""
        own, newest, peers = self._core.node, self.rounds.newest, self._peers
        return self._of_majority(
            [
                newest if voter == own else peers[voter].answered_round if voter in peers else 0
                for voter in self._core.configuration.voters
            ]
        )

    @property
    def majority_us(self) -> int:
        """As of when a majority followed this leader: when that round was opened, not when the answers came."""
        own, now_us, peers = self._core.node, self._core.now.mono_us, self._peers
        return self._of_majority(
            [
                now_us if voter == own else peers[voter].answered_us if voter in peers else 0
                for voter in self._core.configuration.voters
            ]
        )

    def attest(self) -> None:
        """Leave behind, as this leadership ends, as of when what is committed was all that was acknowledged."""
        core = self._core
        if self.own_term_committed:
            core.currency.named(core.commit_index, core.log.terms.at(core.commit_index) or 0, self.majority_us)

    def _of_majority(self, reached: list[int]) -> int:
        return majority_value(reached, self._core.configuration.quorum)

    @property
    def lease_until_us(self) -> int:
        """The end of the leader's own lease: no other leader is elected before it."""
        return self.majority_us + self._core.timing.lease_us

    def lease_lives(self) -> bool:
        """Say whether the leader may answer for its commit index without asking anyone."""
        return self._may_hold_lease() and self._core.now.mono_us < self.lease_until_us

    def _may_hold_lease(self) -> bool:
        return self.own_term_committed and not self.is_spent

    @property
    def lost_us(self) -> int:
        """When a leader whose voters stay silent, although their links are up, must step down."""
        return max(self._elected_us, self.majority_us) + self._core.timing.detection_us

    def is_lost(self) -> bool:
        """Say whether this leader has no majority any more."""
        return not self._core.quorum_reachable(self._core.up) or self._core.now.mono_us >= self.lost_us

    def requested(self, holder: NodeId, request: int, received_index: int) -> None:
        """Grant a request for a lease if that is allowed, for as long as this leader's own lease has left."""
        lease_us = self._grant_us()
        if lease_us > self._core.timing.margin_us and self._may_grant(holder, received_index):
            self.grants.lend(holder, self._core.now.mono_us + lease_us)
            self._peers[holder].lease_request = request
            self._peers[holder].lease_us = lease_us

    def _grant_us(self) -> int:
        """Return how long a grant may last: no longer than the own lease, so that a new leader knows its end."""
        return min(self._core.timing.lease_us, self.lease_until_us - self._core.now.mono_us)

    def _may_grant(self, holder: NodeId, received_index: int) -> bool:
        core = self._core
        return (
            core.leases.newest
            and core.leases.newest_index <= core.commit_index
            and self._may_hold_lease()
            and holder in core.up
            and holder in core.configuration.voters
            and received_index >= core.commit_index
        )

    def spend(self) -> None:
        """Hold and lend no lease from now on: the next leader may be elected at any time."""
        self.is_spent = True
        for progress in self._peers.values():
            progress.lease_request = progress.lease_us = 0
