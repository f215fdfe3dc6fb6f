"""Which pulls are under way: whom not to ask again for now, because its answer may still come.

Knows nothing of what is asked for. PROTOCOLS §5.
"""

from collections.abc import Iterable

from trilemma.base.ids import NodeId

PULL_US = 60_000
"""How long a pull waits for its answer before the next one is sent."""


class Pulls:
    """One replica's pulls, at most one per peer."""

    def __init__(self) -> None:
        self._until_us: dict[NodeId, int] = {}

    def may_begin(self, peer: NodeId, mono_us: int) -> bool:
        """Say whether to pull from a peer now; the answer yes counts as having done it."""
        if mono_us < self._until_us.get(peer, 0):
            return False
        self._until_us[peer] = mono_us + PULL_US
        return True

    def end(self, peer: NodeId) -> None:
        """Take note that a peer has answered, or is back: it may be asked again at once."""
        self._until_us.pop(peer, None)

    def deadlines_us(self, peers: Iterable[NodeId]) -> list[int]:
        """Return when some peers may be asked again, those of them that were asked."""
        return [self._until_us[peer] for peer in peers if peer in self._until_us]
