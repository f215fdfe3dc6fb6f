"""The follower's role: take in what the leader of the term sends, acknowledge what is durable.

Paper §5.3, figure 2 (AppendEntries, receiver); PROTOCOLS §2.1, §2.2. Also a learner's role.
"""

from trilemma.base.ids import NodeId
from trilemma.base.invariant import DiskRollback, invariant
from trilemma.base.time import NEVER_US
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.messages import AppendAccepted, AppendEntries, AppendRejected


class Follower:
    """One stay in the role, in one term."""

    def __init__(self, core: Core, leader: NodeId | None, wait_us: int) -> None:
        self.leader = leader
        self.campaign_us = core.now.mono_us + wait_us
        """When to campaign if no leader is heard of; it counts only while a majority is reachable."""
        self._core = core
        self._round = 0
        self._received_index = 0
        self._acknowledged_index = 0
        self._answer_due = False
        self._rejection: AppendRejected | None = None

    def campaign_is_due(self) -> bool:
        """Say whether to ask for votes now."""
        return self._may_campaign() and self._core.now.mono_us >= self.deadline_us

    def _may_campaign(self) -> bool:
        # What it may have promised must be said first: until its own vote is durable nobody has heard of it.
        core = self._core
        return core.is_voter and core.state.is_durable and core.quorum_reachable(core.up)

    @property
    def deadline_us(self) -> int:
        """When a campaign is due; never where this replica has no vote, or a majority is not reached."""
        if not self._may_campaign():
            return NEVER_US
        alone = len(self._core.configuration.voters) == 1
        return self._core.now.mono_us if alone else max(self.campaign_us, self._core.refusal.until_us)

    def hold_back(self, wait_us: int) -> None:
        """Campaign no sooner than in `wait_us`."""
        self.campaign_us = max(self.campaign_us, self._core.now.mono_us + wait_us)

    def append_entries(self, leader: NodeId, message: AppendEntries) -> None:
        """Take in an AppendEntries of the current term."""
        core = self._core
        invariant(self.leader in (None, leader), "a term has one leader")
        self.leader = leader
        self._hear(message)
        self._disk_must_hold(message.match_index)
        if not self._matches(message.prev_index, message.prev_term):
            self._reject(message)
            return
        self._store(message.prev_index, message.entries)
        self._received_index = max(self._received_index, message.prev_index + len(message.entries))
        core.commit_to(self._committable(message.commit_index))
        if message.lease_request:
            core.held.granted(message.lease_request, message.lease_us, message.commit_index, core.now.mono_us)
        if not message.entries or self._received_index <= self._durable_index():
            self._answer_due = True

    def _hear(self, message: AppendEntries) -> None:
        core = self._core
        if core.since_us is not None:
            core.currency.named(message.commit_index, message.term, core.since_us - core.timing.detection_us)
        core.refusal.renew(core.now.mono_us)
        core.timer.led()
        core.log_time.hear(message.log_time_ms)
        core.replicated_index = max(core.replicated_index, message.replicated_index)
        self.campaign_us = core.now.mono_us + core.timer.silence_us()
        self._round = max(self._round, message.round)

    def _disk_must_hold(self, acknowledged_index: int) -> None:
        """Stop the node where the disk lost what was acknowledged as durable in this term (PROTOCOLS §1.3).

        Raises:
            DiskRollback: it did.
        """
        core = self._core
        if acknowledged_index > core.log.last_index:
            raise DiskRollback(
                f"entries up to {acknowledged_index} of shard {core.shard} were acknowledged from it, and it holds "
                f"those up to {core.log.last_index}"
            )

    def _matches(self, prev_index: int, prev_term: int) -> bool:
        """Say whether the log agrees with the leader's at `prev_index`; below the base it was committed, so it does."""
        log = self._core.log
        return prev_index <= log.base_index or log.terms.at(prev_index) == prev_term

    def _reject(self, message: AppendEntries) -> None:
        """Keep the turn's lowest rejection, with the highest index at which the leader's log may agree."""
        if self._rejection is not None and self._rejection.prev_index <= message.prev_index:
            return
        log = self._core.log
        hint_index = log.terms.last_at_most(message.prev_index - 1, message.prev_term)
        hint_index = max(hint_index, self._core.commit_index)
        hint_term = log.terms.at(hint_index) or 0
        self._rejection = AppendRejected(message.term, message.round, message.prev_index, hint_index, hint_term)

    def _store(self, prev_index: int, entries: list[tuple[int, bytes]]) -> None:
        core, log = self._core, self._core.log
        for index, (term, payload) in enumerate(entries, prev_index + 1):
            if index <= log.base_index:
                continue
            if index <= log.last_index:
                if not self._conflicts(index, term):
                    continue
                core.truncate(index)
            core.append(term, payload)

    def _conflicts(self, index: int, term: int) -> bool:
        """Say whether the entry at `index` is another one than the leader's; only then it and all after it go."""
        return self._core.log.terms.at(index) != term

    def _committable(self, leader_commit: int) -> int:
        """Return how far this log may be taken as committed: no further than it is known to agree with the leader's."""
        return min(leader_commit, self._received_index)

    def _durable_index(self) -> int:
        """Return what may be acknowledged: what the disk holds and the leader has."""
        return min(self._core.log.durable_index, self._received_index)

    def installed(self, base_index: int) -> None:
        """Take note that a snapshot brought everything up to an index: it was committed, so the leader has it."""
        self._received_index = max(self._received_index, base_index)
        self._answer_due = True

    def local_read_index(self) -> int | None:
        """Return the commit index that a live lease names, None without one."""
        core = self._core
        if core.held.lives(core.now.mono_us) and core.held.read_index <= self._received_index:
            return core.held.read_index
        return None

    def flush(self) -> None:
        """Send this turn's answer to the leader."""
        if self.leader is None:
            return
        if self._rejection is not None:
            self._core.send(self.leader, self._rejection)
            self._rejection = None
        durable_index = self._durable_index()
        if self._answer_due or durable_index > self._acknowledged_index:
            self._answer_due = False
            self._acknowledged_index = durable_index
            self._core.send(self.leader, self._accepted(durable_index))

    def _accepted(self, durable_index: int) -> AppendAccepted:
        core = self._core
        request = core.held.request(core.now.mono_us) if core.leases.newest and core.is_voter else 0
        return AppendAccepted(core.term, self._round, durable_index, self._received_index, request)
