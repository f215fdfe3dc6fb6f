"""Client connections: bytes in, bytes out, and the bounds on both. Knows no command.

From a client that does not read its replies nothing more is read, and no further command of it is begun; one that has
too much unread all the same is closed, as by Redis' option client-output-buffer-limit, but by default (FAULTS §5 row
38). Nor is more read from one whose commands wait to be begun. One over the bound on connections gets Redis' sentence,
save the first from this machine (node/spare.py).
"""

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple, cast

from trilemma.base.errors import error
from trilemma.base.ids import ConnId
from trilemma.base.limits import CLIENTS_MAX, MIB, OUTPUT_BUFFER_BYTES_MAX, limit
from trilemma.node.spare import MAX_CLIENTS
from trilemma.resp.reply import encode_error
from trilemma.runtime.address import is_loopback, join_address
from trilemma.runtime.last_bytes import LAST_BYTES_S
from trilemma.runtime.port import Inputs

OUTPUT_PAUSE_BYTES = limit(
    "client_output_pause_bytes",
    MIB,
    "bytes",
    "a client that does not read its replies is sent no more of them than it asks for",
    "nothing more is read from the client until it has read",
)
CLOSE_LINGER_S = limit(
    "client_close_linger_s",
    10,
    "s",
    "a client that is being closed may still read its last replies",
    "the rest of its replies is dropped",
)
KEEPALIVE_S = limit(
    "client_keepalive_s",
    300,
    "s",
    "Redis' own tcp-keepalive: a client whose machine has gone says nothing, also not that it has gone",
    "after so long without a word it is asked; after three questions without an answer the connection is closed",
)
KEEPALIVE_QUESTIONS = 3
LISTEN_BACKLOG = limit(
    "tcp_backlog", 511, "connections", "Redis' own: connections the kernel holds ready", "the kernel refuses more"
)
_MAXCLIENTS = encode_error(error(MAX_CLIENTS).text)


class ClientLimits(NamedTuple):
    """The bounds that a node was configured with."""

    clients_max: int = CLIENTS_MAX
    output_bytes_max: int = OUTPUT_BUFFER_BYTES_MAX
    output_pause_bytes: int = OUTPUT_PAUSE_BYTES


class Counters:
    """What went through all client connections; for metrics."""

    __slots__ = ("accepted", "closed_for_output", "read_bytes", "rejected", "written_bytes")

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected = 0
        self.closed_for_output = 0
        self.read_bytes = 0
        self.written_bytes = 0


class ClientConnection(asyncio.Protocol):
    """One client's socket."""

    __slots__ = ("_clients", "_has_ended", "_is_held_back", "_is_stalled", "id", "is_closing", "parts", "transport")

    def __init__(self, clients: "Clients") -> None:
        self.id: ConnId = 0
        self.parts: list[bytes] = []
        """What leaves at the end of this turn."""
        self.is_closing = False
        self.transport: asyncio.Transport
        self._clients = clients
        self._is_stalled = False
        self._is_held_back = False
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        self._clients.made(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if not self.is_closing:
            self._clients.counters.read_bytes += len(data)
            self._clients.inputs.receive_client(self.id, data)

    def eof_received(self) -> bool:
        """Read no more; the node closes once it has answered what came before."""
        self._has_ended = True
        if not self.is_closing:
            self._clients.inputs.client_ended(self.id)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._clients.lost(self)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._is_stalled = True
        self._read_or_not()
        self._clients.inputs.client_stalled(self.id, True)

    def resume_writing(self) -> None:
        """Go on reading from it."""
        self._is_stalled = False
        self._read_or_not()
        self._clients.inputs.client_stalled(self.id, False)

    def read_on(self, reads: bool) -> None:
        """Read on, or not for now, as the node asks."""
        self._is_held_back = not reads
        self._read_or_not()

    def _read_or_not(self) -> None:
        if self._has_ended or self.transport.is_closing():
            return
        if self._is_stalled or self._is_held_back:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


class Clients:
    """All client connections of a node."""

    def __init__(self, inputs: Inputs, limits: ClientLimits, closed: Callable[[str, str], None]) -> None:
        """Args: closed: told the address and the reason whenever a connection is closed for a fault of the client's."""
        self.inputs = inputs
        self.counters = Counters()
        self._limits = limits
        self._closed = closed
        self._connections: dict[ConnId, ClientConnection] = {}
        self._dirty: list[ClientConnection] = []
        self._last_id = 0
        self._all_lost: asyncio.Future[None] | None = None
        """Done when no connection is left, once all were closed."""

    def __len__(self) -> int:
        return len(self._connections)

    def connection(self) -> ClientConnection:
        """Return the protocol object of a socket just accepted."""
        return ClientConnection(self)

    # From the sockets

    def made(self, connection: ClientConnection) -> None:
        """Take in a connection, or refuse it."""
        transport = connection.transport
        if not self._has_place(transport):
            connection.is_closing = True
            self.counters.rejected += 1
            transport.write(_MAXCLIENTS)
            transport.close()
            return
        self._last_id += 1
        connection.id = self._last_id
        self._connections[connection.id] = connection
        self.counters.accepted += 1
        transport.set_write_buffer_limits(high=self._limits.output_pause_bytes)
        _keep_alive(transport.get_extra_info("socket"))
        self.inputs.client_connected(connection.id, _address(transport, "peername"), _address(transport, "sockname"))

    def _has_place(self, transport: asyncio.Transport) -> bool:
        free = self._limits.clients_max - len(self._connections)
        return free > 0 or (free == 0 and is_loopback(transport.get_extra_info("peername")))

    def lost(self, connection: ClientConnection) -> None:
        """Forget a connection."""
        if self._connections.pop(connection.id, None) is not None:
            self.inputs.client_gone(connection.id)
        if self._all_lost is not None and not self._connections and not self._all_lost.done():
            self._all_lost.set_result(None)

    # From the node

    def put(self, conn: ConnId, data: bytes) -> None:
        """See ClientOutlet."""
        connection = self._connections.get(conn)
        if connection is None or connection.transport.is_closing():
            return
        if not connection.parts:
            self._dirty.append(connection)
        connection.parts.append(data)

    def read_on(self, conn: ConnId, reads: bool) -> None:
        """See ClientOutlet."""
        connection = self._connections.get(conn)
        if connection is not None:
            connection.read_on(reads)

    def flush(self) -> None:
        """See ClientOutlet. Cost: one write per connection that has something to say (each is a system call)."""
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            parts, connection.parts = connection.parts, []
            self._write(connection, parts[0] if len(parts) == 1 else b"".join(parts))

    def _write(self, connection: ClientConnection, data: bytes) -> None:
        transport = connection.transport
        if transport.is_closing():
            return
        self.counters.written_bytes += len(data)
        transport.write(data)
        if transport.get_write_buffer_size() > self._limits.output_bytes_max:
            self._drop(connection)

    def _drop(self, connection: ClientConnection) -> None:
        """Close a client whose unread replies have passed the bound."""
        connection.is_closing = True
        self.counters.closed_for_output += 1
        self._closed(_address(connection.transport, "peername"), "its unread replies passed the bound")
        connection.transport.abort()

    def close(self, conn: ConnId) -> None:
        """See ClientOutlet."""
        connection = self._connections.get(conn)
        if connection is not None and not connection.is_closing:
            connection.is_closing = True
            self._end(connection)

    def say_why(self, conn: ConnId, why: str) -> None:
        """See ClientOutlet."""
        connection = self._connections.get(conn)
        if connection is not None and not connection.is_closing:
            self._closed(_address(connection.transport, "peername"), why)

    def _end(self, connection: ClientConnection) -> None:
        """Close once the socket has taken what was written, or has not for too long."""
        connection.transport.close()
        if connection.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(CLOSE_LINGER_S, connection.transport.abort)

    async def stop(self) -> None:
        """Close all connections once their sockets have taken what was written, or have had their time."""
        self._all_lost = asyncio.get_running_loop().create_future()
        for connection in list(self._connections.values()):
            connection.is_closing = True
            connection.transport.close()
        if self._connections:
            await asyncio.wait([self._all_lost], timeout=LAST_BYTES_S)
        self.abort()

    def abort(self) -> None:
        """Close all connections at once."""
        for connection in list(self._connections.values()):
            connection.transport.abort()


def _keep_alive(client_socket: socket.socket) -> None:
    if client_socket.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S // KEEPALIVE_QUESTIONS),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_QUESTIONS),
    ):
        client_socket.setsockopt(level, option, value)


def _address(transport: asyncio.BaseTransport, which: str) -> str:
    """Return a socket's `host:port`, as CLIENT LIST shows it."""
    name = transport.get_extra_info(which)
    if not isinstance(name, tuple):
        return "unix:0"
    host, port = name[0], name[1]
    return join_address(host, port)
