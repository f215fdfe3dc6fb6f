"""Rounds: numbers that followers echo, so that a leader knows as of when a majority still followed it.

Confirms reads (thesis §6.4), carries the leader's own lease (§6.4.1) and check-quorum (§6.2). A round counts from when
it was opened, before anything that carries its number was sent.
"""

from trilemma.replication.raft.timing import LONG_AGO_US

ROUND_SPACING_US = 5_000
"""Appends closer together than this share a round: it bounds what is remembered."""

ROUNDS_REMEMBERED = 1_024
"""Rounds whose time is kept: at one per heartbeat, read or ROUND_SPACING_US, seconds."""


class Rounds:
    """The rounds of one term's leader."""

    __slots__ = ("_opened_us", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self._opened_us: dict[int, int] = {0: LONG_AGO_US}

    def open(self, mono_us: int) -> int:
        """Open a round; return its number."""
        self.newest += 1
        self._opened_us[self.newest] = mono_us
        if len(self._opened_us) > ROUNDS_REMEMBERED:
            del self._opened_us[next(iter(self._opened_us))]
        return self.newest

    def current(self, mono_us: int) -> int:
        """Return the round that a message leaving now carries."""
        if mono_us - self._opened_us[self.newest] >= ROUND_SPACING_US:
            return self.open(mono_us)
        return self.newest

    def opened_us(self, number: int) -> int:
        """Return when a round was opened; long ago for one that is forgotten or was never opened."""
        return self._opened_us.get(number, LONG_AGO_US)
