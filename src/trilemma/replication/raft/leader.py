"""The leader's role: append, replicate, commit, confirm reads, hand over.

Puts the rules of the other files together; each rule itself stands there. Paper §5.3, figure 2 (rules for leaders).
"""

from trilemma.base.ids import NodeId
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.authority import Authority
from trilemma.replication.raft.commit import CommitRule
from trilemma.replication.raft.configuration import Configuration, ConfigurationRules
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.messages import AppendAccepted, AppendRejected, TimeoutNow
from trilemma.replication.raft.own_disk import OwnDisk
from trilemma.replication.raft.read_index import ReadIndex
from trilemma.replication.raft.replication import Mode, Progress
from trilemma.replication.raft.sender import Sender
from trilemma.replication.raft.transfer import Transfer

UNCOMMITTED_BYTES_MAX = 256 << 20
"""Payload bytes above the commit index; beyond it proposals are refused, for nothing can be committed at present."""


class Leader:
    """One term's leadership."""

    def __init__(self, core: Core) -> None:
        self.leader = core.node
        self.peers: dict[NodeId, Progress] = {}
        self.confirmed_reads: list[tuple[int, int]] = []
        self.transfer: Transfer | None = None
        self._core = core
        self._own_disk = OwnDisk(core)
        self._reads = ReadIndex()
        self._meet_members(core.log.last_index + 1)
        core.log_time.lead(core.now)
        self.authority = Authority(core, self.peers, core.log.last_index + 1)
        self._rule = CommitRule(core.log, core.term)
        self._sender = Sender(core, self.peers, self.authority)
        core.make_entry(EntryKind.NOOP, b"")

    def _meet_members(self, next_index: int) -> None:
        """Follow the configuration: progress for every other member, none for anyone else."""
        members = self._core.configuration.members
        for gone in [peer for peer in self.peers if peer not in members]:
            del self.peers[gone]
        for peer in members:
            if peer != self._core.node and peer not in self.peers:
                self.peers[peer] = Progress(next_index)

    def propose(self, kind: EntryKind, body: bytes) -> int | None:
        """Append an entry; None where it must not be taken in now."""
        return None if self.holds_back else self._core.make_entry(kind, body)

    @property
    def holds_back(self) -> bool:
        """Say whether no entry is taken in now, though one may be again in this term."""
        return self.transfer is not None or self._too_much_is_uncommitted()

    def _too_much_is_uncommitted(self) -> bool:
        core = self._core
        if core.commit_index == core.log.last_index:
            return False
        return core.log.retention.bytes_above(core.commit_index) > UNCOMMITTED_BYTES_MAX

    def change(self, proposed: Configuration) -> int | None:
        """Append a change of the configuration; None where the rules forbid it now."""
        core = self._core
        committed = core.configurations.newest_index <= core.commit_index
        own = self.authority.own_term_committed
        if not ConfigurationRules.allow(core.configuration, proposed, committed, own):
            return None
        index = self.propose(EntryKind.CONFIGURATION, proposed.encode())
        self._meet_members(core.log.last_index + 1)
        return index

    def accepted(self, peer: NodeId, message: AppendAccepted) -> None:
        """Take in a peer's answer."""
        progress = self.peers.get(peer)
        if progress is None:
            return
        progress.echoed(message.round, self.authority.rounds.opened_us(message.round))
        progress.accepted(message.match_index, message.received_index)
        if progress.mode is Mode.SNAPSHOT and progress.match_index >= self._core.log.base_index:
            progress.probe(progress.match_index + 1)
        if message.lease_request:
            self.authority.requested(peer, message.lease_request, message.received_index)

    def rejected(self, peer: NodeId, message: AppendRejected) -> None:
        """Go back to where the peer's log may agree."""
        progress = self.peers.get(peer)
        if progress is None:
            return
        progress.echoed(message.round, self.authority.rounds.opened_us(message.round))
        if progress.mode is not Mode.SNAPSHOT and progress.rejects(message.prev_index):
            progress.probe(self._core.log.terms.last_at_most(message.hint_index, message.hint_term) + 1)

    def snapshot_sent(self, peer: NodeId, index: int) -> None:
        """Go on with a peer that a snapshot brought up to an index; it is listed again if that was not enough."""
        progress = self.peers.get(peer)
        if progress is not None and progress.mode is Mode.SNAPSHOT:
            progress.probe(index + 1)

    def needs_snapshot(self) -> list[NodeId]:
        """Return the peers whose next entry is gone."""
        return [peer for peer, progress in self.peers.items() if progress.mode is Mode.SNAPSHOT]

    def tick(self) -> None:
        """Do what time, answers and durability of this turn allow."""
        self._watch_links()
        self._watch_own_disk()
        self._carry_on_transfer()
        self._commit()
        self._confirm()

    def _watch_links(self) -> None:
        up = self._core.up
        for peer, progress in self.peers.items():
            if progress.mode is Mode.STREAM and peer not in up:
                progress.probe(progress.match_index + 1)

    def _watch_own_disk(self) -> None:
        """Hand over when the own sync is late: others' disks carry on, but this node would hold up everyone's reads."""
        heir = self.best_successor()
        if heir is not None:
            self._own_disk.watch(self.match_index(heir))
            if self.transfer is None and self._core.now.mono_us >= self._own_disk.late_us:
                self.hand_over(heir)

    def best_successor(self) -> NodeId | None:
        """Return the reachable voter with the longest durable log, or None."""
        core = self._core
        voters = [voter for voter in core.configuration.voters if voter in core.up and voter in self.peers]
        return max(voters, key=lambda voter: (self.peers[voter].match_index, -voter), default=None)

    def hand_over(self, target: NodeId | None) -> bool:
        """Begin a transfer of leadership; False where one runs, or the target is no other voter."""
        if self.transfer is not None or target not in self.peers or target not in self._core.configuration.voters:
            return False
        wait_us = self._core.timing.election_timeout_max_us
        self.transfer = Transfer(target, self._core.now.mono_us + wait_us)
        return True

    def _carry_on_transfer(self) -> None:
        transfer = self.transfer
        if transfer is None:
            return
        if transfer.target not in self.peers or transfer.is_over(self._core.now.mono_us):
            self.transfer = None
        elif transfer.is_ready(self.peers[transfer.target].match_index, self._core.log.last_index):
            transfer.told = True
            self.authority.spend()
            self._core.send(transfer.target, TimeoutNow(self._core.term))

    def _commit(self) -> None:
        core = self._core
        if core.commit_index == core.log.last_index:
            return
        durable = {peer: progress.match_index for peer, progress in self.peers.items()}
        durable[core.node] = core.log.durable_index
        holders = self.authority.grants.holders(core.now.mono_us)
        index = self._rule.committed(durable, core.configuration, holders)
        if index is not None:
            core.commit_to(index)

    def read_index(self, context: int) -> bool:
        """Take in a read to be confirmed; False where too many wait."""
        return self._reads.add(context)

    def _confirm(self) -> None:
        if self._reads.is_under_way:
            self.confirmed_reads += self._reads.confirmed(self.authority.majority_round)

    def fail_reads(self) -> list[int]:
        """Give up all reads that are not confirmed; return their contexts."""
        return self._reads.fail()

    def durable_on(self, index: int) -> list[NodeId]:
        """Return the voters that hold the log durably up to an index, ascending."""
        core = self._core
        return [
            voter
            for voter in core.configuration.voters
            if (core.log.durable_index if voter == core.node else self.match_index(voter)) >= index
        ]

    def match_index(self, peer: NodeId) -> int:
        """Return up to where a peer is known to hold this log durably."""
        return self.peers[peer].match_index if peer in self.peers else 0

    def has_agreed(self, peer: NodeId) -> bool:
        """Say whether a peer has told in this term up to where it holds this log."""
        return peer in self.peers and self.peers[peer].has_agreed

    @property
    def is_superfluous(self) -> bool:
        """Say whether a committed configuration has no vote for this leader any more (thesis §4.2.2)."""
        core = self._core
        return not core.is_voter and core.configurations.newest_index <= core.commit_index

    def flush(self) -> None:
        """Send this turn's appends, heartbeats and read round."""
        read_round = self._reads.wants_round(self.authority.own_term_committed)
        number = self._sender.send(read_round)
        if read_round:
            self._reads.begin(number, self._core.commit_index)
            self._confirm()

    @property
    def deadline_us(self) -> int:
        """When something is to be done although nothing comes in."""
        core = self._core
        deadlines = [self.authority.lost_us, self._sender.heartbeat_due_us]
        if self.transfer is not None:
            deadlines.append(self.transfer.deadline_us)
        elif self._own_disk.late_us > core.now.mono_us:
            deadlines.append(self._own_disk.late_us)
        if core.commit_index < core.log.last_index:
            deadlines.append(self.authority.grants.next_end_us(core.now.mono_us))
        return min(deadline for deadline in deadlines if deadline is not None)
