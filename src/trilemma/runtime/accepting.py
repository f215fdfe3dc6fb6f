"""Connections that peers opened: the handshake, then their frames. One per peer; a newer one replaces the older."""

import asyncio
from collections.abc import Callable
from typing import cast

from trilemma.base.ids import NodeId
from trilemma.base.limits import limit
from trilemma.runtime.framing import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, FrameReader, FramingError, Kind, frame
from trilemma.runtime.handshake import NONCE_BYTES, Acceptor, HandshakeRefused, Identity, refusal
from trilemma.runtime.known_disks import Lineage

HANDSHAKE_TIMEOUT_S = limit(
    "peer_handshake_timeout_s", 2, "s", "who says nothing must not hold a connection", "the connection is closed"
)
STRANGERS_MAX = limit(
    "peer_strangers_max",
    64,
    "connections",
    "connections to the peer port that have proven nothing yet",
    "the oldest one is closed for a further one",
)
REFUSALS_INTERVAL_S = limit(
    "peer_refusals_interval_s",
    1,
    "s",
    "a stranger must not fill the disk with what is said of it",
    "refusals are counted, and told with the next one",
)


class Accepting:
    """The listening side of the peer port."""

    def __init__(
        self,
        identity: Identity,
        draw: Callable[[int], bytes],
        received: Callable[[NodeId, int, bytes], None],
        accepted: Callable[[NodeId], None],
        refused: Callable[[str, str], None],
    ) -> None:
        """Args: draw: entropy for nonces; received: a proven peer, its frame's kind and body; refused: who, why."""
        self.identity = identity
        self.draw = draw
        self.received = received
        self._accepted = accepted
        self._refused = refused
        self._strangers: dict[Incoming, None] = {}
        """By age, the oldest first."""
        self._peers: dict[NodeId, Incoming] = {}
        self._trouble = ("", "")
        self._untold: tuple[str, str] | None = None
        """The newest refusal that was not told yet, of so many: `_untold_count`."""
        self._untold_count = 0
        self._quiet: asyncio.TimerHandle | None = None

    def connection(self) -> "Incoming":
        """Return the protocol object of a socket just accepted."""
        return Incoming(self)

    def made(self, connection: "Incoming") -> None:
        """Take in a stranger, in place of the oldest where there are too many: a peer proves itself soon."""
        if len(self._strangers) >= STRANGERS_MAX:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.transport.abort()
        self._strangers[connection] = None

    def proven(self, connection: "Incoming", peer: NodeId) -> None:
        """A stranger has turned out to be a peer."""
        self._strangers.pop(connection, None)
        older = self._peers.get(peer)
        self._peers[peer] = connection
        self._trouble = ("", "")
        if older is not None:
            older.transport.abort()
        self._accepted(peer)

    def has(self, peer: NodeId) -> bool:
        """Say whether a connection of that peer stands."""
        return peer in self._peers

    def of(self, peer: NodeId) -> "Incoming | None":
        """Return the connection of that peer that stands."""
        return self._peers.get(peer)

    def refuse(self, connection: "Incoming", reason: str) -> None:
        """Note why a connection is not used; not again where the next one is refused for the same, nor too often."""
        address = connection.transport.get_extra_info("peername")
        trouble = ("a stranger" if address is None else str(address[0]), reason)
        if trouble != self._trouble:
            self._trouble = trouble
            self._untold = trouble
            self._untold_count += 1
            if self._quiet is None:
                self._tell()

    def _tell(self) -> None:
        """Say what the newest refusal was that was not told; keep quiet for a while after that."""
        self._quiet = None
        if self._untold is None:
            return
        (who, why), more = self._untold, self._untold_count - 1
        self._untold, self._untold_count = None, 0
        self._quiet = asyncio.get_running_loop().call_later(REFUSALS_INTERVAL_S, self._tell)
        self._refused(who, f"{why}; {more} more were refused since the last one told" if more else why)

    def lost(self, connection: "Incoming") -> None:
        """Forget a connection."""
        self._strangers.pop(connection, None)
        peer = connection.peer
        if peer is not None and self._peers.get(peer) is connection:
            del self._peers[peer]

    def abort(self) -> None:
        """Close all of them, and say no more."""
        if self._quiet is not None:
            self._quiet.cancel()
        for connection in [*self._strangers, *self._peers.values()]:
            connection.transport.abort()


class Incoming(asyncio.Protocol):
    """One connection that a peer, or a stranger, opened."""

    def __init__(self, owner: Accepting) -> None:
        self.peer: NodeId | None = None
        self.transport: asyncio.Transport
        self.heard_s = 0.0
        """See Presence."""
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._handshake = Acceptor(owner.identity, owner.draw(NONCE_BYTES))
        self._reader = FrameReader(HANDSHAKE_BYTES_MAX)
        self._timeout: asyncio.TimerHandle | None = None

    @property
    def lineage(self) -> Lineage | None:
        """See Presence."""
        return self._handshake.lineage

    @property
    def is_closing(self) -> bool:
        """See Presence."""
        return self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        self._owner.made(self)
        self._timeout = self._loop.call_later(HANDSHAKE_TIMEOUT_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.is_closing:
            return
        self.heard_s = self._loop.time()
        self._reader.feed(data)
        try:
            while not self.is_closing and (found := self._reader.next()) is not None:
                self._take(*found)
        except (HandshakeRefused, FramingError) as problem:
            self._refuse(str(problem))

    def _take(self, kind: int, body: bytes) -> None:
        if self.peer is not None:
            self._owner.received(self.peer, kind, body)
            return
        if kind != Kind.HANDSHAKE:
            raise HandshakeRefused("the other side spoke out of turn")
        answer = self._handshake.receive(body)
        peer, lineage = self._handshake.peer, self._handshake.lineage
        if peer is None or lineage is None:
            self.transport.write(frame(Kind.HANDSHAKE, answer))
        else:
            self._owner.identity.check_disk(peer, lineage, lambda reason: self._finish(peer, answer, reason))

    def _finish(self, peer: NodeId, answer: bytes, reason: str | None) -> None:
        if self.is_closing:
            return
        if reason is not None:
            self._refuse(reason)
            return
        self.transport.write(frame(Kind.HANDSHAKE, answer))
        self.peer = peer
        self._reader.bytes_max = FRAME_BYTES_MAX
        self._stop_timer()
        self._owner.proven(self, peer)

    def _refuse(self, reason: str) -> None:
        self._owner.refuse(self, reason)
        if self.peer is None:
            self.transport.write(frame(Kind.HANDSHAKE, refusal(reason)))
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        self._owner.lost(self)
