"""The roles of one that wants to lead: pre-candidate, which only asks, then candidate, which has raised the term.

Paper §5.2; thesis §9.6 (pre-vote) and §3.10 (a transfer skips it). Disks may be slow: a candidate waits for votes from
the moment at which its own is durable, for longer the longer that took, and asks again meanwhile.
"""

from trilemma.base.time import NEVER_US
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.election import Ballot
from trilemma.replication.raft.messages import PreVote, RequestVote


class Campaign:
    """What both have in common: a ballot and a time by which it must be decided."""

    leader = None

    def __init__(self, core: Core) -> None:
        self.ballot = Ballot(core.configuration)
        self.ballot.count(core.node, True)
        self.give_up_us = core.now.mono_us + core.timer.campaign_us()
        self._core = core

    @property
    def deadline_us(self) -> int:
        """When something is to be done although nothing comes in."""
        return self.give_up_us

    def tick(self) -> None:
        """Do nothing: the question is asked once, when the campaign begins."""

    @property
    def _others(self) -> list[int]:
        return [voter for voter in self._core.configuration.voters if voter != self._core.node]

    def flush(self) -> None:
        """Send nothing more."""


class PreCampaign(Campaign):
    """Asks whether a majority would vote for this replica in the next term; no term changes by asking."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.asked_term = core.term + 1
        question = PreVote(self.asked_term, core.log.last_index, core.log.last_term)
        for voter in self._others:
            core.send(voter, question)


class Candidacy(Campaign):
    """Asks for the votes of a new term, having given itself its own."""

    def __init__(self, core: Core, transfer: bool) -> None:
        core.adopt_term(core.term + 1)
        core.state.vote(core.node)
        super().__init__(core)
        self.term = core.term
        self._began_us = core.now.mono_us
        self._question = RequestVote(core.term, core.log.last_index, core.log.last_term, transfer)
        self._ask()
        self.give_up_us = self._ask_us = NEVER_US

    def _ask(self) -> None:
        for voter in self._others:
            self._core.send(voter, self._question)
        self._ask_us = self._core.now.mono_us + self._core.timing.election_timeout_max_us

    def vote_is_durable(self) -> None:
        """Begin to wait for others: the question left only now."""
        core = self._core
        core.timer.vote_took(core.now.mono_us - self._began_us)
        self.give_up_us = core.now.mono_us + core.timer.votes_us()
        self._ask_us = core.now.mono_us + core.timing.election_timeout_max_us

    @property
    def deadline_us(self) -> int:
        """See Campaign."""
        return min(self.give_up_us, self._ask_us)

    def tick(self) -> None:
        """Ask again where that is due: question or answer may be lost, and a long wait is for slow disks only."""
        if self._core.now.mono_us >= self._ask_us:
            self._ask()
