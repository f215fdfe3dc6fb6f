"""Which start of a peer's disk is connected and heard: a newer start beside it is one on a copy of that disk.

A node that has ended is not heard any more: the sockets of its process are closed, a host that is lost falls silent. So
a newer start of its disk waits for the detection time at most, and most often for nothing. Owns no connection.
"""

from collections.abc import Iterable
from typing import Protocol

from trilemma.runtime.known_disks import Lineage


class Presence(Protocol):
    """A connection of a peer, in either direction."""

    @property
    def lineage(self) -> Lineage | None:
        """Where the peer comes from, once it has proven that."""
        ...

    @property
    def heard_s(self) -> float:
        """When bytes of it came last, by the clock of the loop; also those of its proof."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether it is at its end."""
        ...


def why_not_beside(taken: Iterable[Presence], lineage: Lineage, since_s: float) -> str | None:
    """Return why a peer is refused beside connections of it that were taken, if one of them was heard since then.

    Args:
        since_s: by the clock of the loop.
    """
    for each in taken:
        known = each.lineage
        if known is None or each.is_closing or each.heard_s < since_s:
            continue
        if known.disk_id == lineage.disk_id and known.starts < lineage.starts:
            return (
                f"another process runs on a copy of this disk: start {known.starts} is connected now; if it has just "
                "ended, this is tried again"
            )
    return None
