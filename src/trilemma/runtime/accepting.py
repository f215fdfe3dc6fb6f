"""Connections that peers opened: the handshake, then their frames. One per peer; a newer one replaces the older."""

import asyncio
from collections.abc import Callable
from typing import cast

from trilemma.base.ids import NodeId
from trilemma.base.limits import limit
from trilemma.runtime.framing import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, FrameReader, FramingError, Kind, frame
from trilemma.runtime.handshake import NONCE_BYTES, Acceptor, HandshakeRefused, Identity, refusal

HANDSHAKE_TIMEOUT_S = limit(
    "peer_handshake_timeout_s", 2, "s", "who says nothing must not hold a connection", "the connection is closed"
)
STRANGERS_MAX = limit(
    "peer_strangers_max",
    64,
    "connections",
    "connections to the peer port that have proven nothing yet",
    "a further one is closed at once",
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
        self._strangers: set[Incoming] = set()
        self._peers: dict[NodeId, Incoming] = {}
        self._trouble = ("", "")

    def connection(self) -> "Incoming":
        """Return the protocol object of a socket just accepted."""
        return Incoming(self)

    def made(self, connection: "Incoming") -> bool:
        """Take in a stranger; return whether there is room for one."""
        if len(self._strangers) >= STRANGERS_MAX:
            return False
        self._strangers.add(connection)
        return True

    def proven(self, connection: "Incoming", peer: NodeId) -> None:
        """A stranger has turned out to be a peer."""
        self._strangers.discard(connection)
        older = self._peers.get(peer)
        self._peers[peer] = connection
        self._trouble = ("", "")
        if older is not None:
            older.transport.abort()
        self._accepted(peer)

    def has(self, peer: NodeId) -> bool:
        """Say whether a connection of that peer stands."""
        return peer in self._peers

    def refuse(self, connection: "Incoming", reason: str) -> None:
        """Note why a connection is not used; not again where the next one is refused for the same."""
        address = connection.transport.get_extra_info("peername")
        trouble = ("a stranger" if address is None else str(address[0]), reason)
        if trouble != self._trouble:
            self._trouble = trouble
            self._refused(*trouble)

    def lost(self, connection: "Incoming") -> None:
        """Forget a connection."""
        self._strangers.discard(connection)
        peer = connection.peer
        if peer is not None and self._peers.get(peer) is connection:
            del self._peers[peer]

    def abort(self) -> None:
        """Close all of them."""
        for connection in [*self._strangers, *self._peers.values()]:
            connection.transport.abort()


class Incoming(asyncio.Protocol):
    """One connection that a peer, or a stranger, opened."""

    def __init__(self, owner: Accepting) -> None:
        self.peer: NodeId | None = None
        self.transport: asyncio.Transport
        self._owner = owner
        self._handshake = Acceptor(owner.identity, owner.draw(NONCE_BYTES))
        self._reader = FrameReader(HANDSHAKE_BYTES_MAX)
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        if self._owner.made(self):
            self._timeout = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT_S, self.transport.abort)
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.transport.is_closing():
            return
        self._reader.feed(data)
        try:
            while not self.transport.is_closing() and (found := self._reader.next()) is not None:
                self._take(*found)
        except (HandshakeRefused, FramingError) as problem:
            self._refuse(str(problem))

    def _take(self, kind: int, body: bytes) -> None:
        if self.peer is not None:
            self._owner.received(self.peer, kind, body)
            return
        if kind != Kind.HANDSHAKE:
            raise HandshakeRefused("the other side spoke out of turn")
        self.transport.write(frame(Kind.HANDSHAKE, self._handshake.receive(body)))
        if self._handshake.peer is not None:
            self._finish(self._handshake.peer)

    def _finish(self, peer: NodeId) -> None:
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
