"""The expiry clock: the wall clock last agreed with most peers, carried on by the monotonic clock, never backwards.

PROTOCOLS §5.9, §5.10. A node whose wall clock is further than the accepted offset from most peers does not trust it.
"""

from collections.abc import Iterable

from trilemma.base.limits import CLOCK_OFFSET_MS_MAX
from trilemma.base.time import US_PER_MS, Now


class ExpiryClock:
    """One node's judge of deadlines."""

    __slots__ = ("_mono_us", "_value_us", "is_trusted")

    def __init__(self, last_ms: int, now: Now) -> None:
        self._value_us = last_ms * US_PER_MS
        self._mono_us = now.mono_us
        self.is_trusted = True
        """Whether the wall clock agreed with most peers when it was last looked at."""
        if not last_ms:
            self._value_us = now.wall_us

    @property
    def now_ms(self) -> int:
        """The time as of the last `advance`."""
        return self._value_us // US_PER_MS

    def advance(self, now: Now, offsets_ms: Iterable[int]) -> None:
        """Let time pass. `offsets_ms`: how far each peer's wall clock is from the own one, as far as is known."""
        self._value_us += max(now.mono_us - self._mono_us, 0)
        self._mono_us = now.mono_us
        known = list(offsets_ms)
        agreeing = sum(abs(offset) <= CLOCK_OFFSET_MS_MAX for offset in known)
        self.is_trusted = 2 * agreeing >= len(known)
        if self.is_trusted and known:
            self._value_us = max(self._value_us, now.wall_us)
