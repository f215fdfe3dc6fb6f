"""Time as the pure core sees it: a value that is handed in, in integer microseconds."""

from typing import NamedTuple

US_PER_MS = 1_000
US_PER_S = 1_000_000
NEVER_US = 1 << 62
"""A deadline that no clock reaches."""


def on_grid(mono_us: int, step_us: int) -> int:
    """Return the last multiple of a step at or before a time.

    What a node does again and again is due on one grid, so that all its shards and links do it in the same turn and
    their messages share frames.
    """
    return mono_us - mono_us % step_us


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
