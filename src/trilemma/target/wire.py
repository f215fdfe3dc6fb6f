"""A Redis client as thin as can be, which never retries: what became of a step is told as it is.

Owns one connection: requests as bytes, replies by hiredis, and the line between what was not sent and what nobody can
tell. Knows no store; where to connect is told by whoever makes one.
"""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import hiredis

from trilemma.target.port import NotSentError
from trilemma.workload.reply import NO_ROOM
from trilemma.workload.step import Command, Reply

Dial: TypeAlias = Callable[[], socket.socket]
"""Opens a connection, or raises OSError (or NotSentError with a better reason)."""

CONNECT_S: Final = 1.0
"""How long connecting may take: links are a machine long."""

PATIENCE_S: Final = 3.0
"""How long a client waits for a reply: longer than the two seconds after which Trilemma has answered everything."""

RECEIVE_BYTES: Final = 64 << 10

LOOK_ELSEWHERE: Final = ("READONLY", "LOADING", "MASTERDOWN", "MOVED", "CLUSTERDOWN", "NOREPLICAS")
"""First words of the errors after which an application looks for its server again."""


def dial(host: str, port: int) -> socket.socket:
    """Open a connection.

    Raises:
        OSError: nobody listens there, or not in time.
    """
    connection = socket.create_connection((host, port), CONNECT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def encode(commands: Sequence[Command]) -> bytes:
    """Return commands as the wire has them: arrays of bulk strings."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        parts.extend(b"$%d\r\n%s\r\n" % (len(word), word) for word in command)
    return b"".join(parts)


def first_word(reply: Reply) -> str:
    """Return the first word of an error reply, nothing for other replies."""
    return str(reply).split(" ", 1)[0] if isinstance(reply, Exception | str) else ""


class RespConnection:
    """See `port.Client`. Connects at its first step; a lost reply ends it."""

    def __init__(self, dial: Dial, patience_s: float = PATIENCE_S) -> None:
        self._dial = dial
        self._patience_s = patience_s
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._is_over = False

    def connect(self) -> None:
        """Connect, unless that has been done.

        Raises:
            NotSentError: it is not possible.
        """
        if self._is_over:
            raise NotSentError("the connection is over")
        if self._socket is None:
            try:
                self._socket = self._dial()
            except OSError as problem:
                self._is_over = True
                raise NotSentError(f"cannot connect: {problem}") from problem

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """See `port.Client`."""
        self.connect()
        replies: list[Any] = []
        end = time.monotonic() + self._patience_s
        try:
            self._send(encode(commands), end)
            while len(replies) < len(commands):
                replies.append(self._receive(end))
                if isinstance(replies[-1], Exception) and str(replies[-1]).startswith(NO_ROOM):
                    self.close()  # as the other side does: a step after it would be in doubt for nothing
                    return replies
        except (OSError, hiredis.ProtocolError):
            # A part may have gone out, and a reply may be on its way: nobody can tell.
            self.close()
        return replies

    def ask(self, *words: str) -> Any:
        """Send one command of the run's own, not of a workload, and return its reply.

        Raises:
            NotSentError: it was not sent, not answered, or refused: for whoever asks all the same.
        """
        replies = self.execute([tuple(word.encode() for word in words)])
        if not replies or isinstance(replies[0], Exception):
            raise NotSentError(f"{words[0]}: {replies[0] if replies else 'no answer'}")
        return replies[0]

    def is_usable(self) -> bool:
        """See `port.Client`."""
        return not self._is_over

    def close(self) -> None:
        """See `port.Client`."""
        self._is_over = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, request: bytes, end: float) -> None:
        connection = self._connection(end)
        connection.sendall(request)

    def _receive(self, end: float) -> Any:
        # `gets` returns False where no whole reply has come; RESP2, which is spoken here, has no booleans.
        while (reply := self._reader.gets()) is False:
            chunk = self._connection(end).recv(RECEIVE_BYTES)
            if not chunk:
                raise ConnectionError("closed by the other side")
            self._reader.feed(chunk)
        return reply

    def _connection(self, end: float) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of patience")
        self._socket.settimeout(left)
        return self._socket
