"""The role that a replica has, and what makes it take another one.

Owns the current role, the passing of time in it, and what a leadership that ended leaves behind. Does not know how
messages are judged: `votes` and `appends` do that. Paper figure 4, §5.1; thesis §9.6.
"""

from collections import deque
from enum import Enum

from trilemma.base.ids import NodeId
from trilemma.replication.raft.campaign import Campaign, Candidacy, PreCampaign
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader

LED_TERMS_KEPT = 64
"""Of a term longer ago nobody is told any more that this replica leads in it."""


class Role(Enum):
    """Figure 4 of the paper, with the pre-candidate of the thesis."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


_ROLES: dict[type, Role] = {
    Follower: Role.FOLLOWER,
    PreCampaign: Role.PRE_CANDIDATE,
    Candidacy: Role.CANDIDATE,
    Leader: Role.LEADER,
}


class Roles:
    """One replica's roles, one after the other; it begins as a follower."""

    def __init__(self, core: Core) -> None:
        self._core = core
        wait_us = core.refusal.until_us - core.now.mono_us + core.timer.stagger_us()
        self.current: Follower | Campaign | Leader = Follower(core, None, wait_us)
        self.candidacy: Candidacy | None = None
        """The newest one, given up or not: its votes count as long as its term does, or until it was won."""
        self.led_terms: deque[int] = deque(maxlen=LED_TERMS_KEPT)
        """The newest terms in which this replica has led since its start."""
        self._quorum_was_reachable = False
        self._confirmed_reads: list[tuple[int, int]] = []
        self._failed_reads: list[int] = []

    @property
    def name(self) -> Role:
        """What the current role is called."""
        return _ROLES[type(self.current)]

    # Time

    def tick(self) -> None:
        """Do what time demands of the current role."""
        role = self.current
        if isinstance(role, Leader):
            self._tick_leader(role)
        elif isinstance(role, Campaign):
            self._tick_campaign(role)
        elif isinstance(role, Follower):
            self._stagger(role)
            if role.campaign_is_due():
                self.campaign(PreCampaign(self._core))

    def _tick_campaign(self, campaign: Campaign) -> None:
        # Patience is for slow disks: nobody's answer comes over a link that is down.
        if self._core.now.mono_us < campaign.give_up_us and campaign.ballot.is_open(self._core.up):
            campaign.tick()
            return
        self.follow(None, self._core.timer.retry_us())

    def vote_is_durable(self) -> None:
        """Take note that term and vote are on the disk: whoever was given the vote hears of it only now."""
        role, voted_for = self.current, self._core.state.voted_for
        if isinstance(role, Candidacy):
            role.vote_is_durable()
        elif isinstance(role, Follower) and voted_for not in (None, self._core.node):
            role.hold_back(self._core.timer.silence_us())

    def _tick_leader(self, leader: Leader) -> None:
        leader.tick()
        if leader.authority.is_lost() or leader.is_superfluous:
            self.follow(None, self._core.timer.campaign_us())

    def _stagger(self, follower: Follower) -> None:
        """Keep replicas that reach a majority again at the same moment from campaigning at the same moment."""
        reachable = self._core.quorum_reachable(self._core.up)
        if reachable and not self._quorum_was_reachable and len(self._core.configuration.voters) > 1:
            follower.hold_back(self._core.timer.stagger_us())
        self._quorum_was_reachable = reachable

    # The changes

    def follow(self, leader: NodeId | None, wait_us: int) -> None:
        """Become a follower in the current term, one that campaigns no sooner than in `wait_us`."""
        if isinstance(self.current, Leader):
            self._confirmed_reads += self.current.confirmed_reads
            self._failed_reads += self.current.fail_reads()
            self._core.log_time.follow()
            self.current.authority.attest()
            self.candidacy = None  # a term is led once: whoever was told of its end is not led in it again
        self.current = Follower(self._core, leader, wait_us)

    def learn_term(self, term: int) -> None:
        """Become a follower where a message is from a higher term (paper §5.1)."""
        if term > self._core.term:
            self._core.adopt_term(term)
            self.follow(None, self._core.timer.silence_us())

    def campaign(self, campaign: Campaign) -> None:
        """Begin to campaign, which is all that is needed where nobody else has a vote."""
        self.current = campaign
        if isinstance(campaign, Candidacy):
            self.candidacy = campaign
        self.judge_ballot(campaign)

    def judge_ballot(self, campaign: Campaign) -> None:
        """Take the role that the answers so far lead to."""
        if campaign.ballot.is_won:
            if isinstance(campaign, PreCampaign):
                self.campaign(Candidacy(self._core, transfer=False))
            else:
                self._core.timer.led()
                self.current = leader = Leader(self._core)
                self.led_terms.append(self._core.term)
                leader.tick()
        elif campaign.ballot.is_lost and campaign is self.current:
            self.follow(None, self._core.timer.retry_us())

    # Reads

    def take_reads(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Return the reads that were confirmed since the last call, and those that will not be: they lost the leader.

        Returns:
            (context, read index) of each confirmed read, then the contexts of the others.
        """
        confirmed, self._confirmed_reads = self._confirmed_reads, []
        failed, self._failed_reads = self._failed_reads, []
        if isinstance(self.current, Leader):
            confirmed += self.current.confirmed_reads
            self.current.confirmed_reads = []
        return confirmed, failed
