"""Log time: the clock by which keys of `cp` and `ca` expire. Not in the paper: PROTOCOLS §4.1.

A leader lets it run by its monotonic clock, slewed towards its wall clock by at most a tenth, never back; a follower
takes the newest value it heard plus its own elapsed time, and says so with its vote. Where that is ahead, because its
clock is faster or its leader slews back, it lets its own run a tenth slower: else it would bring into office what it is
ahead by, and keys would expire early. A replica that has heard one goes on from there when it is elected; it looks at
its wall clock only if neither it nor its voters have heard any since they started. So no clock step can make log time
leap, unless a majority has just started.
"""

from trilemma.base.time import US_PER_MS, Now

SLEW_DIVISOR = 10
"""Log time runs at most a tenth faster or slower than the leader's monotonic clock."""


class LogTime:
    """One shard's log time as this replica sees it."""

    __slots__ = ("_ahead_us", "_heard", "_knows", "_leads", "_mono_us", "_value_us")

    def __init__(self, last_stamp_ms: int, now: Now) -> None:
        self._value_us = last_stamp_ms * US_PER_MS
        self._mono_us = now.mono_us
        self._ahead_us = 0
        """How far this is ahead of what the leader said last."""
        self._heard = False
        self._knows = False
        """Whether it heard a leader, or was one, since its start; `_heard`: or was told by one who voted for it."""
        self._leads = False

    @property
    def now_ms(self) -> int:
        """Log time as of the last `advance`."""
        return self._value_us // US_PER_MS

    @property
    def heard_ms(self) -> int:
        """Log time as known since the start, 0 where nothing was heard."""
        return self.now_ms if self._heard else 0

    def lead(self, now: Now) -> None:
        """Begin to make log time instead of following it."""
        self.advance(now)
        if not self._heard:
            self._value_us = max(self._value_us, now.wall_us)
        self._heard = self._knows = self._leads = True
        self._ahead_us = 0

    def follow(self) -> None:
        """Stop making log time."""
        self._leads = False

    def hear(self, stamp_ms: int) -> None:
        """Take in log time from the leader, by an entry or a heartbeat."""
        stamp_us = stamp_ms * US_PER_MS
        self._value_us = max(self._value_us, stamp_us)
        self._ahead_us = self._value_us - stamp_us
        self._heard = self._knows = True

    def hear_voter(self, stamp_ms: int) -> None:
        """Take in log time as a voter knows it. Who knows it better goes on from that: a voter may be ahead."""
        if not self._knows:
            self._value_us = max(self._value_us, stamp_ms * US_PER_MS)
            self._heard = True

    def advance(self, now: Now) -> None:
        """Let time pass."""
        elapsed_us = max(now.mono_us - self._mono_us, 0)
        self._mono_us = now.mono_us
        if self._leads:
            self._value_us += self._slewed_us(elapsed_us, now)
        else:
            slower_us = min(self._ahead_us, elapsed_us // SLEW_DIVISOR)
            self._ahead_us -= slower_us
            self._value_us += elapsed_us - slower_us

    def _slewed_us(self, elapsed_us: int, now: Now) -> int:
        """Return how far log time moves while `elapsed_us` pass by the monotonic clock."""
        slew_us = elapsed_us // SLEW_DIVISOR
        error_us = now.wall_us - (self._value_us + elapsed_us)
        return elapsed_us + max(-slew_us, min(slew_us, error_us))
