"""A node as a process of its own: event loop, signals, exit status. `trilemma serve` is this."""

import asyncio
import signal

import uvloop

from trilemma.runtime.config import ServerConfig
from trilemma.runtime.port import Laboratory
from trilemma.runtime.server import Server


def serve(config: ServerConfig, lab: Laboratory | None = None) -> None:
    """Run a node until it is told to leave by SIGTERM, SIGINT or SHUTDOWN.

    Raises:
        StartRefused: with a sentence for the operator.
        Exception: what broke the node while it ran; it has been logged.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Server(config, lab=lab)))


async def _serve(server: Server) -> None:
    await server.start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.begin_shutdown)
    try:
        await server.wait()
    finally:
        await server.stop()
