"""Links: a link to a peer is up only while one's own echo is young (PROTOCOLS §1.1).

Every frame to a peer carries the newest beat number sent to it and echoes the newest one received from it. An echo's
age counts from when the echoed beat was *sent*, so a one-way cut is a cut at both ends, and delay counts against the
link. A beat number is worth its sender's start only: an echo of an earlier start says nothing.
"""

from collections import deque

from trilemma.base.ids import NodeId

BEAT_SPACING_US = 5_000
"""Frames closer together than this share a beat number: it bounds what is remembered."""

BEATS_REMEMBERED = 1_024
"""Beats whose send time is kept; at one per BEAT_SPACING_US more than any link time-out."""


class Link:
    """The link to one peer, as seen from here."""

    __slots__ = (
        "_beats",
        "_confirmed_beat",
        "_confirmed_us",
        "_timeout_us",
        "beat",
        "peer",
        "peer_beat",
        "peer_start",
        "peer_up",
        "sent_us",
    )

    def __init__(self, peer: NodeId, timeout_us: int) -> None:
        self.peer = peer
        self.beat = 0
        self.peer_beat = 0
        self.peer_start = 0
        self.peer_up: frozenset[NodeId] = frozenset()
        """The peers that this peer said its own links are up to."""
        self.sent_us: int | None = None
        self._timeout_us = timeout_us
        self._beats: deque[tuple[int, int]] = deque(maxlen=BEATS_REMEMBERED)
        self._confirmed_beat = 0
        self._confirmed_us: int | None = None

    def next_beat(self, mono_us: int) -> int:
        """Return the beat number for a frame that leaves now."""
        if not self._beats or mono_us - self._beats[-1][1] >= BEAT_SPACING_US:
            self.beat += 1
            self._beats.append((self.beat, mono_us))
        self.sent_us = mono_us
        return self.beat

    def heard(self, peer_start: int, peer_beat: int, echo: int) -> bool:
        """Take in a frame's header; return whether the peer has started anew since the last one.

        `echo` is 0 where it speaks of another start than this one. A frame of an earlier start of the peer is stale.
        """
        restarted = peer_start > self.peer_start
        if restarted:
            self.peer_start, self.peer_beat = peer_start, 0
            self.peer_up = frozenset()
        if peer_start == self.peer_start:
            self.peer_beat = max(self.peer_beat, peer_beat)
            self._confirm(echo)
        return restarted

    def _confirm(self, echo: int) -> None:
        self._confirmed_beat = max(self._confirmed_beat, echo)
        while self._beats and self._beats[0][0] <= echo:
            self._confirmed_us = self._beats.popleft()[1]

    def echoed_us(self, echo: int) -> int | None:
        """Return when the beat was sent that a frame echoes which was just heard: no earlier was the frame made.

        None where it was overtaken by a later frame, or echoes nothing of this start (0).
        """
        return self._confirmed_us if echo and echo == self._confirmed_beat else None

    def confirmed_us(self) -> int | None:
        """Return when the newest beat that came back had been sent, or None."""
        return self._confirmed_us

    def has_echoed_since(self, mono_us: int) -> bool:
        """Say whether a beat came back that was sent later: what left before it has been read, on links in order."""
        return self._confirmed_us is not None and self._confirmed_us > mono_us

    def is_up(self, mono_us: int) -> bool:
        """Say whether messages have gone both ways within the time-out."""
        return self._confirmed_us is not None and mono_us - self._confirmed_us < self._timeout_us
