"""Time as the pure core sees it: a value that is handed in, in integer microseconds."""

from typing import NamedTuple

US_PER_MS = 1_000
US_PER_S = 1_000_000


class Now(NamedTuple):
    """One reading of a node's clocks.

    `mono_us` runs through suspension (CLOCK_BOOTTIME) and never steps; `wall_us` is since 1970 and may step.
    """

    mono_us: int
    wall_us: int

    @property
    def wall_ms(self) -> int:
        """The wall clock in whole milliseconds."""
        return self.wall_us // US_PER_MS
