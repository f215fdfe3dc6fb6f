"""Nodes on one loop in a thread of its own: brought up and taken down by name, and taken down where one ends by itself.

Owns the loop, its thread and the servers that run. Does not know what their cluster is for, nor who asks: every method
is for other threads than the loop's. The loop and the thread come with `begin`, so nodes that nobody starts leave
nothing behind.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import uvloop

from trilemma.lab.desk import Desk
from trilemma.runtime.config import ServerConfig
from trilemma.runtime.listening import Sockets
from trilemma.runtime.server import Server

T = TypeVar("T")


class Nodes:
    """The nodes of one cluster in this process. The order of calls: `begin`, `start_all`, any others, `end`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.servers: dict[str, Server] = {}
        """Those that run; to be looked at only. What changes it runs on the loop."""
        self._names = names
        self._configs: Mapping[str, ServerConfig] = {}
        self._turns = {name: asyncio.Lock() for name in names}
        """Who starts or stops a node is through with it before the next one."""
        self._watches: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread

    def begin(self) -> None:
        """Make the loop run."""
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="trilemma-local", daemon=True)
        self._thread.start()

    def start_all(self, configs: Mapping[str, ServerConfig], sockets: Mapping[str, Sockets]) -> None:
        """Start every node, on sockets that are bound already.

        Raises:
            Exception: what kept one from starting; others may run.
        """
        self._configs = configs
        self._run(self._start_all(sockets))

    def start(self, name: str) -> None:
        """Start a node that is down."""
        self._run(self._start(name))

    def stop(self, name: str) -> None:
        """Take a node down if it is up."""
        self._run(self._stop(name))

    def do(self, action: Callable[[], None]) -> None:
        """Do something on the loop, and wait until it is done."""

        async def act() -> None:
            action()

        self._run(act())

    def end(self) -> None:
        """Take all nodes down and end the loop.

        Raises:
            Exception: what kept a node from stopping cleanly; neither a node nor the thread is left all the same.
        """
        try:
            if self._thread.is_alive():
                self._run(self._stop_all())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # On the loop

    async def _start_all(self, sockets: Mapping[str, Sockets]) -> None:
        await asyncio.gather(*(self._start(name, sockets[name]) for name in self._names))

    async def _start(self, name: str, sockets: Sockets | None = None) -> None:
        config = self._configs[name]
        names = {member.id: member.name for member in config.members}
        async with self._turns[name]:
            server = Server(config, lab=Desk(config.me.id, names), sockets=sockets)
            await server.start()
            self.servers[name] = server
        watch = asyncio.create_task(self._take_down_at_its_end(name, server))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _take_down_at_its_end(self, name: str, server: Server) -> None:
        """Take a node down that a client's SHUTDOWN or its own defect has ended, as its process would end."""
        with suppress(Exception):  # the node has logged what broke it
            await server.wait()
        await self._stop(name, server)

    async def _stop(self, name: str, only: Server | None = None) -> None:
        """Take a node down if it is up; `only`: and has not been started again since."""
        async with self._turns[name]:
            server = self.servers.get(name)
            if server is None or (only is not None and server is not only):
                return
            try:
                await server.stop()
            finally:
                del self.servers[name]

    async def _stop_all(self) -> None:
        ended = await asyncio.gather(*map(self._stop, self._names), return_exceptions=True)
        await asyncio.gather(*self._watches, return_exceptions=True)
        for problem in ended:
            if problem is not None:
                raise problem
