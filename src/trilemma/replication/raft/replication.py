"""How far one peer is, and how much may be on its way to it: probing, streaming, waiting for a snapshot.

Knows nothing of entries or messages. Paper §5.3 (nextIndex, matchIndex, backtracking); thesis §10.2.2 (pipelining).
"""

from collections import deque
from enum import Enum

from trilemma.replication.raft.timing import LONG_AGO_US

APPENDS_IN_FLIGHT_MAX = 64
"""Appends on their way to one peer that it has not acknowledged."""

BYTES_IN_FLIGHT_MAX = 16 << 20
"""Payload bytes of those; one append may exceed it when nothing else is on its way."""

APPENDS_PER_TURN_MAX = 4
"""Appends to one peer in a turn, so that catching it up does not stall the others."""


class Mode(Enum):
    """How a peer is sent entries."""

    PROBE = "one append at a time, until it is known where the logs agree"
    STREAM = "appends follow each other without waiting"
    SNAPSHOT = "its next entry is gone from the log"


class Progress:
    """A leader's view of one peer, in one term."""

    __slots__ = (
        "_bytes_in_flight",
        "_in_flight",
        "answered_round",
        "answered_us",
        "commit_index",
        "has_agreed",
        "heartbeat_us",
        "lease_request",
        "lease_us",
        "match_index",
        "mode",
        "next_index",
        "probe_is_out",
    )

    def __init__(self, next_index: int) -> None:
        self.match_index = 0
        self.has_agreed = False
        """Whether the peer has said in this term where the logs agree; before, `match_index` says nothing."""
        self.next_index = next_index
        self.mode = Mode.PROBE
        self.probe_is_out = False
        self.answered_round = 0
        self.answered_us = LONG_AGO_US
        """When the newest round that the peer echoed had been opened."""
        self.heartbeat_us = LONG_AGO_US
        """When the last heartbeat left."""
        self.commit_index = 0
        """The commit index that it was told last."""
        self.lease_request = 0
        self.lease_us = 0
        self._in_flight: deque[tuple[int, int]] = deque()
        self._bytes_in_flight = 0

    def has_room(self) -> bool:
        """Say whether another append may leave."""
        if self.mode is Mode.STREAM:
            return len(self._in_flight) < APPENDS_IN_FLIGHT_MAX and self._bytes_in_flight < BYTES_IN_FLIGHT_MAX
        return self.mode is Mode.PROBE and not self.probe_is_out

    def sent(self, last_index: int, size: int) -> None:
        """Take note of an append that ends at `last_index`."""
        if self.mode is Mode.PROBE:
            self.probe_is_out = True
            return
        self._in_flight.append((last_index, size))
        self._bytes_in_flight += size
        self.next_index = last_index + 1

    def echoed(self, number: int, opened_us: int) -> None:
        """Take note of the newest round that the peer answered."""
        self.answered_round = max(self.answered_round, number)
        self.answered_us = max(self.answered_us, opened_us)

    def accepted(self, match_index: int, received_index: int) -> None:
        """Take in that the peer's log agrees, durably up to `match_index`, in memory up to `received_index`."""
        self.has_agreed = True
        self.match_index = max(self.match_index, match_index)
        while self._in_flight and self._in_flight[0][0] <= match_index:
            self._bytes_in_flight -= self._in_flight.popleft()[1]
        if self.mode is Mode.PROBE and received_index >= self.next_index - 1:
            self.mode = Mode.STREAM
        if self.mode is Mode.STREAM:
            self.next_index = max(self.next_index, received_index + 1)

    def rejects(self, prev_index: int) -> bool:
        """Say whether a rejection of `prev_index` is news, not one of an append that was overtaken."""
        if self.mode is Mode.STREAM:
            return prev_index > self.match_index
        return prev_index == self.next_index - 1

    def probe(self, next_index: int) -> None:
        """Ask again from `next_index`, one append at a time."""
        self.mode = Mode.PROBE
        self.next_index = max(next_index, self.match_index + 1)
        self.probe_is_out = False
        self._in_flight.clear()
        self._bytes_in_flight = 0

    def await_snapshot(self) -> None:
        """Send nothing but heartbeats until a snapshot is there."""
        self.probe(self.match_index + 1)
        self.mode = Mode.SNAPSHOT
