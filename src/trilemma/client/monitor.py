"""Listening to Redis-speaking servers by MONITOR, for some time. Each node of Trilemma shows its own clients' commands.

Source: https://redis.io/docs/latest/commands/monitor.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector
from typing import Self

from trilemma.base.limits import MIB, limit

PATIENCE_S = 5.0
LINE_BYTES_MAX = limit(
    "monitor_line_bytes_max", 32 * MIB, "bytes", "one command of MONITOR is held whole", "lint --monitor ends"
)
READ_BYTES = 1 << 18


class NoMonitorError(Exception):
    """A server cannot be listened to; the text says why, and what to do instead."""


def monitored(addresses: Sequence[str], seconds: float, password: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield what MONITOR shows on each server, as (address, line), until the time is up.

    Args:
        addresses: host:port of each.

    Raises:
        NoMonitorError: one of them is no such server, has no MONITOR, refuses it, or ends it.
    """
    with ExitStack() as stack, DefaultSelector() as selector:
        for address in addresses:
            listener = stack.enter_context(_Listener(address, password))
            selector.register(listener.connection, EVENT_READ, listener)
        end = time.monotonic() + seconds
        # What came right behind the reply to MONITOR is there already, and wakes no selector.
        for key in list(selector.get_map().values()):
            yield from ((key.data.address, line) for line in key.data.lines())
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.read()
                yield from ((key.data.address, line) for line in key.data.lines())


class _Listener:
    """A connection that monitors one server."""

    def __init__(self, address: str, password: str | None) -> None:
        self.address = address
        self._buffer = b""
        host, _, port = address.rpartition(":")
        if not port.isdigit():
            raise NoMonitorError(f"--monitor is host:port or the directory of a cluster, not {address}")
        try:
            self.connection = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), PATIENCE_S)
        except (OSError, OverflowError) as problem:
            raise NoMonitorError(f"{address} cannot be listened to: {problem}") from problem
        try:
            if password is not None:
                self._expect_ok(b"AUTH", password.encode())
            self._expect_ok(b"MONITOR")
        except NoMonitorError:
            self.connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def lines(self) -> list[bytes]:
        """Return the lines that have come whole."""
        *lines, self._buffer = self._buffer.split(b"\n")
        return [line.rstrip(b"\r") for line in lines]

    def read(self) -> None:
        """Take in what has come.

        Raises:
            NoMonitorError: the connection was closed, or a line is too long.
        """
        try:
            data = self.connection.recv(READ_BYTES)
        except OSError as problem:
            raise NoMonitorError(f"{self.address} cannot be listened to: {problem}") from problem
        self._buffer += data
        if not data:
            raise NoMonitorError(f"{self.address} cannot be listened to: the server closed the connection")
        if len(self._buffer) > LINE_BYTES_MAX:
            raise NoMonitorError(f"{self.address} cannot be listened to: a line is too long")

    def _expect_ok(self, *words: bytes) -> None:
        wire = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        try:
            self.connection.sendall(wire)
        except OSError as problem:
            raise NoMonitorError(f"{self.address} cannot be listened to: {problem}") from problem
        while b"\n" not in self._buffer:
            self.read()
        said, _, self._buffer = self._buffer.partition(b"\n")
        if said.rstrip() == b"+OK":
            return
        text = said.decode("utf-8", "replace").strip().lstrip("-")
        if text.startswith("ERR unknown command"):
            raise NoMonitorError(
                f"{self.address} has no MONITOR ({text}): judge the program's source, or a text of its commands"
            )
        raise NoMonitorError(f"{self.address} does not let itself be listened to: {text}")
