"""The peer transport: frames to and from the other nodes, any of which may be lost.

One TCP connection per direction: who has something to send dials. No rule is needed for two nodes that dial each other
at the same moment, and a connection that is stuck concerns one direction only. The lab's faults are applied here, so
the node cannot know of them; control messages between the shells pass them by.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping

from trilemma.base.ids import NodeId
from trilemma.base.limits import MIB, limit
from trilemma.runtime.accepting import Accepting, Incoming
from trilemma.runtime.dialing import Dialing
from trilemma.runtime.framing import FRAME_BYTES_MAX, Kind, header
from trilemma.runtime.handshake import NONCE_BYTES, Dialer, Identity
from trilemma.runtime.port import Laboratory

PEER_QUEUE_BYTES_MAX = limit(
    "peer_queue_bytes_max",
    64 * MIB,
    "bytes per peer",
    "a peer that does not read must not grow this node",
    "newer frames are dropped: replication sends again",
)

Address = tuple[str, int]


class PeerCounters:
    """What went to and came from the peers; for metrics."""

    __slots__ = ("dropped_frames", "read_bytes", "sent_bytes", "sent_frames")

    def __init__(self) -> None:
        self.sent_frames = 0
        self.sent_bytes = 0
        self.read_bytes = 0
        self.dropped_frames = 0


class Lane:
    """What is on its way to one peer."""

    __slots__ = ("delayed_bytes", "dialing", "parts", "peer", "size", "trouble")

    def __init__(self, peer: NodeId) -> None:
        self.peer = peer
        self.dialing: Dialing
        self.parts: list[bytes] = []
        self.size = 0
        self.delayed_bytes = 0
        self.trouble = ""
        """The reason told last; the same one is not told again."""


class PeerTransport:
    """Carries frames between this node and its peers."""

    def __init__(
        self,
        identity: Identity,
        receive: Callable[[NodeId, bytes], None],
        told: Callable[[str, str], None],
        lab: Laboratory | None = None,
    ) -> None:
        """Args: told: a sentence's subject (a peer's name or an address) and what is to be said about it."""
        self.counters = PeerCounters()
        self._identity = identity
        self._receive = receive
        self._told = told
        self._lab = lab
        self._lanes: dict[NodeId, Lane] = {}
        self._dirty: list[Lane] = []
        self._accepting = Accepting(identity, secrets.token_bytes, self._received, self._accepted, told)

    def incoming(self) -> Incoming:
        """Return the protocol object for a connection to the peer port."""
        return self._accepting.connection()

    def start(self, addresses: Mapping[NodeId, Address]) -> None:
        """Dial the peers."""
        for peer, address in addresses.items():
            lane = self._lanes[peer] = Lane(peer)
            lane.dialing = self._dial(peer, address, lane)
        if self._lab is not None:
            self._lab.start(self.tell, self.connected)

    def _dial(self, peer: NodeId, address: Address, lane: Lane) -> Dialing:
        def joined() -> None:
            lane.trouble = ""
            self._told(self._identity.name(peer), "connected")
            if self._lab is not None:
                self._lab.joined(peer)

        return Dialing(
            address,
            lambda: Dialer(self._identity, peer, secrets.token_bytes(NONCE_BYTES)),
            joined,
            lambda reason: self._trouble(lane, reason),
        )

    def _trouble(self, lane: Lane, reason: str) -> None:
        """Say what is wrong with a peer, once."""
        if reason != lane.trouble:
            lane.trouble = reason
            self._told(self._identity.name(lane.peer), reason)

    async def stop(self) -> None:
        """Close everything and dial no more."""
        self._accepting.abort()
        await asyncio.gather(*(lane.dialing.stop() for lane in self._lanes.values()))

    def connected(self) -> Iterable[NodeId]:
        """Return the peers that this node has a connection to."""
        return [peer for peer, lane in self._lanes.items() if lane.dialing.channel is not None]

    # Out

    def put(self, peer: NodeId, frame: bytes) -> None:
        """See PeerOutlet."""
        lane = self._lanes.get(peer)
        if lane is None:
            return
        if self._lab is None:
            self._put(lane, Kind.NODE, frame)
            return
        delay_s = self._lab.fate(self._identity.node_id, peer)
        if delay_s == 0:
            self._put(lane, Kind.NODE, frame)
        elif delay_s is not None and lane.delayed_bytes <= PEER_QUEUE_BYTES_MAX:
            lane.delayed_bytes += len(frame)
            asyncio.get_running_loop().call_later(delay_s, self._put_late, peer, lane, frame)

    def _put_late(self, peer: NodeId, lane: Lane, frame: bytes) -> None:
        lane.delayed_bytes -= len(frame)
        # A cut that came meanwhile also takes what is under way.
        if self._lab is not None and not self._lab.is_cut(self._identity.node_id, peer):
            self._put(lane, Kind.NODE, frame)
            self.flush()

    def tell(self, peer: NodeId, message: bytes) -> None:
        """Send a control message; the lab's faults do not apply."""
        lane = self._lanes.get(peer)
        if lane is not None:
            self._put(lane, Kind.CONTROL, message)
            self.flush()

    def _put(self, lane: Lane, kind: Kind, body: bytes) -> None:
        channel = lane.dialing.channel
        if len(body) > FRAME_BYTES_MAX:
            self._trouble(lane, f"a frame of {len(body)} bytes was dropped, allowed are {FRAME_BYTES_MAX}")
            channel = None
        if channel is None or channel.unsent_bytes > PEER_QUEUE_BYTES_MAX:
            self.counters.dropped_frames += 1
            return
        if not lane.parts:
            self._dirty.append(lane)
        lane.parts.append(header(kind, len(body)))
        lane.parts.append(body)
        lane.size += len(body)
        self.counters.sent_frames += 1

    def flush(self) -> None:
        """See PeerOutlet. Cost: one write per peer."""
        dirty, self._dirty = self._dirty, []
        for lane in dirty:
            parts, lane.parts = lane.parts, []
            size, lane.size = lane.size, 0
            channel = lane.dialing.channel
            if channel is not None:
                self.counters.sent_bytes += size
                channel.write(parts, size)

    # In

    def _accepted(self, peer: NodeId) -> None:
        lane = self._lanes.get(peer)
        if lane is not None:
            lane.dialing.hurry()

    def _received(self, peer: NodeId, kind: int, body: bytes) -> None:
        self.counters.read_bytes += len(body)
        if kind == Kind.NODE:
            # Judged at both ends, so that a cut holds from the moment that either end knows of it.
            if self._lab is None or not self._lab.is_cut(peer, self._identity.node_id):
                self._receive(peer, body)
        elif kind == Kind.CONTROL and self._lab is not None:
            self._lab.told(peer, body)
