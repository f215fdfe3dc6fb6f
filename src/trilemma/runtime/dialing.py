"""The connection to one peer that this node opens, proves itself on and sends by; opened anew whenever it is lost."""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from typing import cast

from trilemma.base.limits import KIB, limit
from trilemma.runtime.accepting import HANDSHAKE_TIMEOUT_S
from trilemma.runtime.framing import HANDSHAKE_BYTES_MAX, FrameReader, FramingError, Kind, frame
from trilemma.runtime.handshake import CheckDisk, Dialer, HandshakeRefused
from trilemma.runtime.known_disks import Lineage
from trilemma.runtime.last_bytes import LAST_BYTES_S

UNACKNOWLEDGED_MS_MAX = limit(
    "peer_unacknowledged_ms_max",
    1_000,
    "ms",
    "TCP waits ever longer between its tries, so after a long cut it would find out late that the link is back",
    "the connection is given up and opened anew",
)
CONNECT_TIMEOUT_S = 0.5
"""Below TCP's first repetition of a SYN (1 s), for the same reason."""
BACKOFF_S_MIN = 0.05
BACKOFF_S_MAX = 0.5
"""Between two tries. Low: a peer that is back is to be in use within the second that PROMISES §2 gives."""
JOIN_BYTES_MAX = 64 * KIB
"""Frames of a turn are copied into one buffer up to this size, and handed over as a list above it."""


class Outgoing(asyncio.Protocol):
    """One connection to a peer, from the dial to its loss."""

    def __init__(self, handshake: Dialer, check_disk: CheckDisk) -> None:
        loop = asyncio.get_running_loop()
        self.proven: asyncio.Future[None] = loop.create_future()
        """Done when the peer has proven itself and is taken with its disk; else failed: HandshakeRefused,
        ConnectionError."""
        self.lost: asyncio.Future[None] = loop.create_future()
        self.transport: asyncio.Transport
        self.heard_s = 0.0
        """See Presence."""
        self._loop = loop
        self._handshake = handshake
        self._check_disk = check_disk
        self._reader = FrameReader(HANDSHAKE_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast(asyncio.Transport, transport)
        _set_socket_options(transport.get_extra_info("socket"))
        self.transport.write(frame(Kind.HANDSHAKE, self._handshake.begin()))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. The peer says nothing here but its part of the handshake."""
        if self.is_closing:
            return
        self.heard_s = self._loop.time()
        self._reader.feed(data)
        try:
            while (found := self._reader.next()) is not None:
                self._take(*found)
        except (HandshakeRefused, FramingError) as problem:
            self._fail(HandshakeRefused(str(problem)))
            self.transport.abort()

    def _take(self, kind: int, body: bytes) -> None:
        if kind != Kind.HANDSHAKE:
            raise HandshakeRefused("the other side spoke out of turn")
        answer = self._handshake.receive(body)
        if answer is not None:
            self.transport.write(frame(Kind.HANDSHAKE, answer))
        peer, lineage = self._handshake.peer, self._handshake.lineage
        if peer is not None and lineage is not None:
            self._check_disk(peer, lineage, self._checked)

    def _checked(self, reason: str | None) -> None:
        if reason is not None:
            self._fail(HandshakeRefused(reason))
            self.transport.abort()
        elif not self.proven.done():
            self.proven.set_result(None)

    def _fail(self, problem: Exception) -> None:
        if not self.proven.done():
            self.proven.set_exception(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._fail(ConnectionResetError("the connection was closed during the handshake"))
        if not self.lost.done():
            self.lost.set_result(None)

    def write(self, parts: Sequence[bytes], size: int) -> None:
        """Send one turn's bytes."""
        if self.is_closing:
            return
        if size <= JOIN_BYTES_MAX:
            self.transport.write(b"".join(parts))
        else:
            self.transport.writelines(parts)

    @property
    def lineage(self) -> Lineage | None:
        """See Presence."""
        return self._handshake.lineage

    @property
    def is_closing(self) -> bool:
        """See Presence."""
        return self.transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()


def _set_socket_options(peer_socket: socket.socket) -> None:
    peer_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS_MAX)


class Dialing:
    """Keeps a connection to one peer."""

    def __init__(
        self,
        address: tuple[str, int],
        handshake: Callable[[], Dialer],
        check_disk: CheckDisk,
        joined: Callable[[], None],
        failed: Callable[[str, bool], None],
    ) -> None:
        """Args: joined: told when a connection stands; failed: why the last try did, and whether either side refused
        the other, which further tries seldom change."""
        self.channel: Outgoing | None = None
        """The connection, while it stands and the peer has proven itself."""
        self._address = address
        self._handshake = handshake
        self._check_disk = check_disk
        self._joined = joined
        self._failed = failed
        self._awake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hurry(self) -> None:
        """Try again at once: the peer has just shown that it is there."""
        self._awake.set()

    async def stop(self) -> None:
        """Close the connection once the socket has taken what was written, or has had its time, and dial no more."""
        if self.channel is not None:
            self.channel.transport.close()
            await asyncio.wait([self.channel.lost], timeout=LAST_BYTES_S)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        backoff_s = BACKOFF_S_MIN
        while True:
            try:
                await self._connect()
                backoff_s = BACKOFF_S_MIN
            except (OSError, TimeoutError, HandshakeRefused) as problem:
                self._failed(_reason(problem), isinstance(problem, HandshakeRefused))
            await self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _pause(self, backoff_s: float) -> None:
        """Wait with jitter, so that nodes which lost each other do not find the same moment for every try."""
        self._awake.clear()
        try:
            async with asyncio.timeout(backoff_s * random.uniform(0.5, 1.0)):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _connect(self) -> None:
        """Open a connection, use it until it is lost."""
        host, port = self._address
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, channel = await loop.create_connection(lambda: Outgoing(self._handshake(), self._check_disk), host, port)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await channel.proven
            self.channel = channel
            self._joined()
            await channel.lost
        finally:
            self.channel = None
            channel.transport.abort()


def _reason(problem: Exception) -> str:
    if isinstance(problem, HandshakeRefused):
        return str(problem)
    if isinstance(problem, TimeoutError):
        return "it does not answer"
    return f"it cannot be reached: {problem}"
