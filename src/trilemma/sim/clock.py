"""A node's clocks: a monotonic one that runs a little fast or slow, and a wall clock that steps."""

from trilemma.base.time import Now

BOOT_US = 10_000_000
"""The monotonic clocks of nodes begin anywhere up to twice this."""
WALL_US = 1_700_000_000_000_000


class Clock:
    """Turns virtual time into what one node reads.

    `rate` 1.0 is true; `boot_us` is what the monotonic clock shows at the start.
    """

    def __init__(self, rate: float, wall_offset_us: int, boot_us: int = BOOT_US) -> None:
        self._rate = rate
        self._boot_us = boot_us
        self._wall_offset_us = wall_offset_us
        self._stepped_us = 0
        """How far the wall clock was set away from where it began."""
        self.most_wrong_us = 0
        """The farthest that it ever was, in either direction."""

    def now(self, virtual_us: int) -> Now:
        """Return both clocks."""
        elapsed_us = int(virtual_us * self._rate)
        return Now(self._boot_us + elapsed_us, WALL_US + elapsed_us + self._wall_offset_us)

    def virtual_us(self, mono_us: int) -> int:
        """Return the first virtual time at which the monotonic clock shows at least this."""
        return max(int((mono_us - self._boot_us) / self._rate) + 1, 0)

    def step(self, by_us: int) -> None:
        """Set the wall clock forward or back."""
        self._wall_offset_us += by_us
        self._stepped_us += by_us
        self.most_wrong_us = max(self.most_wrong_us, abs(self._stepped_us))

    def set_right(self) -> None:
        """Take back all steps."""
        self.step(-self._stepped_us)
