"""Who may be voted for, and when: up-to-date logs, refusal while a leader may hold a lease, voters counted once.

Pure rules; who asks and what follows is in `campaign` and `votes`. Paper §5.2, §5.4.1; thesis §4.2.3, §6.4.1;
PROTOCOLS §2.2.
"""

from trilemma.base.ids import NodeId
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.log import Log


class Refusal:
    """The promise behind every lease: no vote for anyone for a while after a leader's heartbeat was answered."""

    __slots__ = ("_period_us", "until_us")

    def __init__(self, period_us: int, starts_us: int, has_a_past: bool) -> None:
        self._period_us = period_us
        self.until_us = self._after_start(starts_us, has_a_past)

    def _after_start(self, starts_us: int, has_a_past: bool) -> int:
        """Return the end of the refusal after a start: what this disk answered before may still count somewhere."""
        return starts_us + self._period_us if has_a_past else starts_us

    def renew(self, mono_us: int) -> None:
        """Take note that a leader's heartbeat is being answered."""
        self.until_us = max(self.until_us, mono_us + self._period_us)

    def in_force(self, mono_us: int) -> bool:
        """Say whether votes and pre-votes are refused now."""
        return mono_us < self.until_us


def is_up_to_date(log: Log, last_index: int, last_term: int) -> bool:
    """Say whether a candidate's log, ending at (last_index, last_term), is at least as up to date as this one."""
    return (last_term, last_index) >= (log.last_term, log.last_index)


class Ballot:
    """The answers of one campaign, by voter: an answer that comes twice counts once."""

    __slots__ = ("_configuration", "_granted", "_refused")

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._granted: set[NodeId] = set()
        self._refused: set[NodeId] = set()

    def count(self, voter: NodeId, granted: bool) -> None:
        """Take in an answer; only a voter's counts."""
        if voter in self._configuration.voters:
            (self._granted if granted else self._refused).add(voter)

    @property
    def is_won(self) -> bool:
        """Say whether a majority granted it."""
        return len(self._granted) >= self._configuration.quorum

    @property
    def is_lost(self) -> bool:
        """Say whether so many refused that no majority is left."""
        return len(self._refused - self._granted) > len(self._configuration.voters) - self._configuration.quorum

    def is_open(self, up: frozenset[NodeId]) -> bool:
        """Say whether it can still be won by answers of those that are reached now."""
        awaited = up.intersection(self._configuration.voters) - self._refused
        return len(self._granted | awaited) >= self._configuration.quorum
