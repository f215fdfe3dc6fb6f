"""Faults: what a nemesis did to a store while its clients were recorded, and to whom.

Owns the vocabulary only; whoever injects faults notes them here, and reports shade them. Times are those of the
history's clock, in microseconds.
"""

from typing import NamedTuple

from trilemma.check.history import END_OF_TIME_US


class Fault(NamedTuple):
    """One fault from its beginning to its end.

    `kind` is one word (cut, one_way, slow, lossy, pause, kill, ...), `what` says it for people (`n3 from n1 n2`).
    `nodes` are those that it befell. Of a cut, `sides` are the groups that do not reach each other.
    """

    kind: str
    what: str
    from_us: int
    until_us: int = END_OF_TIME_US
    nodes: tuple[str, ...] = ()
    sides: tuple[tuple[str, ...], ...] = ()

    def covers(self, time_us: int) -> bool:
        """Say whether the fault was in force at a time."""
        return self.from_us <= time_us <= self.until_us

    def side_of(self, node: str) -> tuple[str, ...]:
        """Return the side of a cut that a node was on; nothing for a node that is on none."""
        return next((side for side in self.sides if node in side), ())
