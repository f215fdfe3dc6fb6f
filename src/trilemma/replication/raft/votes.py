"""The judge of votes: which are given, what answers to the own campaign count for.

Owns no state: what was voted for is in `state`, the campaign is a role. The pure rules are in `election`. Paper §5.2,
§5.4.1; thesis §9.6 (pre-vote), §3.10 (a transfer); PROTOCOLS §2.2.
"""

from trilemma.base.ids import NodeId
from trilemma.replication.raft import messages as m
from trilemma.replication.raft.campaign import Candidacy, PreCampaign
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.election import is_up_to_date
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader
from trilemma.replication.raft.roles import Roles


class Votes:
    """One replica's part in elections, its own and others'."""

    def __init__(self, core: Core, roles: Roles) -> None:
        self._core = core
        self._roles = roles

    def _are_refused(self) -> bool:
        """Say whether a leader may rely on this replica not to elect another one now."""
        return isinstance(self._roles.current, Leader) or self._core.refusal.in_force(self._core.now.mono_us)

    # Others' campaigns

    def pre_vote(self, sender: NodeId, message: m.PreVote) -> None:
        """Answer whether the sender would be voted for; nothing changes by it."""
        core = self._core
        granted = (
            message.term > core.term
            and not self._are_refused()
            and is_up_to_date(core.log, message.last_index, message.last_term)
        )
        core.send(sender, m.PreVoteReply(core.term, message.term, granted))

    def request_vote(self, sender: NodeId, message: m.RequestVote) -> None:
        """Give the vote of a term, once at most; where votes are refused not even the term counts."""
        core = self._core
        if message.term > core.term and not message.transfer and self._are_refused():
            return
        self._roles.learn_term(message.term)
        granted = message.term == core.term and self._may_grant(sender, message)
        if granted:
            self._grant(sender)
        core.send(sender, m.VoteReply(core.term, granted, core.log_time.heard_ms))

    def _may_grant(self, candidate: NodeId, message: m.RequestVote) -> bool:
        core = self._core
        return core.state.may_vote_for(candidate) and is_up_to_date(core.log, message.last_index, message.last_term)

    def _grant(self, candidate: NodeId) -> None:
        core, role = self._core, self._roles.current
        core.state.vote(candidate)
        core.held.drop()
        if isinstance(role, Follower):
            role.hold_back(core.timer.silence_us())

    # The own campaign

    def pre_vote_reply(self, sender: NodeId, message: m.PreVoteReply) -> None:
        """Count an answer to a pre-vote."""
        self._learn_from_refusal(message)
        role = self._roles.current
        if isinstance(role, PreCampaign) and message.asked == role.asked_term:
            role.ballot.count(sender, message.granted)
            self._roles.judge_ballot(role)

    def _learn_from_refusal(self, message: m.PreVoteReply) -> None:
        """Take over a higher term, else two replicas, one ahead in term and one in log, refuse each other for ever."""
        if message.term > self._core.term:
            self._core.adopt_term(message.term)
            self._roles.follow(None, self._core.timer.stagger_us())

    def vote_reply(self, sender: NodeId, message: m.VoteReply) -> None:
        """Count a vote."""
        self._roles.learn_term(message.term)
        candidacy = self._roles.candidacy
        if candidacy is None or not candidacy.term == message.term == self._core.term:
            return
        if isinstance(self._roles.current, Leader):
            return
        if message.log_time_ms:
            self._core.log_time.hear_voter(message.log_time_ms)
        candidacy.ballot.count(sender, message.granted)
        self._roles.judge_ballot(candidacy)

    def timeout_now(self, sender: NodeId, message: m.TimeoutNow) -> None:
        """Campaign at once: the leader hands over."""
        if message.term < self._core.term or not self._core.is_voter:
            return
        self._roles.learn_term(message.term)
        role = self._roles.current
        if isinstance(role, Follower) and role.leader in (None, sender):
            self._roles.campaign(Candidacy(self._core, transfer=True))
