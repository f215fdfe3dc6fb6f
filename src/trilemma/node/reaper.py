"""What an `ap` shard removes for good: expired keys, and counter entries that every replica has cleared.

Expired keys go by an ordinary batch, of one replica, once every replica's expiry clock is past the deadline and all
that it had written by then has come here: nobody can have prolonged them unseen (PROTOCOLS §5.9). Cleared counter
entries go on each replica by itself, once every replica durably holds the resets and nothing from before is on its
way (§5.5, §5.7).
"""

from trilemma.base.ids import NodeId
from trilemma.base.limits import CLOCK_OFFSET_MS_MAX
from trilemma.base.time import on_grid
from trilemma.crdt.vector import Vector
from trilemma.datatype.causal import CausalView
from trilemma.replication.leaderless.replica import Leaderless

REAP_US = 320_000
"""How often a shard looks for what may go; a multiple of its gossip."""

REAP_KEYS_MAX = 1_000
"""Keys removed at once; more are due the next time."""


class Reaper:
    """One shard's removals."""

    def __init__(self, node: NodeId, replica: Leaderless, mono_us: int) -> None:
        self._is_chosen = not replica.peers or node < min(replica.peers)
        self._replica = replica
        self._marked: tuple[Vector, dict[bytes, dict[NodeId, tuple[int, int]]]] | None = None
        self.next_us = on_grid(mono_us + REAP_US, REAP_US)
        """When it looks again."""

    def is_due(self, mono_us: int) -> bool:
        """Say whether it is time to look."""
        if mono_us < self.next_us:
            return False
        self.next_us = on_grid(mono_us + REAP_US, REAP_US)
        return True

    def expired(self, view: CausalView) -> list[tuple[int, bytes]]:
        """Return the keys that this replica may remove now. They are chosen by the lowest replica."""
        horizon_ms = self._horizon_ms() if self._is_chosen else None
        return [] if horizon_ms is None else view.expired(horizon_ms, REAP_KEYS_MAX)

    def _horizon_ms(self) -> int | None:
        """Return the time by which what has expired may go, None where a replica has not been heard."""
        own_ms = self._replica.expiry.firm_ms
        others_ms = self._replica.settled.expiry_ms if self._replica.peers else own_ms
        return None if others_ms is None else max(min(own_ms, others_ms) - CLOCK_OFFSET_MS_MAX, 0)

    def sweep(self, view: CausalView) -> bool:
        """Drop counter entries that were cleared when it looked before, if all know by now; say whether any."""
        if self._marked is None:
            found = view.cleared(REAP_KEYS_MAX)
            if found:
                self._marked = dict(self._replica.vector), found
            return False
        vector, found = self._marked
        if not self._replica.settled.is_everywhere(vector):
            return False
        self._marked = None
        for row_key, cleared in found.items():
            view.drop_cleared(row_key, cleared)
        return True

    def forget(self) -> None:
        """Begin anew: other rows are in use."""
        self._marked = None
