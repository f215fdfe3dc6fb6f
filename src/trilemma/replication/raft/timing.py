"""The times a replica is told, and those that follow from them. All in microseconds.

Paper §5.2 (election timeouts are drawn), §5.6 (and are long beside a broadcast); thesis §3.9, §6.4.1 (leases);
PROTOCOLS §1.1, §2.2, §3.
"""

from typing import Protocol

from trilemma.base.prng import SplitMix64
from trilemma.base.time import NEVER_US

LONG_AGO_US = -NEVER_US
"""A time before all others."""


class Timing(Protocol):
    """What `node.config.Timing` offers."""

    @property
    def heartbeat_us(self) -> int: ...
    @property
    def link_timeout_us(self) -> int: ...
    @property
    def election_timeout_min_us(self) -> int: ...
    @property
    def election_timeout_max_us(self) -> int: ...
    @property
    def lease_us(self) -> int: ...
    @property
    def margin_us(self) -> int: ...
    @property
    def detection_us(self) -> int: ...


def refusal_us(timing: Timing) -> int:
    """Return how long a voter refuses votes after it answered a leader: no leader's lease lasts longer."""
    return timing.lease_us + timing.margin_us


SYNC_US_MAX = 5_000_000
"""A disk that takes longer for one vote counts as one that takes as long as this."""


class ElectionTimer:
    """Randomized waits, so that seldom two replicas campaign at once (paper §5.2)."""

    __slots__ = ("_random", "_sync_us", "_timing")

    def __init__(self, timing: Timing, random: SplitMix64) -> None:
        self._sync_us = 0
        self._timing = timing
        self._random = random

    @property
    def _spread_us(self) -> int:
        return self._timing.election_timeout_max_us - self._timing.election_timeout_min_us

    def stagger_us(self) -> int:
        """Return how long to hold back once nothing else forbids to campaign."""
        return self._random.between(0, self._spread_us)

    def silence_us(self) -> int:
        """Return how long a leader must have been silent before a campaign."""
        return max(self._timing.election_timeout_min_us, refusal_us(self._timing)) + self.stagger_us()

    def campaign_us(self) -> int:
        """Return how long to wait for answers that need no disk."""
        return self._random.between(self._timing.election_timeout_min_us, self._timing.election_timeout_max_us)

    def votes_us(self) -> int:
        """Return how long to wait for others' votes, which their disks must hold first."""
        return self.campaign_us() + 2 * self._sync_us

    def vote_took(self, sync_us: int) -> None:
        """Take note of how long the disk took for the own vote: others' may be as slow."""
        self._sync_us = min(sync_us, SYNC_US_MAX)

    def led(self) -> None:
        """Wait no longer than usual from now on: somebody was elected."""
        self._sync_us = 0

    def retry_us(self) -> int:
        """Return how long to wait after a campaign that was lost; where votes take long, two would soon meet again."""
        return self._random.between(self._spread_us // 2, self._spread_us + 2 * self._sync_us)
