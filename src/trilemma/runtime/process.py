"""A node as a process of its own: event loop, signals, exit status. `trilemma serve` is this."""

import asyncio
import resource
import signal
from pathlib import Path

import msgspec
import uvloop

from trilemma.runtime.config import ServerConfig
from trilemma.runtime.listening import StartRefused
from trilemma.runtime.port import Laboratory
from trilemma.runtime.server import Server

DESCRIPTORS_RESERVED = 512
"""Beside clients: peers, log segments, RocksDB's files."""


def raise_descriptor_limit(clients_max: int) -> int | None:
    """Allow as many open files as the clients need; return the limit where the system allows fewer, as Redis does."""
    needed = clients_max + DESCRIPTORS_RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return None


def fitted(config: ServerConfig) -> ServerConfig:
    """Return a configuration with no more clients than there are descriptors for: a burst of them must not end a node.

    Raises:
        StartRefused: there are none left for clients.
    """
    allowed = raise_descriptor_limit(config.maxclients)
    if allowed is None:
        return config
    clients = allowed - DESCRIPTORS_RESERVED
    if clients < 1:
        raise StartRefused(
            f"the system allows {allowed} open files; a node needs {DESCRIPTORS_RESERVED}, and one for each client: "
            "raise the hard limit (ulimit -Hn)"
        )
    return msgspec.structs.replace(config, maxclients=clients)


def serve(config: ServerConfig, lab: Laboratory | None = None, config_file: Path | None = None) -> None:
    """Run a node until it is told to leave by SIGTERM, SIGINT or SHUTDOWN.

    Raises:
        StartRefused: with a sentence for the operator.
        DataDamaged: likewise, of a node that ran.
        Exception: what broke the node while it ran; it has been logged.
    """
    server = Server(fitted(config), lab=lab, config_file=config_file)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, config.maxclients))


async def _serve(server: Server, clients_wanted: int) -> None:
    if server.config.maxclients < clients_wanted:
        server.logger.warning("few descriptors", maxclients=server.config.maxclients, wanted=clients_wanted)
    await server.start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.begin_shutdown)
    try:
        await server.wait()
    finally:
        await server.stop()
