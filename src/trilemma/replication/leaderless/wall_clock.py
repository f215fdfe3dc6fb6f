"""Whether own batches may be stamped by the wall clock: not where it is far from most peers' (PROTOCOLS §5.10).

A verdict outlives the links. What a peer's wall clock showed last is carried on by the own monotonic clock, so a wall
clock that was wrong stays so in a cut and after standing still, one that steps meanwhile is found, and so is one that
is put right. Until a start knows most nodes' wall clocks it does not know what its own is worth: for a moment stamps
are the logical clock's alone, as restored from the log. A node that hears nobody for longer goes by its wall clock
again, unless the log says that it was apart from the expiry clock: in a long cut its writes would lose to all others,
however early those were.

Does not judge deadlines: that is the expiry clock's.
"""

from collections.abc import Mapping

from trilemma.base.ids import NodeId
from trilemma.base.time import US_PER_MS, US_PER_S, Now
from trilemma.replication.leaderless.expiry_clock import ACCEPTED_US

PATIENCE_US = 2 * US_PER_S
"""How long after a start most nodes are waited for: dialers try twice a second, and a link is up soon after."""


class WallClock:
    """One replica's judge of the node's wall clock.

    Args:
        nodes: how many nodes the cluster has, this one included.
        was_apart: whether the log says that the wall clock was further than accepted from the expiry clock.
    """

    __slots__ = ("_ahead_us", "_patient_until_us", "_quorum", "_was_right", "is_trusted")

    def __init__(self, now: Now, nodes: int, *, was_apart: bool) -> None:
        self._quorum = nodes // 2 + 1
        self._was_right = nodes == 1 or not was_apart
        self._patient_until_us = now.mono_us + PATIENCE_US
        self._ahead_us: dict[NodeId, int] = {}
        """Per peer: how far its wall clock was ahead of the own monotonic one when it was heard last."""
        self.is_trusted = nodes == 1
        """Whether the wall clock agreed with most peers' when it was last looked at, as far as they are known."""

    def advance(self, now: Now, offsets_ms: Mapping[NodeId, int]) -> None:
        """Judge it anew. `offsets_ms`: how far the wall clock of each node in reach is ahead of the own one."""
        own_us = now.wall_us - now.mono_us
        for node, offset_ms in offsets_ms.items():
            self._ahead_us[node] = own_us + offset_ms * US_PER_MS
        known = len(self._ahead_us)
        if known + 1 < self._quorum and now.mono_us < self._patient_until_us:
            self.is_trusted = False
        elif known:
            agreeing = sum(abs(ahead_us - own_us) <= ACCEPTED_US for ahead_us in self._ahead_us.values())
            self.is_trusted = 2 * agreeing >= known
        else:
            self.is_trusted = self._was_right
