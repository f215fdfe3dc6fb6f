"""What every replica is known to know: peers' reports, once everything that they had made by then has come here.

Only then may a replica conclude from a report that nothing older is still on its way (PROTOCOLS §5.7, §5.9). Also when
batches are let go, only such reports count: of two nodes that let something go, each counts a node that the other
counts too, so one of them holds all that the other has let go and can take its rows. Else what each lacks could be gone
from the other, and nothing would ever bring them together.
"""

from collections.abc import Sequence
from typing import NamedTuple

from trilemma.base.ids import NodeId
from trilemma.crdt.vector import Vector, covers, meet


class Report(NamedTuple):
    """What a peer said of itself at one moment: held durably, batches made, its expiry clock."""

    durable: Vector
    made: int
    expiry_ms: int


class Settled:
    """Per peer the newest report that is dominated here, and the oldest that is not yet."""

    def __init__(self, peers: Sequence[NodeId]) -> None:
        self._peers = peers
        self._settled: dict[NodeId, Report] = {}
        self._waiting: dict[NodeId, Report] = {}

    def hear(self, peer: NodeId, report: Report) -> None:
        """Take in a report; while an older one waits, it is that one which counts.

        One that says less was made came late, or after a crash that took a batch back: what waits might wait for ever.
        """
        waiting = self._waiting.get(peer)
        if waiting is None or report.made < waiting.made:
            self._waiting[peer] = report

    def advance(self, vector: Vector) -> None:
        """Settle what waits and is dominated by what is durable here now."""
        for peer, report in list(self._waiting.items()):
            if self._is_dominated(peer, report, vector):
                self._settled[peer] = report
                del self._waiting[peer]

    def _is_dominated(self, peer: NodeId, report: Report, vector: Vector) -> bool:
        return vector.get(peer, 0) >= report.made and covers(vector, report.durable)

    @property
    def durable(self) -> list[Vector]:
        """What each peer holds durably, as far as its settled report says; nothing of a peer without one."""
        return [report.durable for report in self._settled.values()]

    def held_by_all(self, own: Vector) -> Vector:
        """Return what every replica holds durably, this one included; nothing while a peer has no settled report."""
        views = self.durable
        return meet([own, *views]) if len(views) == len(self._peers) else {}

    def held_by_majority(self, own: Vector) -> Vector:
        """Return what this replica and enough others hold durably to be a majority; nothing while too few reported."""
        views = self.durable
        others_needed = (len(self._peers) + 1) // 2
        if len(views) < others_needed:
            return {}
        held = {origin: sorted((view.get(origin, 0) for view in views), reverse=True) for origin in own}
        return {origin: ([seq, *held[origin]])[others_needed] for origin, seq in own.items()}

    def is_everywhere(self, vector: Vector) -> bool:
        """Say whether every peer holds all of a vector durably, and has nothing on its way from before it did."""
        return all(peer in self._settled and covers(self._settled[peer].durable, vector) for peer in self._peers)

    @property
    def expiry_ms(self) -> int | None:
        """The time that every peer's expiry clock had passed with nothing on its way from before; None if unknown."""
        if len(self._settled) < len(self._peers):
            return None
        return min((report.expiry_ms for report in self._settled.values()), default=None)
