"""Sockets to listen on, bound before anything else in a start, so that a taken port is known at once."""

import socket
from contextlib import suppress
from pathlib import Path
from secrets import randbelow

from trilemma.runtime.address import join_address, split_address
from trilemma.runtime.clients import LISTEN_BACKLOG
from trilemma.runtime.config import ServerConfig

FREE_PORTS_FROM = 12_000
OUTGOING_PORTS_FROM = 32_768
TRIES = 100
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class StartRefused(Exception):  # noqa: N818 - the sentence says what was refused
    """The node cannot start; the text is a sentence for the operator."""


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that does not listen yet; port 0 takes any free one.

    Raises:
        StartRefused: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as problem:
        raise StartRefused(f"cannot listen on {host}:{port}: {problem.strerror}") from problem
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError as problem:
        bound.close()
        raise StartRefused(f"cannot listen on {host}:{port}: {problem.strerror}") from problem
    return bound


def listen(bound: socket.socket) -> None:
    """Listen, so that a port that another socket took since it was bound is known by name.

    Raises:
        StartRefused: the port is taken.
    """
    try:
        bound.listen(LISTEN_BACKLOG)
    except OSError as problem:
        where = join_address(*address_of(bound))
        raise StartRefused(f"cannot listen on {where}: {problem.strerror}") from problem


def bind_free(host: str) -> socket.socket:
    """Return a socket that listens at a free port which the system does not give to outgoing connections.

    It listens at once: of two that are only bound to one port, with SO_REUSEADDR, the second could not later.
    A node that is down must find its port free again: whoever tries to reach it meanwhile could be given that very
    port for its own end, and so be connected with itself.
    """
    low = _outgoing_ports_from()
    for _ in range(TRIES):
        with suppress(StartRefused):
            return _listening(host, FREE_PORTS_FROM + randbelow(low - FREE_PORTS_FROM))
    return _listening(host, 0)


def _listening(host: str, port: int) -> socket.socket:
    bound = bind(host, port)
    try:
        listen(bound)
    except StartRefused:
        bound.close()
        raise
    return bound


def _outgoing_ports_from() -> int:
    try:
        first = int(_PORT_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError):
        first = OUTGOING_PORTS_FROM
    return max(first, FREE_PORTS_FROM + 1)


def address_of(bound: socket.socket) -> tuple[str, int]:
    """Return the host and the port that a socket is bound to."""
    host, port = bound.getsockname()[:2]
    return host, port


class Sockets:
    """The two bound sockets of a node, made before its configuration where nobody knows the ports yet."""

    def __init__(self, client: socket.socket, peer: socket.socket) -> None:
        self.client = client
        self.peer = peer

    @classmethod
    def free(cls, host: str = "127.0.0.1") -> "Sockets":
        """Bind two free ports."""
        return cls(bind_free(host), bind_free(host))

    @property
    def addresses(self) -> tuple[str, str]:
        """The client and the peer address, as a configuration names them."""
        return join_address(*address_of(self.client)), join_address(*address_of(self.peer))

    @classmethod
    def for_config(cls, config: ServerConfig) -> "Sockets":
        """Bind what the configuration names.

        Raises:
            StartRefused: a port is taken.
        """
        client_host, client_port = split_address(config.me.address)
        peer_host, peer_port = split_address(config.me.peer_address)
        client = bind(config.bind or client_host, client_port)
        try:
            return cls(client, bind(config.bind or peer_host, peer_port))
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        """Close what was not handed over to a listener."""
        self.client.close()
        self.peer.close()
