"""As of when a replica holds all that each peer had made: what bounds how stale a read of an `ap` shard may be.

A peer gossips how many batches it has made. Who has as many of them delivered holds all that was acknowledged there
before the gossip was made. That was no earlier than when its receiver had sent what it answers, however long it took,
and it counts from there: see `since_us` in replication/port.py. What is not delivered yet says nothing until it is. Own
writes are always here.
"""

from collections.abc import Mapping, Sequence

from trilemma.base.ids import NodeId

_Heard = tuple[int, int]
"""How many batches a peer had made, and since when it may have said so."""


class Currency:
    """Per peer: when it may have said its last number of batches all of which are here, and the numbers not reached."""

    def __init__(self, peers: Sequence[NodeId]) -> None:
        self._peers = peers
        self._covered_us: dict[NodeId, int] = {}
        self._oldest: dict[NodeId, _Heard] = {}
        self._newest: dict[NodeId, _Heard] = {}

    def hear(self, peer: NodeId, made: int, since_us: int, vector: Mapping[NodeId, int]) -> None:
        """Take in a gossip; while an older one waits, that one stays."""
        if peer in self._oldest:
            self._newest[peer] = made, since_us
        else:
            self._oldest[peer] = made, since_us
        self._settle(peer, vector)

    def _settle(self, peer: NodeId, vector: Mapping[NodeId, int]) -> None:
        while peer in self._oldest and vector.get(peer, 0) >= self._oldest[peer][0]:
            self._covered_us[peer] = self._oldest.pop(peer)[1]
            if peer in self._newest:
                self._oldest[peer] = self._newest.pop(peer)

    def covered_us(self, vector: Mapping[NodeId, int]) -> int | None:
        """Return when the peer that is longest not covered last was; None where one never was, or there is none."""
        for peer in self._peers:
            self._settle(peer, vector)
        if any(peer not in self._covered_us for peer in self._peers):
            return None
        return min(self._covered_us.values(), default=None)
