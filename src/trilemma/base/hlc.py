"""The hybrid logical clock: stamps near wall time that never contradict causality.

A stamp is one integer: milliseconds * 2**16 + logical counter, so stamps compare as integers; a counter that
overflows carries into the milliseconds. A stamp from the future moves the clock (PROTOCOLS §5.10 says when a node
must not feed it its own wall clock).

Source: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical physical clocks", OPODIS 2014.
"""

LOGICAL_BITS = 16


class HybridLogicalClock:
    """Issue stamps that grow, and grow past every stamp observed."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def tick(self, wall_ms: int | None) -> int:
        """Return a new stamp. `wall_ms` None means: the wall clock is not to be trusted, use the logical part only."""
        physical = 0 if wall_ms is None else wall_ms << LOGICAL_BITS
        self.last = max(self.last + 1, physical)
        return self.last

    def observe(self, stamp: int) -> None:
        """Move past a stamp that came with a message or from the log."""
        self.last = max(self.last, stamp)


def stamp_ms(stamp: int) -> int:
    """Return the millisecond part of a stamp."""
    return stamp >> LOGICAL_BITS
