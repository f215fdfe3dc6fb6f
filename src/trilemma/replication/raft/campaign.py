"""The roles of one that wants to lead: pre-candidate, which only asks, then candidate, which has raised the term.

Paper §5.2; thesis §9.6 (pre-vote) and §3.10 (a transfer skips it).
"""

from trilemma.replication.raft.core import Core
from trilemma.replication.raft.election import Ballot
from trilemma.replication.raft.messages import PreVote, RequestVote


class Campaign:
    """What both have in common: a ballot and a time by which it must be decided."""

    leader = None

    def __init__(self, core: Core) -> None:
        self.ballot = Ballot(core.configuration)
        self.ballot.count(core.node, True)
        self.deadline_us = core.now.mono_us + core.timer.campaign_us()
        self._core = core

    @property
    def _others(self) -> list[int]:
        return [voter for voter in self._core.configuration.voters if voter != self._core.node]

    def flush(self) -> None:
        """Send nothing: the question is asked once, when the campaign begins."""


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
        question = RequestVote(core.term, core.log.last_index, core.log.last_term, transfer)
        for voter in self._others:
            core.send(voter, question)
