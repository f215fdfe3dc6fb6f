"""The peer transport: frames to and from the other nodes, any of which may be lost.

One TCP connection per direction: who has something to send dials. No rule is needed for two nodes that dial each other
at the same moment, and a connection that is stuck concerns one direction only. The lab's faults are applied here, so
the node cannot know of them; control messages between the shells pass them by.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from trilemma.base.ids import NodeId
from trilemma.base.limits import MIB, limit
from trilemma.base.sentence_field import escaped
from trilemma.runtime.accepting import Accepting, Incoming
from trilemma.runtime.dialing import Dialing, Outgoing
from trilemma.runtime.framing import FRAME_BYTES_MAX, Kind, header
from trilemma.runtime.handshake import NONCE_BYTES, REFUSED_THERE, Dialer, Identity
from trilemma.runtime.known_disks import Lineage
from trilemma.runtime.port import Laboratory
from trilemma.runtime.presence import why_not_beside

PEER_QUEUE_BYTES_MAX = limit(
    "peer_queue_bytes_max",
    64 * MIB,
    "bytes per peer",
    "a peer that does not read must not grow this node",
    "newer frames are dropped: replication sends again",
)

ONE_WAY_TRIES = 5
"""A peer that starts dials before it listens; after so many tries, half a second or more, it should."""

ONE_WAY_S = 2.0
"""How long a peer may take to connect to a node that has connected to it; it hurries when that happens."""
ONE_WAY = (
    "it does not connect to this node although this node has connected to it: its configuration must give the "
    "peer_address at which this node listens"
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

    __slots__ = ("delayed_bytes", "dialing", "is_refused", "parts", "peer", "size", "tries", "trouble")

    def __init__(self, peer: NodeId) -> None:
        self.peer = peer
        self.dialing: Dialing
        self.parts: list[bytes] = []
        self.size = 0
        self.delayed_bytes = 0
        self.trouble = ""
        """The reason told last; the same one is not told again."""
        self.is_refused = False
        """Whether it is that either side refuses the other."""
        self.tries: int | None = None
        """How often it was dialled in vain since it connected to this node; None where it has not."""

    @property
    def is_one_way(self) -> bool:
        """Whether the peer connects to this node and cannot be dialled."""
        return self.tries is not None and self.tries >= ONE_WAY_TRIES


class PeerTransport:
    """Carries frames between this node and its peers."""

    def __init__(
        self,
        identity: Identity,
        receive: Callable[[NodeId, bytes], None],
        told: Callable[[str, str], None],
        detection_s: float,
        lab: Laboratory | None = None,
    ) -> None:
        """Args: told: a sentence's subject (a peer's name or an address) and what is to be said about it;
        detection_s: how long a connection on which nothing is heard still keeps a newer start of its peer away."""
        self.counters = PeerCounters()
        self._identity = replace(identity, check_disk=self._check_disk)
        self._check_beside_none = identity.check_disk
        self._detection_s = detection_s
        self._receive = receive
        self._told = told
        self._lab = lab
        self._lanes: dict[NodeId, Lane] = {}
        self._dirty: list[Lane] = []
        self._accepting = Accepting(self._identity, secrets.token_bytes, self._received, self._accepted, told)

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
            lane.trouble, lane.is_refused, lane.tries = "", False, None
            self._told(self._identity.name(peer), "connected")
            if self._lab is not None:
                self._lab.joined(peer)
            asyncio.get_running_loop().call_later(ONE_WAY_S, self._look_for, lane, lane.dialing.channel)

        return Dialing(
            address,
            lambda: Dialer(self._identity, peer, secrets.token_bytes(NONCE_BYTES)),
            self._identity.check_disk,
            joined,
            lambda reason, is_refused: self._not_joined(lane, address, reason, is_refused),
        )

    def _not_joined(self, lane: Lane, address: Address, reason: str, is_refused: bool) -> None:
        lane.is_refused = is_refused
        if lane.tries is not None:
            lane.tries = lane.tries + 1 if self._accepting.has(lane.peer) else None
        if not is_refused and lane.is_one_way:
            reason = (
                f"{reason}; yet it has connected to this node: either it does not listen at {address[0]}:{address[1]} "
                "(the peer_address that this node's configuration gives it) or the network is open one way only"
            )
        self._trouble(lane, reason)

    def _look_for(self, lane: Lane, channel: Outgoing | None) -> None:
        """Say so where a peer that this node is still connected to has not connected to this node."""
        if channel is not None and lane.dialing.channel is channel and not self._accepting.has(lane.peer):
            self._trouble(lane, ONE_WAY)

    def _trouble(self, lane: Lane, reason: str) -> None:
        """Say what is wrong with a peer, once."""
        if reason != lane.trouble:
            lane.trouble = reason
            self._told(self._identity.name(lane.peer), reason)

    async def stop(self) -> None:
        """Close everything, what was written last having left where the peers read it, and dial no more."""
        self._accepting.abort()
        await asyncio.gather(*(lane.dialing.stop() for lane in self._lanes.values()))

    def connected(self) -> Iterable[NodeId]:
        """Return the peers that this node has a connection to."""
        return [peer for peer, lane in self._lanes.items() if lane.dialing.channel is not None]

    def states(self) -> dict[str, str]:
        """Return, as INFO's section Peers shows it, the connection to each peer and what is wrong with it.

        connected; refused (by the peer); refuses (this node does the peer); one_way (only one of the two can dial the
        other); unreachable.
        """
        return {self._identity.name(peer): self._state(lane) for peer, lane in self._lanes.items()}

    def _state(self, lane: Lane) -> str:
        if lane.dialing.channel is None:
            return f"state={_outage(lane)},why={escaped(lane.trouble.removeprefix(REFUSED_THERE))}"
        if not self._accepting.has(lane.peer):
            return f"state=one_way,why={escaped(ONE_WAY)}"
        return "state=connected,why="

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

    def _check_disk(self, peer: NodeId, lineage: Lineage, done: Callable[[str | None], None]) -> None:
        """See CheckDisk. While a peer is heard, a newer start of it is not even looked at: it would be remembered."""
        lane = self._lanes.get(peer)
        both = (self._accepting.of(peer), None if lane is None else lane.dialing.channel)
        since_s = asyncio.get_running_loop().time() - self._detection_s
        reason = why_not_beside([each for each in both if each is not None], lineage, since_s)
        if reason is None:
            self._check_beside_none(peer, lineage, done)
        else:
            done(reason)

    def _accepted(self, peer: NodeId) -> None:
        lane = self._lanes.get(peer)
        if lane is not None:
            if lane.dialing.channel is None and lane.tries is None:
                lane.tries = 0
            if lane.trouble == ONE_WAY:
                lane.trouble = ""
            lane.dialing.hurry()

    def _received(self, peer: NodeId, kind: int, body: bytes) -> None:
        self.counters.read_bytes += len(body)
        if kind == Kind.NODE:
            # Judged at both ends, so that a cut holds from the moment that either end knows of it.
            if self._lab is None or not self._lab.is_cut(peer, self._identity.node_id):
                self._receive(peer, body)
        elif kind == Kind.CONTROL and self._lab is not None:
            self._lab.told(peer, body)


def _outage(lane: Lane) -> str:
    if lane.is_refused:
        return "refused" if lane.trouble.startswith(REFUSED_THERE) else "refuses"
    return "one_way" if lane.is_one_way else "unreachable"
