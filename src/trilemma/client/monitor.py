"""Listening to a Redis-speaking server by MONITOR, for some time.

Source: https://redis.io/docs/latest/commands/monitor.
"""

import socket
import time
from collections.abc import Iterator

from trilemma.base.limits import MIB, limit

PATIENCE_S = 5.0
LINE_BYTES_MAX = limit(
    "monitor_line_bytes_max", 32 * MIB, "bytes", "one command of MONITOR is held whole", "lint --monitor ends"
)


class NoMonitorError(Exception):
    """The server cannot be listened to; the text says why, and what to do instead."""


def monitored(address: str, seconds: float, password: str | None = None) -> Iterator[bytes]:
    """Yield what MONITOR shows, a line per command, until the time is up.

    Args:
        address: host:port.

    Raises:
        NoMonitorError: there is no such server, it has no MONITOR, refuses it, or ends it.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise NoMonitorError("--monitor is host:port")
    try:
        with socket.create_connection((host or "127.0.0.1", int(port)), timeout=PATIENCE_S) as connection:
            lines = _Lines(connection)
            if password is not None:
                _expect_ok(connection, lines, address, b"AUTH", password.encode())
            _expect_ok(connection, lines, address, b"MONITOR")
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                line = lines.next(left)
                if line is None:
                    return
                yield line
    except OSError as problem:
        raise NoMonitorError(f"{address} cannot be listened to: {problem}") from problem


class _Lines:
    """Lines off a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self, seconds: float) -> bytes | None:
        """Return the next line; None where the time is up.

        Raises:
            OSError: the connection was closed, or a line is too long.
        """
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(1 << 16)
            except TimeoutError:
                return None
            if not data:
                raise OSError("the server closed the connection")
            self._buffer += data
            if len(self._buffer) > LINE_BYTES_MAX:
                raise OSError("a line is too long")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")


def _expect_ok(connection: socket.socket, lines: _Lines, address: str, *words: bytes) -> None:
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
    said = lines.next(PATIENCE_S)
    if said == b"+OK":
        return
    text = (said or b"no answer").decode("utf-8", "replace").lstrip("-")
    if text.startswith("ERR unknown command"):
        raise NoMonitorError(
            f"{address} has no MONITOR ({text.strip()}): judge the program's source, or a text of its commands"
        )
    raise NoMonitorError(f"{address} does not let itself be listened to: {text}")
