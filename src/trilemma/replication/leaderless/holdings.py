"""Who holds what durably, as far as a replica knows: its own disk, and what its peers say of theirs.

Owns what of the delivered is on its way to the own disk. Does not conclude what may be let go, or counts as seen by
all: for that a peer's word must be settled first (`settled`).
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId
from trilemma.crdt.vector import covers, join


class Holdings:
    """What one replica knows. `durable`: what is delivered here and durable here."""

    def __init__(self, node: NodeId, peers: Sequence[NodeId], durable: dict[NodeId, int]) -> None:
        self._node = node
        self._peers = peers
        self.durable = durable
        self.of_peers: dict[NodeId, dict[NodeId, int]] = {}
        """Per peer: what it said to hold durably."""
        self._pending: list[tuple[int, dict[NodeId, int]]] = []
        """Per token with records: what is durable here by it."""

    def handed_out(self, token: int, vector: dict[NodeId, int]) -> None:
        """Take note that all of a vector is durable here by `token`."""
        self._pending.append((token, vector))

    def persisted(self, token: int) -> bool:
        """Take note that everything handed out with tokens up to `token` is durable; say whether anything was."""
        found = False
        while self._pending and self._pending[0][0] <= token:
            self.durable = self._pending.pop(0)[1]
            found = True
        return found

    @property
    def undurable_token(self) -> int:
        """The token by which all that was delivered by the end of the last turn is durable; 0 where it is by now."""
        return self._pending[-1][0] if self._pending else 0

    def install(self, vector: dict[NodeId, int]) -> None:
        """Take note that durable rows reflect all of a vector."""
        self.durable = join((self.durable, vector))
        self._pending = [(token, join((each, vector))) for token, each in self._pending]

    def hear(self, peer: NodeId, durable: dict[NodeId, int]) -> None:
        """Take in what a peer says to hold durably."""
        self.of_peers[peer] = join((self.of_peers.get(peer, {}), durable))

    def ahead_of(self, vector: dict[NodeId, int]) -> list[NodeId]:
        """Return the peers known to hold what a vector lacks."""
        return [peer for peer in self._peers if peer in self.of_peers and not covers(vector, self.of_peers[peer])]

    def holders_of(self, vector: dict[NodeId, int]) -> list[NodeId]:
        """Return the replicas known to hold all of a vector durably, this one included."""
        own = [self._node] if covers(self.durable, vector) else []
        return own + [peer for peer in self._peers if covers(self.of_peers.get(peer, {}), vector)]

    def holders(self, seq: int) -> list[NodeId]:
        """Return the replicas known to hold an own batch durably, this one included."""
        own = [self._node] if self.durable.get(self._node, 0) >= seq else []
        return own + [peer for peer in self._peers if self.of_peers.get(peer, {}).get(self._node, 0) >= seq]
