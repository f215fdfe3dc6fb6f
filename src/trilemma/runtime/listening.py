"""Sockets to listen on, bound before anything else in a start, so that a taken port is known at once."""

import socket


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


def address_of(bound: socket.socket) -> tuple[str, int]:
    """Return the host and the port that a socket is bound to."""
    host, port = bound.getsockname()[:2]
    return host, port
